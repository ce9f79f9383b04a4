"""Planning: what a batch of statements changes, as operations and as lines that people can read.

The records of a batch are identified first (`identification`), then each one's values are settled by
precedence (`precedence`), then the relationships (`links`). Planning reads the store a fixed number of
times for each level of parents, whatever the size of the batch, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from cmdb.change_sets import Create, Operation, Update
from cmdb.reconciliation.identification import Identity, Question
from cmdb.reconciliation.precedence import (
    MANUAL,
    Precedence,
    Provenance,
    provenance_of,
    reporting,
    settle,
    with_manual,
)
from cmdb.reconciliation.statements import Subject
from cmdb.records import Record, RelationshipKey
from schema.model import PROVENANCE, STATE_ATTRIBUTE, Model, RecordType

Action = Literal[
    "created", "updated", "related", "unrelated", "retired", "unchanged", "rejected", "duplicate"
]
ACTIONS: Final[tuple[Action, ...]] = (
    "created",
    "updated",
    "related",
    "unrelated",
    "retired",
    "unchanged",
    "rejected",
    "duplicate",
)


class Difference(NamedTuple):
    """One value that changes: from, to, and whose word it is."""

    attribute: str
    old: Any
    new: Any
    winner: str


@dataclass(slots=True)
class Entry:
    """One line of a plan.

    Attributes
    ----------
    subject
        Id of the record, or of the one the relationship belongs to; empty where there is none.
    what
        Name of the record, or ``name TYPE name``.
    why
        Of a rejection or duplicate: the reason. Of a record: the rule that identified it.
    """

    action: Action
    type: str
    what: str
    subject: str = ""
    place: str = ""
    why: str = ""
    differences: Sequence[Difference] = ()


def named(key: RelationshipKey, names: Mapping[str, str]) -> str:
    """A relationship as people read it: ``name TYPE name``, ids where a name is not known."""
    return f"{names.get(key.source, key.source)} {key.type} {names.get(key.target, key.target)}"


class Step(NamedTuple):
    """An operation, and the statement it comes from (its index in the batch)."""

    operation: Operation
    owner: int


@dataclass
class BatchPlan:
    """What a batch changes.

    Attributes
    ----------
    steps
        In an order in which every record comes before what names it.
    ids
        Of each statement's own record; None for one that is held.
    mentioned
        Key -> id of everything else that has a key.
    settled
        What was only mentioned, with its record: it need not be looked up again.
    unchanged
        Statements that changed nothing.
    """

    steps: list[Step] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)
    mentioned: dict[str, str] = field(default_factory=dict)
    settled: list[tuple[Subject, Identity]] = field(default_factory=list)
    unchanged: int = 0


@dataclass
class Drafted:
    """A record as a batch leaves it: where it stands, and what the source now says of it."""

    subject: Subject
    identity: Identity
    owner: int
    values: dict[str, Any]
    part_of: str = ""


class RecordPlanner:
    """Plans the records of one batch.

    Parameters
    ----------
    names
        Id -> name, for the lines of the plan; what is met is added.
    """

    def __init__(
        self, model: Model, source: str, precedence: Precedence, names: dict[str, str]
    ) -> None:
        self.model, self.source, self.precedence, self.names = model, source, precedence, names

    def create(self, draft: Drafted) -> tuple[Create, Entry]:
        """A new record: the source's values are its values."""
        subject, id_ = draft.subject, draft.identity.id
        record_type = self.model.record_types[draft.identity.type]
        attributes = dict(draft.values)
        machine = record_type.state_machine
        if machine is not None and machine.observed and STATE_ATTRIBUTE not in attributes:
            attributes[STATE_ATTRIBUTE] = machine.observed
        attributes[PROVENANCE] = {self.source: self._claim(draft, draft.values, None)}
        name = self.names[id_] = str(attributes.setdefault("name", subject.name))
        entry = Entry("created", record_type.name, name, id_, subject.place)
        return Create(record_type.name, attributes, id_), entry

    def update(self, draft: Drafted) -> tuple[Update | None, Entry]:
        """What a source's new word changes of a record there is."""
        record = draft.identity.record
        assert record is not None
        before = provenance_of(record.attributes)
        record_type = self.model.record_types[draft.identity.type]
        earlier = before.get(self.source)
        claim = self._claim(draft, draft.values, earlier)
        changes, provenance = self.outcome(record, record_type, {self.source: claim}, before)
        by_hand = before.get(MANUAL, {}).get("values", {})
        if before and not reporting(before) and STATE_ATTRIBUTE not in by_hand:
            self._reappear(record, record_type, changes)
        name = self.names[record.id] = record.name
        entry = Entry("updated", record_type.name, name, record.id, draft.subject.place)
        if draft.identity.evidence is not None:
            news = "now reported by it too, " if self.source not in before else ""
            entry.why = f"{news}identified by {draft.identity.evidence.rule}"
        entry.differences = self.differences(record, changes)
        new_type = None
        if record_type.name != record.type:
            new_type = record_type.name
            retyped = Difference("type", record.type, new_type, self.source)
            entry.differences = [retyped, *entry.differences]
        attributes = {n: value for n, (value, _) in changes.items()}
        if provenance != before:
            attributes[PROVENANCE] = provenance
        if not attributes and new_type is None:
            entry.action = "unchanged"
            return None, entry
        return Update(record.id, attributes, type=new_type), entry

    def outcome(
        self,
        record: Record,
        record_type: RecordType,
        claims: Mapping[str, Mapping[str, Any] | None],
        before: Provenance,
    ) -> tuple[dict[str, tuple[Any, str]], dict[str, Any]]:
        """Changes and provenance of a record when sources say something new, or nothing (None)."""
        plain = self.model.to_json({n: v for n, v in record.attributes.items() if n != PROVENANCE})
        coming: dict[str, Any] = {}
        for claim in claims.values():
            coming |= claim.get("values", {}) if claim else {}
        provenance = with_manual(record_type, plain, before, coming)
        for source, claim in before.items():
            if claim.get("vanished") and source not in claims and claims:
                provenance[source] = {**claim, "values": {}}
        for source, claim in claims.items():
            if claim is None:
                provenance.pop(source, None)
            else:
                provenance[source] = claim
        attributes = {n: v for n, v in record.attributes.items() if n in record_type.attributes}
        changes = settle(self.model, record_type, attributes, provenance, self.precedence, before)
        self._check_transition(record, record_type, changes)
        return changes, provenance

    def _check_transition(
        self, record: Record, record_type: RecordType, changes: dict[str, tuple[Any, str]]
    ) -> None:
        """A state to which no way leads that a source may take is left as it is: lives follow their
        state machine, and orders decide what is scrapped."""
        machine = record_type.state_machine
        if machine is None or STATE_ATTRIBUTE not in changes or record_type.name != record.type:
            return
        current, (wanted, _) = record.attributes.get(STATE_ATTRIBUTE), changes[STATE_ATTRIBUTE]
        if wanted is None or (current is not None and machine.observing(current, wanted) is None):
            del changes[STATE_ATTRIBUTE]

    def _reappear(
        self, record: Record, record_type: RecordType, changes: dict[str, tuple[Any, str]]
    ) -> None:
        """What vanished and is reported again, by whomever, goes back to the state of what is there."""
        machine = record_type.state_machine
        if machine is None or machine.vanished is None or machine.observed is None:
            return
        current = record.attributes.get(STATE_ATTRIBUTE)
        if current == machine.vanished and machine.between(current, machine.observed):
            changes.setdefault(STATE_ATTRIBUTE, (machine.observed, self.source))

    def differences(
        self, record: Record, changes: Mapping[str, tuple[Any, str]]
    ) -> list[Difference]:
        return [
            Difference(name, record.attributes.get(name), value, winner)
            for name, (value, winner) in sorted(changes.items())
        ]

    def _claim(
        self, draft: Drafted, values: Mapping[str, Any], earlier: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """What the source now says of a record; a mention adds to what it said before."""
        plain = dict(self.model.to_json(values))
        claim: dict[str, Any] = {n: v for n, v in (earlier or {}).items() if n == "standby"}
        mention = draft.subject.role == "mention"
        if earlier is not None and mention and not earlier.get("vanished"):
            plain = {**earlier.get("values", {}), **plain}
            claim |= {n: v for n, v in earlier.items() if n == "of"}
            mention = bool(earlier.get("mention"))
        key = draft.subject.key or (earlier or {}).get("key", "")
        if earlier is not None and draft.subject.role == "mention" and earlier.get("key"):
            key = earlier["key"]
        if key:
            claim["key"] = key
        called = draft.subject.called or (earlier or {}).get("called", "")
        if called and "name" not in plain:
            claim["called"] = called
        if mention:
            claim["mention"] = True
        if draft.part_of:
            claim["of"] = draft.part_of
        also = [k for k in (earlier or {}).get("also", ()) if k != key]
        if earlier is not None and earlier.get("key", key) != key:
            also.append(earlier["key"])
        if also:
            claim["also"] = also
        claim["values"] = plain
        return claim
