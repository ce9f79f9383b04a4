"""Remembering what a text means: ledgers repeat themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from importers.ledger.values import legible

K = TypeVar("K")

LIMIT: Final = 50_000


class Problem:
    """Why a text means nothing."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class Partly(Problem):
    """Why a text means less than it says, and what it does mean."""

    __slots__ = ("value",)

    def __init__(self, reason: str, value: Any) -> None:
        super().__init__(reason)
        self.value = value


class Memory(dict[K, Any]):
    """What texts (or tuples of them) mean, by a function that may raise ValueError; bounded.

    Space around a text, and what people write for "nothing", are taken away first; an empty text
    means None.
    """

    __slots__ = ("_meaning",)

    def __init__(self, meaning: Callable[[K], Any]) -> None:
        super().__init__()
        self._meaning = meaning

    def __missing__(self, key: K) -> Any:
        if len(self) >= LIMIT:
            self.clear()
        value = self[key] = self._of(key)
        return value

    def _of(self, key: Any) -> Any:
        try:
            if not isinstance(key, str):
                texts: Any = tuple(map(legible, key))
                return self._meaning(texts)
            key = legible(key)
            return self._meaning(key) if key else None
        except ValueError as error:
            return Problem(str(error))
