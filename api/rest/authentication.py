"""Who asks, read off a request: an access token, or the cookie of a session.

A page of another site makes browsers send the cookie along, too. So with a session every change, and every
WebSocket, must show that it comes from a page of ours: by its Origin, and a change by the CSRF token as well.
"""

from __future__ import annotations

import hmac
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response

from api.access.accounts import Accounts
from api.access.audit import Audit
from api.access.authenticator import Authenticator, Below, Grants
from api.access.errors import UnauthenticatedError
from api.access.passwords import Passwords
from api.access.principals import Principal
from api.access.sessions import Sessions, csrf_token
from api.access.sign_in import PasswordSignIn, SignIn
from api.access.throttle import Throttle
from api.access.tokens import Tokens
from api.settings import Settings
from cmdb.store import GraphStore
from lifecycle.refusals import NotAllowedError

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
CSRF_HEADER: Final = "x-csrf-token"
COOKIE: Final = "cmdb_session"
DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class RequestAuthenticator:
    """Says who asks, for the doors that speak HTTP.

    Attributes
    ----------
    known
        Whose tokens and sessions are.
    sign_in
        How sessions are come by.
    """

    def __init__(self, authenticator: Authenticator, sign_in: SignIn, settings: Settings) -> None:
        self.known, self.sign_in, self._settings = authenticator, sign_in, settings

    @property
    def cookie(self) -> str:
        """The name of the cookie; the prefix lets browsers take it from this host by TLS only."""
        return f"__Host-{COOKIE}" if self._settings.tls else COOKIE

    def session(self, connection: HTTPConnection) -> str:
        """The value of the session that is shown; empty without one, or beside a token."""
        shown = "authorization" in connection.headers
        return "" if shown else connection.cookies.get(self.cookie, "")

    def authenticate(self, connection: HTTPConnection) -> Principal:
        """Who asks.

        Raises
        ------
        UnauthenticatedError
        NotAllowedError
            It comes from a page of somebody else, or without the CSRF token.
        """
        address = address_of(connection)
        header = connection.headers.get("authorization")
        if header is not None:
            scheme, _, secret = header.partition(" ")
            if scheme.lower() != "bearer":
                raise UnauthenticatedError(
                    "That is no way to sign in here.", "Send `Authorization: Bearer …`."
                )
            return self.known.by_token(secret.strip(), address)
        value = self.session(connection)
        if not value:
            raise UnauthenticatedError(
                "Nobody has signed in.", "Sign in, or send a token: `Authorization: Bearer …`."
            )
        principal = self.known.by_session(value, address)
        self.check_origin(connection)
        if connection.scope["type"] == "http" and connection.scope["method"] not in SAFE:
            given = connection.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(given.encode(), csrf_token(value).encode()):
                raise NotAllowedError(
                    "The request lacks the CSRF token of its session.",
                    f"Send what `GET /me` gives as `{CSRF_HEADER}`.",
                )
        return principal

    def check_origin(self, connection: HTTPConnection) -> None:
        """Refuse what a page of somebody else asks; a WebSocket always says whose page it is of.

        Raises
        ------
        NotAllowedError
        """
        origin = connection.headers.get("origin")
        if origin is None and connection.scope["type"] != "websocket":
            return
        if origin in self._settings.origins or _same(origin or "", connection, self._settings.tls):
            return
        raise NotAllowedError(
            "The request comes from a page of another site.",
            "An operator allows its origin by the setting `origins`.",
        )

    def begin(self, response: Response, value: str) -> None:
        """Let the browser keep a session."""
        response.set_cookie(
            self.cookie,
            value,
            path="/",
            secure=self._settings.tls,
            httponly=True,
            samesite="strict",
        )

    def end(self, response: Response) -> None:
        """Let the browser forget it."""
        response.delete_cookie(
            self.cookie, path="/", secure=self._settings.tls, httponly=True, samesite="strict"
        )


def authentication(
    store: GraphStore,
    settings: Settings,
    audit: Audit,
    grants: Grants,
    below: Below = frozenset,
    passwords: Passwords | None = None,
) -> RequestAuthenticator:
    """All that says who asks, over a store."""
    accounts = Accounts(store, passwords)
    sessions = Sessions(store, settings.session_idle, settings.session_lifetime)
    tokens, throttle = Tokens(store), Throttle(store)
    known = Authenticator(accounts, tokens, sessions, audit, grants, below, throttle=throttle)
    sign_in = PasswordSignIn(accounts, throttle, audit)
    return RequestAuthenticator(known, sign_in, settings)


def address_of(connection: HTTPConnection) -> str:
    """Where a request comes from."""
    return connection.client.host if connection.client else ""


def _same(origin: str, connection: HTTPConnection, tls: bool) -> bool:
    """Whether an origin is the server itself, by the name it was asked by."""
    try:
        found = urlsplit(origin)
        port = found.port or DEFAULT_PORTS.get(found.scheme)
        asked = urlsplit(f"//{connection.headers.get('host', '')}")
        there = asked.port or DEFAULT_PORTS["https" if tls else connection.url.scheme]
    except ValueError:
        return False
    fits = found.scheme == "https" if tls else found.scheme in ("http", "https")
    return fits and bool(found.hostname) and (found.hostname, port) == (asked.hostname, there)
