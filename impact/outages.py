"""Many outages at once: which of some watched CIs each of them takes down.

Only *down* is asked for. What is down follows from what else is down, by hard rows and hard groups
alone, so one bit is enough for a CI in an outage: a column of words holds many outages, and each round
does its work for all of them together (bit-parallel, as in the simulation of faults in circuits:
Seshu, "On an improved diagnosis program", 1965).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from impact.columns import Bools, Ints, Longs
from impact.elements import SINGLE
from impact.topology import Topology
from impact.views import View

Words = NDArray[np.uint64]
Numbers = NDArray[Any]

WORDS: Final = 16
"""Words of 64 outages that are worked out together."""


class Outages:
    """The part of a topology that watched CIs stand on, ready to try outages on.

    Parameters
    ----------
    watched
        Nodes; all that failure could not reach them from is left out.

    Attributes
    ----------
    nodes
        What the watched ones stand on, they included: all that can take one of them down.
    """

    def __init__(
        self, topology: Topology, watched: Sequence[int], view: View | None = None
    ) -> None:
        view = view or topology.live
        rows = topology.rows
        hard = np.flatnonzero(view.active & ~rows["soft"])
        provider, dependent = rows["provider"][hard], rows["dependent"][hard]
        into = Rows(dependent, provider, len(topology))
        below = reached(into, np.asarray(watched, np.int32), len(topology))
        inside = below[dependent]
        provider, dependent, group = (
            provider[inside],
            dependent[inside],
            rows["group"][hard][inside],
        )
        self.nodes: Ints = np.flatnonzero(below).astype(np.int32)
        place = np.full(len(topology), -1, np.int32)
        place[self.nodes] = np.arange(len(self.nodes), dtype=np.int32)
        self._place, self._watched = place, place[np.asarray(watched, np.int32)]
        provider, dependent = place[provider], place[dependent]
        single = group == SINGLE
        self._single = Rows(provider[single], dependent[single], len(self.nodes))
        groups, number = np.unique(group[~single], return_inverse=True)
        member, owner = provider[~single], dependent[~single]
        self._grouped = Rows(member, number.astype(np.int32), len(self.nodes))
        order = np.argsort(number, kind="stable")
        self._member = member[order]
        self._first = np.zeros(len(groups) + 1, np.int64)
        np.cumsum(np.bincount(number, minlength=len(groups)), out=self._first[1:])
        self._dependent = np.zeros(len(groups), np.int32)
        self._dependent[number] = owner
        members = view.members[groups]
        self._enough = view.spare[groups] + 1
        self._members = members

    def down(self, outages: Sequence[Sequence[int]]) -> Bools:
        """Which watched CIs are down in each outage.

        Parameters
        ----------
        outages
            Nodes that are down together; those that nothing watched stands on do nothing.

        Returns
        -------
        array
            One row an outage, one column a watched CI, in their orders.
        """
        found = np.zeros((len(outages), len(self._watched)), bool)
        size = 64 * WORDS
        for start in range(0, len(outages), size):
            some = outages[start : start + size]
            nodes = np.asarray([n for nodes in some for n in nodes], np.int32)
            number = np.repeat(np.arange(len(some)), [len(nodes) for nodes in some])
            state = self._settled(self._place[nodes], number)
            bits = np.unpackbits(state[self._watched].view(np.uint8), axis=1, bitorder="little")
            found[start : start + size] = bits.T[: len(some)].astype(bool)
        return found

    def _settled(self, nodes: Ints, outage: Longs) -> Words:
        """The least fixpoint: for each node the outages in which it is down."""
        state = np.zeros((len(self.nodes), WORDS), np.uint64)
        inside = nodes >= 0
        nodes, outage = nodes[inside], outage[inside]
        np.bitwise_or.at(
            state, (nodes, outage // 64), np.uint64(1) << (outage % 64).astype(np.uint64)
        )
        changed = np.unique(nodes)
        while len(changed):
            gains: list[tuple[Ints, Words]] = []
            provider, dependent = self._single.of(changed)
            if len(provider):
                gains.append((dependent, state[provider]))
            _, touched = self._grouped.of(changed)
            if len(touched):
                groups = np.unique(touched)
                gains.append((self._dependent[groups], self._failed(groups, state)))
            if not gains:
                break
            into = np.concatenate([nodes for nodes, _ in gains])
            words = np.concatenate([words for _, words in gains])
            order = np.argsort(into, kind="stable")
            into = into[order]
            first = np.flatnonzero(np.r_[True, into[1:] != into[:-1]])
            gained = np.bitwise_or.reduceat(words[order], first, axis=0)
            into = into[first]
            news = (gained & ~state[into]).any(axis=1)
            changed = into[news]
            state[changed] |= gained[news]
        return state

    def _failed(self, groups: Ints, state: Words) -> Words:
        """For each of some groups, the outages that leave fewer members than it needs."""
        counts = self._members[groups]
        first = np.zeros(len(groups), np.int64)
        np.cumsum(counts[:-1], out=first[1:])
        shift = np.repeat(self._first[groups] - first, counts)
        members = self._member[np.arange(int(counts.sum())) + shift]
        enough = self._enough[groups]
        failed = np.bitwise_and.reduceat(state[members], first, axis=0)  # all must fail
        any_ = np.flatnonzero((enough == 1) & (counts > 1))
        if len(any_):
            failed[any_] = np.bitwise_or.reduceat(state[members], first, axis=0)[any_]
        for group in np.flatnonzero((enough > 1) & (enough < counts)):
            own = state[members[first[group] : first[group] + counts[group]]]
            bits = np.unpackbits(own.view(np.uint8), axis=1, bitorder="little")
            failed[group] = np.packbits(
                bits.sum(axis=0, dtype=np.int32) >= enough[group], bitorder="little"
            ).view(np.uint64)
        return np.asarray(failed)


class Rows:
    """Pairs sorted by their first member."""

    def __init__(self, near: Numbers, far: Numbers, size: int) -> None:
        order = np.argsort(near, kind="stable")
        self._far = far[order]
        self._first = np.zeros(size + 1, np.int64)
        np.cumsum(np.bincount(near, minlength=size), out=self._first[1:])

    def of(self, near: Numbers) -> tuple[Numbers, Numbers]:
        """All pairs of some first members."""
        places, far = self.placed(near)
        return near[places], far

    def placed(self, near: Numbers) -> tuple[Longs, Numbers]:
        """For all pairs of some first members: the place of the member among them, and the other one."""
        counts = self._first[near + 1] - self._first[near]
        shift = np.repeat(self._first[near] - (np.cumsum(counts) - counts), counts)
        places = np.repeat(np.arange(len(near)), counts)
        return places, self._far[np.arange(int(counts.sum())) + shift]


def reached(into: Rows, roots: Numbers, size: int) -> Bools:
    """What some nodes stand on, they included.

    Parameters
    ----------
    into
        Dependent -> provider.
    """
    seen = np.zeros(size, bool)
    seen[roots] = True
    while len(roots):
        _, found = into.of(roots)
        roots = np.unique(found[~seen[found]])
        seen[roots] = True
    return seen


def backwards(topology: Topology, marks: Sequence[int], view: View | None = None) -> Words:
    """For each node, which of some marked nodes failure could get to from it: one bit for each."""
    view = view or topology.live
    rows = np.flatnonzero(view.active)
    into = Rows(topology.rows["dependent"][rows], topology.rows["provider"][rows], len(topology))
    state = np.zeros((len(topology), -(-len(marks) // 64) or 1), np.uint64)
    for number, node in enumerate(marks):
        state[node, number // 64] |= np.uint64(1 << number % 64)
    changed = np.unique(np.asarray(marks, np.int32))
    while len(changed):
        near, far = into.of(changed)
        if not len(near):
            break
        order = np.argsort(far, kind="stable")
        far = far[order]
        first = np.flatnonzero(np.r_[True, far[1:] != far[:-1]])
        gained = np.bitwise_or.reduceat(state[near[order]], first, axis=0)
        far = far[first]
        news = (gained & ~state[far]).any(axis=1)
        changed = far[news]
        state[changed] |= gained[news]
    return state
