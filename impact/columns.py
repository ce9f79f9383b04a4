"""Arrays that grow together, things that are numbered, and sorting: what a topology is kept in."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from threading import Lock
from typing import Any, Final, Generic, TypeVar
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Bools = NDArray[np.bool_]

T = TypeVar("T", bound=Hashable)


class Columns:
    """Arrays of one length, with room at the end for a few rows more.

    A fork has the same rows, and is changed without a trace in the others. They share arrays for as long
    as they can: one that writes to a column copies it, and one that adds rows takes the room, if nobody
    else alive has.
    """

    def __init__(self, **arrays: NDArray[Any]) -> None:
        self.count = len(next(iter(arrays.values())))
        self._keep(arrays)

    def _keep(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Copy arrays, and share them with nobody."""
        self._room = self.count + self.count // 32 + 16
        self._arrays: dict[str, NDArray[Any]] = {}
        for name, array in arrays.items():
            self._arrays[name] = np.empty((self._room, *array.shape[1:]), array.dtype)
            self._arrays[name][: self.count] = array[: self.count]
        self._shared: set[str] = set()
        self._family = WeakSet((self,))

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column, to read."""
        return self._arrays[name][: self.count]

    def append(self, **values: Any) -> int:
        """Add one row; gives its number."""
        with _ROOM:
            number = self.count
            alone = len(self._family) == 1
            if number == self._room or (not alone and any(o.count > number for o in self._family)):
                self._family.discard(self)
                self._keep(self._arrays)
            self.count += 1
        for name, array in self._arrays.items():
            array[number] = values[name]
        return number

    def set(self, name: str, index: Any, value: Any) -> None:
        """Write to a column, at one place or at many."""
        if name in self._shared:
            if len(self._family) > 1:
                self._arrays[name] = self._arrays[name].copy()
            self._shared.discard(name)
        self[name][index] = value

    def fork(self) -> Columns:
        fork = object.__new__(Columns)
        fork.__dict__.update(self.__dict__, _arrays=dict(self._arrays), _shared=set(self._arrays))
        self._shared = set(self._arrays)
        with _ROOM:
            self._family.add(fork)
        return fork

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self._arrays.values())


_ROOM: Final = Lock()
"""Held while room is taken, or shared."""


class Numbered(Generic[T]):
    """Things, numbered in the order in which they were first met."""

    def __init__(self, things: Iterable[T] = ()) -> None:
        self._numbers = {thing: number for number, thing in enumerate(dict.fromkeys(things))}
        self._things = list(self._numbers)

    def __getitem__(self, number: int) -> T:
        return self._things[number]

    def __len__(self) -> int:
        return len(self._things)

    def __iter__(self) -> Iterator[T]:
        return iter(self._things)

    def number(self, thing: T) -> int:
        """The number of a thing, a new one if it is new."""
        number = self._numbers.setdefault(thing, len(self._things))
        if number == len(self._things):
            self._things.append(thing)
        return number

    def fork(self) -> Numbered[T]:
        fork: Numbered[T] = Numbered()
        fork._numbers, fork._things = dict(self._numbers), list(self._things)
        return fork


def ordering(*keys: NDArray[Any]) -> Longs:
    """Positions in the order of some keys of numbers from 0, the first counting most.

    Where all are equal, positions stay as they are. A radix sort: numpy sorts 16 bits in linear time.
    """
    order = np.arange(len(keys[0]))
    for key in reversed(keys):
        for shift in range(0, max(int(key.max(initial=0)).bit_length(), 1), 16):
            digit = (key >> shift).astype(np.uint16)
            order = order.take(digit.take(order).argsort(kind="stable"))
    return order


def paired(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.int32]:
    """Two numbers side by side, so that both are read, or added to, at once: see `joined`."""
    return np.stack([first, second], axis=-1, dtype=np.int32, casting="same_kind")


def joined(pairs: NDArray[np.int32]) -> Longs:
    """Pairs as one word each; ``split`` has them apart again."""
    return pairs.view(np.int64)[:, 0]


def split(words: Longs) -> NDArray[np.int32]:
    return words.view(np.int32).reshape(-1, 2)


def begins(key: NDArray[Any], count: int) -> Ints:
    """Where each number from 0 on would begin in a sorted key, up to one more than ``count``."""
    first = np.zeros(count + 2, np.int32)
    np.cumsum(np.bincount(key, minlength=count + 1), out=first[1:])
    return first
