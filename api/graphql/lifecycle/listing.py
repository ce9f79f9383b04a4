"""Processes, and orders among them: those that are open, and those that wait for who asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import strawberry

from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, argument, model_field
from api.graphql.lifecycle.acting import engine_of, product
from api.graphql.queries import page_of
from api.graphql.records import PAGE, Records, connection_type
from api.graphql.views import Connection
from cmdb.queries import Page, Query, Sort
from lifecycle.desk import Desk
from lifecycle.naming import ORDER, PROCESS, process_type
from schema.errors import UnknownNameError
from schema.model import STATE_ATTRIBUTE, Model

TypeOf = Callable[[Model, str | None], str]
"""The record type that a text means."""


@strawberry.enum(description="Whom processes wait for.")
class WaitingFor(Enum):
    ME = "me"


class Listed(Connection):
    """A page of processes, and what each waits for from who asks."""

    __slots__ = ("waits",)
    waits: Mapping[str, str]


def _order_type(model: Model, text: str | None) -> str:
    return process_type(model, text).name if text else ORDER


def _process_type(model: Model, text: str | None) -> str:
    found = model.record_type(text or PROCESS)
    if PROCESS not in found.ancestors:
        raise UnknownNameError(f"{found.name} is no type of process.", f"Name one below {PROCESS}.")
    return found.name


def _filter(context: Context, kind: str, given: Mapping[str, Any]) -> Query:
    store = context.store
    states = given.get("states")
    if states is None:
        machines = [
            store.model.record_types[n].state_machine
            for n in store.model.record_type(kind).concrete
        ]
        states = sorted(
            {s.name for m in machines if m for s in m.states.values() if not s.terminal}
        )
    first = given.get("first")
    return Query(
        kind,
        {STATE_ATTRIBUTE: {"in": list(states)}},
        organisation=given.get("organisation"),
        sort=[Sort("number", True)],
        first=PAGE if first is None else first,
        after=given.get("after"),
        total=True,
    )


def _listing(type_of: TypeOf) -> Any:
    async def resolve(_: Any, info: Any, **given: Any) -> Connection:
        context: Context = info.context
        kind = type_of(context.store.model, given.get("type"))
        query = _filter(context, kind, given)
        if given.get("waitingFor") is not None:
            return await context.call(lambda: _waiting(context, query))
        page = await context.call(lambda: context.store.find(query))
        made = page_of(context, query, page)
        listed = Listed(made.page, made.place)
        listed.waits = {}
        return listed

    return resolve


def _waiting(context: Context, query: Query) -> Listed:
    """All that wait for who asks are looked for; the page is a part of them. A cursor is an id."""
    engine, me = engine_of(context, product(context, Permission.READ))
    allowed = {*query.where[STATE_ATTRIBUTE]["in"]} if query.where else set()
    waits = {
        w.order.id: w.what
        for w in Desk(engine, me).waiting(query.type)
        if w.order.attributes.get(STATE_ATTRIBUTE) in allowed
    }
    found = context.store.get(waits) if waits else {}
    ids = [id for id in waits if id in found]
    begin = ids.index(query.after) + 1 if query.after in ids else 0
    part = ids[begin : begin + query.first]
    more = part[-1] if part and begin + query.first < len(ids) else None
    page = Page([found[id] for id in part], more, len(ids))
    place = context.place()._replace(begins=begin == 0, cursor_of=lambda record: record.id)
    listed = Listed(page, place)
    listed.waits = waits
    return listed


def _waits(edge: Any) -> str | None:
    found: str | None = edge.connection.waits.get(edge.node.record.id)
    return found


def query_fields(records: Records) -> list[ModelField]:
    if ORDER not in records.model.record_types:
        return []
    waits = model_field("waitsForMe", str | None, "Where `waitingFor` was asked.", read=_waits)
    narrowed = [
        argument("states", list[str] | None),
        argument("waitingFor", WaitingFor | None, "Those that wait for you, and for what."),
        argument("organisation", strawberry.ID | None, "And those below it."),
        argument("first", int | None),
        argument("after", str | None),
    ]
    return [
        model_field(
            "orders",
            connection_type("OrderList", records.lazy(ORDER), [waits]),
            "Orders by number, the newest first; those not at their end, unless states are named.",
            arguments=[argument("type", str | None, "CommissionOrder, or commission."), *narrowed],
            resolve=_listing(_order_type),
        ),
        model_field(
            "processes",
            connection_type("ProcessList", records.lazy(PROCESS), [waits]),
            "Orders, changes, requests, incidents …: as `orders`, of any type of process.",
            arguments=[argument("type", str | None, "Change, NormalChange …"), *narrowed],
            resolve=_listing(_process_type),
        ),
    ]
