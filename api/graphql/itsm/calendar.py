"""`changeCalendar`: what is planned when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import strawberry

from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.impact.telling import Slice, Teller, Told, asked
from api.graphql.impact.types import PAGED, types_of
from api.graphql.itsm.moments import CHANGE
from api.graphql.lifecycle.acting import product, seen
from api.graphql.records import Records
from api.graphql.scalars import DateTime
from cmdb.errors import QueryError
from itsm.changes.schedule import Entry, calendar
from schema.kinds import parse_datetime, write_datetime

MOST: Final = timedelta(days=366)


class Calendar(NamedTuple):
    """What is planned, told."""

    teller: Teller
    found: list[Entry]

    def entries(self, given: Mapping[str, Any]) -> Slice[Told]:
        """One page of those that are seen. Two statements."""
        seen = self.teller.seen(entry.record.id for entry in self.found)
        page = self.teller.page([e for e in self.found if e.record.id in seen], given)
        views = self.teller.views({entry.record.id for entry in page.items})
        return page.of([Told(entry, views.get(entry.record.id)) for entry in page.items])

    def hidden(self) -> list[tuple[str | None, int]]:
        return self.teller.hidden(entry.record.id for entry in self.found)


def instant_of(text: str) -> datetime:
    """An instant as it was given.

    Raises
    ------
    QueryError
    """
    try:
        return parse_datetime(text)
    except ValueError as error:
        raise QueryError(f"The instant {error}.", "Write 2026-03-31T08:00:00+08:00.") from None


async def _calendar(_: Any, info: Any, **given: Any) -> Calendar:
    context: Context = info.context

    def work() -> Calendar:
        begins, ends = instant_of(given["from"]), instant_of(given["to"])
        if not timedelta() < ends - begins <= MOST:
            raise QueryError("The span does not go forward.", "Ask for up to a year.")
        at = given.get("organisation")
        seen(context, [at] if at else ())
        store = product(context, Permission.READ)
        found = calendar(store, begins, ends, store.clock(), at)
        return Calendar(Teller(context, None, store.last_revision().number), found)

    return await context.call(work)


def _calendar_type(records: Records) -> type:
    types = types_of(records)
    entry = make_type(
        "CalendarEntry",
        [
            types.about(text="A change, or a freeze period."),
            model_field("begins", DateTime, read=lambda t: write_datetime(t.item.begins)),
            model_field("ends", DateTime, read=lambda t: write_datetime(t.item.ends)),
            model_field("items", int, "How many CIs a change concerns.", read=lambda t: t.item.items),
        ],
    )  # fmt: skip
    return make_type(
        "ChangeCalendar",
        [
            model_field(
                "entries", types.connection("CalendarEntry", entry), "By their beginning.",
                arguments=PAGED, resolve=asked(Calendar.entries),
            ),
            model_field(
                "hidden", list[types.hidden], "Changes and freeze periods that you may not see.",  # type: ignore[name-defined]
                resolve=asked(lambda told, _: told.hidden()),
            ),
        ],
        description="Changes and freeze periods in a span of time.",
    )  # fmt: skip


def query_fields(records: Records) -> list[ModelField]:
    if CHANGE not in records.model.record_types:
        return []
    return [
        model_field(
            "changeCalendar",
            _calendar_type(records),
            "Changes whose windows overlap a span of time, and freeze periods.",
            arguments=[
                argument("from", DateTime),
                argument("to", DateTime, "Up to a year later."),
                argument(
                    "organisation",
                    strawberry.ID | None,
                    "Its own changes, those below it, those that hit it, and the freezes that hold there.",
                ),
            ],
            resolve=_calendar,
            cost=200,
        )
    ]
