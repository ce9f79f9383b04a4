"""Writing by GraphQL: what is expected to go wrong is a type, and a repeated request is done once."""

from __future__ import annotations

from typing import Any

from api.access.principals import everything
from cmdb.change_sets import Update
from cmdb.store import GraphStore
from tests.support.api_door import Door
from tests.support.building import add, commit

ME = "engineer"
RESULT = """ __typename ... on Committed { revision committed records { type name } }
    ... on Failure { code message remedy }
    ... on InvalidChange { problems { operation attribute code } }
    ... on Conflict { record expected actual interferences { actor changed { attribute before after } } } """


def door(store: GraphStore) -> Door:
    return Door(store, [everything(ME)])


CREATE = f"""mutation($record: RecordInput!, $key: String, $reason: String) {{
    createRecord(record: $record, idempotencyKey: $key, reason: $reason) {{ {RESULT} }} }}"""
APPLY = f"""mutation($operations: [OperationInput!]!) {{ applyChangeSet(operations: $operations) {{ {RESULT} }} }}"""


def test_a_record_is_created_and_updated_at_the_revision_that_was_seen(store: GraphStore) -> None:
    ask = door(store)
    made = ask.graphql(
        CREATE, ME, record={"server": {"name": "s1", "size": 3, "colour": "red"}}, reason="new"
    )["createRecord"]
    assert made["__typename"] == "Committed"
    assert made["records"] == [{"type": "Server", "name": "s1"}]
    revision = store.last_revision()
    assert (revision.number, revision.actor, revision.reason) == (made["revision"], ME, "new")
    (id,) = [record.id for record in store.scan_records()]
    update = f"""mutation($id: ID!, $set: RecordInput!, $expected: Int64) {{
        updateRecord(id: $id, set: $set, expectedRevision: $expected) {{ {RESULT} }} }}"""
    commit(store, Update(id, {"size": 4}))
    conflict = ask.graphql(
        update, ME, id=id, set={"server": {"size": 5}}, expected=revision.number
    )["updateRecord"]
    assert conflict["__typename"] == "Conflict"
    assert (conflict["record"], conflict["expected"]) == (id, revision.number)
    (between,) = conflict["interferences"]
    assert between["changed"] == [{"attribute": "size", "before": 3, "after": 4}]
    done = ask.graphql(
        update, ME, id=id, set={"server": {"size": None}}, expected=conflict["actual"]
    )["updateRecord"]
    assert done["__typename"] == "Committed"
    assert "size" not in store.record(id).attributes


def test_a_change_set_is_all_or_nothing_and_names_what_it_makes(store: GraphStore) -> None:
    ask = door(store)
    operations: list[dict[str, Any]] = [
        {"create": {"record": {"organisation": {"name": "省公司"}}, "as": "org"}},
        {"create": {"record": {"server": {"name": "s", "organisation": "@org"}}, "as": "s"}},
        {"create": {"record": {"app": {"name": "a"}}, "as": "a"}},
        {"relate": {"source": "@a", "type": "RUNS_ON", "target": "@s", "attributes": {"port": 9}}},
    ]
    done = ask.graphql(APPLY, ME, operations=operations)["applyChangeSet"]
    assert {r["name"] for r in done["records"]} == {"省公司", "s", "a"}
    (link,) = store.scan_relationships()
    assert (link.type, link.attributes["port"]) == ("RUNS_ON", 9)
    assert store.record(store.record(link.target).attributes["organisation"]).name == "省公司"
    before = store.last_revision().number
    wrong = [*operations[2:3], {"relate": {"source": "@a", "type": "NOPE", "target": "@a"}}]
    refused = ask.graphql(APPLY, ME, operations=wrong)["applyChangeSet"]
    assert refused["__typename"] == "InvalidChange"
    assert refused["problems"][0]["operation"] == 1
    dangling = [{"unrelate": {"source": "@b", "type": "RUNS_ON", "target": link.target}}]
    assert ask.graphql(APPLY, ME, operations=dangling)["applyChangeSet"]["code"] == "invalid_change"
    assert store.last_revision().number == before


def test_the_same_request_under_the_same_key_is_done_once(store: GraphStore) -> None:
    ask = door(store)
    record = {"server": {"name": "s1"}}
    first, again = (
        ask.graphql(CREATE, ME, record=record, key="k-1")["createRecord"] for _ in range(2)
    )
    assert first["revision"] == again["revision"]
    assert (first["committed"], again["committed"]) == (True, False)
    assert again["records"] == [{"type": "Server", "name": "s1"}]
    reused = ask.graphql(CREATE, ME, record={"server": {"name": "s2"}}, key="k-1")["createRecord"]
    assert (reused["__typename"], reused["code"]) == ("Failed", "idempotency_key_reused")
    assert ask.graphql(CREATE, ME, record=record, key="k-2")["createRecord"]["committed"]
    assert [r.name for r in store.scan_records()] == ["s1", "s1"]


def test_what_is_refused_is_told_by_type(store: GraphStore) -> None:
    ask = door(store)
    invalid = ask.graphql(CREATE, ME, record={"server": {"size": -1000}})["createRecord"]
    assert invalid["__typename"] == "InvalidChange"
    assert {p["attribute"] for p in invalid["problems"]} == {"name", "size"}
    server = add(store, "Server", "s")
    commit(store, Update(server, {"lifecycle_state": "scrapped"}))
    state = """mutation($id: ID!) { updateRecord(id: $id, set: {server: {lifecycleState: in_use}})
        { __typename ... on Failure { code remedy } } }"""
    assert ask.graphql(state, ME, id=server)["updateRecord"]["__typename"] == "InvalidChange"
    both = {"server": {"name": "a"}, "box": {"name": "b"}}
    assert ask.graphql_errors(CREATE, ME, record=both)
