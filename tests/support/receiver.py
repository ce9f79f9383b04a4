"""A receiver of webhooks on the loopback: it answers as it is told to, and keeps what it was sent."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Received(NamedTuple):
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """
    Attributes
    ----------
    answers
        Status of the answers that come next; 204 when there are none left.
    open
        While it is not set, no answer is given.
    """

    def __init__(self, port: int = 0) -> None:
        self.received: list[Received] = []
        self.answers: deque[int] = deque()
        self.open = threading.Event()
        self.open.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                said = {name.lower(): value for name, value in self.headers.items()}
                outer.received.append(Received(said, body))
                outer.open.wait()
                self.send_response(outer.answers.popleft() if outer.answers else 204)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def names(self) -> list[str]:
        """What the records are called that it was told of, in order."""
        return [str(r.event["data"]["record"]["attributes"]["name"]) for r in self.received]

    def close(self) -> None:
        self.open.set()
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    made = Receiver(port)
    try:
        yield made
    finally:
        made.close()
