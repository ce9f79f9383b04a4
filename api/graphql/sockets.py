"""GraphQL by WebSocket (graphql-transport-ws): what is no message closes it, what leaves takes nothing with it.

A WebSocket is signed in by the cookie of a session, if it comes from a page of ours, or by an access token:
in the header, or in the payload of ``connection_init``, as browsers can send no header. It may stay open for
long, so who asks is looked up anew for each operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from graphql import GraphQLError
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
)

from api.context import Context
from schema.errors import CmdbError

if TYPE_CHECKING:
    from api.graphql.http import Door

SIGN_IN_AGAIN: Final = 4401
REASON: Final = 123
"""Most bytes of a reason for closing: what a control frame has room for."""
ID: Final = 100
"""Most characters of an operation's id: every message about it has it."""


class Wire(ASGIWebSocketAdapter):
    """Sends messages as text, as the protocol has it, and minds that the other side may be gone."""

    async def send_json(self, message: Mapping[str, object]) -> None:
        if self.ws.application_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnected
        encoded = self.view.encode_json(message)
        try:
            await self.ws.send_text(encoded.decode() if isinstance(encoded, bytes) else encoded)
        except WebSocketDisconnect as error:
            raise WebSocketDisconnected from error

    async def close(self, code: int, reason: str) -> None:
        if self.ws.application_state is WebSocketState.DISCONNECTED:
            return
        told = reason.encode(errors="replace")[:REASON].decode(errors="ignore")
        with suppress(WebSocketDisconnect):
            await self.ws.close(code, told)


class Socket(BaseGraphQLTransportWSHandler[Context, None]):
    """One WebSocket."""

    view: Door

    async def handle_message(self, message: Any) -> None:
        """Do what a message says; what is no message of the protocol closes the socket."""
        if (wrong := mistake(message)) is not None:
            await self.handle_invalid_message(wrong)
        elif message["type"] == "subscribe" and self._full(message["id"]):
            await self.send_message(
                {"id": message["id"], "type": "error", "payload": [self._too_many().formatted]}
            )
        else:
            await super().handle_message(message)

    def _full(self, id: str) -> bool:
        most = self.max_subscriptions_per_connection
        known = not self.connection_acknowledged or id in self.operations
        return most is not None and len(self.operations) >= most and not known

    def _too_many(self) -> GraphQLError:
        most = self.max_subscriptions_per_connection
        told = {"code": "too_many_subscriptions", "remedy": "Complete some, or open another one."}
        return GraphQLError(f"This WebSocket has its most operations, {most}.", extensions=told)

    async def run_operation(self, operation: Any) -> None:
        """Run an operation for who it is by now, with the model of now."""
        try:
            context = await run_in_threadpool(self.view.renewed, self.context)
        except CmdbError as error:
            await self.websocket.close(SIGN_IN_AGAIN, error.message)
            return
        self.context, self.schema = context, self.view.schema
        try:
            await super().run_operation(operation)
        finally:
            context.cancel()

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        """What is wrong with one operation is told of that one."""
        return None

    async def handle_task_exception(self, error: Exception) -> None:
        """That nobody hears it any more is no defect."""
        if not isinstance(error, WebSocketDisconnected):
            await super().handle_task_exception(error)


def mistake(message: Any) -> str | None:
    """What makes a message none of the protocol; None if it may be one."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "A message is an object with a type."
    kind, payload = message["type"], message.get("payload")
    if kind in ("subscribe", "complete"):
        id = message.get("id")
        if not isinstance(id, str) or not 0 < len(id) <= ID:
            return f"An id is a string of 1 to {ID} characters."
    if kind != "subscribe":
        return None
    if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
        return "The payload of subscribe is an object with a query."
    if not isinstance(payload.get("variables"), dict | None):
        return "variables is an object."
    if not isinstance(payload.get("operationName"), str | None):
        return "operationName is a string."
    return None
