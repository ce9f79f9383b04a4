"""Approval: stages that follow one another, each with people who may vote and how many must agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from cmdb.records import Record
from impact.rules import Redundancy
from lifecycle.cases import Case, Room
from lifecycle.guards import guard
from schema.processes import StageDeclaration

APPROVE: Final = "approve"
REJECT: Final = "reject"
CARRY_OUT: Final = ("operator", "asset_manager")
"""The roles of those to whom a process may be given."""


class Stage(NamedTuple):
    """One stage of one process, as it stands.

    Attributes
    ----------
    organisation
        Where the people asked have the role; None where nobody has it.
    people
        Ids of those who may vote.
    needed
        How many of them must agree.
    votes
        Those cast in this stage.
    """

    name: str
    declared: StageDeclaration
    organisation: Record | None
    people: frozenset[str]
    needed: int
    votes: tuple[Mapping[str, Any], ...]

    def _decided(self, decision: str) -> int:
        return len({v["for"] for v in self.votes if v["decision"] == decision})

    @property
    def granted(self) -> bool:
        return self._decided(APPROVE) >= self.needed

    @property
    def refused(self) -> bool:
        """So many have refused that those who are left cannot grant it."""
        return len(self.people) - self._decided(REJECT) < self.needed

    @property
    def waiting_for(self) -> frozenset[str]:
        """Those who have not voted."""
        return self.people - {v["for"] for v in self.votes}


def stages(room: Room, process: Record) -> list[Stage]:
    """The stages that the process's type and value ask for. A level that does not stand above its
    organisation is not asked: a department of the province has no city company."""
    procedure = room.model.record_types[process.type].procedure
    if procedure is None:
        return []
    declared = procedure.approval
    value = (
        value_of(room, process) if any(s.value_from is not None for s in declared.values()) else 0
    )
    votes = process.attributes.get("votes") or []
    found = []
    for name, stage in declared.items():
        if stage.value_from is not None and value < stage.value_from:
            continue
        if not _reaches(room, process, stage):
            continue
        line = _line(room, process, stage)
        if stage.at and not line:
            continue
        organisation, people = _asked(room, process, stage, line)
        needed = int(Redundancy(stage.needed, False).of(np.array([max(1, len(people))]))[0])
        cast = tuple(v for v in votes if v["stage"] == name)
        found.append(Stage(name, stage, organisation, people, needed, cast))
    return found


def _reaches(room: Room, process: Record, stage: StageDeclaration) -> bool:
    """Whether the process has the values, or later ones, that the stage is asked from."""
    attributes = room.model.record_types[process.type].attributes
    for name, least in stage.at_least.items():
        order, value = list(attributes[name].values), process.attributes.get(name)
        if value not in order or order.index(value) < order.index(least):
            return False
    return True


def open_stage(found: Sequence[Stage]) -> Stage | None:
    """The first stage that is not granted yet."""
    return next((stage for stage in found if not stage.granted), None)


def value_of(room: Room, process: Record) -> float:
    """What the records concerned cost to buy, in all."""
    total = 0.0
    for item in room.items(process.id):
        price = item.record.attributes.get("purchase_price")
        total += float(price.amount) if price is not None else 0
    return total


def _line(room: Room, process: Record, stage: StageDeclaration) -> list[Record]:
    """The organisations from which people may be asked, the nearest first."""
    line = room.directory.line(process.attributes.get(stage.of))
    if not stage.at:
        return line
    types = room.model.record_types
    start = next((i for i, o in enumerate(line) if stage.at in types[o.type].ancestors), len(line))
    return line[start:]


def _asked(
    room: Room, process: Record, stage: StageDeclaration, line: Sequence[Record]
) -> tuple[Record | None, frozenset[str]]:
    """The first organisation of a line with people to ask, and those people, less who asks.

    With each escalation the people of one more level above may vote too.
    """
    requester = process.attributes.get("requested_by")
    for index, organisation in enumerate(line):
        people = room.directory.holders(stage.role, organisation.id) - {requester}
        if people:
            above = line[index + 1 : index + 1 + (process.attributes.get("escalation") or 0)]
            more = (room.directory.holders(stage.role, o.id) - {requester} for o in above)
            return organisation, people.union(*more)
    return (line[0] if line else None), frozenset()


@guard
def assignee_able(cases: Sequence[Case], room: Room) -> None:
    """Who is to carry it out, if that is said, has a role of those who carry out in its organisation."""
    for case in cases:
        person = case.value("assignee")
        organisation = case.record.attributes.get("organisation")
        if person is not None and not room.directory.able(person, CARRY_OUT, organisation):
            named = room.store.record(person).name
            case.refuse("assignee_able", f"{named} is no {' or '.join(CARRY_OUT)} there")


@guard
def has_approvers(cases: Sequence[Case], room: Room) -> None:
    """Every stage has enough people who may approve."""
    for case in cases:
        for stage in stages(room, case.becoming):
            if len(stage.people) < stage.needed:
                at = f" in {stage.organisation.name} or above" if stage.organisation else ""
                case.refuse(
                    "has_approvers",
                    f"nobody else is {stage.declared.role}{at}: {stage.declared.label.en} needs {stage.needed}",
                )
