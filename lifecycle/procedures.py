"""The standard operating procedure (作业指导书) that holds for a device and a step."""

from __future__ import annotations

from typing import Final

from cmdb.queries import Query, Sort
from cmdb.records import Record
from lifecycle.cases import Case, Room

SOP: Final = "StandardOperatingProcedure"
MOST: Final = 1_000


def checklist_for(case: Case, room: Room) -> Record | None:
    """The one in force for the type of the case's record, the closest ancestor first, and its step."""
    step = case.step_name or (case.transition.name if case.transition else "")
    ancestors = case.type(room.model).ancestors
    best: tuple[int, Record] | None = None
    for procedure in procedures(room):
        if step not in procedure.attributes.get("for_steps", ()):
            continue
        applies = [
            ancestors.index(t) for t in procedure.attributes.get("applies_to", ()) if t in ancestors
        ]
        if applies and (best is None or max(applies) > best[0]):
            best = (max(applies), procedure)
    return best[1] if best else None


def procedures(room: Room) -> list[Record]:
    """Those in force, read once for each decision."""
    if room.procedures is None:
        query = Query(SOP, {"lifecycle_state": {"eq": "in_force"}}, sort=[Sort("name")], first=MOST)
        room.procedures = room.store.find(query).records
    return room.procedures
