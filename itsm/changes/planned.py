"""The changes to the graph that a change holds back until it is carried out.

They are operations, kept as plain data with the ids of what they create (``planned``), and the revision that
they were checked on (``planned_revision``). So what they touch can be read as it was then, and compared: what
somebody has changed since, and not to what was planned, no longer fits.

Whoever attaches them, and whatever commits them in the end, they are held to the rules of a hand-made change
set: no governed transition, no managed attribute, nothing frozen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from cmdb.change_sets import ChangeSet, Create, Operation, Relate, Unrelate, Update
from cmdb.commits import Plan, StaleError
from cmdb.errors import InvalidChangeError, Problem
from cmdb.ids import new_id
from cmdb.pending import Pending
from cmdb.plain_operations import read_operations, write_operation
from cmdb.records import Record, Relationship, RelationshipKey, same_values
from cmdb.revisions import Changes, RecordChange, RelationshipChange
from cmdb.store import GraphStore
from cmdb.store.changes import net_changes
from schema.model import PROVENANCE, Model

PLANNED: Final = "planned"
PLANNED_ON: Final = "planned_revision"
APPLIED: Final = "implemented_revision"
MOST: Final = 5_000
"""Operations that one change may hold back."""
PROCESS: Final = "ProcessRecord"
CI: Final = "ConfigurationItem"
PAGE: Final = 50


def plain_value(model: Model, name: str, value: Any) -> Any:
    """One attribute's value as JSON."""
    return value if value is None else model.to_json({name: value})[name]


# -- attaching --------------------------------------------------------------------------------------------


def rehearsed(store: GraphStore, operations: Sequence[Operation]) -> Plan:
    """What operations would come to as a hand-made change set, as things are; nothing is committed.

    Raises
    ------
    InvalidChangeError, ConflictError
        As committing them would.
    """
    change_set = ChangeSet(operations, "rehearsal")
    try:
        return Pending(store).prepare(change_set, store.last_revision().number + 1)
    except StaleError as stale:
        raise store.conflict(stale) from None


def kept(store: GraphStore, operations: Sequence[Operation]) -> list[dict[str, Any]]:
    """Operations as they are held back: checked, with canonical values, as plain data.

    Raises
    ------
    InvalidChangeError
        They break rules of the model, there are too many, or they touch what is not planned: processes,
        who may do what, and sensitive values, which all who read the change would read.
    ConflictError
        A record is not at the revision that was expected.
    """
    if len(operations) > MOST:
        what = f"{len(operations)} operations; a change holds back {MOST} at most."
        raise InvalidChangeError([Problem(0, "", "too_many", what)])
    rehearsed(store, operations)
    model, types = store.model, _types(store, operations)
    if problems := list(_not_planned(model, operations, types)):
        raise InvalidChangeError(problems)
    return [_plain(model, operation, types) for operation in operations]


def _types(store: GraphStore, operations: Sequence[Operation]) -> dict[str, str]:
    """The record types of all that operations name."""
    made = {o.id: o.type for o in operations if isinstance(o, Create)}
    found = store.get(_named(operations) - made.keys())
    return made | {id: record.type for id, record in found.items()}


def _named(operations: Iterable[Operation]) -> set[str]:
    ids: set[str] = set()
    for operation in operations:
        ids |= (
            {operation.id}
            if isinstance(operation, Create | Update)
            else {operation.source, operation.target}
        )
    return ids


def _not_planned(
    model: Model, operations: Sequence[Operation], types: Mapping[str, str]
) -> Iterator[Problem]:
    for index, operation in enumerate(operations):
        attributes = {} if isinstance(operation, Unrelate) else operation.attributes
        what = ""
        if isinstance(operation, Create | Update):
            subject = operation.id
            type_ = model.record_types[types[operation.id]]
            if PROCESS in type_.ancestors:
                what = f"A {type_.name} is a process, and goes its own way"
            elif type_.administered or not model.identifying.isdisjoint(attributes):
                what = "Who is who, and who may do what"
        else:
            subject = " ".join(operation[:3])
            if model.relationship_types[operation.type].administered:
                what = f"{operation.type} says who may do what"
        if named := sorted(model.sensitive.intersection(attributes)):
            what = f"{named[0]} is sensitive: all who read the change would read it"
        if what:
            message = f"{what}: that is not held back by a change."
            yield Problem(index, subject, "not_planned", message)


