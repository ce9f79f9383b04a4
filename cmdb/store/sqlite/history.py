"""The past of a SQLite store, read within one snapshot: the feed, a record's history, comparing."""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from cmdb.errors import NotFoundError
from cmdb.records import Record, Relationship
from cmdb.revisions import Changes, Commit
from cmdb.store.base import NEVER
from cmdb.store.changes import gathered, net_changes
from cmdb.store.sqlite.compiling import Compiler
from cmdb.store.sqlite.rows import REVISION, read_revision
from cmdb.store.sqlite.statements import (
    CHANGE_STREAMS,
    TOUCHED,
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

    def of(self, id: str, first: int, before: int) -> list[Commit]:
        """The newest revisions below a number that touched a record, with what they changed of it.

        Raises
        ------
        NotFoundError
        """
        row = self._connection.execute("SELECT node FROM records WHERE id = ?", (id,)).fetchone()
        if row is None:
            raise NotFoundError(f"There is no record {id}.", "`cmdb search` finds records by name.")
        asked = {"node": row[0], "before": before, "first": first}
        numbers = [number for (number,) in self._connection.execute(TOUCHED, asked)]
        if not numbers:
            return []
        return list(self.commits(min(numbers) - 1, max(numbers), row[0], numbers))[::-1]

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

    def commits(
        self, after: int, upto: int, node: int | None = None, numbers: Sequence[int] = ()
    ) -> Iterator[Commit]:
        """Revisions in a span with their changes, merged from streams that are each in order.

        Where a node is given: some revisions, with what they changed of that record and its
        relationships.
        """
        span: dict[str, Any] = {"after": after, "upto": upto, "node": node}
        streams = [
            self._stream(statement.format(mine=mine if node is not None else ""), span)
            for statement, mine in CHANGE_STREAMS
        ]
        changes = groupby(heapq.merge(*streams, key=lambda item: item[0]), key=lambda item: item[0])
        number, group = next(changes, (NEVER, iter(())))
        headers = f"SELECT {REVISION}, m.document FROM revisions v LEFT JOIN models m ON m.revision = v.number WHERE {{}} ORDER BY number"
        chosen = "number > :after AND number <= :upto"
        if node is not None:
            chosen = "number IN (SELECT value FROM json_each(:numbers))"
            span["numbers"] = json.dumps(list(numbers))
        for *row, document in self._connection.execute(headers.format(chosen), span):
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
