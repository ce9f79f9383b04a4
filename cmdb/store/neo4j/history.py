"""The past of a Neo4j store: revisions, the feed, a record's history, comparing, and scans.

Each statement reads between two commits (`Database.answer`), but there may be commits between two
statements. So live elements are read before images: one that is changed in between is found twice,
never missed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from cmdb.errors import StoreDamagedError
from cmdb.records import Record, Relationship, RelationshipKey
from cmdb.revisions import Changes, Commit, Revision
from cmdb.store.base import NEVER
from cmdb.store.changes import Side, gathered, net_changes
from cmdb.store.neo4j import statements
from cmdb.store.neo4j.database import Database
from cmdb.store.neo4j.properties import Properties
from cmdb.store.neo4j.writing import read_revision

Element = Sequence[Any]
"""Key, labels (None of a relationship), properties: see `statements`."""
Gathered = defaultdict[int, list[tuple[Side, Record | Relationship]]]

FEED_SIZE: Final = 5_000
"""Changed elements that one reading of the feed takes, unless one revision has more."""
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

    def committed(self, change_set: str) -> int | None:
        rows = self._database.rows(statements.REVISION_OF, change_set=change_set)
        return int(rows[0]["number"]) if rows else None

    def checks(self, number: int) -> bytes:
        rows = self._database.rows(statements.CHECKS, number=number)
        return bytes(rows[0]["checks"] or b"") if rows else b""

    def revision_at(self, instant: datetime) -> int:
        rows = self._database.rows(statements.REVISION_AT, instant=instant)
        return int(rows[0]["number"]) if rows else 0

    def of(self, ids: Sequence[str], first: int, before: int) -> dict[str, list[Commit]]:
        """What happened to some records, newest first, in revisions below a number."""
        found = {}
        asked = {"ids": ids, "first": first, "before": before}
        for revisions, live, links, images in self._database.answer(statements.HISTORIES, asked):
            commits = list(map(read_revision, revisions))
            span = (commits[-1].number - 1, commits[0].number) if commits else (0, 0)
            changed = self._by_revision([live, *links], images, *span)
            found[live[0]] = [Commit(r, gathered(changed[r.number])) for r in commits]
        return found

    def feed(self, after: int, upto: int | None, only: Collection[str] | None) -> Iterator[Commit]:
        """One statement for some thousand changed elements: it is all that a follower close behind needs."""
        upto = NEVER if upto is None else upto
        asked = {"size": FEED_SIZE, "only": None if only is None else list(only)}
        while after < upto:
            last, headers, live, images = self._database.answer(
                statements.FEED, {"after": after, "upto": upto, **asked}
            )
            upto = min(last, upto)
            if not headers:
                return
            begun, after = after, headers[-1][0]["number"]
            found = self._by_revision(live, images, begun, after)
            for header, model in headers:
                revision = read_revision(header)
                yield Commit(revision, gathered(found[revision.number], model))

    def _by_revision(
        self, live: Sequence[Element], images: Sequence[Element], after: int, upto: int
    ) -> Gathered:
        """Elements by the revisions in which they began and ended."""
        found: Gathered = defaultdict(list)
        for element in map(self._made, live):
            found[element.revision].append(("after", element))
        for image in images:
            element, until = self._made(image), image[2]["until"]
            if after < element.revision <= upto:
                found[element.revision].append(("after", element))
            if after < until <= upto:
                found[until].append(("before", element))
        return found

    def compare(self, first: int, second: int) -> Changes:
        span = {"after": min(first, second), "upto": max(first, second)}
        records: list[dict[str, Record]] = []
        links: list[dict[RelationshipKey, Relationship]] = []
        for at in (first, second):
            found = self._read([statements.RECORDS_CHANGED_AS_OF], at=at, **span)
            records.append({record.id: record for record in map(self._record, found)})
            found = self._read([statements.LINKS_CHANGED_AS_OF], at=at, **span)
            links.append({link.key: link for link in map(self._link, found)})
        return net_changes(records[0], records[1], links[0], links[1])

    # -- everything -----------------------------------------------------------------------------------

    def ids(self) -> Iterator[list[str]]:
        """Ids of all records in order, some at a time."""
        last = ""
        while ids := self._database.answer(statements.SOME_IDS, {"last": last, "size": SCAN_BATCH}):
            yield ids
            last = ids[-1]

    def links_from(
        self, ids: Sequence[str], types: Sequence[str] | None, at: int
    ) -> Iterator[Relationship]:
        """The relationships (of some types) that began at some records, as of a revision."""
        asked = {"ids": ids, "types": types, "at": at}
        return map(self._link, self._read([statements.LINKS_FROM], **asked))

    # -- elements -------------------------------------------------------------------------------------

    def _read(self, asked: Sequence[str], **parameters: Any) -> list[Element]:
        return [element for s in asked for element in self._database.answer(s, parameters)]

    def _made(self, element: Element) -> Record | Relationship:
        return self._link(element) if element[1] is None else self._record(element)

    def _record(self, element: Element) -> Record:
        return self._properties().record(element[1:])

    def _link(self, element: Element) -> Relationship:
        key = RelationshipKey(*element[0])
        return self._properties().relationship(key, element[2])
