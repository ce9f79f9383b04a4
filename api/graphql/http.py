"""GraphQL over HTTP, and the one path of HTTP and WebSocket: who asks, in which schema."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from strawberry.exceptions import ConnectionRejectionError
from strawberry.fastapi import GraphQLRouter
from strawberry.http import GraphQLRequestData
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.unset import UNSET

from api.access.errors import UnauthenticatedError
from api.access.principals import Principal
from api.context import Context
from api.graphql.bodies import SEND, RequestError, check_media_type, read_body
from api.graphql.current import CurrentSchema
from api.graphql.errors import extensions
from api.graphql.persisted import Persisted, Served, UnknownOperationError
from api.graphql.schema import ModelSchema
from api.graphql.sockets import Socket, Wire
from api.requests import left
from api.rest.problems import CLIENT_GONE
from lifecycle.refusals import NotAllowedError
from schema.errors import CmdbError

if TYPE_CHECKING:
    from api.app import Services


NOBODY: Final = Principal("", "", ())
OPERATIONS: Final = 50
"""Most operations of one WebSocket at a time."""


class Door(GraphQLRouter[Context, None]):
    """The one path of GraphQL; its schema is that of the model the store has, once it has been built."""

    graphql_transport_ws_handler_class = Socket
    websocket_adapter_class = Wire

    def __init__(self, services: Services) -> None:
        self.services = services
        self.current = services.schema = CurrentSchema(services.store)
        schema = self.current.schema
        folder = services.settings.persisted_queries
        self.served = Served(folder) if folder else None
        if self.served is not None:
            self.served.check(schema.documents)
        self.persisted = self.served or Persisted()
        self._turns = asyncio.Semaphore(services.settings.threads)

        async def context(connection: HTTPConnection) -> Context:
            return await run_in_threadpool(self._context, connection)

        super().__init__(
            schema,
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
        return self.current.schema

    @schema.setter
    def schema(self, schema: ModelSchema) -> None:
        """The router sets the one it is made with; asked for, it is that of the model in use."""

    def decode_json(self, data: str | bytes) -> object:
        """What was sent; what is no JSON, or nested beyond measure, is the sender's mistake."""
        try:
            return super().decode_json(data)
        except (RecursionError, UnicodeDecodeError):
            raise json.JSONDecodeError("This is no JSON", "", 0) from None

    def encode_json(self, data: object) -> str | bytes:
        try:
            return orjson.dumps(data)
        except TypeError:  # a number of more than 64 bits
            return super().encode_json(data)

    def _context(self, connection: HTTPConnection) -> Context:
        if connection.scope["type"] == "websocket":
            return self._waiting(connection)
        return self._signed_in(connection)

    def _signed_in(self, connection: HTTPConnection) -> Context:
        base = self.services.context(connection)
        self.current.look()
        records = self.schema.records
        made = Context(
            self.services, base.principal, base.store, records, base.request_id, connection
        )
        made.served = self.served
        return made

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

    async def run(self, request: Any, context: Any = UNSET, root_value: Any = UNSET) -> Any:
        """One request; what is no request is answered in GraphQL's form."""
        if self.is_websocket_request(request):
            return await super().run(request, context, root_value)
        try:
            if request.method != "POST":
                raise HTTPException(405, "GraphQL is asked by POST")
            await request.body()
            work = self._in_turn(super().run(request, context, root_value))
            return await _while_there(request, context, work)
        except RequestError as error:
            return _answer(error.status, error)
        except UnknownOperationError as error:
            return _answer(200, error)
        except HTTPException as error:
            status = error.status_code
            return _answer(status, RequestError(f"{error.reason}.", SEND))

    async def _in_turn(self, work: Coroutine[Any, Any, Response]) -> Response:
        """Do a request's work when it is its turn: its seconds begin then, and no more are under way at
        once than may use the store."""
        try:
            async with self._turns:
                return await work
        finally:
            work.close()  # of one that never began

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        check_media_type(request.content_type or "")
        read = read_body(await request.get_body())
        query = self.persisted.text(read.get("query"), read.get("extensions") or {})
        if not query:
            raise RequestError("There is no `query`.", SEND)
        return GraphQLRequestData(
            query=query,
            variables=read.get("variables"),
            operation_name=read.get("operationName") or None,
            extensions=read.get("extensions"),
            protocol="http",
        )

    async def get_sub_response(self, request: Request) -> Response:
        """A response of this request's own: the router's is shared by all that run at once."""
        made = Response()
        del made.headers["content-length"]
        return made


async def _while_there(
    request: Request, context: Context, work: Coroutine[Any, Any, Response]
) -> Response:
    """The answer; if who asked goes away, what has not begun is not done."""
    working = asyncio.create_task(work)
    watching = asyncio.create_task(left(request))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        return Response(status_code=CLIENT_GONE)
    finally:
        watching.cancel()
        working.cancel()
        context.cancel()
        await asyncio.wait({working, watching})


def _answer(status: int, error: CmdbError) -> Response:
    headers = {"Allow": "POST"} if status == 405 else {}
    told = {"message": error.message, "extensions": extensions(error)}
    return JSONResponse({"errors": [told]}, status, headers)


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
