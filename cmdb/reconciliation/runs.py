"""A run: everything a source says at one time, planned and applied in batches.

What is as it was is passed over; the rest goes, in batches, through `committing`; then comes what can
only be done when all was said. An interrupted run leaves whole batches; run again, it ends in the same
state as one that was not interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from cmdb.bulk import without_collecting
from cmdb.errors import CmdbError, SourceError, StoreError
from cmdb.pending import rehearsal
from cmdb.reconciliation.catalogue import MENTIONED, key_number, number_of
from cmdb.reconciliation.committing import Committer, Told
from cmdb.reconciliation.digests import Sayings
from cmdb.reconciliation.late_links import LateLinks
from cmdb.reconciliation.observations import Observation, Portion, Rejection
from cmdb.reconciliation.planning import Entry
from cmdb.reconciliation.progress import Progress
from cmdb.reconciliation.run_state import RunState
from cmdb.reconciliation.sources import reserved
from cmdb.reconciliation.statements import Statement, UnusableError, clean_key
from cmdb.reconciliation.summaries import Summary
from cmdb.reconciliation.vanishing import VanishRefusedError, retire_vanished
from cmdb.store import GraphStore

__all__ = ["Run", "Summary", "VanishRefusedError"]

BATCH: Final = 5_000
"""Statements planned together."""
SUBJECTS: Final = 30_000
"""Subjects planned together, unless one statement has more."""


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
        self.state = RunState(
            store if apply else rehearsal(store),
            source,
            actor=actor,
            importer=importer,
            default_precedence=precedence,
            rehearsed=not apply,
            report=report,
        )
        self.summary = self.state.summary
        self.complete, self.vanish_limit = complete, vanish_limit
        self._kept = Progress(self.state.store, source)
        self._tell = progress
        self._pending: list[tuple[Observation, int, int]] = []
        self._size = 0
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
        try:
            summary = self._run(portions)
        except BaseException:
            with suppress(StoreError):  # the other one is what to tell
                self._kept.ended(self.summary.statements, failed=True)
            raise
        self._kept.ended(summary.statements, failed=False)
        return summary

    def _run(self, portions: Iterable[Portion]) -> Summary:
        state = self.state
        state.open()
        self._kept.running(0)
        read = 0
        with without_collecting(), ThreadPoolExecutor(1) as executor:
            self._committer = Committer(state, executor)
            for portion in portions:
                read += 1
                self._portion(portion)
            self._flush()
            self._committer.land()
        failed: CmdbError | None = None
        if self._broken and len(self._broken) == read:
            failed = self._broken[0]
            if not self.summary.statements:
                raise failed
        planner = self._committer.planner
        waiting, planner.waiting = planner.waiting, []
        late = LateLinks(state, planner.names)
        for start in range(0, len(waiting), SUBJECTS):
            late.batch(waiting[start : start + SUBJECTS])
        for key in self._spoken_of:
            state.catalogue.still_there(key)
        if self.complete:
            failed = retire_vanished(state, self.vanish_limit, planner.names) or failed
        for document, fingerprint in state.prints.items():
            state.catalogue.read(document, fingerprint)
        state.close(complete=self.complete)
        if failed:
            raise failed
        return self.summary

    # -- portions ---------------------------------------------------------------------------------

    def _portion(self, portion: Portion) -> None:
        """Read a portion into the batch, unless it is as it was."""
        state, number = self.state, number_of(portion.name.encode())
        if portion.fingerprint is not None:
            print_ = number_of(portion.fingerprint + self._salt)
            if state.precedence.manual_is_highest:
                done = state.catalogue.take_over(number, print_)
                if done is not None:
                    self._count_unchanged(done)
                    return
            state.prints[number] = print_
        state.catalogue.known_documents.pop(number, None)
        begun, size, told, done = len(self._pending), self._size, 0, 0
        said, salt = Sayings().said, self._salt
        try:
            for item in portion.items():
                item.key = clean_key(item.key)
                self.summary.unread += not item.key  # it may be of any thing
                if isinstance(item, Rejection):
                    self._spoken_of.add(item.key)
                    state.reject(item.place, item.reason, number)
                    continue
                self._pending.append((item, number_of(said(item) + salt), number))
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
            state.reject(portion.name, error.message, number)

    def _flush(self) -> None:
        batch, self._pending, self._size = self._pending, [], 0
        self._batch(batch)

    def _progress(self, statements: int) -> None:
        self._tell(statements)
        self._kept.running(statements)

    def _count_unchanged(self, count: int) -> None:
        self.summary.statements += count
        self.summary.add_unchanged(count)
        self._progress(self.summary.statements)

    # -- batches ----------------------------------------------------------------------------------

    def _batch(self, batch: Sequence[tuple[Observation, int, int]]) -> None:
        """Plan and commit what is not as it was."""
        fresh = self._changed(batch)
        self._count_unchanged(len(batch) - len(fresh))
        statements: list[Statement] = []
        told: list[Told] = []
        again = self._committer.digests([o.key for o, *_ in fresh])
        seen: dict[str, int] = {}
        for (observation, digest, document), before in zip(fresh, again, strict=True):
            before = before or seen.get(observation.key, MENTIONED)
            if before == digest:
                continue  # word for word what was said before
            statement = self._statement(observation, document, before != MENTIONED)
            if statement is not None:
                seen[observation.key] = digest
                statements.append(statement)
                told.append(Told(digest, document, observation))
        if statements:
            self._committer.settle(statements, told)
        self.summary.statements += len(fresh)
        self._progress(self.summary.statements)

    def _changed(
        self, batch: Sequence[tuple[Observation, int, int]]
    ) -> list[tuple[Observation, int, int]]:
        """What of a batch is not as it was; the rest is taken over."""
        same = [False] * len(batch)
        if self.state.precedence.manual_is_highest:
            new = self._committer.settling
            known = [i for i, (observation, *_) in enumerate(batch) if observation.key not in new]
            keys = [key_number(batch[i][0].key) for i in known]
            digests, documents = [batch[i][1] for i in known], [batch[i][2] for i in known]
            as_before = self.state.catalogue.unchanged(keys, digests, documents)
            for i, as_it_was in zip(known, as_before, strict=True):
                same[i] = as_it_was
        return [item for item, as_it_was in zip(batch, same, strict=True) if not as_it_was]

    def _statement(self, observation: Observation, document: int, twice: bool) -> Statement | None:
        state = self.state
        if twice:
            state.reject(observation.place, f"{observation.key} is in the source twice", document)
            return None
        try:
            statement = self._committer.reader.statement(observation)
        except UnusableError as error:
            state.reject(observation.place, str(error), document)
            state.catalogue.still_there(observation.key)
            return None
        for rejection in statement.rejections:
            state.reject(rejection.place, rejection.reason, document)
        return statement
