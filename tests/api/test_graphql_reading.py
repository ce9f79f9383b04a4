"""Records by GraphQL: typed fields, filters, pages, the past; one statement a level, on both stores."""

from __future__ import annotations

from typing import Any

import pytest

from api.access.principals import everything
from cmdb.change_sets import Relate, Unrelate, Update
from cmdb.queries import Query
from cmdb.store import GraphStore
from tests.support.api_door import Door
from tests.support.building import add, commit

ME = "engineer"


def door(store: GraphStore) -> Door:
    return Door(store, [everything(ME)])


def names(connection: Any) -> list[str]:
    return [node["name"] for node in connection["nodes"]]


def test_attributes_are_typed_fields(store: GraphStore) -> None:
    person = add(store, "Person", "张三")
    add(
        store,
        "Server",
        "s1",
        size=7,
        weight=1.5,
        active=True,
        bought="2026-03-31",
        seen="2026-03-31T08:00:00+08:00",
        runtime="PT90M",
        colour="red",
        address="10.0.0.1",
        network="10.0.0.0/8",
        mac="00-1B-21-AA-BB-CC",
        price="CNY 12.50",
        facts={"a": [1, None]},
        keeper=person,
        keepers=[person],
        dates=["2026-01-02"],
        secret="hush",
    )
    data = door(store).graphql(
        """{ servers { totalCount nodes { __typename type name size weight active bought seen runtime
        colour address network mac price facts keeper { __typename name } keepers { name } dates secret
        grade lifecycleState revision maskedAttributes } } }""",
        ME,
    )
    assert data["servers"]["totalCount"] == 1
    (node,) = data["servers"]["nodes"]
    assert node == {
        "__typename": "Server",
        "type": "Server",
        "name": "s1",
        "size": 7,
        "weight": 1.5,
        "active": True,
        "bought": "2026-03-31",
        "seen": "2026-03-31T00:00:00.000000Z",
        "runtime": node["runtime"],
        "colour": "red",
        "address": "10.0.0.1",
        "network": "10.0.0.0/8",
        "mac": "00:1b:21:aa:bb:cc",
        "price": "CNY 12.50",
        "facts": {"a": [1, None]},
        "keeper": {"__typename": "Person", "name": "张三"},
        "keepers": [{"name": "张三"}],
        "dates": ["2026-01-02"],
        "secret": "hush",
        "grade": "standard",
        "lifecycleState": "planned",
        "revision": store.last_revision().number,
        "maskedAttributes": [],
    }


def test_filters_orders_and_pages(store: GraphStore) -> None:
    box = add(store, "Box", "rack")
    for n in range(7):
        id = add(store, "Server", f"s{n}", size=n, colour="red" if n % 2 else "blue")
        if n > 3:
            commit(store, Relate(box, "CONTAINS", id, {"position": n}))
    ask = door(store)
    where = {"size": {"gte": 2, "in": [2, 3, 5, 6]}, "colour": {"eq": "red"}}
    query = """query($where: ServerWhere, $order: [ServerOrder!], $first: Int, $after: String) {
        servers(where: $where, orderBy: $order, first: $first, after: $after)
        { nodes { name } totalCount pageInfo { hasNextPage hasPreviousPage endCursor } edges { cursor } } }"""

    def servers(**variables: Any) -> Any:
        return ask.graphql(query, ME, **variables)["servers"]

    assert names(servers(where=where, order=[{"size": "DESC"}])) == ["s5", "s3"]
    assert names(servers(where={"inside": {"name": {"eq": "rack"}}}, order=[{"name": "ASC"}])) == [
        "s4",
        "s5",
        "s6",
    ]
    assert names(servers(where={"not": {"size": {"lt": 6}}})) == ["s6"]
    either = {
        "or": [{"size": {"eq": 0}}, {"and": [{"size": {"eq": 6}}, {"name": {"prefix": "s"}}]}]
    }
    assert names(servers(where=either, order=[{"name": "ASC"}])) == ["s0", "s6"]
    found: list[str] = []
    after = None
    while True:
        page = servers(order=[{"size": "DESC"}], first=3, after=after)
        assert page["totalCount"] == 7
        assert page["pageInfo"]["hasPreviousPage"] == bool(found)
        assert page["edges"][-1]["cursor"] == page["pageInfo"]["endCursor"]
        found += names(page)
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert found == [f"s{n}" for n in range(6, -1, -1)]
    generic = """query($where: JSON) { records(type: "Device", where: $where, orderBy: ["-size"], first: 2)
        { nodes { __typename name } } }"""
    assert names(ask.graphql(generic, ME, where={"size": {"lt": 5}})["records"]) == ["s4", "s3"]


