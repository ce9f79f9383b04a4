"""What happened to a device, what it all comes to in numbers, and what is due."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import strawberry

from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.lifecycle.acting import product
from api.graphql.queries import moment
from api.graphql.records import Records
from api.graphql.refusals import label_type
from api.graphql.scalars import JSON, AsOf, Date, DateTime, Int64
from api.graphql.views import View
from cmdb.errors import QueryError
from lifecycle.due import IDLE, QUERIES, UNSEEN, WITHIN, Due, Moment, ask
from lifecycle.figures import chosen, evaluate
from lifecycle.figures import moment as figures_at
from lifecycle.ledger import DEVICES
from lifecycle.resume import resume
from lifecycle.resume.sentences import KINDS
from schema.basics import Label
from schema.kinds import parse_date, write_datetime


class Seen(NamedTuple):
    """Something due, and its record as it is seen."""

    due: Due
    view: View


async def _resume(_: Any, info: Any, **given: Any) -> list[Any]:
    context: Context = info.context
    kinds = given.get("kinds")
    if unknown := {*(kinds or ())} - KINDS.keys():
        raise QueryError(
            f"There are no entries of kind {min(unknown)!r}.", f"There are {', '.join(KINDS)}."
        )
    at = moment(given.get("asOf"))
    found = await context.call(lambda: resume(context.store, given["of"], at))
    return [e for e in found.entries if kinds is None or e.kind in kinds]


async def _figures(_: Any, info: Any, **given: Any) -> list[Any]:
    context: Context = info.context

    def work() -> list[Any]:
        wanted = chosen(context.store.model, given.get("names") or ())
        at = figures_at(
            context.store,
            moment(given.get("asOf")),
            given.get("organisation"),
            since=given.get("since"),
            beneath=product(context, Permission.READ),
        )
        return [(figure, evaluate(figure, at)) for figure in wanted]

    return await context.call(work)


async def _due(_: Any, info: Any, **given: Any) -> list[Seen]:
    context: Context = info.context

    def work() -> list[Seen]:
        at = _moment(given)
        found = [d for kind in given.get("kinds") or QUERIES for d in ask(context.store, kind, at)]
        return [Seen(d, context.view(d.record, at.as_of)) for d in found]

    return await context.call(work)


def _moment(given: Mapping[str, Any]) -> Moment:
    now = datetime.now(UTC)
    today = now.date()
    try:
        day = parse_date(given["on"]) if given.get("on") else today
    except ValueError as error:
        raise QueryError(f"The day {error}.", "Write 2026-03-31.") from None
    end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    within, idle, unseen = (given[name] for name in ("within", "idle", "unseen"))
    if not all(0 <= span <= 36_500 for span in (within, idle, unseen)):
        raise QueryError("Spans are 0 to 36,500 days.", "Correct them.")
    at = end if day < today else None
    exact = None if given.get("on") else now
    return Moment(day, at, within, idle, unseen, given.get("organisation"), exact)


def entry_type(records: Records) -> type:
    """One thing that happened."""
    return records.once("ResumeEntry", _entry_type)


def _entry_type() -> type:
    return make_type(
        "ResumeEntry",
        [
            model_field("at", DateTime, read=lambda e: write_datetime(e.at)),
            model_field("effectiveOn", Date | None, read=lambda e: e.plain()["effective_on"]),
            model_field("revision", Int64, read=lambda e: e.revision),
            model_field("actor", str, read=lambda e: e.actor),
            model_field("source", str, read=lambda e: e.source),
            model_field("reason", str, read=lambda e: e.reason),
            model_field("kind", str, read=lambda e: e.kind),
            model_field("text", label_type(), "A sentence that says it.", read=lambda e: e),
            model_field("details", JSON, read=lambda e: dict(e.details)),
        ],
        description="One thing that happened.",
    )


def _figure_type() -> type:
    group = make_type(
        "FigureGroup",
        [
            model_field("key", JSON, read=lambda g: dict(g.key)),
            model_field("value", float, read=lambda g: float(g.value)),
            model_field("count", Int64, read=lambda g: g.count),
        ],
    )
    return make_type(
        "Figure",
        [
            model_field("name", str, read=lambda f: f[0].name),
            model_field("label", label_type(), read=lambda f: Label(en=f[0].en, zh=f[0].zh)),
            model_field("unit", str, "percent, days, hours, or what is counted.", read=lambda f: f[0].unit),
            model_field(
                "value", float | None,
                read=lambda f: None if f[1].value is None else float(f[1].value),
            ),
            model_field("count", Int64, "Of what it was worked out.", read=lambda f: f[1].count),
            model_field("groups", list[group], read=lambda f: list(f[1].groups)),  # type: ignore[valid-type]
        ],
    )  # fmt: skip


def _due_type(records: Records) -> type:
    return make_type(
        "Due",
        [
            model_field("kind", str, read=lambda s: s.due.kind),
            model_field("label", label_type(), read=lambda s: QUERIES[s.due.kind].label),
            model_field("record", records.lazy("Record"), read=lambda s: s.view),
            model_field(
                "on", Date | None, read=lambda s: s.due.on.isoformat() if s.due.on else None
            ),
            model_field(
                "days", int | None, "Negative where it has passed.", read=lambda s: s.due.days
            ),
            model_field("note", str | None, read=lambda s: s.due.note or None),
        ],
        description="Something to see to.",
    )


def query_fields(records: Records) -> list[ModelField]:
    organisation = argument("organisation", strawberry.ID | None, "And those below it.")
    at = argument("asOf", AsOf | None)
    found = [
        model_field(
            "resume",
            list[entry_type(records)],  # type: ignore[misc]
            "All that ever happened to a record, the earliest first.",
            arguments=[argument("of", strawberry.ID), argument("kinds", list[str] | None), at],
            resolve=_resume,
        )
    ]
    if not records.model.record_types.keys() >= {*DEVICES, "LifecycleOrder"}:
        return found
    return [
        *found,
        model_field(
            "figures",
            list[_figure_type()],  # type: ignore[misc]
            "Numbers over devices, orders, incidents and changes, of what you see.",
            arguments=[
                argument("names", list[str] | None, "All, if left out."),
                organisation,
                argument("since", DateTime | None, "Incidents and changes since then only."),
                at,
            ],
            resolve=_figures,
        ),
        model_field(
            "due",
            list[_due_type(records)],  # type: ignore[misc]
            "What runs out, is overdue, idle, unseen, unconfirmed or collected otherwise.",
            arguments=[
                argument("kinds", list[str] | None, "All, if left out."),
                argument("within", int, "Days ahead.", default=WITHIN),
                argument("idle", int, "Days.", default=IDLE),
                argument("unseen", int, "Days.", default=UNSEEN),
                argument("on", Date | None, "As it was at the end of this day."),
                organisation,
            ],
            resolve=_due,
        ),
    ]
