"""What tools ask that work on any type: neighbours, the model itself, how much there is."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import strawberry

from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.queries import AS_OF, moment
from api.graphql.records import Records
from api.graphql.scalars import JSON, Int64
from api.graphql.views import View
from cmdb.errors import QueryError
from cmdb.records import Relationship
from schema.model import ROOT

IDS: int = 1_000
"""Most records whose neighbours one question asks for."""


class Near(NamedTuple):
    """A record next to one that was asked for, and the relationship between them as JSON."""

    of: str
    relationship: Relationship
    attributes: Any
    record: View


def _neighbour_type(records: Records) -> type:
    def end(name: str) -> Any:
        return lambda near: getattr(near.relationship, name)

    return make_type(
        "Neighbour",
        [
            model_field("of", strawberry.ID, "Which was asked for.", read=lambda near: near.of),
            model_field("source", strawberry.ID, read=end("source")),
            model_field("relationship", str, "Its type.", read=end("type")),
            model_field("target", strawberry.ID, read=end("target")),
            model_field("revision", Int64, read=end("revision")),
            model_field("attributes", JSON, read=lambda near: near.attributes),
            model_field("record", records.lazy(ROOT), read=lambda near: near.record),
        ],
        description="(source)-[:relationship]->(target), and the record at the other end.",
    )


async def _neighbours(_: Any, info: Any, **given: Any) -> list[Near]:
    context: Context = info.context
    store, at, ids = context.store, moment(given.get("asOf")), given["ids"]
    if len(ids) > IDS:
        raise QueryError(f"The neighbours of {len(ids)} records.", f"Ask for {IDS} at most.")
    direction = given["direction"]
    if direction not in ("out", "in", "both"):
        raise QueryError(f"There is no direction {direction!r}.", "Use out, in or both.")
    found = await context.call(lambda: store.neighbours(ids, given.get("types"), direction, at))
    write = store.model.to_json
    return [
        Near(n.of, n.relationship, write(n.relationship.attributes), context.view(n.record, at))
        for n in found
    ]


@cache
def _model_type() -> type:
    return make_type(
        "Model",
        [
            model_field("fingerprint", str, read=lambda m: m.fingerprint),
            model_field("document", str, "All declarations, as JSON.", read=lambda m: m.document),
        ],
        description="The model that the store has.",
    )


async def _model(_: Any, info: Any, **__: Any) -> Any:
    return info.context.store.model


@cache
def _statistics_type() -> type:
    return make_type(
        "Statistics",
        [
            model_field(name, type_, read=lambda s, n=held: getattr(s, n))  # type: ignore[misc]
            for name, type_, held in (
                ("records", Int64, "records"),
                ("relationships", Int64 | None, "relationships"),
                ("recordImages", Int64 | None, "record_images"),
                ("relationshipImages", Int64 | None, "relationship_images"),
                ("revisions", Int64, "revisions"),
            )
        ],
        description="How much the store holds: records that you see; null is told to who sees everything.",
    )


async def _statistics(_: Any, info: Any, **__: Any) -> Any:
    return await info.context.call(info.context.store.statistics)


def query_fields(records: Records) -> list[ModelField]:
    return [
        model_field(
            "neighbours",
            list[_neighbour_type(records)],  # type: ignore[misc]
            "All records next to some, by whatever relationship.",
            arguments=[
                argument("ids", list[strawberry.ID]),
                argument("types", list[str] | None, "Relationship types; all, if left out."),
                argument("direction", str, "out, in, or both.", default="both"),
                AS_OF,
            ],
            resolve=_neighbours,
            cost=100,
        ),
        model_field("model", _model_type(), resolve=_model, cost=100),
        model_field("statistics", _statistics_type(), resolve=_statistics, cost=100),
    ]
