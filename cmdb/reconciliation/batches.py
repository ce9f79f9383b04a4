"""One batch of statements: identified, loaded, planned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from cmdb.change_sets import Create, Operation, Update
from cmdb.ids import new_id
from cmdb.reconciliation.identification import Candidates, Identifier, Identity, KnownKeys
from cmdb.reconciliation.links import End, Links
from cmdb.reconciliation.observations import Ref
from cmdb.reconciliation.planning import (
    BatchPlan,
    Drafted,
    Entry,
    RecordPlanner,
    Step,
    named,
    with_standby,
)
from cmdb.reconciliation.precedence import MANUAL, Precedence, provenance_of
from cmdb.reconciliation.statements import Claim, Reference, Statement, Subject
from cmdb.records import Record, RelationshipKey
from cmdb.store import GraphStore
from schema.model import PROVENANCE, STATE_ATTRIBUTE


class Waiting(NamedTuple):
    """A relationship or reference whose other end the source has not shown yet.

    ``near`` is the key of the subject that reported it; ``outward`` whether that is at the source.
    """

    near: str
    name: str
    ref: str
    attributes: Mapping[str, Any]
    outward: bool
    place: str


class BatchPlanner:
    """Plans batches of one run.

    Parameters
    ----------
    known
        What the source has called so far.
    decided
        Key -> id that a person chose.
    overlay
        Of a dry run: records that earlier batches would have made; None where batches are committed.
    """

    def __init__(
        self,
        store: GraphStore,
        source: str,
        precedence: Precedence,
        known: KnownKeys,
        decided: Mapping[str, str],
        overlay: Candidates | None = None,
    ) -> None:
        self.store, self.model = store, store.model
        self.source, self.precedence, self.decided = source, precedence, decided
        self.known, self.overlay = known, overlay
        self.names: dict[str, str] = {}
        self.waiting: list[Waiting] = []

    def plan(self, statements: Sequence[Statement]) -> BatchPlan:
        """What a batch changes. Nothing is written."""
        if len(self.names) > NAMES:
            self.names.clear()
        work = _Batch(self, statements)
        work.merge_subjects()
        work.identify()
        work.draft()
        work.plan_links()
        work.plan_records()
        return work.finish()


class _Batch:
    """The working state of planning one batch."""

    def __init__(self, planner: BatchPlanner, statements: Sequence[Statement]) -> None:
        self.planner, self.statements = planner, statements
        self.store, self.model, self.source = planner.store, planner.model, planner.source
        self.names = planner.names
        self.outcome = BatchPlan()
        self.subjects: list[Subject] = []
        self.owner: dict[int, int] = {}
        self.same: dict[int, Subject] = {}
        self.claims: list[tuple[Claim, int]] = []
        self.references: list[tuple[Reference, int]] = []
        self.identities: dict[int, Identity] = {}
        self.drafts: dict[str, Drafted] = {}
        self.links = Links(self.model, self.source, planner.precedence)
        self.records = RecordPlanner(self.model, self.source, planner.precedence, self.names)
        self._met: dict[str, Record] = {}
        self._late: list[Step] = []
        self._shown: list[Subject] = []

    # -- subjects ---------------------------------------------------------------------------------

    def merge_subjects(self) -> None:
        """One subject for each key, however often it is spoken of; known ones need no look-up."""
        by_key: dict[str, Subject] = {}
        for index, statement in enumerate(self.statements):
            for subject in statement.subjects:
                if id(subject) in self.same:
                    continue
                if subject.id:
                    self.same[id(subject)] = subject
                    self.identities[id(subject)] = Identity(subject.id, None, subject.type)
                    continue
                first = by_key.get(subject.key) if subject.key else None
                if first is None:
                    self.same[id(subject)] = subject
                    self.subjects.append(subject)
                    self.owner[id(subject)] = index
                    if subject.key:
                        by_key[subject.key] = subject
                    continue
                self._join(by_key, first, subject)
            self.claims += [(claim, index) for claim in statement.claims]
            self.references += [(reference, index) for reference in statement.references]
        self._resolve_refs(by_key)

    def _join(self, by_key: dict[str, Subject], first: Subject, second: Subject) -> None:
        """Two ways the source speaks of one thing: the fuller role, and all values."""
        self.same[id(second)] = first
        if _STRENGTH[second.role] <= _STRENGTH[first.role]:
            first.attributes = {**second.attributes, **first.attributes}
            return
        both = replace(second, attributes={**first.attributes, **second.attributes})
        self.subjects[self.subjects.index(first)] = both
        self.owner[id(both)] = self.owner.pop(id(first))
        by_key[both.key] = both
        self.same |= {known: both for known, subject in self.same.items() if subject is first}
        self.same[id(both)] = both

    def _resolve_refs(self, by_key: Mapping[str, Subject]) -> None:
        """Turn keys into subjects, where the batch or an earlier one has shown them."""
        wanted = {
            end.key
            for claim, _ in self.claims
            for end in (claim.source, claim.target)
            if isinstance(end, Ref) and end.key not in by_key
        } | {
            r.target.key
            for r, _ in self.references
            if isinstance(r.target, Ref) and r.target.key not in by_key
        }
        keys = sorted(wanted)
        found = {k: i for k, i in zip(keys, self.planner.known.find(keys), strict=True) if i}
        stored = self.store.get(set(found.values())) if found else {}
        there: dict[str, Subject] = dict(by_key)
        for key, id_ in found.items():
            record = stored.get(id_) or self._in_overlay(id_)
            if record is not None:
                subject = Subject(record.type, key, {}, "mention", "", id_)
                there[key] = self.same[id(subject)] = subject
                self.identities[id(subject)] = Identity(id_, None, record.type)
                self.names[id_] = record.name
                self._shown.append(subject)
        claims, references = [], []
        for claim, owner in self.claims:
            source, target = claim.source, claim.target
            if (
                type(source) is Subject
                and type(target) is Subject
                and self.same[id(source)] is source
                and self.same[id(target)] is target
            ):
                claims.append((claim, owner))
                continue
            ends = [self._end(end, there) for end in (claim.source, claim.target)]
            if all(isinstance(end, Subject) for end in ends):
                claims.append((claim._replace(source=ends[0], target=ends[1]), owner))
            else:
                self._wait(claim, ends)
        for reference, owner in self.references:
            target = self._end(reference.target, there)
            subject = self.same[id(reference.subject)]
            if isinstance(target, Subject):
                references.append((Reference(subject, reference.attribute, target), owner))
            elif subject.key:
                self.planner.waiting.append(
                    Waiting(subject.key, reference.attribute, target.key, {}, True, subject.place)
                )
        self.claims, self.references = claims, references

    def _in_overlay(self, id_: str) -> Record | None:
        return self.planner.overlay.records.get(id_) if self.planner.overlay else None

    def _end(self, end: Subject | Ref, there: Mapping[str, Subject]) -> Subject | Ref:
        return there.get(end.key, end) if isinstance(end, Ref) else self.same[id(end)]

    def _wait(self, claim: Claim, ends: Sequence[Subject | Ref]) -> None:
        outward = claim.by_source
        near, far = (ends[0], ends[1]) if outward else (ends[1], ends[0])
        if isinstance(near, Subject) and near.key and isinstance(far, Ref):
            self.planner.waiting.append(
                Waiting(near.key, claim.type, far.key, claim.attributes, outward, near.place)
            )
        elif isinstance(far, Ref):
            place = near.place if isinstance(near, Subject) else ""
            self.outcome.entries.append(
                Entry(
                    "rejected", claim.type, claim.type, "", place, f"{far.key} is not in the source"
                )
            )

    def identify(self) -> None:
        candidates = self.planner.overlay or Candidates()
        identifier = Identifier(
            self.store, self.source, candidates, self.planner.known, new_id, self.planner.decided
        )
        identifier.identify(
            self.subjects,
            [c for c, _ in self.claims],
            [r for r, _ in self.references],
            dict(self.identities),
        )
        self.identities = identifier.identities
        self.outcome.questions = identifier.questions
        for question in identifier.questions:
            why = "; ".join(
                f"{e.rule}: {', '.join(map(str, e.values.values()))}" for e in question.evidence
            )
            name = question.subject.name
            self.outcome.entries.append(
                Entry(
                    "duplicate",
                    question.subject.type,
                    name,
                    "",
                    question.subject.place,
                    f"fits {len(question.candidates)} records ({why})",
                )
            )

    # -- drafts: what the source says of each record ----------------------------------------------

    def draft(self) -> None:
        named: defaultdict[int, dict[str, Any]] = defaultdict(dict)
        for reference, _ in self.references:
            target = self.identities.get(id(reference.target))
            if target is not None:
                named[id(reference.subject)][reference.attribute] = target.id
        for subject in self.subjects:
            identity = self.identities.get(id(subject))
            if identity is None:
                continue
            values = subject.attributes
            if id(subject) in named:
                values = {**values, **named[id(subject)]}
            earlier = self.drafts.get(identity.id)
            if earlier is None:
                self.drafts[identity.id] = Drafted(
                    subject, identity, self.owner[id(subject)], values
                )
                continue
            # two names of the source for one record: what was said first stands
            earlier.values = {**values, **earlier.values}
            if _STRENGTH[subject.role] > _STRENGTH[earlier.subject.role]:
                earlier.subject = subject
        for claim, _ in self.claims:
            for near, far in ((claim.source, claim.target), (claim.target, claim.source)):
                if isinstance(far, Subject) and far.role == "part" and isinstance(near, Subject):
                    mine, parent = self.identities.get(id(far)), self.identities.get(id(near))
                    near_first = (near is claim.source) == claim.by_source
                    if mine and parent and near_first and mine.id in self.drafts:
                        self.drafts[mine.id].part_of = parent.id

    # -- relationships ----------------------------------------------------------------------------

    def plan_links(self) -> None:
        wanted: defaultdict[tuple[str, End], set[RelationshipKey]] = defaultdict(set)
        claims: list[tuple[RelationshipKey, End, Claim, int]] = []
        for claim, owner in self.claims:
            source, target = (self.identities.get(id(e)) for e in (claim.source, claim.target))
            if source is not None and target is not None and source.id != target.id:
                end: End = "s" if claim.by_source else "t"
                claims.append(
                    (RelationshipKey(source.id, claim.type, target.id), end, claim, owner)
                )
        self._load_links(claims)
        for key, end, claim, owner in claims:
            kept, swapped = self.links.canonical(*key)
            side: End = end if not swapped else ("t" if end == "s" else "s")
            near = kept.source if side == "s" else kept.target
            wanted[near, side].add(kept)
            against = self.links.claim(kept, side, claim.attributes, owner)
            if against:
                self.outcome.entries.append(
                    Entry(
                        "rejected",
                        claim.type,
                        self._called(kept),
                        near,
                        self._place(claim),
                        against,
                    )
                )
        for id_, draft in self.drafts.items():
            if draft.identity.record is None or draft.subject.role == "mention":
                continue
            for key in list(self.links.of_source(id_)):
                side = "s" if key.source == id_ else "t"
                if key not in wanted.get((id_, side), ()):
                    far = key.target if side == "s" else key.source
                    if self.links.withdraw(key, side, draft.owner):
                        self._perhaps_gone(far, id_, draft.owner)
        stored = {i: d.identity.record for i, d in self.drafts.items() if d.identity.record}
        self.links.activate({**self._met, **stored})

    def _load_links(self, claims: Iterable[tuple[RelationshipKey, End, Claim, int]]) -> None:
        """Relationships of what is stated anew, and those that claims of others could meet."""
        whole = {
            id_
            for id_, d in self.drafts.items()
            if d.identity.record is not None and d.subject.role != "mention"
        }
        if whole:
            self._add(self.store.neighbours(whole))
        stored = {i.id for i in self.identities.values() if i.record is not None}
        stored |= {i.id for k, i in self.identities.items() if k not in self.owner}
        asked: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for key, end, _, _ in claims:
            type_ = self.model.relationship_types[key.type]
            near = key.source if end == "s" else key.target
            far = key.target if end == "s" else key.source
            if near in stored and far in stored and near not in whole:
                way = "out" if end == "s" else "in"
                asked["both" if type_.symmetric else way, key.type].add(near)
            if type_.one_target and key.source in stored and key.source not in whole:
                asked["out", key.type].add(key.source)
            if type_.one_source and key.target in stored and key.target not in whole:
                asked["in", key.type].add(key.target)
        by_way: defaultdict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
        for (way, type_name), ids in asked.items():
            by_way[way][0].update(ids)
            by_way[way][1].add(type_name)
        for way, (ids, types) in by_way.items():
            self._add(self.store.neighbours(ids, types, way))  # type: ignore[arg-type]

    def _add(self, neighbours: Iterable[Any]) -> None:
        found = list(neighbours)
        for near in found:
            self.names.setdefault(near.record.id, near.record.name)
            self._met[near.record.id] = near.record
        self.links.add_live(near.relationship for near in found)

    def _perhaps_gone(self, id_: str, parent: str, owner: int) -> None:
        """A part that its whole no longer has: the source takes back what it said of it."""
        record = self._met.get(id_)
        if record is None or id_ in self.drafts:
            return
        claim = provenance_of(record.attributes).get(self.source)
        if claim and claim.get("of") == parent:
            steps = retire(self.records, record, self.source)
            if steps is not None:
                operation, entry = steps
                self.outcome.entries.append(entry)
                self._late.append(Step(operation, owner))

    # -- the outcome ------------------------------------------------------------------------------

    def plan_records(self) -> None:
        creates: dict[str, tuple[Create, int]] = {}
        updates: list[Step] = []
        self._stand_by()
        for id_, draft in self.drafts.items():
            if draft.identity.record is None:
                create, entry = self.records.create(draft)
                creates[id_] = (create, draft.owner)
                self.outcome.entries.append(entry)
                continue
            update, entry = self.records.update(draft)
            if update is not None:
                updates.append(Step(update, draft.owner))
            elif draft.subject.role == "statement":
                self.outcome.unchanged += 1
            if update is not None and (entry.differences or entry.why):
                self.outcome.entries.append(entry)
        self.outcome.steps = [Step(c, o) for c, o in self._ordered(creates)] + updates + self._late

    def _stand_by(self) -> None:
        """Keep what does not come into force with the record at the end that allows only one."""
        lost = {id_ for id_ in self.links.standby if id_ not in self.drafts}
        others = self.store.get(lost) if lost else {}
        for id_, standing in self.links.standby.items():
            draft = self.drafts.get(id_)
            if draft is not None:
                draft.standby = standing
            elif id_ in others:
                before = provenance_of(others[id_].attributes)
                after = with_standby(before, standing)
                if after != before:
                    self._late.append(Step(Update(id_, {PROVENANCE: after}), 0))

    def _ordered(self, creates: Mapping[str, tuple[Create, int]]) -> list[tuple[Create, int]]:
        """New records, each behind those it refers to."""
        ordered: dict[str, tuple[Create, int]] = {}
        for first in creates:
            path = [first]
            while path:
                id_ = path[-1]
                behind = [r for r in self._named_by(creates[id_][0]) if r in creates]
                behind = [r for r in behind if r not in ordered and r not in path]
                if behind:
                    path.append(behind[0])
                else:
                    ordered.setdefault(id_, creates[id_])
                    path.pop()
        return list(ordered.values())

    def _named_by(self, create: Create) -> list[str]:
        """Ids that a new record's reference attributes name."""
        references = self.model.record_types[create.type].references
        values = (create.attributes.get(attribute.name) for attribute in references)
        return [value for value in values if isinstance(value, str)]

    def finish(self) -> BatchPlan:
        outcome = self.outcome
        for key, operation, whole in self.links.changed():
            outcome.steps.append(Step(operation, self.links.owner.get(key, 0)))
            if whole:
                gone = self.links.after[key] is None
                outcome.entries.append(
                    Entry(
                        "unrelated" if gone else "related", key.type, self._called(key), key.source
                    )
                )
        for statement in self.statements:
            identity = self.identities.get(id(self.same[id(statement.subjects[0])]))
            outcome.ids.append(identity.id if identity else None)
        for subject in self.subjects:
            identity = self.identities.get(id(subject))
            if identity is not None:
                if subject.key and subject.role != "statement":
                    outcome.mentioned[subject.key] = identity.id
                if subject.role == "mention":
                    outcome.settled.append((subject, identity))
        return outcome

    def _called(self, key: RelationshipKey) -> str:
        return named(key, self.names)

    def _place(self, claim: Claim) -> str:
        near = claim.source if claim.by_source else claim.target
        return near.place if isinstance(near, Subject) else ""


