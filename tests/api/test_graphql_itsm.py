"""Incidents and changes by GraphQL: done once however often it is asked, and told as far as it may be seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from api.access.principals import Grant, Principal, everything
from api.access.roles import load_roles
from cmdb.change_sets import Relate, Update
from cmdb.ids import new_id
from cmdb.store import create_store
from itsm.alerts.formats import FORMATS
from itsm.alerts.intake import Intake
from itsm.alerts.receiving import receive
from itsm.incidents import Incidents
from tests.support.api_door import Door
from tests.support.building import commit
from tests.support.change_board import EVENING, ChangeBoard
from tests.support.live import live, subscriber
from tests.support.observing import shipped_model
from tests.support.reporting import report, thing

ROLES = load_roles()
HELD = {
    "sam": ("service_desk", "province"), "eve": ("engineer", "south"), "ola": ("operator", "south"),
    "mia": ("change_manager", "south"), "ada": ("change_advisor", "south"), "abe": ("change_advisor", "south"),
    "pia": ("change_advisor", "province"), "nick": ("operator", "north"), "cora": ("reader", "county"),
    "rae": ("reader", "south"),
}  # fmt: skip
"""Who has which role, and where. ``rae`` is nobody's person."""

WRONG = """... on Failure { code message } ... on Refused { refusals { code message detail } }
    ... on InvalidChange { problems { subject code message } } ... on Conflict { interferences { actor } }"""
ORDERED = f"{{ __typename ... on Ordered {{ revision repeated record {{ id ... on ProcessRecord {{ number }} ... on Incident {{ lifecycleState }} ... on Change {{ lifecycleState }} }} }} {WRONG} }}"
OPEN = f"""mutation($name: String!, $cis: [IncidentItemInput!]!, $attributes: JSON, $key: String) {{
    openIncident(name: $name, cis: $cis, attributes: $attributes, idempotencyKey: $key) {ORDERED} }}"""
DRAFT = f"""mutation($type: String!, $attributes: JSON, $devices: [OrderDeviceInput!], $key: String) {{
    draftChange(type: $type, attributes: $attributes, devices: $devices, idempotencyKey: $key) {ORDERED} }}"""
PLAN = f"""mutation($change: ID!, $operations: [OperationInput!], $plain: JSON, $key: String) {{
    planChange(change: $change, operations: $operations, plainOperations: $plain, idempotencyKey: $key) {ORDERED} }}"""
MOVE = f"""mutation($record: ID!, $to: String!, $inputs: JSON, $reason: String, $key: String) {{
    transitionRecord(record: $record, transition: $to, inputs: $inputs, reason: $reason, idempotencyKey: $key) {ORDERED} }}"""
HIT = """{ revision complete truncated counts { effect count } servicesLeftOut roots { effect record { id } }
    services { totalCount nodes { effect record { ... on ConfigurationItem { name } } } }
    byOrganisation { organisation name count } hidden { organisation count } }"""


KEYS = count(1)
FEW = ("from_its_opening", "page_of_incidents", "from_its_draft")
"""What Neo4j is asked, too: all that goes to the store in a way of its own."""


@pytest.fixture(autouse=True)
def _few(request: pytest.FixtureRequest, module_url: str) -> None:
    if "neo4j" in request.node.name and not any(name in request.node.name for name in FEW):
        pytest.skip("the file shows it")


@pytest.fixture(scope="module")
def board(module_url: str) -> Iterator[ChangeBoard]:
    """The board's estate, and ``mill`` in the north, which stands on the database in the south."""
    with create_store(module_url, shipped_model()) as store:
        made = ChangeBoard.make(store)
        north = {"organisation": made.ids["north"], "lifecycle_state": "in_use"}
        commit(
            store,
            made.create("BusinessService", "mill-north", criticality="critical", **north),
            Relate(made.ids["mill-north"], "DEPENDS_ON", made.ids["db"]),
        )
        yield made


@pytest.fixture(scope="module")
def door(board: ChangeBoard) -> Iterator[Door]:
    # What a role may do, with the patience of another: how long a store takes is not looked at here.
    people = [
        Principal(
            name,
            "",
            (Grant(ROLES.by_name[role].permissions, board.ids[at]),),
            frozenset({"administrator"}),
        )
        for name, (role, at) in HELD.items()
    ]
    made = Door(board.store, [*people, everything("pat"), everything("robot")], guarded=True)
    yield made
    made.services.snapshot.close()


def twice(board: ChangeBoard, door: Door, query: str, by: str, /, **given: Any) -> Any:
    """The answer may have been lost: it is asked for again under the same key."""
    key, before = f"request {next(KEYS)}", board.store.last_revision().number
    [first] = door.graphql(query, by, **given, key=key).values()
    at = board.store.last_revision().number
    [again] = door.graphql(query, by, **given, key=key).values()
    assert board.store.last_revision().number == at, first
    if first["__typename"] == "Ordered":
        told = (first.pop("repeated"), again.pop("repeated"))
        assert told == (False, at > before), (first, again)
        assert first["revision"] == again["revision"]
    return first


def act(board: ChangeBoard, door: Door, name: str, by: str, arguments: str, /, **given: Any) -> Any:
    """A mutation that is written in full, asked twice."""
    query = f"mutation($key: String) {{ {name}({arguments}, idempotencyKey: $key) {ORDERED} }}"
    for short, id in sorted(board.ids.items(), key=lambda pair: -len(pair[0])):
        query = query.replace(f"<{short}>", f'"{id}"')
    return twice(board, door, query, by, **given)


