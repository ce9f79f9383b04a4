"""The graph as it will be when changes that are not committed yet are.

`Pending` reads a store with the net effect of change sets laid over it: of those that are on their way
to the store, so that the next can be planned while one is committed; or, in a `rehearsal`, of those that
are only tried. It answers the same whether or not the store has taken the change set meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, cast

from cmdb.change_sets import ChangeSet
from cmdb.commits import End, Plan, StaleError, WriteTransaction
from cmdb.errors import ConflictError
from cmdb.preparation import prepare
from cmdb.records import Record, Relationship, RelationshipKey, listed
from cmdb.revisions import CommitResult
from cmdb.store import GraphStore
from cmdb.store.base import Direction, Neighbour
from schema.model import Model


class Pending:
    """A store with changes laid over it: what planning reads of a `GraphStore`, and its checks."""

    def __init__(self, store: GraphStore) -> None:
        self.store = store
        self.clear()

    def clear(self) -> None:
        """Take off what was laid over: the store has it now, or never will."""
        self._records: dict[str, Record] = {}
        self._new: set[str] = set()
        self._links: dict[RelationshipKey, Relationship | None] = {}
        self._at: defaultdict[str, dict[RelationshipKey, None]] = defaultdict(dict)
        self._holders: dict[str, defaultdict[Any, dict[str, None]]] = {}
        self._types: dict[str, str] = {}

    @property
    def model(self) -> Model:
        return self.store.model

    def prepare(self, change_set: ChangeSet, number: int) -> Plan:
        """Check a change set against the graph as it will be; gives its net effect.

        Parameters
        ----------
        number
            The revision it will become.

        Raises
        ------
        InvalidChangeError, StaleError
            As committing it would.
        """
        return prepare(change_set.operations, self.view, number, managed=change_set.managed)

    @property
    def view(self) -> WriteTransaction:
        """What a change set, and who may write it, is checked against: nothing can be written to it."""
        return cast("WriteTransaction", _View(self))

    def add(self, plan: Plan) -> None:
        """Lay the net effect of a change set over what is there."""
        self._new.update(record.id for record in plan.created)
        for record in (*plan.created, *(after for _, after in plan.updated)):
            self._records[record.id] = record
            self._hold(record, self._holders)
        for link in (*plan.related, *(after for _, after in plan.altered)):
            self._put(link.key, link)
        for link in plan.unrelated:
            self._put(link.key, None)

    def _put(self, key: RelationshipKey, link: Relationship | None) -> None:
        self._links[key] = link
        self._at[key.source][key] = self._at[key.target][key] = None

    def _hold(self, record: Record, attributes: Iterable[str]) -> None:
        for attribute in attributes:
            for value in listed(record.attributes.get(attribute)):
                self._holders[attribute][value][record.id] = None

    # -- reading ----------------------------------------------------------------------------------

    def get(self, ids: Collection[str]) -> dict[str, Record]:
        """As `GraphStore.get`."""
        found = {id: self._records[id] for id in ids if id in self._records}
        others = [id for id in ids if id not in found]
        return self._met(found | (self.store.get(others) if others else {}))

    def holders(self, attribute: str, values: Collection[Any]) -> list[Record]:
        """As `GraphStore.holders`."""
        found = {
            r.id: r for r in self.store.holders(attribute, values) if r.id not in self._records
        }
        if attribute not in self._holders:
            self._holders[attribute] = defaultdict(dict)
            for record in self._records.values():
                self._hold(record, [attribute])
        for value in values:
            for id in self._holders[attribute].get(value, ()):
                if value in listed(self._records[id].attributes.get(attribute)):
                    found[id] = self._records[id]
        return list(self._met(found).values())

    def neighbours(
        self,
        ids: Collection[str],
        types: Collection[str] | None = None,
        direction: Direction = "both",
    ) -> list[Neighbour]:
        """As `GraphStore.neighbours`."""
        stored = [id for id in ids if id not in self._new]
        found = self.store.neighbours(stored, types, direction) if stored else []
        if self._records or self._links:
            found = [
                Neighbour(of, link, self._records.get(record.id, record))
                for of, link, record in found
                if link.key not in self._links
            ]
            found += self._added(ids, types, direction)
            found.sort(key=_place)
        self._met({near.record.id: near.record for near in found})
        return found

    def _added(
        self, ids: Collection[str], types: Collection[str] | None, direction: Direction
    ) -> list[Neighbour]:
        """What the changes have around some records."""
        added: list[tuple[str, Relationship, str]] = []
        for of in set(ids):
            for key in self._at.get(of, ()):
                link = self._links[key]
                if link is None or (types is not None and key.type not in types):
                    continue
                if direction != "in" and key.source == of:
                    added.append((of, link, key.target))
                if direction != "out" and key.target == of:
                    added.append((of, link, key.source))
        records = self.get({far for *_, far in added}) if added else {}
        return [Neighbour(of, link, records[far]) for of, link, far in added]

    def _met(self, records: dict[str, Record]) -> dict[str, Record]:
        """Remember the types of records: what is planned on them is checked next."""
        self._types.update((id, record.type) for id, record in records.items())
        return records

    def types(self, ids: Collection[str]) -> dict[str, str]:
        """Record type by id; missing ones are left out."""
        unknown = [id for id in ids if id not in self._types]
        if unknown:
            self.get(unknown)
        return {id: self._types[id] for id in ids if id in self._types}


class _View:
    """What a change set is checked against: the reading half of a `WriteTransaction`."""

    def __init__(self, pending: Pending) -> None:
        self._pending, self.model = pending, pending.model

    def records(self, ids: Collection[str]) -> dict[str, Record]:
        return self._pending.get(ids)

    def types(self, ids: Collection[str]) -> dict[str, str]:
        return self._pending.types(ids)

    def relationships(
        self, keys: Collection[RelationshipKey]
    ) -> dict[RelationshipKey, Relationship]:
        """Asked at the end that has few of the type, where the model knows which that is."""
        known = self.model.relationship_types
        asked: defaultdict[Direction, tuple[set[str], set[str]]]
        asked = defaultdict(lambda: (set(), set()))
        for key in keys:
            narrow = key.type in known and known[key.type].one_source
            ids, types = asked["in" if narrow else "out"]
            ids.add(key.target if narrow else key.source)
            types.add(key.type)
        found = {
            near.relationship.key: near.relationship
            for way, (ids, types) in asked.items()
            for near in self._pending.neighbours(ids, types & known.keys(), way)
        }
        return {key: found[key] for key in keys if key in found}

    def relationships_at(
        self, end: End, ids: Collection[str], types: Collection[str]
    ) -> list[RelationshipKey]:
        way: Direction = "out" if end == "source" else "in"
        return [near.relationship.key for near in self._pending.neighbours(ids, types, way)]

    def holders(self, record_type: str, attribute: str, values: Collection[Any]) -> list[Record]:
        types = self.model.record_types[record_type].concrete
        return [r for r in self._pending.holders(attribute, values) if r.type in types]


def reading(store: GraphStore) -> WriteTransaction:
    """A store as a write transaction reads it; nothing is written."""
    return Pending(store).view


def rehearsal(store: GraphStore) -> GraphStore:
    """A store in which commits are checked by all rules and remembered, but never made.

    Planning reads them back; what planning does not ask (searching, history) is as in the store below.
    """
    return cast("GraphStore", _Rehearsal(store))


class _Rehearsal(Pending):
    def __init__(self, store: GraphStore) -> None:
        super().__init__(store)
        self._number = store.last_revision().number

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def commit(self, change_set: ChangeSet, prepared: Plan | None = None) -> CommitResult:
        """What committing would refuse is refused; the rest is remembered."""
        try:
            self.add(prepared or self.prepare(change_set, self._number + 1))
        except StaleError as stale:
            raise ConflictError(stale.record, stale.expected, stale.actual, ()) from None
        return CommitResult(self._number, False)

    def mark(self, name: str, value: bytes | None) -> None:
        """Nothing is kept."""


def _place(near: Neighbour) -> tuple[str, str, bool, str]:
    link = near.relationship
    return near.of, link.type, link.source != near.of, near.record.id
