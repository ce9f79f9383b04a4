"""`GraphStore` on Neo4j."""

from __future__ import annotations

import threading
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import chain, islice, repeat
from typing import Any, Final

import neo4j
from neo4j import exceptions as driver_errors

from cmdb.commits import WriteTransaction
from cmdb.errors import (
    InvalidChangeError,
    NotFoundError,
    Problem,
    QueryError,
    StoreAccessError,
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreExistsError,
    StoreNotFoundError,
    StoreReadOnlyError,
    StoreVersionError,
)
from cmdb.queries import AsOf, Count, Page, ParsedQuery, Query, parse_query
from cmdb.records import Record, Relationship, RelationshipKey
from cmdb.revisions import Changes, Commit, CommitResult, Revision
from cmdb.store.base import FORMAT, Direction, Finding, GraphStore, Neighbour, Statistics, Usage
from cmdb.store.changes import Side, gathered, net_changes, sort_counts
from cmdb.store.known import KnownRecords
from cmdb.store.neo4j import statements
from cmdb.store.neo4j.compiling import Compiler
from cmdb.store.neo4j.connections import (
    TRANSACTION_SECONDS,
    Connection,
    parse_url,
    translating,
)
from cmdb.store.neo4j.properties import Properties
from cmdb.store.neo4j.writing import Known, Neo4jWriteTransaction, read_relationship, read_revision
from schema.errors import UnknownNameError
from schema.model import ORGANISATION_TREE, Model, read_document

