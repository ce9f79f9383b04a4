"""Which orders are open, and which of them wait for a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Annotated, Any, Final

import typer

from cli import output
from cli.options import STORE_DEFAULT, Actor, After, First, Json, Store, actor_or_me, opened
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.desk import Desk, open_orders
from lifecycle.engine import Engine
from lifecycle.items import count
from schema.model import Model, RecordType

TypeOf = Callable[[Model, str], RecordType]


def lister(kind: str, type_of: TypeOf, help_: str) -> Callable[..., None]:
    """The subcommand that lists open processes of a type.

    Parameters
    ----------
    type_of
        The type that a person means by a word.
    """

    def list_(
        type_: Annotated[str, typer.Argument(metavar="[TYPE]", help="Only these.")] = "",
        mine: Annotated[
            bool, typer.Option("--mine", help="Those that wait for you, and for what.")
        ] = False,
        first: First = 50,
        after: After = "",
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        with opened(store) as graph:
            chosen = type_of(graph.model, type_).name if type_ else kind
            if mine:
                desk = Desk(Engine(graph), actor_or_me(actor))
                found = list(islice(desk.waiting(chosen), first))
                asked = {w.order.id: w.what for w in found}
                records, more = [w.order for w in found], ""
                total: int | None = None
            else:
                page = open_orders(graph, chosen, first, after or None)
                records, total, asked = page.records, page.total, {}
                more = f" More with --after {page.cursor}" if page.cursor else ""
            if json:
                output.print_json([_plain(graph, r, asked) for r in records])
                return
            who = ((n, r.attributes.get(n)) for r in records for n in _WHO)
            named = output.referred(graph, who)
            rows = [_row(graph, record, named, asked) for record in records]
            columns = ["number", "类型", "state", "devices", "requested by", "organisation"]
            if rows:
                output.print_table([*columns, "waits for you to"] if mine else columns, rows)
            what = "wait for you" if mine else "are open"
            of = f" of {total}" if total is not None and total != len(rows) else ""
            output.print_line(f"{len(rows)}{of} {what}.{more}")

    list_.__doc__ = help_
    return list_


_WHO: Final = ("requested_by", "organisation")


def _row(
    graph: GraphStore, order: Record, named: Mapping[str, str], asked: Mapping[str, str]
) -> list[Any]:
    model, attributes = graph.model, order.attributes
    return [
        attributes.get("number", ""),
        model.record_types[order.type].label.zh,
        output.shown(model, "lifecycle_state", attributes.get("lifecycle_state")),
        count(graph, order.id),
        *(output.shown(model, n, attributes.get(n), named) for n in _WHO),
        *([asked[order.id]] if order.id in asked else []),
    ]


def _plain(graph: GraphStore, order: Record, asked: Mapping[str, str]) -> dict[str, Any]:
    plain = output.plain_record(graph.model, order)
    return {**plain, **({"asked": asked[order.id]} if order.id in asked else {})}
