"""What can go wrong with a server, each as an error for people, none with the password in it."""

from __future__ import annotations

import socket
from pathlib import Path

import neo4j
import pytest
from neo4j import exceptions as driver_errors

from cmdb.errors import (
    CmdbError,
    StoreAccessError,
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreExistsError,
    StoreFullError,
    StoreNotFoundError,
    StoreReadOnlyError,
    StoreUnavailableError,
    StoreURLError,
    StoreVersionError,
)
from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.store import create_store, open_store
from cmdb.store.neo4j.connections import parse_url, translated
from cmdb.store.neo4j.statements import quiet
from schema.model import Model
from tests.support.building import add
from tests.support.neo4j_server import Neo4jServer
from tests.support.observing import shipped_model


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up after two seconds instead of thirty."""
    monkeypatch.setattr("cmdb.store.neo4j.connections.RETRY_SECONDS", 2.0)


def refused(url: str, kind: type[CmdbError]) -> str:
    with pytest.raises(kind) as caught:
        open_store(url)
    assert caught.value.remedy
    assert "hunter2" not in f"{caught.value} {caught.value.remedy} {caught.value!r}"
    return str(caught.value)


@pytest.mark.neo4j
def test_a_wrong_password(neo4j_server: Neo4jServer) -> None:
    place = neo4j_server.uri.partition("://")[2]
    assert place in refused(f"bolt://neo4j:hunter2@{place}", StoreAccessError)


def test_nobody_answers() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert "not reachable" in refused(
            f"bolt://neo4j:hunter2@127.0.0.1:{port}", StoreUnavailableError
        )


def test_no_such_host() -> None:
    refused("bolt://neo4j:hunter2@no-such-host.invalid:7687", StoreUnavailableError)


@pytest.mark.neo4j
def test_no_such_database(neo4j_store_url: str) -> None:
    assert "no such database" in refused(f"{neo4j_store_url}/nowhere", StoreUnavailableError)


@pytest.mark.neo4j
def test_no_store_there_yet_or_one_already(neo4j_store_url: str, model: Model) -> None:
    assert "no store" in refused(neo4j_store_url, StoreNotFoundError)
    create_store(neo4j_store_url, model).close()
    with pytest.raises(StoreExistsError, match="store at"):
        create_store(neo4j_store_url, model)


@pytest.mark.neo4j
def test_a_new_store_has_the_schema_of_its_model_whatever_was_there(
    neo4j_store_url: str, neo4j_server: Neo4jServer, model: Model
) -> None:
    def schema() -> set[tuple[str, ...]]:
        create_store(neo4j_store_url, model).close()
        with neo4j_server.driver() as driver:
            rows, _, _ = driver.execute_query(
                "SHOW INDEXES YIELD name, type, labelsOrTypes, properties, owningConstraint, state"
            )
        return {tuple(map(str, row.values())) for row in rows}

    neo4j_server.wipe()
    of_its_own = schema()
    assert len(of_its_own) > 20
    neo4j_server.empty()
    create_store(neo4j_store_url, shipped_model()).close()
    neo4j_server.empty()
    assert schema() == of_its_own


@pytest.mark.neo4j
def test_a_database_that_is_not_empty_is_left_alone(
    neo4j_store_url: str, neo4j_server: Neo4jServer, model: Model
) -> None:
    with neo4j_server.driver() as driver:
        driver.execute_query("CREATE (:Precious)")
        with pytest.raises(StoreExistsError, match="not empty"):
            create_store(neo4j_store_url, model)
        records, _, _ = driver.execute_query("MATCH (n) RETURN labels(n) AS labels")
        assert [record["labels"] for record in records] == [["Precious"]]


@pytest.mark.neo4j
def test_a_newer_store_is_refused(
    neo4j_store_url: str, neo4j_server: Neo4jServer, model: Model
) -> None:
    create_store(neo4j_store_url, model).close()
    with neo4j_server.driver() as driver:
        driver.execute_query("MATCH (s:_Store {key: 'store'}) SET s.format = 99")
    assert "format 99" in refused(neo4j_store_url, StoreVersionError)


@pytest.mark.neo4j
def test_damage_is_found(neo4j_store_url: str, neo4j_server: Neo4jServer, model: Model) -> None:
    """What a script that means well would do to the live graph."""
    with create_store(neo4j_store_url, model) as store, neo4j_server.driver() as driver:
        id = add(store, "Device", "d", size=1)
        for statement in (
            "MATCH (n:Device) SET n.size = -999, n.extra = 1",
            "MATCH (n:Device) CREATE (n)-[:LIKES]->(:Cat)",
            "CREATE (:Record {name: 'stray'})",
            "CREATE (:_RecordImage {id: 'nobody', type: 'Device', revision: 9, until: 3})",
            "MATCH (n:Device) SET n:Box",
        ):
            driver.execute_query(statement)
        findings = list(check(store))
        codes = {finding.code for finding in findings}
        assert codes >= {
            "foreign_node", "foreign_relationship", "dangling_image", "broken_interval", "foreign_labels",
            "invalid_record",
        }  # fmt: skip
        assert id in {finding.subject for finding in findings}
        with pytest.raises(StoreDamagedError, match="not written by this product"):
            store.find(Query("Record"))
        driver.execute_query("MATCH (n:Device) CREATE (n)-[:LIKES]->(n)")
        with pytest.raises(StoreDamagedError, match="LIKES"):
            store.neighbours([id])


@pytest.mark.neo4j
def test_a_statement_that_takes_too_long_is_ended(
    neo4j_store_url: str, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    with create_store(neo4j_store_url, model) as store:
        monkeypatch.setattr("cmdb.store.neo4j.connections.STATEMENT_SECONDS", 0.001)
        endless = "UNWIND range(1, 100000) AS a UNWIND range(1, 100000) AS b RETURN count(*)"
        with pytest.raises(StoreBusyError, match="too long"):
            store._database.rows(endless)  # type: ignore[attr-defined]


@pytest.mark.neo4j
def test_a_reading_that_a_commit_overlaps_gives_nothing(
    neo4j_store_url: str, neo4j_server: Neo4jServer, model: Model
) -> None:
    """The statement itself is made to move the clock, as a writer does meanwhile."""
    create_store(neo4j_store_url, model).close()
    move = "MATCH (x:_Store {key: 'clock'}) SET x.announced = x.announced + 1"
    ahead = "MATCH (x:_Store {key: 'clock'}) RETURN x.announced - x.published"
    still, moving = quiet("RETURN 1 AS answer"), quiet(f"{move} RETURN 1 AS answer")
    with neo4j_server.driver() as driver, driver.session() as session:

        def read(*statements: str) -> tuple[int, int]:
            """How many rows the last one gives, and how far the clock is ahead then."""
            with session.begin_transaction() as transaction:
                *_, rows = [transaction.run(statement).values() for statement in statements]
                [[behind]] = transaction.run(ahead).values()
                transaction.rollback()
            return len(rows), behind

        assert read(still) == (1, 0)
        assert read(moving) == (0, 1), "announced while it read"
        assert read(move, still) == (0, 1), "announced before it began"
        assert read(move, moving) == (0, 1), "announced before, so it did not even begin"


@pytest.mark.neo4j
def test_a_closed_store_says_so(neo4j_store_url: str, model: Model) -> None:
    store = create_store(neo4j_store_url, model)
    store.close()
    store.close()
    with pytest.raises(StoreUnavailableError):
        store.find(Query("Device"))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("Neo.ClientError.Security.Unauthorized", StoreAccessError),
        ("Neo.ClientError.Security.Forbidden", StoreAccessError),
        ("Neo.TransientError.General.MemoryPoolOutOfMemoryError", StoreFullError),
        ("Neo.TransientError.Transaction.DeadlockDetected", StoreBusyError),
        ("Neo.ClientError.Transaction.TransactionTimedOut", StoreBusyError),
        ("Neo.ClientError.Cluster.NotALeader", StoreReadOnlyError),
        ("Neo.ClientError.General.ForbiddenOnReadOnlyDatabase", StoreReadOnlyError),
        ("Neo.ClientError.Database.DatabaseNotFound", StoreUnavailableError),
        ("Neo.ClientError.Schema.ConstraintValidationFailed", StoreError),
        ("Neo.DatabaseError.General.UnknownError", StoreError),
    ],
)
def test_each_driver_error_is_one_of_ours(code: str, kind: type[StoreError]) -> None:
    error = neo4j.exceptions.Neo4jError._hydrate_neo4j(code=code, message="what the server said")
    ours = translated("bolt://host", error)
    assert type(ours) is kind
    assert ours.remedy
    assert "bolt://host" in str(ours)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (driver_errors.ServiceUnavailable("x"), StoreUnavailableError),
        (driver_errors.SessionExpired("x"), StoreUnavailableError),
        (driver_errors.AuthError("x"), StoreAccessError),
        (driver_errors.ConfigurationError("x"), StoreURLError),
    ],
)
def test_errors_of_the_driver_itself(error: Exception, kind: type[StoreError]) -> None:
    assert type(translated("bolt://host", error)) is kind


def test_urls_are_taken_apart_and_shown_without_the_password(tmp_path: Path) -> None:
    address = parse_url("neo4j+s://anna:p%40ss%2Fword@db.example:7688/estate", {})
    assert address[:4] == ("neo4j+s://db.example:7688", "anna", "p@ss/word", "estate")
    assert address.shown == "neo4j+s://db.example:7688/estate"
    assert parse_url("bolt://[::1]:7687", {}).uri == "bolt://[::1]:7687"
    environment = {"CMDB_NEO4J_USER": "bert", "CMDB_NEO4J_PASSWORD": "hunter2"}
    assert parse_url("bolt://h", environment)[1:3] == ("bert", "hunter2")
    file = tmp_path / "secret"
    file.write_text("from the file\n")
    assert (
        parse_url("bolt://h", {"CMDB_NEO4J_PASSWORD_FILE": str(file)}).password == "from the file"
    )
    with pytest.raises(StoreURLError, match="cannot be read"):
        parse_url("bolt://h", {"CMDB_NEO4J_PASSWORD_FILE": str(tmp_path / "none")})
    for wrong in ("bolt://", "bolt://:7687", "bolt://h:port", "bolt://h/da`ta", "bolt://[::1"):
        with pytest.raises(StoreURLError):
            parse_url(wrong, {})
