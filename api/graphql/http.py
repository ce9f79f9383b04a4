"""GraphQL over HTTP and WebSocket (graphql-transport-ws)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import orjson
from fastapi import APIRouter
from starlette.requests import HTTPConnection
from strawberry.fastapi import GraphQLRouter
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from api.context import Context
from api.graphql.schema import ModelSchema, build_schema

if TYPE_CHECKING:
    from api.app import Services

logger = logging.getLogger(__name__)


class Door(GraphQLRouter[Context, None]):
    """The one path of GraphQL; its schema is that of the model the store has now."""

    def __init__(self, services: Services) -> None:
        self.services = services

        async def context(connection: HTTPConnection) -> Context:
            return self._context(connection)

        super().__init__(
            build_schema(services.store.model),
            path="/graphql",
            graphql_ide=None,
            allow_queries_via_get=False,
            context_getter=context,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
        )

    @property  # type: ignore[override]
    def schema(self) -> ModelSchema:
        return build_schema(self.services.store.model)

    @schema.setter
    def schema(self, schema: ModelSchema) -> None:
        """The router sets the one it is made with; asked for, it is that of the model in use."""

    def encode_json(self, data: object) -> str | bytes:
        try:
            return orjson.dumps(data)
        except TypeError:  # a number of more than 64 bits
            return super().encode_json(data)

    def _context(self, connection: HTTPConnection) -> Context:
        base = self.services.context(connection)
        schema = self.schema
        return Context(self.services, base.principal, base.store, schema.records, base.request_id)


def router(services: Services) -> APIRouter:
    """The door to GraphQL over the services of a process."""
    return Door(services)
