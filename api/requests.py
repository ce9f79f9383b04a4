"""What happens around every request: its id, its line in the log, its measures, limits, and security headers.

Plain ASGI, so that what is streamed stays streamed.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.logs import request_id
from api.rest.problems import CLIENT_GONE, CODES, of_defect, problem

logger = logging.getLogger(__name__)

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The content security policy of everything that is no page."""
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
WATCHED: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked often, by machines, that know the server by its address."""
SMALLER: Final = CODES[413][1]
HSTS: Final = "max-age=31536000; includeSubDomains"
_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")


async def left(request: Request) -> None:
    """Wait until who asked is gone, or was answered; what they still send is dropped."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


class Watching(Protocol):
    """Measures requests."""

    def request(self, route: str, method: str, status: int, seconds: float) -> None: ...


class Requests:
    """The outermost layer.

    Parameters
    ----------
    limits
        Beginning of a path -> most bytes of a request; the longest that fits counts.
    hosts
        Names that the Host header may have; empty for any.
    tls
        Whether clients come by TLS.
    annotate
        Called with the id of each request: tells a trace of it.
    note
        Called with each request that is done, its route and its status.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: Mapping[str, int],
        hosts: tuple[str, ...] = (),
        tls: bool = False,
        watching: Watching,
        annotate: Callable[[str], None] = lambda _: None,
        note: Callable[[Scope, str, int], None] = lambda *_: None,
    ) -> None:
        self.app, self.hosts, self.tls = app, frozenset(hosts), tls
        self.limits = sorted(limits.items(), key=lambda entry: -len(entry[0]))
        self.watching, self.annotate, self.note = watching, annotate, note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        id = given if _ID.fullmatch(given) else uuid4().hex
        token = request_id.set(id)
        scope.setdefault("state", {})["request_id"] = id
        try:
            self.annotate(id)
            if scope["type"] == "http":
                await self._http(scope, headers, receive, send, id)
            else:
                await self._websocket(scope, headers, receive, send)
        finally:
            request_id.reset(token)

    async def _websocket(
        self, scope: Scope, headers: Headers, receive: Receive, send: Send
    ) -> None:
        if not self._host_allowed(headers):
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            await self.app(scope, receive, send)
        except Exception:
            logger.exception("defect", extra={"route": _route(scope)})

    async def _http(
        self, scope: Scope, headers: Headers, receive: Receive, send: Send, id: str
    ) -> None:
        answer = _Answer(send, id, self.tls)
        limited = _Limited(receive, self._limit(scope["path"]))
        begun = time.perf_counter()
        refused: ASGIApp | None = None
        try:
            if scope["path"] not in WATCHED and not self._host_allowed(headers):
                refused = problem(400, "wrong_host", "This server has another name.")
            elif limited.declared(headers):
                await self.app(scope, limited, answer.within(limited))
        except ClientDisconnect:
            if not limited.exceeded:
                answer.status = answer.status or CLIENT_GONE
        except Exception:
            logger.exception("defect", extra={"route": _route(scope)})
            if answer.status:
                raise  # what was begun is cut off, which can be seen
            refused = of_defect()
        finally:
            if limited.exceeded:
                refused = problem(413, "too_large", f"More than {limited.limit} bytes.", SMALLER)
            if refused is not None and not answer.status:
                await refused(scope, receive, answer)
            self._done(scope, answer.status, time.perf_counter() - begun)

    def _host_allowed(self, headers: Headers) -> bool:
        """Whether the Host header is there once, and names this server: another one may be looked at elsewhere."""
        given = headers.getlist("host")
        if len(given) > 1:
            return False
        host = given[0].lower() if given else ""
        name = host[: host.rfind("]") + 1] if host.startswith("[") else host.partition(":")[0]
        return not self.hosts or name in self.hosts

    def _limit(self, path: str) -> int:
        return next(limit for beginning, limit in self.limits if path.startswith(beginning))

    def _done(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = _route(scope)
        self.watching.request(route, method, status, seconds)
        self.note(scope, route, status)
        said = {
            "method": method,
            "path": scope["path"],
            "route": route,
            "status": status,
            "milliseconds": round(seconds * 1000, 1),
            "client": (scope.get("client") or ("", 0))[0],
            "principal": scope.get("state", {}).get("principal", ""),
        }
        quiet = route in WATCHED and status < 400
        logger.log(logging.DEBUG if quiet else logging.INFO, "request", extra=said)


def _route(scope: Scope) -> str:
    """The template of the path: few, whatever is asked for."""
    route = scope.get("route")
    return str(getattr(route, "path", "") or scope.get("root_path") or "other")


class _Limited:
    """What is received, up to a limit."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self.receive, self.limit = receive, limit
        self.count, self.exceeded = 0, False

    def declared(self, headers: Headers) -> bool:
        """Whether the length that is announced is within the limit."""
        length = headers.get("content-length", "0")
        self.exceeded = not length.isdecimal() or len(length) > 15 or int(length) > self.limit
        return not self.exceeded

    async def __call__(self) -> Message:
        message = await self.receive()
        if message["type"] == "http.request":
            self.count += len(message.get("body", b""))
            if self.count > self.limit:
                self.exceeded = True
                raise ClientDisconnect
        return message


class _Answer:
    """What is sent: with the headers that everything has, and its status known."""

    def __init__(self, send: Send, id: str, tls: bool) -> None:
        self.send, self.id, self.tls = send, id, tls
        self.status = 0

    def within(self, limited: _Limited) -> Send:
        """Drops what is said of a request that was too large, whoever says it: 413 comes instead."""

        async def send(message: Message) -> None:
            if not limited.exceeded or self.status:
                await self(message)

        return send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers["x-request-id"] = self.id
            headers.setdefault("cache-control", "no-store")
            if self.tls:
                headers["strict-transport-security"] = HSTS
        await self.send(message)
