"""Guards over processes themselves: what an order must be before it is submitted, and before it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from cmdb.records import Record
from lifecycle.cases import Case, Room
from lifecycle.guards import called, guard, named, operational
from lifecycle.items import CONCERNS, DONE, OPEN, Item
from schema.model import STATE_ATTRIBUTE, Model
from schema.processes import ProcedureDeclaration


@guard
def request_complete(cases: Sequence[Case], room: Room) -> None:
    """It says what its procedure requires to be submitted."""
    for case in cases:
        procedure = case.type(room.model).procedure
        missing = [n for n in (procedure.requires if procedure else ()) if not case.value(n)]
        if missing:
            words = ", ".join(f"{n} ({room.model.attributes[n].label.zh})" for n in missing)
            case.refuse("request_complete", f"it needs {words}", missing=missing)


@guard
def has_items(cases: Sequence[Case], room: Room) -> None:
    """It concerns something."""
    for case in cases:
        if not room.items(case.record.id):
            case.refuse("has_items", "it concerns nothing yet: add what it is about")


@guard
def items_free(cases: Sequence[Case], room: Room) -> None:
    """No other lifecycle order that is under way has something left to do with what it concerns."""
    for case in cases:
        for item in room.items(case.record.id):
            for other in _open_orders(item, case.record.id, room.model):
                case.refuse(
                    "items_free", f"{item.record.name} is in the open order {called(other)}"
                )


def _open_orders(item: Item, own: str, model: Model) -> list[Record]:
    return [
        n.record
        for n in item.links
        if n.relationship.type == CONCERNS
        and n.relationship.source not in (own, item.record.id)
        and n.relationship.attributes.get("outcome") == OPEN
        and model.record_types[n.record.type].procedure is not None
        and operational(model, n.record)
    ]


@guard
def items_fit(cases: Sequence[Case], room: Room) -> None:
    """Each record is of a type and in a state that the first step takes, and belongs to the
    organisation of the process, or to one below it."""
    for case in cases:
        procedure = case.type(room.model).procedure
        assert procedure is not None, "only processes with a procedure have this guard"
        organisation = case.record.attributes.get("organisation")
        for item in room.items(case.record.id):
            for why in _unfit(item, procedure, organisation, room):
                case.refuse("items_fit", f"{item.record.name} {why}")


def _unfit(
    item: Item, procedure: ProcedureDeclaration, organisation: str | None, room: Room
) -> Iterator[str]:
    type_ = room.model.record_types[item.record.type]
    if {*procedure.concerns}.isdisjoint(type_.ancestors):
        yield f"is a {type_.name}, which this is not for"
        return
    own = item.record.attributes.get("organisation")
    if own is not None and not room.directory.within(own, organisation):
        yield "belongs to another organisation"
    step = next(iter(procedure.steps.values()), None)
    if step is None or step.transition is None:
        return
    state = item.record.attributes.get(STATE_ATTRIBUTE)
    machine = type_.state_machine
    way = machine.transitions.get(step.transition) if machine else None
    if way is None:
        yield f"is a {type_.name}, whose life has no {step.transition}"
    elif state not in way.source:
        yield f"is {state}, and {step.transition} begins at {', '.join(sorted(way.source))}"


@guard
def all_done(cases: Sequence[Case], room: Room) -> None:
    """Everything it concerns has gone through all steps."""
    _unfinished("all_done", cases, room, lambda item: item.outcome == OPEN)


@guard
def none_under_way(cases: Sequence[Case], room: Room) -> None:
    """Nothing has gone through some of the steps only."""
    _unfinished(
        "none_under_way", cases, room, lambda item: item.outcome == OPEN and bool(item.steps)
    )
    for case in cases:
        if not any(item.outcome == DONE for item in room.items(case.record.id)):
            case.refuse("none_under_way", "nothing is done yet")


def _unfinished(
    name: str, cases: Sequence[Case], room: Room, unfinished: Callable[[Item], bool]
) -> None:
    for case in cases:
        left = [item.record.name for item in room.items(case.record.id) if unfinished(item)]
        if left:
            case.refuse(name, f"{len(left)} of its devices are not: {named(left)}", left=len(left))
