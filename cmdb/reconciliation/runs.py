"""A run: everything a source says at one time, planned and applied in batches.

Each batch is one change set, committed only if nobody else has committed since it was planned;
otherwise it is planned again. So two importers never create one machine twice. An interrupted run
leaves whole batches; run again, it ends in the same state as one that was not interrupted.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

import orjson

from cmdb.bulk import without_collecting
from cmdb.change_sets import ChangeSet, Create, Operation, Update
from cmdb.commits import Plan, StaleError
from cmdb.errors import CmdbError, ConflictError, InvalidChangeError, SourceError, StoreBusyError
from cmdb.ids import new_id
from cmdb.pending import Pending, rehearsal
from cmdb.queries import Query
from cmdb.reconciliation import catalogue as catalogues
from cmdb.reconciliation.batches import BatchPlanner, Waiting, retire
from cmdb.reconciliation.catalogue import MENTIONED, SPOILT, Catalogue, key_number, number_of
from cmdb.reconciliation.identification import Question
from cmdb.reconciliation.links import Links
from cmdb.reconciliation.neighbourhood import End
from cmdb.reconciliation.observations import Link, Observation, Portion, Ref, Rejection
from cmdb.reconciliation.planning import BatchPlan, Entry, RecordPlanner, Step, named
from cmdb.reconciliation.precedence import provenance_of
from cmdb.reconciliation.secrets import without_secrets
from cmdb.reconciliation.sources import Source, note_seen, precedence_of, reserved, sources
from cmdb.reconciliation.statements import Reader, Statement, UnusableError, clean_key
from cmdb.records import Record, RelationshipKey
from cmdb.revisions import CommitResult
from cmdb.store import GraphStore
from schema.model import PROVENANCE

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


@dataclass
class Batch:
    """Statements that are planned and committed together.

    Attributes
    ----------
    waiting
        What had waited for things to be shown before it was planned.
    change_set, effect, tasks
        What it commits; no change set where it could not be planned.
    revision
        What it will be, once it is sent.
    keys
        What it settles: key -> (digest, id).
    done
        The outcome of committing it.
    """

    statements: list[Statement]
    told: list[Told]
    waiting: list[Waiting]
    plan: BatchPlan = field(default_factory=BatchPlan)
    change_set: ChangeSet | None = None
    effect: Plan = field(default_factory=Plan)
    tasks: dict[str, Record] = field(default_factory=dict)
    revision: int = 0
    keys: dict[str, tuple[int, str]] = field(default_factory=dict)
    done: Future[CommitResult] | None = None


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
    unread
        Documents, rows and objects that could not be read and do not say which thing they are of.
    kept
        What a complete run did not report and did not retire: it may be what was unread.
    """

    counts: dict[str, int] = field(default_factory=dict)
    by_type: dict[tuple[str, str], int] = field(default_factory=dict)
    revisions: list[int] = field(default_factory=list)
    statements: int = 0
    unread: int = 0
    kept: int = 0

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
        self.store, self.source, self.actor = store if apply else rehearsal(store), source, actor
        self.importer, self.default_precedence = importer, precedence
        self.rehearsed = not apply
        self.apply = True
        self.complete, self.vanish_limit = complete, vanish_limit
        self.summary = Summary()
        self._report, self._progress = report, progress
        self._reader = Reader(store.model, reuse=True)
        self.view = Pending(self.store)
        self._under_way: Batch | None = None
        self._begun = False
        self._own: set[int] = set()
        self._pending: list[tuple[Observation, int, int]] = []
        self._size = 0
        self._prints: dict[int, int] = {}
        self._broken: list[SourceError] = []
        self._spoken_of: set[str] = set()
        self._salt = store.model.fingerprint.encode()

    def run(self, portions: Iterable[Portion]) -> Summary:
        """Do it.

        Raises
        ------
        SourceError
            No portion is what it says. If only some are not, they are rejected, and nothing is retired.
            What a long one said before it broke is done: `summary` tells whether there was any.
        VanishRefusedError
            After everything else was done.
        """
        self._open()
        read = 0
        with without_collecting(), ThreadPoolExecutor(1) as self._committer:
            for portion in portions:
                read += 1
                self._portion(portion)
            self._flush()
            self._land()
        failed: CmdbError | None = None
        if self._broken and len(self._broken) == read:
            failed = self._broken[0]
            if not self.summary.statements:
                raise failed
        self._late_links()
        for key in self._spoken_of:
            self.catalogue.still_there(key)
        failed = (self._retire_vanished() if self.complete else None) or failed
        for document, fingerprint in self._prints.items():
            self.catalogue.read(document, fingerprint)
        self._close()
        if failed:
            raise failed
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
            cast("GraphStore", self.view), self.source, self.precedence, self, decided
        )

    def find(self, keys: Sequence[str]) -> list[str | None]:
        """Ids of the records that the source means by keys, in this run or before."""
        new = self._under_way.keys if self._under_way else {}
        found = zip(keys, self.catalogue.find(keys), strict=True)
        return [new[key][1] if key in new else id_ for key, id_ in found]

    def said(self, keys: Sequence[str]) -> bool:
        """Whether one of some keys was stated in this run, before the batch that is planned."""
        return any(digest != MENTIONED for digest in self._said(keys))

    def _said(self, keys: Sequence[str]) -> list[int]:
        """What was stated in this run under some keys: digests, `MENTIONED` where nothing."""
        new = self._under_way.keys if self._under_way else {}
        found = zip(keys, self.catalogue.said(keys), strict=True)
        return [(new[key][0] if key in new else MENTIONED) or digest for key, digest in found]

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
        if self._known_source is not None or self.rehearsed:
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
        begun, size, told, done = len(self._pending), self._size, 0, 0
        try:
            for item in portion.items():
                item.key = clean_key(item.key)
                self.summary.unread += not item.key  # it may be of any thing
                if isinstance(item, Rejection):
                    self._spoken_of.add(item.key)
                    self._reject(item.place, item.reason, number)
                    continue
                self._pending.append((item, number_of(_plain(item) + self._salt), number))
                self._size += 1 + len(item.links)
                told += 1
                if len(self._pending) >= BATCH or self._size >= SUBJECTS:
                    self._flush()
                    begun, size, done = 0, 0, told
        except SourceError as error:
            del self._pending[begun:]  # what is not what it says changes nothing
            self._size = size
            self.summary.unread += 1
            if done:  # but for what was already done
                error = SourceError(
                    f"{error.message} The {done:,} things it told of before that count.",
                    "Give it as its tool writes it and import it again; that ends the same.",
                )
            self._broken.insert(0 if done else len(self._broken), error)
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
            new = self._under_way.keys if self._under_way else {}
            known = [i for i, (observation, *_) in enumerate(batch) if observation.key not in new]
            keys = [key_number(batch[i][0].key) for i in known]
            digests, documents = [batch[i][1] for i in known], [batch[i][2] for i in known]
            as_before = self.catalogue.unchanged(keys, digests, documents)
            for i, as_it_was in zip(known, as_before, strict=True):
                same[i] = as_it_was
        statements: list[Statement] = []
        told: list[Told] = []
        fresh = [item for item, as_it_was in zip(batch, same, strict=True) if not as_it_was]
        self._count_unchanged(len(batch) - len(fresh))
        again = self._said([o.key for o, *_ in fresh])
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

    # -- planning and committing ----------------------------------------------------------------------

    def _settle(self, statements: list[Statement], told: list[Told]) -> None:
        """Plan a batch while the one before it is committed; then have it committed likewise."""
        batch, before = Batch(statements, told, list(self.planner.waiting)), self._under_way
        revision = before.revision if before else self.store.last_revision().number
        with suppress(StaleError):  # somebody has committed in between: it is planned again
            self._plan(batch, revision)
        if not self._land() or batch.change_set is None:
            self._commit(batch)
        else:
            self._launch(batch)

    def _plan(self, batch: Batch, revision: int) -> None:
        """Plan a batch at a revision; statements that rules forbid are taken out."""
        batch.change_set = None
        while not self._planned(batch, revision):
            pass

    def _planned(self, batch: Batch, revision: int) -> bool:
        """Plan a batch at a revision; False where statements that rules forbid were taken out."""
        self.planner.waiting = list(batch.waiting)
        batch.plan = self.planner.plan(batch.statements)
        batch.tasks = self._new_tasks(batch.plan)
        tasks = (Step(Create(t.type, t.attributes, t.id), 0) for t in batch.tasks.values())
        steps = [*batch.plan.steps, *tasks]
        source = self._source_operations() if steps and not self._under_way else []
        operations = [*source, *(step.operation for step in steps)]
        change_set = self._change_set(operations, revision)
        try:
            batch.effect = self.view.prepare(change_set, revision + 1)
        except InvalidChangeError as error:
            bad = self._bad_statements(error, steps, len(source), batch.statements)
            self._take_out(batch, bad)
            return False
        batch.change_set = change_set
        return True

    def _take_out(self, batch: Batch, bad: Collection[int]) -> None:
        """Go on without some statements of a batch."""
        for index in bad:
            self._prints.pop(batch.told[index].document, None)
            self.catalogue.still_there(batch.statements[index].key)
        batch.told = [t for i, t in enumerate(batch.told) if i not in bad]
        # what they shared with others is said anew by these
        self._reader = Reader(self.store.model, reuse=True)
        batch.statements = [self._reader.statement(t.observation) for t in batch.told]

    def _launch(self, batch: Batch) -> None:
        """Have a planned batch committed; what comes next is planned on it meanwhile."""
        change_set = batch.change_set
        assert change_set is not None
        assert change_set.based_on is not None
        if batch.effect:
            self._begin()
        if self.rehearsed:
            self.store.commit(change_set, batch.effect)
        if self.rehearsed or not batch.effect:
            self._landed(batch)
            return
        batch.revision = change_set.based_on + 1
        batch.keys = {key: (MENTIONED, id_) for key, id_ in batch.plan.mentioned.items()}
        for statement, id_, told in zip(batch.statements, batch.plan.ids, batch.told, strict=True):
            if id_ is not None:
                digest = told.digest if not statement.rejections else SPOILT
                batch.keys[statement.key] = (digest, id_)
        self.view.add(batch.effect)
        batch.done = self._committer.submit(self.store.commit, change_set, batch.effect)
        self._under_way = batch

    def _land(self) -> bool:
        """Wait for the batch under way; False where others had committed, and it was planned again."""
        batch, self._under_way = self._under_way, None
        if batch is None or batch.done is None:
            return True
        try:
            self._noted(batch.done.result())
        except ConflictError:
            self.view.clear()
            self._commit(batch)
            return False
        self.view.clear()
        self._landed(batch)
        return True

    def _commit(self, batch: Batch) -> None:
        """Plan and commit a batch, until nobody else commits in between."""
        for revision in self._attempts():
            if self._known_source is None and not self.rehearsed:
                self._known_source = sources(self.store).get(self.source)
            with suppress(ConflictError, StaleError):
                self._plan(batch, revision)
                assert batch.change_set is not None
                if batch.effect:
                    self._begin()
                    self._noted(self.store.commit(batch.change_set, batch.effect))
                self._landed(batch)
                return

    def _landed(self, batch: Batch) -> None:
        """Report a batch that is committed, and remember what it settled."""
        plan = batch.plan
        self._tasks |= batch.tasks
        if self._known_source is None and batch.effect and not self.rehearsed:
            self._known_source = sources(self.store)[self.source]
        for entry in plan.entries:
            self._line(entry)
        self._count_same(plan)
        for statement, id_, told in zip(batch.statements, plan.ids, batch.told, strict=True):
            if id_ is None or statement.rejections:
                self._prints.pop(told.document, None)
            if id_ is None:
                self.catalogue.still_there(statement.key)
            else:
                digest = told.digest if not statement.rejections else SPOILT
                self.catalogue.put(statement.key, digest, told.document, id_)
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
            if operations:
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
        model, names = self.store.model, self.planner.names
        entries: list[Entry] = []
        links = Links(self.store, self.source, self.precedence, names)
        references: dict[str, dict[str, str]] = {}
        owners: dict[str, int] = {}
        claims: list[tuple[RelationshipKey, End, int]] = []
        for index, item in enumerate(waiting):
            near_id, far_id = ids.get(item.near), ids.get(item.ref)
            if near_id is None or far_id is None:
                missing = item.ref if far_id is None else item.near
                reason = without_secrets(f"{item.name}: {missing} is not in the source")
                entries.append(Entry("rejected", item.name, "", near_id or "", item.place, reason))
            elif item.name not in model.relationship_types:
                references.setdefault(near_id, {})[item.name] = far_id
                owners[near_id] = index
            elif near_id != far_id:
                ends = (near_id, far_id) if item.outward else (far_id, near_id)
                key = RelationshipKey(ends[0], item.name, ends[1])
                claims.append((key, "s" if item.outward else "t", index))
        links.load([claim[:2] for claim in claims])
        claimed: list[tuple[RelationshipKey, int]] = []
        for key, end, index in claims:
            kept, _ = links.claim(key, end, waiting[index].attributes, index)
            claimed.append((kept, index))
        links.resolve()
        changes: dict[str, Create | Update] = dict(self._late_references(references))
        links.stand_by(changes)
        steps, lines = links.steps()
        for key, index in claimed:
            against = links.against(key)
            if against:
                what, place = named(key, names), waiting[index].place
                entries.append(Entry("rejected", key.type, what, key.source, place, against))
        return [*(Step(c, owners.get(i, 0)) for i, c in changes.items()), *steps], entries + lines

    def _late_references(
        self, references: Mapping[str, Mapping[str, str]]
    ) -> Iterator[tuple[str, Update]]:
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
                yield id_, Update(id_, {**attributes, PROVENANCE: provenance})

    def _retire_vanished(self) -> VanishRefusedError | None:
        gone = self.catalogue.vanished()
        if not gone:
            return None
        if self.summary.unread:
            self.summary.kept = len(gone)
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
            if operations:
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
    links = Links(store, source, precedence, names)
    links.load(whole=ids)
    gone = dict.fromkeys(id_ for id_ in ids if id_ in links.records)
    parts: dict[str, None] = {}
    for key in links.live:
        for whole, part in ((key.source, key.target), (key.target, key.source)):
            said = provenance_of(links.records[part].attributes).get(source, {})
            if whole in gone and said.get("of") == whole:
                parts[part] = None
    entries: list[Entry] = []
    changes: dict[str, Create | Update] = {}
    for id_ in gone | parts:
        for key, end in links.of_source(id_):
            if (key.target if end == "s" else key.source) not in parts:
                links.withdraw(key, end, 0)  # what has vanished keeps its parts
        step = retire(planner, links.records[id_], source)
        if step is not None:
            changes[id_] = step[0]
            entries.append(step[1])
    links.resolve()
    links.stand_by(changes)
    steps, lines = links.steps()
    return [*changes.values(), *(step.operation for step in steps)], entries + lines


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
