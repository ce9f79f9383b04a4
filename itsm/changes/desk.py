"""The door to changes: what a person does with them beside taking them from state to state."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cmdb.change_sets import Operation, Update
from cmdb.records import Record
from cmdb.revisions import Changes as GraphChanges
from itsm.changes.collisions import Collision, collisions
from itsm.changes.planned import (
    APPLIED,
    PLANNED,
    PLANNED_ON,
    Planned,
    applied_by,
    kept,
)
from itsm.changes.risk import Risk, risk_of
from itsm.changes.schedule import HORIZON, Free, next_free
from itsm.changes.whatif import Seen, WhatIf, what_if
from itsm.changes.windows import CHANGE, items_of
from lifecycle.deciding import Decision
from lifecycle.drafting import Drafting
from lifecycle.people import Directory


class Changes(Drafting):
    """Changes as papers, and what they would do.

    What only looks takes ``seen``: the topology as it is now, where it is at hand; else as much is fetched as is
    needed.
    """

    kind = CHANGE
    command = "change"
    givers = ("assignee", "requester", "change_manager", "engineer", "administrator")
    takers = ("operator", "engineer")

    @property
    def _directory(self) -> Directory:
        return Directory(self.store, self.engine.clock().date())

    # -- what it holds back -----------------------------------------------------------------------

    def plan(
        self,
        change: str,
        actor: str,
        operations: Sequence[Operation] | None,
        allowed: Callable[[Sequence[Operation]], object] = lambda _: None,
    ) -> int:
        """Attach operations to a draft, in place of those it holds back; gives the revision.

        Parameters
        ----------
        operations
            None: those that it holds back, on the graph as it is now, less what is done already.
        allowed
            Refuses what the actor may not write, by raising; asked as part of the decision. A door that knows
            permissions gives it.

        Raises
        ------
        InvalidChangeError, ConflictError
            As of `itsm.changes.planned.kept`.
        RefusedError, NotAllowedError
            It is no draft any more, or somebody else's.
        """

        def work() -> Decision:
            record = self._draft(change, actor)
            at = self.store.last_revision().number
            chosen = Planned(self.store, record).remaining() if operations is None else operations
            allowed(chosen)
            held = kept(self.store, chosen)
            said = {PLANNED: held or None, PLANNED_ON: at if held else None}
            number = record.attributes.get("number") or record.name
            text = f"{number} holds back {len(held)} operation{'' if len(held) == 1 else 's'}"
            return Decision([Update(change, said)], text, {change: record.revision})

        return self.engine.decide(actor, work)[1]

    def difference(self, change: Record) -> GraphChanges:
        """What a change would make otherwise, as things are; or made otherwise, once it was carried out."""
        if change.attributes.get(APPLIED) is None:
            return Planned(self.store, change).difference()
        return applied_by(self.store, change)

    # -- what it would do -------------------------------------------------------------------------

    def what_if(self, change: Record, seen: Seen | None = None) -> WhatIf:
        """What it does in its window, and what its planned operations come to.

        Raises
        ------
        InvalidChangeError
        """
        return what_if(self.store, change, items_of(self.store, change), seen)

    def collisions(self, change: Record, seen: Seen | None = None) -> list[Collision]:
        """What is in the way of its window."""
        return collisions(self.store, change, self.engine.clock(), self._directory, seen)

    def risk(self, change: Record, seen: Seen | None = None) -> Risk:
        """How risky it is, as things are.

        Raises
        ------
        InvalidChangeError
        """
        found = self.collisions(change, seen)
        items = items_of(self.store, change)
        return risk_of(self.store, change, items, self.engine.clock(), found, seen)

    def next_free(self, change: Record, days: int = HORIZON, seen: Seen | None = None) -> Free:
        """The next window of the same length with nothing in its way."""
        return next_free(self.store, change, self.engine.clock(), self._directory, days, seen)
