"""The device ledger, in pages as of one revision, and its totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import strawberry

from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.queries import moment
from api.graphql.records import PAGE, PageInfo, Records
from api.graphql.refusals import label_type
from api.graphql.scalars import JSON, AsOf, Int64
from api.graphql.selections import selects
from api.graphql.views import View
from cmdb.queries import Sort
from lifecycle.ledger import DEVICES, Ledger, Scope, position
from lifecycle.ledger.columns import Column, chosen, shown
from lifecycle.ledger.getters import plain
from lifecycle.ledger.rows import Row


class Told(NamedTuple):
    """A page of the ledger, and the question."""

    ledger: Ledger
    columns: Sequence[Column]
    rows: list[tuple[View, Row]]
    cursor: str | None
    begins: bool
    total: int | None
    context: Context


async def _ledger(_: Any, info: Any, **given: Any) -> Told:
    context: Context = info.context
    types = (given["type"],) if given.get("type") else DEVICES
    sort = [Sort(n.removeprefix("-"), n.startswith("-")) for n in given.get("orderBy") or ["name"]]
    after, first = given.get("after"), given.get("first")
    scope = Scope(
        types, given.get("where") or None, given.get("organisation"), sort, moment(given.get("asOf"))
    )  # fmt: skip
    if after:
        scope = replace(scope, as_of=position(after).at)

    def work() -> Told:
        found = Ledger(context.store, scope)
        columns = chosen(context.store.model, types, given.get("columns") or ()) or shown()
        rows, cursor = found.page(columns, PAGE if first is None else first, after)
        total = found.count() if selects(info, "totalCount") else None
        pairs = [(context.view(row.record, found.at), row) for row in rows]
        return Told(found, columns, pairs, cursor, after is None, total, context)

    return await context.call(work)


async def _totals(told: Told, _: Any, **given: Any) -> list[Any]:
    def work() -> list[Any]:
        scope = told.ledger.scope
        columns = chosen(told.context.store.model, scope.types, given["by"])
        return told.ledger.totals(columns)

    return await told.context.call(work)


def _page_info(told: Told) -> PageInfo:
    return PageInfo(
        has_next_page=told.cursor is not None,
        has_previous_page=not told.begins,
        start_cursor=None,
        end_cursor=told.cursor,
    )


def _ledger_type(records: Records) -> type:
    column = make_type(
        "LedgerColumn",
        [
            model_field("name", str, read=lambda c: c.name),
            model_field("label", label_type(), read=lambda c: c),
        ],
    )
    row = make_type(
        "LedgerRow",
        [
            model_field("record", records.lazy("ConfigurationItem"), read=lambda r: r[0]),
            model_field("values", list[JSON | None], "One for each column.", read=lambda r: r[1]),
        ],
    )
    total = make_type(
        "LedgerTotal",
        [
            model_field("values", list[JSON | None], read=lambda t: [plain(v) for v in t.values]),
            model_field("count", Int64, read=lambda t: t.count),
            model_field(
                "purchasePrice", JSON, "By currency.",
                read=lambda t: {c: str(a) for c, a in sorted(t.sums.items())},
            ),
        ],
    )  # fmt: skip

    def rows(told: Told) -> list[Any]:
        return [(view, [plain(c.get(row)) for c in told.columns]) for view, row in told.rows]

    return make_type(
        "Ledger",
        [
            model_field("revision", Int64, "As of which it is.", read=lambda t: t.ledger.at),
            model_field("columns", list[column], read=lambda t: list(t.columns)),  # type: ignore[valid-type]
            model_field("rows", list[row], read=rows),  # type: ignore[valid-type]
            model_field("pageInfo", PageInfo, read=_page_info),
            model_field("totalCount", Int64, read=lambda t: t.total),
            model_field(
                "totals",
                list[total],  # type: ignore[valid-type]
                "Counts and purchase prices by columns, of all devices of the ledger.",
                arguments=[argument("by", list[str])],
                resolve=_totals,
            ),
        ],
        description="Devices with what an asset manager asks of each, all as of one revision.",
    )


def query_fields(records: Records) -> list[ModelField]:
    if not records.model.record_types.keys() >= {*DEVICES}:
        return []
    return [
        model_field(
            "ledger",
            _ledger_type(records),
            "The device ledger. A cursor goes on as of the revision of the first page.",
            arguments=[
                argument("type", str | None, "Only devices of this type."),
                argument("where", JSON | None),
                argument("organisation", strawberry.ID | None, "Its devices, and those in transit to it."),
                argument("columns", list[str] | None, "Names of columns, or attributes."),
                argument("orderBy", list[str] | None, "`name` if left out; `-name` for descending."),
                argument("asOf", AsOf | None),
                argument("first", int | None),
                argument("after", str | None),
            ],
            resolve=_ledger,
        )
    ]  # fmt: skip
