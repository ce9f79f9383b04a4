"""The transitions of every record: where it may go from its state, and why it may not go there now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, make_type, model_field
from api.graphql.lifecycle.acting import person, product, shown
from api.graphql.records import Records
from api.graphql.refusals import label_type, refusal_type
from api.graphql.views import View
from cmdb.records import Record
from lifecycle.engine import Choice, Engine
from lifecycle.refusals import NotAllowedError, Refusal
from schema.model import STATE_ATTRIBUTE, Transition
from schema.processes import SYSTEM


class Way(NamedTuple):
    """A transition, and what refuses it."""

    transition: Transition
    refusals: Sequence[Refusal]


@cache
def _transition_type() -> type:
    return make_type(
        "Transition",
        [
            model_field("name", str, read=lambda w: w.transition.name),
            model_field("label", label_type(), read=lambda w: w.transition.label),
            model_field(
                "target", str, "The state it leads to.", read=lambda w: w.transition.target
            ),
            model_field("allowed", bool, "Whether you may now.", read=lambda w: not w.refusals),
            model_field(
                "by",
                list[str],
                "Roles that may; `order`: a step of an order does it. All may if empty.",
                read=lambda w: list(w.transition.by),
            ),
            model_field(
                "refusals",
                list[refusal_type()],  # type: ignore[misc]
                "Why not, one for each guard, role or input that is missing.",
                read=lambda w: list(w.refusals),
            ),
        ],
        description="A way that leads from the state a record is in.",
    )


class Transitions:
    """Level field: the transitions of records. The number of statements does not grow with the records."""

    kind = "transitions"

    async def load(
        self, context: Context, views: Sequence[View], _: Mapping[str, Any]
    ) -> list[list[Way]]:
        return await context.call(lambda: self._load(context, views))

    def _load(self, context: Context, views: Sequence[View]) -> list[list[Way]]:
        now = [view.record.id for view in views if view.at is None]
        store = product(context, Permission.READ)
        records = store.get(now) if now else {}
        found = ways(context, Engine(store), list(records.values()))
        return [found.get(v.record.id, []) if v.at is None else [] for v in views]


def ways(context: Context, engine: Engine, records: Sequence[Record]) -> dict[str, list[Way]]:
    """The transitions of records as they are now; what refuses as it may be told."""
    if not records:
        return {}
    try:
        room = engine.room(person(context, engine.own_room().directory))
    except NotAllowedError as error:
        return {r.id: _for_nobody(engine, r, error) for r in records}
    choices = engine.choices_of(records, room, brief=True)
    every = [r for found in choices.values() for choice in found for r in choice.refusals]
    told = iter(shown(context, every))
    return {id: [_way(choice, told) for choice in found] for id, found in choices.items()}


def _way(choice: Choice, told: Any) -> Way:
    return Way(choice.transition, [next(told) for _ in choice.refusals])


def _for_nobody(engine: Engine, record: Record, error: NotAllowedError) -> list[Way]:
    machine = engine.store.model.record_types[record.type].state_machine
    state = str(record.attributes.get(STATE_ATTRIBUTE))
    why = Refusal(record.id, record.name, "role", error.message)
    found = machine.ways(state) if machine else ()
    return [Way(way, [why]) for way in found if SYSTEM not in way.by]


def record_fields(_: Records) -> list[ModelField]:
    return [
        model_field(
            "transitions",
            list[_transition_type()],  # type: ignore[misc]
            "The ways that lead from its state now, and why you may not take them; none of the past.",
            level=Transitions(),
            needs=(),
        )
    ]
