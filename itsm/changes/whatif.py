"""What if: what a change takes out in its window, and what an outage would do once it has changed the graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cmdb.commits import Plan
from cmdb.records import Record
from cmdb.revisions import Commit, Revision
from cmdb.store import GraphStore
from impact.analysis import Outage
from impact.differences import Difference, GroupChange, compare
from impact.reports import plain_group
from impact.rules import Effect, Rules
from impact.snapshots import concerned, link, node, partial, take_up
from impact.topology import Topology
from impact.views import View
from itsm.changes.planned import Planned, changes_of
from itsm.changes.windows import window_effect
from itsm.hits import Hit, hit

Seen = tuple[Topology, View]
"""A topology and a moment in it, where it is at hand: `impact.snapshots.Snapshot.shared`."""


@dataclass(frozen=True)
class WhatIf:
    """What becomes of the graph and of those who use it.

    Attributes
    ----------
    at
        The revision that was looked at.
    window
        What is hit while the change is carried out.
    affected
        Ids of the CIs that are hit then, the worst first.
    afterwards
        An outage of what it concerns, as things are and once it is carried out: what fares worse then, what
        better, and which redundancy groups have another margin. None where it plans nothing.
    """

    at: int
    window: Hit
    affected: tuple[str, ...]
    afterwards: Difference | None

    @property
    def less_redundant(self) -> list[GroupChange]:
        """The groups that have less left to lose afterwards."""
        groups = self.afterwards.groups if self.afterwards else ()
        return [g for g in groups if g.before and g.after and g.after.margin < g.before.margin]

    def ids(self) -> set[str]:
        """Of all that is told of."""
        told = {service.id for service in self.window.services} | set(self.window.organisations)
        if self.afterwards is not None:
            told |= {c.id for c in (*self.afterwards.worse, *self.afterwards.better)}
            told |= {group.group.dependent for group in self.afterwards.groups}
        return told

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        after = self.afterwards
        return {
            "revision": self.at,
            "window": self.window.plain(),
            "afterwards": None
            if after is None
            else {
                "worse": [change._asdict() for change in after.worse],
                "better": [change._asdict() for change in after.better],
                "unchanged": after.unchanged,
                "groups": [
                    {
                        "before": g.before and plain_group(g.before),
                        "after": g.after and plain_group(g.after),
                    }
                    for g in after.groups
                ],
            },
        }


def what_if(
    store: GraphStore,
    change: Record,
    items: Collection[str],
    seen: Seen | None = None,
) -> WhatIf:
    """What a change does in its window, and afterwards.

    Parameters
    ----------
    items
        Ids of the CIs that it concerns.
    seen
        The topology as it is now, where it is at hand; it is not changed. Else as much is fetched as is
        needed, a statement a level.

    Raises
    ------
    InvalidChangeError
        What it plans breaks rules of the model, as things are.
    """
    at = store.last_revision().number
    planned = Planned(store, change)
    plan = planned.plan() if planned else None
    effect = window_effect(change)
    roots = dict.fromkeys(items, effect) if effect else {}
    supposed = None
    if plan is not None:
        supposed = _Supposed(store, dict.fromkeys(items, Effect.DOWN), plan, at, seen)
        topology = supposed.before
    else:
        topology = found(seen[0] if seen else partial(store, roots, as_of=at))
    outage = Outage(topology, roots, at=at, together=False)
    window = hit(store, roots, at, (topology, topology.live))
    affected = tuple(one.id for one in outage.affected)
    return WhatIf(at, window, affected, supposed.compared() if supposed else None)


class _Supposed:
    """The topology as it is, and as it would be with a plan carried out.

    What decides whether an outage fares otherwise are the dependents whose links, or whose providers, are
    otherwise. They are fetched as if they were down, with all that they depend on: so whatever an outage of
    the roots does in either topology is within what was fetched, as effects only grow with the roots.
    """

    def __init__(
        self,
        store: GraphStore,
        roots: Mapping[str, Effect],
        plan: Plan,
        at: int,
        seen: Seen | None,
    ) -> None:
        self.rules, self.roots, self.at = Rules(store.model), roots, at
        changes = changes_of(plan)
        ends = {
            (linked.provider, linked.dependent)
            for change in changes.relationships
            for side in change
            if side is not None and side.type in self.rules.rules
            for linked in (link(self.rules, side),)
        }
        altered = {
            before.id
            for before, after in plan.updated
            if node(self.rules, before) != node(self.rules, after)
        }
        self.dependents = {dependent for _, dependent in ends} | altered
        self.dependents |= self._dependents_of(store, altered)
        standing = self.dependents | {provider for provider, _ in ends}
        asked = {**dict.fromkeys(self.dependents, Effect.DOWN), **roots}
        self.before = found(seen[0] if seen else partial(store, asked, as_of=at, standing=standing))
        self.after = self.before.fork()
        supposed = Revision(at + 1, "", datetime.now(UTC), "", "", "")
        take_up(self.after, Commit(supposed, changes), concerned(self.rules))

    def _dependents_of(self, store: GraphStore, ids: Collection[str]) -> set[str]:
        dependents = set()
        for near in store.neighbours(ids, list(self.rules.rules)) if ids else ():
            linked = link(self.rules, near.relationship)
            if linked.provider == near.of:
                dependents.add(linked.dependent)
        return dependents

    def compared(self) -> Difference:
        before, after = (
            Outage(topology, self.roots, at=self.at, together=False)
            for topology in (self.before, self.after)
        )
        return compare(before, after, self.dependents)


def found(topology: Topology | None) -> Topology:
    """A topology that was fetched without a limit."""
    assert topology is not None, "no limit was set"
    return topology
