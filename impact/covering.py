"""Covering: few causes that explain many alarms at once.

A CI *explains* an alarm where its failure alone impairs what gave it. The one that explains most is taken as
a cause, then the one that explains most of what is left, and so on: the greedy cover of a set (Chvátal, "A
greedy heuristic for the set-covering problem", 1979), which is within a logarithm of the fewest.

A cause need not have given an alarm itself, as a switch without power does not. Such a *silent* one must be
proven: it explains several, and most of what fails directly with it leads to one of them, or is one.
Otherwise what stands high up would be blamed for whatever happens below it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from impact.columns import Longs
from impact.elements import SINGLE
from impact.propagation import propagate
from impact.rules import Effect
from impact.spreading import Spreading
from impact.topology import Topology
from impact.views import View

TRIED: Final = 64
"""Causes of the very same alarms of which it is worked out what else each impairs."""


class Alarm(NamedTuple):
    """A CI that gave an alarm.

    Attributes
    ----------
    effect
        What it is supposed to be, where it is the cause: degraded or down.
    new
        Whether it is still to be explained; others are causes found before, which a better one may explain.
    """

    node: int
    effect: Effect = Effect.DOWN
    new: bool = True


class Proof(NamedTuple):
    """What a silent cause takes: how many alarms it explains at least, and which share of those that
    fail directly with it must be one of them, or lead to one."""

    least: int
    share: float


class Cause(NamedTuple):
    """A cause, and the alarms that it explains and none before it does, by their places."""

    node: int
    silent: bool
    explained: tuple[int, ...]


def causes(
    topology: Topology, alarms: Sequence[Alarm], proof: Proof, view: View | None = None
) -> list[Cause]:
    """The causes that explain two alarms at least, a new one among them; the one that explains most first.

    What none of them explains stands alone. Of CIs that explain the same alarms, one that gave an alarm
    itself is taken, then the one that impairs fewest others, then by id.

    Parameters
    ----------
    alarms
        Each node once.

    O(p log p) for the p pairs of a CI that the alarms stand on and a CI whose failure alone impairs it;
    then a heap of the CIs that explain several.
    """
    if len(alarms) < 2:
        return []
    return list(_Covering(topology, alarms, proof, view or topology.live).causes())


class _Covering:
    def __init__(
        self, topology: Topology, alarms: Sequence[Alarm], proof: Proof, view: View
    ) -> None:
        self.topology, self.alarms, self.proof, self.view = topology, alarms, proof, view
        self.spreading = Spreading(topology, [alarm.node for alarm in alarms], view)
        self.nodes = self.spreading.nodes
        self.gave = {alarm.node: alarm.effect for alarm in alarms}
        whole = [self.gave.get(node, Effect.DOWN) is Effect.DOWN for node in self.nodes.tolist()]
        down = [[n] if w else [] for n, w in zip(self.nodes.tolist(), whole, strict=True)]
        lame = [[] if w else [n] for n, w in zip(self.nodes.tolist(), whole, strict=True)]
        found = self.spreading.impaired(down, lame)
        counts = np.bincount(found.outages, minlength=len(self.nodes))
        self._first = np.concatenate([[0], np.cumsum(counts)])
        self._explained = found.watched
        self._by_alarm = found.outages[np.argsort(found.watched, kind="stable")]
        of_alarm = np.bincount(found.watched, minlength=len(alarms))
        self._alarm_first = np.concatenate([[0], np.cumsum(of_alarm)])
        self._left = np.ones(len(alarms), bool)
        self._ranks = topology.nodes["rank"][self.nodes]

    def causes(self) -> Iterator[Cause]:
        """One after the other, until none explains enough of what is left."""
        heap = [key for place in range(len(self.nodes)) if (key := self._key(place)) is not None]
        heapq.heapify(heap)
        dropped: set[int] = set()
        while heap:
            key = heapq.heappop(heap)
            place = key[-1]
            now = None if place in dropped else self._key(place)
            if now is None:
                continue
            if now != key:
                heapq.heappush(heap, now)
                continue
            explained = self._of(place)
            equals = self._equals(place, explained)
            dropped |= equals
            if not any(self.alarms[n].new for n in explained.tolist()):
                continue
            best = self._best([p for p in equals if self._proven(p, explained)])
            if best is not None:
                self._left[explained] = False
                node = int(self.nodes[best])
                yield Cause(node, node not in self.gave, tuple(explained.tolist()))

    def _of(self, place: int) -> Longs:
        """The alarms that are left and that a node explains."""
        explained = self._explained[self._first[place] : self._first[place + 1]]
        left: Longs = explained[self._left[explained]]
        return left

    def _key(self, place: int) -> tuple[int, bool, int, int] | None:
        """Where a node stands in the order; None if it explains too few."""
        silent = int(self.nodes[place]) not in self.gave
        count = len(self._of(place))
        if count < (max(2, self.proof.least) if silent else 2):
            return None
        return -count, silent, int(self._ranks[place]), place

    def _equals(self, place: int, explained: Longs) -> set[int]:
        """The nodes that explain the very same, this one included."""
        [start, stop] = self._alarm_first[explained[0] : explained[0] + 2]
        return {
            other
            for other in self._by_alarm[start:stop].tolist()
            if other == place or np.array_equal(self._of(other), explained)
        }

    def _proven(self, place: int, explained: Longs) -> bool:
        node = int(self.nodes[place])
        if node in self.gave:
            return True
        if len(explained) < self.proof.least:
            return False
        direct = self._direct(node)
        leading = np.count_nonzero(self.spreading.lead(direct, explained))
        return bool(leading >= self.proof.share * len(direct))

    def _direct(self, node: int) -> Longs:
        """What a node's failure impairs directly, and alone."""
        rows, view = self.topology.rows, self.view
        own = self.topology.rows_from(node)
        own = own[view.active[own]]
        group = rows["group"][own]
        spare = np.zeros(len(own), np.int64)
        spare[group != SINGLE] = view.spare[group[group != SINGLE]]
        direct: Longs = np.unique(rows["dependent"][own[spare == 0]]).astype(np.int64)
        return direct

    def _best(self, places: Sequence[int]) -> int | None:
        gave = [place for place in places if int(self.nodes[place]) in self.gave]
        among = sorted(gave or places, key=lambda place: int(self._ranks[place]))
        if len(among) < 2:
            return among[0] if among else None
        return min(among[:TRIED], key=self._impairs)

    def _impairs(self, place: int) -> int:
        node = int(self.nodes[place])
        effect = self.gave.get(node, Effect.DOWN)
        outcome = propagate(self.topology, {node: effect}, view=self.view)
        return int((outcome.effects >= Effect.DEGRADED).sum())
