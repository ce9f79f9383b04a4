"""Connections of HTTP: what comes before a body is bounded, in bytes and in seconds.

uvicorn takes a head of any length, and waits for its end for as long as it does not come.
"""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LIMIT: Final = 64 * 1024
"""Most bytes of a request's head; of one that comes in a piece, some more."""
SECONDS: Final = 20.0
"""In which a head comes."""
CLOSED: Final = b"connection: close\r\ncontent-length: 0\r\n\r\n"
TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + CLOSED
TOO_LATE: Final = b"HTTP/1.1 408 Request Timeout\r\n" + CLOSED


class Connection(HttpToolsProtocol):
    """A connection that is cut off where its next request has no end.

    What the parser keeps to itself is bounded: the head, what stands beside the data of chunks, and the trailers,
    which are dropped, since they are no headers.
    """

    _heading = True
    """Whether the next head is not complete."""
    _kept = 0
    """Bytes since the parser last gave data, or a whole head."""
    _late: asyncio.TimerHandle | None = None
    seconds = SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._kept += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._kept > LIMIT:
            self._end(TOO_LARGE)
        elif self._heading and self._kept:
            self._wait()

    def on_headers_complete(self) -> None:
        self._wait_no_more()
        self._heading, self._kept = False, 0
        super().on_headers_complete()
        if not (self.parser.should_upgrade() and self._should_upgrade()):
            self.headers = []  # for trailers; those of the request are in its scope

    def on_body(self, body: bytes) -> None:
        self._kept = 0
        super().on_body(body)

    def on_chunk_complete(self) -> None:
        """The parser calls it at the end of each chunk."""
        self._kept = 0

    def on_message_complete(self) -> None:
        self._heading, self._kept = True, 0
        super().on_message_complete()

    def _wait(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.seconds, self._overdue)

    def _wait_no_more(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _overdue(self) -> None:
        self._late = None
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self._end(TOO_LATE)
        else:
            self._wait()

    def _end(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()
