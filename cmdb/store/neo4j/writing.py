"""The write transaction of the Neo4j store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC
from typing import Any, NamedTuple, TypeVar

import neo4j

from cmdb.commits import End, Plan
from cmdb.owners import owners_after, owners_of, rules_of
from cmdb.records import Record, Relationship, RelationshipKey, same_values
from cmdb.revisions import Revision
from cmdb.store import places
from cmdb.store.chain import canonical_each, closed_lines, link_lines, record_lines, seal
from cmdb.store.known import KnownRecords
from cmdb.store.neo4j import statements
from cmdb.store.neo4j.connections import send
from cmdb.store.neo4j.properties import Properties
from schema.model import ORGANISATION, Model, read_document

Element = TypeVar("Element")


class Known(NamedTuple):
    """What a store knows already: its model, the revision that applied it, types of records, numbers of
    organisations."""

    model: Model | None
    revision: int
    types: KnownRecords[str]
    numbers: KnownRecords[int]


class Neo4jWriteTransaction:
    """Reads and the one write within a managed transaction that holds the writers' lock.

    Implements `cmdb.commits.WriteTransaction`.

    Attributes
    ----------
    met
        Types of the records looked up or created; true once the transaction is committed.
    numbers
        Likewise of the numbers of organisations.
    before
        Number of the newest revision when the lock was taken.
    type_changes
        How often a record of the store has changed its type, this transaction included.
    found_itself
        Whether the change set turned out to be committed already.
    """

    def __init__(
        self, transaction: neo4j.ManagedTransaction, known: Known, count: Callable[[], None]
    ) -> None:
        self._transaction = transaction
        self._known = known
        self._count = count
        self.met: dict[str, str] = {}
        self.numbers: dict[str, int] = {}
        self.found_itself = False
        row = self._one(statements.LOCK, known=known.revision)
        assert row is not None, "the store was opened, so its node is there"
        self.last: Revision | None = read_revision(row["v"]) if row["v"] else None
        self.before = self.last.number if self.last else 0
        self.type_changes: int = row["type_changes"]
        self._numbered: int = row["numbered"]
        known.types.at(self.type_changes)
        document = row["document"]
        self._use(known.model if document is None else read_document(document))

    def _use(self, model: Model | None) -> None:
        self.model = model
        self._properties = Properties(model) if model else None

    def _run(self, statement: str, **parameters: Any) -> list[neo4j.Record]:
        self._count()
        return list(send(self._transaction, statement, parameters))

    def _one(self, statement: str, **parameters: Any) -> neo4j.Record | None:
        rows = self._run(statement, **parameters)
        return rows[0] if rows else None

    @property
    def properties(self) -> Properties:
        assert self._properties is not None, "the store has no model yet"
        return self._properties

    def revision_of(self, change_set: str) -> int | None:
        row = self._one(statements.REVISION_OF, change_set=change_set)
        self.found_itself = row is not None
        return row["number"] if row else None

    def records(self, ids: Collection[str]) -> dict[str, Record]:
        rows = self._run(statements.RECORDS, ids=list(ids))
        found = (self.properties.record(row["n"]) for row in rows)
        return {record.id: record for record in found}

    def types(self, ids: Collection[str]) -> dict[str, str]:
        found = self._known.types.among(ids)
        unknown = [id for id in ids if id not in found]
        for row in self._run(statements.TYPES, ids=unknown) if unknown else ():
            type_ = self.properties.type_of(frozenset(row["labels"]))
            found |= {unknown[position]: type_ for position in row["positions"]}
        self.met |= found
        return found

    def relationships(
        self, keys: Collection[RelationshipKey]
    ) -> dict[RelationshipKey, Relationship]:
        rows = self._run(statements.RELATIONSHIPS, keys=[list(key) for key in keys])
        found = {}
        for row in rows:
            key = RelationshipKey(*row["key"])
            found[key] = self.properties.relationship(key, row["properties"])
        return found

    def relationships_at(
        self, end: End, ids: Collection[str], types: Collection[str]
    ) -> list[RelationshipKey]:
        rows = self._run(statements.relationships_at(end, types), ids=list(ids))
        if end == "source":
            return [RelationshipKey(row["id"], row["type"], row["other"]) for row in rows]
        return [RelationshipKey(row["other"], row["type"], row["id"]) for row in rows]

    def holders(self, record_type: str, attribute: str, values: Collection[Any]) -> list[Record]:
        asked = [self.properties.to_property(attribute, value) for value in values]
        rows = self._run(statements.holders(record_type, attribute), values=asked)
        return [self.properties.record(row["n"]) for row in rows]

    # -- writing --------------------------------------------------------------------------------------

    def write(self, revision: Revision, plan: Plan, chained: bool = True) -> Revision:
        if plan.model is not None:
            model = read_document(plan.model)
            self._use(model)
            applied = {"document": plan.model, "rules": rules_of(model).text}
            self._run(statements.WRITE_MODEL, revision=revision.number, **applied)
        assert self.model is not None
        owners = owners_after(self.model, self, plan)
        self._found(plan)
        own = self._own_rows(owners)
        checks = None
        if chained:
            digest, checks = seal(
                self.last and self.last.digest, revision, plan.model, self._lines(plan)
            )
            revision = revision._replace(digest=digest)
        properties = {**_revision_properties(revision, plan), "checks": checks}
        self._run(statements.WRITE_REVISION, revision=properties, numbered=self._numbered)
        self.met.update((record.id, record.type) for record in plan.created)
        created = _grouped(plan.created, lambda record: record.type)
        groups = [
            {
                "labels": list(self.model.record_types[type_].ancestors),
                "rows": [self._record_row(record) | own[record.id] for record in records],
            }
            for type_, records in created.items()
        ]
        if groups:
            self._run(statements.CREATE_RECORDS, groups=groups)
        self._update(revision.number, plan.updated, own)
        self._links(revision.number, plan)
        written = {record.id for record in plan.created} | {after.id for _, after in plan.updated}
        self._own({id: owner for id, owner in owners.items() if id not in written})
        self.last = revision
        return revision

    # -- owners ---------------------------------------------------------------------------------------

    def _is_organisation(self, type_: str) -> bool:
        assert self.model is not None
        return ORGANISATION in self.model.record_types[type_].ancestors

    def _found(self, plan: Plan) -> None:
        """Numbers for what becomes an organisation."""
        became = [
            after.id
            for before, after in plan.updated
            if self._is_organisation(after.type) and not self._is_organisation(before.type)
        ]
        self._known_numbers(became)  # what was one before has its number still
        made = [record.id for record in plan.created if self._is_organisation(record.type)]
        self._number([*made, *(id for id in became if id not in self.numbers)])

    def _number(self, ids: Collection[str]) -> None:
        """Give organisations the next numbers."""
        for id in ids:
            self._numbered += 1
            self.numbers[id] = self._numbered

    def _own_rows(self, owners: Mapping[str, str]) -> dict[str, dict[str, int]]:
        """What records have beside their attributes."""
        numbers = self._numbers(owners)
        return {
            id: {"_owner": numbers[owner]}
            | ({"_number": self.numbers[id]} if id in self.numbers else {})
            for id, owner in owners.items()
        }

    def _numbers(self, owners: Mapping[str, str]) -> dict[str, int]:
        """Owners as they are kept; what names an organisation that has no number is asked."""
        named = {*owners.values()} - places.WORDS.keys()
        self._known_numbers(named)
        return places.kept(named, self.numbers)

    def _known_numbers(self, ids: Collection[str]) -> None:
        """Look up numbers that were given before."""
        self.numbers |= self._known.numbers.among([id for id in ids if id not in self.numbers])
        if missing := [id for id in ids if id not in self.numbers]:
            rows = self._run(statements.NUMBERS, ids=sorted(missing))
            self.numbers |= {row["id"]: row["number"] for row in rows if row["number"] is not None}

    def _own(self, owners: Mapping[str, str]) -> None:
        """Keep the owners of stored records."""
        if owners:
            numbers = self._numbers(owners)
            rows = [[id, numbers[owner]] for id, owner in owners.items()]
            self._run(statements.OWN, rows=rows)

    def number_all(self) -> None:
        """Give numbers to the organisations that have none."""
        ids = [row["id"] for row in self._run(statements.UNNUMBERED)]
        if ids:
            self._number(ids)
            self._run(statements.NUMBER, rows=[[id, self.numbers[id]] for id in ids])
            self._run(statements.NUMBERED, numbered=self._numbered)

    def own(self, ids: Collection[str]) -> None:
        """Work out the owners of stored records anew."""
        assert self.model is not None
        self._own(owners_of(self.model, self, ids))

    def _lines(self, plan: Plan) -> list[str]:
        """The lines of the chain."""
        assert self.model is not None
        to_json = self.model.to_json

        updated = [after for _, after in plan.updated]
        altered = [after for _, after in plan.altered]
        return [
            *record_lines(True, plan.created, canonical_each(plan.created, to_json)),
            *record_lines(False, updated, canonical_each(updated, to_json)),
            *link_lines(True, plan.related, canonical_each(plan.related, to_json)),
            *link_lines(False, altered, canonical_each(altered, to_json)),
            *closed_lines(plan.unrelated),
        ]

    def _update(
        self,
        number: int,
        updated: list[tuple[Record, Record]],
        own: Mapping[str, Mapping[str, int]],
    ) -> None:
        if not updated:
            return
        assert self.model is not None
        images = [[before.id, before.type] for before, _ in updated]
        self._run(statements.ADD_RECORD_IMAGES, rows=images, until=number)
        released: set[str] = set()
        for before, after in updated:
            for key in self.model.record_types[after.type].unique:
                released |= {
                    n for n in key.attributes if before.attributes.get(n) != after.attributes.get(n)
                }
        if released and len(updated) > 1:
            self._run(statements.release_unique(released), ids=[after.id for _, after in updated])
        self._retype([(before, after) for before, after in updated if before.type != after.type])
        rows = [
            [after.id, {**self._changed(before, after), **own.get(after.id, {})}]
            for before, after in updated
        ]
        self._run(statements.UPDATE_RECORDS, rows=rows)

    def _changed(self, before: Record, after: Record) -> dict[str, Any]:
        """The properties that change, None for those that go."""
        old, new = before.attributes, after.attributes
        names = [n for n in old.keys() | new.keys() if not same_values(old.get(n), new.get(n))]
        said = self.properties.to_properties({n: new[n] for n in names if n in new})
        return {**dict.fromkeys(names), **said, "revision": after.revision}

    def _retype(self, retyped: list[tuple[Record, Record]]) -> None:
        if not retyped:
            return
        assert self.model is not None
        types = self.model.record_types
        ways = _grouped(retyped, lambda pair: f"{pair[0].type} {pair[1].type}")
        for way, pairs in ways.items():
            before, after = way.split()
            statement = statements.retype(types[before], types[after])
            self._run(statement, ids=[record.id for record, _ in pairs])
        self._run(statements.COUNT_TYPE_CHANGES)
        self.type_changes += 1
        self.met |= {after.id: after.type for _, after in retyped}

    def _links(self, number: int, plan: Plan) -> None:
        for type_, gone in _grouped(plan.unrelated, lambda link: link.type).items():
            ends = [[link.source, link.target] for link in gone]
            self._run(statements.unrelate(type_), rows=ends)
        images = [
            {
                **self._link_properties(before),
                "source": before.source,
                "type": before.type,
                "target": before.target,
                "until": number,
            }
            for before in (*plan.unrelated, *(before for before, _ in plan.altered))
        ]
        if images:
            self._run(statements.ADD_RELATIONSHIP_IMAGES, rows=images)
        altered = [after for _, after in plan.altered]
        for type_, links in _grouped(altered, lambda link: link.type).items():
            rows = [self._link_row(link) for link in links]
            self._run(statements.alter(type_), rows=rows)
        related = _grouped(plan.related, lambda link: link.type)
        groups = [self._link_group(type_, links) for type_, links in related.items()]
        if groups:
            self._run(statements.RELATE, groups=groups)

    def _link_group(self, type_: str, links: list[Relationship]) -> dict[str, Any]:
        """New relationships of a type; properties that many have as one object are sent once."""
        places: dict[int, int] = {}
        properties: list[dict[str, Any]] = []
        rows: list[list[Any]] = []
        for link in links:
            place = places.get(id(link.attributes))
            if place is None:
                place = places[id(link.attributes)] = len(properties)
                properties.append(self._link_properties(link))
            rows.append([link.source, link.target, place])
        return {"type": type_, "properties": properties, "rows": rows}

    def _record_row(self, record: Record) -> dict[str, Any]:
        row = self.properties.to_properties(record.attributes)
        row["id"], row["revision"] = record.id, record.revision
        return row

    def _link_row(self, link: Relationship) -> list[Any]:
        return [link.source, link.target, self._link_properties(link)]

    def _link_properties(self, link: Relationship) -> dict[str, Any]:
        properties = self.properties.to_properties(link.attributes)
        properties["revision"] = link.revision
        return properties


def read_revision(properties: Any) -> Revision:
    effective = properties.get("effective_on")
    at = properties["at"].to_native().astimezone(UTC)
    return Revision(
        properties["number"],
        properties["change_set"],
        at,
        properties["actor"],
        properties["source"],
        properties["reason"],
        effective.to_native() if effective else None,
        properties.get("digest"),
    )


def _revision_properties(revision: Revision, plan: Plan) -> dict[str, Any]:
    """A revision with the ids and keys of all it touched: what the feed is read from."""
    records = [record.id for record in plan.created]
    records += [after.id for _, after in plan.updated]
    links: list[Relationship] = [*plan.related, *plan.unrelated, *(a for _, a in plan.altered)]
    keys = [f"{link.source} {link.type} {link.target}" for link in links]
    return {**revision._asdict(), "records": records, "relationships": keys}


def _grouped(
    elements: Iterable[Element], key: Callable[[Element], str]
) -> dict[str, list[Element]]:
    groups: defaultdict[str, list[Element]] = defaultdict(list)
    for element in elements:
        groups[key(element)].append(element)
    return groups
