"""The server the Neo4j tests stand on is a real one, and survives what they do to it."""

from __future__ import annotations

import pytest
from neo4j import GraphDatabase
from neo4j.exceptions import AuthError, ServiceUnavailable

from tests.support.neo4j_server import Neo4jServer


def test_it_is_a_neo4j_5(neo4j_server: Neo4jServer) -> None:
    with neo4j_server.driver() as driver:
        records, _, _ = driver.execute_query("CALL dbms.components() YIELD versions, edition")
        assert [record["edition"] for record in records] == ["community"]
        assert records[0]["versions"][0].startswith("5.")


def test_the_store_url_carries_the_credentials(
    neo4j_store_url: str, neo4j_server: Neo4jServer
) -> None:
    scheme, _, place = neo4j_server.uri.partition("://")
    user, password = neo4j_server.user, neo4j_server.password
    assert neo4j_store_url == f"{scheme}://{user}:{password}@{place}"


@pytest.mark.restarts
@pytest.mark.usefixtures("neo4j_store_url")
def test_what_was_committed_outlives_a_kill(neo4j_server: Neo4jServer) -> None:
    if not neo4j_server.disposable:
        pytest.skip("The server is not the tests' own to kill.")
    with neo4j_server.driver() as driver:
        driver.execute_query("CREATE (:Kept {value: $value})", value="电源")
    neo4j_server.kill()
    with (
        pytest.raises(ServiceUnavailable),
        neo4j_server.driver() as driver,
    ):
        driver.verify_connectivity()
    neo4j_server.restart()
    with neo4j_server.driver() as driver:
        records, _, _ = driver.execute_query("MATCH (k:Kept) RETURN k.value AS value")
    assert [record["value"] for record in records] == ["电源"]


def test_a_wrong_password_is_refused_however_often(neo4j_server: Neo4jServer) -> None:
    for _ in range(5):
        with (
            GraphDatabase.driver(neo4j_server.uri, auth=(neo4j_server.user, "wrong")) as driver,
            pytest.raises(AuthError),
        ):
            driver.verify_connectivity()
    with neo4j_server.driver() as driver:
        driver.verify_connectivity()


@pytest.mark.usefixtures("neo4j_store_url")
def test_wiping_leaves_nothing(neo4j_server: Neo4jServer) -> None:
    with neo4j_server.driver() as driver:
        driver.execute_query("CREATE CONSTRAINT `a``b` FOR (n:Thing) REQUIRE n.id IS UNIQUE")
        driver.execute_query("CREATE FULLTEXT INDEX words FOR (n:Thing) ON EACH [n.text]")
        driver.execute_query("UNWIND range(1, 25000) AS id CREATE (:Thing {id: id})")
        driver.execute_query("MATCH (a:Thing {id: 1}), (b:Thing {id: 2}) CREATE (a)-[:NEXT]->(b)")
        neo4j_server.wipe()
        nodes, _, _ = driver.execute_query("MATCH (n) RETURN count(n) AS nodes")
        constraints, _, _ = driver.execute_query("SHOW CONSTRAINTS")
        indexes, _, _ = driver.execute_query("SHOW INDEXES YIELD type WHERE type <> 'LOOKUP'")
    assert (nodes[0]["nodes"], constraints, indexes) == (0, [], [])
