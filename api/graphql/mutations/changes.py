"""Changes: drafted, and what they hold back. From state to state they go by `transitionRecord` and `voteOnOrder`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import strawberry

from api.access.guarded import GuardedStore
from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, argument, model_field
from api.graphql.itsm.moments import CHANGE
from api.graphql.itsm.telling import telling_rules
from api.graphql.mutations.doing import KEY, Ids, Work, doing
from api.graphql.mutations.ordering import DEVICES, Ordered, drafting, on_process
from api.graphql.mutations.writing import Writing, writing_of
from api.graphql.records import Records
from api.graphql.scalars import JSON
from cmdb.change_sets import Operation
from cmdb.plain_operations import read_operations
from itsm.changes.desk import Changes
from lifecycle.naming import process_type
from lifecycle.refusals import RequestError


def planning(writing: Writing) -> Work:
    """The work of `planChange`. Who attaches operations may write what they touch."""

    def plan(context: Context, ids: Ids, given: Mapping[str, Any]) -> Ordered:
        store, typed, plain = context.store, given.get("operations"), given.get("plainOperations")
        if typed is not None and plain is not None:
            raise RequestError("Operations are given twice.", "Give them in one of the two forms.")
        operations: Sequence[Operation] | None = None
        if typed is not None:
            operations = writing.operations(typed, ids)
        elif plain is not None:
            operations = read_operations(plain, ids)

        def allowed(chosen: Sequence[Operation]) -> None:
            if isinstance(store, GuardedStore):
                store.rehearse(chosen)

        def act(changes: Changes, me: str, said: Mapping[str, Any]) -> int:
            return changes.plan(said["change"], me, operations, allowed)

        work = on_process(Permission.ORDER, act, "change", lambda engine, _: Changes(engine))
        with telling_rules(context):
            done: Ordered = work(context, ids, given)
        return done

    return plan


def mutation_fields(records: Records) -> list[ModelField]:
    if CHANGE not in records.model.record_types:
        return []
    writing = writing_of(records)
    fields: list[tuple[str, str, list[Any], Work]] = [
        (
            "draftChange",
            "A draft of a change, by you, in your organisation unless another is named.",
            [
                argument("type", str, "NormalChange, or normal."),
                argument("attributes", JSON | None, "By the model's names: starts_at, ends_at, window_effect …"),
                *DEVICES, argument("reason", str | None),
            ],
            drafting(partial(process_type, base=CHANGE)),
        ),
        (
            "planChange",
            "Attach operations to your draft, held back until it is carried out; without any, those it has, on the graph as it is.",
            [
                argument("change", strawberry.ID, "Its id."),
                argument("operations", list[writing.inputs.operation] | None, "As of `applyChangeSet`; an empty list: none any more."),  # type: ignore[name-defined]
                argument("plainOperations", JSON | None, "As of `applyOperations`, instead."),
            ],
            planning(writing),
        ),
    ]  # fmt: skip
    return [
        model_field(
            name,
            records.results.ordered,
            text,
            arguments=[*arguments, KEY],
            resolve=doing(work),
        )
        for name, text, arguments, work in fields
    ]
