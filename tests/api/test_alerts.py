"""Webhooks in: alerts are kept by whoever may send them, and become incidents."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.access.principals import Permission
from cmdb.queries import Query
from cmdb.store import GraphStore, create_store, open_store
from itsm.alerts.receiving import JOURNAL
from itsm.desk import Desk
from tests.api.test_observations import signed as standard
from tests.support.api_door import Door, principal
from tests.support.api_process import served
from tests.support.building import add
from tests.support.live import until

PEOPLE = (
    principal("prometheus", Permission.OBSERVE),
    principal("rita", Permission.READ),
    principal("local", Permission.OBSERVE, organisation="0197c2b0-a3f2-7d5e-8b1c-9d0e7f6a5b4c"),
)


def alerts(*hosts: str, **more: Any) -> bytes:
    now = datetime.now(UTC).isoformat()
    found = [
        {
            "status": "firing", "labels": {"alertname": "Down", "instance": f"{h}:9100", "severity": "critical"},
            "annotations": {}, "startsAt": now, "endsAt": "0001-01-01T00:00:00Z", "fingerprint": h, **more,
        }
        for h in hosts
    ]  # fmt: skip
    return json.dumps({"version": "4", "status": "firing", "alerts": found}).encode()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GraphStore]:
    with create_store(f"sqlite:///{tmp_path}/store.db") as store:
        yield store


@pytest.fixture
def door(store: GraphStore) -> Door:
    return Door(store, PEOPLE, alert_secrets={"prom": "hush", "empty": ""})


def waiting(store: GraphStore) -> int:
    return len(store.journal(JOURNAL))


def test_what_is_answered_202_is_kept(door: Door, store: GraphStore) -> None:
    add(store, "Server", "web-1", hostname="web-1", lifecycle_state="in_use")
    answer = door.post("/alerts/alertmanager", "prometheus", content=alerts("web-1", "web-2"))
    assert (answer.status_code, answer.json()) == (
        202,
        {"received": 2, "unread": 0, "problems": []},
    )
    assert waiting(store) == 2
    Desk(store).turn()
    found = {alert.attributes["fingerprint"]: alert for alert in store.find(Query("Alert")).records}
    assert found.keys() == {"alertmanager:web-1", "alertmanager:web-2"}
    [near] = store.neighbours([found["alertmanager:web-1"].id], ["RAISED_ON"], "out")
    assert near.record.name == "web-1"


def test_each_format_has_its_door(door: Door, store: GraphStore) -> None:
    said = {"trigger_id": "1", "host_host": "a", "event_value": "1"}
    assert door.post("/alerts/zabbix", "prometheus", json=said).status_code == 202
    event = {"specversion": "1.0", "id": "1", "source": "/x", "type": "t", "data": {"host": "b"}}
    assert door.post("/alerts/cloudevents", "prometheus", json=event).status_code == 202
    binary = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/x", "ce-type": "u"}
    assert (
        door.post("/alerts/cloudevents", "prometheus", headers=binary, content=b"").json()[
            "received"
        ]
        == 1
    )
    several = door.post("/alerts/cloudevents?source=grid", "prometheus", json=[event, event])
    assert several.json()["received"] == 2
    assert door.post("/alerts/smoke", "prometheus", json={}).status_code == 404
    Desk(store).turn()
    sources = [a.attributes["alert_source"] for a in store.find(Query("Alert")).records]
    assert sorted(sources) == ["cloudevents", "cloudevents", "grid", "zabbix"]


def test_what_cannot_be_read_is_kept_and_told(door: Door, store: GraphStore) -> None:
    some = json.dumps({"alerts": [json.loads(alerts("a"))["alerts"][0], 3, 4]}).encode()
    answer = door.post("/alerts/alertmanager", "prometheus", content=some)
    assert (answer.status_code, answer.json()["unread"]) == (202, 2)
    assert answer.json()["problems"] == ["An alert is no object."]
    for body in (b"<html>", b"", b"[]", b"\xff\xfe", b"[" * 100_000, b'"\\ud800"'):
        for path in ("alertmanager", "zabbix", "cloudevents"):
            refused = door.post(f"/alerts/{path}", "prometheus", content=body)
            if refused.status_code == 202:
                assert refused.json()["received"] == 0
                continue
            assert (refused.status_code, refused.json()["code"]) == (422, "alerts_unreadable")
            assert "It is kept" in refused.json()["detail"]
    Desk(store).turn()
    kept = [a.attributes for a in store.find(Query("Alert")).records]
    assert {a["unmatched_because"] for a in kept if "malformed" in a["labels_said"]} == {
        "It could not be read."
    }


@pytest.mark.parametrize("name", ["rita", "local", "nobody"])
def test_who_may_not_observe_everywhere_sends_none(
    door: Door, store: GraphStore, name: str
) -> None:
    answer = door.post("/alerts/alertmanager", name, content=alerts("a"))
    assert answer.status_code == (401 if name == "nobody" else 403)
    assert door.post("/alerts/alertmanager", content=alerts("a")).status_code == 401
    assert waiting(store) == 0


# -- signatures ---------------------------------------------------------------------------------------------


def signed(body: bytes, secret: str = "hush", at: float = 0) -> dict[str, str]:
    stamp = str(int(at or time.time()))
    mac = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256)
    return {"x-timestamp": stamp, "x-signature": f"sha256={mac.hexdigest()}"}


def post(door: Door, headers: dict[str, str], body: bytes, source: str = "prom") -> httpx.Response:
    return door.post(f"/alerts/alertmanager?source={source}", headers=headers, content=body)


def test_a_source_may_sign_what_it_sends(door: Door, store: GraphStore) -> None:
    body = alerts("a", "b")
    for headers in (
        signed(body),
        standard(body),
        {**signed(body), "x-signature": f"sha256=0 {signed(body)['x-signature']}"},
    ):
        assert post(door, headers, body).json()["received"] == 2
    assert waiting(store) == 6


def test_what_is_not_signed_right_is_not_kept(door: Door, store: GraphStore) -> None:
    body = alerts("a")
    good = signed(body)
    for headers, sent, source in (
        (signed(body, "wrong"), body, "prom"),
        (good, alerts("b"), "prom"),
        (good, body, "other"),
        (signed(body, ""), body, "empty"),
        (signed(body, at=time.time() - 3600), body, "prom"),
        (signed(body, at=time.time() + 3600), body, "prom"),
        ({**good, "x-timestamp": "soon"}, body, "prom"),
        ({**good, "x-timestamp": str(int(good["x-timestamp"]) + 1)}, body, "prom"),
        ({**good, "x-signature": ""}, body, "prom"),
        ({**good, "x-signature": good["x-signature"].removeprefix("sha256=")}, body, "prom"),
        ({**good, "webhook-signature": "v1,"}, body, "prom"),
        ({"x-signature": good["x-signature"]}, body, "prom"),
    ):
        answer = post(door, headers, sent, source)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert "hush" not in answer.text
    assert waiting(store) == 0


def test_bad_signatures_are_slowed_down_and_good_ones_are_not(door: Door) -> None:
    body = alerts("a")
    answers = [post(door, signed(body, "guess"), body) for _ in range(25)]
    assert {a.status_code for a in answers[:20]} == {401}
    assert (answers[-1].status_code, answers[-1].json()["code"]) == (429, "throttled")
    assert int(answers[-1].headers["retry-after"]) >= 0
    assert post(door, signed(body), body).status_code == 202


def test_too_much_at_once_is_refused(store: GraphStore) -> None:
    small = Door(store, PEOPLE, alert_limit=2_000)
    large = alerts(*(f"host-{n}" for n in range(100)))
    answer = small.post("/alerts/alertmanager", "prometheus", content=large)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    packed = small.post(
        "/alerts/zabbix", "prometheus", headers={"content-encoding": "gzip"}, content=b"x"
    )
    assert packed.status_code == 415
    assert waiting(store) == 0


def test_a_store_whose_model_has_no_alerts_says_so(tmp_path: Path, model: Any) -> None:
    with create_store(f"sqlite:///{tmp_path}/small.db", model) as small:
        door = Door(small, PEOPLE)
        answer = door.post("/alerts/zabbix", "prometheus", json={"event_id": "1"})
        assert (answer.status_code, answer.json()["code"]) == (400, "unknown_name")
        assert door.get("/readyz").json()["desk"]["backlog"] == 0


# -- the desk in a server -----------------------------------------------------------------------------------


def test_the_desk_is_watched(door: Door, store: GraphStore) -> None:
    door.post("/alerts/alertmanager", "prometheus", content=alerts("strange"))
    ready = door.get("/readyz").json()
    assert ready["desk"] == {"holds": False, "backlog": 1, "ran_at": None, "failing": []}
    desk = door.services.desk
    assert desk is not None
    desk.turn()
    told = door.get("/metrics").text
    for line in (
        'cmdb_alerts_received_total{format="alertmanager",outcome="read"} 1.0',
        "cmdb_alerts_backlog 0.0",
        "cmdb_alerts_unmatched 1.0",
        'cmdb_desk_done_total{what="received"} 1.0',
    ):
        assert line in told
    assert door.get("/readyz").json()["desk"]["ran_at"] is not None


def test_a_server_takes_alerts_in_and_opens_incidents(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    rules = tmp_path / "rules.yaml"
    rules.write_text("correlation: {settle: PT0S}\n", "utf-8")
    with create_store(url) as store:
        add(store, "Server", "web-1", hostname="web-1", lifecycle_state="in_use")
    secret = {"CMDB_ALERT_SECRETS": '{"prom": "hush"}', "CMDB_ALERT_RULES": str(rules)}
    with served(tmp_path, "--store", url, environment=secret) as server:
        body = alerts("web-1")
        answer = httpx.post(
            f"{server.url}/alerts/alertmanager?source=prom", headers=signed(body), content=body
        )
        assert answer.status_code == 202, answer.text
        with open_store(url) as store:
            until(lambda: store.find(Query("Incident")).records)
            [incident] = store.find(Query("Incident")).records
            assert incident.attributes["channel"] == "alert"
        state = httpx.get(f"{server.url}/readyz").json()["desk"]
        assert (state["holds"], state["backlog"], state["failing"]) == (True, 0, [])
        assert server.stop() == 0
