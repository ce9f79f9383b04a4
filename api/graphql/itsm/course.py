"""What incidents went through: their states, what became of them, votes and comments."""

from __future__ import annotations

from typing import Any

from api.context import Context
from api.graphql.fields import ModelField, model_field
from api.graphql.itsm.moments import INCIDENT
from api.graphql.lifecycle.timelines import entry_type
from api.graphql.records import Records
from api.graphql.views import View
from lifecycle.resume import Entry, course


async def _course(view: View, info: Any, **_: Any) -> list[Entry]:
    context: Context = info.context
    store = context.store
    return await context.call(lambda: course(store, view.record, store.resolve(view.at)))


def type_fields(records: Records, name: str) -> list[ModelField]:
    if name != INCIDENT:
        return []
    return [
        model_field(
            "course",
            list[entry_type(records)],  # type: ignore[misc]
            "What it went through, the earliest first: states, what became of it, comments.",
            resolve=_course,
            cost=20,
        )
    ]
