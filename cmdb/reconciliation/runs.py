"""A run: everything a source says at one time, planned and applied in batches.

Each batch is one change set, committed only if nobody else has committed since it was planned;
otherwise it is planned again. So two importers never create one machine twice. An interrupted run
leaves whole batches; run again, it ends in the same state as one that was not interrupted.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson

from cmdb.bulk import without_collecting
from cmdb.change_sets import ChangeSet, Create, Operation, Update
from cmdb.errors import CmdbError, ConflictError, InvalidChangeError, SourceError, StoreBusyError
from cmdb.ids import new_id
from cmdb.queries import Query
from cmdb.reconciliation import catalogue as catalogues
from cmdb.reconciliation.batches import BatchPlanner, Waiting, retire
from cmdb.reconciliation.catalogue import MENTIONED, SPOILT, Catalogue, key_number, number_of
from cmdb.reconciliation.identification import Candidates, Question
from cmdb.reconciliation.links import Links
from cmdb.reconciliation.observations import Link, Observation, Portion, Ref, Rejection
from cmdb.reconciliation.planning import BatchPlan, Entry, RecordPlanner, Step, named
from cmdb.reconciliation.precedence import provenance_of
from cmdb.reconciliation.secrets import without_secrets
from cmdb.reconciliation.sources import Source, note_seen, precedence_of, reserved, sources
from cmdb.reconciliation.statements import Reader, Statement, UnusableError, clean_key
from cmdb.records import Record
from cmdb.revisions import CommitResult
from cmdb.store import GraphStore

BATCH: Final = 5_000
"""Statements planned together."""
SUBJECTS: Final = 30_000
"""Subjects planned together, unless one statement has more."""
ATTEMPTS: Final = 20
VANISH_FREE: Final = 5
"""So many may always vanish, whatever their share."""


class Told(NamedTuple):
    """Where a statement comes from: its digest, its document, the observation."""

    digest: int
    document: int
    observation: Observation


class VanishRefusedError(CmdbError):
    """More would vanish than one run may retire; nothing was retired."""

    code = "vanish_refused"


@dataclass
class Summary:
    """What a run did, or would do.

    Attributes
    ----------
    counts
        Lines of the plan by action.
    by_type
        (action, type) -> lines.
    revisions
        First and last revision it made.
    statements
        How many things the source told of.
    """

    counts: dict[str, int] = field(default_factory=dict)
    by_type: dict[tuple[str, str], int] = field(default_factory=dict)
    revisions: list[int] = field(default_factory=list)
    statements: int = 0

    def add(self, entry: Entry, count: int = 1) -> None:
        self.counts[entry.action] = self.counts.get(entry.action, 0) + count
        key = (entry.action, entry.type)
        self.by_type[key] = self.by_type.get(key, 0) + count

    @property
    def changes(self) -> int:
        quiet = ("unchanged", "rejected", "duplicate")
        return sum(n for action, n in self.counts.items() if action not in quiet)


class Run:
    """One run of a source into a store.

    Parameters
    ----------
    source
        The source's name: an importer's, or one of several that it feeds.
    importer, precedence
        What the source's record says of it when it is made.
    actor
        Who answers for it.
    apply
        Commit the plan; otherwise it is only shown.
    complete
        The portions are all that the source has: what it reported before and does not now is retired.
    vanish_limit
        Percent that may vanish; None for what the source's record says.
    report
        Called with every line of the plan, in order.
    progress
        Called with the number of statements done so far.
    """

    def __init__(
        self,
        store: GraphStore,
        source: str,
        *,
        actor: str,
        importer: str = "",
        precedence: int = 50,
        apply: bool = False,
        complete: bool = False,
        vanish_limit: float | None = None,
        report: Callable[[Entry], None] = lambda _: None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        if reserved(source) or not source.strip():
            raise CmdbError(f"A source cannot be called {source!r}.", "Give it another --source.")
        self.store, self.source, self.actor = store, source, actor
        self.importer, self.default_precedence = importer, precedence
        self.apply, self.complete, self.vanish_limit = apply, complete, vanish_limit
        self.summary = Summary()
        self._report, self._progress = report, progress
        self._reader = Reader(store.model, reuse=True)
        self._overlay = None if apply else Candidates()
        self._begun = False
        self._own: set[int] = set()
        self._pending: list[tuple[Observation, int, int]] = []
        self._size = 0
        self._prints: dict[int, int] = {}
        self._broken: list[SourceError] = []
        self._salt = store.model.fingerprint.encode()

    def run(self, portions: Iterable[Portion]) -> Summary:
        """Do it.

        Raises
        ------
        SourceError
            No portion is what it says. If only some are not, they are rejected, and nothing is retired.
        VanishRefusedError
            After everything else was done.
        """
        self._open()
        read = 0
        with without_collecting():
            for portion in portions:
                read += 1
                self._portion(portion)
            self._flush()
        if self._broken and len(self._broken) == read:
            raise self._broken[0]
        self._late_links()
        whole = self.complete and not self._broken
        refused = self._retire_vanished() if whole else None
        for document, fingerprint in self._prints.items():
            self.catalogue.read(document, fingerprint)
        self._close()
        if refused:
            raise refused
        return self.summary

    # -- begin and end ----------------------------------------------------------------------------

    def _open(self) -> None:
        known = sources(self.store)
        self._known_source: Source | None = known.get(self.source)
        self.precedence = precedence_of(known)
        if self._known_source is None:
            general = {**self.precedence.general, self.source: self.default_precedence}
            self.precedence = type(self.precedence)(general, self.precedence.particular)
            self.catalogue = Catalogue()
        else:
            self.catalogue = catalogues.load(self.store, self.source) or catalogues.rebuilt(
                self.store, self.source
            )
        self._opened_at = self.store.last_revision().number
        self._tasks = self._open_tasks()
        decided = {
            key: str(task.attributes["decision"])
            for key, task in self._tasks.items()
            if "decision" in task.attributes
        }
        self.planner = BatchPlanner(
            self.store, self.source, self.precedence, self, decided, self._overlay
        )

    def find(self, keys: Sequence[str]) -> list[str | None]:
        """Ids of the records that the source means by keys, in this run or before."""
        return self.catalogue.find(keys)

    def said(self, keys: Sequence[str]) -> bool:
        """Whether one of some keys was stated in this run, before the batch that is planned."""
        return any(digest != MENTIONED for digest in self.catalogue.said(keys))

    def _open_tasks(self) -> dict[str, Record]:
        if self._known_source is None:
            return {}
        where = {"source_name": {"eq": self.source}}
        tasks = self.store.find(Query("DuplicateTask", where, first=10_000)).records
        return {str(t.attributes.get("source_key", "")): t for t in tasks}

    def _begin(self) -> None:
        """Before the first commit: the source has a record, and its catalogue is not to be trusted."""
        if self._begun:
            return
        self._begun = True
        self.store.mark(catalogues.PREFIX + self.source, None)

    def _close(self) -> None:
        if not self.apply:
            return
        if self._known_source is None and not self._begun:
            self._noted(self.store.commit(self._change_set(self._source_operations(), None)))
        name, newest = catalogues.PREFIX + self.source, self.store.last_revision().number
        if catalogues.disturbed(self.store, self.source, self._opened_at, self._own):
            self.store.mark(name, None)
        else:
            self.store.mark(name, self.catalogue.to_bytes(newest))
        run = {"complete": self.complete, "statements": self.summary.statements}
        note_seen(self.store, self.source, {**run, "counts": self.summary.counts})

    def _noted(self, done: CommitResult) -> None:
        """Remember a revision of this run."""
        if done.committed:
            self._own.add(done.revision)
            self.summary.revisions = [*self.summary.revisions[:1], done.revision]

    def _source_operations(self) -> list[Operation]:
        if self._known_source is not None:
            return []
        attributes = {"name": self.source, "precedence": self.default_precedence}
        if self.importer:
            attributes["importer"] = self.importer
        return [Create("DataSource", attributes, new_id())]

    def _change_set(self, operations: Sequence[Operation], based_on: int | None) -> ChangeSet:
        reason = f"import by {self.importer}" if self.importer else "import"
        return ChangeSet(
            operations, self.actor, self.source, reason, based_on=based_on, managed=True
        )

    # -- portions and batches -----------------------------------------------------------------------

    def _portion(self, portion: Portion) -> None:
        """Read a portion into the batch, unless it is as it was."""
        number = number_of(portion.name.encode())
        if portion.fingerprint is not None:
            print_ = number_of(portion.fingerprint + self._salt)
            if self.precedence.manual_is_highest:
                done = self.catalogue.take_over(number, print_)
                if done is not None:
                    self._count_unchanged(done)
                    return
            self._prints[number] = print_
        self.catalogue.known_documents.pop(number, None)
        begun = len(self._pending)
        try:
            for item in portion.items():
                if isinstance(item, Rejection):
                    self._reject(item.place, item.reason, number)
                    continue
                item.key = clean_key(item.key)
                self._pending.append((item, number_of(_plain(item) + self._salt), number))
                self._size += 1 + len(item.links)
                if len(self._pending) >= BATCH or self._size >= SUBJECTS:
                    self._flush()
                    begun = 0
        except SourceError as error:
            del self._pending[begun:]  # what is not what it says changes nothing
            self._broken.append(error)
            self._reject(portion.name, error.message, number)

    def _flush(self) -> None:
        batch, self._pending, self._size = self._pending, [], 0
        self._batch(batch)

    def _count_unchanged(self, count: int) -> None:
        self.summary.statements += count
        if count:
            self.summary.counts["unchanged"] = self.summary.counts.get("unchanged", 0) + count
        self._progress(self.summary.statements)

    def _batch(self, batch: Sequence[tuple[Observation, int, int]]) -> None:
        """Plan and commit what is not as it was."""
        same = [False] * len(batch)
        if self.precedence.manual_is_highest:
            keys = [key_number(o.key) for o, *_ in batch]
            same = self.catalogue.unchanged(keys, [d for _, d, _ in batch], [n for *_, n in batch])
        statements: list[Statement] = []
        told: list[Told] = []
        fresh = [item for item, as_it_was in zip(batch, same, strict=True) if not as_it_was]
        self._count_unchanged(len(batch) - len(fresh))
        again = self.catalogue.said([o.key for o, *_ in fresh])
        seen: dict[str, int] = {}
        for (observation, digest, document), said in zip(fresh, again, strict=True):
            said = said or seen.get(observation.key, MENTIONED)
            if said == digest:
                continue  # word for word what was said before
            statement = self._statement(observation, document, said != MENTIONED)
            if statement is not None:
                seen[observation.key] = digest
                statements.append(statement)
                told.append(Told(digest, document, observation))
        if statements:
            self._settle(statements, told)
        self.summary.statements += len(fresh)
        self._progress(self.summary.statements)

    def _statement(self, observation: Observation, document: int, twice: bool) -> Statement | None:
        if twice:
            self._reject(observation.place, f"{observation.key} is in the source twice", document)
            return None
        try:
            statement = self._reader.statement(observation)
        except UnusableError as error:
            self._reject(observation.place, str(error), document)
            self.catalogue.still_there(observation.key)
            return None
        for rejection in statement.rejections:
            self._reject(rejection.place, rejection.reason, document)
        return statement

    def _reject(self, place: str, reason: str, document: int = 0) -> None:
        """Report what cannot be used; its document is read again next time, to report it again."""
        self._prints.pop(document, None)
        self._line(Entry("rejected", "", "", "", place, without_secrets(reason)))

    def _line(self, entry: Entry) -> None:
        self.summary.add(entry)
        self._report(entry)

    def _settle(self, statements: list[Statement], told: list[Told]) -> None:
        """Plan a batch, commit it, and remember what it settled.

        ``told`` is the digest and the document of each statement.
        """
        plan, statements, told = self._committed(statements, told)
        for entry in plan.entries:
            self._line(entry)
        self._count_same(plan)
        for statement, id_, (digest, document, _) in zip(statements, plan.ids, told, strict=True):
            if id_ is None or statement.rejections:
                self._prints.pop(document, None)
            if id_ is None:
                self.catalogue.still_there(statement.key)
            else:
                digest = digest if not statement.rejections else SPOILT
                self.catalogue.put(statement.key, digest, document, id_)
        for key, id_ in plan.mentioned.items():
            self.catalogue.put(key, MENTIONED, 0, id_)
        for subject, identity in plan.settled:
            subject.id = identity.id
        if plan.questions:
            self._prints.clear()

    def _count_same(self, plan: BatchPlan) -> None:
        if plan.unchanged:
            counts = self.summary.counts
            counts["unchanged"] = counts.get("unchanged", 0) + plan.unchanged

    def _committed(
        self, statements: list[Statement], told: list[Told]
    ) -> tuple[BatchPlan, list[Statement], list[Told]]:
        """The plan of a batch, committed; statements that the store's rules forbid are rejected."""
        waiting = list(self.planner.waiting)
        for revision in self._attempts():
            self.planner.waiting = list(waiting)
            plan = self.planner.plan(statements)
            if not self.apply:
                return plan, statements, told
            tasks = self._new_tasks(plan)
            steps = [
                *plan.steps,
                *(Step(Create(t.type, t.attributes, t.id), 0) for t in tasks.values()),
            ]
            if not steps:
                return plan, statements, told
            self._begin()
            source = self._source_operations()
            operations = [*source, *(step.operation for step in steps)]
            try:
                done = self.store.commit(self._change_set(operations, revision))
            except ConflictError:
                continue
            except InvalidChangeError as error:
                bad = self._bad_statements(error, steps, len(source), statements)
                for index in bad:
                    self._prints.pop(told[index].document, None)
                    self.catalogue.still_there(statements[index].key)
                told = [t for i, t in enumerate(told) if i not in bad]
                # what they shared with others is said anew by these
                self._reader = Reader(self.store.model, reuse=True)
                statements = [self._reader.statement(t.observation) for t in told]
                if not statements:
                    return BatchPlan(), [], []
                continue
            self._tasks |= tasks
            if source:
                self._known_source = sources(self.store)[self.source]
            self._noted(done)
            return plan, statements, told
        raise AssertionError("unreachable: the attempts end with an error")

    def _attempts(self) -> Iterator[int]:
        """The revision to plan at, again and again while others commit in between.

        Raises
        ------
        StoreBusyError
            They kept committing.
        """
        for attempt in range(ATTEMPTS):
            yield self.store.last_revision().number
            time.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 6)))  # noqa: S311
        raise StoreBusyError(
            "Others kept committing while the import was planned.",
            "Run it again when it is quieter.",
        )

    def _bad_statements(
        self,
        error: InvalidChangeError,
        steps: Sequence[Step],
        skipped: int,
        statements: Sequence[Statement],
    ) -> set[int]:
        """The statements whose operations break a rule; each is rejected with the rule's words."""
        bad: set[int] = set()
        for problem in error.problems:
            index = problem.operation - skipped
            if not 0 <= index < len(steps):
                raise error
            owner = steps[index].owner
            if owner not in bad and owner < len(statements):
                bad.add(owner)
                self._reject(statements[owner].subjects[0].place, problem.message)
        if not bad:
            raise error
        return bad

    # -- duplicates -----------------------------------------------------------------------------------

    def _new_tasks(self, plan: BatchPlan) -> dict[str, Record]:
        """Questions become tasks, by key, once each."""
        found: dict[str, Record] = {}
        for question in plan.questions:
            key = question.subject.key
            known = self._tasks.get(key)
            if known is None or not known.attributes.get("open", True):
                found[key] = _task(self.source, question)
        return found

    # -- what comes at the end ----------------------------------------------------------------------

    def _late_links(self) -> None:
        """Relationships to what the source showed later than what they hang on."""
        waiting, self.planner.waiting = self.planner.waiting, []
        for start in range(0, len(waiting), SUBJECTS):
            self._late_batch(waiting[start : start + SUBJECTS])

    def _late_batch(self, waiting: Sequence[Waiting]) -> None:
        keys = list(dict.fromkeys(k for w in waiting for k in (w.near, w.ref)))
        ids = dict(zip(keys, self.catalogue.find(keys), strict=True))
        for revision in self._attempts():
            steps, entries = self._late_plan(waiting, ids)
            operations = [step.operation for step in steps]
            if self.apply and operations:
                self._begin()
                try:
                    done = self.store.commit(self._change_set(operations, revision))
                except ConflictError:
                    continue
                except InvalidChangeError as error:
                    bad = {steps[p.operation].owner: p.message for p in error.problems}
                    for index, message in bad.items():
                        self._reject(waiting[index].place, message)
                        self._spoil(waiting[index].near, ids)
                    waiting = [w for i, w in enumerate(waiting) if i not in bad]
                    continue
                self._noted(done)
            for entry in entries:
                self._line(entry)
            for item in waiting:
                if ids.get(item.ref) is None:
                    self._spoil(item.near, ids)
            return

    def _spoil(self, key: str, ids: Mapping[str, str | None]) -> None:
        """A statement that was not all taken is looked at again next time, with its document."""
        self._prints.clear()
        id_ = ids.get(key)
        if id_ is not None:
            self.catalogue.put(key, SPOILT, 0, id_)

    def _late_plan(
        self, waiting: Sequence[Waiting], ids: Mapping[str, str | None]
    ) -> tuple[list[Step], list[Entry]]:
        model, entries, steps = self.store.model, [], []
        links = Links(model, self.source, self.precedence)
        near_ids = {i for w in waiting if (i := ids.get(w.near))}
        types = {w.name for w in waiting if w.name in model.relationship_types}
        names = self.planner.names
        for near in self.store.neighbours(near_ids, types) if near_ids and types else ():
            names.setdefault(near.record.id, near.record.name)
            links.add_live([near.relationship])
        wanted = {i for w in waiting if (i := ids.get(w.ref)) and i not in names}
        names |= {i: r.name for i, r in (self.store.get(wanted) if wanted else {}).items()}
        references: dict[str, dict[str, str]] = {}
        owners: dict[str, int] = {}
        for index, item in enumerate(waiting):
            near_id, far_id = ids.get(item.near), ids.get(item.ref)
            if near_id is None or far_id is None:
                missing = item.ref if far_id is None else item.near
                reason = without_secrets(f"{item.name}: {missing} is not in the source")
                entries.append(Entry("rejected", item.name, "", near_id or "", item.place, reason))
                continue
            if item.name not in model.relationship_types:
                references.setdefault(near_id, {})[item.name] = far_id
                owners[near_id] = index
                continue
            if near_id == far_id:
                continue
            ends = (near_id, far_id) if item.outward else (far_id, near_id)
            key, swapped = links.canonical(ends[0], item.name, ends[1])
            end = "s" if item.outward != swapped else "t"
            against = links.claim(key, end, item.attributes, index)  # type: ignore[arg-type]
            if against:
                entries.append(Entry("rejected", item.name, "", near_id, item.place, against))
        for key, operation, whole in links.changed():
            steps.append(Step(operation, links.owner.get(key, 0)))
            if whole:
                what = named(key, names)
                entries.append(Entry("related", key.type, what, key.source))
        steps += self._late_references(references, owners)
        return steps, entries

    def _late_references(
        self, references: Mapping[str, Mapping[str, str]], owners: Mapping[str, int]
    ) -> Iterator[Step]:
        """References named before what they name was shown: one more word of the source."""
        records = RecordPlanner(self.store.model, self.source, self.precedence, self.planner.names)
        for id_, record in (self.store.get(references) if references else {}).items():
            before = provenance_of(record.attributes)
            claim = before.get(self.source, {})
            values = {**claim.get("values", {}), **references[id_]}
            record_type = self.store.model.record_types[record.type]
            changes, provenance = records.outcome(
                record, record_type, {self.source: {**claim, "values": values}}, before
            )
            if provenance != before:
                attributes = {n: v for n, (v, _) in changes.items()}
                yield Step(Update(id_, {**attributes, "provenance": provenance}), owners[id_])

    def _retire_vanished(self) -> VanishRefusedError | None:
        gone = self.catalogue.vanished()
        if not gone:
            return None
        limit = self.vanish_limit
        if limit is None:
            limit = self._known_source.vanish_limit if self._known_source else 100.0
        share = 100 * len(gone) / max(len(self.catalogue), 1)
        if len(gone) > VANISH_FREE and share > limit:
            return VanishRefusedError(
                f"{len(gone)} records ({share:.0f} %) of {self.source} would vanish; {limit:g} % is the most. None was retired.",
                "Check that the source was whole; --vanish-limit allows more.",
            )
        for start in range(0, len(gone), BATCH):
            self._withdraw(gone[start : start + BATCH])
        self.catalogue.forget(gone)
        return None

    def _withdraw(self, ids: Sequence[str]) -> None:
        for revision in self._attempts():
            operations, entries = withdrawals(
                self.store, self.source, ids, self.precedence, self.planner.names
            )
            if self.apply and operations:
                self._begin()
                try:
                    self._noted(self.store.commit(self._change_set(operations, revision)))
                except ConflictError:
                    continue
            for entry in entries:
                self._line(entry)
            return


