"""Preparing a change set: every rule of the model checked, the net effect worked out.

Both stores commit through `prepare`, inside their write transaction, so that the rules exist once
and see exactly what the commit will change. It asks the store a fixed number of questions whatever
the number of operations (`WriteTransaction`), and none about records that are new in the change set.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from cmdb.change_sets import CHANGE_SET_LIMIT, Create, Operation, Relate, Unrelate, Update
from cmdb.commits import Plan, StaleError, WriteTransaction
from cmdb.constraints import (
    check_cardinality,
    check_cycles,
    check_retyped,
    check_slots,
    check_unique,
)
from cmdb.errors import CmdbError, InvalidChangeError, Problem
from cmdb.reconciliation.precedence import MANUAL, provenance_of, set_by_hand
from cmdb.reconciliation.standing import Standing, closed_by_hand, standing_of, with_standing
from cmdb.records import Record, Relationship, RelationshipKey, same_values
from schema.kinds import parse_id
from schema.model import PROVENANCE, STATE_ATTRIBUTE, Model, RecordType, RelationshipType

PROBLEM_LIMIT: Final = 100
NO_ATTRIBUTES: Final[Mapping[str, Any]] = {}
NOTHING_KNOWN: Final[Mapping[str, Record]] = {}


def prepare(
    operations: Iterable[Operation],
    view: WriteTransaction,
    number: int,
    *,
    managed: bool = False,
    process: bool = False,
    known: Mapping[str, Record] = NOTHING_KNOWN,
) -> Plan:
    """Check operations against the model and the live graph, and give their net effect.

    Parameters
    ----------
    view
        The open write transaction.
    number
        The revision the change set will become.
    managed
        Whether managed attributes may be written, and values are canonical already.
    process
        Whether it is the outcome of a process, which may do what no hand may.
    known
        Records that need not be read, as they are in the live graph.

    Returns
    -------
    Plan
        Empty where nothing would change.

    Raises
    ------
    InvalidChangeError
        With up to 100 problems.
    StaleError
        An update expected another revision.

    Complexity is linear in the operations. Questions to the store: at most five, plus one for each
    unique key touched, each pair of (cardinality, end) and each level of an acyclic relationship
    type above an existing record that got a new relationship.
    """
    operations = list(operations)
    if len(operations) > CHANGE_SET_LIMIT:
        raise CmdbError(
            f"The change set has {len(operations)} operations; {CHANGE_SET_LIMIT} is the most.",
            "Commit it in several.",
        )
    if view.model is None:
        raise CmdbError("The store has no model yet.", "`cmdb init` makes a complete store.")
    preparation = Preparation(view.model, view, number, managed, process)
    preparation.gather(operations, known)
    preparation.apply(operations)
    preparation.stop_if_problems()
    preparation.remember_closed()
    check_retyped(preparation)
    check_cardinality(preparation)
    check_cycles(preparation)
    check_unique(preparation)
    check_slots(preparation)
    preparation.stop_if_problems()
    return preparation.plan()


class Preparation:
    """The working state of one change set while its operations are applied in order.

    Attributes
    ----------
    created
        New records by id, as their `Create` made them.
    types
        Record type by id, of all records that are created, changed or named.
    before, after
        Of changed records: as stored; and the attributes they will have.
    live, relationships
        As stored; and the attributes they will have, None where they are closed.
    by_hand
        Neither the product's own parts nor a process wrote it: what is governed, frozen or managed is
        not to be touched.
    index_of
        The operation that last wrote a record or relationship.
    """

    def __init__(
        self,
        model: Model,
        view: WriteTransaction,
        number: int,
        managed: bool,
        process: bool = False,
    ) -> None:
        self.model, self.view, self.number, self.managed = model, view, number, managed
        self.by_hand = not (managed or process)
        self.problems: list[Problem] = []
        self.created: dict[str, Record] = {}
        self.types: dict[str, str] = {}
        self.before: dict[str, Record] = {}
        self.after: dict[str, dict[str, Any]] = {}
        self.live: dict[RelationshipKey, Relationship] = {}
        self.relationships: dict[RelationshipKey, Mapping[str, Any] | None] = {}
        self.index_of: dict[Any, int] = {}

    # -- what the operations need to know of the live graph ---------------------------------------

    def gather(self, operations: Iterable[Operation], known: Mapping[str, Record]) -> None:
        created: dict[str, str] = {}
        updated: set[str] = set()
        named: set[str] = set()
        keys: list[RelationshipKey] = []
        for operation in operations:
            if isinstance(operation, Create):
                created[operation.id] = operation.type
                record_type = self.model.record_types.get(operation.type)
                if record_type is not None:
                    _add_references(record_type, operation.attributes, named)
            elif isinstance(operation, Update):
                updated.add(operation.id)
            else:
                named.add(operation.source)
                named.add(operation.target)
                if operation.source not in created and operation.target not in created:
                    keys.append(RelationshipKey(operation.source, operation.type, operation.target))
        if stored := updated - created.keys():
            texts = _texts(stored)
            self.before = {id: known[id] for id in texts if id in known}
            if unread := [id for id in texts if id not in self.before]:
                self.before |= self.view.records(unread)
        self.types = {record.id: record.type for record in self.before.values()}
        for operation in operations if updated else ():
            if isinstance(operation, Update):
                own = created.get(operation.id) or self.types.get(operation.id, "")
                record_type = self.model.record_types.get(operation.type or own)
                if record_type is not None:
                    _add_references(record_type, operation.attributes, named)
        unknown = named - created.keys() - (self.types.keys() - known.keys())
        if unknown:
            self.types |= self.view.types(_texts(unknown))
        if keys:
            self.live = self.view.relationships(
                [k for k in keys if k.source in self.types and k.target in self.types]
            )

    # -- applying ---------------------------------------------------------------------------------

    def apply(self, operations: Iterable[Operation]) -> None:
        for index, operation in enumerate(operations):
            if isinstance(operation, Relate):
                self._relate(index, operation)
            elif isinstance(operation, Create):
                self._create(index, operation)
            elif isinstance(operation, Update):
                self._update(index, operation)
            else:
                self._unrelate(index, operation)

    def _create(self, index: int, operation: Create) -> None:
        record_type = self.model.record_types.get(operation.type)
        if record_type is None or record_type.abstract:
            what = "is abstract" if record_type else "is not in the model"
            self.problem(
                index, operation.id, "record_type", f"The record type {operation.type!r} {what}."
            )
            return
        try:
            parse_id(operation.id)
        except ValueError as error:
            self.problem(index, str(operation.id), "id", f"{error}.")
            return
        if operation.id in self.types:
            self.problem(
                index, operation.id, "exists", f"There is a record {operation.id} already."
            )
            return
        attributes = self._clean(index, operation.id, record_type, operation.attributes)
        if record_type.defaults:
            attributes = {**record_type.defaults, **attributes}
        self._require(index, operation.id, record_type, attributes)
        self._check_references(index, operation.id, record_type, attributes)
        self._check_entered(index, operation.id, record_type, attributes)
        self.created[operation.id] = Record(operation.id, operation.type, self.number, attributes)
        self.types[operation.id] = operation.type
        self.index_of[operation.id] = index

    def _update(self, index: int, operation: Update) -> None:
        before = self.created.get(operation.id) or self.before.get(operation.id)
        if before is None:
            self.problem(
                index, str(operation.id), "not_found", f"There is no record {operation.id!r}."
            )
            return
        expected = operation.expected_revision
        if expected is not None and operation.id in self.before and expected != before.revision:
            raise StaleError(operation.id, expected, before.revision)
        own_type = self.types[operation.id]
        current = self.after.get(operation.id, before.attributes)
        if operation.type is not None and operation.type != own_type:
            retyped = self._retyped(index, operation, current)
            if retyped is None:
                return
            current, own_type = retyped, operation.type
        record_type = self.model.record_types[own_type]
        attributes = dict(current)
        changed = self._clean(index, operation.id, record_type, operation.attributes)
        for name, value in operation.attributes.items():
            if value is None:
                attributes.pop(name, None)
        attributes.update(changed)
        self._require(index, operation.id, record_type, attributes)
        self._check_references(index, operation.id, record_type, changed)
        if self.by_hand:
            self._check_frozen(index, before, record_type, current)
        self._check_transition(index, before, record_type, current, attributes)
        if not self.managed and PROVENANCE in attributes:
            attributes[PROVENANCE] = self._set_by_hand(attributes, operation.attributes)
        self.after[operation.id] = attributes
        self.index_of[operation.id] = index

    def _set_by_hand(
        self, attributes: Mapping[str, Any], named: Iterable[str]
    ) -> Mapping[str, Any]:
        """The provenance of a record or relationship some of whose attributes were just set."""
        plain = self.model.to_json(
            {name: attributes[name] for name in named if name in attributes and name != PROVENANCE}
        )
        values = {name: plain.get(name) for name in named if name != PROVENANCE}
        return set_by_hand(attributes[PROVENANCE], values)

    def _retyped(
        self, index: int, operation: Update, current: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """The attributes that the record's new type has too; None, and a problem, if it may not be."""
        record_type = self.model.record_types.get(operation.type or "")
        if record_type is None or record_type.abstract:
            what = "is abstract" if record_type else "is not in the model"
            self.problem(
                index, operation.id, "record_type", f"The record type {operation.type!r} {what}."
            )
            return None
        kept = {n: v for n, v in current.items() if n in record_type.attributes}
        machine, state = record_type.state_machine, kept.get(STATE_ATTRIBUTE)
        if machine is not None and state not in machine.states:
            kept[STATE_ATTRIBUTE] = machine.initial
            if (
                state is not None
                and STATE_ATTRIBUTE not in operation.attributes
                and machine.observed
            ):
                kept[STATE_ATTRIBUTE] = machine.observed
        self.types[operation.id] = record_type.name
        if operation.id in self.created:
            self.created[operation.id] = self.created[operation.id]._replace(type=record_type.name)
        return kept

    def _relate(self, index: int, operation: Relate) -> None:
        source, type_, target, given = operation
        key = RelationshipKey(source, type_, target)
        relationship_type = self.model.relationship_types.get(type_)
        if (
            relationship_type is None
            or source == target
            or self.types.get(source) not in relationship_type.sources
            or self.types.get(target) not in relationship_type.targets
        ):
            relationship_type = self._relationship_type(index, key)
            if relationship_type is None:
                return
        if relationship_type.by_product and self.by_hand:
            self._not_by_hand(index, key)
            return
        attributes: Mapping[str, Any] = NO_ATTRIBUTES
        if given or relationship_type.required or relationship_type.defaults:
            attributes = self._clean(index, key, relationship_type, given)
            if relationship_type.defaults:
                attributes = {**relationship_type.defaults, **attributes}
            if relationship_type.required:
                self._require(index, key, relationship_type, attributes)
        if not self.managed and key in self.live and PROVENANCE in self.live[key].attributes:
            said = provenance_of(self.live[key].attributes)
            said = {source: claim for source, claim in said.items() if "closed" not in claim}
            known = {**attributes, PROVENANCE: said}
            provenance = self._set_by_hand(known, relationship_type.attributes.keys())
            if MANUAL not in provenance:
                provenance = {**provenance, MANUAL: {"by": ""}}
            attributes = {**attributes, PROVENANCE: provenance}
        self.relationships[key] = attributes
        self.index_of[key] = index

    def _unrelate(self, index: int, operation: Unrelate) -> None:
        key = RelationshipKey(operation.source, operation.type, operation.target)
        if self.relationships.get(key, self.live.get(key)) is None:
            self.problem(index, key, "not_found", f"There is no relationship {key}.")
            return
        if self.by_hand and self.model.relationship_types[key.type].by_product:
            self._not_by_hand(index, key)
        self.relationships[key] = None

    def _not_by_hand(self, index: int, key: RelationshipKey) -> None:
        message = f"{key.type} is made and closed by processes, not by hand."
        self.problem(index, key, "managed", message)

    def remember_closed(self) -> None:
        """What people close stays closed, whatever sources of lower precedence go on to say."""
        if self.managed:
            return
        closed = [k for k, now in self.relationships.items() if now is None and k in self.live]
        ends = {end for key in closed for end in (key.source, key.target)}
        unread = ends - self.before.keys()
        self.before |= self.view.records(unread) if unread else {}
        known = {id: provenance_of(self.after.get(id, self.before[id].attributes)) for id in ends}
        changed: defaultdict[str, Standing] = defaultdict(dict)
        for key in closed:
            type_ = self.model.relationship_types[key.type]
            around = (known[key.source], known[key.target])
            for id, standing in closed_by_hand(type_, self.live[key], around).items():
                changed[id] |= standing
        for id, standing in changed.items():
            provenance = with_standing(known[id], standing_of(known[id]) | standing)
            attributes = self.after.get(id, self.before[id].attributes)
            self.after[id] = {**attributes, PROVENANCE: provenance}

    def _relationship_type(self, index: int, key: RelationshipKey) -> RelationshipType | None:
        """The type of a relationship that may be; else None, and the problem is noted."""
        relationship_type = self.model.relationship_types.get(key.type)
        if relationship_type is None:
            self.problem(
                index,
                key,
                "relationship_type",
                f"There is no relationship type {key.type!r} in the model.",
            )
            return None
        source, target = self.types.get(key.source), self.types.get(key.target)
        if source in relationship_type.sources and target in relationship_type.targets:
            if key.source == key.target and relationship_type.acyclic:
                self.problem(index, key, "cycle", f"{key.source} cannot have {key.type} to itself.")
                return None
            return relationship_type
        for end, type_ in ((key.source, source), (key.target, target)):
            if type_ is None:
                self.problem(
                    index,
                    key,
                    "not_found",
                    f"There is no record {end!r} to relate by {key.type}.",
                )
                return None
        ends = f"({' | '.join(relationship_type.source)})-[:{key.type}]->({' | '.join(relationship_type.target)})"
        self.problem(
            index,
            key,
            "endpoint",
            f"{source} to {target} cannot be related by {key.type}, which is {ends}.",
        )
        return None

    # -- attributes -------------------------------------------------------------------------------

    def _clean(
        self,
        index: int,
        subject: str | RelationshipKey,
        owner: RecordType | RelationshipType,
        attributes: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        """Canonical values of the attributes that have one; the others are left out.

        The product's own parts give values that the same parsers have made already: the argument
        itself where each has one.
        """
        if self.managed and attributes.keys() <= owner.parsers.keys():
            if None not in attributes.values():
                return attributes
            return {name: value for name, value in attributes.items() if value is not None}
        clean: dict[str, Any] = {}
        parsers: dict[str, Callable[[object], Any]] = owner.parsers
        for name, value in attributes.items():
            if self.by_hand and name in owner.managed:  # nor taken away by anybody else
                message = f"{name} is written by the product itself."
                self.problem(index, subject, "managed", message, name)
                continue
            if value is None and name in parsers:
                continue
            try:
                clean[name] = parsers[name](value)
            except KeyError:
                self.problem(
                    index,
                    subject,
                    "unknown_attribute",
                    f"{owner.name} has no attribute {name!r}.",
                    str(name),
                )
            except ValueError as error:
                what = "is not valid" if owner.attributes[name].sensitive else str(error)
                self.problem(
                    index,
                    subject,
                    "invalid_value",
                    f"{name} of {owner.name} {subject}: {what}.",
                    name,
                )
        return clean

    def _require(
        self,
        index: int,
        subject: str | RelationshipKey,
        owner: RecordType | RelationshipType,
        attributes: Mapping[str, Any],
    ) -> None:
        for name in owner.required:
            if attributes.get(name) in (None, ""):
                self.problem(
                    index, subject, "required", f"{owner.name} {subject} needs {name}.", name
                )

    def _check_references(
        self, index: int, subject: str, record_type: RecordType, attributes: Mapping[str, Any]
    ) -> None:
        for attribute in record_type.references:
            value = attributes.get(attribute.name)
            if value is None:
                continue
            assert attribute.to is not None
            allowed = self.model.record_types[attribute.to].concrete
            for id in value if attribute.many else (value,):
                type_ = self.types.get(id)
                if type_ not in allowed:
                    what = f"is a {type_}" if type_ else "does not exist"
                    self.problem(
                        index,
                        subject,
                        "reference",
                        f"{attribute.name} of {record_type.name} {subject} names {id}, which {what}; it takes a {attribute.to}.",
                        attribute.name,
                    )

    def _check_transition(
        self,
        index: int,
        before: Record,
        record_type: RecordType,
        current: Mapping[str, Any],
        attributes: Mapping[str, Any],
    ) -> None:
        machine = record_type.state_machine
        source, target = current.get(STATE_ATTRIBUTE), attributes.get(STATE_ATTRIBUTE)
        if machine is None or source == target or source is None:
            return
        subject = f"{record_type.name} {before.id}"
        way = None if target is None else machine.between(source, target)
        if way is None:
            ways = (
                ", ".join(f"{way.name} -> {way.target}" for way in machine.ways(source)) or "none"
            )
            message = (
                f"{subject} cannot go from {source} to {target}; from {source} there is: {ways}."
            )
            self.problem(index, before.id, "transition", message, STATE_ATTRIBUTE)
        elif way.governed and self.by_hand:
            how = (
                f"an order does that: {', '.join(orders)} (`cmdb order new`)"
                if (orders := self.model.orders_for(record_type, way.name))
                else f"`cmdb transition` does that: {way.name}"
            )
            message = f"{subject} does not go from {source} to {target} by hand; {how}."
            self.problem(index, before.id, "governed", message, STATE_ATTRIBUTE)

    def _check_entered(
        self, index: int, id: str, record_type: RecordType, attributes: Mapping[str, Any]
    ) -> None:
        machine, state = record_type.state_machine, attributes.get(STATE_ATTRIBUTE)
        if machine and machine.entered == "initial" and state != machine.initial and self.by_hand:
            message = f"A new {record_type.name} is {machine.initial}, not {state}."
            self.problem(index, id, "governed", message, STATE_ATTRIBUTE)

    def _check_frozen(
        self, index: int, before: Record, record_type: RecordType, current: Mapping[str, Any]
    ) -> None:
        machine, state = record_type.state_machine, current.get(STATE_ATTRIBUTE, "")
        if machine and state in machine.states and machine.states[state].frozen:
            message = f"{record_type.name} {before.name} is {state}: it is not changed by hand."
            self.problem(index, before.id, "frozen", message)

    # -- the outcome ------------------------------------------------------------------------------

    def plan(self) -> Plan:
        plan = Plan()
        plan.created = [
            record._replace(attributes=self.after[record.id]) if record.id in self.after else record
            for record in self.created.values()
        ]
        for id, attributes in self.after.items():
            before = self.before.get(id)
            if before is not None and (
                before.type != self.types[id] or not same_values(before.attributes, attributes)
            ):
                after = Record(id, self.types[id], self.number, attributes)
                plan.updated.append((before, after))
        for key, now in self.relationships.items():
            live = self.live.get(key)
            if now is None:
                if live is not None:
                    plan.unrelated.append(live)
            elif live is None:
                plan.related.append(Relationship(*key, self.number, now))
            elif not same_values(live.attributes, now):
                plan.altered.append((live, Relationship(*key, self.number, now)))
        return plan

    def closes(self, key: RelationshipKey) -> bool:
        """Whether the change set ends a relationship."""
        return self.relationships.get(key, NO_ATTRIBUTES) is None

    def problem(
        self,
        index: int,
        subject: str | RelationshipKey,
        code: str,
        message: str,
        attribute: str | None = None,
        names: Mapping[str, str] = NO_ATTRIBUTES,
    ) -> None:
        self.problems.append(Problem(index, str(subject), code, message, attribute, names))
        if len(self.problems) >= PROBLEM_LIMIT:
            self.stop_if_problems()

    def stop_if_problems(self) -> None:
        if self.problems:
            raise InvalidChangeError(self.problems)


def _add_references(record_type: RecordType, attributes: Mapping[str, Any], ids: set[str]) -> None:
    for attribute in record_type.references:
        value = attributes.get(attribute.name)
        if isinstance(value, str):
            ids.add(value)
        elif isinstance(value, list | tuple) and attribute.many:
            ids.update(v for v in value if isinstance(v, str))


def _texts(ids: Iterable[object]) -> list[str]:
    """Only what can be an id: anything else is reported when its operation is applied."""
    return [id for id in ids if isinstance(id, str) and id.isascii()]
