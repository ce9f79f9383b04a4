"""Many clients at once, each on a connection of its own: ``python -m bench.crowd``, a process of its own.

Standard input says whom to ask what, how many clients, and for how long; standard output gets what
they met. Plain HTTP/1.1 on asyncio's streams, so that the clients take as little as possible of the
cores that they share with the server.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np

FAILED = b'"errors"'
PATIENCE = 60.0


class Met(NamedTuple):
    """What the clients met; seconds, of all questions."""

    answers: int
    errors: int
    p50: float
    p99: float
    longest: float


def crowd(url: str, token: str, bodies: Sequence[str], clients: int, seconds: float) -> Met:
    """Let so many clients ask, one question after the other, for so long."""
    given = [url, token, list(bodies), clients, seconds]
    done = subprocess.run(
        [sys.executable, "-m", "bench.crowd"],
        input=json.dumps(given), stdout=subprocess.PIPE, check=True, text=True,
    )  # fmt: skip
    return Met(*json.loads(done.stdout))


class _Client:
    """One connection that asks again and again."""

    def __init__(self, url: str, token: str, bodies: Sequence[str]) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.requests = [_request(parts.netloc, parts.path, token, body) for body in bodies]
        self.taken: list[float] = []
        self.errors = 0

    async def run(self, first: int, end: float) -> None:
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=2**24)
        number = first
        while time.monotonic() < end:
            begin = time.perf_counter()
            writer.write(self.requests[number % len(self.requests)])
            try:
                good = await asyncio.wait_for(_good(reader), PATIENCE)
            except (OSError, EOFError, TimeoutError):
                self.errors += 1
                break
            self.taken.append(time.perf_counter() - begin)
            self.errors += not good
            number += 1
        writer.close()


def _request(host: str, path: str, token: str, body: str) -> bytes:
    said = body.encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(said)}\r\n\r\n"
    )
    return head.encode() + said


async def _good(reader: asyncio.StreamReader) -> bool:
    """Read an answer; tells whether it is one without errors."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    [length] = [x for x in head.split(b"\r\n") if x.startswith(b"content-length:")]
    body = await reader.readexactly(int(length.partition(b":")[2]))
    return head.startswith(b"http/1.1 200") and FAILED not in body


async def _ask(url: str, token: str, bodies: list[str], clients: int, seconds: float) -> Met:
    crowd = [_Client(url, token, bodies) for _ in range(clients)]
    end = time.monotonic() + seconds
    await asyncio.gather(*(client.run(number, end) for number, client in enumerate(crowd)))
    taken = np.array([each for client in crowd for each in client.taken])
    errors = sum(client.errors for client in crowd)
    p50, p99 = np.percentile(taken, (50, 99)).tolist()
    return Met(len(taken), errors, p50, p99, float(taken.max()))


if __name__ == "__main__":
    json.dump(asyncio.run(_ask(*json.load(sys.stdin))), sys.stdout)
