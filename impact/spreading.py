"""What each of many outages impairs, of some watched CIs: for outages that are many and impair little each.

An outage and a CI that it takes down, or degrades, are a *pair*: one number. Pairs are passed on in rounds,
all outages together, until there are no new ones; so it costs with the pairs there are, O(pairs log pairs) a
round, however large the topology. Where few outages take much down, `impact.outages` is cheaper.

What is *down* follows from what else is down, by hard rows and hard groups alone. What is *impaired*, degraded
or worse, begins with that, and with what soft rows and soft groups make degraded of it; the rest follows by
hard rows and hard groups again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from impact.columns import Bools, Ints, Longs
from impact.elements import SINGLE
from impact.outages import Rows, reached
from impact.topology import Topology
from impact.views import View

TOGETHER: Final = 8_192
"""Outages that are worked out together: so many have their pairs in memory."""
_NONE: Final[Longs] = np.empty(0, np.int64)


class Impaired(NamedTuple):
    """Pairs: `watched[n]` is impaired by `outages[n]`, by their places in what was asked; in order of both."""

    outages: Longs
    watched: Longs


class Spreading:
    """The part of a topology that watched CIs stand on, ready to try outages on.

    Parameters
    ----------
    watched
        Nodes, each once; all that failure could not reach them from is left out.

    Attributes
    ----------
    nodes
        What the watched ones stand on, they included: all that can impair one of them.
    """

    def __init__(
        self, topology: Topology, watched: Sequence[int], view: View | None = None
    ) -> None:
        view = view or topology.live
        rows, active = topology.rows, np.flatnonzero(view.active)
        provider, dependent = rows["provider"][active], rows["dependent"][active]
        into = Rows(dependent, provider, len(topology))
        below = reached(into, np.asarray(watched, np.int64), len(topology))
        inside = below[dependent]
        self.nodes: Ints = np.flatnonzero(below).astype(np.int32)
        self._place = np.full(len(topology), -1, np.int64)
        self._place[self.nodes] = np.arange(len(self.nodes))
        self._watched = np.full(len(self.nodes), -1, np.int64)
        self._watched[self._place[np.asarray(watched, np.int64)]] = np.arange(len(watched))
        active, size = active[inside], len(self.nodes)
        near, far = self._place[provider[inside]], self._place[dependent[inside]]
        group, soft = rows["group"][active], rows["soft"][active]
        self._hard = _Ways(near[~soft], far[~soft], group[~soft], view, size)
        self._soft = _Ways(near[soft], far[soft], group[soft], view, size)

    def impaired(
        self, down: Sequence[Sequence[int]], degraded: Sequence[Sequence[int]] = ()
    ) -> Impaired:
        """Which watched CIs are degraded or down in each outage.

        Parameters
        ----------
        down
            Nodes that are down together; those that nothing watched stands on do nothing.
        degraded
            Nodes that are degraded besides, for each outage; empty where there are none.
        """
        outages, watched = [_NONE], [_NONE]
        for start in range(0, len(down), TOGETHER):
            stop = start + TOGETHER
            pairs = self._pairs(down[start:stop], degraded[start:stop])
            outage, node = np.divmod(pairs, max(1, len(self.nodes)))
            seen = self._watched[node]
            outages.append(outage[seen >= 0] + start)
            watched.append(seen[seen >= 0])
        found = Impaired(np.concatenate(outages), np.concatenate(watched))
        order = np.lexsort((found.watched, found.outages))
        return Impaired(found.outages[order], found.watched[order])

    def _pairs(self, down: Sequence[Sequence[int]], degraded: Sequence[Sequence[int]]) -> Longs:
        stopped = self._hard.settled(self._seeds(down))
        lowered = self._soft.passed(stopped, _Counts())
        return self._hard.settled(_union(stopped, lowered, self._seeds(degraded)))

    def _seeds(self, outages: Sequence[Sequence[int]]) -> Longs:
        nodes = self._place[np.asarray([n for nodes in outages for n in nodes], np.int64)]
        counts = np.asarray([len(nodes) for nodes in outages], np.int64)
        outage = np.repeat(np.arange(len(outages)), counts)
        return np.unique((outage * len(self.nodes) + nodes)[nodes >= 0])


class _Counts:
    """How many members of a group are out, in an outage: by pairs of both."""

    def __init__(self) -> None:
        self._pairs, self._counts = _NONE, _NONE

    def add(self, pairs: Longs) -> tuple[Longs, Longs]:
        """Count one more member for each; gives the pairs, each once, with their counts now."""
        named, more = np.unique(pairs, return_counts=True)
        every = _union(self._pairs, named)
        counts = np.zeros(len(every), np.int64)
        counts[np.searchsorted(every, self._pairs)] = self._counts
        places = np.searchsorted(every, named)
        counts[places] += more
        self._pairs, self._counts = every, counts
        return named, counts[places]


class _Ways:
    """Rows of one strength, single ones and groups, by which pairs are passed on."""

    def __init__(self, near: Longs, far: Longs, group: Ints, view: View, size: int) -> None:
        self._size = size
        single = group == SINGLE
        self._single = Rows(near[single], far[single], size)
        groups, number = np.unique(group[~single], return_inverse=True)
        self._grouped = Rows(near[~single], number.astype(np.int64), size)
        self._dependent = np.zeros(len(groups), np.int64)
        self._dependent[number] = far[~single]
        self._enough = view.spare[groups].astype(np.int64) + 1

    def settled(self, pairs: Longs) -> Longs:
        """All pairs that follow from some, they included."""
        counts, new = _Counts(), pairs
        while len(new):
            passed = self.passed(new, counts)
            new = passed[~_among(passed, pairs)]
            pairs = _union(pairs, new)
        return pairs

    def passed(self, pairs: Longs, counts: _Counts) -> Longs:
        """What follows at once from pairs that are new."""
        if not self._size:
            return _NONE
        outage, node = np.divmod(pairs, self._size)
        which, far = self._single.placed(node)
        single = outage[which] * self._size + far
        which, group = self._grouped.placed(node)
        groups = max(1, len(self._enough))
        named, out = counts.add(outage[which] * groups + group)
        outage, group = np.divmod(named, groups)
        failed = out >= self._enough[group]
        grouped = outage[failed] * self._size + self._dependent[group[failed]]
        return _union(single, grouped)


def _union(*parts: Longs) -> Longs:
    found: Longs = np.unique(np.concatenate(parts))
    return found


def _among(values: Longs, sorted_: Longs) -> Bools:
    """Which of some values are among others."""
    if not len(sorted_):
        return np.zeros(len(values), bool)
    places = np.searchsorted(sorted_, values)
    places[places == len(sorted_)] = 0
    found: Bools = sorted_[places] == values
    return found
