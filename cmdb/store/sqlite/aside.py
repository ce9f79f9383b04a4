"""What a SQLite store keeps beside the revisions: marks and journals."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from cmdb.store.base import Entry
from cmdb.store.sqlite.connections import Connections, begin_writing
from schema.kinds import parse_datetime, write_datetime

NEXT = (
    "INSERT INTO journals VALUES (?, ?)"
    " ON CONFLICT (name) DO UPDATE SET last = last + excluded.last RETURNING last"
)
"""Takes so many numbers of a journal; gives the last of them."""


class Aside:
    """Marks and journals; each write is a short transaction of its own.

    Parameters
    ----------
    count
        Called for each statement or transaction.
    """

    def __init__(self, connections: Connections, count: Callable[[], None]) -> None:
        self._connections = connections
        self._count = count

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        self._count()
        with self._connections.borrowed() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection:
            begin_writing(connection, short=True)
            yield connection
            connection.execute("COMMIT")

    # -- marks ----------------------------------------------------------------------------------------

    def mark(self, name: str, value: bytes | None) -> None:
        with self._writing() as connection:
            if value is None:
                connection.execute("DELETE FROM marks WHERE name = ?", (name,))
            else:
                connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))

    def marks(self, prefix: str) -> dict[str, bytes]:
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT name, value FROM marks WHERE name >= ? AND name < ?",
                (prefix, prefix + "\U0010ffff"),
            )
            return dict(rows)

    def swap(self, name: str, expected: bytes | None, value: bytes | None) -> bool:
        with self._writing() as connection:
            held = connection.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
            if (held and bytes(held[0])) != expected:
                return False
            if value is None:
                connection.execute("DELETE FROM marks WHERE name = ?", (name,))
            else:
                connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))
            return True

    # -- journals -------------------------------------------------------------------------------------

    def append(self, name: str, entries: Sequence[bytes], at: datetime) -> int:
        if not entries:
            return self._last(name)
        with self._writing() as connection:
            [(last,)] = connection.execute(NEXT, (name, len(entries))).fetchall()
            connection.executemany(
                "INSERT INTO journal_entries VALUES (?, ?, ?, ?)",
                [
                    (name, number, write_datetime(at), value)
                    for number, value in enumerate(entries, last - len(entries) + 1)
                ],
            )
            return int(last)

    def _last(self, name: str) -> int:
        with self._reading() as connection:
            row = connection.execute("SELECT last FROM journals WHERE name = ?", (name,)).fetchone()
            return row[0] if row else 0

    def journal(self, name: str, after: int, first: int) -> list[Entry]:
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT number, at, value FROM journal_entries"
                " WHERE journal = ? AND number > ? ORDER BY number LIMIT ?",
                (name, after, first),
            )
            return [Entry(number, parse_datetime(at), value) for number, at, value in rows]

    def trim(self, name: str, upto: int) -> None:
        with self._writing() as connection:
            connection.execute(
                "DELETE FROM journal_entries WHERE journal = ? AND number <= ?", (name, upto)
            )

    def remove_entry(self, name: str, number: int) -> bool:
        with self._writing() as connection:
            cursor = connection.execute(
                "DELETE FROM journal_entries WHERE journal = ? AND number = ?", (name, number)
            )
            return cursor.rowcount == 1
