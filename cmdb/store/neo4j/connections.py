"""The driver: opened from a URL, transactions retried, errors translated; all in this one place."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import neo4j
from neo4j import exceptions as driver_errors

from cmdb.errors import (
    CmdbError,
    StoreAccessError,
    StoreBusyError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
    StoreURLError,
)
from cmdb.store import deadlines
from cmdb.store.neo4j.statements import STOP

ENDED: Final = (
    "Neo.ClientError.Transaction.TransactionTimedOut",
    "Neo.ClientError.Transaction.Terminated",
    "Neo.TransientError.Transaction.Terminated",
)
"""Codes of transactions that the server has ended."""
RETRY_PAUSE: Final = 0.2
"""Seconds before a reading with a deadline is repeated."""
RETRY_SECONDS: Final = 30.0
"""How long a transaction is repeated while the server asks for it or is away."""
CONNECT_SECONDS: Final = 10.0
STOP_PAUSES: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between asking for the end of a transaction and asking again."""
STATEMENT_SECONDS: Final = 120.0
"""How long one read may take in the server."""
TRANSACTION_SECONDS: Final = 600.0
"""How long one write transaction may take in the server."""


logging.getLogger("neo4j").addHandler(logging.NullHandler())  # what it would say is raised here


class Address(NamedTuple):
    """A store URL taken apart. ``shown`` has no password."""

    uri: str
    user: str
    password: str
    database: str | None
    shown: str