def opened(board: ChangeBoard, door: Door, *cis: str, by: str = "sam", **attributes: Any) -> str:
    """An incident about CIs by short names; gives its id."""
    items = [{"id": board.ids[name]} for name in cis]
    made = twice(board, door, OPEN, by, name="trouble", cis=items, attributes=attributes)
    assert made["__typename"] == "Ordered", made
    return str(made["record"]["id"])


def read(door: Door, id: str, by: str, fields: str, /, at: Any = None) -> Any:
    """Fields of an incident or a change."""
    query = f"query($id: ID!, $at: AsOf) {{ record(id: $id, asOf: $at) {{ ... on Incident {{ {fields} }} }} }}"
    if "whatIf" in fields or "difference" in fields or "risk" in fields or "collisions" in fields:
        query = query.replace("Incident", "Change")
    return door.graphql(query, by, id=id, at=at)["record"]


# -- incidents --------------------------------------------------------------------------------------------


def test_an_incident_from_its_opening_to_its_end(board: ChangeBoard, door: Door) -> None:
    ids = board.ids
    cis = [{"id": ids["web1"], "role": "ALARM", "effect": "DEGRADED"}]
    made = twice(
        board, door, OPEN, "sam", name="shop is slow", cis=cis, attributes={"urgency": "high"}
    )
    id = made["record"]["id"]
    ids["it"] = id
    assert board.told(id, "channel", "urgency", "requested_by") == ["tool", "high", "sam"]
    assert board.concerned(id) == {"web1": ("open", {"role": "alarm", "effect": "degraded"})}
    shown = read(door, id, "sam", f"priority impact {HIT} concerns {{ nodes {{ id }} }}")
    assert shown["impact"]["roots"] == [{"effect": "DEGRADED", "record": {"id": ids["web1"]}}]
    assert shown["impact"]["counts"] == [
        {"effect": "DEGRADED", "count": 1},
        {"effect": "AT_RISK", "count": 1},
    ]
    act(
        board,
        door,
        "includeInIncident",
        "eve",
        "incident: <it>, cis: [{id: <web1>, effect: DOWN}, {id: <web2>}]",
    )
    impact = read(door, id, "eve", f"impact {HIT}")["impact"]
    assert impact["services"]["nodes"] == [{"effect": "DOWN", "record": {"name": "portal"}}]
    assert impact["byOrganisation"] == [{"organisation": ids["south"], "name": "south", "count": 4}]
    counts = "effects { effect count } services { effect count }"
    [south] = read(door, id, "eve", f"impact {{ byOrganisation {{ {counts} }} }}")["impact"][
        "byOrganisation"
    ]
    assert south == {
        "effects": [{"effect": "DOWN", "count": 4}],
        "services": [{"effect": "DOWN", "count": 1}],
    }
    assert act(board, door, "excludeFromIncident", "eve", "incident: <it>, cis: [<web2>]")["record"]
    assert act(board, door, "rateIncident", "ola", "incident: <it>, urgency: low")["record"]
    act(board, door, "declareMajorIncident", "ola", 'incident: <it>, reason: "the board asks"')
    act(board, door, "giveIncident", "ola", "incident: <it>, team: <desk>")
    assert board.told(id, "urgency", "major", "assigned_team", "support_level") == [
        "low",
        True,
        "desk",
        "first",
    ]
    act(board, door, "escalateIncident", "ola", 'incident: <it>, reason: "nobody here knows"')
    assert board.told(id, "support_level") == ["second"]
    commit(board.store, board.create("Problem", "leak", organisation=ids["south"]))
    act(board, door, "relateIncident", "ola", "incident: <it>, other: <leak>")
    act(board, door, "setIncidentCause", "ola", "incident: <it>, cause: <db>")
    assert board.told(id, "probable_cause") == ["db"]
    twice(board, door, MOVE, "ola", record=id, to="acknowledge")
    query = f'mutation($o: ID!, $key: String) {{ commentOnOrder(order: $o, text: "on it", idempotencyKey: $key) {ORDERED} }}'
    twice(board, door, query, "ola", o=id)
    done = twice(
        board, door, MOVE, "ola", record=id, to="resolve", inputs={"resolution_code": "fixed"}
    )
    assert done["record"]["lifecycleState"] == "resolved"
    course = [e["text"]["en"] for e in read(door, id, "eve", "course { text { en } }")["course"]]
    assert "on it" in " ".join(course)
    before = read(door, id, "eve", "course { text { en } }", at=done["revision"] - 1)["course"]
    assert [e["text"]["en"] for e in before] == course[: len(before)]
    assert 0 < len(before) < len(course)
    refused = act(board, door, "rateIncident", "ola", "incident: <it>, urgency: high")
    assert refused["refusals"][0]["code"] == "state"


