"""Subscriptions through a real WebSocket: what comes, in which order, to whom, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from api.access.principals import Permission, everything
from cmdb.change_sets import Create, Relate, Unrelate, Update
from cmdb.ids import new_id
from cmdb.reconciliation.observations import Observation, Portion
from cmdb.reconciliation.runs import Run
from cmdb.store import GraphStore, create_store
from schema.model import Model
from tests.support.api_door import Door, Tokens, principal
from tests.support.building import add, commit, create
from tests.support.live import PROTOCOL, live, subscriber, until

ME = "engineer"
CHANGES = """subscription($type: String! = "Record", $where: JSON, $organisation: ID, $after: Int64) {
    recordChanges(type: $type, where: $where, organisation: $organisation, after: $after) {
        revision actor
        changes { id kind type attributes { attribute before after } record { name } } } }"""


@pytest.fixture
def store(tmp_path: Path, model: Model) -> Iterator[GraphStore]:
    with create_store(f"sqlite:///{tmp_path}/store.db", model) as store:
        yield store


def told(event: dict[str, object]) -> dict[str, str]:
    return {c["id"]: c["kind"] for c in event["changes"]}  # type: ignore[attr-defined]


def test_each_revision_is_one_message_and_none_is_missed(store: GraphStore) -> None:
    door = Door(store, [everything(ME)], guarded=True)
    start = store.last_revision().number
    with live(door.app) as port:
        with subscriber(port, ME) as client:
            client.begin(CHANGES, type="Device", where={"size": {"gte": 5}}, after=start)
            one, two, box = (create(*c) for c in (("Server", "a"), ("Server", "b"), ("Box", "c")))
            sized = [Create(c.type, {**c.attributes, "size": 9}, c.id) for c in (one, two)]
            commit(store, *sized, box)
            first = client.next()
            assert told(first) == {one.id: "created", two.id: "created"}
            commit(store, Update(box.id, {"note": "nobody watches"}))
            last = commit(store, Update(one.id, {"size": 7}), Update(two.id, {"size": 1}))
            event = client.next()
            assert (event["revision"], event["actor"]) == (last, "tester")
            assert told(event) == {one.id: "changed", two.id: "left"}
            changed = next(c for c in event["changes"] if c["id"] == one.id)
            assert changed["attributes"] == [{"attribute": "size", "before": 9, "after": 7}]
            assert changed["record"] == {"name": "a"}
        # away: what comes meanwhile is told afterwards, in order, from the last one received
        numbers = [commit(store, Update(two.id, {"size": size})) for size in (6, 8)]
        with subscriber(port, ME) as client:
            client.begin(CHANGES, type="Device", where={"size": {"gte": 5}}, after=last)
            events = [client.next(), client.next()]
            assert [e["revision"] for e in events] == numbers
            assert [told(e)[two.id] for e in events] == ["entered", "changed"]


def test_relationships_let_records_enter_and_leave(store: GraphStore) -> None:
    server, app = add(store, "Server", "s"), add(store, "App", "a")
    door = Door(store, [everything(ME)], guarded=True)
    with live(door.app) as port, subscriber(port, ME) as client:
        where = {"RUNS_ON": {"name": {"eq": "s"}}}
        client.begin(CHANGES, type="App", where=where, after=store.last_revision().number)
        commit(store, Relate(app, "RUNS_ON", server))
        assert told(client.next()) == {app: "entered"}
        commit(store, Unrelate(app, "RUNS_ON", server))
        assert told(client.next()) == {app: "left"}


def test_a_subscriber_is_told_what_they_see_and_no_more(store: GraphStore) -> None:
    north, south = add(store, "Organisation", "north"), add(store, "Organisation", "south")
    reading = (Permission.READ, Permission.SUBSCRIBE)
    people = [principal("ann", *reading, organisation=north), principal("bob", Permission.READ)]
    door = Door(store, people, guarded=True)
    with live(door.app) as port, subscriber(port, "ann") as client:
        client.begin(CHANGES, type="Server", after=store.last_revision().number)
        add(store, "Server", "theirs", organisation=south)
        mine = add(store, "Server", "mine", organisation=north, secret="hush")
        event = client.next()
        assert told(event) == {mine: "created"}
        assert "hush" not in str(event)
        commit(store, Update(mine, {"organisation": south, "name": "elsewhere"}))
        (change,) = client.next()["changes"]
        assert (change["kind"], change["record"], change["attributes"]) == ("left", None, [])
        with subscriber(port, "bob") as other:
            other.begin(CHANGES)
            assert other.receive()["payload"]["errors"][0]["extensions"]["code"] == "not_allowed"


def test_a_revoked_token_ends_subscriptions(store: GraphStore) -> None:
    add(store, "Server", "s")
    door = Door(store, [everything(ME)], guarded=True)
    tokens = door.services.authenticator
    assert isinstance(tokens, Tokens)
    with live(door.app) as port, subscriber(port, ME) as client:
        client.begin(CHANGES, after=0)
        client.next()
        del tokens.known[ME]
        error = client.receive()
        while error["type"] == "next" and not error["payload"].get("errors"):
            error = client.receive()
        assert error["payload"]["errors"][0]["extensions"]["code"] == "unauthenticated"
        assert client.receive()["type"] == "complete"
        client.begin("{ revision { number } }")
        with pytest.raises(ConnectionClosed) as closed:
            client.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


def test_nobody_comes_in_without_a_token_or_from_another_page(store: GraphStore) -> None:
    door = Door(store, [everything(ME)], guarded=True)
    with live(door.app) as port:
        with pytest.raises(ConnectionClosed) as closed, subscriber(port, "nobody"):
            pass
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4403
        url = f"ws://127.0.0.1:{port}/graphql"
        with (
            pytest.raises(InvalidStatus),
            connect(url, subprotocols=[PROTOCOL], origin=Origin("https://evil.example")),
        ):
            pass


def test_what_cannot_be_asked_is_told_and_places_are_given_back(store: GraphStore) -> None:
    door = Door(store, [everything(ME)], guarded=True, subscription_limit=1)

    def code(client: object) -> str:
        return str(client.receive()["payload"]["errors"][0]["extensions"]["code"])  # type: ignore[attr-defined]

    with live(door.app) as port, subscriber(port, ME) as client:
        for given, expected in (
            ({"where": {"nope": 1}}, "unknown_name"),
            ({"after": 10_000}, "invalid_query"),
        ):
            client.begin(CHANGES, **given)
            assert code(client) == expected
            assert client.receive()["type"] == "complete"
        id = client.begin(CHANGES)
        until(lambda: door.services.subscriptions.count == 1)
        client.begin(CHANGES)
        assert code(client) == "too_many_subscriptions"
        client.send({"id": id, "type": "complete"})
        until(lambda: door.services.subscriptions.count == 0)


def test_the_progress_of_an_import_in_any_process(shipped_store: GraphStore) -> None:
    door = Door(shipped_store, [everything(ME)], guarded=True)
    query = """subscription { importProgress(source: "scan") { source state statements } }"""
    with live(door.app) as port, subscriber(port, ME) as client:
        client.begin(query)
        statement = Observation("Server", "srv/1", {"name": "web-01"})
        run = Run(shipped_store, "scan", actor="tester", apply=True)
        run.run([Portion("x", None, lambda: [statement])])
        event = client.next()
        while event["state"] != "done":
            event = client.next()
        assert event == {"source": "scan", "state": "done", "statements": 1}


def test_what_an_outage_would_do_is_told_again_when_that_changes(
    shipped_store: GraphStore,
) -> None:
    store, (host, vm, service) = shipped_store, (new_id() for _ in range(3))
    used = {"lifecycle_state": "in_use"}
    commit(store, Create("Server", {"name": "host", **used}, host))
    door = Door(store, [everything(ME)], guarded=True)
    query = """subscription($of: [ID!]!) { impactChanges(of: $of) {
        revision counts { effect count } services { name effect } } }"""
    with live(door.app) as port, subscriber(port, ME) as client:
        client.begin(query, of=[host])
        assert client.next()["counts"] == [{"effect": "down", "count": 1}]
        add(store, "Server", "another")
        number = commit(
            store, Create("VirtualMachine", {"name": "vm", **used}, vm), Relate(vm, "RUNS_ON", host)
        )
        event = client.next()
        assert event["revision"] >= number
        assert event["counts"] == [{"effect": "down", "count": 2}]
        commit(
            store,
            Create("BusinessService", {"name": "billing"}, service),
            Relate(service, "DEPENDS_ON", vm),
        )
        assert client.next()["services"] == [{"name": "billing", "effect": "down"}]
