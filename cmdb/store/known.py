"""What a store remembers of records it has met: facts that hardly ever change."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Final, Generic, TypeVar

CAPACITY: Final = 200_000

Fact = TypeVar("Fact")


class KnownRecords(Generic[Fact]):
    """A bounded memory of one immutable fact by record id; the oldest are forgotten first.

    A record never vanishes, and its type changes rarely, so relating to records that were met before
    needs no question to the store. Only committed records may be added. A store counts the changes
    of types; a memory of another count is emptied (`at`).
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._count = 0
        self._facts: dict[str, Fact] = {}
        self._lock = threading.Lock()

    def at(self, count: int) -> None:
        """Forget everything if types have changed since it was learned."""
        with self._lock:
            if count != self._count:
                self._facts.clear()
                self._count = count

    def among(self, ids: Collection[str]) -> dict[str, Fact]:
        """The facts known of some records."""
        with self._lock:
            facts = self._facts
            return {id: facts[id] for id in ids if id in facts}

    def add(self, facts: Mapping[str, Fact]) -> None:
        """Remember facts of committed records."""
        with self._lock:
            self._facts.update(facts)
            surplus = len(self._facts) - self._capacity
            for id in list(islice(self._facts, max(surplus, 0))):
                del self._facts[id]
