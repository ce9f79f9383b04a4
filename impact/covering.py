"""Covering: few causes that explain many alarms at once.

A CI *explains* an alarm where its failure alone impairs what gave it. The one that explains most is taken as
a cause, then the one that explains most of what is left, and so on: the greedy cover of a set (Chvátal, "A
greedy heuristic for the set-covering problem", 1979), which is within a logarithm of the fewest.

A cause need not have given an alarm itself, as a switch without power does not. Such a *silent* one must be
proven: of one type, several that it explains gave an alarm, and they are most of that type that it impairs.
Not all types are watched; but without that, what stands high up would be blamed for whatever happens below it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from impact.columns import Longs
from impact.propagation import propagate
from impact.rules import Effect
from impact.spreading import Spreading
from impact.topology import Topology
from impact.views import View


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
    """What a silent cause takes: of one record type it explains so many alarms at least, and they are so
    large a share of all others of that type that it impairs."""

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
        names = [kind.type for kind in topology.kinds]
        number = np.asarray([names.index(name) for name in names], np.int64)
        self._types = number[topology.nodes["kind"]]
        self._known: dict[int, Longs] = {}
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
        if int(self.nodes[place]) in self.gave:
            return True
        gave = np.asarray([self.alarms[n].node for n in explained.tolist()])
        some = np.bincount(self._types[gave], minlength=len(self.topology.kinds))
        if some.max() < self.proof.least:
            return False
        every = np.bincount(self._types[self._impaired(place)], minlength=len(some))
        every[self._types[self.nodes[place]]] -= 1  # it says nothing itself
        return bool(((some >= self.proof.least) & (some >= self.proof.share * every)).any())

    def _best(self, places: Sequence[int]) -> int | None:
        gave = [place for place in places if int(self.nodes[place]) in self.gave]
        among = sorted(gave or places, key=lambda place: int(self._ranks[place]))
        return min(among, key=lambda place: len(self._impaired(place)), default=None)

    def _impaired(self, place: int) -> Longs:
        """What a node impairs, it included."""
        if place not in self._known:
            node = int(self.nodes[place])
            effect = self.gave.get(node, Effect.DOWN)
            outcome = propagate(self.topology, {node: effect}, view=self.view)
            self._known[place] = outcome.nodes[outcome.effects >= Effect.DEGRADED].astype(np.int64)
        return self._known[place]