NAMES: Final = 20_000
"""Names of records that are remembered for the lines of the plan."""
_STRENGTH: Final = {"mention": 0, "part": 1, "statement": 2}


def retire(planner: RecordPlanner, record: Record, source: str) -> tuple[Operation, Entry] | None:
    """A source does not report a record any more.

    Its word no longer counts. If nobody else reports the record, and nobody made it by hand, it goes to
    the state that its type declares for what has vanished, where a transition leads there; the last
    word on it stays readable. None where nothing changes.
    """
    before = provenance_of(record.attributes)
    claim = before.get(source)
    if claim is None or claim.get("vanished"):
        return None
    record_type = planner.model.record_types[record.type]
    others = [
        name
        for name, said in before.items()
        if name != source and not said.get("vanished") and (name != MANUAL or "made" in said)
    ]
    changes: dict[str, tuple[Any, str]] = {}
    provenance: dict[str, Any] = {**before, source: {**claim, "vanished": True}}
    if others:
        gone = {"key": claim.get("key", ""), "vanished": True, "values": {}}
        changes, provenance = planner.outcome(record, record_type, {source: gone}, before)
    else:
        machine = record_type.state_machine
        state = record.attributes.get(STATE_ATTRIBUTE)
        if (
            machine is not None
            and machine.vanished
            and state is not None
            and state == machine.observed
            and machine.between(state, machine.vanished)
        ):
            changes[STATE_ATTRIBUTE] = (machine.vanished, source)
    attributes: dict[str, Any] = {n: value for n, (value, _) in changes.items()}
    attributes[PROVENANCE] = provenance
    entry = Entry("retired" if not others else "updated", record.type, record.name, record.id)
    entry.differences = planner.differences(record, changes)
    return Update(record.id, attributes, record.revision), entry
