"""A real Neo4j 5.26 to test against, the first there is of three::

    CMDB_TEST_NEO4J_URI     a server somebody provides, emptied by every test; with
                            CMDB_TEST_NEO4J_USER (neo4j) and CMDB_TEST_NEO4J_PASSWORD
    a Docker engine         a container of IMAGE
    Java 17 and Maven       a local process from the jars (`tests.support.neo4j_local`)

``python -m tests.support.neo4j_server`` runs a local one for a person to work against.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self
from urllib.parse import quote

from neo4j import Driver, GraphDatabase
from neo4j.exceptions import DriverError, Neo4jError

IMAGE = "neo4j:5.26-community"
START_TIMEOUT = 180
HOW_TO_GET_ONE = (
    "Set CMDB_TEST_NEO4J_URI to a server set aside for tests, start Docker,"
    " or install Java 17 and Maven (CONTRIBUTING.md)."
)


class Neo4jServer(ABC):
    """A server that tests may fill and empty, and, where it is theirs, kill and restart.

    Attributes
    ----------
    uri
        Where it is, without credentials.
    user, password
        Those of its administrator.
    """

    disposable = True
    """May be killed and restarted: nobody else works with it."""

    def __init__(self, uri: str, user: str, password: str) -> None:
        self.uri, self.user, self.password = uri, user, password

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it is, with credentials: what a store is opened with."""
        scheme, _, place = self.uri.partition("://")
        return f"{scheme}://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{place}"

    @abstractmethod
    def start(self) -> None:
        """Start it, and return when it answers."""

    @abstractmethod
    def stop(self) -> None:
        """End it for good."""

    @abstractmethod
    def kill(self) -> None:
        """End it at once, as a power failure would. Its data stays."""

    def restart(self) -> None:
        """Start it again, at the same place and with the data it had."""
        self.kill()
        self.start()

    def driver(self) -> Driver:
        """A driver of its administrator."""
        return GraphDatabase.driver(self.uri, auth=(self.user, self.password))

    def wait_until_ready(self) -> None:
        """Return when it answers a query."""
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            self._check_alive()
            if time.monotonic() > deadline:
                raise RuntimeError(f"Neo4j did not answer within {START_TIMEOUT} seconds.")
            time.sleep(0.1)

    def wipe(self) -> None:
        """Leave an empty database: no node, no constraint, no index but those it began with."""
        self.empty()
        with self.driver() as driver, driver.session() as session:
            constraints = session.run("SHOW CONSTRAINTS YIELD name").value()
            indexes = session.run(
                "SHOW INDEXES YIELD name, type, owningConstraint"
                " WHERE type <> 'LOOKUP' AND owningConstraint IS NULL RETURN name"
            ).value()
            with session.begin_transaction() as transaction:
                for name in constraints:
                    transaction.run(f"DROP CONSTRAINT {_quoted(name)}")
                for name in indexes:
                    transaction.run(f"DROP INDEX {_quoted(name)}")
                transaction.commit()

    def empty(self) -> None:
        """Delete every node, and keep constraints and indexes, which take longer to make."""
        with self.driver() as driver, driver.session() as session:
            session.run(
                "MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 10000 ROWS"
            ).consume()

    def _answers(self) -> bool:
        try:
            with self.driver() as driver:
                driver.execute_query("RETURN 1")
        except (DriverError, Neo4jError):
            return False
        return True

    def _check_alive(self) -> None:  # noqa: B027 - most servers cannot be asked
        """Raise if waiting for it has no use."""


class ProvidedNeo4j(Neo4jServer):
    """A server that somebody runs. It is used, never ended."""

    disposable = False

    def start(self) -> None:
        with self.driver() as driver:
            driver.verify_connectivity()

    def stop(self) -> None:
        """Leave it running."""

    def kill(self) -> None:
        raise RuntimeError("The server at CMDB_TEST_NEO4J_URI is not the tests' own to end.")


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def find_server() -> Neo4jServer:
    """The server to test against, not started yet.

    Raises
    ------
    Neo4jUnavailableError
        None of the three ways is open.
    """
    from tests.support import neo4j_docker, neo4j_local

    if uri := os.environ.get("CMDB_TEST_NEO4J_URI"):
        user = os.environ.get("CMDB_TEST_NEO4J_USER", "neo4j")
        return ProvidedNeo4j(uri, user, os.environ.get("CMDB_TEST_NEO4J_PASSWORD", ""))
    if neo4j_docker.engine_answers():
        return neo4j_docker.DockerNeo4j()
    return neo4j_local.LocalNeo4j(short_lived=True)


if __name__ == "__main__":
    from tests.support.neo4j_foreground import main

    main()
