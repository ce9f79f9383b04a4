"""Working time by looking at every minute: slow, and plain."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class PlainCalendar:
    """What a `ServiceCalendar` record says; instants are whole minutes."""

    def __init__(
        self,
        zone: str,
        week: dict[str, list[str]],
        holidays: list[date] | None = None,
        extra: dict[str, list[str]] | None = None,
    ) -> None:
        self.zone, self.week = ZoneInfo(zone), week
        self.holidays, self.extra = holidays or [], extra or {}

    def works(self, at: datetime) -> bool:
        """Whether the minute that begins then is worked."""
        wall = at.astimezone(self.zone)
        hours = self.extra.get(wall.date().isoformat())
        if hours is None:
            hours = self.week.get(DAYS[wall.weekday()], [])
            if wall.date() in self.holidays:
                hours = []
        clock = f"{wall.hour:02}:{wall.minute:02}"
        return any(h.split("-")[0] <= clock < h.split("-")[1] for h in hours)

    def between(self, earlier: datetime, later: datetime) -> timedelta:
        passed, at = timedelta(), earlier
        while at < later:
            passed += MINUTE * self.works(at)
            at += MINUTE
        return passed

    def add(self, start: datetime, span: timedelta, most: timedelta) -> datetime | None:
        """None where it is farther away than so much."""
        at, left = start, span
        while left > timedelta() and at < start + most:
            left -= MINUTE * self.works(at)
            at += MINUTE
        return at.astimezone(UTC) if left <= timedelta() else None
