"""Rules that may refuse a transition: how they are asked, those declared as filters, and those over devices.

A guard looks at all cases of one decision at once, so that a thousand devices cost a few statements.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from cmdb.queries import Query
from cmdb.records import Record
from impact.analysis import Outage
from impact.rules import Effect, Rules
from impact.snapshots import partial
from lifecycle.cases import Case, Room
from lifecycle.items import CONCERNS, DROPPED
from lifecycle.procedures import checklist_for
from schema.model import STATE_ATTRIBUTE, Model
from schema.processes import GuardDeclaration

Guard = Callable[[Sequence[Case], Room], None]

GUARDS: Final[dict[str, Guard]] = {}
"""The product's own, by the name the model declares."""

EXPLAINED: Final = 20
"""Refused devices for which the impact is worked out; of others the direct dependents are told."""
NAMED: Final = 5


def guard(function: Guard) -> Guard:
    """Make a function the guard of its name."""
    GUARDS[function.__name__] = function
    return function


def check(name: str, cases: Sequence[Case], room: Room) -> None:
    """Let a guard refuse cases, or set its refusals aside where that was asked for and is allowed."""
    declared = room.model.guards[name]
    concerned = [c for c in cases if _concerned(declared, c, room.model)]
    before = {id(case): len(case.refusals) for case in concerned}
    if declared.forbids is not None or declared.demands is not None:
        _by_filter(name, declared, concerned, room)
    else:
        GUARDS[name](concerned, room)
    for case in concerned:
        if len(case.refusals) > before[id(case)]:
            _override(name, declared, case, room, before[id(case)])


def _concerned(declared: GuardDeclaration, case: Case, model: Model) -> bool:
    return not declared.types or not {*declared.types}.isdisjoint(case.type(model).ancestors)


def _override(name: str, declared: GuardDeclaration, case: Case, room: Room, before: int) -> None:
    said = [r._replace(code=name, override=declared.override) for r in case.refusals[before:]]
    del case.refusals[before:]
    reason = case.overrides.get(name)
    organisation = case.record.attributes.get("organisation")
    if reason and declared.override:
        by = room.directory.holds(room.actor, declared.override, organisation)
        if by is not None:
            case.overridden += [
                {"guard": name, "by": by, "reason": reason, "said": r.message} for r in said
            ]
            return
        why = f"{room.actor.record.name} is no {declared.override} there and may not override it"
        said = [r._replace(message=f"{r.message} ({why})") for r in said]
    case.refusals += said


def _by_filter(name: str, declared: GuardDeclaration, cases: Sequence[Case], room: Room) -> None:
    wanted = declared.demands is not None
    where = declared.demands if wanted else declared.forbids
    ids = [case.record.id for case in cases]
    query = Query("Record", {"and": [{"id": {"in": ids}}, where]}, first=max(1, len(ids)))
    matching = {record.id for record in room.store.find(query).records} if ids else set()
    for case in cases:
        if (case.record.id in matching) is not wanted:
            case.refuse(name, declared.label.en)


# -- over devices -----------------------------------------------------------------------------------


@guard
def no_live_dependents(cases: Sequence[Case], room: Room) -> None:
    """Nothing that is in service depends on it, save what goes with it or is in the same process.

    What depends on it directly decides; what an outage would do to all explains it.
    """
    rules = Rules(room.model)
    found: dict[str, list[Record]] = {}
    for case in cases:
        for near in case.links:
            end = rules.ends.get(near.relationship.type)
            if end is None or getattr(near.relationship, end) != case.record.id:
                continue
            if near.record.id not in room.going and operational(room.model, near.record):
                found.setdefault(case.record.id, []).append(near.record)
    excused = _of_the_same_process({r.id for rs in found.values() for r in rs}, room)
    left = {id: [r for r in rs if r.id not in excused] for id, rs in found.items()}
    refused = [case for case in cases if left.get(case.record.id)]
    alone = room.brief or len(refused) < 2
    together = {} if alone else _impact([case.record.id for case in refused], room)
    for number, case in enumerate(refused):
        dependents = left[case.record.id]
        explained = number < EXPLAINED and not room.brief
        hit = _impact([case.record.id], room) if explained else {}
        text = (
            f"in service and dependent on it: {named([f'{r.type} {r.name}' for r in dependents])}"
        )
        if hit:
            text += f". Without it {_told(hit)}"
        if together and together != hit:
            text += f". Without these {len(refused)} together {_told(together)}"
        case.refuse(
            "no_live_dependents",
            text,
            dependents=[{"id": r.id, "type": r.type, "name": r.name} for r in dependents],
            impact=hit,
            together=together,
        )


def operational(model: Model, record: Record) -> bool:
    """Whether a record is in a state in which it serves, or is under way; what has no states is."""
    return model.record_types[record.type].operational(record.attributes.get(STATE_ATTRIBUTE))


def _of_the_same_process(ids: set[str], room: Room) -> set[str]:
    if room.process is None or not ids:
        return set()
    return {
        near.of
        for near in room.store.neighbours(ids, [CONCERNS], "in")
        if near.record.id == room.process.id
        and near.relationship.attributes.get("outcome") != "dropped"
    }


