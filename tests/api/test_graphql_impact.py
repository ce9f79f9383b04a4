"""Impact analysis by GraphQL: what the engines say, of which everybody is told what they may see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.access import organisations
from api.access.principals import Permission, everything
from cmdb.change_sets import Relate, Unrelate
from cmdb.store import GraphStore
from impact.analysis import Outage
from impact.dependencies import dependencies
from impact.differences import compare
from impact.elements import Link
from impact.hypotheses import suppose
from impact.rules import Effect
from impact.snapshots import Snapshot
from impact.windows import Window
from schema.loading import load_model
from schema.model import Model
from tests.support.api_door import Door, principal
from tests.support.building import add, commit

ME, WEST = "engineer", "western"
MORE = """\
record_types:
  Record:
    extend: true
    attributes:
      name: {kind: string, label: {en: Name, zh: 名称}}
      organisation: {kind: reference, to: Organisation, label: {en: Organisation, zh: 单位}}
  Server:
    extend: true
    attributes:
      redundancy: {kind: json, label: {en: Redundancy, zh: 冗余}}
  Organisation: {parent: Record, label: {en: Organisation, zh: 单位}}
  Service: {parent: Server, label: {en: Service, zh: 服务}}
"""


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("model")
    (folder / "more.yaml").write_text(MORE, encoding="utf-8")
    own = Path(__file__).parent.parent / "impact" / "model"
    return load_model([own, folder], shipped=False)


class Estate:
    """(web, on two hosts, one enough)-[:RUNS_ON]->(a, b); both fed by `line`; `shop` is fed by web, and
    `till` by shop. `b` and `shop` belong to the east."""

    def __init__(self, store: GraphStore) -> None:
        self.store = store
        self.west, self.east = (add(store, "Organisation", name) for name in ("West", "East"))
        self.ids = {
            name: add(
                store,
                "Service" if name == "till" else "Server",
                name,
                organisation=self.east if name in ("b", "shop") else self.west,
                lifecycle_state="in_use",
            )
            for name in ("line", "a", "b", "web", "shop", "till", "spare")
        }
        ids = self.ids
        commit(
            store,
            Relate(ids["line"], "FEEDS", ids["a"]),
            Relate(ids["line"], "FEEDS", ids["b"]),
            *(Relate(ids["web"], "RUNS_ON", ids[n], {"group": "nodes"}) for n in "ab"),
            Relate(ids["web"], "FEEDS", ids["shop"]),
            Relate(ids["shop"], "FEEDS", ids["till"]),
            Relate(ids["a"], "KNOWS", ids["b"]),
        )
        self.people = [
            everything(ME),
            principal(WEST, Permission.READ, organisation=self.west),
            principal("nobody"),
        ]
        self.door = Door(store, self.people, guarded=True)
        self.names = {id: name for name, id in ids.items()}

    def ask(self, query: str, by: str = ME, /, **variables: Any) -> Any:
        return self.door.graphql(query, by, **self.ids, **variables)

    def outage(self, *names: str, depth: int | None = None) -> Outage:
        topology = Snapshot(self.store).now()
        roots = {self.ids[name]: Effect.DOWN for name in names}
        return Outage(topology, roots, at=topology.revision, depth=depth)


@pytest.fixture
def estate(store: GraphStore) -> Iterator[Estate]:
    made = Estate(store)
    yield made
    made.door.services.snapshot.close()


AFFECTED = """{ record { ... on AnyServer { name } } effect distance onlyTogether why { hidden rule
    effect distance relationshipType relationship { type source target } record { id }
    group { label total left healthy needed margin short effect dependent { id } } } }"""
IMPACT = f"""query($of: [ID!]!, $depth: Int, $first: Int, $after: String) {{ impact(of: $of, depth: $depth) {{
    revision complete truncated notFound notOperational hidden {{ organisation count }}
    affected(first: $first, after: $after) {{ totalCount nodes {AFFECTED} edges {{ cursor }}
        pageInfo {{ hasNextPage endCursor }} }}
    groups {{ nodes {{ label margin }} }}
    totals {{ byEffect {{ effect count }} byType {{ type count }} services {{ effect count }}
        byOrganisation {{ organisation name count }} }}
    passedOver {{ type count }} staleSources {{ source }} contacts {{ record {{ id }} }} }} }}"""


def plain(outage: Outage, names: dict[str, str]) -> list[tuple[Any, ...]]:
    return [
        (names[a.id], a.effect.upper(), a.distance, [r.id for r in outage.why(a.id)])
        for a in outage.affected
    ]


def told(answer: Any) -> list[tuple[Any, ...]]:
    return [
        (
            n["record"]["name"],
            n["effect"],
            n["distance"],
            [s["record"] and s["record"]["id"] for s in n["why"]],
        )
        for n in answer["affected"]["nodes"]
    ]


@pytest.mark.parametrize("roots", [["line"], ["a"], ["a", "b"], ["web", "spare"]])
@pytest.mark.parametrize("depth", [None, 0, 1])
def test_an_outage_is_told_as_the_engine_has_it(
    estate: Estate, roots: list[str], depth: int | None
) -> None:
    expected = estate.outage(*roots, depth=depth)
    for _ in range(2):  # level by level, and from the whole topology
        of = [estate.ids[name] for name in roots]
        answer = estate.ask(IMPACT, of=of, depth=depth)["impact"]
        assert told(answer) == plain(expected, estate.names)
        assert answer["complete"] == (not expected.truncated)
        assert answer["truncated"] == (expected.truncated or None)
        assert answer["revision"] == estate.store.last_revision().number
        counts = {c["effect"].lower(): c["count"] for c in answer["totals"]["byEffect"]}
        assert counts == expected.counts()
        assert sum(c["count"] for c in answer["totals"]["byType"]) == len(expected.affected)
        assert sum(c["count"] for c in answer["totals"]["byOrganisation"]) == len(expected.affected)
        assert [g["margin"] for g in answer["groups"]["nodes"]] == [
            g.margin for g in expected.touched()
        ]
        assert answer["hidden"] == []
        estate.door.services.snapshot.close()
        assert estate.door.services.snapshot.ready


def test_why_tells_the_rule_and_the_group(estate: Estate) -> None:
    answer = estate.ask(IMPACT, of=[estate.ids["a"], estate.ids["b"]])["impact"]
    nodes = {n["record"]["name"]: n for n in answer["affected"]["nodes"]}
    assert [s["rule"] for s in nodes["till"]["why"]] == ["HARD", "HARD", "GROUP", "GIVEN"]
    group = nodes["web"]["why"][0]["group"]
    assert group == {
        "label": "nodes",
        "total": 2,
        "left": 0,
        "healthy": 0,
        "needed": 1,
        "margin": -1,
        "short": False,
        "effect": "DOWN",
        "dependent": {"id": estate.ids["web"]},
    }
    assert nodes["web"]["onlyTogether"]
    assert nodes["shop"]["why"][0]["relationship"] == {
        "type": "FEEDS",
        "source": estate.ids["web"],
        "target": estate.ids["shop"],
    }
    assert answer["passedOver"] == [{"type": "KNOWS", "count": 1}]
    assert answer["totals"]["services"][0] == {"effect": "DOWN", "count": 1}


def test_what_is_not_seen_is_counted_and_not_named(estate: Estate) -> None:
    query = IMPACT
    for _ in range(2):
        answer = estate.ask(query, WEST, of=[estate.ids["line"]])["impact"]
        found = {n["record"]["name"]: n for n in answer["affected"]["nodes"]}
        assert set(found) == {"line", "a", "web", "till"}
        assert found["till"]["effect"] == "DOWN"  # failure travels through what is hidden
        hidden = [s["hidden"] for s in found["till"]["why"]]
        assert hidden[:2] == [False, True]
        assert found["till"]["why"][0]["relationship"] is None
        assert answer["hidden"] == [{"organisation": estate.east, "count": 2}]
        assert answer["affected"]["totalCount"] == 4
        assert {c["effect"]: c["count"] for c in answer["totals"]["byEffect"]}["DOWN"] == 4
        assert [c["organisation"] for c in answer["totals"]["byOrganisation"]] == [estate.west]
        text = str(answer)
        assert estate.ids["b"] not in text
        assert estate.ids["shop"] not in text
        assert "shop" not in text
        estate.door.services.snapshot.close()
    for root, by in (("b", WEST), ("a", "nobody")):
        (error,) = estate.door.graphql_errors(query, by, of=[estate.ids[root]])
        assert error["extensions"]["code"] == "not_found"
    everything_else = """query($of: [ID!]!) {
        dependencies(of: $of) { found { nodes { record { ... on AnyServer { name } } by { id } } } hidden { count } }
        singlePointsOfFailure(of: $of) { found { nodes { record { ... on AnyServer { name } } } } hidden { count } }
        rootCause(alarms: $of) { causes { record { id } explained { id } } hidden { count } } }"""
    answer = estate.ask(everything_else, WEST, of=[estate.ids["till"]])
    assert "shop" not in str(answer)
    assert estate.ids["shop"] not in str(answer)
    assert [hidden["count"] for hidden in answer["dependencies"]["hidden"]] == [2]
    assert [hidden["count"] for hidden in answer["singlePointsOfFailure"]["hidden"]] == [1]


def test_pages_go_on_where_the_one_before_ended_as_of_one_revision(estate: Estate) -> None:
    found: list[Any] = []
    after = None
    while True:
        answer = estate.ask(IMPACT, WEST, of=[estate.ids["line"]], first=3, after=after)["impact"]
        page = answer["affected"]
        found += told(answer)
        after = page["pageInfo"]["endCursor"]
        assert page["edges"][-1]["cursor"] == after
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert [name for name, *_ in found] == ["line", "a", "web", "till"]
    add(estate.store, "Server", "new")
    alone = """query($of: [ID!]!, $after: String) {
        impact(of: $of) { affected(after: $after) { totalCount } } }"""
    for cursor, word in ((after, "asOf"), ("!", "cursor")):
        (error,) = estate.door.graphql_errors(alone, ME, of=[estate.ids["line"]], after=cursor)
        assert error["extensions"]["code"] == "invalid_query"
        assert word in error["message"] + error["extensions"]["remedy"]


def test_a_page_costs_the_same_statements_whatever_is_affected(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(organisations, "REFRESH_SECONDS", float("inf"))  # however slow this is

    def statements(by: str) -> int:
        before = estate.store.statements
        estate.ask(IMPACT, by, of=[estate.ids["line"]])
        return estate.store.statements - before

    statements(ME)
    estate.door.services.snapshot.close()
    few = {by: min(statements(by) for _ in range(3)) for by in (ME, WEST)}
    for n in range(30):
        more = add(
            estate.store, "Server", f"m{n}", organisation=estate.west, lifecycle_state="in_use"
        )
        commit(estate.store, Relate(estate.ids["line"], "FEEDS", more))
    statements(ME)
    # Fields are loaded at the same time. Which of them asks for what both need, and which finds it
    # already known, is one or two statements either way; one for each that is affected would be 30.
    assert all(min(statements(by) for _ in range(3)) <= few[by] + 2 for by in (ME, WEST))


DIFFERENCE = """{ worse { nodes { record { ... on AnyServer { name } } before after } }
    better { totalCount } onlyThen { nodes { record { ... on AnyServer { name } } } }
    onlyNow { nodes { record { ... on AnyServer { name } } } }
    groups { nodes { before { margin } after { margin } } } }"""


def test_what_would_be_otherwise(estate: Estate) -> None:
    query = f"""query($of: [ID!]!, $if: HypothesisInput!) {{ impact(of: $of, hypothetical: $if) {{
        affected {{ nodes {AFFECTED} }} difference {DIFFERENCE} }} }}"""
    ids = estate.ids
    removed = {"type": "RUNS_ON", "source": ids["web"], "target": ids["b"]}
    added = {"type": "RUNS_ON", "source": ids["web"], "target": ids["spare"], "group": "nodes"}
    cut = Link("RUNS_ON", ids["b"], ids["web"], "nodes")
    new = Link("RUNS_ON", ids["spare"], ids["web"], "nodes")
    before = estate.outage("a")
    cases: list[tuple[Any, Any]] = [
        ({"removed": [removed]}, ([cut], [])),
        ({"removed": [removed], "added": [added]}, ([cut], [new])),
        ({"takenOut": [ids["b"]]}, ([], [], [ids["b"]])),
    ]
    for said, given in cases:
        fork, dependents = suppose(before.topology, *given)
        after = Outage(fork, before.roots, at=before.at)
        expected = compare(before, after, dependents)
        answer = estate.ask(query, of=[ids["a"]], **{"if": said})["impact"]
        assert told(answer) == plain(after, estate.names)
        worse = answer["difference"]["worse"]["nodes"]
        assert [(ids[c["record"]["name"]], c["after"].lower()) for c in worse] == [
            (c.id, c.after) for c in expected.worse
        ]
        assert answer["difference"]["better"]["totalCount"] == len(expected.better)
        assert len(answer["difference"]["groups"]["nodes"]) == len(expected.groups)
    wrong: list[tuple[Any, str]] = [
        ({"removed": [{**removed, "target": ids["spare"]}]}, "invalid_query"),
        ({"added": [{**added, "type": "KNOWS"}]}, "invalid_query"),
        ({"takenOut": [estate.west.replace("a", "b")[:-4] + "0000"]}, "not_found"),
    ]
    for said, code in wrong:
        variables = {"of": [ids["a"]], "if": said}
        (error,) = estate.door.graphql_errors(query, ME, **variables)
        assert error["extensions"]["code"] == code


def test_now_against_then(estate: Estate) -> None:
    then = estate.store.last_revision().number
    ids = estate.ids
    commit(
        estate.store,
        Unrelate(ids["web"], "FEEDS", ids["shop"]),
        Relate(ids["web"], "FEEDS", ids["spare"]),
    )
    query = f"""query($of: [ID!]!, $then: AsOf!) {{
        now: impact(of: $of, versus: $then) {{ difference {DIFFERENCE} }}
        then: impact(of: $of, asOf: $then) {{ revision affected {{ nodes {AFFECTED} }} }} }}"""
    for _ in range(2):
        answer = estate.ask(query, of=[ids["web"]], then=then)
        difference = answer["now"]["difference"]
        gone = {n["record"]["name"] for n in difference["onlyThen"]["nodes"]}
        new = {n["record"]["name"] for n in difference["onlyNow"]["nodes"]}
        assert (gone, new) == ({"shop", "till"}, {"spare"})
        assert answer["then"]["revision"] == then
        assert [name for name, *_ in told(answer["then"])] == ["web", "shop", "till"]
        estate.door.services.snapshot.close()


def test_the_other_questions_are_answered_as_the_engine_does(estate: Estate) -> None:
    ids = estate.ids
    topology = Snapshot(estate.store).now()
    query = """query($till: ID!, $a: ID!, $b: ID!, $shop: ID!) {
        dependencies(of: [$till]) { complete found { totalCount nodes { record { id } distance
            relationshipType by { id } } } }
        near: dependencies(of: [$till], depth: 1) { complete truncated found { totalCount } }
        one: singlePointsOfFailure(of: [$till], pairs: true) { complete found { nodes { record { id }
            serviceCount services { id } } } pairs { nodes { records { id } service { id } } } }
        estate: singlePointsOfFailure { serviceCount found { nodes { record { id } } } }
        rootCause(alarms: [$shop, $till], good: [$a]) { complete causes { record { id } explained { id }
            contradicted { id } silent } }
        outageWindow(outages: [{of: [$a]}, {of: [$b]}]) { complete broken { nodes { record { id } alone
            together sparedBy } } groups { nodes { margin } } } }"""
    found = dependencies(topology, [ids["till"]]).found
    points = [ids["shop"], ids["web"], ids["line"]]
    for _ in range(2):
        answer = estate.ask(query)
        nodes = answer["dependencies"]["found"]["nodes"]
        assert [
            (n["record"]["id"], n["distance"], n["by"]["id"], n["relationshipType"]) for n in nodes
        ] == [(d.id, d.distance, d.by, d.relationship) for d in found]
        assert answer["near"] == {
            "complete": False,
            "truncated": "depth: no further than 1 step",
            "found": {"totalCount": 1},
        }
        one = answer["one"]
        assert {n["record"]["id"] for n in one["found"]["nodes"]} == set(points)
        assert [{r["id"] for r in n["records"]} for n in one["pairs"]["nodes"]] == [
            {ids["a"], ids["b"]}
        ]
        assert answer["estate"]["serviceCount"] == 1
        assert len(answer["estate"]["found"]["nodes"]) == 3
        best = answer["rootCause"]["causes"][0]
        assert best["record"]["id"] == ids["shop"]
        assert {e["id"] for e in best["explained"]} == {ids["shop"], ids["till"]}
        window = Window(topology, [{ids[n]: Effect.DOWN} for n in "ab"], at=0)
        assert [
            (n["record"]["id"], n["alone"].lower(), n["together"].lower(), tuple(n["sparedBy"]))
            for n in answer["outageWindow"]["broken"]["nodes"]
        ] == [(b.id, b.alone, b.together, b.spared_by) for b in window.broken]
        assert len(answer["outageWindow"]["groups"]["nodes"]) == len(window.tipped)
        estate.door.services.snapshot.close()


@pytest.mark.parametrize(
    "query",
    [
        "{ impact(of: []) { revision } }",
        "query($a: ID!) { impact(of: [$a], depth: -1) { revision } }",
        "query($a: ID!) { impact(of: [$a], versus: 1, hypothetical: {}) { revision } }",
        "query($a: ID!) { impact(of: [$a], asOf: 11, hypothetical: {}) { revision } }",
        "query($a: ID!) { impact(of: [$a]) { affected(first: 0) { totalCount } } }",
        "query($a: ID!) { outageWindow(outages: [{of: [$a]}]) { revision } }",
        "{ singlePointsOfFailure(pairs: true) { revision } }",
        "{ rootCause(alarms: []) { complete } }",
    ],
)
def test_what_makes_no_sense_is_told(estate: Estate, query: str) -> None:
    add(estate.store, "Server", "later")
    (error,) = estate.door.graphql_errors(query, ME, a=estate.ids["a"])
    assert error["extensions"]["code"] == "invalid_query"
    assert error["extensions"]["remedy"]
