"""Whatever comes by a WebSocket: it is answered or closed with a code that the documentation has, nothing breaks,
and nothing goes on behind it."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import re
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from api.access.principals import everything
from api.logs import of_interest
from api.serving import WEBSOCKET_LIMIT
from cmdb.store import create_store
from schema.model import Model
from tests.api.test_fuzz import ANY, FUZZ
from tests.support.api_door import Door
from tests.support.building import add
from tests.support.live import PATIENCE, PROTOCOL, live, subscriber, until

ME: Final = "me"
DOCUMENTED: Final = {
    int(code)
    for row in re.findall(
        r"^\| ([\d, ]+) \|",
        (Path(__file__).parents[2] / "docs" / "graphql.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    for code in row.split(",")
}
INIT: Final = {"type": "connection_init", "payload": {"authorization": f"Bearer {ME}"}}
CHANGES: Final = "subscription { recordChanges(after: 0) { revision } }"
QUERIES: Final = [
    "{ __typename }",
    "{ servers { nodes { name } } }",
    "query A { __typename } query B { __typename }",
    "mutation { nothing }",
    "{",
    "",
    "{ " + "名" * 300 + " }",
    "{ " + "a " * 9_000 + "}",
    "{ servers(where: " + "[" * 500,
    CHANGES,
    "subscription { recordChanges(after: 99999) { revision } }",
    'subscription { importProgress(source: "x") { state } }',
    'subscription { impactChanges(of: ["x"]) { revision } }',
    "subscription { a: recordChanges { revision } b: recordChanges { revision } }",
]


class Errors(logging.Handler):
    """What is logged that must not be: defects, and whatever has a traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("websockets.client") or not of_interest(record):
            return  # this side's own; and what `configure_logs` leaves out
        if record.levelno >= logging.ERROR or record.exc_info:
            self.found.append(logging.Formatter().format(record))


class Served:
    """A server on a real socket; what runs in its event loop, and what it has logged."""

    def __init__(self, door: Door) -> None:
        self.door, self.port = door, 0
        self.loop: asyncio.AbstractEventLoop | None = None
        self.errors, self.quiet = Errors(), 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.loop = asyncio.get_running_loop()
        await self.door.app(scope, receive, send)

    def tasks(self) -> int:
        assert self.loop is not None
        return len(asyncio.all_tasks(self.loop))

    def check(self) -> None:
        """Nothing goes on, and nothing broke."""
        until(lambda: self.door.services.subscriptions.count == 0 and self.tasks() <= self.quiet)
        assert self.errors.found == []

    def connected(self, **more: Any) -> ClientConnection:
        url = f"ws://127.0.0.1:{self.port}/graphql"
        made: ClientConnection = connect(url, subprotocols=[PROTOCOL], **more)
        return made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Iterator[Served]:
    with create_store(f"sqlite:///{tmp_path_factory.mktemp('sockets')}/store.db", model) as store:
        add(store, "Server", "s1")
        made = Served(Door(store, [everything(ME)], guarded=True))
        logging.getLogger().addHandler(made.errors)
        try:
            with live(made) as made.port:
                made.quiet = made.tasks()
                yield made
        finally:
            logging.getLogger().removeHandler(made.errors)


def heard(client: ClientConnection, until_pong: bool = True) -> int | None:
    """Take what comes until all that was sent was looked at; gives the code, if the server closed."""
    try:
        if until_pong:
            client.send('{"type": "ping"}')
        while (text := client.recv(PATIENCE)) != '{"type":"pong"}':
            told(text)
    except ConnectionClosed as error:
        closed = error.rcvd
    else:
        return None
    assert closed is not None, "it was closed without a word"
    assert closed.code in DOCUMENTED, closed
    return int(closed.code)


def told(text: str | bytes) -> None:
    """A message is one of the protocol's, and what it tells of is no defect."""
    assert isinstance(text, str), "messages are text"
    message = json.loads(text)
    assert message["type"] in ("connection_ack", "next", "error", "complete", "pong"), message
    payload = message.get("payload")
    for error in payload if isinstance(payload, list) else (payload or {}).get("errors", ()):
        assert error["extensions"]["code"] != "internal", message
        assert error["extensions"]["remedy"], message


IDS: Final = st.sampled_from(["1", "2", "é", "x" * 101, "", "\ud800"]) | ANY
PAYLOADS: Final = st.fixed_dictionaries(
    {"query": st.sampled_from(QUERIES) | ANY},
    optional={"variables": ANY, "operationName": ANY, "extensions": ANY, "more": ANY},
)
TYPES: Final = st.sampled_from(
    ["connection_init", "subscribe", "subscribe", "complete", "ping", "pong", "next", "start", ""]
)
MESSAGES: Final = (
    st.fixed_dictionaries(
        {"type": TYPES | ANY}, optional={"id": IDS, "payload": PAYLOADS | PAYLOADS | ANY}
    )
    | st.fixed_dictionaries(
        {"type": st.just("subscribe"), "id": st.sampled_from("123"), "payload": PAYLOADS}
    )
    | st.fixed_dictionaries({"type": st.just("complete"), "id": st.sampled_from("123")})
    | ANY
)
STEPS: Final = st.lists(
    MESSAGES.map(json.dumps) | st.text(max_size=10) | st.binary(max_size=10), max_size=8
)


