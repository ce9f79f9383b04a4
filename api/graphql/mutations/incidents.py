"""Incidents: opened by people and tools, added to, handed on, related, taken together and apart; their alerts.

From state to state they go as every record: by `transitionRecord`. Who may is for `itsm` to say.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import strawberry

from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, argument, input_field, make_type, model_field
from api.graphql.impact.types import ImpactEffect
from api.graphql.itsm.moments import INCIDENT
from api.graphql.lifecycle.acting import engine_of, process, product, seen, telling
from api.graphql.mutations.doing import KEY, Ids, Work, doing
from api.graphql.mutations.ordering import Ordered, on_process, ordered, said
from api.graphql.records import Records
from api.graphql.scalars import JSON
from itsm.alerts.attaching import attach
from itsm.incidents import Incidents
from itsm.merging import merge, split
from lifecycle.refusals import RequestError

TOOL: Final = "tool"
PERSON: Final = "person"


@strawberry.enum(description="What a CI is to an incident.")
class IncidentRole(enum.Enum):
    CAUSE = "cause"
    REPORTED = "reported"
    ALARM = "alarm"


ITEM: Final = make_type(
    "IncidentItemInput",
    [
        model_field("id", strawberry.ID),
        input_field("role", IncidentRole, "Reported, if left out."),
        input_field("effect", ImpactEffect, "What has happened to it; down, if left out."),
    ],
    input_=True,
    description="A CI that an incident concerns.",
)

_INCIDENT = argument("incident", strawberry.ID, "Its id.")
_REASON = argument("reason", str | None)


def items_of(context: Context, given: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """CIs by id with what is said of them; all of them are seen."""
    found: dict[str, dict[str, Any]] = {}
    for item in given:
        told = {
            name: _plain(value).lower()
            for name in ("role", "effect")
            if (value := item.get(name)) is not None
        }
        if str(item["id"]) in found:
            raise RequestError(f"The CI {item['id']} is named twice.", "Name each once.")
        found[str(item["id"])] = told
    seen(context, found)
    return found


def open_(context: Context, ids: Ids, given: Mapping[str, Any]) -> Ordered:
    """Whoever may order somewhere may report what happens to CIs that they see."""
    type_ = context.store.model.record_type(INCIDENT)
    attributes, items = said(context, type_, given), items_of(context, given["cis"])
    at = attributes.get("organisation")
    with telling(context):
        inner = product(context, Permission.ORDER, [at] if at else ())
        engine, me = engine_of(context, inner, ids)
        channel = PERSON if context.principal.by == "session" else TOOL
        made = Incidents(engine).open(me, given["name"], items, attributes, channel=channel)
        return ordered(context, engine, made.id, made.revision)


Doing = Callable[[Incidents, str, Mapping[str, Any]], int]
"""What is done to an incident, by whom, with what is given; gives the revision."""


def on_incident(act: Doing, names: Sequence[str] = ()) -> Work:
    """The work of a mutation that does something to an incident; what arguments name is seen."""
    acted = on_process(Permission.ORDER, act, "incident", lambda engine, _: Incidents(engine))

    def work(context: Context, ids: Ids, given: Mapping[str, Any]) -> Ordered:
        for name in names:
            value = given[name]
            seen(context, value if isinstance(value, list) else [value])
        done: Ordered = acted(context, ids, given)
        return done

    return work


def include(context: Context, ids: Ids, given: Mapping[str, Any]) -> Ordered:
    items = items_of(context, given["cis"])
    return on_incident(lambda i, me, g: i.include(g["incident"], me, items))(context, ids, given)  # type: ignore[no-any-return]


def merge_(context: Context, ids: Ids, given: Mapping[str, Any]) -> Ordered:
    for other in given["others"]:
        process(context, other, Permission.ORDER)
    return on_incident(lambda i, me, g: merge(i, g["incident"], g["others"], me, _why(g)))(context, ids, given)  # type: ignore[no-any-return]  # fmt: skip


def split_(context: Context, ids: Ids, given: Mapping[str, Any]) -> Ordered:
    """The new incident is what is answered with."""
    seen(context, given["cis"])
    with telling(context):
        record = process(context, given["incident"], Permission.ORDER)
        engine, me = engine_of(context, product(context, Permission.ORDER), ids)
        name = given.get("name") or ""
        made = split(Incidents(engine), record.id, given["cis"], me, name, _why(given))
        return ordered(context, engine, made.id, made.revision)


def attach_(context: Context, ids: Ids, given: Mapping[str, Any]) -> Ordered:
    alert, ci = given["alert"], given["ci"]
    seen(context, [alert, ci])
    with telling(context):
        engine, me = engine_of(context, product(context, Permission.ORDER, records=[ci]), ids)
        revision = attach(engine, alert, ci, me, context.services.alert_rules)
        return ordered(context, engine, alert, revision)


def _plain(value: Any) -> str:
    return str(getattr(value, "value", value))


def _why(given: Mapping[str, Any]) -> str:
    return given.get("reason") or ""


def mutation_fields(records: Records) -> list[ModelField]:
    if INCIDENT not in records.model.record_types:
        return []
    urgencies = records.enums.types["urgency"]
    cis = argument("cis", list[strawberry.ID])
    items = argument("cis", list[ITEM])  # type: ignore[valid-type]
    fields: list[tuple[str, str, list[Any], Work]] = [
        (
            "openIncident",
            "Open an incident. What it hits, its priority, its clocks and who sees to it follow.",
            [
                argument("name", str, "What is wrong, in a few words."), items,
                argument("attributes", JSON | None, "By the model's names: urgency, description, occurred_at …"),
            ],
            open_,
        ),
        ("includeInIncident", "Say that an open incident concerns CIs too, or what has happened to those it does.", [_INCIDENT, items], include),
        (
            "excludeFromIncident", "Say that an open incident does not concern some CIs after all.", [_INCIDENT, cis, _REASON],
            on_incident(lambda i, me, g: i.exclude(g["incident"], me, g["cis"], _why(g)), ["cis"]),
        ),
        (
            "rateIncident", "Say how urgent an open incident is; its priority follows.", [_INCIDENT, argument("urgency", urgencies), _REASON],
            on_incident(lambda i, me, g: i.rate(g["incident"], me, _plain(g["urgency"]), _why(g))),
        ),
        (
            "declareMajorIncident", "Declare an open incident a major one, or none.",
            [_INCIDENT, argument("major", bool, default=True), _REASON],
            on_incident(lambda i, me, g: i.declare(g["incident"], me, g["major"], _why(g))),
        ),
        (
            "escalateIncident", "Hand an open incident to the next line of support, and make it known a level further up.",
            [_INCIDENT, argument("reason", str)],
            on_incident(lambda i, me, g: i.escalate(g["incident"], me, g["reason"])),
        ),
        (
            "giveIncident", "Give an open incident to a team, and to who of it is on call.",
            [_INCIDENT, argument("team", strawberry.ID), _REASON],
            on_incident(lambda i, me, g: i.give(g["incident"], me, g["team"], _why(g)), ["team"]),
        ),
        (
            "relateIncident", "Relate an incident to another one, a problem, a change that caused or fixed it, or a knowledge article.",
            [_INCIDENT, argument("other", strawberry.ID), argument("how", str | None, "`FIXED_BY` of a change that fixed it; else it follows from the type."), _REASON],
            on_incident(lambda i, me, g: i.relate(g["incident"], me, g["other"], g.get("how") or "", _why(g)), ["other"]),
        ),
        (
            "setIncidentCause", "Say what caused an incident: a change, or a CI, which it then concerns.",
            [_INCIDENT, argument("cause", strawberry.ID), _REASON],
            on_incident(lambda i, me, g: i.cause(g["incident"], me, g["cause"], _why(g)), ["cause"]),
        ),
        (
            "mergeIncidents", "Make one incident of several: alerts, CIs and relationships of the others go over to it.",
            [_INCIDENT, argument("others", list[strawberry.ID]), _REASON], merge_,
        ),
        (
            "splitIncident", "Make an incident of its own of some of the CIs of an open one; answers with the new one.",
            [_INCIDENT, cis, argument("name", str | None), _REASON], split_,
        ),
        (
            "attachAlert", "Say which CI an alert is about; it then goes the way of all others.",
            [argument("alert", strawberry.ID), argument("ci", strawberry.ID)], attach_,
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
