"""What the transitions and timers of incidents do."""

from __future__ import annotations

from itsm.assignment import leading, levels, support
from itsm.clocks import entering, stays_of
from itsm.opening import details_of, role_of
from itsm.triage import timed
from lifecycle.cases import Case, Room
from lifecycle.effects import effect
from lifecycle.items import DROPPED


@effect
def take_on(case: Case, room: Room) -> None:
    """Who acknowledges it has it from now on; whom they act for, where that is who had it."""
    if room.actor.record.type and case.record.attributes.get("assignee") not in room.actor.ids:
        case.sets["assignee"] = room.actor.id


@effect
def say_recovered(case: Case, room: Room) -> None:
    """It recovered by itself."""
    case.sets["resolution_code"] = "recovered"


@effect
def set_clocks(case: Case, room: Room) -> None:
    """Its clocks run, pause or stop as the state it enters says; until when they run is kept with it."""
    if case.transition is None or room.brief:
        return
    record = case.record
    stays = stays_of(room.store, [record.id]).get(record.id, [])
    now = entering(stays, case.transition.target, room.now)
    concerned = details_of(room.items(record.id, linked=False))
    attributes = {**record.attributes, **case.sets}
    case.sets |= timed(room, case.type(room.model), attributes, concerned, now)


@effect
def hand_up(case: Case, room: Room) -> None:
    """The next line of support takes over, if there is one: its team, and who of it is on call. Where nobody
    is known for that line, who has it keeps it."""
    lines, level = levels(room.model), case.value("support_level")
    following = lines[lines.index(level) + 1 :] if level in lines else lines
    if not following:
        return
    items = [i for i in room.items(case.record.id, linked=False) if i.outcome != DROPPED]
    concerned = leading([(item.record, role_of(item.details)) for item in items])
    line = support(room, following[0], concerned, case.value("organisation"))
    case.sets["support_level"] = line.level
    if line.team is not None or line.person is not None:
        case.sets |= {"assigned_team": line.team, "assignee": line.person}
