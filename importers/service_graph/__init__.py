"""Service graphs: who calls whom, as tracing sees it or as a table says it.

Reads

- CSV with a header: caller and callee (``source,target``, ``from,to``, ``caller,callee``,
  ``client,server``, ``parent,child``) and, if it has it, the number of calls;
- Jaeger's dependencies, ``GET /api/dependencies``: ``{"data": [{"parent", "child", "callCount"}]}``;
- Zipkin's, ``GET /api/v2/dependencies``: ``[{"parent", "child", "callCount"}]``;
- service graphs of Grafana Tempo and of the OpenTelemetry Collector's connector, which are the metric
  ``traces_service_graph_request_total{client="…", server="…"}``: an answer of Prometheus'
  ``GET /api/v1/query`` or ``query_range``, or the metrics as text.

Gives application services and who CALLS whom, with the number of calls. The same pair in several rows,
series or documents is one, its numbers added.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final

from cmdb.reconciliation.observations import Item, Link, Observation, Ref, Rejection
from importers.contract import Importer, Options
from importers.reading import Document
from importers.service_graph.formats import Call, calls
from importers.values import said

_NAME_LENGTH: Final = 250


class ServiceGraph(Importer[Options]):
    name: ClassVar[str] = "service-graph"
    title: ClassVar[str] = "Service graphs: CSV, Jaeger, Zipkin, Tempo, Prometheus metrics"
    title_zh: ClassVar[str] = "服务调用图：CSV、Jaeger、Zipkin、Tempo、Prometheus 指标"
    precedence: ClassVar[int] = 30
    together: ClassVar[bool] = True
    suffixes: ClassVar[Sequence[str]] = (".csv", ".tsv", ".json", ".prom", ".txt")

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        graph: dict[str, dict[str, float | None]] = {}
        for document in documents:
            for call in calls(document):
                rejection = call if isinstance(call, Rejection) else _add(graph, call)
                if rejection:
                    yield rejection
        for service, called in graph.items():
            links = [
                Link("CALLS", Ref(_key(other)), said(call_count=count))
                for other, count in called.items()
            ]
            yield Observation("ApplicationService", _key(service), {"name": service}, links)


def _add(graph: dict[str, dict[str, float | None]], call: Call) -> Rejection | None:
    caller, callee = _service(call.caller), _service(call.callee)
    if not caller or not callee:
        return Rejection(call.place, "it does not name both the caller and the called service")
    if caller == callee:
        what = f"{caller} calls itself, which says nothing of other services"
        return Rejection(call.place, what, _key(caller))
    try:
        count = _count(call.count)
    except ValueError as error:
        return Rejection(call.place, str(error))
    called = graph.setdefault(caller, {})
    graph.setdefault(callee, {})
    before = called.get(callee)
    called[callee] = count if before is None else before + (count or 0)
    return None


def _key(service: str) -> str:
    return f"service/{service}"


def _service(value: Any) -> str:
    """A service's name; empty for what can be none."""
    name = " ".join(value.split()) if isinstance(value, str) else ""
    return name if len(name) <= _NAME_LENGTH and name.isprintable() else ""


def _count(value: Any) -> float | None:
    """A number of calls; None where there is none. Raises ValueError for what is no number of them."""
    if value is None or value == "":
        return None
    try:
        count = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        count = math.nan
    if not 0 <= count < 1e300:
        raise ValueError("its number of calls is no number of calls")
    return count
