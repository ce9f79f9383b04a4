"""Adjacency: the rows that a node stands in, as provider or as dependent."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from impact.columns import Bools, Columns, Ints, Longs, begins, ordering
from impact.views import View

_MANY: Final = 2_000
"""Nodes among which it is worth looking for those whose rows stand side by side."""


class Adjacency:
    """Rows by provider and by dependent: compressed sparse rows, and a tail of those added later.

    Parameters
    ----------
    rows
        Columns ``provider``, ``dependent``, ``rule``, ``onward`` (see `onward`), those that are there now
        sorted by provider and rule.
    into
        The same rows by dependent.
    nodes
        How many there are.

    Attributes
    ----------
    sorted
        How many rows are not in the tail.
    first
        Where those of each node as provider begin.
    """

    def __init__(self, rows: Columns, into: Longs, nodes: int) -> None:
        self._rows, self._nodes = rows, nodes
        self.sorted = rows.count
        self.first = begins(rows["provider"], nodes)
        self._into, self._into_first = into.astype(np.int32), begins(rows["dependent"], nodes)
        self._tail = np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, bool)

    @property
    def nbytes(self) -> int:
        arrays: list[NDArray[Any]] = [self.first, self._into, self._into_first, *self._tail]
        return sum(array.nbytes for array in arrays)

    def fork(self, rows: Columns) -> Adjacency:
        """The same for a fork of the rows."""
        fork = object.__new__(Adjacency)
        fork.__dict__.update(self.__dict__, _rows=rows)
        return fork

    # -- of one node, whether they hold or not ----------------------------------------------------

    def rows_from(self, node: int) -> Longs:
        return self._of(node, "provider", self.first, None)

    def rows_into(self, node: int) -> Longs:
        return self._of(node, "dependent", self._into_first, self._into)

    def _of(self, node: int, end: str, first: Ints, order: Ints | None) -> Longs:
        tail = np.flatnonzero(self._rows[end][self.sorted :] == node) + self.sorted
        if node >= self._nodes:
            return tail
        begin, until = first[node], first[node + 1]
        own = np.arange(begin, until) if order is None else order[begin:until]
        return np.concatenate([own, tail])

    # -- from many nodes, as far as they hold -----------------------------------------------------

    def fan_out(self, nodes: Longs, view: View) -> tuple[Longs, Longs]:
        """The rows that have one of some nodes as provider, and which of them it is.

        They are in the order of the nodes given, and for each node in that of the rules.
        """
        begin, end = self._spans(nodes)
        source = np.arange(len(nodes)).repeat(end - begin)
        rows = _within(begin, end, source)
        more, which = self._in_tail(nodes)
        if len(more):
            rows, source = np.concatenate([rows, more]), np.concatenate([source, which])
            order = ordering(source, self._rows["rule"].take(rows))
            rows, source = rows.take(order), source.take(order)
        if view.inactive:
            held = np.flatnonzero(view.active.take(rows))
            if len(held) < len(rows):
                rows, source = rows.take(held), source.take(held)
        return rows, source

    def onward(self, rows: Longs) -> tuple[Longs, Ints, NDArray[np.uint8]]:
        """Of some rows: the dependent, the group, and 1 where they are soft; read from one place."""
        words = self._rows["onward"].take(rows)
        way = words.astype(np.int32)
        return words >> 32, (way >> 1) - 1, (way & 1).astype(np.uint8)

    def dependents(self, nodes: Longs, view: View) -> Ints:
        """The dependents in the rows that `fan_out` would give, in no order."""
        begin, end = self._spans(nodes)
        if len(nodes) > _MANY:  # what begins where another ends is one span with it
            apart = np.flatnonzero(begin[1:] != end[:-1])
            if len(apart) * 4 < len(nodes):
                begin = np.concatenate([begin[:1], begin.take(apart + 1)])
                end = np.concatenate([end.take(apart), end[-1:]])
        rows = _within(begin, end)
        more, _ = self._in_tail(nodes)
        if len(more):
            rows = np.concatenate([rows, more])
        if view.inactive:
            rows = rows.compress(view.active.take(rows))
        return self._rows["dependent"].take(rows)

    def _spans(self, nodes: Longs) -> tuple[Ints, Ints]:
        """Where the sorted rows of some nodes as provider begin and end."""
        return self.first.take(nodes, mode="clip"), self.first[1:].take(nodes, mode="clip")

    def _in_tail(self, nodes: Longs) -> tuple[Longs, Longs]:
        """The rows in the tail that have one of some nodes as provider, and which of them it is."""
        providers, rows, any_ = self.late
        if not len(rows):
            return rows, rows
        which = np.flatnonzero(any_.take(nodes, mode="clip"))
        own = nodes.take(which).astype(np.int32)
        begin, end = (np.searchsorted(providers, own, side) for side in ("left", "right"))
        source = np.arange(len(own)).repeat(end - begin)
        return rows.take(_within(begin, end, source)), which.take(source)

    @property
    def late(self) -> tuple[Ints, Longs, Bools]:
        """Of the rows in the tail: their providers, sorted; they; whether each node is one of those."""
        if len(self._tail[0]) < self._rows.count - self.sorted:
            provider = self._rows["provider"][self.sorted :]
            order = ordering(provider)
            any_ = np.zeros(int(provider.max()) + 2, bool)
            any_[provider] = True
            self._tail = provider.take(order), order + self.sorted, any_
        return self._tail


def word(dependent: Any, group: Any, soft: Any) -> Any:
    """The entry of the column ``onward``: what `Adjacency.onward` takes apart."""
    return dependent << 32 | (group + 1) << 1 | soft


def _within(
    begin: NDArray[np.integer], end: NDArray[np.integer], source: Longs | None = None
) -> Longs:
    """All numbers of some spans; ``source`` has the place of each one's span, if that is known."""
    shift = end - (end - begin).cumsum(dtype=end.dtype)
    shift = shift.repeat(end - begin) if source is None else shift.take(source)
    numbers = np.arange(len(shift))
    numbers += shift
    return numbers
