"""The ids of nodes: which node has an id, and which of two nodes comes first by id."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from typing import Final
from uuid import UUID

import numpy as np

from impact.columns import Columns, Longs, ordering

_APART: Final = 32
"""Bits between the ranks of two nodes, for those whose ids come in between later."""
_FEW: Final = 1_000
"""Nodes that are sorted faster by comparing them."""
_DENSE: Final = 16
"""One in so many nodes, and they are sorted faster by marking them among all."""


class Ids:
    """Ids by node number. They ascend with it, but for those that were added later.

    Parameters
    ----------
    nodes
        Columns ``id`` (16 bytes) and ``rank``, which this keeps ascending with the id.
    """

    def __init__(self, nodes: Columns) -> None:
        self._nodes = nodes
        self.sorted = nodes.count
        nodes.set("rank", slice(None), np.arange(len(nodes["id"]), dtype=np.int64) << _APART)
        self._late: dict[bytes, int] = {}
        self._late_ids: list[bytes] = []
        self._ranked = 0
        # of the late ids in their order: the nodes, and how many of the sorted ids are before each
        self._late_nodes, self._places = np.empty(0, np.int64), np.empty(0, np.int64)

    @property
    def late(self) -> int:
        """How many were added later."""
        return len(self._late)

    def __getitem__(self, node: int) -> str:
        return str(UUID(bytes=_whole(self._nodes["id"][node])))

    def find(self, ids: Iterable[str]) -> list[int | None]:
        """The nodes of some ids; None for those that are none."""
        asked = [as_bytes(id) for id in ids]
        known = self._nodes["id"][: self.sorted]
        places = np.searchsorted(known, np.asarray(asked, "S16")).tolist()
        return [
            place if place < self.sorted and _whole(known[place]) == id else self._late.get(id)
            for id, place in zip(asked, places, strict=True)
        ]

    def add(self, node: int) -> None:
        """Take up a node with a new id; `rank` puts it in its place."""
        id = _whole(self._nodes["id"][node])
        among = bisect(self._late_ids, id)
        self._late[id] = node
        self._late_ids.insert(among, id)
        place = np.searchsorted(self._nodes["id"][: self.sorted], np.asarray(id, "S16"))
        self._late_nodes = np.insert(self._late_nodes, among, node)
        self._places = np.insert(self._places, among, place)

    def rank(self) -> None:
        """Give those added since their ranks, between those of the ids before and after."""
        if self._ranked == self.late:
            return
        self._ranked = self.late
        ranks = (self._places << _APART) - self.late + np.arange(self.late)
        self._nodes.set("rank", self._late_nodes, ranks)

    def in_order(self, nodes: Longs) -> Longs:
        """Nodes, no two the same, in the order of their ids."""
        if not self.late:
            return _ascending(nodes, self.sorted)
        late = nodes.compress(nodes >= self.sorted)
        ranks = self._nodes["rank"].take(late)
        late, places = late.take(ranks.argsort()), np.sort(ranks) >> _APART
        early = _ascending(nodes.compress(nodes < self.sorted), self.sorted)
        return np.insert(early, early.searchsorted(places, "right"), late)

    def fork(self, nodes: Columns) -> Ids:
        """The same for a fork of the nodes."""
        fork = object.__new__(Ids)
        fork.__dict__.update(self.__dict__)
        fork._nodes = nodes
        fork._late, fork._late_ids = dict(self._late), list(self._late_ids)
        return fork


def _ascending(nodes: Longs, count: int) -> Longs:
    """Sorted numbers, all below a count."""
    if len(nodes) < _FEW:
        return np.sort(nodes)
    if len(nodes) * _DENSE < count:
        return nodes.take(ordering(nodes))
    present = np.zeros(count, bool)
    present[nodes] = True
    return np.flatnonzero(present)


def as_bytes(id: str) -> bytes:
    """An id as it is kept; what is no id is one that nothing has."""
    try:
        return UUID(id).bytes
    except ValueError:
        return b""


def _whole(kept: bytes) -> bytes:
    """An id as it was put in: numpy takes zero bytes off the end."""
    return bytes(kept).ljust(16, b"\0")
