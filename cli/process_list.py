"""Which processes of a kind are open, and which of them wait for a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from cli import output
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.desk import Waiting, open_processes
from lifecycle.items import count

_WHO: Final = ("requested_by", "organisation")


class Columns(NamedTuple):
    """What a kind is called, what it concerns, and the attributes that are listed beside those of all."""

    kind: str
    items: str
    more: Sequence[str]


def print_open(
    graph: GraphStore, kind: str, columns: Columns, first: int, after: str, json: bool
) -> None:
    """Those that are not at their end, newest number first."""
    page = open_processes(graph, kind, first, after or None)
    of = "" if page.total in (None, len(page.records)) else f" of {page.total}"
    more = f" More with --after {page.cursor}" if page.cursor else ""
    _print(graph, page.records, columns, {}, json)
    if not json:
        output.print_line(f"{len(page.records)}{of} are open.{more}")


def print_waiting(
    graph: GraphStore, waiting: Iterable[Waiting], columns: Columns, first: int, json: bool
) -> None:
    """Those that wait for one person, and for what."""
    found = list(islice(waiting, first))
    asked = {one.order.id: one.what for one in found}
    _print(graph, [one.order for one in found], columns, asked, json)
    if not json:
        output.print_line(f"{len(found)} wait for you.")


def _print(
    graph: GraphStore,
    records: Sequence[Record],
    columns: Columns,
    asked: Mapping[str, str],
    json: bool,
) -> None:
    if json:
        output.print_json(
            [
                {
                    **output.plain_record(graph.model, r),
                    **({"asked": asked[r.id]} if r.id in asked else {}),
                }
                for r in records
            ]
        )
        return
    named = output.referred(
        graph, ((n, r.attributes.get(n)) for r in records for n in (*columns.more, *_WHO))
    )
    rows = [_row(graph, record, columns, named, asked) for record in records]
    heads = [columns.kind, "类型", "state", *columns.more, columns.items]
    heads += [name.replace("_", " ") for name in _WHO]
    if rows:
        output.print_table([*heads, "waits for you to"] if asked else heads, rows)


def _row(
    graph: GraphStore,
    process: Record,
    columns: Columns,
    named: Mapping[str, str],
    asked: Mapping[str, str],
) -> list[Any]:
    model, attributes = graph.model, process.attributes

    def shown(name: str) -> str:
        return output.shown(model, name, attributes.get(name), named)

    return [
        attributes.get("number", ""),
        model.record_types[process.type].label.zh,
        output.state(model, process),
        *map(shown, columns.more),
        count(graph, process.id),
        *map(shown, _WHO),
        *([asked[process.id]] if process.id in asked else []),
    ]
