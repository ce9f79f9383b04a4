"""Streams taken a batch at a time. It knows nothing of what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of so many items, the last one of what is left. No item is read before its batch is."""
    stream = iter(items)
    while batch := list(islice(stream, size)):
        yield batch
