"""The formats service graphs come in, each as calls: see `importers.service_graph`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from cmdb.reconciliation.observations import Rejection
from importers.reading import Document

METRIC: Final = "traces_service_graph_request_total"

_CALLERS: Final = ("source", "from", "caller", "client", "parent", "src", "调用方", "源")
_CALLEES: Final = (
    "target",
    "to",
    "callee",
    "server",
    "child",
    "destination",
    "dst",
    "被调用方",
    "目标",
)
_COUNTS: Final = ("calls", "call_count", "callcount", "count", "requests", "weight", "调用次数")
_SAMPLE: Final = re.compile(
    METRIC + r"\{(?P<labels>(?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*)\}[ \t]+(?P<value>\S+)(?:[ \t].*)?"
)
_LABEL: Final = re.compile(r"([A-Za-z_]\w*)\s*=\s*\"((?:[^\"\\]|\\.)*)\"", re.ASCII)
_ESCAPE: Final = re.compile(r"\\(.)")
_LINE_LENGTH: Final = 100_000


class Call(NamedTuple):
    """One service calls another; values as the source has them, whatever they are."""

    caller: Any
    callee: Any
    count: Any
    place: str


def calls(document: Document) -> Iterator[Call | Rejection]:
    """The calls a document tells of.

    Raises
    ------
    SourceError
        It is in none of the formats.
    """
    start = document.read().lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] in (b"{", b"["):
        yield from _json(document)
    elif METRIC.encode() in start or start.startswith((b"# HELP", b"# TYPE")):
        yield from _metrics(document)
    else:
        yield from _table(document)


def _json(document: Document) -> Iterator[Call | Rejection]:
    root = document.json()
    data = root.get("data") if isinstance(root, dict) else root
    if isinstance(data, dict) and isinstance(data.get("result"), list):
        yield from _series(document, data["result"])
    elif isinstance(data, list):
        for number, edge in enumerate(data, 1):
            place = f"{document.name} item {number}"
            if isinstance(edge, dict) and "parent" in edge and "child" in edge:
                yield Call(edge["parent"], edge["child"], edge.get("callCount"), place)
            elif number == 1:
                raise document.error("is no service graph: its items have no parent and child")
            else:
                yield Rejection(place, "it has no parent and child")
    else:
        raise document.error("is no service graph of Jaeger, Zipkin or Prometheus")


def _series(document: Document, series: list[Any]) -> Iterator[Call | Rejection]:
    """Of an answer of Prometheus: an instant vector, or a matrix, of which the last value counts."""
    for number, entry in enumerate(series, 1):
        place = f"{document.name} series {number}"
        labels = entry.get("metric") if isinstance(entry, dict) else None
        if not isinstance(labels, dict):
            yield Rejection(place, "it has no labels")
        elif labels.get("__name__", METRIC) != METRIC:
            continue  # sizes, durations, failures
        elif "client" not in labels or "server" not in labels:
            yield Rejection(place, "it has no labels client and server")
        else:
            yield Call(labels["client"], labels["server"], _last(entry), place)


def _last(entry: Mapping[str, Any]) -> Any:
    values = entry.get("values")
    sample = values[-1] if isinstance(values, list) and values else entry.get("value")
    return sample[1] if isinstance(sample, list) and len(sample) == 2 else None


def _metrics(document: Document) -> Iterator[Call | Rejection]:
    """Of metrics as text: https://prometheus.io/docs/instrumenting/exposition_formats/"""
    samples = 0
    for number, line in enumerate(document.text().split("\n"), 1):
        line = line.strip()
        if not line.startswith((METRIC + "{", METRIC + " ")):
            continue
        samples += 1
        place = f"{document.name} line {number}"
        match = _SAMPLE.fullmatch(line) if len(line) <= _LINE_LENGTH else None
        if match is None:
            yield Rejection(place, "it is no sample of a metric")
            continue
        found = _LABEL.findall(match["labels"])
        labels = {name: _ESCAPE.sub(_unescaped, value) for name, value in found}
        yield Call(labels.get("client"), labels.get("server"), match["value"], place)
    if not samples:
        raise document.error(f"holds no metric {METRIC}")


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def _table(document: Document) -> Iterator[Call | Rejection]:
    text = document.text()
    header = text.lstrip().partition("\n")[0][:_LINE_LENGTH]
    delimiter = max(",;\t", key=header.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    columns: list[int | None] = []
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if not columns:
                columns = _columns(document, row)
                continue
            cells = (row[c] if c is not None and c < len(row) else None for c in columns)
            caller, callee, count = cells
            yield Call(
                caller, callee, count and count.strip(), f"{document.name} row {rows.line_num}"
            )
    except csv.Error as error:
        raise document.error(f"is not CSV (line {rows.line_num}: {error})") from None
    if not columns:
        raise document.error("is empty")


def _columns(document: Document, header: list[str]) -> list[int | None]:
    """Where caller, callee and number of calls stand."""
    names = [cell.strip().lower().replace(" ", "_") for cell in header]
    found = [
        next((names.index(name) for name in wanted if name in names), None)
        for wanted in (_CALLERS, _CALLEES, _COUNTS)
    ]
    if found[0] is None or found[1] is None:
        raise document.error(
            "is no service graph: it has no columns such as source and target",
            "Call them source and target, or caller and callee, and the numbers calls.",
        )
    return found
