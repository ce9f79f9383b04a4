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
from cmdb.errors import ConflictError, Interference, StoreBusyError
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
    """

    operations: Sequence[Operation]
    reason: str
    records: Mapping[str, int] = field(default_factory=dict)
    items: Mapping[RelationshipKey, int] = field(default_factory=dict)
    result: Any = None
    effective_on: date | None = None


class Deciding:
    """Commits decisions.

    Parameters
    ----------
    clock
        Gives the instant; deadlines, delegations and dates of today go by it.
    """

    def __init__(
        self, store: GraphStore, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.store, self.clock = store, clock

    def room(self, actor: str, process: Record | None = None) -> Room:
        """What a decision of an actor begins with.

        Raises
        ------
        NotAllowedError
            The actor is nobody who is known.
        """
        today = self.clock().date()
        directory = Directory(self.store, today)
        return Room(self.store, directory, directory.actor(actor), today, process)

    def own_room(self, process: Record | None = None) -> Room:
        """What a decision of the product itself begins with: committed by `SYSTEM`, for nobody."""
        today = self.clock().date()
        directory = Directory(self.store, today)
        return Room(self.store, directory, directory.product(), today, process)

    def decide(self, actor: str, work: Callable[[], Decision]) -> tuple[Decision, int]:
        """Decide and commit; again, where others committed in between. Gives the revision, too.

        Raises
        ------
        ConflictError
            Somebody else changed the same process, or the same item of it.
        StoreBusyError
            Others kept committing.
        """
        change_set, first = new_id(), None
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
