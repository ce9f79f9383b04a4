"""Copies of a JSON value with one thing in them wrong, for tests of what reads it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e300,
    "x\x00y",
    "9" * 30,
    [None, 1, "a", {}],
    {"a": {"b": []}},
)


def mutated(value: Any) -> Iterator[Any]:
    """A copy for each place in the value and each odd thing that could stand there."""
    for path in _paths(value, ()):
        for odd in ODD:
            changed = copy.deepcopy(value)
            if not path:
                yield odd
                continue
            at = changed
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = odd
            yield changed


def _paths(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield path
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for step, inner in items:
        yield from _paths(inner, (*path, step))
