"""Webhooks in: observations are planned and applied as `cmdb import` does, by who may."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.access.principals import Permission, everything
from cmdb.change_sets import Relate
from cmdb.queries import Query
from cmdb.store import GraphStore, create_store
from tests.support.api_door import Door, principal
from tests.support.building import add, commit

PEOPLE = (
    principal("nmap-tool", Permission.OBSERVE),
    principal("ivy", Permission.OBSERVE, Permission.READ),
    principal("rita", Permission.READ),
    principal("local", Permission.OBSERVE, organisation="0197c2b0-a3f2-7d5e-8b1c-9d0e7f6a5b4c"),
)


def line(number: int, **attributes: Any) -> bytes:
    said = {"name": f"web-{number}", "serial_number": f"SN-{number}-X", **attributes}
    return json.dumps({"type": "Server", "key": f"srv/{number}", "attributes": said}).encode()


BODY = b"\n".join(line(n) for n in range(3)) + b"\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GraphStore]:
    with create_store(f"sqlite:///{tmp_path}/store.db") as store:
        yield store


@pytest.fixture
def door(store: GraphStore) -> Door:
    return Door(store, PEOPLE, observation_secrets={"scanner": "hush"})


def servers(store: GraphStore) -> list[str]:
    return sorted(record.name for record in store.find(Query("Server")).records)


def test_a_dry_run_commits_nothing_and_the_same_again_changes_nothing(
    door: Door, store: GraphStore
) -> None:
    before = store.last_revision().number
    planned = door.post("/observations/scan", "ivy", content=BODY)
    assert planned.status_code == 200, planned.text
    plan = planned.json()
    assert (plan["applied"], plan["counts"]["created"], plan["entries_total"]) == (False, 3, 3)
    assert {entry["what"] for entry in plan["entries"]} == {"web-0", "web-1", "web-2"}
    assert store.last_revision().number == before
    applied = door.post("/observations/scan?apply=true", "ivy", content=BODY).json()
    assert applied["counts"]["created"] == 3
    assert servers(store) == ["web-0", "web-1", "web-2"]
    newest = store.last_revision()
    assert newest.actor == "ivy"
    again = door.post("/observations/scan?apply=true", "ivy", content=BODY).json()
    assert again["counts"]["unchanged"] == 3
    assert store.last_revision().number == newest.number
    packed = gzip.compress(BODY + line(3))
    more = door.post("/observations/scan?apply=true", "ivy", content=packed).json()
    assert (more["counts"]["created"], more["counts"]["unchanged"]) == (1, 3)


def test_a_complete_run_retires_what_vanished(door: Door, store: GraphStore) -> None:
    everything = b"\n".join(line(n) for n in range(40))
    door.post("/observations/scan?apply=true", "ivy", content=everything)
    asked = "/observations/scan?apply=true&complete=true"
    refused = door.post(f"{asked}&vanish_limit=10", "ivy", content=line(0))
    assert (refused.status_code, refused.json()["code"]) == (409, "vanish_refused")
    assert refused.json()["plan"]["counts"]["retired"] == 0
    done = door.post(f"{asked}&vanish_limit=100", "ivy", content=line(0)).json()
    assert done["counts"]["retired"] == 39


def test_lines_that_cannot_be_used_are_told_and_the_rest_goes_in(
    door: Door, store: GraphStore
) -> None:
    body = b"\n".join(
        [line(1), b"{broken", b"[]", b'{"type": 1}', line(2, nothing="x"), b"\xff\xfe"]
    )
    plan = door.post("/observations/scan?apply=true", "ivy", content=body).json()
    assert plan["counts"]["rejected"] >= 4
    assert servers(store) == ["web-1", "web-2"]


@pytest.mark.parametrize("body", [b"<html>", b"\x00" * 50, b"\x1f\x8bcut", b"{" * 3000, b"\xff"])
def test_what_is_no_observation_changes_nothing(door: Door, store: GraphStore, body: bytes) -> None:
    before = store.last_revision().number
    answer = door.post("/observations/scan?apply=true", "ivy", content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "source_invalid")
    assert store.last_revision().number == before


def test_who_observes_needs_the_permission_everywhere(door: Door) -> None:
    assert door.post("/observations/scan", content=BODY).status_code == 401
    for name in ("rita", "local"):
        answer = door.post("/observations/scan", name, content=BODY)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


def test_who_may_not_read_everything_gets_numbers_only(door: Door) -> None:
    plan = door.post("/observations/scan", "nmap-tool", content=BODY).json()
    assert (plan["entries"], plan["entries_total"]) == ([], 3)
    assert plan["counts"]["created"] == 3


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/xml"}, 415),
        ({"content-encoding": "br"}, 415),
        ({"content-type": "application/jsonl; charset=utf-8"}, 200),
    ],
)
def test_the_type_is_checked(door: Door, headers: dict[str, str], status: int) -> None:
    assert door.post("/observations/x", "ivy", headers=headers, content=BODY).status_code == status


@pytest.mark.parametrize("source", ["manual", "inferred", "%20"])
def test_names_that_no_source_may_have_are_refused(door: Door, source: str) -> None:
    answer = door.post(f"/observations/{source}", "ivy", content=BODY)
    assert answer.status_code == 400
    assert answer.json()["remedy"]


# -- signatures --------------------------------------------------------------------------------------


def signed(body: bytes, secret: str = "hush", at: float = 0) -> dict[str, str]:
    id, stamp = "msg_1", str(int(at or time.time()))
    mac = hmac.new(secret.encode(), f"{id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    value = f"v1,{base64.b64encode(mac).decode()}"
    return {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": value}


def post(
    door: Door, headers: dict[str, str], body: bytes = BODY, at: str = "scanner"
) -> httpx.Response:
    return door.post(f"/observations/{at}?apply=true", headers=headers, content=body)


def test_a_source_may_sign_what_it_sends(door: Door, store: GraphStore) -> None:
    rotated = signed(BODY)
    rotated["webhook-signature"] = f"v1,b2xk {rotated['webhook-signature']}"
    assert post(door, rotated).json()["counts"]["created"] == 3
    assert store.last_revision().actor == "scanner"


def test_what_is_not_signed_right_changes_nothing(door: Door, store: GraphStore) -> None:
    before = store.last_revision().number
    good = signed(BODY)
    for headers, body, at in (
        (signed(BODY, "wrong"), BODY, "scanner"),
        (good, BODY + line(9), "scanner"),
        (good, BODY, "other"),
        (signed(BODY, at=time.time() - 3600), BODY, "scanner"),
        (signed(BODY, at=time.time() + 3600), BODY, "scanner"),
        ({**good, "webhook-id": "msg_2"}, BODY, "scanner"),
        ({**good, "webhook-timestamp": "soon"}, BODY, "scanner"),
        ({**good, "webhook-timestamp": "9" * 100}, BODY, "scanner"),
        ({**good, "webhook-signature": ""}, BODY, "scanner"),
        ({**good, "webhook-signature": "v1,"}, BODY, "scanner"),
    ):
        answer = post(door, headers, body, at)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert "hush" not in answer.text
    assert store.last_revision().number == before


def test_observations_change_no_tree_and_no_user_name(store: GraphStore) -> None:
    people = (principal("tool", Permission.OBSERVE), everything("root"))
    door = Door(store, people)
    top, city, other = (add(store, "CityCompany", f"{name} company") for name in ("A", "B", "C"))
    commit(store, Relate(city, "PART_OF", top))

    def post(by: str, *things: Any) -> httpx.Response:
        body = b"\n".join(json.dumps(thing).encode() for thing in things)
        return door.post("/observations/hr?apply=true", by, content=body)

    def company(name: str, above: str = "") -> dict[str, Any]:
        said = {"type": "CityCompany", "key": name, "attributes": {"name": f"{name} company"}}
        link = {"name": "PART_OF", "to": company(above)} if above else None
        return {**said, "links": [link] if link else []}

    def person(username: str) -> dict[str, Any]:
        said = {"name": "Li", "employee_number": "E-1001", "username": username}
        link = {"name": "organisation", "to": company("A")}
        return {"type": "Person", "key": "1001", "attributes": said, "links": [link]}

    def state() -> tuple[list[str], str]:
        near = store.neighbours([city, other], ["PART_OF"], "out")
        (li,) = store.find(Query("Person")).records  # what was set by hand, sources do not change
        return [n.record.id for n in near], li.attributes["username"]

    assert post("tool", person("li")).json()["code"] == "not_allowed"
    assert post("root", person("li")).status_code == 200

    for thing in (company("C", "A"), person("wang")):
        refused = post("tool", thing)
        assert refused.status_code == 403, refused.text
        assert refused.json()["code"] == "not_allowed"
        assert state() == ([top], "li")
    for thing in (company("B", "A"), person("li"), {**company("D"), "links": []}):
        assert post("tool", thing).status_code == 200  # changes neither
    assert post("root", company("C", "A"), person("wang")).status_code == 200
    assert state() == ([top, top], "wang")
