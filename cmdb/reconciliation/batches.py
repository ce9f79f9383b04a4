"""One batch of statements: identified, loaded, planned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from cmdb.change_sets import Create, Update
from cmdb.ids import new_id
from cmdb.reconciliation.candidates import Candidates
from cmdb.reconciliation.identification import Identifier, Identity, KnownKeys
from cmdb.reconciliation.links import Links
from cmdb.reconciliation.neighbourhood import End
from cmdb.reconciliation.novelty import Novelty
from cmdb.reconciliation.observations import Ref
from cmdb.reconciliation.planning import (
    BatchPlan,
    Drafted,
    Entry,
    RecordPlanner,
    Step,
    named,
)
from cmdb.reconciliation.precedence import Precedence, provenance_of
from cmdb.reconciliation.statements import Claim, Reference, Statement, Subject
from cmdb.reconciliation.withdrawing import retire
from cmdb.records import RelationshipKey
from cmdb.store import GraphStore


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
    novelty
        What need not be looked up.
    """

    def __init__(
        self,
        store: GraphStore,
        source: str,
        precedence: Precedence,
        known: KnownKeys,
        decided: Mapping[str, str],
        novelty: Novelty,
    ) -> None:
        self.store, self.model = store, store.model
        self.novelty = novelty
        self.source, self.precedence, self.decided = source, precedence, decided
        self.known = known
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
        self.links = Links(self.store, self.source, planner.precedence, self.names)
        self.records = RecordPlanner(self.model, self.source, planner.precedence, self.names)
        self._claimed: list[tuple[RelationshipKey, Claim]] = []
        self._retired: dict[str, Update] = {}
        self._retiring: dict[str, int] = {}
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
        wanted = {r.target.key for r, _ in self.references if isinstance(r.target, Ref)}
        for claim, _ in self.claims:
            if isinstance(claim.target, Ref):
                wanted.add(claim.target.key)
            elif isinstance(claim.source, Ref):
                wanted.add(claim.source.key)
        keys = sorted(wanted - by_key.keys())
        found = {k: i for k, i in zip(keys, self.planner.known.find(keys), strict=True) if i}
        stored = self.store.get(set(found.values())) if found else {}
        there: dict[str, Subject] = dict(by_key)
        for key, id_ in found.items():
            record = stored.get(id_)
            if record is not None:
                subject = Subject(record.type, key, {}, "mention", "", id_)
                there[key] = self.same[id(subject)] = subject
                self.identities[id(subject)] = Identity(id_, None, record.type)
                self.links.add_record(record)
                self._shown.append(subject)
        claims, references = [], []
        for claim, owner in self.claims:
            said_source, type_, said_target, attributes, by_source = claim
            source, target = self._end(said_source, there), self._end(said_target, there)
            if isinstance(source, Subject) and isinstance(target, Subject):
                claims.append((Claim(source, type_, target, attributes, by_source), owner))
            else:
                self._wait(claim, (source, target))
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
        planner = self.planner
        identifier = Identifier(
            self.store,
            self.source,
            Candidates(),
            planner.known,
            new_id,
            planner.decided,
            planner.novelty,
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
        targets: defaultdict[int, dict[str, Any]] = defaultdict(dict)
        for reference, _ in self.references:
            target = self.identities.get(id(reference.target))
            if target is not None:
                targets[id(reference.subject)][reference.attribute] = target.id
        for subject in self.subjects:
            identity = self.identities.get(id(subject))
            if identity is None:
                continue
            values = subject.attributes
            if id(subject) in targets:
                values = {**values, **targets[id(subject)]}
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
            ends = (claim.source, claim.target)
            near, far = ends if claim.by_source else ends[::-1]
            if isinstance(far, Subject) and far.role == "part":
                mine, parent = self.identities.get(id(far)), self.identities.get(id(near))
                if mine and parent and mine.id in self.drafts:
                    self.drafts[mine.id].part_of = parent.id

    # -- relationships ----------------------------------------------------------------------------

    def plan_links(self) -> None:
        claims: list[tuple[RelationshipKey, End, Claim, int]] = []
        for claim, owner in self.claims:
            source = self.identities.get(id(claim.source))
            target = self.identities.get(id(claim.target))
            if source is not None and target is not None and source.id != target.id:
                end: End = "s" if claim.by_source else "t"
                key = RelationshipKey(source.id, claim.type, target.id)
                claims.append((key, end, claim, owner))
        stored = {i: d.identity.record for i, d in self.drafts.items() if d.identity.record}
        whole = [i for i in stored if self.drafts[i].subject.role != "mention"]
        for record in stored.values():
            self.links.add_record(record)
        self.links.load([c[:2] for c in claims], whole, self.drafts.keys() - stored.keys())
        wanted: dict[str, set[tuple[RelationshipKey, End]]] = {id_: set() for id_ in whole}
        for key, end, claim, owner in claims:
            kept, side = self.links.claim(key, end, claim.attributes, owner)
            said_by = kept.source if side == "s" else kept.target
            if said_by in wanted:
                wanted[said_by].add((kept, side))
            self._claimed.append((kept, claim))
        for id_ in whole:
            owner = self.drafts[id_].owner
            for said in self.links.of_source(id_):
                if said not in wanted[id_] and self.links.withdraw(*said, owner):
                    key, end = said
                    self._perhaps_gone(key.target if end == "s" else key.source, id_, owner)
        self.links.resolve()

    def _perhaps_gone(self, id_: str, parent: str, owner: int) -> None:
        """A part that its whole no longer has: the source takes back what it said of it."""
        record = self.links.records.get(id_)
        if record is None or id_ in self.drafts:
            return
        claim = provenance_of(record.attributes).get(self.source)
        if claim and claim.get("of") == parent:
            step = retire(self.records, record, self.source)
            if step is not None:
                self._retired[id_], self._retiring[id_] = step[0], owner
                self.outcome.entries.append(step[1])

    # -- the outcome ------------------------------------------------------------------------------

    def plan_records(self) -> None:
        creates: dict[str, Create] = {}
        updates: dict[str, Update] = {}
        for id_, draft in self.drafts.items():
            if draft.identity.record is None:
                creates[id_], entry = self.records.create(draft)
                self.outcome.entries.append(entry)
                continue
            update, entry = self.records.update(draft)
            if update is not None:
                updates[id_] = update
            elif draft.subject.role == "statement":
                self.outcome.unchanged += 1
            if update is not None and (entry.differences or entry.why):
                self.outcome.entries.append(entry)
        changes: dict[str, Create | Update] = {c.id: c for c in self._ordered(creates)}
        changes |= updates | self._retired
        self.links.stand_by(changes)
        owners = {id_: draft.owner for id_, draft in self.drafts.items()} | self._retiring
        self.outcome.steps = [Step(c, owners.get(id_, 0)) for id_, c in changes.items()]

    def _ordered(self, creates: Mapping[str, Create]) -> list[Create]:
        """New records, each behind those it refers to."""
        ordered: dict[str, Create] = {}
        for first in creates:
            path = [first]
            while path:
                id_ = path[-1]
                named = creates[id_].attributes.values()
                behind = [r for r in named if isinstance(r, str) and r in creates]
                behind = [r for r in behind if r not in ordered and r not in path]
                if behind:
                    path.append(behind[0])
                else:
                    ordered.setdefault(id_, creates[id_])
                    path.pop()
        return list(ordered.values())

    def finish(self) -> BatchPlan:
        outcome = self.outcome
        steps, entries = self.links.steps()
        outcome.steps += steps
        outcome.entries += entries
        for key, claim in self._claimed:
            against = "" if self.links.in_force[key] else self.links.against(key)
            if against:
                what, place = named(key, self.names), self._place(claim)
                rejected = Entry("rejected", claim.type, what, key.source, place, against)
                outcome.entries.append(rejected)
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

    def _place(self, claim: Claim) -> str:
        near = claim.source if claim.by_source else claim.target
        return near.place if isinstance(near, Subject) else ""


NAMES: Final = 20_000
"""Names of records that are remembered for the lines of the plan."""
_STRENGTH: Final = {"mention": 0, "part": 1, "statement": 2}
