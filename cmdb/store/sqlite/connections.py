"""Connections to the file: opened, checked, migrated, pooled; driver errors translated."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from cmdb.errors import (
    CmdbError,
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreExistsError,
    StoreFullError,
    StoreNotFoundError,
    StoreReadOnlyError,
    StoreUnavailableError,
    StoreVersionError,
)
from cmdb.queries import fold
from cmdb.store import deadlines
from cmdb.store.base import FORMAT
from cmdb.store.sqlite.members import ListingConnection
from cmdb.store.sqlite.tables import APPLICATION_ID, MIGRATIONS

BUSY_SECONDS: Final = 60.0
"""How long a writer waits for the writer before it."""

WAIT_SECONDS: Final = 0.25
"""In what steps it waits: between them it can be interrupted."""

GAP_SECONDS: Final = 0.001
"""In what steps a short write waits: it must find the gap between one commit and the next."""

CACHE_KIB: Final = 16384

STEPS: Final = 100_000
"""How many instructions of SQLite's machine lie between two looks at the deadline: some milliseconds."""


@contextmanager
def translating(path: Path) -> Iterator[None]:
    """Driver errors as store errors, in this one place."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(path, error) from error


def _translated(path: Path, error: sqlite3.Error) -> CmdbError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreBusyError(
            f"{path} was locked by another writer for {BUSY_SECONDS:g} s.",
            "Try again when it has finished.",
        )
    if name == "SQLITE_INTERRUPT":
        return deadlines.timed_out()
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return StoreReadOnlyError(
            f"{path} cannot be written.", "Check the permissions of the file and its folder."
        )
    if name.startswith(("SQLITE_FULL", "SQLITE_NOMEM", "SQLITE_TOOBIG")):
        return StoreFullError(f"{path}: {error}.", "Make room; nothing of the change was stored.")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or str(error) == "malformed JSON":
        return StoreDamagedError(
            f"{path} is not a readable database: {error}.", "Restore it from a dump or a backup."
        )
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_IOERR")):
        return StoreUnavailableError(
            f"{path} cannot be opened or read: {error}.",
            "Check the path, the disk and the permissions.",
        )
    return StoreError(f"{path}: {error}.", "This should not happen; please report it.")


class Connections:
    """A pool of connections to one file. Each is used by one thread at a time."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._local = threading.local()
        self._idle: list[ListingConnection] = []
        self._closed = False
        if create and path.exists() and path.stat().st_size > 0:
            raise StoreExistsError(
                f"{path} exists already.", "Choose another path, or use the store that is there."
            )
        if not create and not path.exists():
            raise StoreNotFoundError(f"There is no store at {path}.", "`cmdb init` makes one.")
        with translating(path):
            self._prepare(create)

    def _prepare(self, create: bool) -> None:
        """Check that the file is a store of ours, and bring an older format up to this one."""
        connection = self._open()
        try:
            (format_,) = connection.execute("PRAGMA user_version").fetchone()
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            if not create and (application != APPLICATION_ID or format_ == 0):
                raise StoreNotFoundError(
                    f"{self.path} is not a store of this product.",
                    "Check the path; `cmdb init` makes a store.",
                )
            if format_ > FORMAT:
                raise StoreVersionError(
                    f"{self.path} has format {format_}; this release reads up to {FORMAT}.",
                    "Use a newer release.",
                )
            if format_ < FORMAT:
                connection.execute("PRAGMA journal_mode = WAL")
                migrate(connection, format_)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    def _open(self) -> ListingConnection:
        uri = f"file:{quote(str(self.path.absolute()))}?mode=rwc"
        try:
            connection = sqlite3.connect(
                uri,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                uri=True,
                cached_statements=256,
                factory=ListingConnection,
            )
        except sqlite3.Error as error:
            raise _translated(self.path, error) from error
        connection.create_function("fold", 1, lambda text: text and fold(text), deterministic=True)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute("PRAGMA wal_autocheckpoint = 8000")
        return connection

    @contextmanager
    def borrowed(self) -> Iterator[ListingConnection]:
        """A connection for the duration; an open transaction is rolled back at the end."""
        with self._lock:
            if self._closed:
                raise StoreUnavailableError(
                    f"The store at {self.path} was closed.", "Open it again."
                )
            connection = self._idle.pop() if self._idle else None
        with translating(self.path):
            connection = connection or self._open()
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.roll_back()
                with self._lock:
                    keep = not self._closed
                    if keep:
                        self._idle.append(connection)
                if not keep:
                    connection.close()

    @contextmanager
    def moment(self) -> Iterator[ListingConnection]:
        """Within it all that this thread reads is as of one moment."""
        with self.reading() as connection:
            connection.execute("BEGIN")
            self._local.moment = connection
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                self._local.moment = None

    @contextmanager
    def reading(self) -> Iterator[ListingConnection]:
        """A connection whose statements are interrupted at the deadline of their context."""
        limited = deadlines.remaining() is not None
        if (connection := getattr(self._local, "moment", None)) is not None:
            yield connection
            return
        with self.borrowed() as connection:
            if limited:
                connection.set_progress_handler(deadlines.passed, STEPS)
            try:
                yield connection
            finally:
                if limited:
                    connection.set_progress_handler(None, 0)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def begin_writing(
    connection: sqlite3.Connection,
    waiting: Callable[[], object] = lambda: None,
    *,
    short: bool = False,
) -> None:
    """Begin a write transaction, waiting for the writer before.

    Parameters
    ----------
    waiting
        Called now and then meanwhile; it may raise.
    short
        For a few rows: look often whether it can begin. SQLite itself waits ever longer from one look to
        the next, up to a tenth of a second, and writers that commit one after the other leave gaps of a
        few milliseconds.
    """
    end = time.monotonic() + BUSY_SECONDS
    connection.execute(f"PRAGMA busy_timeout = {0 if short else WAIT_SECONDS * 1000:.0f}")
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > end:
                    raise
                waiting()
                if short:
                    time.sleep(GAP_SECONDS)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")


def migrate(connection: sqlite3.Connection, format_: int) -> None:
    """Run the migrations from a format up, each in a transaction of its own."""
    for number in range(format_, FORMAT):
        connection.execute("BEGIN IMMEDIATE")
        (now,) = connection.execute("PRAGMA user_version").fetchone()
        if now == number:
            for statement in MIGRATIONS[number]:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number + 1}")
        connection.execute("COMMIT")
