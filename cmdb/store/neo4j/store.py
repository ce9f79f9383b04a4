"""`GraphStore` on Neo4j."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, Final

import neo4j
from neo4j import exceptions as driver_errors

from cmdb.commits import End, WriteTransaction
from cmdb.errors import (
    InvalidChangeError,
    Problem,
    StoreAccessError,
    StoreDamagedError,
    StoreExistsError,
    StoreNotFoundError,
    StoreReadOnlyError,
    StoreVersionError,
)
from cmdb.owners import rules_of
from cmdb.queries import AsOf, Count, Page, Query, countable, parse_query
from cmdb.records import Record, Relationship, RelationshipKey
from cmdb.revisions import Changes, Commit, CommitResult, Revision
from cmdb.steps import ParsedStep, organisations_of, parse_steps
from cmdb.store import places
from cmdb.store.base import (
    FORMAT,
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
from cmdb.store.neo4j import statements
from cmdb.store.neo4j.aside import Aside
from cmdb.store.neo4j.compiling import Compiler
from cmdb.store.neo4j.connections import Connection, parse_url, translating
from cmdb.store.neo4j.database import Database
from cmdb.store.neo4j.history import History
from cmdb.store.neo4j.properties import OWN, Properties
from cmdb.store.neo4j.topology import Reader
from cmdb.store.neo4j.writing import Known, Neo4jWriteTransaction
from cmdb.store.topology import OPEN, LinkBlock, NodeBlock, columns, link_block, node_block
from schema.model import ORGANISATION_TREE, Model, read_document

MODEL_SECONDS: Final = 1.0
"""How long a model is used before looking whether another process has applied a newer one."""
DEFINITIONS: Final = (
    ("CONSTRAINT", "CONSTRAINTS", "cmdb_unique_"),
    ("INDEX", "INDEXES", "cmdb_index_"),
)
"""What a model defines in the database: kind, its plural, how our names for it begin."""


def open_neo4j(url: str, *, create: bool) -> Neo4jStore:
    """Open or create the store in a Neo4j database.

    Raises
    ------
    StoreExistsError, StoreNotFoundError, StoreVersionError, StoreUnavailableError, StoreAccessError
    """
    connection = Connection(parse_url(url))
    store = Neo4jStore(connection)
    try:
        connection.verify()
        if create:
            store.create()
        else:
            store.check_format()
    except BaseException:
        store.close()
        raise
    return store


class Neo4jStore(GraphStore):
    """The production store.

    Parameters
    ----------
    connection
        An open driver; the store closes it.
    """

    def __init__(self, connection: Connection) -> None:
        self.url = connection.address.shown
        self._connection = connection
        self._database = Database(connection)
        self._history = History(self._database, lambda: self.properties)
        self._model: Model | None = None
        self._properties: Properties | None = None
        self._model_revision = 0
        self._model_checked = 0.0
        self._model_lock = threading.Lock()
        self._types: KnownRecords[str] = KnownRecords()
        self._numbers: KnownRecords[int] = KnownRecords()
        self._places = places.Known(self._organisations)
        self._aside = Aside(self._database)
        self._format = FORMAT
        self._rules = self._owned_by = ""

    @property
    def statements(self) -> int:
        return self._database.statements

    def close(self) -> None:
        self._database.close()

    def create(self) -> None:
        """Make an empty store: its constraints, its indexes and its node of state."""
        if self._database.rows("MATCH (s:`_Store` {key: 'store'}) RETURN s"):
            raise StoreExistsError(
                f"There is a store at {self.url} already.",
                "Choose another database, or use the store that is there.",
            )
        if self._database.rows("MATCH (n) RETURN 1 LIMIT 1"):
            raise StoreExistsError(
                f"The database at {self.url} is not empty.", "Give the store a database of its own."
            )
        self._database.define(statements.CONSTRAINTS)
        self._database.define((statements.CREATE_STORE,), format=FORMAT)

    def check_format(self) -> None:
        if not self._refresh_model():
            self._database.settle()
        if self._format < FORMAT:
            with suppress(StoreAccessError, StoreReadOnlyError):  # somebody who may, will
                self._database.define(statements.CONSTRAINTS)
                self._database.define((statements.SET_FORMAT,), format=FORMAT)
        if self._model is not None:
            with suppress(StoreAccessError, StoreReadOnlyError):
                self._own_all()

    # -- model ----------------------------------------------------------------------------------------

    @property
    def model(self) -> Model:
        if self._model is None or time.monotonic() - self._model_checked > MODEL_SECONDS:
            self._refresh_model()
        if self._model is None:
            raise StoreDamagedError(
                f"{self.url} holds no model.",
                "Its creation was interrupted: empty the database and run `cmdb init`.",
            )
        return self._model

    @property
    def properties(self) -> Properties:
        """Translates values, by the model in use."""
        _ = self.model
        assert self._properties is not None
        return self._properties

    def _refresh_model(self) -> bool:
        """Read the model if it has changed; gives whether no commit is under way."""
        with self._model_lock:
            rows = self._connection.rows(statements.LATEST_MODEL, {"known": self._model_revision})
            if not rows:
                raise StoreNotFoundError(
                    f"There is no store at {self.url}.", "`cmdb init` makes one."
                )
            if rows[0]["format"] > FORMAT:
                raise StoreVersionError(
                    f"{self.url} has format {rows[0]['format']}; this release reads up to {FORMAT}.",
                    "Use a newer release.",
                )
            self._format, self._owned_by = rows[0]["format"], rows[0]["owners"]
            if rows[0]["document"] is not None:
                model = read_document(rows[0]["document"])
                self._properties, self._model = Properties(model), model
                self._rules = rules_of(model).text
                self._model_revision = rows[0]["revision"]
            self._model_checked = time.monotonic()
            return bool(rows[0]["quiet"])

    def _refresh(self) -> None:
        self._refresh_model()

    def _align(self, model: Model) -> None:
        """Constraints, indexes and the full-text index as the model wants them, no others of ours."""
        self._refresh_model()
        wanted = {**statements.model_constraints(model), **statements.model_indexes(model)}
        dropped = [
            f"DROP {kind} `{row['name']}` IF EXISTS"
            for kind, kinds, prefix in DEFINITIONS
            for row in self._database.rows(
                f"SHOW {kinds} YIELD name WHERE name STARTS WITH $prefix RETURN name", prefix=prefix
            )
            if wanted.pop(row["name"], None) is None
        ]
        made = list(wanted.values())
        rows = self._database.rows(
            "SHOW INDEXES YIELD name, properties WHERE name = $name RETURN properties",
            name=statements.SEARCH_INDEX,
        )
        if not rows or set(rows[0]["properties"]) != set(model.searchable):
            dropped.append(f"DROP INDEX `{statements.SEARCH_INDEX}` IF EXISTS")
            made.append(statements.search_index(model))
        for commands in filter(None, (dropped, made)):
            self._database.define(commands)
        self._database.define(("CALL db.awaitIndexes(3600)",))
        self._own_all()

    def _owned(self) -> bool:
        """Whether all owners are those of the model in use; else they are being made, or have to be."""
        return self._owned_by == self._rules

    def _own_all(self) -> None:
        """Work out all owners anew, if the model has other rules than those they were made by."""
        if self._owned():
            return
        made = {"rules": self._rules, "model": self._model_revision}
        self._unrecorded(lambda writing: writing.number_all())
        for ids in self._history.ids():
            self._unrecorded(partial(Neo4jWriteTransaction.own, ids=ids))
        self._database.define((statements.SET_OWNER_RULES,), **made)
        self._refresh_model()

    def _unrecorded(self, work: Callable[[Neo4jWriteTransaction], None]) -> None:
        """Write what is in no revision, while nobody else writes."""

        def once(transaction: neo4j.ManagedTransaction) -> None:
            work(Neo4jWriteTransaction(transaction, self._known(), self._database.count))

        with translating(self.url):
            self._database.write(once)

    def _known(self) -> Known:
        return Known(self._model, self._model_revision, self._types, self._numbers)

    def _organisations(self) -> dict[str, int]:
        """The numbers of all organisations."""
        found = self._database.answer(statements.ORGANISATIONS, {})
        return {id: number for id, number in found if number is not None}

    def _owners(self, ids: Collection[str]) -> dict[str, str | None]:
        words = places.told(self._organisations())
        rows = self._database.rows(statements.OWNERS, ids=list(ids))
        return {row["id"]: words.get(row["owner"]) for row in rows}

    def _answer(
        self,
        statement: Callable[[Compiler], str],
        as_of: AsOf,
        organisations: Collection[str | None] = (),
        **parameters: Any,
    ) -> list[Any]:
        """What one compiled statement answers, none of it from the middle of a commit."""
        at = self.resolve(as_of)
        past = {o for o in organisations if o is not None and at is not None}
        subtrees = {o: self._subtree(o, at) for o in past}
        model = self.model
        compiler = Compiler(model, at, subtrees, self._places if self._owned() else None)
        asked = statement(compiler)
        return list(self._database.answer(asked, {**parameters, **compiler.parameters}))

    def _subtree(self, organisation: str, at: int | None) -> list[str]:
        """An organisation and those that were below it; one statement for each level."""
        found, frontier = {organisation}, {organisation}
        while frontier:
            links = self.neighbours(frontier, [ORGANISATION_TREE], "in", at)
            frontier = {link.record.id for link in links} - found
            found |= frontier
        return sorted(found)

    # -- writing --------------------------------------------------------------------------------------

    def _writing(self, work: Callable[[WriteTransaction], CommitResult]) -> CommitResult:
        """Managed transactions are repeated by the driver while the server asks for it.

        A connection lost during the commit itself leaves open whether it happened: then the work is
        done again, and finds its own change set if it did.
        """

        def once(
            transaction: neo4j.ManagedTransaction,
        ) -> tuple[CommitResult, Neo4jWriteTransaction]:
            writing = Neo4jWriteTransaction(transaction, self._known(), self._database.count)
            result = work(writing)
            if result.committed:
                self._database.announce(result.revision, writing.before)
            return result, writing

        result, writing, uncertain = self._until_certain(once)
        self._types.at(writing.type_changes)
        self._types.add(writing.met)
        self._numbers.add(writing.numbers)
        if result.committed or writing.found_itself:
            self._database.publish(result.revision)
        committed = result.committed or (uncertain and writing.found_itself)
        return CommitResult(result.revision, committed)

    def _until_certain(
        self,
        once: Callable[[neo4j.ManagedTransaction], tuple[CommitResult, Neo4jWriteTransaction]],
    ) -> tuple[CommitResult, Neo4jWriteTransaction, bool]:
        """Also gives whether it was repeated, not knowing what had become of the first time."""
        uncertain = False
        with translating(self.url):
            while True:
                try:
                    return *self._database.write(once), uncertain
                except driver_errors.IncompleteCommit:
                    if uncertain:
                        raise
                    uncertain = True
                except driver_errors.ConstraintError as error:
                    self._database.settle()
                    if "cmdb_unique" in str(error) or "`id`" not in str(error):
                        raise
                    message = "A record to be created has the id of one that exists."
                    raise InvalidChangeError([Problem(0, "", "exists", message)]) from None

    # -- the past -------------------------------------------------------------------------------------

    def last_revision(self) -> Revision:
        return self._history.last_revision()

    def revisions(self, numbers: Collection[int]) -> dict[int, Revision]:
        return self._history.revisions(numbers)

    def committed(self, change_set: str) -> int | None:
        return self._history.committed(change_set)

    def checks(self, number: int) -> bytes:
        return self._history.checks(number)

    def _revision_at(self, instant: datetime) -> int:
        return self._history.revision_at(instant)

    def _histories(self, ids: Sequence[str], first: int, before: int) -> dict[str, list[Commit]]:
        return self._history.of(ids, first, before)

    def feed(
        self, after: int = 0, upto: int | None = None, only: Collection[str] | None = None
    ) -> Iterator[Commit]:
        return self._history.feed(after, upto, only)

    def compare(self, earlier: AsOf, later: AsOf = None) -> Changes:
        last = self.last_revision().number
        first, second = (last if at is None else at for at in map(self.resolve, (earlier, later)))
        return self._history.compare(first, second)

    def scan_records(self, as_of: AsOf = None) -> Iterator[Record]:
        at = self.resolve(as_of)
        at = self.last_revision().number if at is None else at
        for ids in self._history.ids():
            found = self.get(ids, at)
            yield from (found[id] for id in ids if id in found)

    def scan_relationships(
        self, as_of: AsOf = None, types: Collection[str] | None = None
    ) -> Iterator[Relationship]:
        at = self.resolve(as_of)
        at = self.last_revision().number if at is None else at
        chosen = None if types is None else sorted(types)
        for ids in self._history.ids():
            yield from self._history.links_from(ids, chosen, at)

    def _blocks(
        self, types: Sequence[str], record_types: Sequence[str], at: int, past: bool
    ) -> Iterator[NodeBlock | LinkBlock]:
        return Reader(self._database, self.properties, at, past).blocks(types, record_types)

    # -- reading --------------------------------------------------------------------------------------

    def get(
        self,
        ids: Collection[str],
        as_of: AsOf = None,
        attributes: Collection[str] | None = None,
    ) -> dict[str, Record]:
        ids = [id for id in ids if id.isascii()]  # as every id is
        asked = self._wanted(attributes)
        found = self._answer(lambda c: c.get(asked), as_of, ids=ids)
        return {record.id: record for record in map(self.properties.reader(asked), found)}

    def _held(self, ids: Collection[str], attribute: str) -> list[tuple[str, int, int, Any]]:
        asked = {"ids": sorted({id for id in ids if id.isascii()})}
        read = self.properties.to_attributes
        return [
            (
                id,
                revision,
                NEVER if until is None else until,
                None if value is None else read({attribute: value})[attribute],
            )
            for id, revision, until, value in self._database.answer(
                statements.held(attribute), asked
            )
        ]

    def holders(self, attribute: str, values: Collection[Any]) -> list[Record]:
        asked = [self.properties.to_property(attribute, value) for value in values]
        found = self._database.answer(statements.holders_of_any(attribute), {"values": asked})
        return [self.properties.record(element) for element in found]

    def find(self, query: Query) -> Page:
        return self._page(query)

    def search(self, text: str, query: Query = Query()) -> Page:  # noqa: B008
        return self._page(query, text)

    def _page(self, query: Query, text: str | None = None) -> Page:
        parsed = self._checked(partial(parse_query, query=query, text=text))
        past = query.as_of is not None
        steps = self._checked(partial(parse_steps, steps=query.steps, past=past))
        write = Compiler.page_with_total if query.total else Compiler.page
        organisations = [query.organisation, *organisations_of(steps)]
        found = self._answer(lambda c: write(c, parsed, steps), query.as_of, organisations)
        total = None
        if query.total:
            found, total = found
        more, rows = len(found) > query.first, found[: query.first]
        read = self.properties.reader(parsed.attributes)
        records = [read(row[0]) for row in rows]
        answers = {record.id: row[1:] for record, row in zip(records, rows, strict=True)}
        below = self._below(answers, steps)
        return Page(records, parsed.cursor(records[-1]) if more else None, total, below)

    def _below(
        self, answers: Mapping[str, Sequence[Any]], steps: Sequence[ParsedStep]
    ) -> dict[tuple[str, int], Connected]:
        """The pages of steps from records, by their ids, as `Compiler.page` has them answered."""
        found: dict[tuple[str, int], Connected] = {}
        for index, step in enumerate(steps):
            read, link = self.properties.reader(step.query.attributes), self.properties.link(step)
            behind_from = 1 if step.only_records else 2
            behind: dict[tuple[str, int], Connected] = {}
            answers_behind: dict[str, Sequence[Any]] = {}
            for of, said in answers.items():
                rows, total = said[index]
                records, links = [read(row[0]) for row in rows], []
                if not step.only_records:
                    links = [link(of, r.id, row[1]) for r, row in zip(records, rows, strict=True)]
                page = connected(step.query, records, links, total, behind)
                found[of, index] = page
                if step.steps:
                    for record, row in zip(page.records, rows, strict=False):
                        answers_behind[record.id] = row[behind_from:]
            behind.update(self._below(answers_behind, step.steps))
        return found

    def count_by(self, query: Query, attributes: Sequence[str]) -> list[Count]:
        parsed = self._checked(partial(parse_query, query=query))
        countable(self.model, query.type, attributes)
        rows = self._answer(
            lambda c: c.count_by(parsed, attributes), query.as_of, [query.organisation]
        )
        counts: defaultdict[tuple[Any, ...], int] = defaultdict(int)
        for *group, count in rows:
            values = []
            for name, value in zip(attributes, group, strict=True):
                if name == "type":
                    value = (
                        value[0] if len(value) == 1 else self.properties.type_of(frozenset(value))
                    )
                elif value is not None:
                    value = self.properties.to_attributes({name: value})[name]
                values.append(value)
            counts[tuple(values)] += count
        return sort_counts(Count(values, count) for values, count in counts.items())

    def _dependencies(
        self, ids: Collection[str], ends: Mapping[str, End], at: int | None, of_dependents: bool
    ) -> tuple[NodeBlock, LinkBlock]:
        records, links = self._answer(
            lambda c: c.dependencies(ends, of_dependents), at, ids=sorted(set(ids))
        )
        numbers = {record[0]: number for number, record in enumerate(records)}
        nodes = [
            (number, id, self.properties.type_of(frozenset(labels)), *said, OPEN)
            for number, (id, labels, *said) in enumerate(records)
        ]
        ends_of = [
            (numbers[source], numbers[target], *rest, OPEN) for source, target, *rest in links
        ]
        return node_block(columns(nodes, 7)), link_block(columns(ends_of, 6))

    def _connected(
        self, ids: Sequence[str], steps: Sequence[ParsedStep], at: int | None
    ) -> dict[tuple[str, int], Connected]:
        rows = self._answer(
            lambda c: c.connections(steps), at, organisations_of(steps), ids=list(ids)
        )
        return self._below({row[0]: row[1:] for row in rows}, steps)

    def _neighbour(self, row: Sequence[Any]) -> Neighbour:
        of, way, type_, link, element = row
        record = self.properties.record(element)
        ends = (of, record.id) if way == "out" else (record.id, of)
        key = RelationshipKey(ends[0], type_, ends[1])
        return Neighbour(of, self.properties.relationship(key, link), record)

    def neighbours(
        self,
        ids: Collection[str],
        types: Collection[str] | None = None,
        direction: Direction = "both",
        as_of: AsOf = None,
    ) -> list[Neighbour]:
        for name in types or ():
            self.model.relationship_type(name)
        if types is not None and not types:
            return []
        ways = ("out", "in") if direction == "both" else (direction,)
        chosen = None if types is None else sorted(types)
        rows = self._answer(lambda c: c.neighbours(chosen, ways), as_of, ids=sorted(set(ids)))
        return sorted(
            map(self._neighbour, rows),
            key=lambda n: (n.of, n.relationship.type, n.relationship.source != n.of, n.record.id),
        )

    def catch_up(self, progress: Callable[[int], None] = lambda _: None) -> None:
        """The server indexes by itself, and every search waits for it: nothing is left to do."""

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

    def statistics(self) -> Statistics:
        return Statistics(*self._database.answer(statements.STATISTICS, {}))

    def type_usage(self) -> Usage:
        records: defaultdict[str, int] = defaultdict(int)
        used: defaultdict[str, set[str]] = defaultdict(set)
        links: defaultdict[str, int] = defaultdict(int)
        linked: defaultdict[str, set[str]] = defaultdict(set)
        for row in self._database.rows(statements.USAGE_RECORDS):
            type_ = self.properties.type_of(frozenset(row["labels"]))
            records[type_] += row["count"] if row["name"] == "id" else 0
            used[type_].add(row["name"])
        for row in self._database.rows(statements.USAGE_RECORD_IMAGES):
            used[row["type"]].add(row["name"])
        for statement in (statements.USAGE_RELATIONSHIPS, statements.USAGE_RELATIONSHIP_IMAGES):
            for row in self._database.rows(statement):
                links[row["type"]] += row["count"] if row["name"] == "revision" else 0
                linked[row["type"]].add(row["name"])
        system = {"id", "type", "revision", "until", "source", "target", *OWN}
        return Usage(
            dict(records),
            dict(links),
            {name: found - system for name, found in used.items() if found - system},
            {name: found - system for name, found in linked.items() if found - system},
        )

    def damage(self) -> Iterator[Finding]:
        for code, statement, message in statements.DAMAGE:
            for row in islice(self._database.stream(statement), 1_000):
                yield Finding(code, str(row["subject"]), message)
        allowed = {frozenset(t.ancestors) for t in self.model.record_types.values()}
        for row in self._database.rows(
            "MATCH (n:`Record`) RETURN DISTINCT labels(n) AS labels, min(n.id) AS id"
        ):
            if frozenset(row["labels"]) not in allowed:
                yield Finding(
                    "foreign_labels",
                    str(row["id"]),
                    f"Its labels {', '.join(sorted(row['labels']))} are no record type's.",
                )
