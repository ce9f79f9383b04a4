"""Who is to see to it: the team that a line of support is, and who of it is on call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from cmdb.queries import PAGE_LIMIT, Query, Sort
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.cases import Room
from lifecycle.guards import operational
from schema.model import Model

LEVEL: Final = "support_level"
OPERATED_BY: Final = "OPERATED_BY"
ROLES: Final = ("cause", "reported", "alarm")
"""What a CI is to an incident, what counts most first."""
LEADING: Final = 100
"""So many CIs are looked at: those that count most."""


class Support(NamedTuple):
    """A line of support, and who that is."""

    level: str
    team: str | None
    person: str | None


def levels(model: Model) -> list[str]:
    """The lines of support, the first one first."""
    return [*model.attributes[LEVEL].values]


def leading(items: Sequence[tuple[Record, str]]) -> list[Record]:
    """Of the CIs of a process, each with its role, those that decide who is to see to it.

    The causes, if some are said to be; else those that were reported; else those that gave alarm.
    """
    ranked = sorted(items, key=lambda item: (_rank(item[1]), item[0].id))
    best = _rank(ranked[0][1]) if ranked else 0
    return [record for record, role in ranked if _rank(role) == best][:LEADING]


def _rank(role: str) -> int:
    return ROLES.index(role) if role in ROLES else len(ROLES)


def support(
    room: Room, level: str, concerned: Sequence[Record], organisation: str | None
) -> Support:
    """Who a line of support is for some CIs: the team of the rule that fits best, and who of it is on call.

    A rule for a CI counts more than one for its type, one for a closer type more than one for a farther
    one, and of those one of a nearer organisation more. Without a rule, the second line is who operates
    the CI. Two statements, and another for a team.

    Parameters
    ----------
    concerned
        The CIs that decide (`leading`).
    """
    team = _by_rule(room, level, concerned, organisation)
    person = None
    if team is None and level == levels(room.model)[1] and concerned:
        team, person = _operator(room, concerned)
    if team is not None:
        person = on_call(room.store, team, room.now)
    return Support(level, team, person)


def _by_rule(
    room: Room, level: str, concerned: Sequence[Record], organisation: str | None
) -> str | None:
    ids = {record.id for record in concerned}
    above = [record.id for record in room.directory.line(organisation)]
    closeness: dict[str, int] = {}
    for record in concerned:
        for steps, name in enumerate(reversed(room.model.record_types[record.type].ancestors)):
            closeness[name] = min(steps, closeness.get(name, steps))
    best: tuple[tuple[int, int, str], str] | None = None
    for rule in _rules(room, level):
        said = rule.attributes
        where = said.get("organisation")
        if where is not None and where not in above:
            continue
        near = _nearness(said, ids, closeness)
        if near is None:
            continue
        key = (near, above.index(where) if where is not None else len(above), rule.id)
        if best is None or key < best[0]:
            best = (key, said["team"])
    return best[1] if best else None


def _nearness(said: Any, ids: set[str], closeness: dict[str, int]) -> int | None:
    """How closely a rule fits: -1 for a CI, then by the steps up to a type; None where it does not."""
    if said.get("ci") is not None:
        return -1 if said["ci"] in ids else None
    types = said.get("applies_to")
    if not types:
        return len(closeness) + 1  # for whatever it is
    return min((closeness[name] for name in types if name in closeness), default=None)


def _rules(room: Room, level: str) -> list[Record]:
    """All rules of a line of support, read once for each decision."""
    rules: dict[str, list[Record]] = room.kept.setdefault("assignment_rules", {})
    if level not in rules:
        query = Query("AssignmentRule", {LEVEL: {"eq": level}}, first=PAGE_LIMIT)
        rules[level] = room.store.find(query).records
    return rules[level]


def _operator(room: Room, concerned: Sequence[Record]) -> tuple[str | None, str | None]:
    """The team, or else the person, that operates the first of some CIs that somebody operates."""
    order = {record.id: place for place, record in enumerate(concerned)}
    found = room.store.neighbours(order, [OPERATED_BY], "out")
    for near in sorted(found, key=lambda n: (n.record.type != "Team", order[n.of], n.record.id)):
        if near.record.type == "Team":
            return near.record.id, None
        if near.record.type == "Person" and operational(room.model, near.record):
            return None, near.record.id
    return None, None


def on_call(store: GraphStore, team: str, at: datetime) -> str | None:
    """Who of a team is on call at an instant: of several shifts the one that began last."""
    where = {"team": {"eq": team}, "starts_at": {"lte": at}, "ends_at": {"gt": at}}
    query = Query("OnCallShift", where, sort=[Sort("starts_at", True)], first=20)
    shifts = store.find(query).records
    people = store.get({shift.attributes["person"] for shift in shifts}) if shifts else {}
    there = (people[s.attributes["person"]] for s in shifts if s.attributes["person"] in people)
    return next((person.id for person in there if operational(store.model, person)), None)
