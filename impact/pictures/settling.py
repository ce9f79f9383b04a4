"""The places of boxes and lanes in their rows: near to what they are joined with, without overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from impact.pictures.grid import EFFORT, Grid

BETWEEN: Final = 26
"""Room between two boxes side by side."""
LANE: Final = 6
"""The width of a lane."""
_TIMES: Final = 16


def settled(grid: Grid, widths: Sequence[float]) -> list[float]:
    """The middle of each node: by turns as the row above wants it, as the one below, then as both."""
    x = [0.0] * len(widths)
    for row in grid.rows:
        for node, offset in zip(row, _offsets(row, widths), strict=True):
            x[node] = offset
    both = [[*above, *below] for above, below in zip(grid.above, grid.below, strict=True)]
    times = max(4, min(_TIMES, EFFORT // len(widths)))
    for time in range(times):
        down = time % 2 == 0
        near = both if time >= times - 2 else grid.above if down else grid.below
        for row in grid.rows if down else grid.rows[::-1]:
            _settle(row, widths, x, list(_pulls(grid, row, x, near)))
    return x


def _pulls(
    grid: Grid, row: Sequence[int], x: Sequence[float], near: Sequence[Sequence[int]]
) -> Iterator[tuple[float, float]]:
    """Where each node would like to be, and how much."""
    for node in row:
        others = near[node] or grid.beside[node]
        if others:
            yield sum(x[n] for n in others) / len(others), 1.0 + len(others)
        else:
            yield x[node], 0.1


def _offsets(row: Sequence[int], widths: Sequence[float]) -> list[float]:
    """The leftmost places of the nodes of a row."""
    offsets = [0.0]
    for left, right in pairwise(row):
        lanes = (widths[left] == LANE) + (widths[right] == LANE)
        apart = (BETWEEN, BETWEEN / 2, LANE)[lanes]
        offsets.append(offsets[-1] + (widths[left] + widths[right]) / 2 + apart)
    return offsets


def _settle(
    row: Sequence[int],
    widths: Sequence[float],
    x: list[float],
    pulls: Sequence[tuple[float, float]],
) -> None:
    """Least squares in the given order (pool adjacent violators): who wants to be too close is one block."""
    offsets = _offsets(row, widths)
    blocks: list[tuple[float, float, int]] = []  # weighted sum, weight, nodes
    for (wish, weight), offset in zip(pulls, offsets, strict=True):
        block = (weight * (wish - offset), weight, 1)
        while blocks and blocks[-1][0] / blocks[-1][1] > block[0] / block[1]:
            before = blocks.pop()
            block = (before[0] + block[0], before[1] + block[1], before[2] + block[2])
        blocks.append(block)
    at = 0
    for total, weight, count in blocks:
        for node, offset in zip(row[at : at + count], offsets[at : at + count], strict=True):
            x[node] = total / weight + offset
        at += count
