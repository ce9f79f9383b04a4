"""The past of a Neo4j store: revisions, the feed, a record's history, comparing, and scans.

What takes several statements goes by published revisions only, and reads each live element before it
looks for its image: one that a commit has begun to change is then found as it was, never missed.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

import neo4j

from cmdb.errors import StoreDamagedError
from cmdb.records import Record, Relationship, RelationshipKey
from cmdb.revisions import Changes, Commit, Revision
from cmdb.store.changes import Side, gathered, net_changes
from cmdb.store.neo4j import statements
from cmdb.store.neo4j.database import Database
from cmdb.store.neo4j.properties import Properties
from cmdb.store.neo4j.writing import read_relationship, read_revision

Row = neo4j.Record
"""key, labels (None of a relationship), properties."""
Gathered = defaultdict[int, list[tuple[Side, Record | Relationship]]]

FEED_SIZE: Final = 20_000
"""Changed elements that one round of reading the feed takes, unless one revision has more."""
SCAN_BATCH: Final = 2_000
NEVER: Final = 2**62
"""Beyond every revision number."""


class History:
    """Reads what was.

    Parameters
    ----------
    properties
        Gives the translation of values by the model in use.
    """

    def __init__(self, database: Database, properties: Callable[[], Properties]) -> None:
        self._database = database
        self._properties = properties

    def last_revision(self) -> Revision:
        rows = self._database.rows(statements.LAST_REVISION)
        if not rows:
            raise StoreDamagedError(
                f"{self._database.shown} has no revisions.",
                "Its creation was interrupted: empty the database and run `cmdb init`.",
            )
        return read_revision(rows[0]["v"])

    def revisions(self, numbers: Collection[int]) -> dict[int, Revision]:
        rows = self._database.rows(statements.REVISIONS, numbers=list(numbers))
        return {row["v"]["number"]: read_revision(row["v"]) for row in rows}

    def revision_at(self, instant: datetime) -> int:
        rows = self._database.rows(statements.REVISION_AT, instant=instant)
        return int(rows[0]["number"]) if rows else 0

    def touching(self, id: str, first: int, before: int) -> list[int]:
        """The newest revisions below a number that touched a record or its relationships."""
        rows = self._database.rows(statements.TOUCHED, id=id, before=before, first=first)
        return [row["number"] for row in rows]

    def of(self, live: Record, numbers: Sequence[int]) -> list[Commit]:
        """What some revisions changed of a record, which was read after `touching` gave them."""
        if not numbers:
            return []
        asked = {"id": live.id, "after": min(numbers) - 1, "upto": max(numbers)}
        links = self._database.rows(statements.LINKS_OF, **asked)
        images = self._database.rows(statements.RECORD_IMAGES_OF, **asked)
        images += self._database.rows(statements.LINK_IMAGES_OF, **asked)
        found = self._by_revision(links, images, min(numbers) - 1, max(numbers))
        found[live.revision].append(("after", live))
        revisions = self.revisions(numbers)
        return [Commit(revisions[n], gathered(found[n])) for n in numbers]

    def feed(self, after: int, upto: int | None) -> Iterator[Commit]:
        last = self.last_revision().number
        last = last if upto is None else min(last, upto)
        while after < last:
            headers = self._database.rows(statements.REVISION_HEADERS, after=after, upto=last)
            while headers:
                size, count = 0, 0
                for row in headers:
                    size += row["size"]
                    count += 1
                    if size >= FEED_SIZE:
                        break
                taken, headers = headers[:count], headers[count:]
                through = taken[-1]["v"]["number"]
                by_number = self._changes(after, through) if size else Gathered(list)
                for row in taken:
                    revision = read_revision(row["v"])
                    yield Commit(revision, gathered(by_number[revision.number], row["model"]))
                after = through

    def _changes(self, after: int, upto: int) -> Gathered:
        """What began and what ended in a span."""
        span = {"after": after, "upto": upto}
        live = self._database.rows(statements.LIVE_RECORDS_CHANGED, **span)
        live += self._database.rows(statements.LIVE_LINKS_CHANGED, **span)
        images = self._database.rows(statements.RECORD_IMAGES_CHANGED, **span)
        images += self._database.rows(statements.LINK_IMAGES_CHANGED, **span)
        return self._by_revision(live, images, after, upto)

    def _by_revision(
        self, live: Sequence[Row], images: Sequence[Row], after: int, upto: int
    ) -> Gathered:
        """Elements by the revisions in which they began and ended; images were read after live ones.

        A live element that has an image reaching beyond the span was being changed when it was read.
        """
        changing = {_key(row) for row in images if row["properties"]["until"] > upto}
        found: Gathered = defaultdict(list)
        for row in live:
            if _key(row) not in changing:
                element = self._element(row)
                found[element.revision].append(("after", element))
        for row in images:
            image, until = self._element(row), row["properties"]["until"]
            if after < image.revision <= upto:
                found[image.revision].append(("after", image))
            if after < until <= upto:
                found[until].append(("before", image))
        return found

    def compare(self, first: int, second: int) -> Changes:
        span = {"after": min(first, second), "upto": max(first, second)}
        records: list[dict[str, Record]] = []
        links: list[dict[RelationshipKey, Relationship]] = []
        for at in (first, second):
            rows = self._database.rows(statements.RECORDS_CHANGED_AS_OF, at=at, **span)
            records.append({key: self._record(row) for key, row in _by_key(rows).items()})
            rows = self._database.rows(statements.LINKS_CHANGED_AS_OF, at=at, **span)
            links.append({key: self._link(row) for key, row in _by_key(rows).items()})
        return net_changes(records[0], records[1], links[0], links[1])

    # -- elements -------------------------------------------------------------------------------------

    def _element(self, row: Row) -> Record | Relationship:
        return self._link(row) if row["labels"] is None else self._record(row)

    def _record(self, row: Row) -> Record:
        return self._properties().record((row["labels"], row["properties"]))

    def _link(self, row: Row) -> Relationship:
        key = RelationshipKey(*row["key"])
        return read_relationship(key, row["properties"], self._properties())

    # -- everything, as of a revision; None is the newest ---------------------------------------------

    def scan_records(self, at: int | None) -> Iterator[Record]:
        start = self.last_revision().number
        at = start if at is None else at
        for row in self._whole(statements.SCAN_RECORDS, statements.IMAGES_OF_RECORDS, start, at):
            yield self._record(row)

    def scan_relationships(
        self, at: int | None, types: Collection[str] | None
    ) -> Iterator[Relationship]:
        start = self.last_revision().number
        at = start if at is None else at
        given = array("q")
        live = statements.scan_links(types)
        for row in self._whole(live, statements.IMAGES_OF_LINKS, start, at):
            given.append(hash(_key(row)))
            yield self._link(row)
        seen: frozenset[int] | None = None
        chosen = None if types is None else sorted(types)
        for row in self._database.stream(statements.SCAN_LINK_IMAGES, at=at, types=chosen):
            if row["properties"]["until"] > start:
                # Ended while this scan ran: it may have been given as a live one.
                seen = frozenset(given) if seen is None else seen
                if hash(_key(row)) in seen:
                    continue
            yield self._link(row)

    def _whole(self, live: str, images: str, start: int, at: int) -> Iterator[Row]:
        """Live elements as of a revision: each as its image where it has been changed since, or is
        being changed.

        Parameters
        ----------
        live, images
            Statements: the elements, and the images of ``$keys`` as of ``$at``.
        start
            The newest revision when the scan began.
        """
        stream = self._database.stream(live, at=at)
        while batch := list(islice(stream, SCAN_BATCH)):
            quiet = self._database.no_commit_since(start)
            keys = [row["key"] for row in batch if not quiet or row["properties"]["revision"] > at]
            found = _by_key(self._database.rows(images, keys=keys, at=at) if keys else ())
            for row in batch:
                row = found.get(_key(row), row)
                # What a commit is just creating or ending may have no revision.
                if row["properties"].get("revision", 0 if quiet else NEVER) <= at:
                    yield row


def _key(row: Row) -> Any:
    """A record's id, or the key of a relationship."""
    key = row["key"]
    return key if isinstance(key, str) else RelationshipKey(*key)


def _by_key(rows: Iterable[Row]) -> dict[Any, Row]:
    """The last row of each element: its image, where the live one comes before it."""
    return {_key(row): row for row in rows}
