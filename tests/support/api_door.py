"""The server's application asked by ASGI, by people who have a token each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.requests import HTTPConnection

from api.access.errors import UnauthenticatedError
from api.access.principals import Grant, Permission, Principal
from api.app import create_app, make_services
from api.settings import Settings
from cmdb.store import GraphStore


def principal(name: str, *permissions: Permission, organisation: str | None = None) -> Principal:
    """Somebody with some permissions, everywhere or in one organisation."""
    return Principal(name, "", (Grant(frozenset(permissions), organisation),))


@dataclass
class Tokens:
    """Says who asks by the bearer token, which is their name."""

    known: dict[str, Principal] = field(default_factory=dict)

    def authenticate(self, connection: HTTPConnection) -> Principal:
        name = connection.headers.get("authorization", "").removeprefix("Bearer ")
        if name not in self.known:
            raise UnauthenticatedError("Nobody has this token.", "Send another.")
        return self.known[name]


class Door:
    """An application over a store.

    Parameters
    ----------
    people
        Who may ask, each with their name as token.
    guarded
        Everybody sees what their grants let them see; else all see everything.
    client
        Address that requests come from.
    settings
        Of the server, by name.
    """

    def __init__(
        self,
        store: GraphStore,
        people: Iterable[Principal] = (),
        *,
        guarded: bool = False,
        client: str = "127.0.0.1",
        **settings: Any,
    ) -> None:
        tokens = Tokens({one.name: one for one in people})
        self.services = make_services(store, Settings(**settings))
        self.services.authenticator = tokens
        if not guarded:
            self.services.guard = lambda store, _: store
        self.client = client
        self.app: FastAPI = create_app(self.services)

    def ask(
        self,
        method: str,
        path: str,
        by: str = "",
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        """One request; what is a defect is answered, not raised."""
        said = dict(headers or {})
        if by:
            said["authorization"] = f"Bearer {by}"

        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(
                self.app, raise_app_exceptions=False, client=(self.client, 1)
            )
            async with httpx.AsyncClient(
                transport=transport, base_url="http://cmdb.test"
            ) as client:
                return await client.request(method, path, headers=said, **more)

        return asyncio.run(request())

    def graphql(self, query: str, by: str, /, **variables: Any) -> Any:
        """The data that an operation gives; there must be no error."""
        answer = self.post("/graphql", by, json={"query": query, "variables": variables}).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def graphql_errors(self, query: str, by: str, /, **variables: Any) -> list[dict[str, Any]]:
        """The errors that an operation gives."""
        answer = self.post("/graphql", by, json={"query": query, "variables": variables}).json()
        errors: list[dict[str, Any]] = answer["errors"]
        return errors

    def get(self, path: str, by: str = "", **more: Any) -> httpx.Response:
        return self.ask("GET", path, by, **more)

    def post(self, path: str, by: str = "", **more: Any) -> httpx.Response:
        return self.ask("POST", path, by, **more)
