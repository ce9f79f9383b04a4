"""Lines: where what joins the boxes begins, runs and ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from impact.pictures.grid import Hop, Way
from impact.pictures.layout import Placed, Size

TIE: Final = 9
"""From a box to the groups under it."""
_APART: Final = 8
_PASSAGE: Final = 16
"""Room beside the groups for what is in none."""
_PORTS: Final = 14
"""Between two lines at one side of a box, at most."""
_HEAD: Final = 8
_TURN: Final = 34


class Spot(NamedTuple):
    """A rectangle."""

    left: float
    top: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.left + self.width / 2

    @property
    def bottom(self) -> float:
        return self.top + self.height


class Line(NamedTuple):
    """A path, the tip of an arrow if it has one, and the ways that share it."""

    path: str
    head: str
    ways: list[int]


class Routes(NamedTuple):
    """Where everything is, by number of the box or group."""

    boxes: dict[int, Spot]
    marks: dict[int, Spot]
    lines: list[Line]


def cell(box: Size, marks: Sequence[Size]) -> Size:
    """The room of a box with its groups, which hang under it side by side."""
    if not marks:
        return box
    width = sum(mark.width + _APART for mark in marks) + _PASSAGE
    return Size(max(box.width, width), box.height + TIE + max(mark.height for mark in marks))


def route(
    placed: Placed,
    height: float,
    sizes: Sequence[Size],
    marks: Sequence[Mapping[int, Size]],
    ways: Sequence[Way],
) -> Routes:
    """Lines between boxes in their places.

    Parameters
    ----------
    height
        Of a box without its groups.
    sizes
        Of the boxes with them.
    marks
        Of each box, the groups under it.
    """
    return _Router(placed, height, sizes, marks, ways).routes()


class _Router:
    def __init__(
        self,
        placed: Placed,
        height: float,
        sizes: Sequence[Size],
        marks: Sequence[Mapping[int, Size]],
        ways: Sequence[Way],
    ) -> None:
        self.block, self.ways, self.marks = placed.block, ways, marks
        self.boxes = self.block.boxes
        self.x = [placed.left + x for x in self.block.x]
        self.rows = [(placed.top + top, placed.top + bottom) for top, bottom in self.block.rows]
        self.spots = []
        for node, box in enumerate(self.boxes):
            left = self.x[node] - sizes[box].width / 2
            self.spots.append(Spot(left, self._top(node), sizes[box].width, height))
        self.found: dict[int, Spot] = {}
        self.starts: dict[Hop, tuple[float, float]] = {}
        self.ends: dict[Hop, tuple[float, float]] = {}

    def _top(self, node: int) -> float:
        return self.rows[self.block.row[node]][0]

    def _bottom(self, node: int) -> float:
        return self.rows[self.block.row[node]][1]

    def _steps(self, hop: Hop) -> int:
        """How many rows a hop goes down."""
        return self.block.row[hop.end] - self.block.row[hop.start]

    def routes(self) -> Routes:
        over: list[list[Hop]] = [[] for _ in self.boxes]
        under: list[dict[int, list[Hop]]] = [{} for _ in self.boxes]
        for hop in self.block.hops:
            if hop.start < len(self.boxes):
                under[hop.start].setdefault(hop.slot, []).append(hop)
            if hop.end < len(self.boxes):
                if self._steps(hop) > 0:
                    over[hop.end].append(hop)
                else:
                    under[hop.end].setdefault(-1, []).append(hop)
        for node in range(len(self.boxes)):
            self._ports(node, over[node], under[node])
        lines = [*self._lanes(), *self._ties(under)]
        lines += [self._line(hop, ways) for hop, ways in self.block.hops.items()]
        spots = {box: self.spots[node] for node, box in enumerate(self.boxes)}
        return Routes(spots, self.found, lines)

    # -- where lines begin and end ----------------------------------------------------------------

    def _other(self, node: int, hop: Hop) -> float:
        return self.x[hop.end if hop.start == node else hop.start]

    def _ports(self, node: int, over: list[Hop], under: Mapping[int, list[Hop]]) -> None:
        spot = self.spots[node]
        over.sort(key=lambda hop: self._other(node, hop))
        for hop, x in zip(over, _spread(spot.middle, spot.width * 0.7, len(over)), strict=True):
            self.ends[hop] = x, spot.top
        self._plain(node, under.get(-1, []), *self._hang(node, under))

    def _hang(self, node: int, under: Mapping[int, list[Hop]]) -> tuple[float, float]:
        """Give the groups of a box their places; gives the middle and width of what is left."""
        spot, marks = self.spots[node], self.marks[self.boxes[node]]
        if not marks:
            return spot.middle, spot.width * 0.7

        def towards(slot: int) -> float:
            hops = under.get(slot, [])
            return sum(self._other(node, h) for h in hops) / len(hops) if hops else spot.middle

        slots = sorted([*marks, *([-1] if -1 in under else [])], key=lambda s: (towards(s), s))
        widths = [marks[slot].width if slot >= 0 else _PASSAGE / 2 for slot in slots]
        at = spot.middle - (sum(widths) + _APART * (len(slots) - 1)) / 2
        passage = spot.middle
        for slot, width in zip(slots, widths, strict=True):
            if slot < 0:
                passage = at + width / 2
            else:
                self.found[slot] = Spot(at, spot.bottom + TIE, width, marks[slot].height)
                for hop in under.get(slot, []):
                    self.starts[hop] = self.found[slot].middle, self.found[slot].bottom
            at += width + _APART
        return passage, _PASSAGE / 2

    def _plain(self, node: int, hops: list[Hop], middle: float, room: float) -> None:
        hops.sort(key=lambda hop: self._other(node, hop))
        for hop, x in zip(hops, _spread(middle, room, len(hops)), strict=True):
            (self.starts if hop.start == node else self.ends)[hop] = x, self.spots[node].bottom

    # -- the lines --------------------------------------------------------------------------------

    def _line(self, hop: Hop, ways: list[int]) -> Line:
        steps = self._steps(hop)
        x0, y0 = self.starts.get(hop, (self.x[hop.start], self._bottom(hop.start)))
        if steps == 0:
            low = self._bottom(hop.start) + _TURN
            x1, y1 = self.ends.get(hop, (self.x[hop.end], low - _TURN))
            tip = hop in self.ends
            path = f"M{_n(x0, y0)}V{_n(low - _TURN)}C{_n(x0, low)} {_n(x1, low)} "
            path += f"{_n(x1, low - _TURN)}V{_n(y1 + tip * (_HEAD - 2))}"
            return Line(path, f"M{_n(x1, y1)}l-4 {_HEAD}h8z" if tip else "", ways)
        if steps > 0:
            low, high = self._bottom(hop.start), self._top(hop.end)
            x1, y1 = self.ends.get(hop, (self.x[hop.end], high))
            tip = hop in self.ends
            path = f"M{_n(x0, y0)}V{_n(low)}{_curve(x0, low, x1, high - tip * (_HEAD - 2))}"
            return Line(path, f"M{_n(x1, y1)}l-4-{_HEAD}h8z" if tip else "", ways)
        high, low = self._top(hop.start), self._bottom(hop.end)
        x1, y1 = self.ends.get(hop, (self.x[hop.end], low))
        if hop not in self.ends:
            return Line(f"M{_n(x0, high)}{_curve(x0, high, x1, low)}", "", ways)
        path = f"M{_n(x0, high)}{_curve(x0, high, x1, low + _HEAD)}V{_n(y1 + _HEAD - 2)}"
        return Line(path, f"M{_n(x1, y1)}l-4 {_HEAD}h8z", ways)

    def _lanes(self) -> Iterator[Line]:
        ways: dict[int, set[int]] = {}
        for hop, own in self.block.hops.items():
            if hop.end >= len(self.boxes):
                ways.setdefault(hop.end, set()).update(own)
        for lane, own_ways in ways.items():
            path = f"M{_n(self.x[lane], self._top(lane))}V{_n(self._bottom(lane))}"
            yield Line(path, "", sorted(own_ways))

    def _ties(self, under: Sequence[Mapping[int, list[Hop]]]) -> Iterator[Line]:
        for node, slots in enumerate(under):
            for slot in self.marks[self.boxes[node]]:
                ways = {way for hop in slots.get(slot, []) for way in self.block.hops[hop]}
                mark = self.found[slot]
                path = f"M{_n(mark.middle, self.spots[node].bottom)}V{_n(mark.top)}"
                yield Line(path, "", sorted(ways))


def _spread(middle: float, room: float, count: int) -> list[float]:
    step = min(_PORTS, room / max(count - 1, 1))
    return [middle + step * (at - (count - 1) / 2) for at in range(count)]


def _curve(x0: float, y0: float, x1: float, y1: float) -> str:
    half = (y0 + y1) / 2
    return f"C{_n(x0, half)} {_n(x1, half)} {_n(x1, y1)}"


def _n(*numbers: float) -> str:
    return " ".join(f"{number:.1f}".removesuffix(".0") for number in numbers)
