"""Taking in what was received: a batch of the journal is one change set, with how far it has come.

That is based on the revision that was read, as every decision is; so of several processes that take in the same
batch one commits it, and one that is killed has committed all of it, or nothing. What was taken in is then trimmed
from the journal; where that was cut off, it is passed over, as its numbers are not above what was taken in.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from cmdb.change_sets import Create, Operation, Update
from cmdb.ids import new_id
from cmdb.queries import Query, Sort
from cmdb.store import GraphStore
from cmdb.store.base import Entry as Kept
from itsm.alerts.folding import FIRING, Folded, fold, folded_of
from itsm.alerts.outcomes import ALERT, UNMATCHED, Change, Outcomes, calmed
from itsm.alerts.received import Entry, entry_of, malformed
from itsm.alerts.receiving import INTAKE, JOURNAL, TAKEN_IN, intake_name, intake_of
from itsm.alerts.rules import AlertRules
from lifecycle.deciding import Decision
from lifecycle.engine import Engine
from schema.errors import CmdbError
from schema.model import STATE_ATTRIBUTE
from schema.processes import SYSTEM

logger = logging.getLogger(__name__)

BATCH: Final = 5_000
"""Most that is taken in at once."""
LEAST: Final = 50
"""So few are tried where others keep committing meanwhile."""
WITHOUT_CI: Final = {UNMATCHED: {"null": False}, STATE_ATTRIBUTE: {"eq": FIRING}}
AGAIN: Final = 1_000
"""So many unmatched alerts are looked at again at once, those that were seen last."""


class Taken(NamedTuple):
    """What a batch was.

    Attributes
    ----------
    upto, at
        The number of the last entry, and when it was received.
    alerts
        How many alerts they are of.
    full
        Whether there may be more.
    """

    received: int
    upto: int
    at: datetime
    alerts: int
    full: bool


class Intake:
    """Takes in received alerts.

    Parameters
    ----------
    engine
        Decides and commits; its clock counts.
    """

    def __init__(self, engine: Engine, rules: AlertRules, batch: int = BATCH) -> None:
        self.engine, self.rules, self.batch = engine, rules, batch
        self._name = intake_name(engine.store)
        self._size, self._untidy = batch, True

    @property
    def store(self) -> GraphStore:
        return self.engine.store

    def take_in(self) -> Taken | None:
        """Take in the next batch; None where there is none.

        Raises
        ------
        StoreError
        """
        while True:
            try:
                taken = self._take_in(self._size)
            except CmdbError as error:
                if error.code.startswith("store_") or error.code == "conflict":
                    raise
                if self._size == 1:
                    logger.error("an alert cannot be taken in", extra={"reason": error.message})
                    return self._take_in(1, unfit=error)
                self._size = max(1, self._size // 10)  # to find which
                continue
            self._size = min(self.batch, self._size * 2)
            if taken is not None or self._untidy:
                self._trim(taken)
            return taken

    def _trim(self, taken: Taken | None) -> None:
        """Remove what has been taken in; what another one has, too, that did not come to it."""
        self._untidy = True
        record = None if taken else intake_of(self.store, self._name)
        upto = taken.upto if taken else record.attributes[TAKEN_IN] if record else 0
        self.store.trim(JOURNAL, upto)
        self._untidy = False

    def _take_in(self, size: int, unfit: CmdbError | None = None) -> Taken | None:
        tries = 0

        def work() -> Decision:
            nonlocal tries
            most = min(size, max(LEAST, size >> tries))
            tries += 1
            record = intake_of(self.store, self._name)
            upto = record.attributes[TAKEN_IN] if record else 0
            kept = self.store.journal(JOURNAL, upto, most)
            if not kept:
                return Decision([], "")
            changes = self._folded(kept, unfit)
            operations = Outcomes(self.store, self.rules, self.engine.clock()).operations(changes)
            said = {TAKEN_IN: kept[-1].number}
            if record is None:
                operations.append(Create(INTAKE, {"name": self._name, **said}, new_id()))
            else:
                operations.append(Update(record.id, said))
            last = kept[-1]
            taken = Taken(len(kept), last.number, last.at, len(changes), len(kept) == most)
            known = {c.id: c.record for c in changes if c.record is not None}
            words = f"{taken.received} alerts received"
            return Decision(operations, words, result=taken, known=known)

        taken: Taken | None = self.engine.decide(SYSTEM, work, anew=True)[0].result
        return taken

    def _folded(self, kept: Sequence[Kept], unfit: CmdbError | None) -> list[Change]:
        """What each alert becomes by what was received of it, in the order it was first received."""
        entries = [(_read(entry, unfit), entry.at) for entry in kept]
        prints = dict.fromkeys(entry.fingerprint for entry, _ in entries)
        known = {
            record.attributes["fingerprint"]: record
            for record in self.store.holders("fingerprint", list(prints))
            if record.type == ALERT
        }
        folded: dict[str, Folded | None] = {
            name: folded_of(known[name]) if name in known else None for name in prints
        }
        for entry, at in entries:
            folded[entry.fingerprint] = fold(folded[entry.fingerprint], entry, at, self.rules)
        changes = []
        for name, after in folded.items():
            record = known.get(name)
            assert after is not None, "something was received of it"
            changes.append(Change(record, folded_of(record) if record else None, after))
        return changes

    # -- without anything received ---------------------------------------------------------------------

    def calm(self) -> int:
        """Alerts that flapped and have kept their state for long enough no longer do; gives how many."""
        return self._look(Query(ALERT, {"flapping": {"eq": True}}, first=AGAIN), "calm")

    def match_again(self) -> int:
        """Look again for the CIs of alerts that fire and have none, those seen last first; gives how many
        have one now."""
        latest = [Sort("last_seen", True)]
        return self._look(Query(ALERT, WITHOUT_CI, sort=latest, first=AGAIN), "match")

    def unmatched(self) -> int:
        """How many alerts fire, and have no CI."""
        return self.store.find(Query(ALERT, WITHOUT_CI, first=1, total=True)).total or 0

    def _look(self, query: Query, what: str) -> int:
        def work() -> Decision:
            now = self.engine.clock()
            changes = [Change.of(record) for record in self.store.find(query).records]
            if what == "calm":
                changes = [calmed(change, now, self.rules) for change in changes]
                changes = [c for c in changes if c.after != c.before]
            operations: list[Operation] = []
            if changes:
                outcomes = Outcomes(self.store, self.rules, now)
                operations = outcomes.operations(changes, again=what == "match")
            count = sum(what == "calm" or c.ci is not None for c in changes)
            words = (
                f"{count} alerts no longer flap" if what == "calm" else f"{count} alerts matched"
            )
            return Decision(operations, words, result=count)

        return int(self.engine.decide(SYSTEM, work, anew=True)[0].result or 0)

    def backlog(self) -> int:
        """How many were received and not yet taken in."""
        record = intake_of(self.store, self._name)
        return self.store.append(JOURNAL, []) - (record.attributes[TAKEN_IN] if record else 0)


def _read(kept: Kept, unfit: CmdbError | None) -> Entry:
    """An entry; one that cannot be taken in as it is counts as one that could not be read."""
    entry = entry_of(kept.value)
    if unfit is None:
        return entry
    reason = f"It could not be taken in ({unfit.code})."
    return malformed(entry.source, reason, kept.value)
