"""Copies of a JSON value with one thing in them wrong, for tests of what reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.support.mutilating import mutilated

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
    return mutilated(value, ODD)
