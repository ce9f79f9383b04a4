"""What the transitions of service requests ask for and do, and what becomes of them with their orders.

A request for a device leads to an order over one that is there already: `OFFERS` says which, in which order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from cmdb.change_sets import Relate, Update
from cmdb.ids import new_id
from cmdb.queries import Query
from cmdb.records import Record
from itsm.requests import REQUEST, wanted
from lifecycle.cases import Case, Room
from lifecycle.drafting import Drafting
from lifecycle.effects import effect
from lifecycle.engine import Engine
from lifecycle.guards import called, guard
from lifecycle.items import CONCERNS, DONE, DROPPED, OPEN
from lifecycle.naming import ORDER
from schema.errors import UnknownNameError
from schema.model import STATE_ATTRIBUTE, RecordType

FULFILLED_BY: Final = "fulfilled_by"
BEING_FULFILLED: Final = "being_fulfilled"
RELEASE: Final = "release"
COMPLETED: Final = ("completed", "partly_completed")
PAGE: Final = 100


class Offer(NamedTuple):
    """Devices that an order of a type may give to a user."""

    order: str
    where: Mapping[str, Any]


IN_STOCK: Final[Mapping[str, Any]] = {STATE_ATTRIBUTE: {"eq": "in_stock"}}
OFFERS: Final = (
    Offer("ReuseOrder", {"or": [{STATE_ATTRIBUTE: {"eq": "idle"}}, {**IN_STOCK, "commissioned_on": {"null": False}}]}),
    Offer("CommissionOrder", {**IN_STOCK, "commissioned_on": {"null": True}}),
    Offer("CommissionOrder", {STATE_ATTRIBUTE: {"eq": "planned"}}),
)  # fmt: skip
"""What was in use before is used again; then what is new and there; then what is planned."""


@guard
def wanted_type_fits(cases: Sequence[Case], room: Room) -> None:
    """What is wanted, where something is, is a type of device."""
    for case in cases:
        text = case.value("wanted_type")
        if text is not None:
            _wanted(case, room, str(text), "wanted_type_fits")


def _wanted(case: Case, room: Room, text: str, code: str) -> RecordType | None:
    try:
        return wanted(room.model, text)
    except UnknownNameError as error:
        case.refuse(code, f"{error.message.rstrip('.')}. {error.remedy}".rstrip("."))
        return None


@guard
def order_completed(cases: Sequence[Case], room: Room) -> None:
    """The order that fulfils it, if there is one, is completed."""
    ids = {id for case in cases if (id := case.value(FULFILLED_BY)) is not None}
    orders = room.store.get(ids) if ids else {}
    for case in cases:
        order = orders.get(case.value(FULFILLED_BY) or "")
        state = order.attributes.get(STATE_ATTRIBUTE) if order is not None else None
        if order is not None and state not in COMPLETED:
            text = f"{called(order)}, which fulfils it, is {state}"
            case.refuse("order_completed", text, order={"id": order.id, "number": called(order)})


@effect
def draft_order(case: Case, room: Room) -> None:
    """An order over a device of the wanted type is drafted, in the same revision; refused where there is none.

    The device is looked for in the organisation of the request first, then in those above it.
    """
    text = case.value("wanted_type")
    if text is None:
        case.refuse(
            "required", "it does not say what type of device is wanted", missing=["wanted_type"]
        )
    type_ = None if text is None else _wanted(case, room, str(text), "draft_order")
    if type_ is None or room.brief:
        return
    line = room.directory.line(case.value("organisation"))
    found = next(((o, d) for o in OFFERS if (d := _free(room, type_, o, line)) is not None), None)
    if found is None:
        where = line[0].name if line else "any organisation"
        case.refuse(
            "draft_order",
            f"no {type_.name} ({type_.label.zh}) of {where}, or of one above it, lies idle, is in stock or is "
            "planned: there is nothing to reuse, so buy one, and order once it is recorded as planned",
        )
        return
    offer, device = found
    id = new_id()
    drafting = Drafting(Engine(room.store, lambda: room.now))
    _, operations = drafting.drafted(room, offer.order, id, _said(case, device), [device.id])
    case.more += operations
    case.more.append(Update(case.record.id, {FULFILLED_BY: id}))
    case.more.append(Relate(case.record.id, CONCERNS, device.id, {"outcome": OPEN}))


def _free(room: Room, type_: RecordType, offer: Offer, line: Sequence[Record]) -> Record | None:
    """The first device of an offer, in the nearest organisation of a line, that no open order concerns. Two
    statements for each hundred that are looked at."""
    for organisation in line:
        own = {"organisation": {"eq": organisation.id}}
        query: Query | None = Query(type_.name, {"and": [own, offer.where]}, first=PAGE)
        while query is not None:
            page = room.store.find(query)
            taken = _in_open_orders(room, [device.id for device in page.records])
            free = next((device for device in page.records if device.id not in taken), None)
            if free is not None:
                return free
            query = replace(query, after=page.cursor) if page.cursor else None
    return None


def _in_open_orders(room: Room, devices: Sequence[str]) -> set[str]:
    """Those of some devices that an order, be it a draft, has something left to do with."""
    types, found = room.model.record_types, set()
    for near in room.store.neighbours(devices, [CONCERNS], "in") if devices else ():
        machine = types[near.record.type].state_machine
        if ORDER not in types[near.record.type].ancestors or machine is None:
            continue
        state = machine.states.get(str(near.record.attributes.get(STATE_ATTRIBUTE)))
        begun = state is not None and (state.operational or state.name == machine.initial)
        if begun and near.relationship.attributes.get("outcome") == OPEN:
            found.add(near.of)
    return found


def _said(case: Case, device: Record) -> dict[str, Any]:
    """What an order says, as its request does. It is one of the organisation that has the device."""
    own, to = device.attributes.get("organisation"), case.value("organisation")
    return {
        "organisation": own,
        "to_organisation": to if to != own else None,
        "to_custodian": case.value("wanted_for") or case.value("requested_by"),
        "place": case.value("wanted_place"),
        "purpose": case.value("purpose") or case.record.name,
        "due_on": case.value("due_on"),
        "description": f"{called(case.record)} {case.record.name}",
    }


@effect
def finish_items(case: Case, room: Room) -> None:
    """What it concerns is done with."""
    for item in room.items(case.record.id):
        if item.outcome == OPEN:
            case.relates[item.link.key] = {**item.said, "outcome": DONE}


@effect
def tell_request(case: Case, room: Room) -> None:
    """The request that an order was to fulfil concerns what the order did; where that is nothing, it waits for
    another one."""
    if room.brief or case.transition is None or REQUEST not in room.model.record_types:
        return
    done = [item.record.id for item in room.items(case.record.id) if item.outcome == DONE]
    where = {FULFILLED_BY: {"eq": case.record.id}, STATE_ATTRIBUTE: {"eq": BEING_FULFILLED}}
    for request in room.store.find(Query(REQUEST, where)).records:
        there = {item.record.id: item for item in room.items(request.id)}
        dropped = [id for id, item in there.items() if item.outcome == OPEN and id not in done]
        for outcome, ids in ((DONE, done), (DROPPED, dropped)):
            for id in ids:
                said = there[id].said if id in there else {}
                case.more.append(Relate(request.id, CONCERNS, id, {**said, "outcome": outcome}))
        machine = room.model.record_types[request.type].state_machine
        if not done and machine is not None and RELEASE in machine.transitions:
            back = {STATE_ATTRIBUTE: machine.transitions[RELEASE].target, FULFILLED_BY: None}
            comments = [*(request.attributes.get("comments") or []), _ended(case, room)]
            case.more.append(Update(request.id, {**back, "comments": comments}))


def _ended(case: Case, room: Room) -> dict[str, str]:
    """A comment that says how an order ended."""
    machine, way = case.type(room.model).state_machine, case.transition
    assert machine is not None, "what has transitions has states"
    assert way is not None, "an order ends by a transition"
    label = machine.states[way.target].label
    text = f"{called(case.record)}: {label.en} / {label.zh}"
    return {"by": room.actor.id, "at": room.now.isoformat(), "text": text}
