"""Who leaves is not read for: the statement under way in the store ends, long before its deadline."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from api.access.principals import everything
from cmdb.change_sets import Relate
from cmdb.errors import StoreTimeoutError
from cmdb.queries import Query
from cmdb.store import GraphStore, create_store
from schema.model import Model
from tests.support.api_door import Door
from tests.support.building import commit, create
from tests.support.live import PATIENCE, live, subscriber, until
from tests.support.neo4j_server import Neo4jServer

ME, HOURS, APPS = "engineer", 7_200, 2_000
LONG = """{ apps(where: {runsOn: {runs: {runsOn: {runs: {note: {eq: "nobody's"}}}}}}) { totalCount } }"""
"""To find out that there is none, each app of a device is looked at for each app of it, three times over."""


WHERE = {"RUNS_ON": {"RUNS": {"RUNS_ON": {"RUNS": {"note": "nobody's"}}}}}
"""The same, as a filter."""


class Observed:
    """A store; of its `find` it is known whether it has begun, and how it ended.

    Parameters
    ----------
    quick
        So many are answered before; the next one takes long, whatever is asked.
    """

    def __init__(self, store: GraphStore, quick: int = 0) -> None:
        self._store, self._quick, self._asked = store, quick, 0
        self.begun, self.ended = threading.Event(), threading.Event()
        self.error: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def find(self, query: Query) -> Any:
        self._asked += 1
        if self._asked <= self._quick:
            return self._store.find(query)
        self.begun.set()
        try:
            return self._store.find(Query("App", WHERE) if self._quick else query)
        except Exception as error:
            self.error = error
            raise
        finally:
            self.ended.set()


@pytest.fixture(scope="module")
def crowded(module_url: str, model: Model) -> Iterator[GraphStore]:
    """Many apps on one device."""
    with create_store(module_url, model) as store:
        device, apps = create("Device", "d"), [create("App", f"a{n}") for n in range(APPS)]
        commit(store, device, *apps, *(Relate(app.id, "RUNS_ON", device.id) for app in apps))
        yield store


@pytest.fixture
def running(module_url: str, request: pytest.FixtureRequest) -> Iterator[Callable[[], bool]]:
    """Whether Neo4j itself says that it reads for somebody; of SQLite nobody else knows."""
    if module_url.startswith("sqlite"):
        yield lambda: True
        return
    server: Neo4jServer = request.getfixturevalue("neo4j_server")
    with server.driver() as driver:

        def marked() -> bool:
            records, _, _ = driver.execute_query(
                "SHOW TRANSACTIONS YIELD metaData, currentQuery"
                " WHERE metaData.mark IS NOT NULL AND currentQuery CONTAINS 'RUNS_ON' RETURN 1"
            )
            return bool(records)

        yield marked


def by_http(port: int, until_begun: Callable[[], None]) -> None:
    body = json.dumps({"query": LONG}).encode()
    head = (
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {ME}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(head.encode() + body)
        until_begun()


def by_closing(port: int, until_begun: Callable[[], None]) -> None:
    with subscriber(port, ME) as client:
        client.begin(LONG)
        until_begun()


def by_completing(port: int, until_begun: Callable[[], None]) -> None:
    with subscriber(port, ME) as client:
        id = client.begin(LONG)
        until_begun()
        client.send({"id": id, "type": "complete"})
        client.begin("{ __typename }")
        assert client.next() == "Query"


def by_export(port: int, until_begun: Callable[[], None]) -> None:
    head = (
        "GET /exports/records?type=App HTTP/1.1\r\nhost: localhost\r\n"
        f"authorization: Bearer {ME}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(head.encode())
        until_begun()


@pytest.mark.parametrize(
    ("leave", "quick"),
    [(by_http, 0), (by_closing, 0), (by_completing, 0), (by_export, 1), (by_export, 3)],
    ids=["http", "closing", "completing", "export", "export midway"],
)
def test_the_statement_ends_when_nobody_waits_for_it(
    leave: Callable[[int, Callable[[], None]], None],
    quick: int,
    crowded: GraphStore,
    running: Callable[[], bool],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("api.rest.exports.PAGE", 100)
    door, observed = Door(crowded, [everything(ME)]), Observed(crowded, quick)
    door.services.guard = lambda *_: observed  # type: ignore[assignment]
    roles = door.services.roles
    assert roles is not None
    kept = roles.by_name["administrator"]
    patient = replace(kept, limits=kept.limits._replace(seconds=HOURS))
    monkeypatch.setitem(roles.by_name, "administrator", patient)

    def begun() -> None:
        assert observed.begun.wait(PATIENCE)
        until(running)
        assert not observed.ended.is_set()

    with live(door.app) as port:
        leave(port, begun)
        assert observed.ended.wait(PATIENCE)
        assert isinstance(observed.error, StoreTimeoutError)
        if not crowded.url.startswith("sqlite"):
            until(lambda: not running())
    assert crowded.find(Query("App", first=1, total=True)).total == APPS
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []
