"""One Neo4j database: statements sent to it, none of them answered from the middle of a commit.

The clock that this takes, and the order of a writer's transactions, are explained in the package.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, repeat
from typing import Any, Final, TypeVar

import neo4j

from cmdb.errors import StoreAccessError, StoreBusyError, StoreError, StoreReadOnlyError
from cmdb.store import deadlines
from cmdb.store.neo4j import statements
from cmdb.store.neo4j.connections import TRANSACTION_SECONDS, Connection, send, translating

PAUSES: Final = (0.002, 0.01, 0.05)
"""Seconds before a reading that a commit overlapped is repeated; after them it holds writers off."""
OVERLAP_SECONDS: Final = 60.0
"""How long a reader without the right to hold writers off goes on repeating."""
SETTLE_SECONDS: Final = 5.0
"""How long opening waits for a writer before it leaves the clock as it is."""

Result = TypeVar("Result")


class Database:
    """Sends statements, counts them, and keeps the clock.

    Parameters
    ----------
    connection
        An open driver.

    Attributes
    ----------
    shown
        Its URL, without password.
    statements
        How many were sent.
    """

    def __init__(self, connection: Connection) -> None:
        self.shown = connection.address.shown
        self.statements = 0
        self._connection = connection

    def close(self) -> None:
        self._connection.close()

    def count(self) -> None:
        """One more statement."""
        self.statements += 1

    def rows(self, statement: str, **parameters: Any) -> list[neo4j.Record]:
        """One statement in a read transaction of its own, as Neo4j isolates it: not at all from
        commits under way."""
        self.count()
        return self._connection.rows(statement, parameters)

    def stream(self, statement: str, **parameters: Any) -> Iterator[neo4j.Record]:
        """Likewise, its rows as they come, in bounded memory."""
        self.count()
        yield from self._connection.stream(statement, parameters)

    def define(self, commands: Sequence[str], **parameters: Any) -> None:
        """Statements that define constraints and indexes, all or none of them."""
        with (
            translating(self.shown),
            self._connection.session(neo4j.WRITE_ACCESS) as session,
            session.begin_transaction() as transaction,
        ):
            for command in commands:
                transaction.run(command, parameters)
            transaction.commit()

    def write(
        self,
        work: Callable[[neo4j.ManagedTransaction], Result],
        seconds: float = TRANSACTION_SECONDS,
        metadata: dict[str, str] | None = None,
    ) -> Result:
        """Work in a write transaction, repeated by the driver while the server asks for it.

        Raises
        ------
        neo4j.exceptions.IncompleteCommit, neo4j.exceptions.ConstraintError
            As they come, inside of `translating`: the store knows what they mean.
        """
        timed = neo4j.unit_of_work(metadata, seconds)(work)
        with self._connection.session(neo4j.WRITE_ACCESS) as session:
            return session.execute_write(timed)

    # -- reading between commits ------------------------------------------------------------------

    def answer(self, statement: str, parameters: Mapping[str, Any]) -> Any:
        """The ``answer`` of a reading, none of it from the middle of a commit.

        It is repeated until no commit overlaps it. When that does not come about by itself, because
        commits come faster than it reads or a writer has died in one, it holds the writers off.

        Raises
        ------
        StoreBusyError
            Commits kept overlapping it, and this user has no right to hold them off.
        StoreTimeoutError
            The deadline is over.
        """
        asked = statements.quiet(statement)
        end = time.monotonic() + OVERLAP_SECONDS
        for attempt, pause in enumerate(chain(PAUSES, repeat(PAUSES[-1]))):
            rows = self.rows(asked, **parameters)
            if not rows and attempt == len(PAUSES):
                with suppress(StoreAccessError, StoreReadOnlyError):
                    rows = self._holding_writers_off(asked, parameters)
            if rows:
                return rows[0]["answer"]
            if time.monotonic() > end:
                break
            time.sleep(deadlines.within(pause))
        raise StoreBusyError(
            f"{self.shown}: commits overlapped the reading for {OVERLAP_SECONDS:g} s.",
            "Try again; if nobody writes, open the store once as a user who may write.",
        )

    def _holding_writers_off(
        self, statement: str, parameters: Mapping[str, Any]
    ) -> list[neo4j.Record]:
        """A reading under the writers' lock, after clearing up behind a writer that has died."""

        def work(transaction: neo4j.ManagedTransaction) -> list[neo4j.Record]:
            deadlines.remaining()
            transaction.run(statements.SETTLE).consume()
            return list(send(transaction, statement, parameters))

        self.statements += 2
        try:
            with translating(self.shown), self._connection.stoppable() as mark:
                return self.write(work, deadlines.within(TRANSACTION_SECONDS), mark)
        except StoreBusyError as error:
            if deadlines.passed():
                raise deadlines.timed_out() from error
            raise

    # -- the clock ----------------------------------------------------------------------------------

    def announce(self, number: int, before: int) -> None:
        """Say that a revision is coming, before anything that belongs to it can be seen.

        Parameters
        ----------
        number, before
            The revision, and the newest one when the writers' lock was taken.

        Raises
        ------
        StoreBusyError
            This writer has lost the writers' lock: another one has committed.
        """
        rows = self._alone(statements.ANNOUNCE, announced=number, number=before)
        if not rows:
            raise StoreBusyError(
                f"{self.shown} gave up the transaction before it was committed.", "Try again."
            )

    def publish(self, number: int) -> None:
        """Say that a revision is whole."""
        self._alone(statements.PUBLISH, number=number)

    def settle(self) -> None:
        """Clear up after a writer that announced a commit and ended; not where one is at work, nor
        where this user may not write."""
        with suppress(StoreError):
            self._alone(statements.SETTLE, SETTLE_SECONDS)

    def _alone(
        self, statement: str, seconds: float = TRANSACTION_SECONDS, **parameters: Any
    ) -> list[neo4j.Record]:
        """A statement in a write transaction of its own."""
        self.count()
        with translating(self.shown):
            return self.write(lambda t: list(send(t, statement, parameters)), seconds)
