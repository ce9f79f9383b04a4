"""What the ledger tells of a device beside the record itself: whose it is, where it stands, what covers it.

Read for a whole page of devices at once, a few statements whatever the number of rows; only what the columns
asked for need. What many devices share (organisations, places, people) is remembered, within bounds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from cmdb.queries import AsOf
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.ledger.rows import Fact, Row

REMEMBERED: Final = 20_000
DEEPEST: Final = 30


class Reader:
    """Makes rows of records, all as of one revision."""

    def __init__(self, store: GraphStore, at: AsOf, facts: Collection[Fact | str]) -> None:
        self._store, self._at, self._facts = store, at, facts
        self._model = store.model
        self._known: dict[str, Record] = {}
        self._above: dict[tuple[str, str], Record | None] = {}

    def rows(self, records: Sequence[Record]) -> list[Row]:
        rows = [Row(record, self._model) for record in records]
        self._forget()
        if Fact.ORGANISATION in self._facts:
            self._organisations(rows)
        if Fact.CUSTODIAN in self._facts:
            self._custodians(rows)
        if Fact.PLACE in self._facts:
            self._places(rows)
        if names := sorted(fact for fact in self._facts if isinstance(fact, str)):
            self._links(rows, names)
        return rows

    def line(self, organisation: Record) -> list[Record]:
        """An organisation and those above it, itself first."""
        found = [organisation]
        while len(found) < DEEPEST:
            self._lift([found[-1]], "PART_OF")
            above = self._above["PART_OF", found[-1].id]
            if above is None:
                break
            found.append(above)
        return found

    def _forget(self) -> None:
        if len(self._known) > REMEMBERED or len(self._above) > REMEMBERED:
            self._known.clear()
            self._above.clear()

    def _get(self, ids: Iterable[Any]) -> dict[str, Record]:
        wanted = {id for id in ids if isinstance(id, str)}
        if missing := wanted - self._known.keys():
            self._known |= self._store.get(missing, self._at)
        return {id: self._known[id] for id in wanted if id in self._known}

    def _lift(self, records: Iterable[Record], name: str) -> None:
        """Learn what stands above records by a relationship that leads to one."""
        missing = {r.id for r in records if (name, r.id) not in self._above}
        if not missing:
            return
        type_, direction = self._model.direction(name)
        self._above |= {(name, id): None for id in missing}
        for near in self._store.neighbours(missing, [type_.name], direction, self._at):
            self._above[name, near.of] = near.record

    def _organisations(self, rows: Sequence[Row]) -> None:
        found = self._get(row.record.attributes.get("organisation") for row in rows)
        self._lift(found.values(), "PART_OF")
        for row in rows:
            row.owner = found.get(row.record.attributes.get("organisation", ""))
            row.above = self._above["PART_OF", row.owner.id] if row.owner else None

    def _custodians(self, rows: Sequence[Row]) -> None:
        people = self._get(row.record.attributes.get("custodian") for row in rows)
        owners = self._get(person.attributes.get("organisation") for person in people.values())
        self._lift(owners.values(), "PART_OF")
        for row in rows:
            row.custodian = people.get(row.record.attributes.get("custodian", ""))
            own = owners.get(row.custodian_value("organisation") or "")
            row.custodian_owner = own
            row.custodian_above = self._above["PART_OF", own.id] if own else None

    def _places(self, rows: Sequence[Row]) -> None:
        by_id = {row.record.id: row for row in rows}
        type_, direction = self._model.direction("CONTAINED_IN")
        innermost: dict[str, Record] = {}
        for near in self._store.neighbours(by_id, [type_.name], direction, self._at):
            innermost[near.of] = near.record
            by_id[near.of].within = near.relationship.attributes
        level = {record.id: record for record in innermost.values()}
        for _ in range(DEEPEST):
            if not level:
                break
            self._lift(level.values(), "CONTAINED_IN")
            above = (self._above["CONTAINED_IN", id] for id in level)
            level = {record.id: record for record in above if record is not None}
        for id, place in innermost.items():
            chain: list[Record] = []
            found: Record | None = place
            while found is not None and len(chain) < DEEPEST:
                chain.append(found)
                found = self._above.get(("CONTAINED_IN", found.id))
            by_id[id].places = chain

    def _links(self, rows: Sequence[Row], names: Sequence[str]) -> None:
        """What stands at the other ends of relationships, by name or inverse name. One statement."""
        wanted = {
            (t.name, direction): n for n in names for t, direction in [self._model.direction(n)]
        }
        found: dict[str, dict[str, list[Record]]] = {row.record.id: {} for row in rows}
        types = {type_ for type_, _ in wanted}
        for near in self._store.neighbours(found, types, "both", self._at):
            out = near.relationship.source == near.of
            name = wanted.get((near.relationship.type, "out" if out else "in"))
            if name is not None:
                found[near.of].setdefault(name, []).append(near.record)
        for row in rows:
            row.linked = found[row.record.id]
