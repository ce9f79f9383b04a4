"""A script somebody wrote years ago, with py2neo, works on the live graph.

The library is at its end of life: it reads and matches here, and nothing of the product stands on it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from cmdb.change_sets import Relate, Update
from cmdb.store import create_store
from schema.model import Model
from tests.support.building import commit, create
from tests.support.neo4j_server import Neo4jServer

pytestmark = pytest.mark.neo4j


@pytest.fixture
def graph(neo4j_store_url: str, neo4j_server: Neo4jServer, model: Model) -> Iterator[Any]:
    """What py2neo calls a graph, over a small estate with some history."""
    with create_store(neo4j_store_url, model) as store:
        device = create(
            "Server", "esx-01", size=5, bought="2020-02-29", tags=["gold", "变电站"], facts={"a": 1}
        )
        app, box = create("App", "erp"), create("Box", "rack 1")
        commit(
            store, device, app, box, Relate(app.id, "RUNS_ON", device.id, {"port": 443}),
            Relate(box.id, "CONTAINS", device.id, {"position": 4}),
        )  # fmt: skip
        commit(store, Update(device.id, {"size": 6}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from py2neo import Graph

        graph = Graph(neo4j_server.uri, auth=(neo4j_server.user, neo4j_server.password))
        yield graph
        graph.service.connector.close()


def test_nodes_are_matched_by_label_and_property(graph: Any) -> None:
    from py2neo import NodeMatcher

    nodes = NodeMatcher(graph)
    server = nodes.match("Server", name="esx-01").first()
    assert set(server.labels) == {"Record", "Item", "Device", "Server"}
    assert (server["size"], server["tags"], server["grade"]) == (6, ["gold", "变电站"], "standard")
    assert (server["bought"].year, server["bought"].month) == (2020, 2)
    assert nodes.match("Device").where("_.size > 5").count() == 1
    assert len(nodes.match("Record")) == 3, "history is not in the way"


def test_relationships_are_matched_and_walked(graph: Any) -> None:
    from py2neo import NodeMatcher, RelationshipMatcher

    [link] = RelationshipMatcher(graph).match(r_type="RUNS_ON")
    assert (link.start_node["name"], link.end_node["name"], link["port"]) == ("erp", "esx-01", 443)
    server = NodeMatcher(graph).match("Server").first()
    around = {type(r).__name__ for r in graph.match(nodes=(None, server))}
    assert around == {"RUNS_ON", "CONTAINS"}


def test_cypher_written_by_hand(graph: Any) -> None:
    statement = (
        "MATCH (a:App)-[:RUNS_ON]->(s:Server)<-[:CONTAINS]-(b:Box) RETURN a.name, s.name, b.name"
    )
    assert graph.run(statement).to_table() == [("erp", "esx-01", "rack 1")]
    assert graph.evaluate("MATCH (n:Record) RETURN count(n)") == 3


def test_subgraphs_go_to_data_frames_of_rows(graph: Any) -> None:
    rows = graph.run("MATCH (n:Record) RETURN n.name AS name, n.id AS id ORDER BY name").data()
    assert [row["name"] for row in rows] == ["erp", "esx-01", "rack 1"]
    assert len({row["id"] for row in rows}) == 3