def parse_url(url: str, environment: Mapping[str, str] = os.environ) -> Address:
    """Take a URL apart; the password may come from the environment or a file it names.

    ``CMDB_NEO4J_PASSWORD``, or ``CMDB_NEO4J_PASSWORD_FILE``; likewise ``CMDB_NEO4J_USER``.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if not host:
            raise ValueError
    except ValueError:
        raise StoreURLError(
            "That Neo4j URL names no host, or no port there can be.",
            "Write neo4j://user@host:7687/database.",
        ) from None
    database = parts.path.strip("/") or None
    if database and not re.fullmatch(r"[A-Za-z][A-Za-z0-9.\-]{2,62}", database):
        raise StoreURLError(
            f"{database!r} is no database name.", "Use letters, digits, dots and dashes."
        )
    user = unquote(parts.username or "") or environment.get("CMDB_NEO4J_USER", "neo4j")
    password = unquote(parts.password or "") or environment.get("CMDB_NEO4J_PASSWORD", "")
    file = environment.get("CMDB_NEO4J_PASSWORD_FILE", "")
    if not password and file:
        try:
            password = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise StoreURLError(
                f"The password file {file} cannot be read.", "Correct CMDB_NEO4J_PASSWORD_FILE."
            ) from None
    shown_host = f"[{host}]" if ":" in host else host
    place = f"{shown_host}:{port}" if port else shown_host
    path = f"/{database}" if database else ""
    return Address(
        f"{parts.scheme}://{place}", user, password, database, f"{parts.scheme}://{place}{path}"
    )


class Connection:
    """One driver and its bookmarks.

    Reads go to any server of a cluster (routing), after the newest write of this store (bookmark),
    so that a reader sees what was written here.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._bookmarks = neo4j.GraphDatabase.bookmark_manager()
        self._mark, self._numbers = uuid4().hex, count(1)
        with translating(address.shown):
            self.driver = neo4j.GraphDatabase.driver(
                address.uri,
                auth=(address.user, address.password) if address.password else None,
                connection_timeout=CONNECT_SECONDS,
                connection_acquisition_timeout=RETRY_SECONDS,
                max_transaction_retry_time=RETRY_SECONDS,
                user_agent="graph-cmdb",
                notifications_min_severity="OFF",
            )

    def verify(self) -> None:
        """Sign in once, without the patience that transactions have."""
        with translating(self.address.shown), self.session(neo4j.READ_ACCESS) as session:
            session.run("RETURN 1").consume()

    def session(self, access: str) -> neo4j.Session:
        return self.driver.session(
            database=self.address.database,
            bookmark_manager=self._bookmarks,
            default_access_mode=access,
            fetch_size=1_000,
        )

    def stream(self, statement: str, parameters: Mapping[str, Any]) -> Iterator[neo4j.Record]:
        """The rows of one statement as they come, in bounded memory; they cannot be repeated."""
        with translating(self.address.shown):
            yield from self._read(statement, parameters, deadlines.remaining())

    def rows(self, statement: str, parameters: Mapping[str, Any]) -> list[neo4j.Record]:
        """One statement in a read transaction of its own, repeated where the server asks for it, up to
        the deadline."""
        end = time.monotonic() + deadlines.within(RETRY_SECONDS) - RETRY_PAUSE
        with translating(self.address.shown):
            while True:
                try:
                    return list(
                        self._read(statement, parameters, deadlines.within(STATEMENT_SECONDS))
                    )
                except (driver_errors.Neo4jError, driver_errors.DriverError) as error:
                    if not error.is_retryable() or time.monotonic() > end:
                        raise
                    time.sleep(RETRY_PAUSE)

    def _read(
        self, statement: str, parameters: Mapping[str, Any], seconds: float | None
    ) -> Iterator[neo4j.Record]:
        """The rows of one statement, which the server ends after so many seconds.

        Its transaction begins and ends with it, so that all goes there and back once; the driver's
        managed ones take four times.
        """
        with self.stoppable() as mark, self.session(neo4j.READ_ACCESS) as session:
            try:
                for row in session.run(*_asked(statement, parameters, seconds, mark)):
                    deadlines.remaining()
                    yield row
            except driver_errors.Neo4jError as error:
                if deadlines.passed() and (error.code or "").startswith(ENDED):
                    raise deadlines.timed_out() from error
                raise

    @contextmanager
    def stoppable(self) -> Iterator[dict[str, str] | None]:
        """Metadata for a transaction that is to end when its reading is cancelled; raises as that.

        The server is asked for it by another connection. That may be too soon, before the transaction is
        there; and in a cluster it may be another server, so it is asked again, a few times.
        """
        if deadlines.current() is None:
            yield None
            return
        mark, over = f"{self._mark}/{next(self._numbers)}", Event()

        def stop() -> None:
            with suppress(driver_errors.Neo4jError, driver_errors.DriverError):
                for pause in STOP_PAUSES:
                    if not over.is_set():
                        with self.session(neo4j.READ_ACCESS) as session:
                            session.run(STOP, {"mark": mark}).consume()
                        over.wait(pause)

        try:
            with deadlines.stopping(stop):
                yield {"mark": mark}
        finally:
            over.set()

    def close(self) -> None:
        self.driver.close()


def send(
    transaction: neo4j.Transaction | neo4j.ManagedTransaction,
    statement: str,
    parameters: Mapping[str, Any],
) -> neo4j.Result:
    """Run a statement in a transaction that may have several."""
    query, given = _asked(statement, parameters)
    return transaction.run(query.text, given)


def _asked(
    statement: str,
    parameters: Mapping[str, Any],
    seconds: float | None = None,
    metadata: dict[str, str] | None = None,
) -> tuple[neo4j.Query, dict[str, Any]]:
    """A statement, its parameters as the entries of one map.

    Of a list that is a parameter itself the server takes the length for a part of the statement, by
    orders of magnitude, and plans it anew for each (seen on 5.26.18: 20 to 500 ms, when running it
    takes 5); of one inside a map it does not.
    """
    return neo4j.Query(_in_map(statement), metadata, seconds), {"p": dict(parameters)}


@lru_cache(1_000)
def _in_map(statement: str) -> str:
    return re.sub(r"\$(?=[a-z_])", "$p.", statement)


