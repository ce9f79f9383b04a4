"""What the transitions of problems ask for and do."""

from __future__ import annotations

from collections.abc import Sequence

from itsm.incidents import FIXED_BY
from itsm.problems import explained, told
from lifecycle.cases import Case, Room
from lifecycle.effects import effect
from lifecycle.guards import called, guard, named


@guard
def fix_carried_out(cases: Sequence[Case], room: Room) -> None:
    """One of the changes that fix it, where some are named, was carried out successfully."""
    linked = {id(case): [c for c, _ in case.linked(room.model, FIXED_BY)] for case in cases}
    ids = {change for changes in linked.values() for change in changes}
    records = room.store.get(ids) if ids else {}
    for case in cases:
        changes = [records[c] for c in linked[id(case)] if c in records]
        if changes and all(c.attributes.get("result") != "successful" for c in changes):
            case.refuse(
                "fix_carried_out",
                f"not carried out successfully: {named(list(map(called, changes)))}",
            )


@effect
def tell_incidents(case: Case, room: Room) -> None:
    """Those of its incidents that are open are told, by a comment."""
    if room.brief or case.transition is None:
        return
    incidents = explained(room, [case.record.id]).get(case.record.id, [])
    ids = [change for change, _ in case.linked(room.model, FIXED_BY)]
    changes = room.store.get(ids) if ids else {}
    said = {**case.record.attributes, **case.sets}
    target = case.transition.target
    case.more += told(room, case.record, said, target, incidents, list(changes.values()))