def test_incidents_are_taken_together_and_apart(board: ChangeBoard, door: Door) -> None:
    ids = board.ids
    ids["one"], ids["two"] = (
        opened(board, door, "web1"),
        opened(board, door, "web2", "box", urgency="high"),
    )
    assert act(board, door, "mergeIncidents", "sam", "incident: <one>, others: [<two>]")["record"]
    assert board.told(ids["two"], "lifecycle_state") == ["merged"]
    assert {*board.concerned(ids["one"])} == {"web1", "web2", "box"}
    apart = act(
        board, door, "splitIncident", "sam", 'incident: <one>, cis: [<box>], name: "the box"'
    )
    assert board.concerned(apart["record"]["id"]) == {"box": ("open", {})}
    wrong = act(board, door, "mergeIncidents", "sam", "incident: <one>, others: [<one>]")
    assert wrong["code"] == "invalid_request"


def test_who_may_do_what_with_incidents(board: ChangeBoard, door: Door) -> None:
    ids = board.ids
    south, north = [{"id": ids["web1"]}], [{"id": ids["mill-north"]}]

    def reported(by: str, cis: Any, **attributes: Any) -> str:
        [answer] = door.graphql(OPEN, by, name="x", cis=cis, attributes=attributes).values()
        return str(answer.get("code") or answer["__typename"])

    # Whoever may order reports what they see; who has no person, or only reads, does not.
    assert [reported(by, south) for by in ("ola", "sam", "rae", "robot", "ada")] == [
        "Ordered", "Ordered", "not_allowed", "not_allowed", "not_allowed",
    ]  # fmt: skip
    assert reported("ola", north) == reported("nick", south) == "not_found"
    assert reported("ola", south, organisation=ids["county"]) == "Ordered"
    assert reported("ola", south, organisation=ids["north"]) == "not_found"
    assert reported("ola", south, requested_by=ids["eve"]) == "invalid_request"
    assert reported("ola", south, priority="p1") == "invalid_request"
    assert reported("ola", [*south, *south]) == "invalid_request"
    assert reported("ola", []) == "invalid_request"
    ids["mine"], ids["theirs"] = opened(board, door, "web1"), opened(board, door, "mill-north")
    major = "incident: <{}>, major: true"

    def declared(by: str, which: str) -> str:
        answer = act(board, door, "declareMajorIncident", by, major.format(which))
        return str(answer.get("code") or answer["__typename"])

    assert [declared(by, "mine") for by in ("ola", "nick", "rae", "cora")] == [
        "Ordered", "not_found", "not_allowed", "not_found",
    ]  # fmt: skip
    assert [declared(by, "theirs") for by in ("nick", "ola")] == ["Ordered", "not_found"]
    for name, rest in (
        ("includeInIncident", "cis: [{id: <mill-north>}]"),
        ("relateIncident", "other: <theirs>"),
        ("setIncidentCause", "cause: <mill-north>"),
        ("mergeIncidents", "others: [<theirs>]"),
    ):
        assert act(board, door, name, "ola", f"incident: <mine>, {rest}")["code"] == "not_found", (
            name
        )
    assert (
        act(board, door, "giveIncident", "ola", "incident: <mine>, team: <web2>")["code"]
        == "invalid_request"
    )
    added = "mutation($o: ID!, $d: [OrderDeviceInput!]) { addToOrder(order: $o, devices: $d) { ... on Failure { code } } }"
    assert (
        door.graphql(added, "ola", o=ids["mine"], d=south)["addToOrder"]["code"]
        == "invalid_request"
    )
    stepped = "mutation($o: ID!, $d: [ID!]) { executeOrder(order: $o, devices: $d) { ... on Failure { code } } }"
    assert (
        door.graphql(stepped, "ola", o=ids["mine"], d=[ids["web1"]])["executeOrder"]["code"]
        == "invalid_request"
    )


EVERYTHING = f"""attributes maskedAttributes impactValue impact {HIT} clocks {{ name calendar {{ name }} }} course {{ text {{ en }} details }}
    impactNow {{ notFound notOperational hidden {{ organisation count }} affected {{ nodes {{ effect record {{ id }} }} }} }}
    recentChanges(hours: 100) {{ lookedAt hidden {{ count }} changes {{ revision {{ reason actor }} score process {{ id }}
        touched {{ distance record {{ id }} changes {{ attribute before after }} }} }} }}
    knowledge {{ fits {{ record {{ id }} cis {{ name }} words }} }} history {{ entries {{ records {{ attributes {{ before after }} }} }} }}"""


def test_what_is_hit_elsewhere_is_counted_and_not_named(board: ChangeBoard, door: Door) -> None:
    ids = board.ids
    id = opened(board, door, "box", "mill-north", by="sam")
    # Of the south, as the first CI counts by its id: whoever it belongs to, the other side must not be told.
    commit(board.store, Update(id, {"organisation": ids["south"]}))
    north = {ids["mill-north"], ids["north"], "mill-north"}
    for by in ("eve", "ola"):
        shown = read(door, id, by, EVERYTHING)
        told = json.dumps(shown)
        counted = {"organisation": ids["north"], "count": 1}
        assert shown["impact"]["hidden"] == shown["impactNow"]["hidden"] == [counted]
        assert shown["impact"]["counts"] == [{"effect": "DOWN", "count": 5}]
        assert sorted(r["record"] is None for r in shown["impact"]["roots"]) == [False, True]
        assert shown["impactValue"] is None
        assert "impact" in shown["maskedAttributes"]
        told = told.replace(json.dumps(counted), "")
        assert not [secret for secret in north if secret in told], by
    seen = read(door, id, "pat", EVERYTHING)
    assert {s["record"]["name"] for s in seen["impact"]["services"]["nodes"]} >= {
        "mill-north",
        "portal",
    }
    assert seen["impact"]["hidden"] == []
    assert {s[0] for s in seen["impactValue"]["services"]} >= {ids["mill-north"]}
    theirs = read(door, id, "nick", EVERYTHING)
    assert theirs["impact"]["hidden"] == [{"organisation": ids["south"], "count": 4}]
    assert [s["record"]["name"] for s in theirs["impact"]["services"]["nodes"]] == ["mill-north"]


