"""Propagation: from the CIs that fail first to everything that is affected.

The rules are monotone on a finite lattice, so the least fixpoint is the same whatever the order. It is
reached in synchronous rounds: what changes in a round follows from what was true at the end of the round
before. The round in which a CI got its effect is its *distance*; what made it so in that round, the
provider with the lowest id where several did, is the step of its explaining path. So these too depend
on the order of nothing. Along single providers a path is a shortest one; through a group it is as long
as it takes the last of the members that tip it.

A member has made a group what it is only if it counts there: a degraded one does not take it down. So an
effect never gets worse along a path, and a path never comes to the same CI twice.

Each round costs with the rows of the nodes that changed in the round before, in numpy throughout.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from impact.columns import Bools, Ints, Longs, joined, paired, split
from impact.rules import Effect
from impact.topology import Topology
from impact.views import View

Effects = NDArray[np.uint8]

ROOT: Final = -1
_DENSE: Final = 32
"""One dependent for so many nodes, and a mask of all nodes is the fastest way to see which are new."""
AT_RISK, DEGRADED, DOWN = (np.uint8(e) for e in (Effect.AT_RISK, Effect.DEGRADED, Effect.DOWN))


class Step(NamedTuple):
    """One step of an explaining path: a CI got an effect, by a row (`ROOT` where it was given it)."""

    node: int
    effect: Effect
    distance: int
    row: int


class _Events(NamedTuple):
    """What changed in a round, by id: nodes, what they are now, by which row, after which event."""

    nodes: Longs
    effects: Effects
    rows: Longs
    causes: Longs


class Propagation:
    """The outcome.

    Attributes
    ----------
    nodes
        All affected nodes, by round, then by id.
    effects, distances, rows
        Of each of them; the row is the last step of its path.
    effect
        Of every node.
    impaired, down
        Of every group: how many members are degraded or down, and how many are down.
    complete
        Whether it went to the end; otherwise ``depth`` rounds were not enough.
    """

    def __init__(
        self, topology: Topology, view: View, roots: Mapping[int, Effect], depth: int | None
    ) -> None:
        self.topology, self.view = topology, view
        self.effect: Effects = np.zeros(len(topology), np.uint8)
        self._lost = np.zeros((topology.groups.count, 2), np.int32)
        self.impaired, self.down = self._lost[:, 0], self._lost[:, 1]
        self._place = np.empty(len(topology), np.int32)
        self.complete = True
        rounds = self._run(roots, depth)
        sizes = [len(events.nodes) for events in rounds]
        self._events = _Events(*map(np.concatenate, zip(*rounds, strict=True)))
        self._round = np.arange(len(sizes), dtype=np.int32).repeat(sizes)
        # an effect only ever gets worse, so a node's last event is the one with the effect it has
        last = np.flatnonzero(self._events.effects == self.effect.take(self._events.nodes))
        self.nodes: Longs = self._events.nodes.take(last)
        self.effects: Effects = self._events.effects.take(last)
        self.distances: Ints = self._round.take(last)
        self.rows: Longs = self._events.rows.take(last)

    def _run(self, roots: Mapping[int, Effect], depth: int | None) -> list[_Events]:
        """Round after round, until nothing changes."""
        given = {node: effect for node, effect in roots.items() if effect}
        nodes = self.topology.in_order(np.fromiter(given, np.int64, len(given)))
        effects = np.asarray([given[node] for node in nodes.tolist()], np.uint8)
        nothing = np.full(len(nodes), ROOT)
        rounds = [_Events(nodes, effects, nothing, nothing)]
        count = 0
        while len(rounds[-1].nodes):
            was = self.effect.take(rounds[-1].nodes)
            self.effect[rounds[-1].nodes] = rounds[-1].effects
            follows = self._follows(rounds[-1], was, count)
            if len(rounds) - 1 == depth:
                self.complete = not len(follows.nodes)
                break
            count += len(rounds[-1].nodes)
            rounds.append(follows)
        return rounds

    def _follows(self, events: _Events, was: Effects, first: int) -> _Events:
        """What follows in a round from the events of the round before.

        Parameters
        ----------
        was
            What the nodes of those events were before them.
        first
            The number of the first of those events.
        """
        travels = np.flatnonzero(events.effects >= DEGRADED)
        now = events.effects.take(travels)
        rows, source = self.topology.adjacency.fan_out(events.nodes.take(travels), self.view)
        dependent, group, soft = self.topology.adjacency.onward(rows)
        passed = now.take(source)
        joint = np.flatnonzero(group >= 0)
        if len(joint):
            fresh = was.take(travels) < DEGRADED
            passed[joint] = self._joint(group.take(joint), source.take(joint), now, fresh)
        np.subtract(passed, soft, out=passed, where=passed > 0)
        worse = np.flatnonzero(passed > self.effect.take(dependent))
        nodes, best = self._worst(dependent.take(worse), passed.take(worse))
        best = worse.take(best)
        causes = travels.take(source.take(best))
        causes += first
        return _Events(nodes, passed.take(best), rows.take(best), causes)

    def _joint(self, group: Ints, source: Longs, now: Effects, fresh: Bools) -> Effects:
        """What some groups pass on by those of their members that have made them so.

        Parameters
        ----------
        group, source
            Of each row: its group, and which of the changed nodes is its provider.
        now, fresh
            Of each changed node: its effect, and whether it was neither degraded nor down before.
        """
        down = now == DOWN
        np.add.at(joined(self._lost), group, joined(paired(fresh, down)).take(source))
        lost, spare = split(joined(self._lost).take(group)), self.view.spare.take(group)
        short, gone = lost[:, 0] > spare, lost[:, 1] > spare
        passed = AT_RISK + short.view(np.uint8) + gone.view(np.uint8)
        passed *= np.where(gone, down.take(source), fresh.take(source))
        return passed

    def _worst(self, dependent: Longs, passed: Effects) -> tuple[Longs, Longs]:
        """For each dependent once, by id, the first place where the worst is passed to it."""
        place = self._place
        for effect in np.flatnonzero(np.bincount(passed)).astype(np.uint8):
            places = np.flatnonzero(passed == effect)[::-1].astype(np.int32)
            place[dependent.take(places)] = places  # of several, the last set stays
        first = place.take(dependent) == np.arange(len(dependent), dtype=np.int32)
        nodes = self.topology.in_order(dependent.compress(first))
        return nodes, place.take(nodes).astype(np.int64)

    # -- the outcome ------------------------------------------------------------------------------

    def path(self, node: int) -> list[Step]:
        """Why a node is affected: from it back to a root."""
        events, steps = self._events, []
        event = int(self._last[node]) if self.effect[node] else ROOT
        while event != ROOT:
            steps.append(
                Step(
                    int(events.nodes[event]),
                    Effect(int(events.effects[event])),
                    int(self._round[event]),
                    int(events.rows[event]),
                )
            )
            event = int(events.causes[event])
        return steps

    @cached_property
    def _last(self) -> Ints:
        """The last event of each affected node, where the rounds had their places."""
        last = self._place
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


def reachable(topology: Topology, roots: ArrayLike, view: View | None = None) -> Longs:
    """The plain question: every node that failure could get to, whatever the rules say, by breadth.

    For comparison with searches that know no effects.
    """
    view = view or topology.live
    new = np.ones(len(topology), bool)
    place = np.empty(len(topology), np.int32)
    frontier = np.unique(np.asarray(roots, np.int64))
    found = [frontier]
    while len(frontier):
        new[frontier] = False
        dependent = topology.adjacency.dependents(frontier, view)
        if len(dependent) * _DENSE > len(topology):
            hit = np.zeros(len(topology), bool)
            hit[dependent] = True
            hit &= new
            frontier = np.flatnonzero(hit)
        else:
            dependent = dependent.compress(new.take(dependent)).astype(np.int64)
            places = np.arange(len(dependent), dtype=np.int32)
            place[dependent] = places
            frontier = dependent.compress(place.take(dependent) == places)
        found.append(frontier)
    return np.concatenate(found)
