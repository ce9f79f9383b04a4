"""Places: a layered drawing after Sugiyama, Tagawa and Toda (1981).

Boxes that are joined are drawn together, layer by layer. A way that passes a layer does so in a *lane*,
and ways to one provider, or from one dependent, share their lanes: that keeps even hundreds of them
apart from the boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from impact.pictures.grid import Grid, Hop, Way
from impact.pictures.layers import folded, layers
from impact.pictures.settling import BETWEEN, LANE, settled


class Size(NamedTuple):
    width: float
    height: float


class Block(NamedTuple):
    """Boxes that are joined, in their places.

    Attributes
    ----------
    boxes
        Which; a node from ``len(boxes)`` on is a lane.
    x
        The middle of each node.
    row
        Of each node.
    rows
        The top and bottom of each row.
    hops
        With the ways that take it, as numbers among all ways.
    """

    boxes: list[int]
    x: list[float]
    row: list[int]
    rows: list[tuple[float, float]]
    hops: dict[Hop, list[int]]
    width: float
    height: float


class Placed(NamedTuple):
    """A block and its upper left corner."""

    block: Block
    left: float
    top: float


def arrange(sizes: Sequence[Size], ways: Sequence[Way], top: Sequence[bool]) -> list[Placed]:
    """Places for all boxes.

    Parameters
    ----------
    top
        Which boxes belong at the top.
    """
    blocks = [_block(boxes, own, sizes, ways, top) for boxes, own in _joined(len(sizes), ways)]
    blocks.sort(key=lambda block: (-len(block.boxes), block.boxes))
    area = sum((block.width + BETWEEN) * (block.height + BETWEEN) for block in blocks)
    width = max([(1.7 * area) ** 0.5, *(block.width for block in blocks)])
    placed = []
    left = above = below = 0.0
    for block in blocks:
        if left and left + block.width > width:
            left, above = 0.0, below + BETWEEN
        placed.append(Placed(block, left, above))
        left += block.width + BETWEEN
        below = max(below, above + block.height)
    return placed


def _joined(count: int, ways: Sequence[Way]) -> list[tuple[list[int], list[int]]]:
    """The connected components: boxes and ways."""
    leader = list(range(count))

    def lead(box: int) -> int:
        while leader[box] != box:
            leader[box] = leader[leader[box]]
            box = leader[box]
        return box

    for dependent, provider, _ in ways:
        first, second = sorted((lead(dependent), lead(provider)))
        leader[second] = first
    components: dict[int, tuple[list[int], list[int]]] = {}
    for box in range(count):
        components.setdefault(lead(box), ([], []))[0].append(box)
    for number, (dependent, _, _) in enumerate(ways):
        components[lead(dependent)][1].append(number)
    return list(components.values())


def _block(
    boxes: list[int],
    own: list[int],
    sizes: Sequence[Size],
    ways: Sequence[Way],
    top: Sequence[bool],
) -> Block:
    index = {box: number for number, box in enumerate(boxes)}
    routes = {
        number: (index[ways[number][0]], index[ways[number][1]], ways[number][2]) for number in own
    }
    pairs = sorted({(dependent, provider) for dependent, provider, _ in routes.values()})
    layer, found = layers(len(boxes), pairs, [top[box] for box in boxes])
    grid = Grid(layer, routes, found)
    grid.untangle()
    narrow = folded(layer, grid.place)
    if narrow != layer:
        grid = Grid(narrow, routes, grid.place)
        grid.untangle()
    own_sizes = [sizes[box] for box in boxes]
    widths = [size.width for size in own_sizes] + [LANE] * (len(grid.row) - len(boxes))
    x = settled(grid, widths)
    left = min(x[n] - widths[n] / 2 for n in range(len(x)))
    x = [value - left for value in x]
    width = max(x[n] + widths[n] / 2 for n in range(len(x)))
    rows, height = _heights(grid, x, own_sizes)
    return Block(boxes, x, grid.row, rows, grid.hops, width, height)


def _heights(
    grid: Grid, x: Sequence[float], sizes: Sequence[Size]
) -> tuple[list[tuple[float, float]], float]:
    """The top and bottom of each row: the further apart its ends, the more room a hop gets."""
    reach = [0.0] * len(grid.rows)
    for start, _, end in grid.hops:
        turn = grid.row[start] == grid.row[end]
        above = min(grid.row[start], grid.row[end])
        reach[above] = max(reach[above], 130 if turn else abs(x[start] - x[end]))
    rows = []
    y = 0.0
    for number, row in enumerate(grid.rows):
        bottom = y + max(sizes[node].height for node in row if node < len(sizes))
        rows.append((y, bottom))
        y = bottom + min(120.0, 34 + 0.1 * reach[number])
    turns = any(grid.row[h.start] == grid.row[h.end] == len(rows) - 1 for h in grid.hops)
    return rows, rows[-1][1] + 40 * turns
