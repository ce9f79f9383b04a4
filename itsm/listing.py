"""Incidents as a list: which are open, whose they are, which are late."""

from __future__ import annotations

from typing import Any, NamedTuple

from cmdb.queries import Page, Query, Sort
from itsm.opening import INCIDENT
from lifecycle.engine import Engine


class Wanted(NamedTuple):
    """Which incidents to list.

    Attributes
    ----------
    of
        Those of this person, or of a team of theirs.
    overdue
        Those not answered, or not resolved, in time.
    ended
        Those that have ended, too.
    """

    priority: str = ""
    of: str = ""
    overdue: bool = False
    major: bool = False
    ended: bool = False
    organisation: str | None = None


def listed(engine: Engine, wanted: Wanted, first: int = 50, after: str | None = None) -> Page:
    """Incidents, the highest priority first, then the latest; with their total.

    Raises
    ------
    NotAllowedError
        Nobody is known as the person.
    """
    machine = engine.store.model.record_type(INCIDENT).state_machine
    assert machine is not None, "incidents have states"
    parts: list[dict[str, Any]] = []
    if not wanted.ended:
        parts.append({"lifecycle_state": {"in": [s.name for s in machine.states.values() if s.operational]}})  # fmt: skip
    if wanted.priority:
        parts.append({"priority": {"eq": wanted.priority}})
    if wanted.major:
        parts.append({"major": {"eq": True}})
    if wanted.overdue:
        late = [
            {"lifecycle_state": {"in": clock.runs}, clock.due: {"lt": engine.clock()}}
            for clock in machine.clocks.values()
        ]
        parts.append({"or": late})
    if wanted.of:
        person = engine.room(wanted.of).actor.id
        teams = [n.record.id for n in engine.store.neighbours([person], ["MEMBER_OF"], "out")]
        mine = [{"assignee": {"eq": person}}, {"assigned_team": {"in": teams}}]
        parts.append({"or": mine})
    sort = [Sort("priority"), Sort("number", True)]
    return engine.store.find(
        Query(
            INCIDENT,
            {"and": parts} if parts else {},
            organisation=wanted.organisation,
            sort=sort,
            first=first,
            after=after,
            total=True,
        )
    )