def test_clocks_tell_what_is_left_now_and_then(board: ChangeBoard, door: Door) -> None:
    fields = "clocks { name status elapsed promised left due breached roundTheClock calendar { name } label { en } }"
    id = opened(board, door, "web2", urgency="low")
    begun = board.now
    board.now += timedelta(minutes=10)
    response, resolution = read(door, id, "ola", fields)["clocks"]
    assert (response["name"], response["status"], round(response["elapsed"])) == (
        "response",
        "RUNNING",
        600,
    )
    assert response["left"] == response["promised"] - response["elapsed"]
    assert not response["breached"]
    assert response["roundTheClock"] is (response["calendar"] is None)
    twice(board, door, MOVE, "ola", record=id, to="acknowledge")
    twice(board, door, MOVE, "ola", record=id, to="suspend", reason="vendor")
    board.now += timedelta(days=9)
    response, resolution = read(door, id, "ola", fields)["clocks"]
    assert (response["status"], resolution["status"], round(resolution["elapsed"])) == (
        "STOPPED",
        "PAUSED",
        600,
    )
    assert resolution["due"] is None
    then = (begun + timedelta(minutes=4)).isoformat()
    past = read(door, id, "ola", fields, at=then)["clocks"]
    assert [(c["status"], round(c["elapsed"])) for c in past] == [("RUNNING", 240)] * 2


