"""Stock-takings: opened, counted, closed, settled. Recounting, cancelling and signing off are transitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import strawberry

from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, argument, input_field, make_type, model_field
from api.graphql.lifecycle.acting import engine_of, process, product, seen, telling
from api.graphql.lifecycle.stocktakes import report_fields
from api.graphql.lifecycle.stocktakes import told as report_of
from api.graphql.mutations.doing import KEY, Ids, doing
from api.graphql.mutations.ordering import Ordered, _day, ordered
from api.graphql.records import Records
from api.graphql.scalars import JSON, Date
from api.graphql.views import View
from lifecycle.refusals import RequestError
from lifecycle.scanning import Read
from lifecycle.settling import Settling
from lifecycle.stocktake import STOCKTAKE, Stocktakes

READ: Final = make_type(
    "ReadNumberInput",
    [
        input_field("number", str, "An asset or serial number."),
        input_field("place", strawberry.ID, "Where it was read, if not in the place of the count."),
    ],
    input_=True,
)


class Counted(NamedTuple):
    """What feeding a count came to."""

    results: Mapping[str, int]
    unknown: list[str]
    graphql_type: str = "Counted"


class Closed(NamedTuple):
    """How a count stands."""

    report: Any
    view: View
    differences: list[Any]
    graphql_type: str = "Closed"


class Settled(NamedTuple):
    """What was settled, and the orders that were drafted for it."""

    count: int  # type: ignore[assignment]
    orders: list[View]
    graphql_type: str = "Settled"


def _opened(context: Context, ids: Ids, given: Mapping[str, Any]) -> Ordered:
    seen(context, [v for n in ("organisation", "place") if (v := given.get(n))])
    with telling(context):
        at = given.get("organisation")
        place = context.store.record(given["place"]) if given.get("place") else None
        at = at or (place.attributes.get("organisation") if place else None)
        inner = product(context, Permission.ORDER, [at] if at else ())
        engine, me = engine_of(context, inner, ids)
        count = Stocktakes(engine).open(
            me, organisation=given.get("organisation"), place=given.get("place"),
            due_on=_day(given.get("dueOn")), name=given.get("name") or "",
        )  # fmt: skip
        return ordered(context, engine, count.id, count.revision)


def _fed(context: Context, ids: Ids, given: Mapping[str, Any]) -> Counted:
    numbers, id = given.get("numbers"), given["stocktake"]
    if (numbers is None) is not bool(given.get("discovered") or given.get("source")):
        raise RequestError("Count what?", "Give numbers, or ask for what was discovered.")
    seen(context, [n["place"] for n in numbers or () if n.get("place")])
    with telling(context):
        process(context, id, Permission.ORDER)
        engine, me = engine_of(context, product(context, Permission.ORDER), ids)
        counts = Stocktakes(engine)
        if numbers is None:
            fed = counts.feed_sightings(id, me, given.get("source") or "")
        else:
            reads = [Read(str(n.get("number") or ""), n.get("place")) for n in numbers]
            fed = counts.feed(id, me, reads)
        return Counted(dict(fed.results), fed.unknown)


def _closed(context: Context, ids: Ids, given: Mapping[str, Any]) -> Closed:
    with telling(context):
        process(context, given["stocktake"], Permission.ORDER)
        engine, me = engine_of(context, product(context, Permission.ORDER), ids)
        Stocktakes(engine).close(given["stocktake"], me)
        return Closed(*report_of(context, given["stocktake"]))


def _settle(context: Context, ids: Ids, given: Mapping[str, Any]) -> Settled:
    how = [name for name in ("order", "move", "explain") if given.get(name)]
    devices, numbers = given.get("devices"), given.get("numbers") or ()
    if len(how) != 1:
        raise RequestError("Settle it how?", "Give one of order, move and explain.")
    if devices is None and not numbers and not given.get("result"):
        raise RequestError("Settle what?", "Give devices, numbers, or a result.")
    seen(context, [v for v in (given.get("place"), *(devices or ())) if v])
    with telling(context):
        id, reason = given["stocktake"], given.get("reason") or ""
        process(context, id, Permission.ORDER)
        engine, me = engine_of(context, product(context, Permission.ORDER), ids)
        settling = Settling(engine)
        if how == ["explain"]:
            named = devices if devices is not None or given.get("result") else None
            done = settling.by_explaining(
                id,
                me,
                given["explain"],
                devices=named,
                result=given.get("result") or "",
                numbers=numbers,
            )
            return Settled(done, [])
        if how == ["move"]:
            place = given.get("place")
            return Settled(
                settling.by_moving(id, me, devices=devices, place=place, reason=reason), []
            )
        return _by_orders(context, settling, me, given)


def _by_orders(context: Context, settling: Settling, me: str, given: Mapping[str, Any]) -> Settled:
    if given.get("result") is None:
        raise RequestError("Which result?", "It is missing or misplaced.")
    said = dict(given.get("attributes") or {})
    if "requested_by" in said:
        raise RequestError("Nobody says requested_by of an order.", "Leave it out.")
    if given.get("place"):
        said["place"] = given["place"]
    kind = "" if given["order"] == "usual" else given["order"]
    orders = settling.by_orders(
        given["stocktake"], me, given["result"], devices=given.get("devices"), type_=kind,
        attributes=said, reason=given.get("reason") or "",
    )  # fmt: skip
    found = context.store.get([order.id for order in orders]) if orders else {}
    return Settled(len(orders), [context.view(record) for record in found.values()])


def mutation_fields(records: Records) -> list[ModelField]:
    if STOCKTAKE not in records.model.record_types:
        return []
    union = records.results.union
    counted = make_type(
        "Counted",
        [
            model_field("results", JSON, "found, misplaced, unknown, again -> how many.", read=lambda c: dict(c.results)),
            model_field("unknownNumbers", list[str], read=lambda c: c.unknown),
        ],
    )  # fmt: skip
    settled = make_type(
        "Settled",
        [
            model_field("count", int, "Differences, or orders.", read=lambda s: s.count),
            model_field("orders", list[records.lazy("LifecycleOrder")], "Drafted; they settle when submitted.", read=lambda s: s.orders),  # type: ignore[misc]
        ],
    )  # fmt: skip
    closed = make_type(
        "Closed", report_fields(records, "Closed"), description="A count that has ended."
    )
    count = argument("stocktake", strawberry.ID, "Its id.")
    result = argument(
        "result", str | None, "missing or misplaced: all that are, or of the devices."
    )
    fields = (
        (
            "openStocktake", records.results.ordered,
            "Count what stands in a place, or belongs to an organisation and those below it.",
            [argument("organisation", strawberry.ID | None), argument("place", strawberry.ID | None), argument("dueOn", Date | None), argument("name", str | None)],
            _opened,
        ),
        (
            "countStocktake", union("CountResult", counted),
            "Take down numbers that were read, or what sources reported since it was opened. Again changes nothing.",
            [count, argument("numbers", list[READ] | None), argument("discovered", bool, default=False), argument("source", str | None)],  # type: ignore[valid-type]
            _fed,
        ),
        ("closeStocktake", union("CloseResult", closed), "End the counting: what was not read is missing.", [count], _closed),
        (
            "settleStocktake", union("SettleResult", settled),
            "Settle differences: by orders, by moving the record to where it was found, or by an explanation.",
            [
                count, argument("devices", list[strawberry.ID] | None), argument("numbers", list[str] | None), result,
                argument("order", str | None, "A type of order, or `usual`."), argument("move", bool, default=False),
                argument("explain", str | None), argument("place", strawberry.ID | None),
                argument("attributes", JSON | None, "Of the orders."), argument("reason", str | None),
            ],
            _settle,
        ),
    )  # fmt: skip
    return [
        model_field(name, type_, text, arguments=[*arguments, KEY], resolve=doing(work))
        for name, type_, text, arguments, work in fields
    ]