def _plain(model: Model, operation: Operation, types: dict[str, str]) -> dict[str, Any]:
    if isinstance(operation, Unrelate):
        return write_operation(operation, {})
    if isinstance(operation, Update):
        operation = operation._replace(expected_revision=None)
        types[operation.id] = operation.type or types[operation.id]
    parsers = (
        model.relationship_types[operation.type].parsers
        if isinstance(operation, Relate)
        else model.record_types[types[operation.id]].parsers
    )
    given = operation.attributes
    values = model.to_json({n: parsers[n](v) for n, v in given.items() if v is not None})
    gone = {n: None for n, v in given.items() if v is None}
    return write_operation(operation, {**values, **gone})


# -- what was held back, against the graph as it is -------------------------------------------------------


class Planned:
    """What a change holds back, looked at now.

    Parameters
    ----------
    change
        Its record.

    Attributes
    ----------
    operations
        As they were attached.
    """

    def __init__(self, store: GraphStore, change: Record) -> None:
        self.store, self.model = store, store.model
        self.operations = read_operations(change.attributes.get(PLANNED) or [], new_id)
        self.planned_on: int = change.attributes.get(PLANNED_ON) or 0
        self.created = {o.id: o for o in self.operations if isinstance(o, Create)}

    def __bool__(self) -> bool:
        return bool(self.operations)

    # -- what is there ----------------------------------------------------------------------------

    @cached_property
    def ids(self) -> list[str]:
        return sorted(_named(self.operations) - self.created.keys())

    @cached_property
    def now(self) -> dict[str, Record]:
        """The records that it names, as they are."""
        return dict(self.store.get(self.ids)) if self.ids else {}

    @cached_property
    def then(self) -> dict[str, Record]:
        """The same as they were when it was planned."""
        return dict(self.store.get(self.ids, self.planned_on)) if self.ids else {}

    @cached_property
    def _keys(self) -> set[RelationshipKey]:
        return {
            RelationshipKey(*o[:3]) for o in self.operations if isinstance(o, Relate | Unrelate)
        }

    @cached_property
    def links_now(self) -> dict[RelationshipKey, Relationship]:
        """The relationships that it makes, changes or closes, as far as they are there."""
        return self._links(None)

    @cached_property
    def links_then(self) -> dict[RelationshipKey, Relationship]:
        return self._links(self.planned_on)

    def _links(self, at: int | None) -> dict[RelationshipKey, Relationship]:
        known = self.model.relationship_types
        sources = {key.source for key in self._keys} - self.created.keys()
        types = {key.type for key in self._keys} & known.keys()
        near = self.store.neighbours(sources, types, "out", at) if sources and types else ()
        found = {n.relationship.key: n.relationship for n in near}
        return {key: found[key] for key in self._keys if key in found}

    # -- what becomes of it -----------------------------------------------------------------------

    def remaining(self) -> list[Operation]:
        """The operations, less what others have done already: relationships made, or closed, since."""
        wanted = self.wanted()
        done = {
            key
            for key, said in wanted.items()
            if (key in self.links_then) != (key in self.links_now) and self.is_so(key, said)
        }
        return [
            o
            for o in self.operations
            if isinstance(o, Create | Update) or RelationshipKey(*o[:3]) not in done
        ]

    def wanted(self) -> dict[RelationshipKey, Mapping[str, Any] | None]:
        """The relationships as they are to be in the end; None where they are closed."""
        wanted: dict[RelationshipKey, Mapping[str, Any] | None] = {}
        for operation in self.operations:
            if isinstance(operation, Relate):
                wanted[RelationshipKey(*operation[:3])] = self.values(operation, "")
            elif isinstance(operation, Unrelate):
                wanted[RelationshipKey(*operation[:3])] = None
        return wanted

    def is_so(self, key: RelationshipKey, said: Mapping[str, Any] | None) -> bool:
        """Whether a relationship is as it is to be, whatever else is said of it."""
        there = self.links_now.get(key)
        if there is None or said is None:
            return there is None and said is None
        return all(same_values(there.attributes.get(n), v) for n, v in said.items())

    def plan(self) -> Plan:
        """What it would come to by the rules of a hand-made change set, as things are.

        Raises
        ------
        InvalidChangeError
        """
        return rehearsed(self.store, self.remaining())

    def problems(self) -> tuple[Problem, ...]:
        """The rules that it would break, as things are."""
        try:
            self.plan()
        except InvalidChangeError as error:
            return error.problems
        return ()

    def touched(self) -> set[str]:
        """Ids of the CIs that it creates or changes, or relates."""
        types = {id: r.type for id, r in self.now.items()}
        types |= {id: o.type for id, o in self.created.items()}
        known = self.model.record_types
        return {id for id, type_ in types.items() if CI in known[type_].ancestors}

    def difference(self) -> Changes:
        """What would be otherwise, as things are, whether or not it still fits."""
        records, links = dict(self.now), dict(self.links_now)
        for operation in self.operations:
            if isinstance(operation, Create):
                values = self.values(operation, operation.type)
                records[operation.id] = Record(operation.id, operation.type, 0, values)
            elif isinstance(operation, Update):
                before = records.get(operation.id)
                if before is not None:
                    type_ = operation.type or before.type
                    values = {**before.attributes, **self.values(operation, type_)}
                    values = {n: v for n, v in values.items() if v is not None}
                    records[operation.id] = before._replace(type=type_, attributes=values)
            else:
                key = RelationshipKey(*operation[:3])
                there = links.pop(key, None)
                if isinstance(operation, Relate):
                    said = self.values(operation, "")
                    if there is not None and PROVENANCE in there.attributes:
                        said[PROVENANCE] = there.attributes[PROVENANCE]
                    links[key] = Relationship(*key, 0, said)
        return net_changes(self.now, records, self.links_now, links)

    def values(self, operation: Create | Update | Relate, type_: str) -> dict[str, Any]:
        """Canonical values; None where one is taken away. What the model no longer takes stays as it is."""
        if isinstance(operation, Relate):
            parsers = getattr(self.model.relationship_types.get(operation.type), "parsers", {})
        else:
            parsers = getattr(self.model.record_types.get(type_), "parsers", {})
        return {n: _parsed(parsers.get(n), v) for n, v in operation.attributes.items()}


def _parsed(parse: Any, value: Any) -> Any:
    if value is None or parse is None:
        return value
    try:
        return parse(value)
    except ValueError:
        return value


def applied_by(store: GraphStore, change: Record) -> Changes:
    """What a change made otherwise when it was carried out, without its own progress."""
    number = change.attributes.get(APPLIED) or 0
    for commit in store.feed(number - 1, number) if number else ():
        process = store.model.record_types[PROCESS].concrete
        records = [c for c in commit.changes.records if c.after and c.after.type not in process]
        links = [c for c in commit.changes.relationships if c.key.source != change.id]
        return Changes(records, links)
    return Changes([], [])


def changes_of(plan: Plan) -> Changes:
    """A plan as the changes that it would make."""
    records = [RecordChange(None, record) for record in plan.created]
    records += [RecordChange(*pair) for pair in plan.updated]
    links = [RelationshipChange(None, link) for link in plan.related]
    links += [RelationshipChange(*pair) for pair in plan.altered]
    links += [RelationshipChange(link, None) for link in plan.unrelated]
    return Changes(records, links)
