"""The database behind a store, written past the product: what somebody with access to it could do."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.neo4j_server import Neo4jServer


class SqliteByHand:
    """The file of an embedded store."""

    kind = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path

    def run(self, statement: str, parameters: Mapping[str, Any] | None = None) -> None:
        with closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute(statement, parameters or {})


class Neo4jByHand:
    """A Neo4j that has a store in it."""

    kind = "neo4j"

    def __init__(self, server: Neo4jServer) -> None:
        self._server = server

    def run(self, statement: str, parameters: Mapping[str, Any] | None = None) -> None:
        with self._server.driver() as driver:
            driver.execute_query(statement, dict(parameters or {}))


ByHand = SqliteByHand | Neo4jByHand
