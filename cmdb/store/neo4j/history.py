"""The past of a Neo4j store: revisions, the feed, a record's history, comparing, and scans.

What takes several statements goes by published revisions only, and reads each live element before it
looks for its image: one that a commit has begun to change is then found as it was, never missed.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

from cmdb.errors import StoreDamagedError
from cmdb.records import Record, Relationship, RelationshipKey
from cmdb.revisions import Changes, Commit, Revision
from cmdb.store.changes import Side, gathered, net_changes
from cmdb.store.neo4j import statements
from cmdb.store.neo4j.database import Database
from cmdb.store.neo4j.properties import Properties
from cmdb.store.neo4j.writing import read_relationship, read_revision

FEED_SIZE: Final = 20_000
"""Changed elements that one round of reading the feed takes, unless one revision has more."""
SCAN_BATCH: Final = 2_000


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
        id = live.id
        span = {"after": min(numbers) - 1, "upto": max(numbers)}
        elements: list[Record | Relationship] = []
        if span["after"] < live.revision <= span["upto"]:
            elements.append(live)
        images: list[tuple[int, Record | Relationship]] = []
        elements += [
            self._link(row) for row in self._database.rows(statements.LINKS_OF, id=id, **span)
        ]
        images += self._record_images(statements.RECORD_IMAGES_OF, id=id, **span)
        images += self._link_images(statements.LINK_IMAGES_OF, id=id, **span)
        by_number = self._by_revision(elements, images, span["after"], span["upto"])
        revisions = self.revisions(numbers)
        return [Commit(revisions[n], gathered(by_number.get(n, []))) for n in numbers]

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
        live = self._database.rows(statements.LIVE_RECORDS_CHANGED, **span)
        elements += [self._properties().record(row["n"]) for row in live]
        elements += [
            self._link(row) for row in self._database.rows(statements.LIVE_LINKS_CHANGED, **span)
        ]
        images += self._record_images(statements.RECORD_IMAGES_CHANGED, **span)
        images += self._link_images(statements.LINK_IMAGES_CHANGED, **span)
        return self._by_revision(elements, images, after, upto)

    def _record_images(self, statement: str, **parameters: Any) -> list[tuple[int, Record]]:
        """Images of records, each with the revision that ended it."""
        rows = self._database.rows(statement, **parameters)
        return [(row["n"][1]["until"], self._properties().record(row["n"])) for row in rows]

    def _link_images(self, statement: str, **parameters: Any) -> list[tuple[int, Relationship]]:
        rows = self._database.rows(statement, **parameters)
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

    def compare(self, first: int, second: int) -> Changes:
        span = {"after": min(first, second), "upto": max(first, second)}
        records, links = [], []
        for at in (first, second):
            rows = self._database.rows(statements.RECORDS_CHANGED_AS_OF, at=at, **span)
            found = (self._properties().record(row["n"]) for row in rows)
            records.append({record.id: record for record in found})
            rows = self._database.rows(statements.LINKS_CHANGED_AS_OF, at=at, **span)
            links.append({link.key: link for link in map(self._link, rows)})
        return net_changes(records[0], records[1], links[0], links[1])

    def _link(self, row: Any) -> Relationship:
        key = RelationshipKey(row["source"], row["type"], row["target"])
        return read_relationship(key, row["properties"], self._properties())

    # -- everything, as of a revision; None is the newest ---------------------------------------------

    def scan_records(self, at: int | None) -> Iterator[Record]:
        start = self.last_revision().number
        at = start if at is None else at
        stream = self._database.stream(statements.SCAN_RECORDS)
        while batch := [self._properties().record(row["n"]) for row in islice(stream, SCAN_BATCH)]:
            quiet = self._database.no_commit_since(start)
            looked_up = [r.id for r in batch if r.revision > at or not quiet]
            images = self._record_images_at(looked_up, at)
            for record in batch:
                record = images.get(record.id, record)
                if record.revision <= at:
                    yield record

    def _record_images_at(self, ids: list[str], at: int) -> dict[str, Record]:
        rows = self._database.rows(statements.IMAGES_OF_RECORDS, ids=ids, at=at) if ids else []
        return {
            record.id: record for record in (self._properties().record(row["n"]) for row in rows)
        }

    def scan_relationships(
        self, at: int | None, types: Collection[str] | None
    ) -> Iterator[Relationship]:
        start = self.last_revision().number
        at = start if at is None else at
        given = array("q")
        stream = self._database.stream(statements.scan_relationships(types), at=at)
        while batch := [self._link(row) for row in islice(stream, SCAN_BATCH)]:
            given.extend(hash(link.key) for link in batch)
            if self._database.no_commit_since(start):
                yield from batch
                continue
            keys = [list(link.key) for link in batch]
            rows = self._database.rows(statements.IMAGES_OF_RELATIONSHIPS, keys=keys, at=at)
            images = {link.key: link for link in map(self._link, rows)}
            yield from (images.get(link.key, link) for link in batch)
        seen: frozenset[int] | None = None
        chosen = None if types is None else sorted(types)
        for row in self._database.stream(statements.SCAN_RELATIONSHIP_IMAGES, at=at, types=chosen):
            link = self._link(row)
            if row["properties"]["until"] > start:
                # Ended while this scan ran: it may have been given as a live one.
                seen = frozenset(given) if seen is None else seen
                if hash(link.key) in seen:
                    continue
            yield link
