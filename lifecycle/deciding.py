"""Deciding on what is read at one revision, and committing it only there.

A decision is committed only if nobody has committed since it was read (`ChangeSet.based_on`); otherwise it is
made again. So guards see exactly what the commit will change, on either store, whoever else writes. Where the
process itself, or an item of it, was changed by somebody else meanwhile, that is a conflict that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

from cmdb.change_sets import ChangeSet, Operation
from cmdb.commits import StaleError
from cmdb.errors import CmdbError, ConflictError, Interference, StoreBusyError
from cmdb.ids import new_id
from cmdb.records import Record, RelationshipKey
from cmdb.store import GraphStore
from lifecycle.cases import Room
from lifecycle.items import CONCERNS
from lifecycle.people import Directory

SOURCE: Final = "lifecycle"
ATTEMPTS: Final = 50
"""How often a decision is made anew because others committed meanwhile."""


@dataclass
class Decision:
    """What is to be committed, and what must not have been changed by others meanwhile.

    Attributes
    ----------
    records, items
        Record id -> its revision, relationship -> its revision, as decided on.
    result
        What the caller gets.
    known
        Records by id, as they were read for it: they are not read again to be changed.
    """

    operations: Sequence[Operation]
    reason: str
    records: Mapping[str, int] = field(default_factory=dict)
    items: Mapping[RelationshipKey, int] = field(default_factory=dict)
    result: Any = None
    effective_on: date | None = None
    known: Mapping[str, Record] = field(default_factory=dict)


class Deciding:
    """Commits decisions.

    Parameters
    ----------
    clock
        Gives the instant; deadlines, delegations and dates of today go by it.
    ids
        Gives ids of change sets. Those of a request that may be repeated are the same ones each time, in
        the same order: what was committed under one of them is told, and not decided again.
    """

    def __init__(
        self,
        store: GraphStore,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        ids: Callable[[], str] = new_id,
    ) -> None:
        self.store, self.clock = store, clock
        self._ids, self._left = ids, list[str]()
        self.repeated = False
        """Whether something that was asked for had been committed before."""

    def next_id(self) -> str:
        """The id of the next change set that is decided on, which a record that it creates may have too."""
        if not self._left:
            self._left.append(self._ids())
        return self._left[-1]

    def earlier(self) -> dict[str, int]:
        """What a repeated request has committed before: change set -> revision. Decisions go on behind it.

        One statement for each, and one more; none where nothing can have been.
        """
        found: dict[str, int] = {}
        while (revision := self._committed(id := self.next_id())) is not None:
            found[id] = revision
            self._left.clear()
        return found

    def _committed(self, change_set: str) -> int | None:
        if self._ids is new_id:
            return None
        found = self.store.committed(change_set)
        self.repeated = self.repeated or found is not None
        return found

    def room(self, actor: str, process: Record | None = None) -> Room:
        """What a decision of an actor begins with.

        Raises
        ------
        NotAllowedError
            The actor is nobody who is known.
        """
        now = self.clock()
        directory = Directory(self.store, now.date())
        return Room(self.store, directory, directory.actor(actor), now, process)

    def own_room(self, process: Record | None = None) -> Room:
        """What a decision of the product itself begins with: committed by `SYSTEM`, for nobody."""
        now = self.clock()
        directory = Directory(self.store, now.date())
        return Room(self.store, directory, directory.product(), now, process)

    def decide(
        self, actor: str, work: Callable[[], Decision], *, anew: bool = False
    ) -> tuple[Decision, int]:
        """Decide and commit; again, where others committed in between. Gives the revision, too.

        Of what was committed before, in a repeated request, the decision is empty.

        Parameters
        ----------
        anew
            The work finds out by itself what was done before, and does the rest.

        Raises
        ------
        ConflictError
            Somebody else changed the same process, or the same item of it.
        StoreBusyError
            Others kept committing.
        """
        change_set = new_id() if anew else self.next_id()
        done = None if anew else self._committed(change_set)
        if done is None:
            try:
                decision, number = self._decide(actor, work, change_set)
            except CmdbError:
                # A request may be repeated while it is still being carried out.
                done = None if anew else self._committed(change_set)
                if done is None:
                    raise
            else:
                if decision.operations and not anew:
                    self._left.clear()
                return decision, number
        self._left.clear()
        return Decision((), ""), done

    def _decide(
        self, actor: str, work: Callable[[], Decision], change_set: str
    ) -> tuple[Decision, int]:
        first = None
        for _ in range(ATTEMPTS):
            at = self.store.last_revision().number
            if first is not None:
                self._unchanged(first)
            decision = work()
            first = first or decision
            if not decision.operations:
                return decision, at
            try:
                result = self.store.commit(
                    ChangeSet(
                        decision.operations,
                        actor,
                        SOURCE,
                        decision.reason,
                        decision.effective_on,
                        change_set,
                        at,
                        process=True,
                        known=decision.known,
                    )
                )
            except ConflictError as conflict:
                if conflict.record != "store":
                    raise
            else:
                return decision, result.revision
        raise StoreBusyError(
            f"Others committed {ATTEMPTS} times while this was decided.", "Try again."
        )

    def _unchanged(self, decision: Decision) -> None:
        """Nobody else has changed what a decision was about."""
        for id, record in self.store.get(decision.records).items():
            if record.revision != decision.records[id]:
                raise self.store.conflict(StaleError(id, decision.records[id], record.revision))
        sources = {key.source for key in decision.items}
        for source in sources:
            mine = {k.target: r for k, r in decision.items.items() if k.source == source}
            for near in self.store.neighbours(list(mine), [CONCERNS], "in"):
                if near.record.id == source and near.relationship.revision != mine[near.of]:
                    actual = near.relationship.revision
                    revision = self.store.revisions([actual])[actual]
                    who = Interference(actual, revision.at, revision.actor, {})
                    raise ConflictError(near.of, mine[near.of], actual, [who])
