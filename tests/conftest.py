"""What every test may use: a real Neo4j, emptied before each test that asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from cmdb.store import GraphStore, create_store
from schema.loading import load_model
from schema.model import Model
from tests.support.neo4j_library import Neo4jUnavailableError
from tests.support.neo4j_server import HOW_TO_GET_ONE, Neo4jServer, find_server
from tests.support.observing import shipped_model

settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=2000)
settings.load_profile(os.environ.get("CMDB_HYPOTHESIS", "default"))


SMALL_MODEL = Path(__file__).parent / "support" / "small_model"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that ask for the Neo4j server are marked, so that they can be left out. They come last, those
    with the same model one after another: indexes of another model make the server plan all it knows anew.
    So does a restart: tests that kill their server come after all others.
    """
    for item in items:
        if "neo4j_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.neo4j)
    items.sort(key=lambda item: (_restarts(item), _model_in_neo4j(item)))


def _restarts(item: pytest.Item) -> bool:
    return item.get_closest_marker("restarts") is not None


def _model_in_neo4j(item: pytest.Item) -> str:
    """Tells the models of tests on Neo4j apart, as well as can be seen before they run."""
    if item.get_closest_marker("neo4j") is None:
        return ""
    if "model" not in getattr(item, "fixturenames", ()):
        return "shipped"
    own = hasattr(getattr(item, "module", None), "model")
    return f"small {item.path}" if own else "small"


@pytest.fixture(scope="session")
def neo4j_server() -> Iterator[Neo4jServer]:
    """A real Neo4j, this worker's own, started when the first test asks for it."""
    try:
        server = find_server()
    except Neo4jUnavailableError as error:
        reason = f"No Neo4j to test against: {error}. {HOW_TO_GET_ONE}"
        if os.environ.get("CMDB_REQUIRE_NEO4J") == "1":
            pytest.fail(f"{reason} CMDB_REQUIRE_NEO4J=1 makes this a failure.", pytrace=False)
        pytest.skip(reason)
    if not server.disposable and int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
        pytest.fail("Workers would empty CMDB_TEST_NEO4J_URI under each other: use one.", False)
    with server:
        server.wipe()
        yield server


@pytest.fixture
def neo4j_store_url(neo4j_server: Neo4jServer) -> str:
    """The URL of an empty Neo4j, credentials and all.

    It keeps the constraints and indexes of the test before: most are the same, and without them
    the server would plan every statement anew. A new store brings them in line with its model.
    """
    neo4j_server.empty()
    return neo4j_server.url


@pytest.fixture(scope="session")
def model() -> Model:
    return load_model([SMALL_MODEL], shipped=False)


@pytest.fixture
def shipped_store(tmp_path: Path) -> Iterator[GraphStore]:
    """A new embedded store with the shipped model."""
    with create_store(f"sqlite:///{tmp_path}/shipped.db", shipped_model()) as store:
        yield store


@pytest.fixture(params=["sqlite", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store can be made: a file that is not there yet, or an empty Neo4j."""
    if request.param == "neo4j":
        return str(request.getfixturevalue("neo4j_store_url"))
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture(scope="module", params=["sqlite", pytest.param("neo4j", marks=pytest.mark.neo4j)])
def module_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Likewise, for a store that a module's tests share, all of them reading only."""
    if request.param == "neo4j":
        server: Neo4jServer = request.getfixturevalue("neo4j_server")
        server.empty()
        return server.url
    return f"sqlite:///{tmp_path_factory.mktemp('module')}/store.db"


@pytest.fixture
def store(url: str, model: Model) -> Iterator[GraphStore]:
    """A new store, at revision 1."""
    with create_store(url, model) as store:
        yield store
