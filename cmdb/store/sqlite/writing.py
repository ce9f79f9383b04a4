"""The write transaction of the SQLite store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from cmdb.commits import End, Plan
from cmdb.owners import owners_after, owners_of, rules_of
from cmdb.records import Record, Relationship, RelationshipKey
from cmdb.revisions import Revision
from cmdb.store import places
from cmdb.store.chain import canonical, canonical_each, closed_lines, link_lines, record_lines, seal
from cmdb.store.known import KnownRecords
from cmdb.store.sqlite import search
from cmdb.store.sqlite.rows import REVISION, kept_values, read_revision
from cmdb.store.sqlite.statements import indexing
from schema.kinds import write_datetime
from schema.model import Model, read_document

BATCH: Final = 10_000
"""Records whose owners are worked out together."""


class SqliteWriteTransaction:
    """Reads and the one write within ``BEGIN IMMEDIATE``, which makes it the only writer.

    Implements `cmdb.commits.WriteTransaction`. Ids that were looked up keep their node number, so
    that writing needs no further look-up.

    Attributes
    ----------
    met
        Node number and type of the records looked up or created; true once it is committed.
    type_changes
        How often a record of the store has changed its type, this transaction included.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        model: Model | None,
        known: KnownRecords[tuple[int, str]],
        read: Callable[[str], dict[str, Any]],
    ) -> None:
        self._connection = connection
        self._known = known
        self.met: dict[str, tuple[int, str]] = {}
        self.model = model
        self._read = read
        self._nodes: dict[str, int] = {}
        self.retyped: dict[str, tuple[int, str]] = {}
        row = connection.execute(
            f"SELECT {REVISION} FROM revisions v ORDER BY number DESC LIMIT 1"
        ).fetchone()
        self.last: Revision | None = read_revision(row) if row else None
        self.type_changes: int = connection.execute("SELECT count FROM type_changes").fetchone()[0]
        known.at(self.type_changes)

    def revision_of(self, change_set: str) -> int | None:
        row = self._connection.execute(
            "SELECT number FROM revisions WHERE change_set = ?", (change_set,)
        ).fetchone()
        return row[0] if row else None

    def records(self, ids: Collection[str]) -> dict[str, Record]:
        rows = self._connection.execute(
            "SELECT r.node, r.id, r.type, r.revision, r.attributes FROM json_each(?) j"
            " JOIN records r ON r.id = j.value",
            (json.dumps(list(ids)),),
        )
        found = {}
        for node, id, type_, revision, attributes in rows:
            self._nodes[id] = node
            found[id] = Record(id, type_, revision, self._read(attributes))
        return found

    def types(self, ids: Collection[str]) -> dict[str, str]:
        found = self._known.among(ids)
        unknown = [id for id in ids if id not in found]
        if unknown:
            rows = self._connection.execute(
                "SELECT r.id, r.node, r.type FROM json_each(?) j JOIN records r ON r.id = j.value",
                (json.dumps(unknown),),
            )
            found |= {id: (node, type_) for id, node, type_ in rows}
        self.met |= found
        self._nodes.update((id, node) for id, (node, _) in found.items())
        return {id: type_ for id, (_, type_) in found.items()}

    def relationships(
        self, keys: Collection[RelationshipKey]
    ) -> dict[RelationshipKey, Relationship]:
        asked = json.dumps([(self._nodes[k.source], k.type, self._nodes[k.target]) for k in keys])
        rows = self._connection.execute(
            "SELECT s.id, x.type, t.id, x.revision, x.attributes FROM json_each(?) j"
            " JOIN relationships x ON x.source = j.value ->> 0 AND x.type = j.value ->> 1"
            " AND x.target = j.value ->> 2"
            " JOIN records s ON s.node = x.source JOIN records t ON t.node = x.target",
            (asked,),
        )
        found = (
            Relationship(source, type_, target, revision, self._read(text))
            for source, type_, target, revision, text in rows
        )
        return {relationship.key: relationship for relationship in found}

    def relationships_at(
        self, end: End, ids: Collection[str], types: Collection[str]
    ) -> list[RelationshipKey]:
        rows = self._connection.execute(
            f"SELECT s.id, x.type, t.id FROM json_each(?) j JOIN records e ON e.id = j.value"
            f" JOIN relationships x ON x.{end} = e.node"
            " AND x.type IN (SELECT value FROM json_each(?))"
            " JOIN records s ON s.node = x.source JOIN records t ON t.node = x.target",
            (json.dumps(list(ids)), json.dumps(list(types))),
        )
        return [RelationshipKey(*row) for row in rows]

    def holders(self, record_type: str, attribute: str, values: Collection[Any]) -> list[Record]:
        assert self.model is not None
        asked = [self.model.to_json({attribute: value})[attribute] for value in values]
        types = self.model.record_types[record_type].concrete
        rows = self._connection.execute(
            "SELECT r.id, r.type, r.revision, r.attributes FROM json_each(?) j"
            " CROSS JOIN attribute_values v ON v.attribute = ? AND v.value = j.value"
            " JOIN records r ON r.node = v.node",
            (json.dumps(asked), attribute),
        )
        return [
            Record(id, type_, revision, self._read(text))
            for id, type_, revision, text in rows
            if type_ in types
        ]

    # -- writing --------------------------------------------------------------------------------------

    def write(self, revision: Revision, plan: Plan, chained: bool = True) -> Revision:
        if plan.model is not None:
            self._many("INSERT INTO models VALUES (?, ?)", [(revision.number, plan.model)])
            self._use(read_document(plan.model))
        assert self.model is not None
        owners = owners_after(self.model, self, plan)
        lines = self._create(plan.created, owners)
        self._find_nodes(plan)
        lines += self._update(plan.updated)
        lines += self._relate(plan)
        made = {record.id for record in plan.created}
        self._own({id: owner for id, owner in owners.items() if id not in made})
        checks = None
        if chained:
            digest, checks = seal(self.last and self.last.digest, revision, plan.model, lines)
            revision = revision._replace(digest=digest)
        self._insert(revision, checks)
        self.last = revision
        return revision

    def _insert(self, revision: Revision, checks: bytes | None) -> None:
        effective = revision.effective_on.isoformat() if revision.effective_on else None
        self._many(
            "INSERT INTO revisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    revision.number,
                    revision.change_set,
                    write_datetime(revision.at),
                    revision.actor,
                    revision.source,
                    revision.reason,
                    effective,
                    revision.digest,
                    checks,
                )
            ],
        )

    def _many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._connection.executemany(statement, rows)

    def _create(self, created: list[Record], owners: Mapping[str, str]) -> list[str]:
        """Gives the lines of the chain, as do the others."""
        if not created:
            return []
        assert self.model is not None
        (top,) = self._connection.execute("SELECT coalesce(max(node), 0) FROM records").fetchone()
        to_json, kept = self.model.to_json, kept_values(self.model)
        values: dict[str, list[tuple[str, Any, int]]] = {name: [] for name in sorted(kept)}
        rows, texts = [], []
        for node, record in enumerate(created, top + 1):
            self._nodes[record.id] = node
            self.met[record.id] = (node, record.type)
        numbers = self._numbers(owners)
        for node, (id, type_, revision, given) in enumerate(created, top + 1):
            attributes = to_json(given)
            text = canonical(attributes)
            rows.append((node, id, type_, revision, text, numbers[owners[id]]))
            texts.append(text)
            for name in kept & attributes.keys():
                values[name].append((name, attributes[name], node))
        self._many("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", rows)
        for name, found in values.items():
            if self.model.attributes[name].many:
                found = [(name, value, node) for _, many, node in found for value in many]
            self._add_values(sorted(found))  # in the order of the index: fewer pages are touched
        return record_lines(True, created, texts)

    def _update(self, updated: list[tuple[Record, Record]]) -> list[str]:
        if not updated:
            return []
        assert self.model is not None
        images, rows, texts, gone, come = [], [], [], [], []
        for before, after in updated:
            node = self._nodes[after.id]
            images.append((after.revision, node))
            new = self.model.to_json(after.attributes)
            old = self.model.to_json(before.attributes)
            text = canonical(new)
            rows.append((after.revision, after.type, text, node))
            texts.append(text)
            if after.type != before.type:
                self.retyped[after.id] = (node, after.type)
            for name in kept_values(self.model):
                if old.get(name) != new.get(name):
                    gone += [(name, value, node) for value in _each(old.get(name))]
                    come += [(name, value, node) for value in _each(new.get(name))]
        self._many(
            "INSERT INTO record_images (node, revision, until, attributes, type)"
            " SELECT node, revision, ?, attributes, type FROM records WHERE node = ?",
            images,
        )
        self._many("UPDATE records SET revision = ?, type = ?, attributes = ? WHERE node = ?", rows)
        if self.retyped:
            self._connection.execute("UPDATE type_changes SET count = count + 1")
            self.type_changes += 1
            self.met |= self.retyped
        self._many(
            "DELETE FROM attribute_values WHERE attribute = ? AND value = ? AND node = ?", gone
        )
        self._add_values(come)
        return record_lines(False, (after for _, after in updated), texts)

    def _relate(self, plan: Plan) -> list[str]:
        assert self.model is not None
        nodes, to_json = self._nodes, self.model.to_json
        number = self.last.number + 1 if self.last else 1
        ended = [(nodes[x.source], x.type, nodes[x.target]) for x in plan.unrelated]
        ended += [(nodes[x.source], x.type, nodes[x.target]) for _, x in plan.altered]
        started: list[tuple[int, str, int, int, str]] = []
        lines = closed_lines(plan.unrelated)
        for related, links in ((True, plan.related), (False, [after for _, after in plan.altered])):
            texts = canonical_each(links, to_json)
            lines += link_lines(related, links, texts)
            started += [
                (nodes[source], type_, nodes[target], revision, text)
                for (source, type_, target, revision, _), text in zip(links, texts, strict=True)
            ]
        if ended:
            self._many(
                "INSERT INTO relationship_images SELECT source, type, target, revision, ?, attributes"
                " FROM relationships WHERE source = ? AND type = ? AND target = ?",
                [(number, *key) for key in ended],
            )
            self._many(
                "DELETE FROM relationships WHERE source = ? AND type = ? AND target = ?", ended
            )
        self._many("INSERT INTO relationships VALUES (?, ?, ?, ?, ?)", started)
        return lines

    def _own(self, owners: Mapping[str, str]) -> None:
        """Keep the owners of stored records."""
        numbers = self._numbers(owners)
        rows = [(numbers[owner], self._nodes[id]) for id, owner in owners.items()]
        self._many("UPDATE records SET owner = ? WHERE node = ?", rows)

    def _numbers(self, owners: Mapping[str, str]) -> dict[str, int]:
        """Owners as they are kept; what names an organisation that is not there is asked."""
        named = {*owners.values()} - places.WORDS.keys()
        if missing := named - self._nodes.keys():
            self.types(missing)
        return places.kept(named, self._nodes)

    def own_all(self) -> None:
        """Work out all owners anew, if the model has other rules than those they were made by."""
        assert self.model is not None
        rules = rules_of(self.model).text
        (known,) = self._connection.execute("SELECT text FROM owner_rules").fetchone()
        if known == rules:
            return
        self._many("UPDATE owner_rules SET text = ?", [(rules,)])
        last = ""
        while ids := [
            id
            for (id,) in self._connection.execute(
                "SELECT id FROM records WHERE id > ? ORDER BY id LIMIT ?", (last, BATCH)
            )
        ]:
            self._own(owners_of(self.model, self, ids))
            last = ids[-1]

    def _find_nodes(self, plan: Plan) -> None:
        """Node numbers that preparing did not look up: of copied revisions."""
        ids: set[str] = {record.id for _, record in plan.updated}
        for x in (*plan.related, *plan.unrelated, *(after for _, after in plan.altered)):
            ids.add(x.source)
            ids.add(x.target)
        missing = ids - self._nodes.keys()
        if missing:
            self.types(missing)

    def _add_values(self, values: Iterable[tuple[str, Any, int]]) -> None:
        self._many("INSERT OR IGNORE INTO attribute_values VALUES (?, ?, ?)", values)

    def _use(self, model: Model) -> None:
        """Make a model the store's: from this transaction on, what is indexed is what it wants."""
        before = kept_values(self.model) if self.model else frozenset()
        kept = kept_values(model)
        for name in before - kept:
            self._connection.execute("DELETE FROM attribute_values WHERE attribute = ?", (name,))
        for name in kept - before:
            self._connection.execute(indexing(name, model.attributes[name].many))
        search.align(self._connection, model.searchable)
        self.model = model
        self.own_all()


def _each(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]
