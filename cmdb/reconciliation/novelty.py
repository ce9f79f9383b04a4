"""What need not be looked up: values that no record of the store can have.

A run knows them for the types of which the store held no record when it began: of those there is only
what it has made itself since. Of that a hash of each value is kept, 8 bytes, not the records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cmdb.commits import Plan
from cmdb.queries import Query
from cmdb.reconciliation.families import Family
from cmdb.store import GraphStore
from schema.model import Model

PARTS: Final = 8
"""Sorted arrays that are searched before they are made one."""


class Novelty:
    """What the records of a store can have in common with those that a run is about to make.

    It is true of one revision: `at` says which is read, `add` goes on to the next, which the run is
    about to make; where that is refused, `end`.
    """

    def __init__(self, store: GraphStore) -> None:
        self._store, self._family = store, Family(store.model)
        self._revision: int | None = None
        self._there: list[str] | None = None
        self._made = {name: _Hashes() for name in _looked_up_by(store.model)}

    def at(self, revision: int) -> None:
        """What follows is about a revision of the store, or is refused when it is committed."""
        if self._there is None:
            there = (str(c.values[0]) for c in self._store.count_by(Query(), ["type"]))
            self._there = [name for name in there if name in self._store.model.record_types]
            self._revision = revision
        elif revision != self._revision:
            self.end()

    def end(self) -> None:
        """Somebody else has committed: from now on everything is looked up."""
        self._revision = None

    def add(self, plan: Plan, revision: int) -> None:
        """The run makes this revision next."""
        if self._revision is None:
            return
        self._revision = revision
        records = [*plan.created, *(after for _, after in plan.updated)]
        for name, hashes in self._made.items():
            values = (r.attributes[name] for r in records if name in r.attributes)
            hashes.add(hash(v) for v in values if not isinstance(v, list | dict))

    def possible(
        self, attribute: str, values: Collection[Any], types: Iterable[str]
    ) -> Collection[Any]:
        """Those of some values that a record may have which one of the types can be one thing with."""
        hashes = self._made.get(attribute)
        if self._revision is None or self._there is None or hashes is None:
            return values
        if any(self._family.common(type_, there) for type_ in types for there in self._there):
            return values
        return hashes.among(list(values))


class _Hashes:
    """A set of hashes that only grows."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.int64]] = []

    def add(self, hashes: Iterable[int]) -> None:
        part = np.unique(np.fromiter(hashes, np.int64))
        if len(part):
            self._parts.append(part)
        if len(self._parts) > PARTS:
            self._parts = [np.unique(np.concatenate(self._parts))]

    def among(self, values: list[Any]) -> list[Any]:
        """The values whose hash is in the set."""
        asked = np.fromiter(map(hash, values), np.int64, len(values))
        there = np.zeros(len(values), bool)
        for part in self._parts:
            places = np.searchsorted(part, asked)
            places[places == len(part)] = 0
            there |= part[places] == asked
        return [values[index] for index in np.flatnonzero(there)]


def _looked_up_by(model: Model) -> set[str]:
    """The attributes that records of any type are looked up by."""
    return {
        rule.attributes[0]
        for record_type in model.record_types.values()
        for rule in record_type.identification
        if rule.relationship is None or rule.optional
    }
