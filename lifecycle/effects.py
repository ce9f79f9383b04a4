"""What transitions do beside changing the state: the product's own effects, and those declared as data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from lifecycle.cases import Case, Room
from lifecycle.items import DROPPED, OPEN
from schema.processes import EffectDeclaration

Effect = Callable[[Case, Room], None]

EFFECTS: Final[dict[str, Effect]] = {}
"""The product's own, by the name the model declares."""

CONTAINED_IN: Final = "CONTAINED_IN"
IN_TRANSIT_TO: Final = "IN_TRANSIT_TO"
POSITION: Final = ("rack_position", "slot")


def effect(function: Effect) -> Effect:
    """Make a function the effect of its name."""
    EFFECTS[function.__name__] = function
    return function


def apply(name: str, case: Case, room: Room) -> None:
    """Let an effect decide what it does to a case.

    Raises
    ------
    KeyError
        The model declares it as the product's own, but it is not (`lifecycle.engine` has checked).
    """
    declared = room.model.effects[name]
    if declared.sets or declared.relates:
        _as_declared(declared, case, room)
    else:
        EFFECTS[name](case, room)


def _as_declared(declared: EffectDeclaration, case: Case, room: Room) -> None:
    attributes = case.type(room.model).attributes
    for attribute, source in declared.sets.items():
        value = case.inputs.get(source)
        if value is not None and attribute in attributes:
            case.sets[attribute] = value
    for name, source in declared.relates.items():
        other = case.inputs.get(source)
        if other is None:
            continue
        type_, direction = room.model.direction(name)
        ends = type_.sources if direction == "out" else type_.targets
        if case.record.type not in ends:
            continue
        if declared.replaces:
            case.close([type_.name], but=[other])
        case.relate(room.model, name, other)


@effect
def escalate(case: Case, room: Room) -> None:
    """One organisation level further up its people may act too."""
    case.sets["escalation"] = (case.record.attributes.get("escalation") or 0) + 1


@effect
def drop_items(case: Case, room: Room) -> None:
    """What has not been carried out leaves the process; its relationship stays, as dropped."""
    for item in room.items(case.record.id, linked=False):
        if item.outcome == OPEN:
            case.relates[item.link.key] = {**item.said, "outcome": DROPPED}


@effect
def move(case: Case, room: Room) -> None:
    """It stands at the place given, at the position given; nothing without a place."""
    place = case.inputs.get("place")
    if place is None:
        return
    said: dict[str, Any] = {n: v for n in POSITION if (v := case.inputs.get(n)) is not None}
    type_, _ = room.model.direction(CONTAINED_IN)
    case.close([type_.name], but=[place])
    case.relate(room.model, CONTAINED_IN, place, said)


@effect
def leave_place(case: Case, room: Room) -> None:
    """It stands nowhere any more."""
    type_, _ = room.model.direction(CONTAINED_IN)
    for near in case.links:
        if near.relationship.type == type_.name and near.relationship.target == case.record.id:
            case.closes.add(near.relationship.key)


@effect
def leave_service(case: Case, room: Room) -> None:
    """Its relationships of the types that end with service are closed; as of earlier they stay."""
    ending = [t.name for t in room.model.relationship_types.values() if t.ends_with_service]
    case.close(ending)


@effect
def send(case: Case, room: Room) -> None:
    """It is in transit to the receiving organisation, visible to both sides."""
    case.relate(room.model, IN_TRANSIT_TO, case.inputs["to_organisation"])


@effect
def arrive(case: Case, room: Room) -> None:
    """It is in transit no more."""
    case.close([IN_TRANSIT_TO])
