# syntax=docker/dockerfile:1

# All that the lock names, checked against its hashes; then the application itself.
FROM python:3.11-slim AS build
WORKDIR /build
COPY requirements.lock ./
RUN pip wheel --no-cache-dir --require-hashes --no-deps --wheel-dir /wheels -r requirements.lock
COPY . .
RUN pip install --no-cache-dir --no-index --find-links=/wheels hatchling \
    && pip wheel --no-cache-dir --no-index --no-deps --no-build-isolation --wheel-dir /wheels .

# Of these, only what it needs to run.
FROM python:3.11-slim
RUN --mount=from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links=/wheels "graph-cmdb[fast,traces]"
RUN useradd --uid 10001 --create-home cmdb \
    && install --directory --owner=cmdb --group=cmdb /data
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER cmdb
# The embedded store, cmdb.db, is made in the working directory.
WORKDIR /data
VOLUME /data
# Of `cmdb serve`; /healthz and /readyz say how it is.
EXPOSE 8000
ENTRYPOINT ["cmdb"]
CMD ["--help"]
