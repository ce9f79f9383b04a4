"""Health, readiness and measures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.access.principals import everything
from cmdb.errors import StoreUnavailableError
from cmdb.store import GraphStore, create_store
from schema.model import Model
from tests.support.api_door import Door
from tests.support.building import add


@pytest.fixture
def store(tmp_path: Path, model: Model) -> Iterator[GraphStore]:
    with create_store(f"sqlite:///{tmp_path}/store.db", model) as store:
        yield store


def measures(door: Door, **more: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = door.get("/metrics", **more)
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_a_server_is_alive_and_ready_and_says_how_far_followers_lag(store: GraphStore) -> None:
    door = Door(store)
    door.services.followers["snapshot"] = lambda: 1
    add(store, "Box", "one")
    assert door.get("/healthz").json() == {"status": "alive"}
    answer = door.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["ready"] is True
    assert answer.json()["revision"] == 2
    assert answer.json()["followers"] == {"snapshot": 1}
    door.services.stopping = True
    stopping = door.get("/readyz")
    assert (stopping.status_code, stopping.json()["code"]) == (503, "stopping")
    assert door.get("/healthz").status_code == 200


def test_without_its_store_it_is_alive_but_not_ready(store: GraphStore) -> None:
    def gone() -> int:
        raise StoreUnavailableError("db.example.org does not answer.", "Start it.")

    door = Door(store)
    door.services.followers["snapshot"] = gone
    answer = door.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["code"] == "store_unavailable"
    assert "db.example.org" not in answer.text
    assert door.get("/healthz").status_code == 200
    assert measures(door)["cmdb_store_up", frozenset()] == 0


def test_measures_tell_of_requests_and_of_the_store(store: GraphStore) -> None:
    door = Door(store)
    add(store, "Box", "one")
    door.services.followers["snapshot"] = lambda: 1
    door.get("/healthz")
    door.get("/no/such/1")
    door.get("/no/such/2")
    door.ask("BREW", "/healthz")
    counted = door.services.metrics
    counted.operation("query", "ok", 0.1, 12)
    counted.sign_in_failed("password")
    counted.delivery("failed")
    found = measures(door)

    def value(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

    assert value("cmdb_http_requests_total", route="/healthz", method="GET", status="200") == 1
    assert value("cmdb_http_requests_total", route="other", method="GET", status="404") == 2
    assert value("cmdb_http_requests_total", route="/healthz", method="other", status="405") == 1
    assert value("cmdb_http_request_seconds_count", route="/healthz", method="GET") == 1
    assert value("cmdb_graphql_operations_total", type="query", outcome="ok") == 1
    assert value("cmdb_graphql_operation_cost_sum", type="query") == 12
    assert 0 < value("cmdb_store_statements_total") <= store.statements
    assert value("cmdb_sign_in_failures_total", reason="password") == 1
    assert value("cmdb_webhook_deliveries_total", outcome="failed") == 1
    assert value("cmdb_records") == 1
    assert value("cmdb_last_revision") == 2
    assert value("cmdb_follower_lag", follower="snapshot") == 1
    assert value("cmdb_store_up") == 1


def test_two_applications_do_not_mix_their_measures(store: GraphStore) -> None:
    first, second = Door(store), Door(store)
    first.get("/no")
    assert not any("/no" in str(key) or "404" in str(key) for key in measures(second))


def test_measures_may_ask_for_a_token(store: GraphStore) -> None:
    door = Door(store, [everything("me")], metrics_token="hush")
    for given in ({}, {"authorization": "Bearer wrong"}, {"authorization": "hush"}):
        answer = door.get("/metrics", headers=given)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "cmdb_" not in answer.text
    assert door.get("/metrics", headers={"authorization": "Bearer hush"}).status_code == 200


def test_requests_are_traced_below_those_who_ask(
    store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from api.traces import Traces

    exporter = InMemorySpanExporter()
    traces = Traces("", exporter)
    monkeypatch.setattr("api.app.Traces", lambda _: traces)
    door = Door(store, otlp_endpoint="http://collector:4318/v1/traces")
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = door.get("/healthz?where=hush", headers={"traceparent": parent})
    traces.close()
    (span,) = exporter.get_finished_spans()
    assert span.name == "GET /healthz"
    assert span.parent is not None
    assert span.parent.span_id == 0xB7AD6B7169203331
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["cmdb.request_id"] == answer.headers["x-request-id"]
    assert "hush" not in str(span.attributes)


def test_without_a_token_measures_are_for_this_machine(store: GraphStore) -> None:
    for client, proxy, status in (
        ("127.0.0.1", False, 200),
        ("::1", False, 200),
        ("10.1.2.3", False, 401),
        ("127.0.0.1", True, 401),
    ):
        door = Door(store, client=client, behind_proxy=proxy)
        assert door.get("/metrics").status_code == status, (client, proxy)


def test_operations_and_sign_ins_are_measured(store: GraphStore) -> None:
    door = Door(store, [everything("me")])
    made = 'mutation { createRecord(record: {box: {name: "b"}}) { __typename } }'
    bad = 'mutation { relate(source: "x", type: "RUNS_ON", target: "y") { __typename } }'
    for text in (
        "{ statistics { records } }",
        made,
        bad,
        "{ nothing }",
        "{",
        '{ record(id: "") { id } }',
    ):
        door.post("/graphql", "me", json={"query": text})
    audit = door.services.audit
    assert audit is not None
    audit.note("li", "sign_in", "unauthenticated")
    audit.note("", "token", "throttled")
    audit.note("li", "sign_in")
    found = measures(door)
    counted = {
        tuple(sorted(dict(labels).values())): value
        for (name, labels), value in found.items()
        if name in ("cmdb_graphql_operations_total", "cmdb_sign_in_failures_total")
    }
    assert counted == {
        ("ok", "query"): 2,
        ("mutation", "ok"): 1,
        ("invalid_change", "mutation"): 1,
        ("invalid_query", "query"): 2,
        ("sign_in",): 1,
        ("throttled",): 1,
    }


def test_what_is_no_json_is_the_senders_mistake(store: GraphStore) -> None:
    door = Door(store, [everything("me")])
    for body in (b"[" * 100_000, b"\xff\xfe{", b"{", b""):
        said = {"content-type": "application/json"}
        assert door.post("/graphql", "me", content=body, headers=said).status_code == 400
    plain = door.post("/graphql", "me", content=b"{}", headers={"content-type": "text/plain"})
    assert plain.status_code == 415
