"""Problems, and requests of users. From state to state they go by `transitionRecord`; requests are voted on, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import strawberry

from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, argument, model_field
from api.graphql.lifecycle.acting import engine_of, product, seen, telling
from api.graphql.mutations.doing import KEY, Ids, Work, doing
from api.graphql.mutations.ordering import DEVICES, Ordered, drafting, on_process, ordered, said
from api.graphql.records import Records
from api.graphql.scalars import JSON
from itsm.problems import PROBLEM, Problems
from itsm.requests import REQUEST

_PROBLEM = argument("problem", strawberry.ID, "Its id.")
_INCIDENTS = argument("incidents", list[strawberry.ID])
_REASON = argument("reason", str | None)


def open_(context: Context, ids: Ids, given: Mapping[str, Any]) -> Ordered:
    """Whoever may order somewhere may say what they suspect of what they see."""
    attributes = said(context, context.store.model.record_type(PROBLEM), given)
    incidents, cis = given.get("incidents") or [], given.get("cis") or []
    seen(context, [*incidents, *cis])
    at = attributes.get("organisation")
    with telling(context):
        inner = product(context, Permission.ORDER, [at] if at else ())
        engine, me = engine_of(context, inner, ids)
        reason = given.get("reason") or ""
        made = Problems(engine).open(me, given["name"], incidents, cis, attributes, reason)
        return ordered(context, engine, made.id, made.revision)


Doing = Callable[[Problems, str, str, Any, str], int]
"""What is done to a problem: by whom, to which, with what, and why; gives the revision."""


def on_problem(act: Doing, name: str) -> Work:
    """The work of a mutation that does something to a problem; what the argument names is seen."""

    def acting(service: Problems, me: str, given: Mapping[str, Any]) -> int:
        return act(service, given["problem"], me, given[name], given.get("reason") or "")

    acted = on_process(Permission.ORDER, acting, "problem", lambda engine, _: Problems(engine))

    def work(context: Context, ids: Ids, given: Mapping[str, Any]) -> Ordered:
        value: str | Sequence[str] = given[name]
        seen(context, [value] if isinstance(value, str) else value)
        done: Ordered = acted(context, ids, given)
        return done

    return work


def mutation_fields(records: Records) -> list[ModelField]:
    if not records.model.record_types.keys() >= {PROBLEM, REQUEST}:
        return []
    attributes = argument("attributes", JSON | None, "By the model's names.")
    fields: list[tuple[str, str, list[Any], Work]] = [
        (
            "openProblem", "Open a problem that explains some incidents, and concerns what they blame.",
            [argument("name", str, "What is wrong, in a few words."), argument("incidents", list[strawberry.ID] | None),
             argument("cis", list[strawberry.ID] | None, "That it concerns beside."), attributes, _REASON],
            open_,
        ),
        (
            "addToProblem", "Say that a problem explains some more incidents, ended or not; it concerns their CIs too.",
            [_PROBLEM, _INCIDENTS, _REASON], on_problem(Problems.join, "incidents"),
        ),
        (
            "removeFromProblem", "Say that a problem does not explain some incidents after all.",
            [_PROBLEM, _INCIDENTS, _REASON], on_problem(Problems.leave, "incidents"),
        ),
        (
            "setProblemFix", "Say which change is to put an end to a problem.",
            [_PROBLEM, argument("change", strawberry.ID), _REASON], on_problem(Problems.fix, "change"),
        ),
        (
            "draftRequest", "A draft of a service request, by you, in your organisation unless another is named.",
            [argument("attributes", JSON | None, "By the model's names: wanted_type, wanted_for, purpose …"), *DEVICES, _REASON],
            drafting(lambda model, _: model.record_type(REQUEST)),
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
