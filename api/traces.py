"""Traces: a span a request, told to a collector by OTLP over HTTP. Needs the extra ``traces``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers
from starlette.types import Scope

from api.settings import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter


class Traces:
    """Spans of one app; nothing global is set.

    Parameters
    ----------
    endpoint
        Where the collector takes traces.
    exporter
        Instead of one that sends them there.

    Raises
    ------
    SettingsError
        The extra is not installed.
    """

    def __init__(self, endpoint: str, exporter: SpanExporter | None = None) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError:
            raise SettingsError(
                ["otlp_endpoint needs more packages: install graph-cmdb[traces]."]
            ) from None
        about = {"service.name": "graph-cmdb", "service.version": version("graph-cmdb")}
        self.provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
        self.provider.add_span_processor(
            BatchSpanProcessor(exporter or OTLPSpanExporter(endpoint=endpoint))
        )
        self._tracer = self.provider.get_tracer("graph-cmdb")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, scope: Scope) -> Iterator[Any]:
        """The span of a request, below that of the one who asks, if it says so."""
        from opentelemetry.trace import SpanKind

        parent = self._propagator.extract(dict(Headers(scope=scope)))
        method = scope.get("method", "WEBSOCKET")
        with self._tracer.start_as_current_span(
            method, context=parent, kind=SpanKind.SERVER
        ) as span:
            try:
                yield span
            finally:
                route = getattr(scope.get("route"), "path", "other")
                span.update_name(f"{method} {route}")
                span.set_attribute("http.request.method", method)
                span.set_attribute("http.route", route)
                status = scope.get("state", {}).get("status", 0)
                span.set_attribute("http.response.status_code", status)
                span.set_attribute("cmdb.request_id", scope["state"].get("request_id", ""))

    def close(self) -> None:
        """Send what is left."""
        self.provider.shutdown()