@contextmanager
def translating(shown: str) -> Iterator[None]:
    """Driver errors as store errors, in this one place."""
    try:
        yield
    except (driver_errors.Neo4jError, driver_errors.DriverError) as error:
        raise translated(shown, error) from error
    except (ValueError, OSError) as error:
        if isinstance(error, ValueError) and "resolve" not in str(error):
            raise
        raise StoreUnavailableError(
            f"{shown} is not reachable: {error}.", "Check the address, and that the server runs."
        ) from error


_BY_CODE: Final[tuple[tuple[str, type[StoreError], str, str], ...]] = (
    (
        "Neo.ClientError.Security",
        StoreAccessError,
        "refused the sign-in or the operation",
        "Check user, password and rights (CMDB_NEO4J_PASSWORD).",
    ),
    (
        "Neo.TransientError.General.MemoryPoolOutOfMemoryError",
        StoreFullError,
        "ran out of transaction memory",
        "Commit in smaller change sets, or give the server more memory.",
    ),
    (
        "Neo.TransientError.General.TransactionOutOfMemoryError",
        StoreFullError,
        "ran out of transaction memory",
        "Commit in smaller change sets, or give the server more memory.",
    ),
    (
        "Neo.TransientError.General.OutOfMemoryError",
        StoreFullError,
        "is out of memory",
        "Give the server more memory.",
    ),
    (
        "Neo.TransientError.Transaction.DeadlockDetected",
        StoreBusyError,
        "found a deadlock again and again",
        "Try again; something else may be writing to the database.",
    ),
    (
        "Neo.TransientError.Transaction.LockClientStopped",
        StoreBusyError,
        "ended the transaction for another one",
        "Try again.",
    ),
    (
        "Neo.ClientError.Transaction.TransactionTimedOut",
        StoreBusyError,
        "ended the transaction because it took too long",
        "Ask for less at once, or look at the load on the server.",
    ),
    (
        "Neo.TransientError.Transaction.Terminated",
        StoreBusyError,
        "ended the transaction",
        "Try again.",
    ),
    (
        "Neo.ClientError.Cluster.NotALeader",
        StoreReadOnlyError,
        "does not take writes",
        "Use neo4j:// so that writes find the leader.",
    ),
    (
        "Neo.ClientError.General.ForbiddenOnReadOnlyDatabase",
        StoreReadOnlyError,
        "is read-only",
        "Ask its administrator.",
    ),
    (
        "Neo.ClientError.General.WriteOnReadOnlyAccessDatabase",
        StoreReadOnlyError,
        "is read-only",
        "Ask its administrator.",
    ),
    (
        "Neo.ClientError.Database.DatabaseNotFound",
        StoreUnavailableError,
        "has no such database",
        "Correct the database in the URL.",
    ),
    (
        "Neo.ClientError.Schema.ConstraintValidationFailed",
        StoreError,
        "refused a value that another record has",
        "Read the record again and repeat the change.",
    ),
    ("Neo.TransientError", StoreBusyError, "could not do it now", "Try again."),
)
"""(start of the driver's code, our error, what happened, what to do), the first that fits."""


def translated(shown: str, error: Exception) -> CmdbError:
    if isinstance(
        error,
        driver_errors.AuthConfigurationError | driver_errors.AuthError | driver_errors.TokenExpired,
    ):
        return StoreAccessError(
            f"{shown} refused the sign-in.", "Check user and password (CMDB_NEO4J_PASSWORD)."
        )
    if isinstance(error, driver_errors.Neo4jError):
        code = error.code or ""
        for start, kind, what, remedy in _BY_CODE:
            if code.startswith(start):
                return kind(f"{shown} {what} ({code}).", remedy)
        return StoreError(
            f"{shown}: {error.message} ({code}).", "This should not happen; please report it."
        )
    if isinstance(error, driver_errors.ServiceUnavailable | driver_errors.SessionExpired):
        return StoreUnavailableError(
            f"{shown} is not reachable.", "Check the address, and that the server runs."
        )
    if isinstance(error, driver_errors.ConfigurationError):
        return StoreURLError(f"{shown}: {error}.", "Correct the URL.")
    return StoreUnavailableError(f"{shown}: {error}.", "Check the server and the network.")
