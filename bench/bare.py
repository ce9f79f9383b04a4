"""The same work by hand: what somebody would write with nothing but the driver or ``sqlite3``.

No history, no validation, no model: the fastest way to put the same rows there and to read them.
The reading statements run on the product's own data.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import neo4j

from cmdb.change_sets import Create, Operation, Relate
from schema.model import Model

BATCH: Final = 10_000


def load_sqlite(path: Path, operations: Sequence[Operation]) -> None:
    """``executemany`` into two indexed tables, in durable batches."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(
        "CREATE TABLE records (id TEXT PRIMARY KEY, type TEXT, name TEXT, attributes TEXT)"
    )
    connection.execute("CREATE INDEX records_type ON records (type, name)")
    connection.execute(
        "CREATE TABLE relationships (source TEXT, type TEXT, target TEXT, attributes TEXT,"
        " PRIMARY KEY (source, type, target)) WITHOUT ROWID"
    )
    connection.execute("CREATE INDEX relationships_target ON relationships (target)")
    for start in range(0, len(operations), BATCH):
        batch = operations[start : start + BATCH]
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO records VALUES (?, ?, ?, ?)",
            (
                (o.id, o.type, o.attributes["name"], json.dumps(o.attributes, ensure_ascii=False))
                for o in batch
                if isinstance(o, Create)
            ),
        )
        connection.executemany(
            "INSERT INTO relationships VALUES (?, ?, ?, ?)",
            (
                (o.source, o.type, o.target, json.dumps(dict(o.attributes)))
                for o in batch
                if isinstance(o, Relate)
            ),
        )
        connection.execute("COMMIT")
    connection.close()


def load_neo4j(driver: neo4j.Driver, operations: Sequence[Operation], model: Model) -> None:
    """``UNWIND … MERGE``, a statement for each type in each batch."""
    with driver.session() as session:
        session.run("CREATE CONSTRAINT FOR (n:Record) REQUIRE n.id IS UNIQUE").consume()
        session.run("CALL db.awaitIndexes()").consume()
        for start in range(0, len(operations), BATCH):
            session.execute_write(_merge, operations[start : start + BATCH], model)


def _merge(transaction: neo4j.ManagedTransaction, batch: Sequence[Operation], model: Model) -> None:
    records: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    links: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for o in batch:
        if isinstance(o, Create):
            records[o.type].append({"id": o.id, **o.attributes})
        elif isinstance(o, Relate):
            links[o.type].append({"s": o.source, "t": o.target, "p": dict(o.attributes)})
    for name, rows in records.items():
        labels = ":".join(model.record_types[name].ancestors)
        transaction.run(
            f"UNWIND $rows AS row MERGE (n:Record {{id: row.id}}) SET n:{labels}, n += row",
            rows=rows,
        ).consume()
    for name, rows in links.items():
        transaction.run(
            "UNWIND $rows AS row MATCH (a:Record {id: row.s}) MATCH (b:Record {id: row.t})"
            f" MERGE (a)-[r:{name}]->(b) SET r += row.p",
            rows=rows,
        ).consume()


class SqliteReader:
    """Hand-written SQL on the file of a store."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)

    def close(self) -> None:
        self._connection.close()

    def _rows(self, statement: str, *parameters: Any) -> list[Any]:
        return self._connection.execute(statement, parameters).fetchall()

    def get(self, id: str) -> object:
        statement = "SELECT id, type, revision, attributes FROM records WHERE id = ?"
        return [(*row[:3], json.loads(row[3])) for row in self._rows(statement, id)]

    def find(self, vendor: str) -> object:
        statement = (
            "SELECT id, type, revision, attributes FROM records WHERE type = 'Server'"
            " AND attributes ->> '$.vendor' = ? ORDER BY attributes ->> '$.name', id LIMIT 51"
        )
        return [(*row[:3], json.loads(row[3])) for row in self._rows(statement, vendor)]

    def find_by_serial(self, serial: str) -> object:
        statement = (
            "SELECT r.id, r.type, r.revision, r.attributes FROM attribute_values v"
            " JOIN records r ON r.node = v.node"
            " WHERE v.attribute = 'serial_number' AND v.value = ? ORDER BY r.id LIMIT 51"
        )
        return [(*row[:3], json.loads(row[3])) for row in self._rows(statement, serial)]

    def neighbours(self, id: str) -> object:
        arm = (
            "SELECT x.type, x.attributes, r.id, r.type, r.attributes FROM records a"
            " JOIN relationships x ON x.{} = a.node JOIN records r ON r.node = x.{} WHERE a.id = ?"
        )
        statement = f"{arm.format('source', 'target')} UNION ALL {arm.format('target', 'source')}"
        rows = self._rows(statement, id, id)
        return [(row[0], json.loads(row[1]), *row[2:4], json.loads(row[4])) for row in rows]


class Neo4jReader:
    """Hand-written Cypher on the graph of a store, in managed transactions."""

    def __init__(self, driver: neo4j.Driver) -> None:
        self._driver = driver

    def close(self) -> None:
        self._driver.close()

    def _rows(self, statement: str, **parameters: Any) -> list[Any]:
        with self._driver.session(default_access_mode=neo4j.READ_ACCESS) as session:
            return session.execute_read(lambda t: list(t.run(statement, parameters)))

    def get(self, id: str) -> object:
        rows = self._rows("MATCH (n:Record {id: $id}) RETURN n", id=id)
        return [dict(row["n"]) for row in rows]

    def find(self, vendor: str) -> object:
        statement = (
            "MATCH (n:Server) WHERE n.vendor = $vendor RETURN n ORDER BY n.name, n.id LIMIT 51"
        )
        return [dict(row["n"]) for row in self._rows(statement, vendor=vendor)]

    def find_by_serial(self, serial: str) -> object:
        statement = (
            "MATCH (n:Hardware) WHERE n.serial_number = $serial RETURN n ORDER BY n.id LIMIT 51"
        )
        return [dict(row["n"]) for row in self._rows(statement, serial=serial)]

    def neighbours(self, id: str) -> object:
        rows = self._rows("MATCH (:Record {id: $id})-[x]-(r:Record) RETURN x, r", id=id)
        return [(row["x"].type, dict(row["x"]), dict(row["r"])) for row in rows]
