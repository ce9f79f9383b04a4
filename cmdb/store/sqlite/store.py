"""`GraphStore` on one SQLite file."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from cmdb.commits import End, WriteTransaction
from cmdb.errors import InvalidChangeError, Problem, StoreDamagedError
from cmdb.queries import AsOf, Count, Page, ParsedQuery, Query, countable, parse_query
from cmdb.records import Record, Relationship
from cmdb.revisions import (
    Changes,
    Commit,
    CommitResult,
    Revision,
)
from cmdb.steps import ParsedStep, parse_steps
from cmdb.store import deadlines, places
from cmdb.store.base import (
    NEVER,
    Connected,
    Direction,
    Entry,
    Finding,
    GraphStore,
    Neighbour,
    Statistics,
    Usage,
    connected,
)
from cmdb.store.changes import sort_counts
from cmdb.store.known import KnownRecords
from cmdb.store.sqlite import search as fulltext
from cmdb.store.sqlite.aside import Aside
from cmdb.store.sqlite.compiling import Compiler
from cmdb.store.sqlite.connections import Connections, begin_writing
from cmdb.store.sqlite.history import History, histories
from cmdb.store.sqlite.rows import REVISION, kept_values, read_revision
from cmdb.store.sqlite.statements import (
    HISTORIES,
    INTEGRITY,
    with_model,
    wrongly_indexed,
)
from cmdb.store.sqlite.topology import blocks
from cmdb.store.sqlite.writing import SqliteWriteTransaction
from cmdb.store.topology import LinkBlock, NodeBlock, columns, link_block, node_block
from schema.kinds import write_datetime
from schema.model import ORGANISATION, Model, read_document

MODEL_SECONDS: Final = 1.0
"""How long a model is used before looking whether another process has applied a newer one."""


class SqliteStore(GraphStore):
    """The embedded store.

    Parameters
    ----------
    path
        The file. Beside it SQLite keeps ``-wal`` and ``-shm`` while it is open.
    create
        Make the file; otherwise it must be there.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.url = f"sqlite:///{path}"
        self._statements = 0
        self._connections = Connections(path, create=create)
        self._model: Model | None = None
        self._model_revision = 0
        self._model_checked = 0.0
        self._model_lock = threading.Lock()
        self._nodes: KnownRecords[tuple[int, str]] = KnownRecords()
        self._places = places.Known(self._organisations)
        self._aside = Aside(self._connections, self._count)
        if not create:
            self._own_all()

    @property
    def statements(self) -> int:
        return self._statements

    def close(self) -> None:
        self._connections.close()

    def _count(self) -> None:
        self._statements += 1

    # -- model ----------------------------------------------------------------------------------------

    @property
    def model(self) -> Model:
        if self._model is None or time.monotonic() - self._model_checked > MODEL_SECONDS:
            self._refresh()
        if self._model is None:
            raise StoreDamagedError(
                f"{self.url} holds no model.",
                "Its creation was interrupted: remove the file and run `cmdb init`.",
            )
        return self._model

    def _refresh_model(self, connection: sqlite3.Connection) -> None:
        with self._model_lock:
            (revision,) = connection.execute("SELECT max(revision) FROM models").fetchone()
            if revision is not None and revision != self._model_revision:
                (document,) = connection.execute(
                    "SELECT document FROM models WHERE revision = ?", (revision,)
                ).fetchone()
                self._model, self._model_revision = read_document(document), revision
            self._model_checked = time.monotonic()

    def _read(self, text: str, wanted: Sequence[str] | None = None) -> dict[str, Any]:
        return self._values(orjson.loads(text), wanted) if text != "{}" else {}

    def _values(self, said: dict[str, Any], wanted: Sequence[str] | None = None) -> dict[str, Any]:
        """Attributes from their JSON: all, or some."""
        assert self._model is not None
        if wanted is not None:
            said = {name: said[name] for name in wanted if name in said}
        try:
            return self._model.from_json(said)
        except (ValueError, TypeError, AttributeError) as error:
            raise StoreDamagedError(
                f"{self.url} holds attributes that nothing here has written: {error}.",
                "Restore it from a dump or a backup.",
            ) from None

    def _refresh(self) -> None:
        with self._connections.reading() as connection:
            self._refresh_model(connection)

    # -- statements -----------------------------------------------------------------------------------

    @contextmanager
    def _rows(
        self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
    ) -> Iterator[sqlite3.Cursor]:
        """One statement on a connection of its own, as seen at one moment."""
        with self._connections.reading() as connection:
            self._statements += 1
            if not isinstance(parameters, Mapping):
                parameters = connection.numbered(parameters)
            yield connection.execute(statement, parameters)

    def _all(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        with self._rows(statement, parameters) as rows:
            return rows.fetchall()

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection whose statements all see the same moment."""
        with self._connections.reading() as connection:
            connection.execute("BEGIN")
            yield connection

    def _record(self, row: Sequence[Any], wanted: Sequence[str] | None = None) -> Record:
        return Record(row[0], row[1], row[2], self._read(row[3], wanted))

    def _relationship(self, row: Sequence[Any]) -> Relationship:
        return Relationship(row[0], row[1], row[2], row[3], self._read(row[4]))

    # -- writing --------------------------------------------------------------------------------------

    def _writing(self, work: Callable[[WriteTransaction], CommitResult]) -> CommitResult:
        with self._connections.borrowed() as connection:
            self._begin(connection)
            self._refresh_model(connection)
            transaction = SqliteWriteTransaction(connection, self._model, self._nodes, self._read)
            try:
                result = work(transaction)
            except sqlite3.IntegrityError as error:
                connection.execute("ROLLBACK")
                if "records.id" not in str(error):
                    raise
                raise InvalidChangeError(
                    [
                        Problem(
                            0, "", "exists", "A record to be created has the id of one that exists."
                        )
                    ]
                ) from None
            connection.execute("COMMIT")
            self._nodes.at(transaction.type_changes)
            self._nodes.add(transaction.met)
            self._refresh_model(connection)
            return result

    def _begin(
        self, connection: sqlite3.Connection, waiting: Callable[[], object] = lambda: None
    ) -> None:
        self._statements += 1
        begin_writing(connection, waiting)

    def _own_all(self) -> None:
        """Work out the owners of a file of an older format."""
        with self._connections.borrowed() as connection:
            (rules,) = connection.execute("SELECT text FROM owner_rules").fetchone()
            if rules:
                return
            self._begin(connection)
            self._refresh_model(connection)
            if self._model is not None:
                SqliteWriteTransaction(connection, self._model, self._nodes, self._read).own_all()
            connection.execute("COMMIT")

    def _organisations(self) -> dict[str, int]:
        """The numbers of all organisations: their nodes."""
        kinds = self.model.record_types.get(ORGANISATION)
        names = json.dumps(sorted(kinds.concrete) if kinds else [])
        return dict(
            self._all(
                "SELECT r.id, r.node FROM json_each(?) j JOIN records r ON r.type = j.value",
                (names,),
            )
        )

    def _owners(self, ids: Collection[str]) -> dict[str, str | None]:
        words = places.told({})
        rows = self._all(
            "SELECT r.id, r.owner, o.id FROM json_each(?) j JOIN records r ON r.id = j.value"
            " LEFT JOIN records o ON o.node = r.owner",
            (json.dumps(list(ids)),),
        )
        return {id: words.get(number, owner) for id, number, owner in rows}

    def _align(self, model: Model) -> None:
        """Nothing to do: `SqliteWriteTransaction` did it in the transaction that stored the model."""

    # -- revisions ------------------------------------------------------------------------------------

    def last_revision(self) -> Revision:
        rows = self._all(f"SELECT {REVISION} FROM revisions v ORDER BY number DESC LIMIT 1")
        if not rows:
            raise StoreDamagedError(
                f"{self.url} has no revisions.",
                "Its creation was interrupted: remove the file and run `cmdb init`.",
            )
        return read_revision(rows[0])

    def revisions(self, numbers: Collection[int]) -> dict[int, Revision]:
        rows = self._all(
            f"SELECT {REVISION} FROM json_each(?) j JOIN revisions v ON v.number = j.value",
            (json.dumps(list(numbers)),),
        )
        return {row[0]: read_revision(row) for row in rows}

    def committed(self, change_set: str) -> int | None:
        rows = self._all("SELECT number FROM revisions WHERE change_set = ?", (change_set,))
        return int(rows[0][0]) if rows else None

    def checks(self, number: int) -> bytes:
        rows = self._all("SELECT checks FROM revisions WHERE number = ?", (number,))
        return bytes(rows[0][0] or b"") if rows else b""

    def _revision_at(self, instant: datetime) -> int:
        rows = self._all(
            "SELECT max(number) FROM revisions WHERE at = (SELECT max(at) FROM revisions WHERE at <= ?)",
            (write_datetime(instant),),
        )
        return int(rows[0][0] or 0)

    # -- reading --------------------------------------------------------------------------------------

    def get(
        self,
        ids: Collection[str],
        as_of: AsOf = None,
        attributes: Collection[str] | None = None,
    ) -> dict[str, Record]:
        ids = [id for id in ids if id.isascii()]  # as every id is
        compiler = Compiler(self.resolve(as_of))
        _ = self.model
        asked = self._wanted(attributes)
        source = compiler.records()
        if len(ids) == 1:
            condition = f"r.id = {compiler.parameter(ids[0])}"
        else:
            condition = f"r.id IN {compiler.one_of(ids)}"
        statement = (
            f"SELECT r.id, r.type, r.revision, r.attributes FROM {source} r WHERE {condition}"
        )
        rows = self._all(statement, compiler.parameters)
        return {row[0]: self._record(row, asked) for row in rows}

    def _held(self, ids: Collection[str], attribute: str) -> list[tuple[str, int, int, Any]]:
        compiler = Compiler(None)
        _ = self.model
        ids = [id for id in ids if id.isascii()]
        value = f"attributes -> '$.{attribute}'"
        statement = (
            f"SELECT r.id, r.revision, {NEVER}, r.{value} FROM records r"
            f" WHERE r.id IN {compiler.one_of(ids)}"
            f" UNION ALL SELECT r.id, i.revision, i.until, i.{value}"
            " FROM records r JOIN record_images i ON i.node = r.node"
            f" WHERE r.id IN {compiler.one_of(ids)}"
        )
        return [
            (id, revision, until, self._value(attribute, value))
            for id, revision, until, value in self._all(statement, compiler.parameters)
        ]

    def _value(self, attribute: str, text: str | None) -> Any:
        said = {} if text is None else {attribute: json.loads(text)}
        return self.model.from_json(said).get(attribute)

    def holders(self, attribute: str, values: Collection[Any]) -> list[Record]:
        asked = [self.model.to_json({attribute: value})[attribute] for value in values]
        rows = self._all(
            "SELECT r.id, r.type, r.revision, r.attributes FROM json_each(?) j"
            " CROSS JOIN attribute_values v ON v.attribute = ? AND v.value = j.value"
            " JOIN records r ON r.node = v.node",
            (orjson.dumps(asked).decode(), attribute),
        )
        return [self._record(row) for row in rows]

    def find(self, query: Query) -> Page:
        return self._page(query)

    def search(self, text: str, query: Query = Query()) -> Page:  # noqa: B008
        return self._page(query, text)

    def _page(self, query: Query, text: str | None = None) -> Page:
        parsed = self._checked(partial(parse_query, query=query, text=text))
        if text is not None:
            self.catch_up()
        if not query.steps:
            return self._one_page(query, parsed)
        at = self.resolve(query.as_of)
        steps = self._checked(partial(parse_steps, steps=query.steps, past=at is not None))
        with self._connections.moment():
            page = self._one_page(query, parsed)
            below = self._level([record.id for record in page.records], steps, at)
        return replace(page, below=below)

    def _one_page(self, query: Query, parsed: ParsedQuery) -> Page:
        rows = self._looked_up(
            query.as_of, lambda c: c.page_with_total(parsed) if query.total else c.page(parsed)
        )
        total = None
        if query.total:
            total = rows[0][-1]
            rows = [row for row in rows if row[0] is not None]
        records = [self._record(row[:4], parsed.attributes) for row in rows[: query.first]]
        more = len(rows) > query.first
        return Page(records, parsed.cursor(records[-1]) if more else None, total)

    def count_by(self, query: Query, attributes: Sequence[str]) -> list[Count]:
        parsed = self._checked(partial(parse_query, query=query))
        kinds = countable(self.model, query.type, attributes)
        rows = self._looked_up(query.as_of, lambda c: c.count_by(parsed, attributes))
        counts = [
            Count(
                tuple(_from_sql(kind, value) for kind, value in zip(kinds, row, strict=False)),
                row[-1],
            )
            for row in rows
        ]
        return sort_counts(counts)

    def _looked_up(self, as_of: AsOf, statement: Callable[[Compiler], str]) -> list[Any]:
        """The rows of a statement; asked again where it relied on an index that another process took
        away meanwhile, by a model change that was not noticed yet."""
        while True:
            model, known = self.model, self._model_revision
            compiler = Compiler(self.resolve(as_of), kept_values(model), self._places)
            asked = compiler.headed(statement(compiler))
            if not compiler.looked_up:
                return self._all(asked, compiler.parameters)
            rows = self._all(with_model(asked), compiler.parameters)
            if rows[0][-1] == known:
                return [row[:-1] for row in rows if row[:-1] != (None,) * (len(row) - 1)]
            self._refresh()

    def neighbours(
        self,
        ids: Collection[str],
        types: Collection[str] | None = None,
        direction: Direction = "both",
        as_of: AsOf = None,
    ) -> list[Neighbour]:
        compiler = Compiler(self.resolve(as_of))
        model = self.model
        for name in types or ():
            model.relationship_type(name)
        arms = []
        for way, near, far in (("out", "source", "target"), ("in", "target", "source")):
            if direction not in (way, "both"):
                continue
            asked = compiler.parameter(json.dumps(sorted(set(ids))))
            relationships, records = compiler.relationships(), compiler.records()
            narrowed = ""
            if types is not None:
                narrowed = f" AND x.type IN {compiler.one_of(sorted(types))}"
            arms.append(
                f"SELECT a.id AS of, x.type AS type, '{way}' AS way, r.id AS other, r.type, r.revision,"
                " r.attributes, x.revision, x.attributes"
                f" FROM json_each({asked}) j JOIN records a ON a.id = j.value"
                f" JOIN {relationships} x ON x.{near} = a.node"
                f" JOIN {records} r ON r.node = x.{far}{' WHERE' + narrowed[4:] if narrowed else ''}"
            )
        statement = f"{' UNION ALL '.join(arms)} ORDER BY 1, 2, 3 DESC, 4"
        found = []
        for row in self._all(statement, compiler.parameters):
            of, type_, way, other = row[:4]
            ends = (of, other) if way == "out" else (other, of)
            link = Relationship(ends[0], type_, ends[1], row[7], self._read(row[8]))
            found.append(Neighbour(of, link, Record(other, row[4], row[5], self._read(row[6]))))
        return found

    def _connected(
        self, ids: Sequence[str], steps: Sequence[ParsedStep], at: int | None
    ) -> dict[tuple[str, int], Connected]:
        with self._connections.moment():
            return self._level(ids, steps, at)

    def _level(
        self, ids: Sequence[str], steps: Sequence[ParsedStep], at: int | None
    ) -> dict[tuple[str, int], Connected]:
        found: dict[tuple[str, int], Connected] = {}
        below: list[dict[tuple[str, int], Connected]] = [{} for _ in steps]
        far: list[set[str]] = [set() for _ in steps]
        for of, *answers in self._looked_up(at, lambda c: c.connections(ids, steps)):
            for index, step in enumerate(steps):
                text, total = answers[2 * index : 2 * index + 2]
                rows = orjson.loads(text or "[]")
                records = [self._far(step, row) for row in rows]
                links = [] if step.only_records else [self._link(of, step, row) for row in rows]
                page = connected(step.query, records, links, total, below[index])
                found[of, index] = page
                far[index].update(record.id for record in page.records)
        for index, step in enumerate(steps):
            if step.steps and far[index]:
                below[index].update(self._level(sorted(far[index]), step.steps, at))
        return found

    def _far(self, step: ParsedStep, row: Sequence[Any]) -> Record:
        """The record that a step leads to."""
        id, type_, revision, said, *_ = row
        return Record(id, type_, revision, self._values(said, step.query.attributes))

    def _link(self, of: str, step: ParsedStep, row: Sequence[Any]) -> Relationship:
        """The relationship of a step."""
        source, target = (of, row[0]) if step.direction == "out" else (row[0], of)
        said = self._values(row[5], step.attributes)
        return Relationship(source, step.type, target, row[4], said)

    def _dependencies(
        self, ids: Collection[str], ends: Mapping[str, End], at: int | None, of_dependents: bool
    ) -> tuple[NodeBlock, LinkBlock]:
        compiler = Compiler(at)
        statement = compiler.dependencies(ids, ends, of_dependents)
        rows = self._all(statement, compiler.parameters)
        links = [row[1:] for row in rows if row[0] is None]
        nodes = columns([row for row in rows if row[0] is not None], 7)
        return node_block(nodes), link_block(columns(links, 6))

    def catch_up(self, progress: Callable[[int], None] = lambda _: None) -> None:
        while self._all(
            "SELECT 1 FROM search_position WHERE revision < (SELECT max(number) FROM revisions)"
        ):
            with self._connections.borrowed() as connection:
                self._begin(connection, deadlines.remaining)
                self._refresh_model(connection)
                fulltext.index(connection, self.model.searchable, orjson.loads)
                connection.execute("COMMIT")
                progress(fulltext.position(connection))

    def mark(self, name: str, value: bytes | None) -> None:
        self._aside.mark(name, value)

    def marks(self, prefix: str) -> dict[str, bytes]:
        return self._aside.marks(prefix)

    def swap(self, name: str, expected: bytes | None, value: bytes | None) -> bool:
        return self._aside.swap(name, expected, value)

    def append(self, name: str, entries: Sequence[bytes]) -> int:
        return self._aside.append(name, entries, self.clock())

    def journal(self, name: str, after: int = 0, first: int = 1_000) -> list[Entry]:
        return self._aside.journal(name, after, first)

    def trim(self, name: str, upto: int) -> None:
        self._aside.trim(name, upto)

    def remove_entry(self, name: str, number: int) -> bool:
        return self._aside.remove_entry(name, number)

    # -- history --------------------------------------------------------------------------------------

    def _histories(self, ids: Sequence[str], first: int, before: int) -> dict[str, list[Commit]]:
        _ = self.model
        asked = {"ids": json.dumps(ids), "first": first, "before": before}
        return histories(self._all(HISTORIES, asked), self._record, self._relationship)

    def feed(
        self, after: int = 0, upto: int | None = None, only: Collection[str] | None = None
    ) -> Iterator[Commit]:
        with self._history() as history:
            yield from history.commits(after, NEVER if upto is None else upto)

    def compare(self, earlier: AsOf, later: AsOf = None) -> Changes:
        with self._history() as history:
            return history.compare(*map(self.resolve, (earlier, later)))

    @contextmanager
    def _history(self) -> Iterator[History]:
        _ = self.model
        with self._snapshot() as connection:
            yield History(connection, self._record, self._relationship)

    # -- everything -----------------------------------------------------------------------------------

    def scan_records(self, as_of: AsOf = None) -> Iterator[Record]:
        compiler = Compiler(self.resolve(as_of))
        _ = self.model
        statement = f"SELECT r.id, r.type, r.revision, r.attributes FROM {compiler.records()} r ORDER BY r.id"
        with self._rows(statement, compiler.parameters) as rows:
            yield from map(self._record, rows)

    def scan_relationships(
        self, as_of: AsOf = None, types: Collection[str] | None = None
    ) -> Iterator[Relationship]:
        compiler = Compiler(self.resolve(as_of))
        _ = self.model
        source = compiler.relationships()
        chosen = "" if types is None else f" WHERE x.type IN {compiler.one_of(sorted(types))}"
        statement = (
            "SELECT s.id, x.type, t.id, x.revision, x.attributes"
            f" FROM {source} x JOIN records s ON s.node = x.source"
            f" JOIN records t ON t.node = x.target{chosen}"
        )
        with self._rows(statement, compiler.parameters) as rows:
            yield from map(self._relationship, rows)

    def _blocks(
        self, types: Sequence[str], record_types: Sequence[str], at: int, past: bool
    ) -> Iterator[NodeBlock | LinkBlock]:
        return blocks(self._snapshot, types, record_types, at, past)

    def statistics(self) -> Statistics:
        tables = ("records", "relationships", "record_images", "relationship_images", "revisions")
        counts = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
        return Statistics(*self._all(f"SELECT {counts}")[0])

    def type_usage(self) -> Usage:
        with self._snapshot() as connection:

            def used(source: str) -> dict[str, set[str]]:
                found: dict[str, set[str]] = {}
                for type_, name in connection.execute(
                    f"SELECT DISTINCT e.type, j.key FROM ({source}) e, json_each(e.attributes) j"
                ):
                    found.setdefault(type_, set()).add(name)
                return found

            records = dict(connection.execute("SELECT type, count(*) FROM records GROUP BY type"))
            links = dict(
                connection.execute(
                    "SELECT type, count(*) FROM (SELECT type FROM relationships UNION ALL SELECT type FROM relationship_images) GROUP BY type"
                )
            )
            return Usage(
                records,
                links,
                used(
                    "SELECT type, attributes FROM records UNION ALL SELECT type, attributes FROM record_images"
                ),
                used(
                    "SELECT type, attributes FROM relationships UNION ALL SELECT type, attributes FROM relationship_images"
                ),
            )

    def damage(self) -> Iterator[Finding]:
        with self._snapshot() as connection:
            for (problem,) in connection.execute("PRAGMA integrity_check(100)"):
                if problem != "ok":
                    yield Finding("damaged_file", str(self._connections.path), problem)
            for code, statement, message in INTEGRITY:
                for (subject,) in connection.execute(statement):
                    yield Finding(code, str(subject), message)
            for name in sorted(kept_values(self.model)):
                statement = wrongly_indexed(name, self.model.attributes[name].many)
                for (subject,) in connection.execute(statement):
                    yield Finding("wrong_index", subject, f"Its {name} is not indexed as it is.")


def _from_sql(kind: Any, value: Any) -> Any:
    """A value that came out of json_extract, as the attribute has it."""
    if value is None or kind is None:
        return value
    return bool(value) if kind.name == "boolean" else kind.from_json(value)
