"""The server's application on a real socket of the loopback, and a client of its subscriptions."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import uvicorn
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from api.connections import Connection
from api.serving import WEBSOCKET_LIMIT

PATIENCE = 30.0
PROTOCOL = Subprotocol("graphql-transport-ws")


def until(condition: Callable[[], Any]) -> Any:
    """Wait until something holds; gives it."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "it never came to hold"
        threading.Event().wait(0.02)
    return found


@contextmanager
def live(app: Any, http: type[Connection] = Connection) -> Iterator[int]:
    """Serve an application; gives the port."""
    config = uvicorn.Config(
        app,
        port=0,
        http=http,
        lifespan="on",
        log_config=None,
        ws_max_size=WEBSOCKET_LIMIT,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


class Subscriber:
    """One WebSocket that has signed in by a token."""

    def __init__(self, socket: ClientConnection, token: str) -> None:
        self.socket = socket
        self._numbers = count(1)
        self.send({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
        assert self.receive()["type"] == "connection_ack"

    def send(self, message: Any) -> None:
        self.socket.send(json.dumps(message))

    def receive(self) -> Any:
        message = self.socket.recv(PATIENCE)
        assert isinstance(message, str), "messages are text"
        return json.loads(message)

    def begin(self, query: str, **variables: Any) -> str:
        id = str(next(self._numbers))
        payload = {"query": query, "variables": variables}
        self.send({"id": id, "type": "subscribe", "payload": payload})
        return id

    def next(self) -> Any:
        """The data of the next message."""
        message = self.receive()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        (value,) = message["payload"]["data"].values()
        return value


@contextmanager
def subscriber(port: int, token: str, **more: Any) -> Iterator[Subscriber]:
    url = f"ws://127.0.0.1:{port}/graphql"
    with connect(url, subprotocols=[PROTOCOL], **more) as socket:
        yield Subscriber(socket, token)