def _impact(ids: Sequence[str], room: Room) -> dict[str, list[str]]:
    """Who would go down, who would be degraded, and who would lose redundancy, without all of these."""
    roots = dict.fromkeys(ids, Effect.DOWN)
    topology = partial(room.store, roots)
    assert topology is not None, "no limit was set"
    outage = Outage(topology, roots, at=room.store.last_revision().number)
    affected = [a for a in outage.affected if a.id not in roots]
    names = room.store.get([a.id for a in affected[:200]])
    by_effect: dict[str, list[str]] = defaultdict(list)
    for one in affected:
        by_effect[one.effect].append(names[one.id].name if one.id in names else one.id)
    return dict(by_effect)


def _told(hit: Mapping[str, Sequence[str]]) -> str:
    words = {"down": "down", "degraded": "degraded", "at_risk": "left without redundancy"}
    told = [f"{named(names)} would be {words[e]}" for e, names in hit.items() if e in words]
    return "; ".join(told) or "nothing else would be affected"


def named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


@guard
def no_open_process(cases: Sequence[Case], room: Room) -> None:
    """No process that is under way concerns it, other than those with steps (`items_free`), and the change
    that is carried out by it."""
    carried_out = room.process.attributes.get("change") if room.process is not None else None
    for case in cases:
        for near in case.links:
            link = near.relationship
            if link.type != CONCERNS or link.target != case.record.id:
                continue
            if link.attributes.get("outcome") == DROPPED:  # it has left that process
                continue
            type_ = room.model.record_types[near.record.type]
            steps = type_.procedure is not None and type_.procedure.steps
            if steps or near.record.id == carried_out:
                continue
            if operational(room.model, near.record):
                label = type_.label.en
                case.refuse("no_open_process", f"{label} {called(near.record)} is open")


def called(process: Record) -> str:
    return str(process.attributes.get("number") or process.name)


@guard
def data_wiped(cases: Sequence[Case], room: Room) -> None:
    """A proof of wiping is attached to this process and to the device. One that is known to hold no
    data (``holds_data`` is false) needs none."""
    proofs = set()
    if room.process is not None:
        near = room.store.neighbours([room.process.id], ["DOCUMENTED_BY"], "out")
        proofs = {
            n.record.id
            for n in near
            if n.record.attributes.get("evidence_kind") == "wipe_certificate"
        }
    for case in cases:
        if case.record.attributes.get("holds_data") is False:
            continue
        own = {n.record.id for n in case.links if n.relationship.type == "DOCUMENTED_BY"}
        if own.isdisjoint(proofs):
            case.refuse(
                "data_wiped",
                "it may hold data, and no proof of wiping is attached to the order for it",
            )


@guard
def serial_agrees(cases: Sequence[Case], room: Room) -> None:
    """The serial number that was read off the device, if one was, is the one on record."""
    for case in cases:
        read, kept = case.inputs.get("serial_read"), case.value("serial_number")
        if read and kept and str(read).strip().casefold() != str(kept).strip().casefold():
            case.refuse(
                "serial_agrees", f"the serial number on the device is {read}, on record {kept}"
            )


@guard
def position_free(cases: Sequence[Case], room: Room) -> None:
    """What stands in something with slots has a position there that is free and exists.

    One statement for all racks concerned. Cases of one decision are placed one after another.
    """
    wanted: list[tuple[Case, str, Mapping[str, Any]]] = []
    for case in cases:
        for place, attributes in case.linked(room.model, "CONTAINED_IN"):
            wanted.append((case, place, attributes))
    slots = room.model.relationship_types["CONTAINS"].slots
    if not wanted or slots is None:
        return
    places = room.store.get({place for _, place, _ in wanted})
    racks = {id for id, r in places.items() if r.attributes.get(slots.capacity) is not None}
    moving = set() if room.brief else {case.record.id for case, _, _ in wanted}
    taken: defaultdict[str, list[tuple[int, int, Record]]] = defaultdict(list)
    for near in room.store.neighbours(racks, ["CONTAINS"], "out"):
        first = near.relationship.attributes.get(slots.position)
        if first is not None and near.record.id not in moving:
            height = near.record.attributes.get(slots.height, 1)
            taken[near.of].append((first, first + height - 1, near.record))
    for case, place, attributes in wanted:
        height = case.value(slots.height)
        if place not in racks or height == 0:
            continue
        first, rack = attributes.get(slots.position), places[place]
        if first is None:
            case.refuse("position_free", f"it stands in {rack.name} without a position")
            continue
        last = first + (1 if height is None else height) - 1
        if last > rack.attributes[slots.capacity]:
            room_ = rack.attributes[slots.capacity]
            case.refuse("position_free", f"{rack.name} has {room_} units; it would reach to {last}")
        for begin, end, other in taken[place]:
            if begin <= last and first <= end and other.id != case.record.id:
                case.refuse(
                    "position_free",
                    f"units {first} to {last} of {rack.name} are not free: {other.name} takes {begin} to {end}",
                )
        if not room.brief:
            taken[place].append((first, last, case.record))


@guard
def checklist_done(cases: Sequence[Case], room: Room) -> None:
    """Every point of the standard operating procedure for this type and step was checked."""
    for case in cases:
        procedure = checklist_for(case, room)
        if procedure is None:
            continue
        checked = case.inputs.get("checked") or ()
        points = procedure.attributes.get("checklist", [])
        missing = [] if checked == "all" else [p for p in points if p not in checked]
        if missing:
            case.refuse(
                "checklist_done",
                f"not checked by {procedure.name}: {named(missing)}",
                missing=missing,
            )