def withdrawals(
    store: GraphStore,
    source: str,
    ids: Sequence[str],
    precedence: Any,
    names: dict[str, str],
) -> tuple[list[Operation], list[Entry]]:
    """What changes when a source no longer reports some records: they, their parts, their links."""
    planner = RecordPlanner(store.model, source, precedence, names)
    links = Links(store.model, source, precedence)
    neighbours = store.neighbours(ids)
    links.add_live(near.relationship for near in neighbours)
    records = store.get(ids)
    parts: set[str] = set()
    for near in neighbours:
        names.setdefault(near.record.id, near.record.name)
        claim = provenance_of(near.record.attributes).get(source)
        if claim and claim.get("of") == near.of:
            records[near.record.id] = near.record
            parts.add(near.record.id)
    operations: list[Operation] = []
    entries: list[Entry] = []
    for id_, record in records.items():
        names[id_] = record.name
        for key in list(links.of_source(id_)):
            end, far = ("s", key.target) if key.source == id_ else ("t", key.source)
            if far not in parts:  # what has vanished keeps its parts
                links.withdraw(key, end, 0)  # type: ignore[arg-type]
        step = retire(planner, record, source)
        if step is not None:
            operations.append(step[0])
            entries.append(step[1])
    links.activate({**{n.record.id: n.record for n in neighbours}, **records})
    for key, operation, whole in links.changed():
        operations.append(operation)
        if whole:
            what = named(key, names)
            entries.append(Entry("unrelated", key.type, what, key.source))
    return operations, entries


def _task(source: str, question: Question) -> Record:
    subject = question.subject
    name = subject.name
    evidence = {
        "type": subject.type,
        "held": question.held,
        "place": subject.place,
        "candidates": question.candidates,
        "rules": [
            {"rule": e.rule, "values": {n: str(v) for n, v in e.values.items()}, "record": e.record}
            for e in question.evidence
        ],
    }
    attributes = {
        "name": f"{source}: {name}"[:1000],
        "source_name": source,
        "source_key": subject.key[:1000],
        "evidence": evidence,
        "open": True,
    }
    return Record(new_id(), "DuplicateTask", 0, attributes)


def _plain(observation: Observation) -> bytes:
    """All that an observation says, but for its place, as bytes."""
    try:
        return orjson.dumps(observation, _without_place, orjson.OPT_PASSTHROUGH_DATACLASS)
    except (TypeError, ValueError):
        return hashlib.blake2b(repr(observation).encode()).digest()


def _without_place(value: Any) -> Any:
    if isinstance(value, Observation):
        return [value.type, value.key, value.attributes, value.links]
    if isinstance(value, Link):
        return [value.name, value.to, value.attributes]
    if isinstance(value, Ref):
        return {"ref": value.key}
    return str(value)
