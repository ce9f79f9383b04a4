"""Heads that have no end, come too slowly, or that two would read differently, on a real socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import pytest

from api.connections import LIMIT, Connection
from tests.support.live import PATIENCE, live

HOST: Final = "Host: a\r\n"
MUCH: Final = b"a" * 16 * LIMIT
MANY: Final = b"X-A: b\r\n" * (2 * LIMIT)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the headers that it knows once all has come."""
    if scope["type"] == "lifespan":
        for what in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{what}.complete"})
        return
    while (message := await receive()).get("more_body"):
        pass
    if message["type"] != "http.disconnect":
        names = json.dumps([name.decode() for name, _ in scope["headers"]]).encode()
        length = [(b"content-length", str(len(names)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": names})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with live(echo) as port:
        yield port


def told(port: int, *parts: bytes | str) -> tuple[int, list[str]]:
    """The status and the headers of the last answer to some bytes; 0 where the connection was cut off."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as wire, suppress(ConnectionError):
        for part in parts:
            wire.sendall(part.encode() if isinstance(part, str) else part)
        while chunk := wire.recv(65_536):
            answer += chunk
    if not answer:
        return 0, []
    head, _, body = answer.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")
    return int(head[:3]), json.loads(body) if head.startswith(b"200") else []


def test_a_head_has_an_end(port: int) -> None:
    line = f"GET / HTTP/1.1\r\n{HOST}Connection: close\r\nX-A: "
    assert told(port, line, b"a" * (LIMIT // 2), "\r\n\r\n") == (200, ["host", "connection", "x-a"])
    for end in ("\r\n\r\n", ""):
        assert told(port, line, MUCH, end)[0] in (431, 0)
    assert told(port, "GET /", MUCH, f" HTTP/1.1\r\n{HOST}\r\n")[0] in (400, 431, 0)
    assert told(port, f"GET / HTTP/1.1\r\n{HOST}", MANY, "\r\n")[0] in (431, 0)
    many = f"GET / HTTP/1.1\r\n{HOST}\r\n" * (LIMIT // 16) + line + "\r\n\r\n"
    assert told(port, many)[0] == 200, "several requests are no long one"


def test_what_stands_beside_a_body_has_an_end_and_is_no_header(port: int) -> None:
    head = f"POST / HTTP/1.1\r\n{HOST}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    names = ["host", "connection", "transfer-encoding"]
    tiny = b"1\r\na\r\n" * LIMIT
    assert told(port, head, tiny, "0\r\n\r\n") == (200, names)
    assert told(port, head, f"{len(MUCH):x}\r\n", MUCH, "\r\n0\r\n\r\n") == (200, names)
    assert told(port, head, "1\r\na\r\n0\r\nAuthorization: b\r\n\r\n") == (200, names)
    for kept in (b"1;" + MUCH, b"0\r\nX-A: " + MUCH, b"0\r\n" + MANY):
        assert told(port, head, kept)[0] in (400, 431, 0)
    plain = f"POST / HTTP/1.1\r\n{HOST}Connection: close\r\nContent-Length: {len(MUCH)}\r\n\r\n"
    assert told(port, plain, MUCH)[0] == 200


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Content-Length: 2\r\nContent-Length: 30",
        "Content-Length: -2",
        "Content-Length: 2, 3",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "X-A : b",
        "X-A: a\r\n b",
        "X-A: a\0b",
        "X-A\rX-B: c",
        ": b",
    ],
)
def test_a_request_that_two_would_read_differently_is_none(port: int, lines: str) -> None:
    hidden = f"GET / HTTP/1.1\r\n{HOST}\r\n"
    assert told(port, f"POST / HTTP/1.1\r\n{HOST}{lines}\r\n\r\n0\r\n\r\n{hidden}")[0] == 400


def test_who_does_not_go_on_is_not_waited_for() -> None:
    class Impatient(Connection):
        seconds = 0.2

    with live(echo, Impatient) as port:
        for begun in ("", "GET", f"GET / HTTP/1.1\r\n{HOST}"):
            assert told(port, begun)[0] == 408
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as wire:
            for _ in range(3):
                wire.sendall(f"GET / HTTP/1.1\r\n{HOST}\r\n".encode())
                answer = b""
                while b'["host"]' not in answer:
                    answer += wire.recv(65_536)
