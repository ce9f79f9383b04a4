"""The clocks of processes: how long they have taken, and what is left."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import strawberry

from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, make_type, model_field
from api.graphql.itsm.moments import INCIDENT, moments, room_at, whole
from api.graphql.lifecycle.acting import product
from api.graphql.records import Records
from api.graphql.refusals import label_type
from api.graphql.scalars import DateTime
from api.graphql.views import View
from itsm.clocks import Reading
from itsm.triage import clocks_of
from schema.kinds import write_datetime
from schema.model import Model
from schema.processes import ClockDeclaration


@strawberry.enum(description="Whether a clock runs.")
class ClockStatus(enum.Enum):
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"


class Shown(NamedTuple):
    """What a clock shows; the agreement that says so, and the calendar, where they are seen."""

    name: str
    clock: ClockDeclaration
    reading: Reading
    agreement: View | None
    calendar: View | None


class Clocks:
    """Level field: the clocks of processes. The number of statements does not grow with them."""

    kind = "clocks"

    async def load(
        self, context: Context, views: Sequence[View], _: Mapping[str, Any]
    ) -> list[list[Shown]]:
        return await context.call(lambda: self._load(context, views))

    def _load(self, context: Context, views: Sequence[View]) -> list[list[Shown]]:
        store, records = product(context, Permission.READ), whole(context, views)
        shown: dict[View, list[Shown]] = {}
        for at, some in moments(views).items():
            room, revision = room_at(store, at)
            found = clocks_of(room, [records[view] for view in some], revision)
            promises = [r.promise for own in found.values() for r in own.values() if r.promise]
            named = {id for p in promises for id in (p.agreement, p.calendar.id) if id}
            seen = {
                id: context.view(record, at)
                for id, record in (context.store.get(named, at) if named else {}).items()
            }
            shown |= {view: _shown(store.model, view, found[view.record.id], seen) for view in some}
        return [shown[view] for view in views]


def _shown(
    model: Model, view: View, readings: Mapping[str, Reading], seen: Mapping[str, View]
) -> list[Shown]:
    machine = model.record_types[view.record.type].state_machine
    found = []
    for name, reading in readings.items():
        assert machine is not None, "it has clocks"
        by = reading.promise
        ids = (by.agreement, by.calendar.id) if by else (None, None)
        found.append(
            Shown(name, machine.clocks[name], reading, *(seen.get(id or "") for id in ids))
        )
    return found


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


def clock_type(records: Records) -> type:
    agreement = records.lazy("SLA")
    return make_type(
        "Clock",
        [
            model_field("name", str, read=lambda s: s.name),
            model_field("label", label_type(), read=lambda s: s.clock.label),
            model_field("status", ClockStatus, read=lambda s: s.reading.status.upper()),
            model_field("elapsed", float, "Seconds of working time that have counted.", read=lambda s: _seconds(s.reading.elapsed)),
            model_field(
                "promised", float | None, "Seconds that it is held against; null where nothing is promised.",
                read=lambda s: _seconds(s.reading.promise and s.reading.promise.span),
            ),
            model_field("left", float | None, "Seconds; negative where there are none.", read=lambda s: _seconds(s.reading.left)),
            model_field(
                "due", DateTime | None, "Until when, if it runs on; null while it pauses in time.",
                read=lambda s: s.reading.due and write_datetime(s.reading.due),
            ),
            model_field("breached", bool, "More has counted than was promised.", read=lambda s: s.reading.breached),
            model_field("agreement", agreement | None, "Null where none says so, or where you may not see it.", read=lambda s: s.agreement),
            model_field(
                "calendar", records.lazy("ServiceCalendar") | None,
                "By whose hours time counts; null: round the clock, or you may not see it.", read=lambda s: s.calendar,
            ),
            model_field(
                "roundTheClock", bool, "Time counts by no calendar.",
                read=lambda s: s.reading.promise is None or not s.reading.promise.calendar.id,
            ),
        ],
        description="How long something has taken, by the calendar, against what is promised.",
    )  # fmt: skip


def type_fields(records: Records, name: str) -> list[ModelField]:
    if name != INCIDENT:
        return []
    return [
        model_field(
            "clocks",
            list[clock_type(records)],  # type: ignore[misc]
            "What its clocks show; with `asOf`, what they showed, by the calendars of now.",
            level=Clocks(),
            cost=5,
        )
    ]
