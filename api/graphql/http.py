"""GraphQL over HTTP and WebSocket (graphql-transport-ws).

A WebSocket is signed in by the cookie of a session, if it comes from a page of ours, or by an access token:
in the header, or in the payload of ``connection_init``, as browsers can send no header. It may stay open for
long, so who asks is looked up anew for each operation.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from strawberry.exceptions import ConnectionRejectionError
from strawberry.fastapi import GraphQLRouter
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
)

from api.access.errors import UnauthenticatedError
from api.access.principals import Principal
from api.context import Context
from api.graphql.schema import ModelSchema, build_schema
from lifecycle.refusals import NotAllowedError
from schema.errors import CmdbError

if TYPE_CHECKING:
    from api.app import Services

logger = logging.getLogger(__name__)


NOBODY: Final = Principal("", "", ())
SIGN_IN_AGAIN: Final = 4401
OPERATIONS: Final = 50
"""Most operations of one WebSocket at a time."""


class Socket(BaseGraphQLTransportWSHandler[Context, None]):
    """One WebSocket."""

    view: Door

    async def run_operation(self, operation: Any) -> None:
        """Run an operation for who it is by now, with the model of now."""
        try:
            context = await run_in_threadpool(self.view.renewed, self.context)
        except CmdbError as error:
            await self.websocket.close(SIGN_IN_AGAIN, error.message[:100])
            return
        self.context, self.schema = context, self.view.schema
        await super().run_operation(operation)


class Door(GraphQLRouter[Context, None]):
    """The one path of GraphQL; its schema is that of the model the store has now."""

    graphql_transport_ws_handler_class = Socket

    def __init__(self, services: Services) -> None:
        self.services = services

        async def context(connection: HTTPConnection) -> Context:
            return await run_in_threadpool(self._context, connection)

        super().__init__(
            build_schema(services.store.model),
            path="/graphql",
            graphql_ide=None,
            allow_queries_via_get=False,
            context_getter=context,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            max_subscriptions_per_connection=OPERATIONS,
            allowed_origins=services.settings.origins,
        )

    @property  # type: ignore[override]
    def schema(self) -> ModelSchema:
        return build_schema(self.services.store.model)

    @schema.setter
    def schema(self, schema: ModelSchema) -> None:
        """The router sets the one it is made with; asked for, it is that of the model in use."""

    def _context(self, connection: HTTPConnection) -> Context:
        if connection.scope["type"] == "websocket":
            return self._waiting(connection)
        return self._signed_in(connection)

    def _signed_in(self, connection: HTTPConnection) -> Context:
        base = self.services.context(connection)
        records = self.schema.records
        return Context(
            self.services, base.principal, base.store, records, base.request_id, connection
        )

    def _waiting(self, connection: HTTPConnection) -> Context:
        """A WebSocket that may be signed in by what comes first."""
        try:
            return self._signed_in(connection)
        except (UnauthenticatedError, NotAllowedError):
            store = self.services.guard(self.services.store, NOBODY)
            id = connection.scope.get("state", {}).get("request_id", "")
            return Context(self.services, NOBODY, store, self.schema.records, id, connection)

    def renewed(self, context: Context) -> Context:
        """The same, for who they are by now.

        Raises
        ------
        UnauthenticatedError, NotAllowedError
        """
        assert context.connection is not None
        made = self._signed_in(context.connection)
        made.request = context.request
        return made

    async def on_ws_connect(self, context: Context) -> Any:
        """Sign in who has not, by the token that they send."""
        token, connection = token_of(context.connection_params), context.connection
        if token and connection is not None:
            headers = [h for h in connection.scope["headers"] if h[0] != b"authorization"]
            headers.append((b"authorization", f"Bearer {token}".encode()))
            context.connection = HTTPConnection({**connection.scope, "headers": headers})
        try:
            await run_in_threadpool(self.renewed, context)
        except CmdbError as error:
            raise ConnectionRejectionError from error
        return await super().on_ws_connect(context)


def token_of(payload: object) -> str:
    """The access token in the payload of ``connection_init``: ``{"authorization": "Bearer …"}``; empty
    without one."""
    given = payload if isinstance(payload, Mapping) else {}
    text = given.get("authorization") or given.get("Authorization") or ""
    scheme, _, secret = str(text).partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def router(services: Services) -> APIRouter:
    """The door to GraphQL over the services of a process."""
    return Door(services)
