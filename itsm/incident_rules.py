"""What the transitions and timers of incidents do."""

from __future__ import annotations

from lifecycle.cases import Case, Room
from lifecycle.effects import effect


@effect
def take_on(case: Case, room: Room) -> None:
    """Who acknowledges it has it from now on, unless somebody has it."""
    if case.record.attributes.get("assignee") is None and room.actor.record.type:
        case.sets["assignee"] = room.actor.id


@effect
def say_recovered(case: Case, room: Room) -> None:
    """It recovered by itself."""
    case.sets["resolution_code"] = "recovered"


@effect
def hand_up(case: Case, room: Room) -> None:
    """The next line of support takes over, if there is one."""
    raise NotImplementedError
