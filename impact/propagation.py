"""Propagation: from the CIs that fail first to everything that is affected.

The rules are monotone on a finite lattice, so the least fixpoint is the same whatever the order. It is
reached in synchronous rounds: what changes in a round follows from what was true at the end of the round
before. The round in which a CI got its effect is its *distance*; what made it so in that round, the
provider with the lowest id where several did, is the step of its explaining path. So these too depend
on the order of nothing. Along single providers a path is a shortest one; through a group it is as long
as it takes the last of the members that tip it.

A member has made a group what it is only if it counts there: a degraded one does not take it down. So an
effect never gets worse along a path, and a path never comes to the same CI twice.

The rounds are worked out in numpy (`rounds`), or by machine code where that pays (`compiled`): what they
find is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from impact import compiled, rounds
from impact.columns import Ints, Longs
from impact.compiled import COMPILED
from impact.rounds import Effects
from impact.rules import Effect
from impact.topology import Topology
from impact.views import View

ROOT: Final = rounds.ROOT
_EFFECTS: Final = tuple(Effect)
_FEW: Final = 4
"""Paths that are found without a table."""


class Step(NamedTuple):
    """One step of an explaining path: a CI got an effect, by a row (`ROOT` where it was given it)."""

    node: int
    effect: Effect
    distance: int
    row: int


class Propagation:
    """The outcome.

    Attributes
    ----------
    complete
        Whether it went to the end; otherwise ``depth`` rounds were not enough.
    """

    def __init__(
        self, topology: Topology, view: View, roots: Mapping[int, Effect], depth: int | None
    ) -> None:
        self.topology, self.view = topology, view
        given = {node: int(effect) for node, effect in roots.items() if effect}
        if COMPILED.spread is not None:
            found = compiled.spread(COMPILED.spread, topology, view, given, depth)
        else:
            with COMPILED.instead():
                found = rounds.spread(topology, view, given, depth)
        self._events, self._losses, self.complete = found
        self._asked = 0

    # -- of every node and group ------------------------------------------------------------------

    @cached_property
    def effect(self) -> Effects:
        """Of every node."""
        effect = np.zeros(len(self.topology), np.uint8)
        effect[self._events.nodes] = self._events.effects  # of several, the last set stays
        return effect

    @cached_property
    def _lost(self) -> Ints:
        lost = np.zeros((self.topology.groups.count, 2), np.int32)
        lost[self._losses.groups] = self._losses.members
        return lost

    @property
    def impaired(self) -> Ints:
        """Of every group: how many members are degraded or down."""
        return self._lost[:, 0]

    @property
    def down(self) -> Ints:
        """Of every group: how many members are down."""
        return self._lost[:, 1]

    # -- of the affected nodes, by round, then by id ----------------------------------------------

    @cached_property
    def _listed(self) -> Longs:
        """The event with which each came to what it is."""
        events = self._events
        # an effect only ever gets worse, so a node's last event is the one with the effect it has
        last = np.flatnonzero(events.effects == self.effect.take(events.nodes))
        rank = self.topology.nodes["rank"].take(events.nodes.take(last))
        return last.take(np.lexsort((rank, events.rounds.take(last))))

    @property
    def nodes(self) -> NDArray[np.integer]:
        """All affected nodes."""
        return self._events.nodes.take(self._listed)

    @property
    def effects(self) -> Effects:
        """What each of them is."""
        return self._events.effects.take(self._listed)

    @property
    def distances(self) -> Ints:
        """The round in which each became so."""
        return self._events.rounds.take(self._listed)

    @property
    def rows(self) -> NDArray[np.integer]:
        """The last step of the path of each."""
        return self._events.rows.take(self._listed)

    def counts(self) -> dict[str, int]:
        """Affected nodes by effect, the worst first."""
        found = np.bincount(self.effect, minlength=len(Effect))
        return {effect.word: int(found[effect]) for effect in reversed(Effect) if effect}

    # -- paths ------------------------------------------------------------------------------------

    def path(self, node: int) -> list[Step]:
        """Why a node is affected: from it back to a root.

        The first few look through all events; from then on there is a table of one entry a node.
        """
        nodes, effects, rows, causes, distances = self._events
        steps = []
        event = self._last(node)
        while event != ROOT:
            effect = _EFFECTS[effects.item(event)]
            steps.append(Step(nodes.item(event), effect, distances.item(event), rows.item(event)))
            event = causes.item(event)
        return steps

    def _last(self, node: int) -> int:
        """The last event of a node."""
        self._asked += 1
        if self._asked > _FEW:
            return int(self._table[node])
        found = np.flatnonzero(self._events.nodes == node)
        return int(found[-1]) if len(found) else ROOT

    @cached_property
    def _table(self) -> Ints:
        last = np.full(len(self.topology), ROOT, np.int32)
        last[self._events.nodes] = np.arange(len(self._events.nodes), dtype=np.int32)
        return last


def propagate(
    topology: Topology,
    roots: Mapping[int, Effect],
    *,
    view: View | None = None,
    depth: int | None = None,
) -> Propagation:
    """Who is affected when some CIs fail.

    Parameters
    ----------
    roots
        Node -> the effect it is given.
    view
        The moment; what holds now if there is none.
    depth
        So many rounds at most.

    Returns
    -------
    Propagation
        O(rows of the affected nodes) beside arrays of one entry a node and group.
    """
    return Propagation(topology, view or topology.live, roots, depth)


def reachable(
    topology: Topology, roots: ArrayLike, view: View | None = None
) -> NDArray[np.integer]:
    """The plain question: every node that failure could get to, whatever the rules say, by breadth."""
    view, nodes = view or topology.live, np.asarray(roots, np.int64)
    if COMPILED.reach is not None:
        return compiled.reach(COMPILED.reach, topology, view, nodes)
    with COMPILED.instead():
        return rounds.reach(topology, view, nodes)
