"""Planning batches and committing them, each planned while the one before it is committed.

Each batch is one change set, committed only if nobody else has committed since it was planned;
otherwise it is planned again. So two importers never create one machine twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from cmdb.change_sets import ChangeSet, Create
from cmdb.commits import Plan, StaleError
from cmdb.errors import ConflictError, InvalidChangeError
from cmdb.pending import Pending
from cmdb.reconciliation.batches import BatchPlanner, Waiting
from cmdb.reconciliation.catalogue import MENTIONED, SPOILT
from cmdb.reconciliation.novelty import Novelty
from cmdb.reconciliation.observations import Observation
from cmdb.reconciliation.planning import BatchPlan, Step
from cmdb.reconciliation.run_state import RunState
from cmdb.reconciliation.statements import Reader, Statement
from cmdb.reconciliation.tasks import new_tasks, tasks_of
from cmdb.records import Record
from cmdb.revisions import CommitResult
from cmdb.store import GraphStore


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


class Committer:
    """Plans and commits the batches of a run.

    Parameters
    ----------
    executor
        Does what is committed meanwhile, one after the other.

    Attributes
    ----------
    reader
        What makes the statements of a batch.
    planner
        Plans the batches; knows what still waits for things to be shown.
    """

    def __init__(self, state: RunState, executor: Executor) -> None:
        self.state, self.store = state, state.store
        self.reader = Reader(state.store.model, reuse=True)
        self._executor = executor
        self._view = Pending(state.store)
        self._under_way: Batch | None = None
        self._tasks = tasks_of(state.store, state.source) if state.known_source else {}
        decided = {
            key: str(task.attributes["decision"])
            for key, task in self._tasks.items()
            if "decision" in task.attributes
        }
        self._novelty = Novelty(state.store)
        view = cast("GraphStore", self._view)
        self.planner = BatchPlanner(
            view, state.source, state.precedence, self, decided, self._novelty
        )

    # -- what the source calls things -------------------------------------------------------------

    @property
    def settling(self) -> Mapping[str, tuple[int, str]]:
        """What the batch under way settles: key -> (digest, id)."""
        return self._under_way.keys if self._under_way else {}

    def find(self, keys: Sequence[str]) -> list[str | None]:
        """Ids of the records that the source means by keys, in this run or before."""
        new = self.settling
        found = zip(keys, self.state.catalogue.find(keys), strict=True)
        return [new[key][1] if key in new else id_ for key, id_ in found]

    def said(self, keys: Sequence[str]) -> bool:
        """Whether one of some keys was stated in this run, before the batch that is planned."""
        return any(digest != MENTIONED for digest in self.digests(keys))

    def digests(self, keys: Sequence[str]) -> list[int]:
        """What was stated in this run under some keys: digests, `MENTIONED` where nothing."""
        new = self.settling
        found = zip(keys, self.state.catalogue.said(keys), strict=True)
        return [(new[key][0] if key in new else MENTIONED) or digest for key, digest in found]

    # -- planning and committing ------------------------------------------------------------------

    def settle(self, statements: list[Statement], told: list[Told]) -> None:
        """Plan a batch while the one before it is committed; then have it committed likewise."""
        batch, before = Batch(statements, told, list(self.planner.waiting)), self._under_way
        revision = before.revision if before else self.store.last_revision().number
        with suppress(StaleError):  # somebody has committed in between: it is planned again
            self._plan(batch, revision)
        if not self.land() or batch.change_set is None:
            self._commit(batch)
        else:
            self._launch(batch)

    def _plan(self, batch: Batch, revision: int) -> None:
        """Plan a batch at a revision; statements that rules forbid are taken out."""
        batch.change_set = None
        self._novelty.at(revision)
        while not self._planned(batch, revision):
            pass

    def _planned(self, batch: Batch, revision: int) -> bool:
        """Plan a batch at a revision; False where statements that rules forbid were taken out."""
        self.planner.waiting = list(batch.waiting)
        batch.plan = self.planner.plan(batch.statements)
        batch.tasks = new_tasks(
            self.store.model, self.state.source, batch.plan.questions, self._tasks
        )
        tasks = (Step(Create(t.type, t.attributes, t.id), 0) for t in batch.tasks.values())
        steps = [*batch.plan.steps, *tasks]
        source = self.state.source_operations() if steps and not self._under_way else []
        operations = [*source, *(step.operation for step in steps)]
        change_set = self.state.change_set(operations, revision)
        try:
            batch.effect = self._view.prepare(change_set, revision + 1)
        except InvalidChangeError as error:
            bad = self._bad_statements(error, steps, len(source), batch.statements)
            self._take_out(batch, bad)
            return False
        batch.change_set = change_set
        return True

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
                self.state.reject(statements[owner].subjects[0].place, problem.message)
        if not bad:
            raise error
        return bad

    def _take_out(self, batch: Batch, bad: Collection[int]) -> None:
        """Go on without some statements of a batch."""
        for index in bad:
            self.state.prints.pop(batch.told[index].document, None)
            self.state.catalogue.still_there(batch.statements[index].key)
        batch.told = [t for i, t in enumerate(batch.told) if i not in bad]
        # what they shared with others is said anew by these
        self.reader = Reader(self.store.model, reuse=True)
        batch.statements = [self.reader.statement(t.observation) for t in batch.told]

    def _launch(self, batch: Batch) -> None:
        """Have a planned batch committed; what comes next is planned on it meanwhile."""
        change_set = batch.change_set
        assert change_set is not None
        assert change_set.based_on is not None
        if batch.effect:
            self.state.begin()
        if self.state.rehearsed:
            self.store.commit(change_set, batch.effect)
        if self.state.rehearsed or not batch.effect:
            self._novelty.add(batch.effect, change_set.based_on)
            self._landed(batch)
            return
        batch.revision = change_set.based_on + 1
        self._novelty.add(batch.effect, batch.revision)
        batch.keys = {key: (MENTIONED, id_) for key, id_ in batch.plan.mentioned.items()}
        for statement, id_, told in zip(batch.statements, batch.plan.ids, batch.told, strict=True):
            if id_ is not None:
                digest = told.digest if not statement.rejections else SPOILT
                batch.keys[statement.key] = (digest, id_)
        self._view.add(batch.effect)
        batch.done = self._executor.submit(self.store.commit, change_set, batch.effect)
        self._under_way = batch

    def land(self) -> bool:
        """Wait for the batch under way; False where others had committed, and it was planned again."""
        batch, self._under_way = self._under_way, None
        if batch is None or batch.done is None:
            return True
        try:
            self.state.noted(batch.done.result())
        except ConflictError:
            self._view.clear()
            self._novelty.end()
            self._commit(batch)
            return False
        self._view.clear()
        self._landed(batch)
        return True

    def _commit(self, batch: Batch) -> None:
        """Plan and commit a batch, until nobody else commits in between."""
        for revision in self.state.attempts():
            self.state.look_for_source()
            with suppress(ConflictError, StaleError):
                self._plan(batch, revision)
                assert batch.change_set is not None
                if batch.effect:
                    self.state.begin()
                    done = self.store.commit(batch.change_set, batch.effect)
                    self.state.noted(done)
                    if done.committed:
                        self._novelty.add(batch.effect, done.revision)
                self._landed(batch)
                return

    def _landed(self, batch: Batch) -> None:
        """Report a batch that is committed, and remember what it settled."""
        state, plan = self.state, batch.plan
        self._tasks |= batch.tasks
        if batch.effect:
            state.look_for_source()
        state.lines(plan.entries)
        state.summary.add_unchanged(plan.unchanged)
        for statement, id_, told in zip(batch.statements, plan.ids, batch.told, strict=True):
            if id_ is None or statement.rejections:
                state.prints.pop(told.document, None)
            if id_ is None:
                state.catalogue.still_there(statement.key)
            else:
                digest = told.digest if not statement.rejections else SPOILT
                state.catalogue.put(statement.key, digest, told.document, id_)
        for key, id_ in plan.mentioned.items():
            state.catalogue.put(key, MENTIONED, 0, id_)
        for subject, identity in plan.settled:
            subject.id = identity.id
        if plan.questions:
            state.prints.clear()