MODEL_SECONDS: Final = 1.0
"""How long a model is used before looking whether another process has applied a newer one."""
PAUSES: Final = (0.002, 0.01, 0.05)
"""Seconds before a reading that a commit overlapped is repeated; after them it holds writers off."""
OVERLAP_SECONDS: Final = 60.0
"""How long a reader without the right to hold writers off goes on repeating."""
SETTLE_SECONDS: Final = 5.0
"""How long opening waits for a writer before it leaves the clock as it is."""
FEED_SIZE: Final = 20_000
"""Changed elements that one round of reading the feed takes, unless one revision has more."""
SCAN_BATCH: Final = 2_000
IMAGE_BATCH: Final = 5_000
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
        self.statements = 0
        self._connection = connection
        self._model: Model | None = None
        self._properties: Properties | None = None
        self._model_revision = 0
        self._model_checked = 0.0
        self._model_lock = threading.Lock()
        self._types: KnownRecords[str] = KnownRecords()

    def close(self) -> None:
        self._connection.close()

    def create(self) -> None:
        """Make an empty store: its constraints, its indexes and its node of state."""
        if self._rows("MATCH (s:`_Store` {key: 'store'}) RETURN s"):
            raise StoreExistsError(
                f"There is a store at {self.url} already.",
                "Choose another database, or use the store that is there.",
            )
        if self._rows("MATCH (n) RETURN 1 LIMIT 1"):
            raise StoreExistsError(
                f"The database at {self.url} is not empty.", "Give the store a database of its own."
            )
        self._define(statements.CONSTRAINTS)
        self._define((statements.CREATE_STORE,), format=FORMAT)

    def check_format(self) -> None:
        if not self._refresh_model():
            self._settle()

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
            if rows[0]["document"] is not None:
                model = read_document(rows[0]["document"])
                self._properties, self._model = Properties(model), model
                self._model_revision = rows[0]["revision"]
            self._model_checked = time.monotonic()
            return bool(rows[0]["quiet"])

    def _parsed(self, query: Query, text: str | None = None) -> ParsedQuery:
        try:
            return parse_query(self.model, query, text)
        except UnknownNameError:
            self._refresh_model()
            return parse_query(self.model, query, text)

    def _align(self, model: Model) -> None:
        """Constraints, indexes and the full-text index as the model wants them, no others of ours."""
        self._refresh_model()
        wanted = {**statements.model_constraints(model), **statements.model_indexes(model)}
        for kind, kinds, prefix in DEFINITIONS:
            for row in self._rows(
                f"SHOW {kinds} YIELD name WHERE name STARTS WITH $prefix RETURN name", prefix=prefix
            ):
                if row["name"] not in wanted:
                    self._define((f"DROP {kind} `{row['name']}` IF EXISTS",))
        self._define(list(wanted.values()))
        rows = self._rows(
            "SHOW INDEXES YIELD name, properties WHERE name = $name RETURN properties",
            name=statements.SEARCH_INDEX,
        )
        if not rows or set(rows[0]["properties"]) != set(model.searchable):
            self._define((f"DROP INDEX `{statements.SEARCH_INDEX}` IF EXISTS",))
            self._define((statements.search_index(model),))
        self._define(("CALL db.awaitIndexes(3600)",))

    def _define(self, commands: Sequence[str], **parameters: Any) -> None:
        with translating(self.url), self._connection.session(neo4j.WRITE_ACCESS) as session:
            for command in commands:
                session.run(command, parameters).consume()

    # -- statements -----------------------------------------------------------------------------------

    def _rows(self, statement: str, **parameters: Any) -> list[neo4j.Record]:
        self._count()
        return self._connection.rows(statement, parameters)

    def _count(self) -> None:
        self.statements += 1

    def _stream(self, statement: str, **parameters: Any) -> Iterator[neo4j.Record]:
        """Rows as they come, in bounded memory."""
        self._count()
        with self._connection.reading(seconds=None) as transaction:
            yield from transaction.run(statement, parameters)

    def _answer(
        self,
        statement: Callable[[Compiler], str],
        as_of: AsOf,
        organisation: str | None = None,
        **parameters: Any,
    ) -> list[Any]:
        """What one compiled statement answers, none of it from the middle of a commit.

        It is repeated until no commit overlaps it. When that does not come about by itself, because
        commits come faster than it reads or a writer has died in one, it holds the writers off.

        Raises
        ------
        StoreBusyError
            Commits kept overlapping it, and this user has no right to hold them off.
        """
        at = self.resolve(as_of)
        subtree = self._subtree(organisation, at) if organisation and at is not None else ()
        compiler = Compiler(self.model, at, subtree)
        asked = statements.quiet(statement(compiler))
        parameters |= compiler.parameters
        pauses = chain(PAUSES, repeat(PAUSES[-1]))
        end = time.monotonic() + OVERLAP_SECONDS
        for attempt, pause in enumerate(pauses):
            rows = self._rows(asked, **parameters)
            if rows[0]["answer"] is None and attempt == len(PAUSES):
                with suppress(StoreAccessError, StoreReadOnlyError):
                    rows = self._holding_writers_off(asked, parameters)
            if rows[0]["answer"] is not None:
                return list(rows[0]["answer"])
            if time.monotonic() > end:
                break
            time.sleep(pause)
        raise StoreBusyError(
            f"{self.url}: commits overlapped the reading for {OVERLAP_SECONDS:g} s.",
            "Try again; if nobody writes, open the store once as a user who may write.",
        )

    def _holding_writers_off(
        self, statement: str, parameters: Mapping[str, Any]
    ) -> list[neo4j.Record]:
        """A reading under the writers' lock, after clearing up behind a writer that has died."""

        @neo4j.unit_of_work(timeout=TRANSACTION_SECONDS)
        def work(transaction: neo4j.ManagedTransaction) -> list[neo4j.Record]:
            transaction.run(statements.SETTLE).consume()
            return list(transaction.run(statement, dict(parameters)))

        self.statements += 2
        with translating(self.url), self._connection.session(neo4j.WRITE_ACCESS) as session:
            return session.execute_write(work)

    def _subtree(self, organisation: str, at: int) -> list[str]:
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

        @neo4j.unit_of_work(timeout=TRANSACTION_SECONDS)
        def once(
            transaction: neo4j.ManagedTransaction,
        ) -> tuple[CommitResult, Neo4jWriteTransaction]:
            known = Known(self._model, self._model_revision, self._types)
            writing = Neo4jWriteTransaction(transaction, known, self._count)
            result = work(writing)
            if result.committed:
                self._announce(writing)
            return result, writing

        result, writing, uncertain = self._until_certain(once)
        self._types.add(writing.met)
        if result.committed or writing.found_itself:
            self._run_alone([(statements.PUBLISH, {"number": result.revision})])
        committed = result.committed or (uncertain and writing.found_itself)
        return CommitResult(result.revision, committed)

    def _until_certain(
        self,
        once: Callable[[neo4j.ManagedTransaction], tuple[CommitResult, Neo4jWriteTransaction]],
    ) -> tuple[CommitResult, Neo4jWriteTransaction, bool]:
        """Also gives whether it was repeated, not knowing what had become of the first time."""
        uncertain = False
        with translating(self.url), self._connection.session(neo4j.WRITE_ACCESS) as session:
            while True:
                try:
                    return *session.execute_write(once), uncertain
                except driver_errors.IncompleteCommit:
                    if uncertain:
                        raise
                    uncertain = True
                except driver_errors.ConstraintError as error:
                    self._settle()
                    if "cmdb_unique" in str(error) or "`id`" not in str(error):
                        raise
                    message = "A record to be created has the id of one that exists."
                    raise InvalidChangeError([Problem(0, "", "exists", message)]) from None

    def _announce(self, writing: Neo4jWriteTransaction) -> None:
        """Say that a commit is coming, then store the images, before anything live changes."""
        assert writing.last is not None
        numbers = {"announced": writing.last.number, "number": writing.before}
        self._run_alone([(statements.ANNOUNCE, numbers)])
        commands: list[tuple[str, dict[str, Any]]] = []
        for statement, images in (
            (statements.ADD_RECORD_IMAGES, writing.record_images),
            (statements.ADD_RELATIONSHIP_IMAGES, writing.relationship_images),
        ):
            commands += [
                (statement, {"rows": images[start : start + IMAGE_BATCH]})
                for start in range(0, len(images), IMAGE_BATCH)
            ]
        if commands:
            self._run_alone(commands)

    def _settle(self) -> None:
        """Clear up after a writer that announced a commit and ended; not where one is at work, nor
        where this user may not write."""
        with suppress(StoreError):
            self._run_alone([(statements.SETTLE, {})], SETTLE_SECONDS)

    def _run_alone(
        self, commands: Sequence[tuple[str, dict[str, Any]]], seconds: float = TRANSACTION_SECONDS
    ) -> None:
        """Statements in a write transaction of their own."""

        @neo4j.unit_of_work(timeout=seconds)
        def work(transaction: neo4j.ManagedTransaction) -> None:
            for statement, parameters in commands:
                self._count()
                transaction.run(statement, parameters).consume()

        with translating(self.url), self._connection.session(neo4j.WRITE_ACCESS) as session:
            session.execute_write(work)

    # -- revisions ------------------------------------------------------------------------------------

    def last_revision(self) -> Revision:
        rows = self._rows(statements.LAST_REVISION)
        if not rows:
            raise StoreDamagedError(
                f"{self.url} has no revisions.",
                "Its creation was interrupted: empty the database and run `cmdb init`.",
            )
        return read_revision(rows[0]["v"])

    def revisions(self, numbers: Collection[int]) -> dict[int, Revision]:
        rows = self._rows(statements.REVISIONS, numbers=list(numbers))
        return {row["v"]["number"]: read_revision(row["v"]) for row in rows}

    def revision_at(self, instant: datetime) -> int:
        rows = self._rows(statements.REVISION_AT, instant=instant)
        return int(rows[0]["number"]) if rows else 0

    # -- reading --------------------------------------------------------------------------------------

    def get(self, ids: Collection[str], as_of: AsOf = None) -> dict[str, Record]:
        read = self.properties.record
        records = map(read, self._answer(Compiler.get, as_of, ids=list(ids)))
        return {record.id: record for record in records}

    def find(self, query: Query) -> Page:
        return self._page(query, self._parsed(query))

    def search(self, text: str, query: Query = Query()) -> Page:  # noqa: B008
        return self._page(query, self._parsed(query, text))

    def _page(self, query: Query, parsed: ParsedQuery) -> Page:
        write = Compiler.page_with_total if query.total else Compiler.page
        found = self._answer(lambda c: write(c, parsed), query.as_of, query.organisation)
        total = None
        if query.total:
            found, total = found
        more = len(found) > query.first
        records = [self.properties.record(element) for element in found[: query.first]]
        return Page(records, parsed.cursor(records[-1]) if more else None, total)

    def count_by(self, query: Query, attributes: Sequence[str]) -> list[Count]:
        parsed = self._parsed(query)
        if not attributes:
            raise QueryError("Nothing to count by.", "Name an attribute, or `type`.")
        for name in attributes:
            attribute = None if name == "type" else self.model.attribute(query.type, name)
            if attribute is not None and (attribute.many or attribute.kind.name == "json"):
                raise QueryError(
                    f"{name} cannot be counted by.", "Count by attributes with one value."
                )
        rows = self._answer(
            lambda c: c.count_by(parsed, attributes), query.as_of, query.organisation
        )
        counts: defaultdict[tuple[Any, ...], int] = defaultdict(int)
        for *columns, count in rows:
            values = []
            for name, value in zip(attributes, columns, strict=True):
                if name == "type":
                    value = (
                        value[0] if len(value) == 1 else self.properties.type_of(frozenset(value))
                    )
                elif value is not None:
                    value = self.properties.to_attributes({name: value})[name]
                values.append(value)
            counts[tuple(values)] += count
        return sort_counts(Count(values, count) for values, count in counts.items())

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
        found = []
        for of, way, type_, link, element in rows:
            record = self.properties.record(element)
            ends = (of, record.id) if way == "out" else (record.id, of)
            key = RelationshipKey(ends[0], type_, ends[1])
            found.append(Neighbour(of, read_relationship(key, link, self.properties), record))
        return sorted(
            found,
            key=lambda n: (n.of, n.relationship.type, n.relationship.source != n.of, n.record.id),
        )

    def catch_up(self, progress: Callable[[int], None] = lambda _: None) -> None:
        """The server indexes by itself, and every search waits for it: nothing is left to do."""

    # -- history --------------------------------------------------------------------------------------

    def history(self, id: str, first: int = 50, before: int | None = None) -> list[Commit]:
        top = NEVER if before is None else before
        rows = self._rows(statements.TOUCHED, id=id, before=top, first=first)
        numbers = [row["number"] for row in rows]
        live = self.get([id]).get(id)
        if live is None:
            raise NotFoundError(f"There is no record {id}.", "`cmdb search` finds records by name.")
        if not numbers:
            return []
        span = {"after": min(numbers) - 1, "upto": max(numbers)}
        elements: list[Record | Relationship] = []
        if span["after"] < live.revision <= span["upto"]:
            elements.append(live)
        images: list[tuple[int, Record | Relationship]] = []
        elements += [self._link(row) for row in self._rows(statements.LINKS_OF, id=id, **span)]
        images += self._record_images(statements.RECORD_IMAGES_OF, id=id, **span)
        images += self._link_images(statements.LINK_IMAGES_OF, id=id, **span)
        by_number = self._by_revision(elements, images, span["after"], span["upto"])
        revisions = self.revisions(numbers)
        return [Commit(revisions[n], gathered(by_number.get(n, []))) for n in numbers]

    def feed(self, after: int = 0, upto: int | None = None) -> Iterator[Commit]:
        last = self.last_revision().number
        last = last if upto is None else min(last, upto)
        while after < last:
            headers = self._rows(statements.REVISION_HEADERS, after=after, upto=last)
            while headers:
                size, count = 0, 0
                for row in headers:
                    size += row["size"]
                    count += 1
                    if size >= FEED_SIZE:
                        break
                taken, headers = headers[:count], headers[count:]
                through = taken[-1]["v"]["number"]
                by_number = self._changes(after, through) if size else {}
                for row in taken:
                    revision = read_revision(row["v"])
                    yield Commit(
                        revision, gathered(by_number.get(revision.number, []), row["model"])
                    )
                after = through

    def _changes(
        self, after: int, upto: int
    ) -> dict[int, list[tuple[Side, Record | Relationship]]]:
        """What began and ended in a span. Live elements are read first: one that is changed
        meanwhile is then found as an image, never missed."""
        span = {"after": after, "upto": upto}
        elements: list[Record | Relationship] = []
        images: list[tuple[int, Record | Relationship]] = []
        live = self._rows(statements.LIVE_RECORDS_CHANGED, **span)
        elements += [self.properties.record(row["n"]) for row in live]
        elements += [self._link(row) for row in self._rows(statements.LIVE_LINKS_CHANGED, **span)]
        images += self._record_images(statements.RECORD_IMAGES_CHANGED, **span)
        images += self._link_images(statements.LINK_IMAGES_CHANGED, **span)
        return self._by_revision(elements, images, after, upto)

    def _record_images(self, statement: str, **parameters: Any) -> list[tuple[int, Record]]:
        """Images of records, each with the revision that ended it."""
        rows = self._rows(statement, **parameters)
        return [(row["n"][1]["until"], self.properties.record(row["n"])) for row in rows]

    def _link_images(self, statement: str, **parameters: Any) -> list[tuple[int, Relationship]]:
        rows = self._rows(statement, **parameters)
        return [(row["properties"]["until"], self._link(row)) for row in rows]

    def _by_revision(
        self,
        elements: list[Record | Relationship],
        images: list[tuple[int, Record | Relationship]],
        after: int,
        upto: int,
    ) -> dict[int, list[tuple[Side, Record | Relationship]]]:
        found: defaultdict[int, list[tuple[Side, Record | Relationship]]] = defaultdict(list)
        for element in elements:
            found[element.revision].append(("after", element))
        for until, image in images:
            if after < image.revision <= upto:
                found[image.revision].append(("after", image))
            if after < until <= upto:
                found[until].append(("before", image))
        return found

    def compare(self, earlier: AsOf, later: AsOf = None) -> Changes:
        last = self.last_revision().number
        first, second = (last if at is None else at for at in map(self.resolve, (earlier, later)))
        span = {"after": min(first, second), "upto": max(first, second)}
        records, links = [], []
        for at in (first, second):
            rows = self._rows(statements.RECORDS_CHANGED_AS_OF, at=at, **span)
            found = (self.properties.record(row["n"]) for row in rows)
            records.append({record.id: record for record in found})
            rows = self._rows(statements.LINKS_CHANGED_AS_OF, at=at, **span)
            links.append({link.key: link for link in map(self._link, rows)})
        return net_changes(records[0], records[1], links[0], links[1])

    def _link(self, row: Any) -> Relationship:
        key = RelationshipKey(row["source"], row["type"], row["target"])
        return read_relationship(key, row["properties"], self.properties)

    # -- everything -----------------------------------------------------------------------------------

    def scan_records(self, as_of: AsOf = None) -> Iterator[Record]:
        start = self.last_revision().number
        at = self.resolve(as_of)
        at = start if at is None else at
        stream = self._stream(statements.SCAN_RECORDS)
        while batch := [self.properties.record(row["n"]) for row in islice(stream, SCAN_BATCH)]:
            quiet = self._no_commit_since(start)
            looked_up = [r.id for r in batch if r.revision > at or not quiet]
            images = self._record_images_at(looked_up, at)
            for record in batch:
                record = images.get(record.id, record)
                if record.revision <= at:
                    yield record

    def _no_commit_since(self, number: int) -> bool:
        """Whether all that was read until now is of this revision or older, and whole."""
        return bool(self._rows(statements.CLOCK)[0]["announced"] == number)

    def _record_images_at(self, ids: list[str], at: int) -> dict[str, Record]:
        rows = self._rows(statements.IMAGES_OF_RECORDS, ids=ids, at=at) if ids else []
        return {record.id: record for record in (self.properties.record(row["n"]) for row in rows)}

    def scan_relationships(
        self, as_of: AsOf = None, types: Collection[str] | None = None
    ) -> Iterator[Relationship]:
        start = self.last_revision().number
        at = self.resolve(as_of)
        at = start if at is None else at
        given = array("q")
        stream = self._stream(statements.scan_relationships(types), at=at)
        while batch := [self._link(row) for row in islice(stream, SCAN_BATCH)]:
            given.extend(hash(link.key) for link in batch)
            if self._no_commit_since(start):
                yield from batch
                continue
            keys = [list(link.key) for link in batch]
            rows = self._rows(statements.IMAGES_OF_RELATIONSHIPS, keys=keys, at=at)
            images = {link.key: link for link in map(self._link, rows)}
            yield from (images.get(link.key, link) for link in batch)
        seen: frozenset[int] | None = None
        chosen = None if types is None else sorted(types)
        for row in self._stream(statements.SCAN_RELATIONSHIP_IMAGES, at=at, types=chosen):
            link = self._link(row)
            if row["properties"]["until"] > start:
                # Ended while this scan ran: it may have been given as a live one.
                seen = frozenset(given) if seen is None else seen
                if hash(link.key) in seen:
                    continue
            yield link

    def statistics(self) -> Statistics:
        return Statistics(**self._rows(statements.STATISTICS)[0])

    def type_usage(self) -> Usage:
        records: defaultdict[str, int] = defaultdict(int)
        used: defaultdict[str, set[str]] = defaultdict(set)
        links: defaultdict[str, int] = defaultdict(int)
        linked: defaultdict[str, set[str]] = defaultdict(set)
        for row in self._rows(statements.USAGE_RECORDS):
            type_ = self.properties.type_of(frozenset(row["labels"]))
            records[type_] += row["count"] if row["name"] == "id" else 0
            used[type_].add(row["name"])
        for row in self._rows(statements.USAGE_RECORD_IMAGES):
            used[row["type"]].add(row["name"])
        for statement in (statements.USAGE_RELATIONSHIPS, statements.USAGE_RELATIONSHIP_IMAGES):
            for row in self._rows(statement):
                links[row["type"]] += row["count"] if row["name"] == "revision" else 0
                linked[row["type"]].add(row["name"])
        system = {"id", "type", "revision", "until", "source", "target"}
        return Usage(
            dict(records),
            dict(links),
            {name: found - system for name, found in used.items() if found - system},
            {name: found - system for name, found in linked.items() if found - system},
        )

    def damage(self) -> Iterator[Finding]:
        for code, statement, message in statements.DAMAGE:
            for row in islice(self._stream(statement), 1_000):
                yield Finding(code, str(row["subject"]), message)
        allowed = {frozenset(t.ancestors) for t in self.model.record_types.values()}
        for row in self._rows(
            "MATCH (n:`Record`) RETURN DISTINCT labels(n) AS labels, min(n.id) AS id"
        ):
            if frozenset(row["labels"]) not in allowed:
                yield Finding(
                    "foreign_labels",
                    str(row["id"]),
                    f"Its labels {', '.join(sorted(row['labels']))} are no record type's.",
                )


NEVER: Final = 2**62
"""Beyond every revision number."""
