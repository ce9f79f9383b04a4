"""The order of boxes and lanes in their rows, so that few lines cross: barycentre sweeps."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

_SWEEPS: Final = 24
EFFORT: Final = 200_000
"""Nodes that may be looked at in all sweeps together, beyond the least there is to do."""
_LONGEST: Final = 60
"""Rows that a way passes in lanes; a longer one is drawn behind the boxes."""

Way = tuple[int, int, int]
"""(dependent, provider, slot): which of its slots a way leaves the dependent by."""


class Hop(NamedTuple):
    """One piece of one or more ways: from a box or lane to another in a neighbouring row.

    In a cycle it may go up, or turn around beside the box it comes from, in the same row.
    """

    start: int
    slot: int
    end: int


class Grid:
    """Nodes in rows: boxes, then lanes.

    Parameters
    ----------
    routes
        By number of the way.
    place
        Where in their rows the boxes are at first.
    """

    def __init__(
        self, row: Sequence[int], routes: Mapping[int, Way], place: Sequence[float]
    ) -> None:
        self.row = list(row)
        self.hops: dict[Hop, list[int]] = {}
        self.place = [float(value) for value in place[: len(row)]]
        self._lanes: dict[tuple[str, int, int, int], int] = {}
        into = Counter(
            (provider, row[dependent] < row[provider]) for dependent, provider, _ in routes.values()
        )
        out = Counter((dependent, slot) for dependent, _, slot in routes.values())
        for number, (dependent, provider, slot) in routes.items():
            first, last = row[dependent], row[provider]
            if abs(last - first) > _LONGEST:
                passed = [self._lane("up", provider, 0, first)] * (first > last)
            elif first >= last:
                passed = [self._lane("up", provider, 0, at) for at in range(first, last, -1)]
            elif into[provider, True] >= out[dependent, slot]:
                passed = [self._lane("into", provider, 0, at) for at in range(first + 1, last)]
            else:
                passed = [self._lane("from", dependent, slot, at) for at in range(first + 1, last)]
            start = dependent
            for end in [*passed, provider]:
                hop = Hop(start, slot if start == dependent else -1, end)
                self.hops.setdefault(hop, []).append(number)
                start = end
        self.rows: list[list[int]] = [[] for _ in range(max(row) + 1)]
        for node in sorted(range(len(self.row)), key=lambda n: self.place[n]):
            self.rows[self.row[node]].append(node)
        self.above: list[list[int]] = [[] for _ in self.row]
        self.below: list[list[int]] = [[] for _ in self.row]
        self.beside: list[list[int]] = [[] for _ in self.row]
        for start, end in sorted({(hop.start, hop.end) for hop in self.hops}):
            if self.row[start] == self.row[end]:
                self.beside[end].append(start)
            else:
                upper, lower = sorted((start, end), key=lambda n: self.row[n])
                self.below[upper].append(lower)
                self.above[lower].append(upper)
        self._number()

    def _lane(self, kind: str, box: int, slot: int, row: int) -> int:
        key = kind, box, slot, row
        if key not in self._lanes:
            self._lanes[key] = len(self.row)
            self.row.append(row)
            self.place.append(self.place[box])
        return self._lanes[key]

    def untangle(self) -> None:
        """Sweep up and down, each node to the mean of its neighbours, and keep the best order."""
        best, fewest = self.rows, self._crossings()
        worse = 0
        for sweep in range(max(4, min(_SWEEPS, EFFORT // len(self.row)))):
            if not fewest or worse == 6:
                break
            down = sweep % 2 == 0
            for number in range(len(self.rows)) if down else reversed(range(len(self.rows))):
                self._sort(number, self.above if down else self.below)
            crossings = self._crossings()
            worse += 1
            if crossings < fewest:
                best, fewest, worse = list(self.rows), crossings, 0
        self.rows = best
        self._number()

    def _sort(self, number: int, near: Sequence[Sequence[int]]) -> None:
        row = self.rows[number]
        place = self.place
        key = {}
        for node in row:
            others = near[node] or self.beside[node]
            key[node] = sum(place[n] for n in others) / len(others) if others else place[node]
        self.rows[number] = row = sorted(row, key=key.__getitem__)
        for at, node in enumerate(row):
            place[node] = (at + 0.5) / len(row)

    def _number(self) -> None:
        for row in self.rows:
            for at, node in enumerate(row):
                self.place[node] = (at + 0.5) / len(row)

    def _crossings(self) -> int:
        crossings = 0
        for row in self.rows:
            ends: list[float] = []
            for node in row:
                places = sorted(self.place[n] for n in self.below[node])
                crossings += sum(len(ends) - bisect_right(ends, place) for place in places)
                for place in places:
                    insort(ends, place)
        return crossings
