"""The stores under test, made new for each test, with the small model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cmdb.integrity import check
from cmdb.store import GraphStore, create_store
from schema.model import Model
from tests.support.alerting import Monitoring
from tests.support.by_hand import ByHand, Neo4jByHand, SqliteByHand
from tests.support.neo4j_server import Neo4jServer
from tests.support.observing import shipped_model


@pytest.fixture
def by_hand(url: str, request: pytest.FixtureRequest) -> ByHand:
    """The database behind the store."""
    if url.startswith("sqlite:///"):
        return SqliteByHand(Path(url.removeprefix("sqlite:///")))
    return Neo4jByHand(request.getfixturevalue("neo4j_server"))


@pytest.fixture(scope="module")
def kept_file(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Iterator[GraphStore]:
    """An embedded store that all examples of a module's properties go on filling."""
    with create_store(f"sqlite:///{tmp_path_factory.mktemp('kept')}/store.db", model) as store:
        yield store


@pytest.fixture(scope="module")
def kept_neo4j(neo4j_server: Neo4jServer, model: Model) -> Iterator[GraphStore]:
    """Likewise, in Neo4j."""
    neo4j_server.empty()
    with create_store(neo4j_server.url, model) as store:
        yield store


@pytest.fixture
def lab(url: str) -> Iterator[Monitoring]:
    """An estate that is monitored; at the end all of it is sound."""
    with create_store(url, shipped_model()) as store:
        made = Monitoring.make(store)
        yield made
        assert list(check(store)) == []
