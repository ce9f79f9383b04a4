"""Working time: how much of it passes between two instants, and when so much of it has passed.

A moment is working time where the wall clock of the calendar's time zone shows an hour of that day. So an hour that
the clock jumps over is none, and one that it shows twice counts twice; nothing else is to be known of summer time.
Time is walked through a day at a time, in stretches within which the zone's offset does not change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.people import Directory
from schema.errors import CmdbError
from schema.hours import DAY, Day, Hours, days, time_zone, week

ONE_DAY: Final = timedelta(days=1)
FARTHEST: Final = 20 * 366
"""So many days ahead the end of a span is looked for."""
ALL_DAY: Final[Day] = (Hours(0, DAY),)


class CalendarError(CmdbError):
    """A calendar cannot be counted by: what it says makes no sense, or hardly ever anybody works."""

    code = "invalid_calendar"


@dataclass(frozen=True)
class Calendar:
    """When people work, or when a service is promised.

    Attributes
    ----------
    id
        Of its record; empty for the one that is always open.
    week
        Hours by day of the week (0: Monday); a day that is not there has none.
    holidays
        Days without hours.
    days
        Hours of single days, whatever day of the week or holiday they are.
    """

    id: str = ""
    name: str = "24 × 7"
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    week: Mapping[int, Day] = field(default_factory=lambda: dict.fromkeys(range(7), ALL_DAY))
    holidays: frozenset[date] = frozenset()
    days: Mapping[date, Day] = field(default_factory=dict)

    def hours(self, on: date) -> Day:
        """The hours of a day, by its own wall clock."""
        own = self.days.get(on)
        if own is not None:
            return own
        return () if on in self.holidays else self.week.get(on.weekday(), ())

    def add(self, start: datetime, span: timedelta) -> datetime:
        """The first instant, in UTC, by which so much working time has passed.

        A day of its hours costs microseconds; it looks some twenty years ahead.

        Raises
        ------
        CalendarError
            So much does not pass by then.
        """
        left, last = span, start + timedelta(days=FARTHEST)
        if left <= timedelta():
            return start.astimezone(UTC)
        for begins, ends in self.stretches(start):
            if ends - begins >= left:
                return begins + left
            left -= ends - begins
            if begins > last:
                break
        raise CalendarError(
            f"{span} of working time do not pass within twenty years by the calendar {self.name}.",
            "Give it more hours, or promise less.",
        )

    def between(self, earlier: datetime, later: datetime) -> timedelta:
        """How much working time lies between two instants; none if the second is not later."""
        passed = timedelta()
        for begins, ends in self.stretches(earlier, later):
            passed += ends - begins
        return passed

    def is_open(self, at: datetime) -> bool:
        """Whether an instant is working time."""
        wall = at.astimezone(self.zone)
        seconds = (wall.hour * 60 + wall.minute) * 60 + wall.second
        return any(h.begins * 60 <= seconds < h.ends * 60 for h in self.hours(wall.date()))

    def stretches(
        self, start: datetime, end: datetime | None = None
    ) -> Iterator[tuple[datetime, datetime]]:
        """The stretches of working time from an instant on, in order, in UTC; up to another one, or the
        end of what is looked at."""
        begins = start.astimezone(UTC)
        last = begins + timedelta(days=FARTHEST + 2) if end is None else end.astimezone(UTC)
        while begins < last:
            ends = self._steady(begins, min(begins + ONE_DAY, last))
            offset = self._offset(begins)
            # Within it the wall clock is as steady as UTC, and the dates follow one another.
            here, there = (at.replace(tzinfo=None) + offset for at in (begins, ends))
            on = here.date()
            while on <= there.date():
                midnight = datetime.combine(on, time())
                for hours in self.hours(on):
                    one = max(here, midnight + timedelta(minutes=hours.begins))
                    other = min(there, midnight + timedelta(minutes=hours.ends))
                    if one < other:
                        yield _utc(one - offset), _utc(other - offset)
                on += ONE_DAY
            begins = ends

    def _steady(self, begins: datetime, ends: datetime) -> datetime:
        """How far, within a day, the zone's offset stays what it is at the beginning."""
        offset = self._offset(begins)
        if self._offset(ends) == offset:
            return ends
        low, high = int(begins.timestamp()), -int(-ends.timestamp() // 1)
        while high - low > 1:  # offsets change at whole seconds
            middle = (low + high) // 2
            if self._offset(datetime.fromtimestamp(middle, UTC)) == offset:
                low = middle
            else:
                high = middle
        return min(ends, datetime.fromtimestamp(high, UTC))

    def _offset(self, at: datetime) -> timedelta:
        offset = at.astimezone(self.zone).utcoffset()
        assert offset is not None, "a zone has an offset at each instant"
        return offset


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC)


ALWAYS: Final = Calendar()
"""Round the clock, in UTC: where no calendar says otherwise."""


def read(record: Record) -> Calendar:
    """The calendar that a `ServiceCalendar` record describes.

    Raises
    ------
    CalendarError
    """
    said: Mapping[str, Any] = record.attributes
    try:
        return Calendar(
            record.id,
            record.name,
            time_zone(said.get("time_zone")),
            week(said.get("working_hours")),
            frozenset(said.get("holidays") or ()),
            days(said.get("extra_days") or {}),
        )
    except ValueError as error:
        raise CalendarError(
            f"The calendar {record.name} cannot be counted by: {error}.", "Correct the record."
        ) from None


class Calendars:
    """Calendars of organisations and agreements, each read once, as of the revision that the directory goes by.

    A calendar that cannot be read is as good as none: a process that is to be opened by it must not be lost.
    """

    def __init__(self, store: GraphStore, directory: Directory) -> None:
        self._store, self._directory = store, directory
        self._known: dict[str, Calendar | None] = {}

    def of(self, ids: list[str]) -> dict[str, Calendar]:
        """Those that can be read, by id."""
        new = [id for id in dict.fromkeys(ids) if id not in self._known]
        records = self._store.get(new, self._directory.at) if new else {}
        for id in new:
            self._known[id] = _readable(records.get(id))
        return {id: found for id in ids if (found := self._known[id]) is not None}

    def organisation(self, id: str | None) -> Calendar:
        """Its own, or that of the nearest organisation above that has one; else `ALWAYS`."""
        named = [r.attributes.get("calendar") for r in self._directory.line(id)]
        own = [str(calendar) for calendar in named if calendar]
        found = self.of(own)
        return next((found[calendar] for calendar in own if calendar in found), ALWAYS)


def _readable(record: Record | None) -> Calendar | None:
    try:
        return read(record) if record is not None else None
    except CalendarError:
        return None