def test_relationships_both_ways_with_their_attributes_aliases_and_fragments(
    store: GraphStore,
) -> None:
    server, other = add(store, "Server", "s1"), add(store, "Server", "s2")
    for name, port in (("a1", 80), ("a2", 443), ("a3", 22)):
        commit(store, Relate(add(store, "App", name), "RUNS_ON", server, {"port": port}))
    (last,) = store.find(Query("App", {"name": {"eq": "a3"}})).records
    commit(store, Relate(last.id, "RUNS_ON", other, {"port": 1}))
    data = door(store).graphql(
        """query($deep: Boolean!) { servers(orderBy: {name: ASC}) { nodes { name
          few: runs(first: 2, orderBy: {name: DESC}) { totalCount pageInfo { hasNextPage }
            edges { port relationshipRevision node { ...App } } }
          one: runs(where: {name: {eq: "a3"}}) { nodes { ...App } }
          count: runs { totalCount }
          none: runs @skip(if: $deep) { totalCount } } } }
        fragment App on App { name runsOn(orderBy: {name: ASC}) @include(if: $deep) { nodes { name } } }""",
        ME,
        deep=True,
    )
    first, second = data["servers"]["nodes"]
    assert first["few"]["totalCount"] == 3
    assert first["few"]["pageInfo"]["hasNextPage"]
    assert [(e["node"]["name"], e["port"]) for e in first["few"]["edges"]] == [
        ("a3", 22),
        ("a2", 443),
    ]
    assert names(first["few"]["edges"][0]["node"]["runsOn"]) == ["s1", "s2"]
    assert first["one"]["nodes"][0]["runsOn"]["nodes"] == [{"name": "s1"}, {"name": "s2"}]
    assert (first["count"], second["count"]) == ({"totalCount": 3}, {"totalCount": 1})
    assert "none" not in first
    assert list(first) == ["name", "few", "one", "count"]


def test_the_past_is_read_as_the_present(store: GraphStore) -> None:
    server, app = add(store, "Server", "s1", size=1), add(store, "App", "a1")
    commit(store, Relate(app, "RUNS_ON", server))
    then = store.last_revision()
    commit(store, Update(server, {"size": 2, "name": "renamed"}), Unrelate(app, "RUNS_ON", server))
    ask = door(store)
    query = """query($at: AsOf) { apps(asOf: $at) { nodes { runsOn { nodes { name size runs { totalCount } } } } } }"""
    before = {"nodes": [{"name": "s1", "size": 1, "runs": {"totalCount": 1}}]}
    for at in (then.number, str(then.number), then.at.isoformat()):
        assert ask.graphql(query, ME, at=at)["apps"]["nodes"] == [{"runsOn": before}]
    assert ask.graphql(query, ME)["apps"]["nodes"] == [{"runsOn": {"nodes": []}}]
    compared = ask.graphql(
        """query($from: AsOf!) { compare(from: $from) { recordCount relationshipCount endCursor
        records { name created attributes { attribute before after } }
        relationships { type closed } } }""",
        ME,
        **{"from": then.number},
    )["compare"]
    assert compared["recordCount"] == compared["relationshipCount"] == 1
    (change,) = compared["records"]
    assert {c["attribute"]: (c["before"], c["after"]) for c in change["attributes"]} == {
        "name": ("s1", "renamed"),
        "size": (1, 2),
    }
    assert compared["relationships"] == [{"type": "RUNS_ON", "closed": True}]
    history = ask.graphql(
        """query($id: ID!) { record(id: $id) { history(first: 2) { hasMore before entries { revision
        { number actor } records { attributes { attribute } } relationships { type created closed } } } } }""",
        ME,
        id=server,
    )["record"]["history"]
    assert [e["revision"]["number"] for e in history["entries"]] == [then.number + 1, then.number]
    assert history["hasMore"]
    assert history["before"] == then.number


def test_a_level_costs_one_statement_whatever_the_number_of_records(store: GraphStore) -> None:
    ask = door(store)
    query = """{ servers(first: 40) { totalCount nodes { name keeper { name } inside { edges { position
        node { name contains { totalCount nodes { name } } } } } runs { nodes { name runsOn { nodes { name } } }
        } history { entries { revision { number } } } } } }"""

    def statements(asked: str = query) -> int:
        before = store.statements
        ask.graphql(asked, ME)
        return store.statements - before

    person, box = add(store, "Person", "p"), add(store, "Box", "b")
    for n in range(3):
        server, app = add(store, "Server", f"s{n}", keeper=person), add(store, "App", f"a{n}")
        commit(store, Relate(box, "CONTAINS", server), Relate(app, "RUNS_ON", server))
    ask.graphql(query, ME)
    few = statements()
    for n in range(3, 40):
        server, app = add(store, "Server", f"s{n}", keeper=person), add(store, "App", f"a{n}")
        commit(store, Relate(box, "CONTAINS", server), Relate(app, "RUNS_ON", server))
    ask.graphql(query, ME)
    assert statements() == few
    levels = """{ servers(first: 40) { nodes { inside { nodes { contains { nodes { ... on AnyDevice
        { runs { nodes { name } } } } } } } } } }"""
    assert statements(levels) <= 4


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ('{ records(type: "Nothing") { totalCount } }', "unknown_name"),
        ('{ records(where: {size: {like: "x"}}) { totalCount } }', "invalid_query"),
        ('{ servers(after: "x") { totalCount } }', "invalid_query"),
        ("{ servers(first: 0) { nodes { name } } }", "invalid_query"),
        ('{ servers(asOf: "yesterday") { nodes { name } } }', "invalid_query"),
        ('{ servers { nodes { runs(after: "!") { nodes { name } } } } }', "invalid_query"),
        ("{ counts(by: []) { count } }", "invalid_query"),
    ],
)
def test_what_makes_no_sense_is_told_with_a_code_and_a_remedy(
    store: GraphStore, query: str, code: str
) -> None:
    add(store, "Server", "s1")
    (error,) = door(store).graphql_errors(query, ME)
    assert error["extensions"]["code"] == code
    assert error["extensions"]["remedy"]
    assert "Traceback" not in str(error)
