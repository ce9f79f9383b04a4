"""Stock-takings: what was found, what is different, and what of that is settled."""

from __future__ import annotations

from typing import Any, NamedTuple

from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.lifecycle.acting import product
from api.graphql.records import Records
from api.graphql.scalars import JSON, Int64
from api.graphql.views import View
from lifecycle.count_reports import Report, report
from lifecycle.counting import Difference
from lifecycle.engine import Engine
from lifecycle.stocktake import STOCKTAKE, Stocktakes


class Told(NamedTuple):
    """How a count stands, as far as it is seen."""

    report: Report
    view: View
    differences: list[tuple[Difference, View]]


async def _stocktake(_: Any, info: Any, **given: Any) -> Told:
    context: Context = info.context
    return await context.call(lambda: told(context, given["of"]))


def told(context: Context, of: str) -> Told:
    """How a count stands; devices that are not seen are left out."""
    store = context.store
    count = Stocktakes(Engine(store)).find(of)
    directory = Engine(product(context, Permission.READ)).own_room().directory
    found = report(store, count.id, directory)
    differences = [(d, context.view(d.record)) for d in found.differences]
    return Told(found, context.view(found.count), differences)


def report_fields(records: Records, name: str = "Stocktake") -> list[ModelField]:
    difference = make_type(
        f"{name}Difference",
        [
            model_field("record", records.lazy("ConfigurationItem"), read=lambda d: d[1]),
            model_field("result", str, "missing or misplaced.", read=lambda d: d[0].result),
            model_field("why", list[str], read=lambda d: list(d[0].why)),
            model_field("settled", str | None, "How; null while it is open.", read=lambda d: d[0].settled or None),
            model_field("details", JSON, read=lambda d: dict(d[0].details)),
        ],
    )  # fmt: skip
    return [
        model_field("record", records.lazy(STOCKTAKE), read=lambda t: t.view),
        model_field("results", JSON, "found, missing, misplaced -> how many.", read=lambda t: dict(t.report.results)),
        model_field("differences", list[difference], read=lambda t: t.differences),  # type: ignore[valid-type]
        model_field("unknownNumbers", JSON, "Number -> who read it, when.", read=lambda t: dict(t.report.unknown)),
        model_field("unsettled", Int64, read=lambda t: t.report.unsettled),
    ]  # fmt: skip


def query_fields(records: Records) -> list[ModelField]:
    if STOCKTAKE not in records.model.record_types:
        return []
    detail = make_type("StocktakeReport", report_fields(records), description="How a count stands.")
    return [
        model_field(
            "stocktake",
            detail,
            "How a count stands, by number or id.",
            arguments=[argument("of", str)],
            resolve=_stocktake,
        ),
    ]
