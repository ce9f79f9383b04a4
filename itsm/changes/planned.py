"""The changes to the graph that a change holds back until it is carried out.

They are operations, kept as plain data with the ids of what they create (``planned``), and the revision that
they were checked on (``planned_revision``). So what they touch can be read as it was then, and compared: what
somebody has changed since, and not to what was planned, no longer fits.

Whoever attaches them, and whatever commits them in the end, they are held to the rules of a hand-made change
set: no governed transition, no managed attribute, nothing frozen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Final, NamedTuple

from cmdb.change_sets import ChangeSet, Create, Operation, Relate, Unrelate, Update
from cmdb.commits import Plan, StaleError
from cmdb.errors import Interference, InvalidChangeError, Problem
from cmdb.ids import new_id
from cmdb.pending import Pending
from cmdb.plain_operations import read_operations, write_operation
from cmdb.reconciliation.candidates import agree
from cmdb.reconciliation.families import Family
from cmdb.records import Record, Relationship, RelationshipKey, same_values
from cmdb.revisions import Changes, RecordChange, RelationshipChange
from cmdb.store import GraphStore
from cmdb.store.changes import net_changes
from schema.kinds import write_datetime
from schema.model import ORGANISATION_ATTRIBUTE, STATE_ATTRIBUTE, Model

PLANNED: Final = "planned"
PLANNED_ON: Final = "planned_revision"
APPLIED: Final = "implemented_revision"
MOST: Final = 5_000
"""Operations that one change may hold back."""
PROCESS: Final = "ProcessRecord"
CI: Final = "ConfigurationItem"
PAGE: Final = 50


class Moved(NamedTuple):
    """Something that is not as it was when it was planned to be otherwise.

    Attributes
    ----------
    subject, name
        Id of the record, or ``source TYPE target``; and what people call it.
    what
        An attribute; ``type``, ``state``, ``relationship``; or ``exists`` for what was to be created.
    was, now, planned
        Canonical values: when it was planned, now, and what is planned.
    since
        Who changed it, the newest first.
    """

    subject: str
    name: str
    what: str
    was: Any
    now: Any
    planned: Any
    since: tuple[Interference, ...]

    def __str__(self) -> str:
        who = "; ".join(f"{i.actor} changed it in revision {i.revision}" for i in self.since[:3])
        if self.what == "exists":
            return f"{self.name} is there already, as {self.now}: {who}"
        if self.what == "relationship":
            return f"{self.name} was {_there(self.was)} when it was planned, and is {_there(self.now)}: {who}"
        planned = "" if self.planned is None else f" to be {_shown(self.planned)}"
        return f"{self.what} was {_shown(self.was)} when it was planned{planned}, and is {_shown(self.now)}: {who}"

    def plain(self, model: Model) -> dict[str, Any]:
        """As JSON."""
        sides = {"was": self.was, "now": self.now, "planned": self.planned}
        if self.what in model.attributes:
            sides = {n: plain_value(model, self.what, v) for n, v in sides.items()}
        elif self.what == "relationship":
            sides = {n: v and model.to_json(v) for n, v in sides.items()}
        return {
            "subject": self.subject,
            "name": self.name,
            "what": self.what,
            **sides,
            "since": [
                {
                    "revision": i.revision,
                    "at": write_datetime(i.at),
                    "actor": i.actor,
                    "changed": {
                        n: [plain_value(model, n, v) for v in sides]
                        for n, sides in i.changed.items()
                    },
                }
                for i in self.since
            ],
        }


def _shown(value: Any) -> str:
    return "not set" if value is None else str(value)


def _there(attributes: Any) -> str:
    if attributes is None:
        return "not there"
    said = ", ".join(f"{n} {v}" for n, v in attributes.items())
    return f"there with {said}" if said else "there"


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
    def _ids(self) -> list[str]:
        return sorted(_named(self.operations) - self.created.keys())

    @cached_property
    def now(self) -> dict[str, Record]:
        """The records that it names, as they are."""
        return dict(self.store.get(self._ids)) if self._ids else {}

    @cached_property
    def then(self) -> dict[str, Record]:
        """The same as they were when it was planned."""
        return dict(self.store.get(self._ids, self.planned_on)) if self._ids else {}

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
        wanted = self._wanted()
        done = {
            key
            for key, said in wanted.items()
            if (key in self.links_then) != (key in self.links_now) and self._is_so(key, said)
        }
        return [
            o
            for o in self.operations
            if isinstance(o, Create | Update) or RelationshipKey(*o[:3]) not in done
        ]

    def _wanted(self) -> dict[RelationshipKey, Mapping[str, Any] | None]:
        """The relationships as they are to be in the end; None where they are closed."""
        wanted: dict[RelationshipKey, Mapping[str, Any] | None] = {}
        for operation in self.operations:
            if isinstance(operation, Relate):
                wanted[RelationshipKey(*operation[:3])] = self._values(operation, "")
            elif isinstance(operation, Unrelate):
                wanted[RelationshipKey(*operation[:3])] = None
        return wanted

    def _is_so(self, key: RelationshipKey, said: Mapping[str, Any] | None) -> bool:
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
                values = self._values(operation, operation.type)
                records[operation.id] = Record(operation.id, operation.type, 0, values)
            elif isinstance(operation, Update):
                before = records.get(operation.id)
                if before is not None:
                    type_ = operation.type or before.type
                    values = {**before.attributes, **self._values(operation, type_)}
                    values = {n: v for n, v in values.items() if v is not None}
                    records[operation.id] = before._replace(type=type_, attributes=values)
            else:
                key = RelationshipKey(*operation[:3])
                links.pop(key, None)
                if isinstance(operation, Relate):
                    links[key] = Relationship(*key, 0, self._values(operation, ""))
        return net_changes(self.now, records, self.links_now, links)

    def _values(self, operation: Create | Update | Relate, type_: str) -> dict[str, Any]:
        """Canonical values; None where one is taken away. What the model no longer takes stays as it is."""
        if isinstance(operation, Relate):
            parsers = getattr(self.model.relationship_types.get(operation.type), "parsers", {})
        else:
            parsers = getattr(self.model.record_types.get(type_), "parsers", {})
        return {n: _parsed(parsers.get(n), v) for n, v in operation.attributes.items()}

    # -- what no longer fits ----------------------------------------------------------------------

    def moved(self) -> list[Moved]:
        """What others have changed since it was planned, and not to what is planned.

        A fixed number of statements, and one or two more for each thing that moved.
        """
        if not self.operations:
            return []
        return [*self._records_moved(), *self._links_moved(), *self._there_already()]

    def _records_moved(self) -> Iterator[Moved]:
        planned: dict[str, dict[str, Any]] = {id: {} for id in self._ids}
        for operation in self.operations:
            if isinstance(operation, Update) and operation.id in self.now:
                type_ = operation.type or self.now[operation.id].type
                planned[operation.id] |= self._values(operation, type_)
        for id, values in planned.items():
            was, now = self.then.get(id), self.now.get(id)
            if was is None or now is None or was.revision == now.revision:
                continue
            if was.type != now.type:
                yield self._moved(now, "type", was.type, now.type, None)
            if self._ended(now) and not self._ended(was):
                before, after = (r.attributes.get(STATE_ATTRIBUTE) for r in (was, now))
                yield self._moved(now, STATE_ATTRIBUTE, before, after, None)
            for name in sorted({*values, ORGANISATION_ATTRIBUTE}):
                before, after = was.attributes.get(name), now.attributes.get(name)
                wanted = values.get(name, before)
                if not same_values(before, after) and not same_values(after, wanted):
                    yield self._moved(now, name, before, after, values.get(name))

    def _ended(self, record: Record) -> bool:
        machine = self.model.record_types[record.type].state_machine
        state = machine.states.get(str(record.attributes.get(STATE_ATTRIBUTE))) if machine else None
        return state is not None and state.terminal

    def _moved(self, now: Record, what: str, was: Any, is_: Any, planned: Any) -> Moved:
        stale = StaleError(now.id, self.planned_on, now.revision)
        every = self.store.conflict(stale).interferences
        since = [replace(i, changed={what: i.changed[what]}) for i in every if what in i.changed]
        who = tuple(since or every) or self._by([now.revision])
        return Moved(now.id, now.name, what, was, is_, planned, who)

    def _by(self, revisions: Collection[int]) -> tuple[Interference, ...]:
        found = self.store.revisions(revisions)
        return tuple(
            Interference(n, found[n].at, found[n].actor, {}) for n in sorted(found, reverse=True)
        )

    def _links_moved(self) -> Iterator[Moved]:
        wanted, moved = self._wanted(), []
        for key in sorted(wanted):
            sides = (side.get(key) for side in (self.links_then, self.links_now))
            was, now = (None if link is None else link.said for link in sides)
            closing = was is not None and now is not None and wanted[key] is None
            if not (closing or same_values(was, now) or self._is_so(key, wanted[key])):
                moved.append((key, was, now))
        since = self._changed_since({key for key, *_ in moved})
        for key, was, now in moved:
            names = [self.now[id].name if id in self.now else id for id in (key.source, key.target)]
            name = f"{names[0]} {key.type} {names[1]}"
            who = self._by(since[key])
            yield Moved(str(key), name, "relationship", was, now, wanted[key], who)

    def _changed_since(self, keys: Collection[RelationshipKey]) -> dict[RelationshipKey, list[int]]:
        """The revisions since it was planned that made, changed or closed relationships."""
        found: defaultdict[RelationshipKey, list[int]] = defaultdict(list)
        for source in sorted({key.source for key in keys}):
            before: int | None = None
            while page := self.store.history(source, PAGE, before):
                for commit in page:
                    if commit.revision.number > self.planned_on:
                        for link in commit.changes.relationships:
                            found[link.key].append(commit.revision.number)
                before = page[-1].revision.number
                if before <= self.planned_on or len(page) < PAGE:
                    break
        return found

    def _there_already(self) -> Iterator[Moved]:
        """Records that came since and are, by the identification rules, what is to be created."""
        family = Family(self.model)
        for id, operation in self.created.items():
            values = self._values(operation, operation.type)
            type_ = self.model.record_types.get(operation.type)
            for rule in type_.identification if type_ else ():
                first = rule.attributes[0]
                if (
                    rule.relationship
                    or values.get(first) is None
                    or self.model.attributes[first].many
                ):
                    continue
                twins = [
                    record
                    for record in self.store.holders(first, [values[first]])
                    if family.common(operation.type, record.type)
                    and agree(rule, values, record.attributes)
                ]
                known = self.store.get([t.id for t in twins], self.planned_on) if twins else {}
                new = [twin for twin in twins if twin.id not in known]
                if new:
                    name = str(values.get("name", id))
                    told = f"{new[0].type} {new[0].name} ({rule})"
                    yield Moved(id, name, "exists", None, told, None, self._by([new[0].revision]))
                    break


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
