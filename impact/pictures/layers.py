"""Layers: which boxes stand in which row, so that a dependent is above its providers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

Pair = tuple[int, int]
Lists = Sequence[Sequence[int]]


class Layers(NamedTuple):
    """The layer of each node, and when a walk from the top comes by it."""

    layer: list[int]
    found: list[int]


def layers(count: int, pairs: Iterable[Pair], top: Sequence[bool]) -> Layers:
    """The longest path to each node.

    Parameters
    ----------
    pairs
        (dependent, provider).
    top
        Who is in the first layer if nobody stands on them. Others go down where that brings them
        nearer to those they are joined with, or nobody at the top stands on them.

    In a cycle the steps from where it is entered count, and what leads back or sideways is passed
    over; elsewhere every dependent is above its providers.
    """
    below: list[list[int]] = [[] for _ in range(count)]
    above: list[list[int]] = [[] for _ in range(count)]
    for dependent, provider in pairs:
        below[dependent].append(provider)
        above[provider].append(dependent)
    walk = _walk(below, sorted(range(count), key=lambda n: (bool(above[n]), not top[n], n)))
    depth = _depth(below, above, walk, top)
    onwards = [[p for p in below[node] if depth[p] > depth[node]] for node in range(count)]
    order = sorted(range(count), key=depth.__getitem__)
    layer = [0] * count
    under = list(top)
    for node in order:
        for provider in onwards[node]:
            layer[provider] = max(layer[provider], layer[node] + 1)
            under[provider] |= under[node]
    for node in reversed(order):
        downwards = len(onwards[node]) > len(above[node]) or not under[node]
        if downwards and onwards[node] and not top[node]:
            layer[node] = min(layer[p] for p in onwards[node]) - 1
    found = [0] * count
    for number, node in enumerate(walk):
        found[node] = number
    return Layers(layer, found)


def _walk(below: Lists, starts: Iterable[int]) -> list[int]:
    """All nodes by a search in depth; but for cycles, dependents come first."""
    done: list[int] = []
    seen = [False] * len(below)
    for start in starts:
        if seen[start]:
            continue
        seen[start] = True
        way = [(start, iter(below[start]))]
        while way:
            node, rest = way[-1]
            for provider in rest:
                if not seen[provider]:
                    seen[provider] = True
                    way.append((provider, iter(below[provider])))
                    break
            else:
                done.append(node)
                way.pop()
    return done[::-1]


def _depth(below: Lists, above: Lists, walk: Sequence[int], top: Sequence[bool]) -> list[Pair]:
    """For each node its strongly connected component, dependents first, and the steps into it.

    The components are found as by Kosaraju and Sharir: backwards from each node, in the order of the
    walk.
    """
    component = [-1] * len(below)
    depth = [(0, 0)] * len(below)
    for number, first in enumerate(walk):
        if component[first] >= 0:
            continue
        component[first] = number
        members = [first]
        for node in members:
            for dependent in above[node]:
                if component[dependent] < 0:
                    component[dependent] = number
                    members.append(dependent)
        entered = [n for n in members if top[n] or any(component[d] != number for d in above[n])]
        reached = entered or [first]
        steps = dict.fromkeys(reached, 0)
        for node in reached:
            for provider in below[node]:
                if component[provider] == number and provider not in steps:
                    steps[provider] = steps[node] + 1
                    reached.append(provider)
        for node in members:
            depth[node] = number, steps[node]
    return depth


def folded(layer: Sequence[int], place: Sequence[float]) -> list[int]:
    """The same with no layer too wide: a wide one becomes several, its nodes dealt out in turn.

    Parameters
    ----------
    place
        Where in its layer each node is.
    """
    most = max(7, math.ceil(1.3 * math.sqrt(len(layer))))
    rows: dict[int, list[int]] = {}
    for node in sorted(range(len(layer)), key=lambda n: place[n]):
        rows.setdefault(layer[node], []).append(node)
    folded = [0] * len(layer)
    first = 0
    for number in sorted(rows):
        row = rows[number]
        times = math.ceil(len(row) / most)
        for at, node in enumerate(row):
            folded[node] = first + at % times
        first += times
    return folded
