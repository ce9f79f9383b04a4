"""Around every request: ids, headers, limits, logs; and that nothing hostile makes a defect."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.access.principals import Permission
from api.logs import configure_logs, scrub
from cmdb.store import create_store
from schema.model import Model
from tests.support.api_door import Door, principal

PATHS = (
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/graphql",
    "/attachments",
    "/attachments/x",
    "/exports/records",
    "/exports/ledger",
    "/exports/graph",
    "/exports/figures",
    "/observations/x",
    "/static/graphiql/boot.js",
    "/no/such",
)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Iterator[Door]:
    """Over a small store; root may do everything."""
    with create_store(f"sqlite:///{tmp_path_factory.mktemp('door')}/store.db", model) as store:
        yield Door(store, [principal("root", *Permission)], request_limit=10_000)


def test_every_answer_has_the_security_headers(door: Door) -> None:
    for path in PATHS:
        headers = door.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "strict-transport-security" not in headers
        assert "server" not in headers


def test_by_tls_it_says_so_for_long(tmp_path: Path, model: Model) -> None:
    with create_store(f"sqlite:///{tmp_path}/store.db", model) as store:
        answer = Door(store, behind_proxy=True).get("/healthz")
    assert answer.headers["strict-transport-security"].startswith("max-age=")


def test_a_request_id_is_kept_if_it_is_one(door: Door) -> None:
    given = "trace-0123456789.a_b"
    assert door.get("/healthz", headers={"x-request-id": given}).headers["x-request-id"] == given
    for bad in ("", "short", "x" * 65, "a b c d e f g", "<script>alert(1)"):
        found = door.get("/no", headers={"x-request-id": bad})
        assert re.fullmatch(r"[0-9a-f]{32}", found.headers["x-request-id"])
        assert found.json()["request_id"] == found.headers["x-request-id"]


def test_errors_are_problem_details(door: Door) -> None:
    found = door.get("/no/such")
    assert found.status_code == 404
    assert found.headers["content-type"] == "application/problem+json"
    said = found.json()
    assert said["status"] == 404
    assert {"title", "detail", "code", "remedy", "request_id"} <= said.keys()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_no_method_makes_a_defect(door: Door, method: str) -> None:
    for path in PATHS:
        assert door.ask(method, path, by="root").status_code < 500


def test_the_host_is_checked_where_it_is_set(door: Door) -> None:
    named = Door(door.services.store, hosts=["cmdb.test", "[::1]"])

    def asked(host: str, path: str = "/openapi.json") -> int:
        return named.get(path, headers={"host": host}).status_code

    assert {asked(host) for host in ("cmdb.test", "CMDB.test:8443", "[::1]:8443")} == {200}
    for host in ("evil.example", "cmdb.test.evil.example", "", "[", "[::1"):
        assert asked(host) == 400
    for path in ("/healthz", "/readyz", "/metrics"):  # watchers go by addresses
        assert asked("10.0.0.7:8000", path) == 200


def test_other_origins_may_ask_only_where_they_are_named(door: Door) -> None:
    asked = {"origin": "https://console.test", "access-control-request-method": "POST"}
    assert (
        "access-control-allow-origin" not in door.ask("OPTIONS", "/graphql", headers=asked).headers
    )
    named = Door(door.services.store, origins=["https://console.test"])
    allowed = named.ask("OPTIONS", "/graphql", headers=asked).headers
    assert allowed["access-control-allow-origin"] == "https://console.test"
    other = named.ask("OPTIONS", "/graphql", headers={**asked, "origin": "https://evil.test"})
    assert "access-control-allow-origin" not in other.headers


# -- limits ------------------------------------------------------------------------------------------


def test_a_huge_body_is_refused_whether_it_says_its_size_or_not(door: Door) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"x" * 100_000

    small = Door(
        door.services.store,
        [principal("root", *Permission)],
        upload_limit=50_000,
        observation_limit=50_000,
    )
    for path in ("/attachments?order=x&name=y", "/observations/x"):
        for content in (b"x" * 50_001, pieces()):
            answer = small.post(path, "root", content=content)
            assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    for length in ("99999999999", "-1", "1e9", "9" * 400, "x"):
        answer = door.post("/healthz", headers={"content-length": length}, content=b"")
        assert answer.status_code in (400, 413)


@given(
    path=st.sampled_from(PATHS),
    method=st.sampled_from(["GET", "POST", "PUT"]),
    query=st.dictionaries(
        st.sampled_from(["type", "where", "as_of", "columns", "format", "order", "name"])
        | st.text(max_size=5),
        st.text(max_size=30)
        | st.sampled_from(["{", '{"and": [' * 50, "1e5", "-1", "9" * 30, "[]"]),
        max_size=4,
    ),
    body=st.binary(max_size=200)
    | st.sampled_from([b"[" * 5000, b'{"type":' * 500, b"\xff\xfe\x00"]),
    kind=st.sampled_from(
        ["", "application/json; charset=bogus", "text/plain", "multipart/form-data", "x/y"]
    ),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_hostile_makes_a_defect(
    door: Door, path: str, method: str, query: dict[str, str], body: bytes, kind: str
) -> None:
    params = {k.encode("utf-8", "replace"): v.encode("utf-8", "replace") for k, v in query.items()}
    answer = door.ask(
        method, path, "root", params=params, content=body, headers={"content-type": kind}
    )
    assert answer.status_code < 500
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "target",
    [
        "/%00",
        "/%ff%fe",
        "/attachments/%2e%2e%2f%2e%2e",
        "/static/%2e%2e/app.py",
        "/static/..%2f..%2fapi/app.py",
        "/exports/records?where=%ff%fe",
        "/%F0%9F%92%A9",
    ],
)
def test_bad_encodings_are_answered(door: Door, target: str) -> None:
    assert 400 <= door.get(target, "root").status_code < 500


# -- defects -----------------------------------------------------------------------------------------


@pytest.fixture
def broken(door: Door) -> Door:
    """With a route that has a defect."""
    made = Door(door.services.store)

    @made.app.get("/broken")
    def defect() -> None:
        raise RuntimeError("password=hush")

    return made


def test_a_defect_is_told_without_the_inside(broken: Door, log: io.StringIO) -> None:
    answer = broken.get("/broken")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "hush" not in answer.text
    assert "RuntimeError" not in answer.text
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    told = next(line for line in lines if "exception" in line)
    assert told["request_id"] == answer.json()["request_id"]
    assert "RuntimeError" in told["exception"]
    assert "hush" not in log.getvalue()


# -- logs --------------------------------------------------------------------------------------------


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged, as JSON."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logs("debug", "json", stream)
    yield stream
    root.handlers[:], root.level = before


def test_requests_are_logged_without_secrets(door: Door, log: io.StringIO) -> None:
    door.post(
        "/observations/nmap?token=hush1",
        headers={
            "authorization": "Bearer hush2hush2",
            "cookie": "session=hush3",
            "x-request-id": "req-00001",
        },
        content=b'{"password": "hush4"}',
    )
    assert "hush" not in log.getvalue()
    line = next(json.loads(text) for text in log.getvalue().splitlines() if '"request"' in text)
    assert line["request_id"] == "req-00001"
    assert line["path"] == "/observations/nmap"
    assert line["route"] == "/observations/{source}"
    assert (line["method"], line["status"]) == ("POST", 401)


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer hush.hush-hush",
        "authorization=Basic aHVzaGh1c2g=hush",
        "headers {'cookie': 'hush'}",
        '{"password": "hush"}',
        "neo4j://ann:hush@db:7687",
        "got Bearer hushhush instead",
        "api_key=hush&x=1",
        "CMDB_METRICS_TOKEN=hush",
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str) -> None:
    assert "hush" not in scrub(text)


def test_lines_are_whole_whatever_is_in_them(capsys: Any, log: io.StringIO) -> None:
    logging.getLogger("x").info("two\nlines\x1b[31m %s", "and 中文")
    assert len(log.getvalue().splitlines()) == 1
    text = io.StringIO()
    configure_logs("info", "text", text)
    logging.getLogger("x").info("two\nlines\x1b[31m")
    assert len(text.getvalue().splitlines()) == 1
    assert "\x1b" not in text.getvalue()
