"""GET /metrics: what Prometheus asks. A registry an app, so that several in one process do not mix."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from api.access.audit import BEARER, DONE
from api.access.errors import UnauthenticatedError
from api.access.sign_in import SIGN_IN
from api.rest.problems import RESPONSES
from cmdb.errors import StoreError
from cmdb.store import GraphStore
from itsm.desk import Desk
from schema.errors import CmdbError

if TYPE_CHECKING:
    from api.app import Services

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
COSTS: Final = (1, 10, 100, 1_000, 10_000, 100_000)
KEPT_SECONDS: Final = 15.0
"""Counts of a store are asked at most this often."""

Position = Callable[[], int]
"""The revision that a follower of the feed is at."""


class Metrics:
    """The instruments of one app. Whoever does what is measured calls these methods."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self._requests = Counter(
            "cmdb_http_requests", "Requests", ["route", "method", "status"], registry=registry
        )
        self._seconds = Histogram(
            "cmdb_http_request_seconds",
            "How long requests took",
            ["route", "method"],
            buckets=SECONDS,
            registry=registry,
        )
        self._operations = Counter(
            "cmdb_graphql_operations",
            "GraphQL operations by type (query, mutation, subscription) and outcome (ok, or the code of the error)",
            ["type", "outcome"],
            registry=registry,
        )
        self._operation_seconds = Histogram(
            "cmdb_graphql_operation_seconds",
            "How long GraphQL operations took",
            ["type"],
            buckets=SECONDS,
            registry=registry,
        )
        self._costs = Histogram(
            "cmdb_graphql_operation_cost",
            "Cost of GraphQL operations as estimated",
            ["type"],
            buckets=COSTS,
            registry=registry,
        )
        self._failures = Counter(
            "cmdb_sign_in_failures", "Sign-ins that failed", ["reason"], registry=registry
        )
        self._deliveries = Counter(
            "cmdb_webhook_deliveries", "Webhook deliveries", ["outcome"], registry=registry
        )
        self._alerts = Counter(
            "cmdb_alerts_received", "Alerts received", ["format", "outcome"], registry=registry
        )

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        self._requests.labels(route, method, status).inc()
        self._seconds.labels(route, method).observe(seconds)

    def operation(self, type: str, outcome: str, seconds: float, cost: float | None = None) -> None:
        """A GraphQL operation: ``query``, ``mutation`` or ``subscription``; ``ok`` or an error's code."""
        self._operations.labels(type, outcome).inc()
        self._operation_seconds.labels(type).observe(seconds)
        if cost is not None:
            self._costs.labels(type).observe(cost)

    def noted(self, what: str, result: str) -> None:
        """What went into the audit: sign-ins and tokens that failed are counted."""
        if what in (SIGN_IN, BEARER) and result != DONE:
            self.sign_in_failed(what if result == UnauthenticatedError.code else result)

    def sign_in_failed(self, reason: str) -> None:
        """``sign_in`` for a password, ``token``, or the code of another error."""
        self._failures.labels(reason).inc()

    def delivery(self, outcome: str) -> None:
        """A webhook: ``delivered``, ``failed`` or ``given_up``."""
        self._deliveries.labels(outcome).inc()

    def alerts(self, format_: str, read: int, unread: int) -> None:
        """Alerts that came in: those that could be read, and those that could not."""
        self._alerts.labels(format_, "read").inc(read)
        self._alerts.labels(format_, "unread").inc(unread)


class DeskCollector:
    """How the desk is, and what it has done in this process."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        try:
            how = self.desk.condition()
        except CmdbError:
            return
        yield GaugeMetricFamily(
            "cmdb_alerts_backlog", "Received alerts that are not taken in yet", how.backlog
        )
        yield GaugeMetricFamily(
            "cmdb_alerts_unmatched", "Alerts that fire, and whose CI is not known", how.unmatched
        )
        yield GaugeMetricFamily("cmdb_desk_holds", "Whether this process does it", int(how.holds))
        if how.ran_at is not None:
            yield GaugeMetricFamily(
                "cmdb_desk_ran_timestamp_seconds",
                "When alerts were looked at last",
                how.ran_at.timestamp(),
            )
        failing = GaugeMetricFamily(
            "cmdb_desk_failing", "Jobs that failed last time", labels=["job"]
        )
        for name in how.failing:
            failing.add_metric([name], 1)
        yield failing
        done = CounterMetricFamily("cmdb_desk_done", "What was done", labels=["what"])
        for name, count in asdict(self.desk.tally).items():
            done.add_metric([name], count)
        yield done


class StoreCollector:
    """What the store holds, and how far behind its followers are."""

    def __init__(self, store: GraphStore, followers: Mapping[str, Position]) -> None:
        self.store, self.followers = store, followers
        self._kept: tuple[float, dict[str, int]] = (float("-inf"), {})

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("cmdb_store_up", "Whether the store answers")
        found: list[Metric] = [up]
        try:
            last = self.store.last_revision().number
            found += [
                GaugeMetricFamily(f"cmdb_{name}", f"{name.replace('_', ' ')} in the store", value)
                for name, value in self._counts().items()
            ]
            found.append(GaugeMetricFamily("cmdb_last_revision", "The newest revision", last))
            lag = GaugeMetricFamily(
                "cmdb_follower_lag", "Revisions that a follower is behind", labels=["follower"]
            )
            for name, position in self.followers.items():
                lag.add_metric([name], max(0, last - position()))
            found.append(lag)
            sent = "Statements sent to the store"
            found.append(CounterMetricFamily("cmdb_store_statements", sent, self.store.statements))
            up.add_metric([], 1)
        except StoreError:
            up.add_metric([], 0)
        return iter(found)

    def _counts(self) -> dict[str, int]:
        at, counts = self._kept
        if time.monotonic() - at > KEPT_SECONDS:
            counts = dict(self.store.statistics()._asdict())
            self._kept = time.monotonic(), counts
        return counts


router = APIRouter(tags=["watching"], responses=RESPONSES)


@router.get(
    "/metrics",
    summary="Measures, as Prometheus reads them",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"example": "cmdb_store_up 1.0\n"}}}},
)
def metrics(request: Request) -> Response:
    """Requests, GraphQL operations, the store, followers, sign-ins, webhooks.

    Asks for `Authorization: Bearer …` where `metrics_token` is set; where it is not, only programs of the
    same machine are answered.
    """
    services: Services = request.app.state.services
    wanted = services.settings.metrics_token
    given = request.headers.get("authorization", "")
    if wanted is None:
        allowed = not services.settings.behind_proxy and _local(request)
    else:
        right = f"Bearer {wanted.get_secret_value()}"
        allowed = hmac.compare_digest(given.encode(), right.encode())
    if not allowed:
        raise HTTPException(401, "This asks for its token", {"WWW-Authenticate": "Bearer"})
    return Response(generate_latest(services.metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _local(request: Request) -> bool:
    """Whether the same machine asks."""
    try:
        return ip_address(request.client.host if request.client else "").is_loopback
    except ValueError:
        return False
