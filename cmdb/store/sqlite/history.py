"""The past of a SQLite store: the feed and comparing, within one snapshot; the histories of records."""

from __future__ import annotations

import heapq
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from cmdb.records import Record, Relationship
from cmdb.revisions import Changes, Commit, Revision
from cmdb.store.base import NEVER
from cmdb.store.changes import gathered, net_changes
from cmdb.store.sqlite.compiling import Compiler
from cmdb.store.sqlite.rows import REVISION, read_revision
from cmdb.store.sqlite.statements import (
    CHANGE_STREAMS,
    TOUCHED_RECORDS,
    TOUCHED_RELATIONSHIPS,
    inlined,
)

Row = Sequence[Any]


class History:
    """Reads what was.

    Parameters
    ----------
    connection
        In a read transaction: all its statements see the same moment.
    record, relationship
        Make an element of a row.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        record: Callable[[Row], Record],
        relationship: Callable[[Row], Relationship],
    ) -> None:
        self._connection = connection
        self._record, self._relationship = record, relationship

    def compare(self, earlier: int | None, later: int | None) -> Changes:
        """What differs between two revisions; None is the newest."""
        (last,) = self._connection.execute("SELECT max(number) FROM revisions").fetchone()
        first, second = (last if at is None else at for at in (earlier, later))
        span = {"after": min(first, second), "upto": max(first, second)}
        records, relationships = [], []
        for at in (first, second):
            compiler = Compiler(at)
            source = compiler.records()
            rows = self._connection.execute(
                f"SELECT r.id, r.type, r.revision, r.attributes FROM {source} r WHERE r.node IN"
                f" ({inlined(TOUCHED_RECORDS, span)})",
                compiler.parameters,
            )
            records.append({row[0]: self._record(row) for row in rows})
            compiler = Compiler(at)
            source = compiler.relationships()
            rows = self._connection.execute(
                "SELECT s.id, x.type, t.id, x.revision, x.attributes"
                f" FROM ({inlined(TOUCHED_RELATIONSHIPS, span)}) k JOIN {source} x"
                " ON x.source = k.source AND x.type = k.type AND x.target = k.target"
                " JOIN records s ON s.node = x.source JOIN records t ON t.node = x.target",
                compiler.parameters,
            )
            relationships.append({link.key: link for link in map(self._relationship, rows)})
        return net_changes(records[0], records[1], relationships[0], relationships[1])

    def commits(self, after: int, upto: int) -> Iterator[Commit]:
        """Revisions in a span with their changes, merged from streams that are each in order."""
        span = {"after": after, "upto": upto}
        streams = [self._stream(statement, span) for statement in CHANGE_STREAMS]
        changes = groupby(heapq.merge(*streams, key=lambda item: item[0]), key=lambda item: item[0])
        number, group = next(changes, (NEVER, iter(())))
        headers = (
            f"SELECT {REVISION}, m.document FROM revisions v LEFT JOIN models m ON m.revision = v.number"
            " WHERE number > :after AND number <= :upto ORDER BY number"
        )
        for *row, document in self._connection.execute(headers, span):
            revision = read_revision(tuple(row))
            elements: list[Any] = []
            while number < revision.number:  # of revisions that somebody has removed
                number, group = next(changes, (NEVER, iter(())))
            if number == revision.number:
                elements = list(group)
                number, group = next(changes, (NEVER, iter(())))
            yield Commit(revision, gathered((element[1:] for element in elements), document))

    def _stream(self, statement: str, span: dict[str, Any]) -> Iterator[tuple[int, str, Any]]:
        for number, side, *row in self._connection.execute(statement, span):
            element = self._record(row) if len(row) == 4 else self._relationship(row)
            yield number, side, element


def histories(
    rows: Iterable[Row],
    record: Callable[[Row], Record],
    relationship: Callable[[Row], Relationship],
) -> dict[str, list[Commit]]:
    """What happened to each record, newest first, of the rows of `HISTORIES`."""
    revisions: dict[str, list[Revision]] = {}
    elements: defaultdict[tuple[str, int], list[Any]] = defaultdict(list)
    for id, side, number, *values in rows:
        if side == "revision":
            found = revisions.setdefault(id, [])
            if number is not None:
                found.append(read_revision((number, *values)))
            continue
        source, type_, target, since, attributes, *_ = values
        if target is None:
            element: Any = record((source, type_, since, attributes))
        else:
            element = relationship((source, type_, target, since, attributes))
        elements[id, number].append((side, element))
    return {
        id: [
            Commit(revision, gathered(elements[id, revision.number]))
            for revision in sorted(found, key=lambda revision: -revision.number)
        ]
        for id, found in revisions.items()
    }