def test_a_page_of_incidents_costs_the_same_however_many_there_are(
    board: ChangeBoard, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = door.services.organisations
    assert tree is not None
    tree.refresh()  # and no look for new organisations, by the second, is among what is counted
    monkeypatch.setattr(tree, "_clock", lambda: tree._looked)
    commit(
        board.store,
        board.create(
            "KnowledgeArticle",
            "trouble with boxes",
            applies_to=["Server"],
            lifecycle_state="in_force",
        ),
        board.create("SLA", "gold", lifecycle_state="in_use", response_time="PT1M"),
        Relate(board.ids["box"], "COVERED_BY", board.ids["gold"]),
    )
    for _ in range(9):
        opened(board, door, "box", "web1")
    query = f"""query($first: Int!) {{ incidents(first: $first, orderBy: [{{number: DESC}}]) {{ nodes {{ id
        clocks {{ name left agreement {{ name }} }} impact {HIT} knowledge {{ fits {{ record {{ id }} cis {{ name }} }} }} }} }} }}"""

    def cost(by: str, first: int) -> tuple[int, Any]:
        before = board.store.statements
        nodes = door.graphql(query, by, first=first)["incidents"]["nodes"]
        assert len(nodes) == first
        return board.store.statements - before, nodes

    for by in ("pat", "eve"):
        cost(by, 1)
        few, _ = cost(by, 2)
        many, nodes = cost(by, 9)
        assert few == many, by
        response = {c["agreement"]["name"] for n in nodes for c in n["clocks"] if c["agreement"]}
        assert response == {"gold"}
        assert nodes[0]["knowledge"]["fits"][0]["cis"] == []


def test_what_changed_here_and_below_is_told_with_its_process(
    board: ChangeBoard, door: Door
) -> None:
    ids = board.ids
    commit(board.store, Update(ids["box"], {"memory_mib": 4096}), actor="ann")
    commit(board.store, Update(ids["mill-north"], {"description": "theirs"}), actor="nick")
    recent = """query($of: ID!, $hours: Float!) { recentChanges(of: $of, hours: $hours, first: 50) { complete lookedAt hidden { count }
        changes { revision { actor } touched { distance kind record { ... on ConfigurationItem { name } } changes { attribute after } } } } }"""
    board.now += timedelta(minutes=1)
    found = door.graphql(recent, "ola", of=ids["portal"], hours=1)["recentChanges"]
    touches = {
        (c["revision"]["actor"], t["record"]["name"], t["distance"])
        for c in found["changes"]
        for t in c["touched"]
    }
    assert ("ann", "box", 3) in touches
    assert found["lookedAt"] == 6
    theirs = door.graphql(recent, "nick", of=ids["mill-north"], hours=1)["recentChanges"]
    assert theirs["hidden"] == [{"count": 2}]
    assert {t["record"]["name"] for c in theirs["changes"] for t in c["touched"]} == {"mill-north"}
    wrong = door.graphql_errors(recent, "ola", of=ids["portal"], hours=0)
    assert wrong[0]["extensions"]["code"] == "invalid_query"
    assert (
        door.graphql_errors(recent, "ola", of=ids["mill-north"], hours=1)[0]["extensions"]["code"]
        == "not_found"
    )


def test_an_alert_without_a_ci_is_given_one(board: ChangeBoard, door: Door) -> None:
    rules, ids = door.services.alert_rules, board.ids
    said = {"alertname": "Hot", "instance": "nowhere:9100", "severity": "critical"}
    alert = {
        "status": "firing",
        "labels": said,
        "startsAt": board.now.isoformat(),
        "fingerprint": "hot",
    }
    body = json.dumps({"version": "4", "alerts": [alert]}).encode()
    receive(board.store, FORMATS["alertmanager"](body, {}, "prom", rules))
    Intake(board.engine, rules).take_in()
    unmatched = "{ alerts(where: {unmatchedBecause: {null: false}}) { nodes { id name unmatchedBecause } } }"
    [found] = door.graphql(unmatched, "ola")["alerts"]["nodes"]
    ids["hot"] = found["id"]
    raised = "query($id: ID!) { record(id: $id) { ... on Alert { identifiedBy raisedOn { nodes { id } } } } }"
    assert (
        act(board, door, "attachAlert", "ola", "alert: <hot>, ci: <mill-north>")["code"]
        == "not_found"
    )
    assert (
        act(board, door, "attachAlert", "rae", "alert: <hot>, ci: <box>")["code"] == "not_allowed"
    )
    assert (
        act(board, door, "attachAlert", "ola", "alert: <hot>, ci: <desk>")["code"]
        == "invalid_request"
    )
    assert (
        act(board, door, "attachAlert", "ola", "alert: <hot>, ci: <box>")["__typename"] == "Ordered"
    )
    assert door.graphql(raised, "ola", id=ids["hot"])["record"]["raisedOn"]["nodes"] == [
        {"id": ids["box"]}
    ]
    assert door.graphql(unmatched, "ola")["alerts"]["nodes"] == []


def test_problems_join_incidents_and_requests_are_drafted(board: ChangeBoard, door: Door) -> None:
    ids = board.ids
    ids["i1"], ids["i2"] = opened(board, door, "db", by="ola"), opened(board, door, "db", by="ola")
    candidates = (
        "{ problemCandidates(days: 10) { points cis { name } makes { vendor } incidents { id } } }"
    )
    seen = door.graphql(candidates, "ola")["problemCandidates"]
    assert [
        {*c["cis"][0].values()}
        for c in seen
        if {i["id"] for i in c["incidents"]} >= {ids["i1"], ids["i2"]}
    ] == [{"db"}]
    assert '"db"' not in json.dumps(door.graphql(candidates, "nick"))
    made = act(
        board,
        door,
        "openProblem",
        "ola",
        'name: "db falls over", incidents: [<i1>], attributes: {symptoms: "it does"}',
    )
    ids["why"] = made["record"]["id"]
    assert board.told(ids["why"], "symptoms", "lifecycle_state") == ["it does", "open"]
    assert (
        act(board, door, "addToProblem", "ola", "problem: <why>, incidents: [<i2>]")["__typename"]
        == "Ordered"
    )
    explained = "query($id: ID!) { record(id: $id) { ... on Problem { explains { totalCount } concerns { nodes { id } } } } }"
    told = door.graphql(explained, "ola", id=ids["why"])["record"]
    assert (told["explains"]["totalCount"], told["concerns"]["nodes"]) == (2, [{"id": ids["db"]}])
    assert (
        act(board, door, "removeFromProblem", "ola", "problem: <why>, incidents: [<i2>]")[
            "__typename"
        ]
        == "Ordered"
    )
    assert (
        act(board, door, "removeFromProblem", "ola", "problem: <why>, incidents: [<i2>]")["code"]
        == "invalid_request"
    )
    ids["cure"] = drafted(board, door, "db", begins=board.now + timedelta(days=70))
    assert (
        act(board, door, "setProblemFix", "ola", "problem: <why>, change: <cure>")["__typename"]
        == "Ordered"
    )
    assert (
        act(board, door, "setProblemFix", "nick", "problem: <why>, change: <cure>")["code"]
        == "not_found"
    )
    assert act(board, door, "openProblem", "rae", 'name: "x", cis: [<db>]')["code"] == "not_allowed"
    wanted = 'attributes: {name: "a desk", wanted_type: "DesktopComputer"}'
    request = act(board, door, "draftRequest", "ola", wanted)["record"]["id"]
    assert twice(board, door, MOVE, "ola", record=request, to="submit")["__typename"] == "Ordered"
    assert board.told(request, "lifecycle_state", "requested_by") == ["in_approval", "ola"]


# -- changes ----------------------------------------------------------------------------------------------


def drafted(
    board: ChangeBoard, door: Door, *cis: str, by: str = "eve", begins: Any = EVENING, **more: Any
) -> str:
    attributes = {
        "starts_at": begins.isoformat(), "ends_at": (begins + timedelta(hours=2)).isoformat(),
        "implementation_plan": "do it", "back_out_plan": "undo it", **more,
    }  # fmt: skip
    devices = [{"id": board.ids[name]} for name in cis]
    made = twice(board, door, DRAFT, by, type="normal", attributes=attributes, devices=devices)
    assert made["__typename"] == "Ordered", made
    return str(made["record"]["id"])


DIFFERENCE = """difference { applied records { name created attributes { attribute before after } }
    relationships { type target closed } hidden { organisation count } problems { code message }
    outdated { code message override detail } }"""


def test_a_change_from_its_draft_to_what_discovery_says_of_it(
    board: ChangeBoard, door: Door
) -> None:
    ids, store = board.ids, board.store
    begins = board.now + timedelta(days=2)
    id = drafted(board, door, "box", begins=begins)
    operations = [
        {"create": {"as": "new", "record": {"server": {"name": "box2", "organisation": ids["south"], "lifecycleState": "in_use"}}}},
        {"update": {"id": ids["box"], "set": {"server": {"purpose": "spare"}}}},
        {"unrelate": {"source": ids["db"], "type": "RUNS_ON", "target": ids["box"]}},
        {"relate": {"source": ids["db"], "type": "RUNS_ON", "target": "@new"}},
    ]  # fmt: skip
    assert (
        twice(board, door, PLAN, "eve", change=id, operations=operations)["__typename"] == "Ordered"
    )
    planned = read(door, id, "eve", f"planned risk {DIFFERENCE}")
    assert planned["planned"] is None  # as it stands it is for who sees everything
    difference = planned["difference"]
    assert sorted((r["name"], r["created"]) for r in difference["records"]) == [
        ("box", False),
        ("box2", True),
    ]
    assert sorted(
        (r["target"] == ids["box"], r["closed"]) for r in difference["relationships"]
    ) == [(False, False), (True, True)]
    assert (
        difference["applied"],
        difference["problems"],
        difference["outdated"],
        difference["hidden"],
    ) == (False, [], [], [])
    look = f"""whatIf {{ revision window {HIT} afterwards {{ better {{ totalCount nodes {{ before after record {{ ... on ConfigurationItem {{ name }} }} }} }} worse {{ totalCount }} }} }}
        riskNow {{ level points factors {{ name points said hidden label {{ zh }} records {{ id }} }} }}
        collisions {{ kind }} nextWindow {{ begins ends inTheWay {{ kind }} }}"""
    seen = read(door, id, "eve", look)
    assert seen["whatIf"]["window"]["hidden"] == [{"organisation": ids["north"], "count": 1}]
    assert [s["record"]["name"] for s in seen["whatIf"]["window"]["services"]["nodes"]] == [
        "portal"
    ]
    better = seen["whatIf"]["afterwards"]["better"]
    assert {b["record"]["name"]: (b["before"], b["after"]) for b in better["nodes"]} == {
        "db": ("DOWN", "NONE"), "shop": ("DOWN", "NONE"), "portal": ("DOWN", "NONE"),
    }  # fmt: skip
    factors = {f["name"]: f for f in seen["riskNow"]["factors"]}
    assert factors["services_down"]["said"] is None
    assert factors["services_down"]["hidden"] == 1
    assert factors["no_back_out"]["said"] == "it has a back-out plan"
    assert "mill-north" not in json.dumps(seen)
    assert seen["collisions"] == seen["nextWindow"]["inTheWay"] == []
    assert "mill-north" in json.dumps(read(door, id, "pat", look))
    for to in ("submit", "assess"):
        assert twice(board, door, MOVE, "eve", record=id, to=to)["__typename"] == "Ordered", to
    kept = read(
        door,
        id,
        "eve",
        "risk riskExplained riskFactors { name said hidden } impact { counts { effect count } }",
    )
    assert kept["riskExplained"] is None
    assert {f["name"] for f in kept["riskFactors"] if f["said"] is None} == {
        "services_down",
        "critical_services_down",
        "organisations_hit",
    }
    assert kept["impact"]["counts"] == [{"effect": "DOWN", "count": 5}]
    vote = f"mutation($order: ID!, $key: String) {{ voteOnOrder(order: $order, decision: APPROVE, idempotencyKey: $key) {ORDERED} }}"
    for by in ("mia", "ada", "pia"):
        if board.order_state(id) == "in_approval":
            assert twice(board, door, vote, by, order=id)["__typename"] == "Ordered"
    board.now = begins
    assert (
        twice(board, door, MOVE, "ola", record=id, to="begin")["record"]["lifecycleState"]
        == "implementing"
    )
    commit(store, Update(ids["box"], {"purpose": "archive"}), actor="ann")
    outdated = read(door, id, "eve", DIFFERENCE)["difference"]["outdated"]
    assert [(o["code"], o["detail"]["moved"]["now"]) for o in outdated] == [
        ("planned_unchanged", "archive")
    ]
    conflict = twice(board, door, MOVE, "ola", record=id, to="confirm")
    assert (conflict["__typename"], conflict["interferences"]) == ("Conflict", [{"actor": "ann"}])
    commit(store, Update(ids["box"], {"purpose": None}))
    before = store.last_revision().number
    assert (
        twice(board, door, MOVE, "ola", record=id, to="confirm")["record"]["lifecycleState"]
        == "in_review"
    )
    assert store.last_revision().number == before + 1
    assert store.record(ids["box"]).attributes["purpose"] == "spare"
    verdicts = "difference { applied records { name } } verification { hidden { count } verdicts { name what verdict planned found relationship { type } record { id } } }"
    after = read(door, id, "eve", verdicts)
    assert after["difference"]["applied"]
    assert {v["verdict"] for v in after["verification"]["verdicts"]} == {"not_seen"}
    assert ("box", "purpose", "spare") in {
        (v["name"], v["what"], str(v["planned"])) for v in after["verification"]["verdicts"]
    }
    nothing = read(door, id, "nick", verdicts)
    assert nothing["verification"] == {"hidden": [{"count": 3}], "verdicts": []}


def test_who_attaches_operations_may_write_what_they_touch(board: ChangeBoard, door: Door) -> None:
    ids = board.ids
    mine, drafts = (
        drafted(board, door, "web1", begins=board.now + timedelta(days=30)),
        board.store.last_revision().number,
    )

    def planned(by: str, change: str, plain: Any) -> Any:
        return twice(board, door, PLAN, by, change=change, plain=plain)

    def update(name: str, **attributes: Any) -> Any:
        return {"update": {"id": ids[name], "attributes": attributes}}

    assert planned("eve", mine, [update("mill-north", description="x")])["code"] == "not_found"
    broken = planned(
        "eve", mine, [update("box", cpu_count="many"), update("box", lifecycle_state="scrapped")]
    )
    assert broken["__typename"] == "InvalidChange"
    assert broken["problems"][0]["subject"] == ids["box"]
    assert planned("ola", mine, [update("box", purpose="x")])["code"] == "not_allowed"
    assert planned("eve", mine, "nonsense")["code"] == "invalid_change"
    both = door.graphql(PLAN, "eve", change=mine, operations=[], plain=[])["planChange"]
    assert both["code"] == "invalid_request"
    operators = drafted(board, door, "web1", by="ola", begins=board.now + timedelta(days=40))
    assert planned("ola", operators, [update("box", purpose="x")])["code"] == "not_allowed"
    assert "planned" not in board.at(mine).attributes
    assert board.store.last_revision().number == drafts + 1
    assert planned("eve", mine, [update("box", purpose="x")])["__typename"] == "Ordered"
    assert len(board.at(mine).attributes["planned"]) == 1
    assert planned("eve", mine, [])["__typename"] == "Ordered"
    assert "planned" not in board.at(mine).attributes
    [wrong] = door.graphql(DRAFT, "eve", type="sudden", devices=[]).values()
    assert wrong["code"] == "unknown_name"


def test_of_what_is_planned_everybody_is_told_what_they_may_see(
    board: ChangeBoard, door: Door
) -> None:
    """Parts that name no organisation are seen with what they would be parts of."""
    ids = board.ids
    commit(
        board.store,
        board.create("Server", "rig-north", organisation=ids["north"], lifecycle_state="in_use"),
    )
    id = drafted(
        board,
        door,
        "box",
        by="pat",
        organisation=ids["south"],
        begins=board.now + timedelta(days=50),
    )
    plain = [
        {
            "create": {
                "type": "Disk",
                "id": (disks := [new_id(), new_id()])[0],
                "attributes": {"name": "disk-south"},
            }
        },
        {"create": {"type": "Disk", "id": disks[1], "attributes": {"name": "disk-north"}}},
        {"relate": {"source": ids["box"], "type": "HAS_COMPONENT", "target": disks[0]}},
        {"relate": {"source": ids["rig-north"], "type": "HAS_COMPONENT", "target": disks[1]}},
        {"update": {"id": ids["rig-north"], "attributes": {"description": "secret-north"}}},
    ]
    done = twice(board, door, PLAN, "pat", change=id, plain=plain)
    assert done["__typename"] == "Ordered", done

    def told(by: str) -> tuple[set[str], int, int]:
        found = read(door, id, by, f"planned heldBack {DIFFERENCE}")
        assert found["heldBack"] == len(plain)
        assert by == "pat" or (
            "-north" not in json.dumps(found) and ids["rig-north"] not in json.dumps(found)
        )
        difference = found["difference"]
        hidden = sum(h["count"] for h in difference["hidden"])
        return {r["name"] for r in difference["records"]}, len(difference["relationships"]), hidden

    assert told("eve") == ({"disk-south"}, 1, 2)
    assert told("pat") == ({"disk-south", "disk-north", "rig-north"}, 2, 0)


def test_what_is_in_the_way_is_told_blindly_to_who_may_not_see_it(
    board: ChangeBoard, door: Door
) -> None:
    begins = board.now + timedelta(days=60)
    north, south = (
        {"organisation": board.ids[at], "lifecycle_state": "in_use"} for at in ("north", "south")
    )
    commit(
        board.store,
        board.create("VirtualMachine", "web9", **south),
        board.create("Application", "mill2-north", **north),
        Relate(board.ids["mill2-north"], "RUNS_ON", board.ids["web9"]),
    )
    theirs = drafted(board, door, "mill2-north", by="nick", begins=begins)
    mine = drafted(board, door, "web9", begins=begins)
    for id, by in ((theirs, "nick"), (mine, "eve")):
        assert twice(board, door, MOVE, by, record=id, to="submit")["__typename"] == "Ordered"
    fields = "collisions { kind why hidden others { id } items { id } } riskNow { factors { name count said } }"
    [blind] = read(door, mine, "eve", fields)["collisions"]
    assert blind == {
        "kind": "in_impact",
        "why": "another change is in its way",
        "hidden": 2,
        "others": [],
        "items": [],
    }
    [plain] = read(door, mine, "pat", fields)["collisions"]
    assert ([o["id"] for o in plain["others"]], plain["hidden"]) == ([theirs], 0)
    assert "mill2-north" in plain["why"]
    refused = twice(board, door, MOVE, "eve", record=mine, to="assess")
    assert refused["refusals"][0]["message"] == "another change is in its way"
    assert not [
        text
        for text in ("mill2", theirs)
        if text in json.dumps([refused, read(door, mine, "eve", fields)])
    ]
    calendar = """query($from: DateTime!, $to: DateTime!, $at: ID) { changeCalendar(from: $from, to: $to, organisation: $at) {
        hidden { organisation count } entries { totalCount nodes { begins items record { id } } } } }"""
    span = {"from": begins.isoformat(), "to": (begins + timedelta(hours=1)).isoformat()}
    told = door.graphql(calendar, "eve", **span)["changeCalendar"]
    assert [n["record"]["id"] for n in told["entries"]["nodes"]] == [mine]
    assert told["hidden"] == [{"organisation": board.ids["north"], "count": 1}]
    everyone = door.graphql(calendar, "pat", **span)["changeCalendar"]
    assert {n["record"]["id"] for n in everyone["entries"]["nodes"]} == {mine, theirs}
    only = door.graphql(calendar, "pat", **span, at=board.ids["north"])["changeCalendar"]
    assert [n["record"]["id"] for n in only["entries"]["nodes"]] == [theirs]
    hidden = door.graphql_errors(calendar, "eve", **span, at=board.ids["north"])
    assert hidden[0]["extensions"]["code"] == "not_found"
    back = door.graphql_errors(calendar, "eve", **{"from": span["to"], "to": span["from"]})
    assert back[0]["extensions"]["code"] == "invalid_query"


def test_what_nobody_authorised_is_told_of_what_is_seen(board: ChangeBoard, door: Door) -> None:
    store, ids = board.store, board.ids
    rig = {"serial_number": "R1", "organisation": ids["south"], "lifecycle_state": "in_use"}
    commit(store, board.create("Server", "rig", **rig))
    since = store.last_revision().number

    def found(by: str) -> Any:
        query = """query($since: AsOf!) { unauthorisedChanges(since: $since) { complete hidden { organisation count }
            found { totalCount nodes { what old new source record { id } revision { actor } } } } }"""
        return door.graphql(query, by, since=since)["unauthorisedChanges"]

    assert found("ola")["found"]["nodes"] == []
    for cpus in (2, 4):
        report(store, "agent", thing("Server", "k", name="rig", serial_number="R1", cpu_count=cpus), checked=False)  # fmt: skip
    [one] = [n for n in found("ola")["found"]["nodes"] if n["what"] == "cpu_count"]
    assert (one["old"], one["new"], one["record"]) == (2, 4, {"id": ids["rig"]})
    assert found("nick")["found"]["totalCount"] == 0
    assert {h["organisation"] for h in found("nick")["hidden"]} == {ids["south"]}


def test_what_is_said_of_now_is_not_said_of_the_past(board: ChangeBoard, door: Door) -> None:
    id = drafted(board, door, "web1", begins=board.now + timedelta(days=90))
    at = board.store.last_revision().number
    for field in (
        "whatIf { revision }",
        "collisions { kind }",
        "difference { applied }",
        "riskNow { level }",
    ):
        query = f"query($id: ID!, $at: AsOf) {{ record(id: $id, asOf: $at) {{ ... on Change {{ {field} }} }} }}"
        assert (
            door.graphql_errors(query, "eve", id=id, at=at)[0]["extensions"]["code"]
            == "invalid_query"
        )
    incident = opened(board, door, "db")
    then = board.store.last_revision().number
    commit(board.store, Update(board.ids["shop"], {"description": "later"}))
    now = "impactNow { revision affected { totalCount } }"
    assert read(door, incident, "pat", now, at=then)["impactNow"]["revision"] == then


# -- as it changes ----------------------------------------------------------------------------------------


def test_an_incident_is_followed_as_it_changes(board: ChangeBoard, door: Door) -> None:
    ids = board.ids
    id = opened(board, door, "web1")
    watch = "subscription($i: ID!, $after: Int64) { incidentImpact(incident: $i, after: $after) { revision counts { effect count } services { name effect } } }"
    records = """subscription($where: JSON, $after: Int64) { recordChanges(type: "Incident", where: $where, after: $after) {
        revision changes { kind record { ... on Incident { priority impact { revision counts { effect count } } } } } } }"""
    with live(door.app) as port:
        with subscriber(port, "ola") as client:
            client.begin(watch, i=id)
            first = client.next()
            assert first["counts"] == [
                {"effect": "down", "count": 1},
                {"effect": "at_risk", "count": 1},
            ]
            Incidents(board.engine).include(id, "sam", {ids["web2"]: {}})
            second = client.next()
            assert [(s["name"], s["effect"]) for s in second["services"]] == [("portal", "down")]
        # away: nothing new is nothing told; what is other than then is told once.
        commit(board.store, Update(ids["web1"], {"description": "dusty"}))
        with subscriber(port, "ola") as client:
            client.begin(watch, i=id, after=second["revision"])
            Incidents(board.engine).exclude(id, "sam", [ids["web2"]])
            assert client.next()["counts"] == first["counts"]
        with subscriber(port, "ola") as client:
            client.begin(records, where={"id": {"eq": id}}, after=first["revision"])
            events = [client.next(), client.next()]
            counts = [e["changes"][0]["record"]["impact"]["counts"] for e in events]
            assert counts == [[{"effect": "DOWN", "count": 4}], [{"effect": "DOWN", "count": 1}, {"effect": "AT_RISK", "count": 1}]]  # fmt: skip
        with subscriber(port, "nick") as client:
            client.begin(watch, i=id)
            assert client.receive()["payload"]["errors"][0]["extensions"]["code"] == "not_found"
