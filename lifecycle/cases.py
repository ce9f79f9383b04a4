"""A case: one record on its way through one transition or step, with all that is decided about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from cmdb.change_sets import Operation, Relate, Unrelate, Update
from cmdb.records import Record, Relationship, RelationshipKey
from cmdb.store import GraphStore
from cmdb.store.base import Neighbour
from lifecycle.items import Item, items, items_of
from lifecycle.people import Actor, Directory
from lifecycle.refusals import Refusal
from schema.model import STATE_ATTRIBUTE, Model, RecordType, Transition
from schema.processes import StepDeclaration

LOOKING_AROUND: Final = frozenset({"items_free", "all_settled"})
"""Guards that ask which other processes concern the items of one."""


@dataclass
class Room:
    """What all cases of one decision share.

    Attributes
    ----------
    now
        The instant at which it is decided.
    process
        The process record they are steps of, if any.
    going
        Ids of the records that go through the same at once.
    procedures
        The standard operating procedures in force, once they were read.
    concerned, linked
        The items of processes, once they were read; those of them of which it was read, too, which processes
        their records are concerned by.
    kept
        What rules have read and want to find again, by names of their own.
    brief
        Whether it is enough to say what refuses: each record is looked at by itself then, and nobody
        asks what would come of it.
    """

    store: GraphStore
    directory: Directory
    actor: Actor
    now: datetime
    process: Record | None = None
    going: frozenset[str] = frozenset()
    procedures: list[Record] | None = None
    concerned: dict[str, list[Item]] = field(default_factory=dict)
    linked: set[str] = field(default_factory=set)
    kept: dict[str, Any] = field(default_factory=dict)
    brief: bool = False

    @property
    def model(self) -> Model:
        return self.store.model

    @property
    def today(self) -> date:
        return self.now.date()

    def load(self, records: Iterable[Record]) -> None:
        """Read together what cases of these records ask of people, organisations and items."""
        types = self.model.record_types
        found = list(records)
        processes = [r for r in found if "ProcessRecord" in types[r.type].ancestors]
        self.directory.load(
            {o for r in found if (o := r.attributes.get("organisation")) is not None},
            {p for r in processes if (p := r.attributes.get("assignee")) is not None},
            holders=bool(processes),
        )
        if processes:
            linked = {r.id for r in processes if _looks_around(types[r.type])}
            self.linked |= linked
            for ids in (linked, {r.id for r in processes} - linked):
                if ids:
                    self.concerned |= items_of(self.store, ids, linked=ids is linked)
            self.directory.load(
                {
                    o
                    for r in processes
                    for i in self.concerned[r.id]
                    if (o := i.record.attributes.get("organisation")) is not None
                }
            )

    def items(self, process: str, *, linked: bool = True) -> list[Item]:
        """What a process concerns, read once for all guards and effects of a decision.

        Parameters
        ----------
        linked
            Whether it must be known which processes these records are concerned by; it costs more.
        """
        if linked and process not in self.linked:
            pages = items(self.store, process)
            self.concerned[process] = [item for page in pages for item in page]
            self.linked.add(process)
        elif process not in self.concerned:
            self.concerned |= items_of(self.store, [process])
        return self.concerned[process]


def _looks_around(type_: RecordType) -> bool:
    """Whether a process of a type is asked which others concern its items."""
    machine = type_.state_machine
    ways = machine.transitions.values() if machine is not None else ()
    return any(not LOOKING_AROUND.isdisjoint(way.guards) for way in ways)


@dataclass
class Case:
    """One record, one way, and what follows.

    Attributes
    ----------
    transition
        Of the record's own state machine; None for a step that changes no state.
    step
        The step of the process, and its name.
    inputs
        What is given: the process's attributes, the item's details, what was said at execution.
    links
        The record's relationships, as read.
    overrides
        Guard -> the reason for which it is to be set aside.
    sets, relates, closes
        What effects decided: attributes, relationships to make and to close.
    more
        What effects do to other records, in the same revision.
    refusals
        Why it does not go; empty where it does.
    overridden
        The refusals that were set aside, each with its reason and by whom.
    """

    record: Record
    transition: Transition | None
    inputs: Mapping[str, Any]
    step_name: str = ""
    step: StepDeclaration | None = None
    item: Relationship | None = None
    links: list[Neighbour] = field(default_factory=list)
    overrides: Mapping[str, str] = field(default_factory=dict)
    sets: dict[str, Any] = field(default_factory=dict)
    relates: dict[RelationshipKey, Mapping[str, Any]] = field(default_factory=dict)
    closes: set[RelationshipKey] = field(default_factory=set)
    more: list[Operation] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    overridden: list[dict[str, Any]] = field(default_factory=list)

    def type(self, model: Model) -> RecordType:
        return model.record_types[self.record.type]

    def value(self, name: str) -> Any:
        """An attribute as it will be."""
        return self.sets.get(name, self.record.attributes.get(name))

    @property
    def becoming(self) -> Record:
        """The record with the attributes that it will have."""
        return self.record._replace(attributes={**self.record.attributes, **self.sets})

    def linked(self, model: Model, name: str) -> list[tuple[str, Mapping[str, Any]]]:
        """The other ends of a relationship (or inverse) as they will be, with its attributes."""
        type_, direction = model.direction(name)
        there = {
            n.relationship.key: n.relationship.attributes
            for n in self.links
            if n.relationship.type == type_.name and n.relationship.key not in self.closes
        }
        made = {k: a for k, a in self.relates.items() if k.type == type_.name}
        found = []
        for key, attributes in {**there, **made}.items():
            own, other = (
                (key.source, key.target) if direction == "out" else (key.target, key.source)
            )
            if own == self.record.id:
                found.append((other, attributes))
        return found

    def relate(
        self, model: Model, name: str, other: str, attributes: Mapping[str, Any] = {}
    ) -> None:
        """Make a relationship, by its name or inverse name."""
        type_, direction = model.direction(name)
        ends = (self.record.id, other) if direction == "out" else (other, self.record.id)
        key = RelationshipKey(ends[0], type_.name, ends[1])
        self.closes.discard(key)
        self.relates[key] = attributes

    def close(self, types: Iterable[str], *, but: Iterable[str] = ()) -> None:
        """Close the relationships of some types, save those to some records."""
        wanted, kept = {*types}, {*but}
        for near in self.links:
            if near.relationship.type in wanted and near.record.id not in kept:
                self.closes.add(near.relationship.key)

    def refuse(self, code: str, message: str, override: str | None = None, **detail: Any) -> None:
        self.refusals.append(
            Refusal(self.record.id, self.record.name, code, message, override, detail)
        )

    def operations(self) -> list[Operation]:
        """What is to be committed for this record, and what effects do to others."""
        made: list[Operation] = []
        sets = dict(self.sets)
        if self.transition is not None:
            sets[STATE_ATTRIBUTE] = self.transition.target
        if sets:
            made.append(Update(self.record.id, sets))
        live = {n.relationship.key: n.relationship for n in self.links}
        made += [Unrelate(*key) for key in sorted(self.closes) if key not in self.relates]
        for key, attributes in self.relates.items():
            if key in live and key not in self.closes and live[key].said == attributes:
                continue
            made.append(Relate(*key, attributes))
        return made + self.more
