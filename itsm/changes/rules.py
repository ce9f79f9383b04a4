"""What the transitions of changes ask for and do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cmdb.change_sets import Relate
from cmdb.ids import new_id
from cmdb.records import Record
from itsm.changes.collisions import GUARDS, OF_CHANGES, Collision, collisions
from itsm.changes.moved import Moved, moved
from itsm.changes.planned import APPLIED, Planned
from itsm.changes.risk import Assessment, risk_of
from itsm.changes.windows import window_of
from itsm.opening import opened
from lifecycle.cases import Case, Room
from lifecycle.effects import effect
from lifecycle.engine import Engine
from lifecycle.guards import guard, named
from lifecycle.items import CONCERNS, DONE, DROPPED, OPEN
from lifecycle.refusals import Refusal
from schema.kinds import is_id
from schema.model import STATE_ATTRIBUTE, Model

MODEL: Final = "change_model"
PLANS: Final = ("implementation_plan", "back_out_plan")
IN_FORCE: Final = "in_force"
BLIND: Final[Mapping[str, str]] = {
    **dict.fromkeys(OF_CHANGES, "another change is in its way"),
    "freeze": "it falls into a freeze period",
    "service_hours": "a service would be down in its hours",
}
"""The same told to who may not see what it is about."""
UNFIT: Final = "what it plans breaks a rule of the model"


def _items(case: Case, room: Room) -> dict[str, Record]:
    return {i.record.id: i.record for i in room.items(case.record.id) if i.outcome != DROPPED}


# -- before it is submitted -------------------------------------------------------------------------------


@guard
def window_makes_sense(cases: Sequence[Case], room: Room) -> None:
    """Its window ends after it begins."""
    for case in cases:
        begins, ends = case.value("starts_at"), case.value("ends_at")
        if begins is not None and ends is not None and ends <= begins:
            case.refuse("window_makes_sense", "its window ends before it begins")


def _model(case: Case, room: Room) -> Record | None:
    followed = case.value(MODEL)
    return room.store.record(followed) if followed else None


@guard
def model_holds(cases: Sequence[Case], room: Room) -> None:
    """What a change follows is in force, and is for the types of all that it concerns."""
    types = room.model.record_types
    for case in cases:
        followed = _model(case, room)
        if followed is None:
            continue
        state = followed.attributes.get(STATE_ATTRIBUTE)
        if state != IN_FORCE:
            case.refuse("model_holds", f"{followed.name} is {state}, not in force")
        applies = {*(followed.attributes.get("applies_to") or ())}
        strange = [
            item.name
            for item in _items(case, room).values()
            if applies and applies.isdisjoint(types[item.type].ancestors)
        ]
        if strange:
            what = ", ".join(sorted(applies))
            case.refuse("model_holds", f"{followed.name} is for {what}, not for {named(strange)}")


@effect
def follow_model(case: Case, room: Room) -> None:
    """It is carried out, and backed out, as its model says, where it does not say so itself."""
    followed = _model(case, room)
    for name in PLANS if followed else ():
        said = followed.attributes.get(name) if followed else None
        if said and not case.value(name):
            case.sets[name] = said


# -- assessed ---------------------------------------------------------------------------------------------


def _in_the_way(case: Case, room: Room) -> list[Collision]:
    """Worked out once for all guards of a decision."""
    key = f"collisions of {case.record.id}"
    if key not in room.kept:
        room.kept[key] = collisions(room.store, case.record, room.now, room.directory)
    found: list[Collision] = room.kept[key]
    return found


def _refuse(name: str, cases: Sequence[Case], room: Room) -> None:
    for case in cases if not room.brief else ():
        for found in _in_the_way(case, room):
            if found.kind in GUARDS[name]:
                plain = found.plain()
                about = [*plain["others"], *plain["items"]]
                case.refuse(name, found.why, collision=plain, about=about, blind=BLIND[found.kind])


@guard
def no_collision(cases: Sequence[Case], room: Room) -> None:
    """No other change is in its way."""
    _refuse("no_collision", cases, room)


@guard
def no_freeze(cases: Sequence[Case], room: Room) -> None:
    """It falls into no freeze period, and takes down no service in its hours."""
    _refuse("no_freeze", cases, room)


def _planned(case: Case, room: Room) -> Planned:
    key = f"planned by {case.record.id}"
    if key not in room.kept:
        room.kept[key] = Planned(room.store, case.record)
    found: Planned = room.kept[key]
    return found


def _would_break(case: Case, room: Room) -> bool:
    """Refuse what breaks a rule for hand-made changes; gives whether something does."""
    planned = _planned(case, room)
    problems = planned.problems()
    for problem in problems:
        message = problem.message.rstrip(".")
        named = {
            *problem.names,
            *problem.subject.split(),
            *message.split(),
        } - planned.created.keys()
        about = [{"id": id} for id in sorted(named) if is_id(id)]
        case.refuse("planned_fits", message, problem=problem.code, about=about, blind=UNFIT)
    return bool(problems)


@guard
def planned_fits(cases: Sequence[Case], room: Room) -> None:
    """What it plans breaks no rule of the model for hand-made changes."""
    for case in cases if not room.brief else ():
        _would_break(case, room)


@guard
def planned_unchanged(cases: Sequence[Case], room: Room) -> None:
    """What it plans to change is as it was when that was planned, or as it is to be."""
    for case in cases if not room.brief else ():
        for one in moved(_planned(case, room)):
            case.refusals.append(outdated(case.record, one, room.model))


def outdated(change: Record, one: Moved, model: Model) -> Refusal:
    """What others changed since, as a reason why what is planned does not fit any more."""
    plain = one.plain(model)
    values = (one.was, one.now, one.planned) if one.what in model.references else ()
    named = (
        *one.subject.split(),
        *(id for v in values for id in (v if isinstance(v, list) else [v])),
    )
    about = [{"id": id} for id in dict.fromkeys(named) if isinstance(id, str) and is_id(id)]
    detail = {"moved": plain, "about": about, "blind": "something that it plans has changed since"}
    return Refusal(
        change.id,
        change.name,
        "planned_unchanged",
        str(one),
        detail=detail,
        since=one.since,
    )


@effect
def assess_change(case: Case, room: Room) -> None:
    """What it hits and how risky it is are kept with it; that names the organisations to be told."""
    if room.brief:
        return
    if _planned(case, room).problems():
        return  # and so a guard refuses it
    found = _in_the_way(case, room)
    risk = risk_of(room.store, case.record, _items(case, room), room.now, found)
    case.sets |= told(risk)


def told(risk: Assessment) -> dict[str, object]:
    """What is kept with a change of its risk."""
    window = risk.whatif.window
    return {
        "impact": window.plain(),
        "impact_revision": window.revision,
        "hit_organisations": window.organisations or None,
        "risk": risk.level,
        "risk_explained": risk.plain(),
    }


# -- carried out ------------------------------------------------------------------------------------------


@guard
def in_window(cases: Sequence[Case], room: Room) -> None:
    """It is begun within its window."""
    for case in cases:
        window = window_of(case.record)
        if window is not None and not window[0] <= room.now < window[1]:
            when = "has not come yet" if room.now < window[0] else "is over"
            span = " to ".join(f"{at:%Y-%m-%d %H:%M} UTC" for at in window)
            case.refuse("in_window", f"its window, {span}, {when}")


@effect
def note_begun(case: Case, room: Room) -> None:
    case.sets["began_at"] = room.now


@effect
def apply_planned(case: Case, room: Room) -> None:
    """What it held back is committed with its own step, if that breaks no rule for hand-made changes.

    That is looked at here, whatever guards the model declares: what commits it is a process, which may do what
    no hand may. It is committed only on the revision that it was looked at on.
    """
    planned = _planned(case, room)
    _ended(case, room, "successful", DONE)
    if not planned or room.brief or _would_break(case, room):
        return
    case.sets[APPLIED] = room.store.last_revision().number + 1
    case.more += planned.remaining()
    concerned = _items(case, room)
    for id in sorted(planned.touched() - concerned.keys()):
        case.more.append(Relate(case.record.id, CONCERNS, id, {"outcome": DONE}))


def _ended(case: Case, room: Room, result: str, outcome: str) -> None:
    case.sets |= {"ended_at": room.now, "result": result}
    for item in room.items(case.record.id):
        if item.outcome == OPEN:
            case.relates[item.link.key] = {**item.said, "outcome": outcome}


@effect
def note_backed_out(case: Case, room: Room) -> None:
    _ended(case, room, "backed_out", DROPPED)


@effect
def note_failed(case: Case, room: Room) -> None:
    _ended(case, room, "failed", DROPPED)


@effect
def open_incident(case: Case, room: Room) -> None:
    """An incident about what the change concerns, which caused it."""
    if room.brief:
        return
    engine, id, change = Engine(room.store, lambda: room.now), new_id(), case.record
    number = change.attributes.get("number") or change.name
    reason = case.inputs.get("reason") or ""
    details = {"role": "cause", "effect": str(change.attributes.get("window_effect") or "down")}
    case.more += opened(
        engine,
        room,
        id,
        name=f"{number} {reason}".strip(),
        items=dict.fromkeys(_items(case, room), details),
        attributes={"channel": "change", "organisation": change.attributes.get("organisation")},
    )
    case.more.append(Relate(id, "CAUSED_BY", change.id))
