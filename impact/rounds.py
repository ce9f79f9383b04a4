"""Rounds of propagation in numpy: what changes in a round follows from the state after the round before.

Each round costs with the rows of the nodes that changed in the round before, and some dozens of calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from impact.columns import Bools, Ints, Longs, joined, paired, split
from impact.rules import Effect
from impact.topology import Topology
from impact.views import View

Effects = NDArray[np.uint8]

ROOT: Final = -1
"""The row of what was given."""
_DENSE: Final = 32
"""One dependent for so many nodes, and a mask of all nodes is the fastest way to see which are new."""
AT_RISK, DEGRADED, DOWN = (np.uint8(e) for e in (Effect.AT_RISK, Effect.DEGRADED, Effect.DOWN))


class Events(NamedTuple):
    """What changed, round after round: nodes, what they are now, by which row, after which event."""

    nodes: NDArray[np.integer]
    effects: Effects
    rows: NDArray[np.integer]
    causes: NDArray[np.integer]
    rounds: Ints


class Losses(NamedTuple):
    """Groups that have lost members: how many were impaired, and how many of those went down."""

    groups: NDArray[np.integer]
    members: Ints


class _Round(NamedTuple):
    """What changed in one round, by id."""

    nodes: Longs
    effects: Effects
    rows: Longs
    causes: Longs


def spread(
    topology: Topology, view: View, given: Mapping[int, int], depth: int | None
) -> tuple[Events, Losses, bool]:
    """What follows when some nodes are given effects, and whether that was all."""
    return _Spread(topology, view).run(given, depth)


class _Spread:
    def __init__(self, topology: Topology, view: View) -> None:
        self.topology, self.view = topology, view
        self._effect: Effects = np.zeros(len(topology), np.uint8)
        self._lost = np.zeros((topology.groups.count, 2), np.int32)
        self._place = np.empty(len(topology), np.int32)

    def run(self, given: Mapping[int, int], depth: int | None) -> tuple[Events, Losses, bool]:
        """Round after round, until nothing changes."""
        nodes = self.topology.in_order(np.fromiter(given, np.int64, len(given)))
        effects = np.asarray([given[node] for node in nodes.tolist()], np.uint8)
        nothing = np.full(len(nodes), ROOT)
        rounds = [_Round(nodes, effects, nothing, nothing)]
        count, complete = 0, True
        while len(rounds[-1].nodes):
            was = self._effect.take(rounds[-1].nodes)
            self._effect[rounds[-1].nodes] = rounds[-1].effects
            follows = self._follows(rounds[-1], was, count)
            if len(rounds) - 1 == depth:
                complete = not len(follows.nodes)
                break
            count += len(rounds[-1].nodes)
            rounds.append(follows)
        sizes = [len(events.nodes) for events in rounds]
        numbers = np.arange(len(sizes), dtype=np.int32).repeat(sizes)
        found = _Round(*map(np.concatenate, zip(*rounds, strict=True)))
        events = Events(*found, numbers)
        groups = np.flatnonzero(self._lost[:, 0])
        return events, Losses(groups, self._lost.take(groups, axis=0)), complete

    def _follows(self, events: _Round, was: Effects, first: int) -> _Round:
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
        worse = np.flatnonzero(passed > self._effect.take(dependent))
        nodes, best = self._worst(dependent.take(worse), passed.take(worse))
        best = worse.take(best)
        causes = travels.take(source.take(best))
        causes += first
        return _Round(nodes, passed.take(best), rows.take(best), causes)

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


def reach(topology: Topology, view: View, roots: Longs) -> NDArray[np.integer]:
    """Every node that can be reached, whatever the rules say, by breadth."""
    new = np.ones(len(topology), bool)
    place = np.empty(len(topology), np.int32)
    frontier = np.unique(roots)
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
