"""The life of devices by GraphQL: transitions, orders, counts, ledger; done once however often it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.access.principals import Grant, Permission, Principal, everything
from cmdb.store import GraphStore, create_store
from schema.loading import load_model
from tests.support.api_door import Door
from tests.support.building import commit
from tests.support.office import Office

REFUSED = """... on Failure { code message }
    ... on Refused { refusals { subject code message override detail } }"""
ORDERED = f"{{ __typename ... on Ordered {{ revision repeated record {{ id ... on LifecycleOrder {{ number lifecycleState }} }} }} {REFUSED} }}"
CARRIED = f"{{ __typename ... on Carried {{ step done refused revision repeated refusals {{ subject code override }} }} {REFUSED} }}"
DRAFT = f"""mutation($type: String!, $attributes: JSON, $devices: [OrderDeviceInput!], $where: JSON, $key: String) {{
    draftOrder(type: $type, attributes: $attributes, devices: $devices, where: $where, idempotencyKey: $key) {ORDERED} }}"""
SUBMIT = f"mutation($order: ID!, $key: String) {{ submitOrder(order: $order, idempotencyKey: $key) {ORDERED} }}"
VOTE = f"mutation($order: ID!, $key: String) {{ voteOnOrder(order: $order, decision: APPROVE, idempotencyKey: $key) {ORDERED} }}"
EXECUTE = f"""mutation($order: ID!, $devices: [ID!], $inputs: JSON, $overrides: JSON, $key: String, $dry: Boolean = false) {{
    executeOrder(order: $order, devices: $devices, inputs: $inputs, overrides: $overrides, idempotencyKey: $key, dryRun: $dry) {CARRIED} }}"""
COMPLETE = f"mutation($order: ID!) {{ completeOrder(order: $order) {ORDERED} }}"


@pytest.fixture
def office(url: str) -> Iterator[Office]:
    with create_store(url, load_model([])) as store:
        yield Office.make(store)


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Office]:
    with create_store(f"sqlite:///{tmp_path}/store.db", load_model([])) as store:
        yield Office.make(store)


WORK = frozenset({Permission.READ, Permission.WRITE, Permission.ORDER, Permission.APPROVE})


def door(office: Office) -> Door:
    """People who may work in their own organisation, and one who may only read."""

    def person(name: str, at: str) -> Principal:
        return Principal(name, "", (Grant(WORK, office.ids[at]),))

    people = [person("ann", "south"), person("bob", "south"), person("nick", "north")]
    reader = Principal("dora", "", (Grant(frozenset({Permission.READ}), None),))
    return Door(
        office.store, [*people, reader, everything("pat"), everything("robot")], guarded=True
    )


def revisions(store: GraphStore) -> int:
    return store.last_revision().number


def test_an_order_goes_from_draft_to_the_last_device_once_each(office: Office) -> None:
    ask, store = door(office), office.store
    for name in ("d1", "d2"):
        office.device(name, "Server", "in_use")

    def twice(query: str, by: str, field: str, **given: Any) -> Any:
        """The answer may have been lost: it is asked for again under the same key."""
        first = ask.graphql(query, by, **given, key=field)[field]
        at = revisions(store)
        again = ask.graphql(query, by, **given, key=field)[field]
        assert revisions(store) == at, field
        assert (first.pop("repeated"), again.pop("repeated")) == (False, True), (first, again)
        assert first["revision"] == again["revision"]
        return first

    made = twice(
        DRAFT, "ann", "draftOrder", type="decommission",
        devices=[{"id": office.ids["d1"]}], where={"name": {"eq": "d2"}},
    )  # fmt: skip
    order = made["record"]["id"]
    assert made["record"]["lifecycleState"] == "draft"
    assert (
        twice(SUBMIT, "ann", "submitOrder", order=order)["record"]["lifecycleState"]
        == "in_approval"
    )
    waiting = "{ orders(waitingFor: ME) { totalCount edges { waitsForMe node { id } } } }"
    assert ask.graphql(waiting, "ann")["orders"]["totalCount"] == 0
    assert ask.graphql(waiting, "bob")["orders"]["edges"] == [
        {"waitsForMe": "approve", "node": {"id": order}}
    ]
    own = ask.graphql(VOTE, "ann", order=order)["voteOnOrder"]
    assert own["__typename"] == "NotAllowed"
    assert twice(VOTE, "bob", "voteOnOrder", order=order)["record"]["lifecycleState"] == "approved"
    assert len(store.record(order).attributes["votes"]) == 1
    done = twice(EXECUTE, "ann", "executeOrder", order=order)
    assert (done["step"], done["done"], done["refused"]) == ("decommission", 2, 0)
    assert [office.state(n) for n in ("d1", "d2")] == ["idle", "idle"]
    assert (
        ask.graphql(COMPLETE, "ann", order=order)["completeOrder"]["record"]["lifecycleState"]
        == "completed"
    )


def test_what_a_repeated_execution_goes_on_with_is_the_step_it_began(embedded: Office) -> None:
    office = embedded
    ask = door(office)
    office.device("esx", "Server", "in_use")
    order = office.approved("TransferOrder", "esx", to_organisation="north")
    first, again = (
        ask.graphql(EXECUTE, "bob", order=order, key="k")["executeOrder"] for _ in range(2)
    )
    assert (first["step"], first["done"]) == (again["step"], again["done"]) == ("hand_over", 1)
    assert [
        s["step"]
        for s in office.store.neighbours([order], ["CONCERNS"])[0].relationship.attributes[
            "steps_taken"
        ]
    ] == ["hand_over"]
    accepted = ask.graphql(EXECUTE, "nick", order=order)["executeOrder"]
    assert (accepted["step"], accepted["done"]) == ("accept", 1), accepted
    assert office.record("esx").attributes["organisation"] == office.ids["north"]


def test_what_refuses_is_told_by_device_and_who_may_set_it_aside(embedded: Office) -> None:
    office = embedded
    ask = door(office)
    for name in ("busy", "spare"):
        office.device(name, "Server", "in_use")
    north = {"organisation": office.ids["north"], "lifecycle_state": "in_use"}
    commit(office.store, office.create("Application", "app", **north))
    office.relate("app", "RUNS_ON", "busy")
    order = office.approved("DecommissionOrder", "busy", "spare")
    dry = ask.graphql(EXECUTE, "ann", order=order, dry=True)["executeOrder"]
    assert (dry["done"], dry["refused"], office.state("spare")) == (1, 1, "in_use")
    done = ask.graphql(EXECUTE, "ann", order=order)["executeOrder"]
    assert (done["done"], done["refused"]) == (1, 1)
    assert done["refusals"] == [
        {"subject": office.ids["busy"], "code": "no_live_dependents", "override": "director"}
    ]
    look = """query($of: String!) { order(of: $of) { nextStep waitsForMe
        items { totalCount edges { outcome nextStep stepsTaken node { name } } }
        stages { name open granted votes { decision by { name } } }
        check { refused refusals { message detail } } evidence { downloadPath } } }"""
    seen = ask.graphql(look, "ann", of=order)["order"]
    assert {e["node"]["name"]: e["outcome"] for e in seen["items"]["edges"]} == {
        "busy": "open",
        "spare": "done",
    }
    assert seen["stages"][0]["votes"] == [{"decision": "approve", "by": {"name": "bob"}}]
    assert (seen["nextStep"], seen["waitsForMe"]) == ("decommission", "decommission")
    (refusal,) = seen["check"]["refusals"]
    assert "app" not in refusal["message"].split()
    assert (refusal["detail"]["dependents"], refusal["detail"]["hidden"]) == ([], 1)


def test_transitions_of_a_page_cost_the_same_however_many_records(office: Office) -> None:
    ask, store = door(office), office.store
    query = """query($first: Int!) { servers(first: $first) { nodes { name transitions {
        name target allowed by label { en zh } refusals { code message override } } } } }"""

    def cost(first: int) -> tuple[int, Any]:
        before = store.statements
        nodes = ask.graphql(query, "pat", first=first)["servers"]["nodes"]
        return store.statements - before, nodes

    for number in range(12):
        at = ("south", "north", "county")[number % 3]
        office.device(f"s{number}", "Server", "in_use", organisation=at)
    cost(1)
    few, _ = cost(3)
    many, nodes = cost(12)
    assert few == many
    assert len(nodes) == 12
    ways = {way["name"]: way for way in nodes[0]["transitions"]}
    assert ways["decommission"]["by"] == ["order"]
    assert not ways["decommission"]["allowed"]
    assert ways["decommission"]["refusals"][0]["code"] == "role"
    nobody = ask.graphql(query, "robot", first=1)["servers"]["nodes"][0]["transitions"]
    assert not any(way["allowed"] for way in nobody)


def test_permissions_and_people_are_asked_for(embedded: Office) -> None:
    office = embedded
    ask = door(office)
    office.device("d1", "Server", "in_use")
    office.device("hidden", "Server", "in_use", organisation="north")
    devices = [{"id": office.ids["d1"]}]
    draft = {"type": "decommission", "devices": devices}
    assert ask.graphql(DRAFT, "dora", **draft)["draftOrder"]["__typename"] == "NotAllowed"
    assert ask.graphql(DRAFT, "robot", **draft)["draftOrder"]["__typename"] == "NotAllowed"
    unseen = {"type": "decommission", "devices": [{"id": office.ids["hidden"]}]}
    assert ask.graphql(DRAFT, "ann", **unseen)["draftOrder"]["__typename"] == "NotFound"
    forged = {**draft, "attributes": {"requested_by": office.ids["bob"]}}
    assert ask.graphql(DRAFT, "ann", **forged)["draftOrder"]["code"] == "invalid_request"
    elsewhere = {**draft, "attributes": {"organisation": office.ids["north"]}}
    assert ask.graphql(DRAFT, "ann", **elsewhere)["draftOrder"]["__typename"] in (
        "NotAllowed",
        "NotFound",
    )
    order = ask.graphql(DRAFT, "ann", **draft)["draftOrder"]["record"]["id"]
    assert ask.graphql(SUBMIT, "nick", order=order)["submitOrder"]["__typename"] == "NotFound"
    move = f"""mutation($record: ID!, $to: String!) {{
        correctState(record: $record, state: $to, reason: "wrong") {ORDERED} }}"""
    assert (
        ask.graphql(move, "ann", record=office.ids["d1"], to="idle")["correctState"]["__typename"]
        == "NotAllowed"
    )
    assert (
        ask.graphql(move, "pat", record=office.ids["d1"], to="idle")["correctState"]["__typename"]
        == "Ordered"
    )
    assert office.state("d1") == "idle"


def test_processes_of_any_type_wait_for_somebody(embedded: Office) -> None:
    ask = door(embedded)
    ask.graphql(
        DRAFT, "ann", type="scrap", devices=[{"id": embedded.device("d1", "Server", "idle")}]
    )
    asked = """query($type: String) { processes(type: $type, waitingFor: ME) {
        edges { waitsForMe node { type } } } }"""
    mine = [{"waitsForMe": "submit", "node": {"type": "ScrapOrder"}}]
    for type_, who, found in ((None, "ann", mine), ("LifecycleOrder", "ann", mine), ("Change", "ann", []), (None, "nick", [])):  # fmt: skip
        assert ask.graphql(asked, who, type=type_)["processes"]["edges"] == found
    [error] = ask.graphql_errors(asked, "ann", type="Server")
    assert error["extensions"]["code"] == "unknown_name"


def test_a_count_is_opened_fed_closed_settled_and_signed_off(embedded: Office) -> None:
    office = embedded
    ask = door(office)
    for name in ("here", "gone"):
        office.device(name, "Server", "in_use")
    opened = f"mutation($key: String) {{ openStocktake(idempotencyKey: $key) {ORDERED} }}"
    count, again = (
        ask.graphql(opened, "ann", key="open")["openStocktake"]["record"]["id"] for _ in range(2)
    )
    assert count == again
    feed = f"""mutation($count: ID!, $numbers: [ReadNumberInput!]) {{ countStocktake(stocktake: $count, numbers: $numbers) {{
        __typename ... on Counted {{ results unknownNumbers }} {REFUSED} }} }}"""
    read = [{"number": "sn-here"}, {"number": "??"}]
    fed = ask.graphql(feed, "ann", count=count, numbers=read)["countStocktake"]
    assert fed == {
        "__typename": "Counted",
        "results": {"found": 1, "unknown": 1},
        "unknownNumbers": ["??"],
    }
    close = """mutation($count: ID!, $key: String) { closeStocktake(stocktake: $count, idempotencyKey: $key) {
        __typename ... on Closed { results unsettled differences { result record { name } } } } }"""
    for _ in range(2):
        closed = ask.graphql(close, "ann", count=count, key="close")["closeStocktake"]
        assert closed["unsettled"] == 2
        assert closed["differences"] == [{"result": "missing", "record": {"name": "gone"}}]
    settle = f"""mutation($count: ID!, $devices: [ID!], $numbers: [String!], $order: String, $result: String, $explain: String, $key: String) {{
        settleStocktake(stocktake: $count, devices: $devices, numbers: $numbers, order: $order, result: $result, explain: $explain, idempotencyKey: $key) {{
        __typename ... on Settled {{ count orders {{ id }} }} {REFUSED} }} }}"""
    orders, same = (
        ask.graphql(settle, "ann", count=count, order="usual", result="missing", key="s")[
            "settleStocktake"
        ]
        for _ in range(2)
    )
    assert orders == same
    assert orders["count"] == 1
    assert (
        ask.graphql(settle, "ann", count=count, numbers=["??"], explain="a visitor's")[
            "settleStocktake"
        ]["count"]
        == 1
    )
    sign = f'mutation($count: ID!) {{ transitionRecord(record: $count, transition: "sign_off") {ORDERED} }}'
    refused = ask.graphql(sign, "bob", count=count)["transitionRecord"]
    assert refused["refusals"][0]["code"] == "all_settled"
    submitted = ask.graphql(SUBMIT, "ann", order=orders["orders"][0]["id"])["submitOrder"]
    assert submitted["__typename"] == "Ordered", submitted
    assert ask.graphql(sign, "bob", count=count)["transitionRecord"]["__typename"] == "Ordered"
    told = ask.graphql(
        "query($of: String!) { stocktake(of: $of) { unsettled results } }", "bob", of=count
    )
    assert told["stocktake"] == {"unsettled": 0, "results": {"found": 1, "missing": 1}}


def test_ledger_resume_figures_and_what_is_due(embedded: Office) -> None:
    office = embedded
    ask = door(office)
    for number in range(5):
        office.device(
            f"s{number}",
            "Server",
            "in_use",
            warranty_until="2020-01-01",
            purchase_price="CNY 10.00",
        )
    office.device("other", "Server", "in_use", organisation="north")
    query = """query($after: String) { ledger(columns: ["name", "state"], first: 2, after: $after) {
        revision totalCount columns { name label { zh } } rows { values record { name } }
        pageInfo { hasNextPage endCursor } totals(by: ["state"]) { values count purchasePrice } } }"""
    names: list[str] = []
    after, at = None, revisions(office.store)
    while True:
        page = ask.graphql(query, "ann", after=after)["ledger"]
        names += [row["values"][0] for row in page["rows"]]
        assert (page["totalCount"], page["revision"]) == (5, at)
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        office.device(f"later{len(names)}", "Server", "in_use")
    assert names == [f"s{number}" for number in range(5)]
    assert page["totals"] == [{"values": ["in_use"], "count": 5, "purchasePrice": {"CNY": "50.00"}}]
    assert (
        ask.graphql_errors(query, "ann", after="what")[0]["extensions"]["code"] == "invalid_query"
    )
    resume = "query($of: ID!) { resume(of: $of) { kind actor text { en zh } revision } }"
    entries = ask.graphql(resume, "ann", of=office.ids["s0"])["resume"]
    assert entries[0]["text"]["zh"]
    figures = ask.graphql(
        '{ figures(names: ["devices_by_state"]) { name unit count groups { key value } } }', "ann"
    )
    assert figures["figures"][0]["groups"] == [{"key": {"lifecycle_state": "in_use"}, "value": 7.0}]
    due = ask.graphql("{ due(within: 0) { kind days label { en } record { name } } }", "ann")["due"]
    assert {d["record"]["name"] for d in due if d["kind"] == "warranties"} == {
        f"s{n}" for n in range(5)
    }


def test_observations_decisions_and_the_model(embedded: Office) -> None:
    office = embedded
    ask = door(office)
    submit = """mutation($observations: [JSON!]!, $apply: Boolean!) { submitObservations(source: "scan", observations: $observations, apply: $apply) {
        __typename ... on ObservationPlan { applied counts entriesTotal entries { action what } brokenOff { code } } ... on Failure { code message } } }"""
    seen = [
        {
            "type": "Server",
            "key": f"k{n}",
            "attributes": {"name": f"web-{n}", "serial_number": f"SN-{n}-X"},
        }
        for n in range(2)
    ]
    before = revisions(office.store)
    plan = ask.graphql(submit, "pat", observations=seen, apply=False)["submitObservations"]
    assert (plan["applied"], plan["counts"]["created"], revisions(office.store)) == (
        False,
        2,
        before,
    )
    done = ask.graphql(submit, "pat", observations=seen, apply=True)["submitObservations"]
    assert [e["what"] for e in done["entries"]] == ["web-0", "web-1"]
    again = ask.graphql(submit, "pat", observations=seen, apply=True)["submitObservations"]
    assert again["counts"]["unchanged"] == 2
    assert (
        ask.graphql(submit, "ann", observations=seen, apply=True)["submitObservations"][
            "__typename"
        ]
        == "NotAllowed"
    )
    ids = {
        n["name"]: n["id"]
        for n in ask.graphql("{ servers { nodes { id name } } }", "pat")["servers"]["nodes"]
    }
    merge = """mutation($a: ID!, $b: ID!, $key: String) { mergeRecords(survivor: $a, other: $b, idempotencyKey: $key) {
        __typename ... on Decided { revision repeated } ... on Failure { code message } } }"""
    pair = {"a": ids["web-0"], "b": ids["web-1"]}
    first, second = (ask.graphql(merge, "pat", **pair, key="m")["mergeRecords"] for _ in range(2))
    assert (first["revision"], first["repeated"]) == (second["revision"], False)
    assert second["repeated"]
    assert ask.graphql(merge, "pat", **pair)["mergeRecords"]["code"] == "merge_refused"
    apart = "mutation($id: ID!) { unmergeRecord(record: $id) { __typename ... on Decided { leftAlone } ... on Failure { code } } }"
    assert ask.graphql(apart, "pat", id=ids["web-1"])["unmergeRecord"]["__typename"] == "Decided"
    undo = "mutation($revision: Int64!) { undoRevision(revision: $revision) { __typename ... on Failure { code } } }"
    assert ask.graphql(undo, "ann", revision=2)["undoRevision"]["__typename"] in (
        "NotFound",
        "NotAllowed",
    )
    trust = """mutation { setPrecedence(source: "scan", precedence: 7, dryRun: true) { __typename ... on Recomputed { applied } ... on Failure { message } } }"""
    assert ask.graphql(trust, "pat")["setPrecedence"] == {
        "__typename": "Recomputed",
        "applied": False,
    }
    gone = 'mutation { withdrawSource(source: "scan") { __typename ... on Recomputed { applied counts } ... on Failure { message } } }'
    assert ask.graphql(gone, "pat")["withdrawSource"]["applied"]
    model = """mutation($documents: [String!]!, $dry: Boolean!) { applyModel(documents: $documents, dryRun: $dry) { __typename
        ... on ModelChange { changes refusals revision } ... on ModelMistakes { mistakes { where what } } ... on Failure { code } } }"""
    added = "record_types:\n  Kiosk:\n    parent: Server\n    label: {en: Kiosk, zh: 自助终端}\n"
    dry = ask.graphql(model, "pat", documents=[added], dry=True)["applyModel"]
    assert (dry["revision"], any("Kiosk" in line for line in dry["changes"])) == (None, True)
    wrong = ask.graphql(
        model, "pat", documents=["record_types:\n  Kiosk: {parent: Nothing}\n"], dry=True
    )
    (mistake, *_) = wrong["applyModel"]["mistakes"]
    assert mistake["where"].startswith("document 000000:")
    assert (
        ask.graphql(model, "ann", documents=[added], dry=True)["applyModel"]["__typename"]
        == "NotAllowed"
    )
    assert ask.graphql(model, "pat", documents=[added], dry=False)["applyModel"]["revision"]
    assert "Kiosk" in office.store.model.record_types