@settings(FUZZ, max_examples=60)
@given(signed_in=st.booleans(), steps=STEPS, leaves=st.booleans())
def test_any_conversation(
    server: Served, signed_in: bool, steps: list[str | bytes], leaves: bool
) -> None:
    with server.connected() as client:
        with suppress(ConnectionClosed):
            for step in [json.dumps(INIT)] * signed_in + steps:
                client.send(step)
        if leaves:
            with suppress(OSError):  # it is closed already
                linger = struct.pack("ii", 1, 0)
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                client.socket.close()  # no goodbye: the connection is reset
        else:
            heard(client)
    server.check()


KEY: Final = base64.b64encode(os.urandom(16)).decode()
HANDSHAKE: Final = (
    "GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n"
).encode()


def frame(first: int, mask: bool, said: int, content: bytes) -> bytes:
    """A frame that need not be one: any first byte, masked or not, and of any length it says."""
    flag = 0x80 if mask else 0
    if said < 126:
        head = bytes([first, flag | said])
    elif said < 2**16:
        head = bytes([first, flag | 126]) + struct.pack("!H", said)
    else:
        head = bytes([first, flag | 127]) + struct.pack("!Q", said)
    return head + (bytes(4) if mask else b"") + content


CONTENT: Final = st.binary(max_size=20) | st.just(json.dumps(INIT).encode())
FRAMES: Final = st.builds(
    lambda first, mask, said, content: frame(
        first, mask, len(content) if said is None else said, content
    ),
    st.sampled_from([0x81, 0x82, 0x01, 0x00, 0x80, 0x88, 0x89, 0x8A]) | st.integers(0, 255),
    st.booleans(),
    st.none() | st.sampled_from([0, 1, 125, 126, 2**16, 2**20, 2**40, 2**63 - 1, 2**63]),
    CONTENT,
)


def closing_code(raw: bytes) -> int | None:
    """The code in the close frame among what a server sent."""
    while len(raw) >= 2:
        first, length, raw = raw[0], raw[1], raw[2:]
        if length == 126:
            (length,), raw = struct.unpack("!H", raw[:2]), raw[2:]
        content, raw = raw[:length], raw[length:]
        if first & 0x0F == 8 and len(content) >= 2:
            return int(struct.unpack("!H", content[:2])[0])
    return None


@settings(FUZZ, max_examples=60)
@given(frames=st.lists(FRAMES | st.binary(max_size=30), max_size=4))
def test_any_frames(server: Served, frames: list[bytes]) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as raw:
        raw.sendall(HANDSHAKE)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += raw.recv(65_536)
        head, _, answer = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        with suppress(ConnectionError):  # it was reset while something was still on its way
            for one in frames:
                raw.sendall(one)
            with suppress(OSError):
                raw.shutdown(socket.SHUT_WR)
            while chunk := raw.recv(65_536):
                answer += chunk
    code = closing_code(answer)
    assert code is None or code in DOCUMENTED | {1000, *range(3000, 5000)}, (code, frames)
    server.check()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("[" * 100_000, 4400),
        ('{"a":' * 100_000, 4400),
        (json.dumps({"type": "ping", "payload": "x" * WEBSOCKET_LIMIT}), 1009),
        (json.dumps({"type": "subscribe", "id": "1", "payload": {"query": CHANGES}}), 4401),
        (json.dumps({**INIT, "payload": {"authorization": "Bearer nobody"}}), 4403),
        (b"\xff", 4400),
        ("1", 4400),
        ("[]", 4400),
        ('{"type": []}', 4400),
        ('{"type": "subscribe", "id": ["1"], "payload": {"query": "{ a }"}}', 4400),
    ],
)
def test_what_closes_it_and_with_which_code(server: Served, said: str | bytes, code: int) -> None:
    with server.connected() as client:
        client.send(said)
        assert heard(client, until_pong=False) == code
    server.check()


def test_after_signing_in_too(server: Served) -> None:
    begin = {"type": "subscribe", "id": "1", "payload": {"query": CHANGES}}
    for messages, code in (([INIT], 4429), ([begin, begin], 4409)):
        with server.connected() as client:
            for message in [INIT, *messages]:
                client.send(json.dumps(message))
            assert heard(client, until_pong=False) == code
        server.check()
    url = f"ws://127.0.0.1:{server.port}/graphql"
    with connect(url, subprotocols=None) as client:
        assert heard(client, until_pong=False) == 4406
    server.check()


def test_of_many_operations_some_are_refused_and_the_others_go_on(server: Served) -> None:
    with subscriber(server.port, ME) as client:
        ids = [client.begin(CHANGES) for _ in range(60)]
        told: dict[str, list[Any]] = {id: [] for id in ids}
        while not all(told.values()):
            message = client.receive()
            told[message["id"]].append(message)
        refused = [id for id, (first, *_) in told.items() if first["type"] == "error"]
        assert len(refused) == 10
        assert {told[id][0]["payload"][0]["extensions"]["code"] for id in refused} == {
            "too_many_subscriptions"
        }
        assert server.door.services.subscriptions.count == 50
        wrong = client.begin("{")
        while (message := client.receive())["id"] != wrong:
            pass
        assert message["type"] == "error"
        for id in ids:
            client.send({"id": id, "type": "complete"})
        until(lambda: server.door.services.subscriptions.count == 0)
        client.begin("{ __typename }")
        assert client.next() == "Query"
    server.check()
