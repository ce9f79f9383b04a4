"""What a browser is made to send by other pages, and what a socket may send that is no browser's, to a real server."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from api.access.principals import Permission
from api.connections import LIMIT
from cmdb.change_sets import Relate
from cmdb.store import create_store, open_store
from tests.support.access import PASSWORD, Company
from tests.support.api_process import PATIENCE, Served, served
from tests.support.building import commit
from tests.support.live import PROTOCOL
from tests.support.observing import shipped_model

CONSOLE: Final = "https://console.example.org"
ALIKE: Final = (
    "https://console.example.org.evil.example",
    "https://evil.example/https://console.example.org",
    "http://console.example.org",
    "https://console.example.org:444",
    "https://console.example.org@evil.example",
    "https://xconsole.example.org",
    "null",
    "",
    "file://",
    "http://localhost",
    "http://localhost:1",
    "http://localhost.evil.example",
)
CREATE: Final = (
    """mutation { createRecord(record: {room: {name: "made by another page"}}) { __typename } }"""
)
BODIES: Final = {
    "/graphql": {"query": CREATE},
    "/sign-in": {"name": "li", "password": PASSWORD},
    "/password": {"password": PASSWORD, "new_password": "a password of another page"},
}
SIMPLE: Final = (
    "text/plain",
    "text/plain; application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "",
)
"""What a page may send without asking before."""
CONTEXT: Final = ssl.create_default_context()
REFUSED: Final = ("403", "4403")
"""How a WebSocket is refused: at the handshake, or when it should sign in."""


def ask(method: str, url: str, **more: Any) -> httpx.Response:
    """A request of its own: with no cookie but those that are said."""
    return httpx.request(method, url, timeout=PATIENCE, verify=CONTEXT, **more)


class Attacked:
    """A server, somebody who has signed in there, and the store."""

    def __init__(self, server: Served, url: str, token: str) -> None:
        self.server, self.store_url, self.token = server, url, token
        self.port, self.own = server.port, server.url.replace("127.0.0.1", "localhost")
        self.client = httpx.Client(base_url=self.own, timeout=PATIENCE)
        answer = self.client.post("/sign-in", json=BODIES["/sign-in"])
        assert answer.status_code == 200, answer.text
        self.csrf = str(answer.json()["csrf_token"])
        self.cookie = f"cmdb_session={answer.cookies['cmdb_session']}"

    def changing(self) -> list[tuple[str, str]]:
        """Every way to change something."""
        paths = self.client.get("/openapi.json").json()["paths"]
        every = [(method, path) for path, methods in paths.items() for method in methods]
        found = {(m.upper(), p.replace("{source}", "scan")) for m, p in every if m != "get"}
        assert len(found) >= 7
        return sorted({*found, ("POST", "/graphql")})

    def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> httpx.Response:
        """A request with the cookie, as it is said."""
        content = json.dumps(BODIES.get(path, {})).encode() if body is None else body
        said = {"cookie": self.cookie, **headers}
        return ask(method, f"{self.own}{path}", headers=said, content=content)

    def raw(self, *parts: bytes | str) -> bytes:
        """What comes back for some bytes, until the end."""
        answer = b""
        with (
            socket.create_connection(("127.0.0.1", self.port), PATIENCE) as wire,
            suppress(ConnectionError),
        ):
            for part in parts:
                wire.sendall(part.encode() if isinstance(part, str) else part)
            while chunk := wire.recv(65_536):
                answer += chunk
        return answer

    def get(self, *lines: str, target: str = "/me") -> int:
        """The status of a request of some header lines."""
        head = "".join(f"{line}\r\n" for line in (*lines, "Connection: close"))
        return status(self.raw(f"GET {target} HTTP/1.1\r\n{head}\r\n"))

    def revision(self) -> int:
        with open_store(self.store_url) as store:
            return store.last_revision().number


def status(answer: bytes) -> int:
    """Of the first answer; 0 for a connection that was cut off."""
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    folder = tmp_path_factory.mktemp("attacked")
    url = f"sqlite:///{folder}/cmdb.db"
    with create_store(url, shipped_model()) as store:
        company = Company(store)
        company.clock.at = datetime.now(UTC)
        company.with_password()
        commit(
            store,
            Relate(company.account, "HAS_ROLE", company.province, {"roles": ["administrator"]}),
        )
        tokens = company.process.tokens
        token = tokens.create("test", company.account, "t", [*Permission]).secret
    with served(folder, "--store", url, environment={"CMDB_ORIGINS": CONSOLE}) as server:
        made = Attacked(server, url, token)
        yield made
        made.client.close()
        assert server.stop() == 0
        log = server.log.read_text()
        assert "Traceback" not in log
        assert '"defect"' not in log
        assert made.cookie.partition("=")[2] not in log


# -- pages of other sites ---------------------------------------------------------------------------------


def test_a_page_of_another_site_changes_nothing(attacked: Attacked) -> None:
    other = ask("POST", f"{attacked.own}/sign-in", json=BODIES["/sign-in"])
    ours, theirs = {"x-csrf-token": attacked.csrf}, {"x-csrf-token": other.json()["csrf_token"]}
    evil = {"origin": "https://evil.example"}
    disguises: list[dict[str, str]] = [
        {},
        evil,
        {**ours, **evil},
        {**ours, "origin": "null"},
        theirs,
        {**theirs, "origin": attacked.own},
        {"origin": attacked.own},
        {"referer": f"{attacked.own}/", "origin": attacked.own, "x-csrf-token": ""},
        {"x-requested-with": "XMLHttpRequest", "x-http-method-override": "GET"},
    ]
    before = attacked.revision()
    for method, path in attacked.changing():
        for disguise in disguises:
            if path == "/sign-in" and disguise.get("origin") in (None, attacked.own):
                continue  # whoever knows the password may
            headers = {"content-type": "application/json", **disguise}
            answer = attacked.send(method, path, headers)
            assert answer.status_code == 403, (path, disguise, answer.text)
            assert "set-cookie" not in answer.headers
    assert attacked.revision() == before
    assert attacked.client.get("/me").status_code == 200


@pytest.mark.parametrize("kind", SIMPLE)
def test_simple_posts_change_nothing(attacked: Attacked, kind: str) -> None:
    """Of a browser, too, that would not say from where: what looks like JSON in them is not read."""
    before = attacked.revision()
    for method, path in attacked.changing():
        text = json.dumps(BODIES.get(path, {}))
        form = b"query=" + CREATE.encode() + b"&name=li&password=" + PASSWORD.encode()
        part = (
            f'--x\r\ncontent-disposition: form-data; name="operations"\r\n\r\n{text}\r\n--x--\r\n'
        )
        for body in (text.encode(), text.encode() + b"=", form, part.encode()):
            headers = {"content-type": kind} if kind else {}
            answer = attacked.send(method, path, headers, body)
            assert answer.status_code in (400, 403, 415), (path, kind, answer.text)
            assert "set-cookie" not in answer.headers
            signed = {**headers, "x-csrf-token": attacked.csrf, "origin": attacked.own}
            if path == "/graphql":
                assert attacked.send(method, path, signed, body).status_code == 415
    assert attacked.revision() == before


def test_what_is_asked_by_address_changes_nothing(attacked: Attacked) -> None:
    """Pictures, links and redirects bring the cookie along in a browser that knows no SameSite."""
    before = attacked.revision()
    for _, path in attacked.changing():
        for method in ("GET", "HEAD", "OPTIONS", "TRACE"):
            asked = ask(
                method,
                f"{attacked.own}{path}",
                params={"query": CREATE},
                headers={"cookie": attacked.cookie},
            )
            assert asked.status_code in (400, 404, 405), (method, path)
            assert "set-cookie" not in asked.headers
    assert attacked.revision() == before


@pytest.mark.parametrize("origin", ["https://evil.example", *ALIKE])
def test_other_origins_read_nothing(attacked: Attacked, origin: str) -> None:
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-csrf-token,authorization",
        "access-control-request-private-network": "true",
    }
    for path in ("/graphql", "/sign-in", "/me", "/exports/records", "/attachments", "/metrics"):
        preflight = ask("OPTIONS", f"{attacked.own}{path}", headers=asked)
        assert "access-control-allow-origin" not in preflight.headers
        assert "access-control-allow-private-network" not in preflight.headers
        read = attacked.client.get(path, headers={"origin": origin})
        assert "access-control-allow-origin" not in read.headers
        assert read.headers["cross-origin-resource-policy"] == "same-origin"
    for path in ("/me", "/exports/records"):
        assert attacked.client.get(path, headers={"origin": origin}).status_code == 403


def test_the_origin_that_is_named_reads(attacked: Attacked) -> None:
    read = attacked.client.get("/me", headers={"origin": CONSOLE})
    assert read.status_code == 200
    assert read.headers["access-control-allow-origin"] == CONSOLE
    assert "origin" in read.headers["vary"].lower()
    headers = {"origin": CONSOLE, "x-csrf-token": attacked.csrf, "content-type": "application/json"}
    query = json.dumps({"query": "{ revision { number } }"}).encode()
    assert attacked.send("POST", "/graphql", headers, query).status_code == 200


# -- the name of the server -------------------------------------------------------------------------------


def test_the_server_has_its_own_names_only(attacked: Attacked) -> None:
    """A name of somebody else's that leads to this machine makes a page of theirs one of the same origin."""
    port, cookie = attacked.port, f"Cookie: {attacked.cookie}"
    own = f"Host: localhost:{port}"
    assert attacked.get(own, cookie) == 200
    for host in (
        f"evil.example:{port}", "localhost.evil.example", "localhost@evil.example", "evil.example#localhost",
        "127.0.0.1.evil.example", "2130706433", "0.0.0.0", "[::]", "[::1", "",
    ):  # fmt: skip
        evil = f"Host: {host}"
        origin = f"Origin: http://{host}"
        assert attacked.get(evil, cookie) == 400, host
        assert attacked.get(evil, origin, cookie, f"X-CSRF-Token: {attacked.csrf}") == 400
        assert attacked.get(own, evil, cookie) == 400
        assert attacked.get(evil, own, cookie) == 400
    assert attacked.get(cookie) == 400
    evil = "evil.example"
    for name in ("X-Forwarded-Host", "X-Host", "X-Original-URL", "X-Rewrite-URL", "Forwarded"):
        value = f"host={evil}" if name == "Forwarded" else evil
        assert attacked.get(own, f"{name}: {value}", f"Origin: http://{evil}", cookie) == 403
    assert attacked.get(own, f"Origin: http://{evil}", cookie, target=f"http://{evil}/me") == 403


