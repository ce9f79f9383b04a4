"""The stores under test, made new for each test, with the small model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cmdb.store import GraphStore, create_store
from schema.model import Model


@pytest.fixture(params=["sqlite", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store can be made: a file that is not there yet, or an empty Neo4j."""
    if request.param == "neo4j":
        return str(request.getfixturevalue("neo4j_store_url"))
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def store(url: str, model: Model) -> Iterator[GraphStore]:
    """A new store, at revision 1."""
    with create_store(url, model) as store:
        yield store
