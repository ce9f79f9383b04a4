"""What the parts of a run share: its source, what is known of it, and the door to the store."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from cmdb.change_sets import ChangeSet, Create, Operation
from cmdb.errors import StoreBusyError
from cmdb.ids import new_id
from cmdb.reconciliation import catalogue as catalogues
from cmdb.reconciliation.catalogue import Catalogue
from cmdb.reconciliation.planning import Entry
from cmdb.reconciliation.precedence import Precedence
from cmdb.reconciliation.secrets import without_secrets
from cmdb.reconciliation.sources import Source, note_seen, precedence_of, sources
from cmdb.reconciliation.summaries import Summary
from cmdb.revisions import CommitResult
from cmdb.store import GraphStore

ATTEMPTS: Final = 20


class RunState:
    """One run's source, what it said before, and what the run has done.

    Attributes
    ----------
    rehearsed
        The store only remembers what is committed.
    known_source
        The source as it stands; None until it has a record.
    catalogue
        What the source calls things, and said of them.
    prints
        Document -> fingerprint, of those that gave nothing but statements that were taken.
    """

    def __init__(
        self,
        store: GraphStore,
        source: str,
        *,
        actor: str,
        importer: str,
        default_precedence: int,
        rehearsed: bool,
        report: Callable[[Entry], None],
    ) -> None:
        self.store, self.source, self.actor, self.importer = store, source, actor, importer
        self.default_precedence, self.rehearsed = default_precedence, rehearsed
        self.summary = Summary()
        self.known_source: Source | None = None
        self.precedence = Precedence()
        self.catalogue = Catalogue()
        self.prints: dict[int, int] = {}
        self._report = report
        self._begun = False
        self._own: set[int] = set()
        self._opened_at = 0

    # -- begin and end ----------------------------------------------------------------------------

    def open(self) -> None:
        """Read what is known of the source."""
        known = sources(self.store)
        self.known_source = known.get(self.source)
        self.precedence = precedence_of(known)
        if self.known_source is None:
            general = {**self.precedence.general, self.source: self.default_precedence}
            self.precedence = type(self.precedence)(general, self.precedence.particular)
        else:
            self.catalogue = catalogues.load(self.store, self.source) or catalogues.rebuilt(
                self.store, self.source
            )
        self._opened_at = self.store.last_revision().number

    def begin(self) -> None:
        """Before the first commit: the catalogue that is kept is not to be trusted."""
        if self._begun:
            return
        self._begun = True
        self.store.mark(catalogues.PREFIX + self.source, None)

    def close(self, *, complete: bool) -> None:
        """Keep the catalogue, and when the source was seen."""
        if self.known_source is None and not self._begun:
            self.noted(self.store.commit(self.change_set(self.source_operations(), None)))
        name, newest = catalogues.PREFIX + self.source, self.store.last_revision().number
        if catalogues.disturbed(self.store, self.source, self._opened_at, self._own):
            self.store.mark(name, None)
        else:
            self.store.mark(name, self.catalogue.to_bytes(newest))
        run = {"complete": complete, "statements": self.summary.statements}
        note_seen(self.store, self.source, {**run, "counts": self.summary.counts})

    # -- committing -------------------------------------------------------------------------------

    def change_set(self, operations: Sequence[Operation], based_on: int | None) -> ChangeSet:
        reason = f"import by {self.importer}" if self.importer else "import"
        return ChangeSet(
            operations, self.actor, self.source, reason, based_on=based_on, managed=True
        )

    def source_operations(self) -> list[Operation]:
        """What makes the source's record, where it has none."""
        if self.known_source is not None or self.rehearsed:
            return []
        attributes = {"name": self.source, "precedence": self.default_precedence}
        if self.importer:
            attributes["importer"] = self.importer
        return [Create("DataSource", attributes, new_id())]

    def look_for_source(self) -> None:
        """Take note of the source's record, once there is one."""
        if self.known_source is None and not self.rehearsed:
            self.known_source = sources(self.store).get(self.source)

    def noted(self, done: CommitResult) -> None:
        """Remember a revision of this run."""
        if done.committed:
            self._own.add(done.revision)
            self.summary.revisions = [*self.summary.revisions[:1], done.revision]

    def attempts(self) -> Iterator[int]:
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

    # -- telling ----------------------------------------------------------------------------------

    def lines(self, entries: Sequence[Entry]) -> None:
        """Lines of the plan."""
        self.summary.add_all(entries)
        for entry in entries:
            self._report(entry)

    def reject(self, place: str, reason: str, document: int = 0) -> None:
        """Report what cannot be used; its document is read again next time, to report it again."""
        self.prints.pop(document, None)
        self.lines([Entry("rejected", "", "", "", place, without_secrets(reason))])