def test_where_it_comes_from_is_not_for_the_sender_to_say(attacked: Attacked) -> None:
    headers = {
        "x-forwarded-for": "203.0.113.9",
        "forwarded": "for=203.0.113.9",
        "x-real-ip": "203.0.113.9",
    }
    attacked.client.get("/me", headers=headers)
    assert "203.0.113.9" not in attacked.server.log.read_text()


# -- WebSockets -------------------------------------------------------------------------------------------


def conversation(
    url: str, headers: Mapping[str, str], origin: str | None, payload: Any = None
) -> str:
    """What a WebSocket is answered first; or how it ends."""
    try:
        with connect(
            url, subprotocols=[PROTOCOL], additional_headers=dict(headers), origin=origin  # type: ignore[arg-type]
        ) as wire:  # fmt: skip
            wire.send(json.dumps({"type": "connection_init", "payload": payload or {}}))
            return str(json.loads(wire.recv(PATIENCE))["type"])
    except ConnectionClosed as closed:
        return str(closed.rcvd and closed.rcvd.code)
    except InvalidStatus as refused:
        return str(refused.response.status_code)


def test_a_page_of_another_site_opens_no_websocket(attacked: Attacked) -> None:
    url, cookie = f"ws://localhost:{attacked.port}/graphql", {"cookie": attacked.cookie}
    for origin in ("https://evil.example", *ALIKE, None):
        assert conversation(url, cookie, origin) in REFUSED, origin
        shown = {**cookie, "x-csrf-token": attacked.csrf}
        assert conversation(url, shown, origin, {"x-csrf-token": attacked.csrf}) in REFUSED
    for origin in (attacked.own, CONSOLE):
        assert conversation(url, cookie, origin) == "connection_ack"
        assert conversation(url, {}, origin) == "4403"
    # A token is in nobody's cookie: who sends it may be anywhere.
    token = {"authorization": f"Bearer {attacked.token}"}
    assert conversation(url, {}, None, token) == "connection_ack"
    evil = f"evil.example:{attacked.port}"
    request = (
        f"GET /graphql HTTP/1.1\r\nHost: {evil}\r\nOrigin: http://{evil}\r\nCookie: {attacked.cookie}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {PROTOCOL}\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert status(attacked.raw(request)) == 403


# -- sessions ---------------------------------------------------------------------------------------------


def test_a_cookie_is_for_this_server_and_no_script(attacked: Attacked) -> None:
    answer = ask("POST", f"{attacked.own}/sign-in", json=BODIES["/sign-in"])
    [cookie] = answer.headers.get_list("set-cookie")
    name, *said = cookie.split("; ")
    assert sorted(said) == ["HttpOnly", "Path=/", "SameSite=strict"]
    assert len(name.partition("=")[2]) >= 43
    assert answer.headers["cache-control"] == "no-store"
    assert name.partition("=")[2] not in answer.text
    kept = {"cookie": name}
    for path in ("/me", "/openapi.json", "/healthz", "/graphql", "/exports/records"):
        read = ask("GET", f"{attacked.own}{path}", headers=kept)
        assert "set-cookie" not in read.headers
        assert name.partition("=")[2] not in read.text


def test_a_planted_session_is_nobodys(attacked: Attacked) -> None:
    """Who can make a browser keep a cookie gains nothing from knowing it."""

    def asked(cookie: str) -> int:
        return ask("GET", f"{attacked.own}/me", headers={"cookie": cookie}).status_code

    def signed_in(cookie: str = "") -> str:
        headers = {"cookie": cookie} if cookie else {}
        answer = ask("POST", f"{attacked.own}/sign-in", json=BODIES["/sign-in"], headers=headers)
        assert answer.status_code == 200
        return f"cmdb_session={answer.cookies['cmdb_session']}"

    for planted in ("chosen", "a" * 43, "../session", "%00", '"', "x; cmdb_session=y", "x" * 4_000):
        begun = signed_in(f"cmdb_session={planted}")
        assert planted not in begun
        assert asked(f"cmdb_session={planted}") == 401
        assert asked(begun) == 200
    attackers = signed_in()
    victims = signed_in(attackers)
    assert attackers != victims
    assert asked(attackers) == 401
    assert asked(victims) == 200
    for name in ("__Host-cmdb_session", "CMDB_SESSION", "xcmdb_session"):
        assert asked(victims.replace("cmdb_session", name)) == 401
    csrf = ask("GET", f"{attacked.own}/me", headers={"cookie": victims}).json()
    ended = ask(
        "POST",
        f"{attacked.own}/sign-out",
        headers={"cookie": victims, "x-csrf-token": csrf["csrf_token"]},
    )
    assert ended.status_code == 204
    assert asked(victims) == 401


# -- heads ------------------------------------------------------------------------------------------------


def test_a_head_without_an_end_is_cut_off(attacked: Attacked) -> None:
    line = f"GET /me HTTP/1.1\r\nHost: localhost:{attacked.port}\r\nCookie: cmdb_session="
    assert status(attacked.raw(line, b"a" * 16 * LIMIT)) in (431, 0)
    assert attacked.get(f"Host: localhost:{attacked.port}", target="/healthz") == 200


def test_trailers_sign_nobody_in(attacked: Attacked) -> None:
    query = json.dumps({"query": "{ revision { number } }"})
    begin = (
        f"POST /graphql HTTP/1.1\r\nHost: localhost:{attacked.port}\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    )
    body = f"\r\n{len(query):x}\r\n{query}\r\n0\r\n"
    token = f"Authorization: Bearer {attacked.token}\r\n"
    assert status(attacked.raw(begin, token, body, "\r\n")) == 200
    assert status(attacked.raw(begin, body, token, "\r\n")) == 401
