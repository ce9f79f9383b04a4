"""Counting: how many records share values, and how many there are that the caller may not see."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import strawberry

from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.queries import AS_OF, moment
from api.graphql.records import Records
from api.graphql.scalars import JSON, Int64
from cmdb.queries import Query
from schema.model import ROOT, Model


class Counted(NamedTuple):
    """How many records have these values."""

    values: tuple[Any, ...]
    count: int  # type: ignore[assignment]
    names: tuple[str, ...]
    model: Model


def _values(counted: Counted) -> list[Any]:
    attributes = counted.model.attributes
    return [
        value if value is None or name not in attributes else attributes[name].kind.to_json(value)
        for name, value in zip(counted.names, counted.values, strict=True)
    ]


@cache
def count_type() -> type:
    """How many records share values."""
    return make_type(
        "ValueCount",
        [
            model_field(
                "values",
                list[JSON | None],
                "In the order they were asked for; null: no value.",
                read=_values,
            ),
            model_field("count", Int64, read=lambda c: c.count),
        ],
    )


@cache
def hidden_type() -> type:
    """How many records of an organisation the caller may not see."""
    return make_type(
        "HiddenCount",
        [
            model_field(
                "organisation",
                strawberry.ID | None,
                "Whose they are; null: nobody's.",
                read=lambda pair: pair[0],
            ),
            model_field("count", Int64, read=lambda pair: pair[1]),
        ],
        description="What is hidden, counted by organisation.",
    )


async def _counts(_: Any, info: Any, **given: Any) -> list[Counted]:
    context: Context = info.context
    store, names = context.store, tuple(given["by"])
    query = Query(
        given["type"],
        given.get("where") or None,
        organisation=given.get("organisation"),
        as_of=moment(given.get("asOf")),
    )
    counts = await context.call(lambda: store.count_by(query, names))
    return [Counted(c.values, c.count, names, store.model) for c in counts]


async def _hidden(_: Any, info: Any, **given: Any) -> list[tuple[str | None, int]]:
    store = info.context.store
    query = Query(given["type"], given.get("where") or None)
    found = await info.context.call(lambda: store.hidden(query))
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0] or ""))


def query_fields(_: Records) -> list[ModelField]:
    what = [argument("type", str, default=ROOT), argument("where", JSON | None)]
    organisation = argument("organisation", strawberry.ID | None, "And those below it.")
    return [
        model_field(
            "counts",
            list[count_type()],  # type: ignore[misc]
            "How many records share each combination of values; most first.",
            arguments=[
                *what,
                argument("by", list[str], "Attributes, or `type`."),
                organisation,
                AS_OF,
            ],
            resolve=_counts,
            cost=100,
        ),
        model_field(
            "hidden",
            list[hidden_type()],  # type: ignore[misc]
            "How many records that match you may not see, by organisation.",
            arguments=what,
            resolve=_hidden,
            cost=100,
        ),
    ]
