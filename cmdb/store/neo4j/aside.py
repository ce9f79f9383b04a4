"""What a Neo4j store keeps beside the revisions: marks and journals.

Marks are written one after the other (a lock they share, not that of the writers of revisions). A
journal has a node that appending locks to the end of its transaction; reading takes the same lock,
since Neo4j would show a part of what is being committed, and who follows a journal would miss the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import neo4j

from cmdb.store.base import Entry
from cmdb.store.neo4j import statements
from cmdb.store.neo4j.connections import send, translating
from cmdb.store.neo4j.database import Database

MARK_PART: Final = 2**20
"""Bytes of one property of a mark."""
TRIMMED: Final = 10_000
"""Entries that one transaction removes."""

Result = TypeVar("Result")


class Aside:
    """Marks and journals; each write is a short transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def _write(self, work: Callable[[neo4j.ManagedTransaction], Result]) -> Result:
        self._database.count()
        with translating(self._database.shown):
            return self._database.write(work)

    # -- marks ----------------------------------------------------------------------------------------

    def mark(self, name: str, value: bytes | None) -> None:
        def work(transaction: neo4j.ManagedTransaction) -> None:
            transaction.run(statements.LOCK_MARKS).consume()
            _set_mark(transaction, name, value)

        self._write(work)

    def marks(self, prefix: str) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for row in self._database.rows(statements.MARKS, prefix=prefix):
            found[row["name"]] = found.get(row["name"], b"") + bytes(row["value"])
        return found

    def swap(self, name: str, expected: bytes | None, value: bytes | None) -> bool:
        def work(transaction: neo4j.ManagedTransaction) -> bool:
            transaction.run(statements.LOCK_MARKS).consume()
            parts = [
                bytes(r["value"]) for r in send(transaction, statements.ONE_MARK, {"name": name})
            ]
            if (b"".join(parts) if parts else None) != expected:
                return False
            _set_mark(transaction, name, value)
            return True

        return self._write(work)

    # -- journals -------------------------------------------------------------------------------------

    def append(self, name: str, entries: Sequence[bytes], at: datetime) -> int:
        if not entries:
            return int(self._database.rows(statements.LAST_ENTRY, name=name)[0]["number"])
        asked = {"name": name, "values": list(entries), "at": at}
        return int(self._rows(statements.APPEND, asked)[0]["number"])

    def journal(self, name: str, after: int, first: int) -> list[Entry]:
        asked = {"name": name, "after": after, "first": first}
        rows = self._rows(statements.ENTRIES, asked, lock=name)
        return [
            Entry(
                number,
                datetime.fromtimestamp(seconds, UTC).replace(microsecond=micro),
                bytes(value),
            )
            for number, seconds, micro, value in rows
        ]

    def trim(self, name: str, upto: int) -> None:
        asked = {"name": name, "upto": upto, "size": TRIMMED}
        while self._rows(statements.TRIM, asked, lock=name)[0]["count"] == TRIMMED:
            pass

    def remove_entry(self, name: str, number: int) -> bool:
        asked = {"name": name, "number": number}
        return bool(self._rows(statements.REMOVE_ENTRY, asked, lock=name)[0]["count"])

    def _rows(
        self, statement: str, asked: dict[str, Any], lock: str | None = None
    ) -> list[neo4j.Record]:
        """One statement in a write transaction, that of a journal after locking it."""

        def work(transaction: neo4j.ManagedTransaction) -> list[neo4j.Record]:
            if lock is not None:
                send(transaction, statements.LOCK_JOURNAL, {"name": lock}).consume()
            return list(send(transaction, statement, asked))

        return self._write(work)


def _set_mark(transaction: neo4j.ManagedTransaction, name: str, value: bytes | None) -> None:
    parts = [value[i : i + MARK_PART] for i in range(0, len(value), MARK_PART)] if value else []
    if value == b"":
        parts = [b""]
    for number, part in enumerate(parts):
        send(transaction, statements.MARK, {"name": name, "part": number, "value": part})
    send(transaction, statements.FORGET_MARK, {"name": name, "parts": len(parts)})
