"""What incidents should come to, written down plainly: no declarations, no engine, time by the minute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from tests.support.calendar_oracle import MINUTE, PlainCalendar

WAYS = {
    "acknowledge": ({"new"}, "in_progress"),
    "suspend": ({"in_progress"}, "pending"),
    "continue": ({"pending"}, "in_progress"),
    "resolve": ({"new", "in_progress", "pending"}, "resolved"),
    "reopen": ({"resolved"}, "in_progress"),
    "close": ({"resolved"}, "closed"),
    "cancel": ({"new", "in_progress", "pending"}, "cancelled"),
}
OPEN = {"new", "in_progress", "pending"}
MERGEABLE = OPEN | {"resolved"}
URGENCIES = ("high", "medium", "low")
MATRIX = {
    ("extensive", "high"): "p1", ("extensive", "medium"): "p1", ("extensive", "low"): "p2",
    ("significant", "high"): "p1", ("significant", "medium"): "p2", ("significant", "low"): "p3",
    ("moderate", "high"): "p2", ("moderate", "medium"): "p3", ("moderate", "low"): "p4",
    ("minor", "high"): "p3", ("minor", "medium"): "p4", ("minor", "low"): "p4",
}  # fmt: skip
HOUR = timedelta(hours=1)
PROMISED = {
    "p1": (HOUR / 4, 4 * HOUR),
    "p2": (HOUR / 2, 8 * HOUR),
    "p3": (2 * HOUR, 24 * HOUR),
    "p4": (8 * HOUR, 120 * HOUR),
}
"""Priority -> time to answer, and to resolve."""

WEEK = ("mon", "tue", "wed", "thu", "fri")
CALENDARS: dict[str, dict[str, Any]] = {
    "berlin": {
        "time_zone": "Europe/Berlin",
        "working_hours": {**{key: ["08:30-12:00", "14:00-17:30"] for key in WEEK}, "sun": ["01:00-04:00"]},
        "holidays": [date(2050, 3, 29)],
    },
    "shanghai": {
        "time_zone": "Asia/Shanghai",
        "working_hours": {key: ["09:00-18:00"] for key in WEEK},
        "extra_days": {"2050-03-26": ["09:00-12:00"], "2050-03-28": []},
    },
    "cairo": {"time_zone": "Africa/Cairo", "working_hours": {key: ["22:00-24:00", "00:00-03:00"] for key in (*WEEK, "sat", "sun")}},
}  # fmt: skip


@cache
def calendar(name: str | None) -> PlainCalendar | None:
    """One of them; None for all of the time."""
    if name is None:
        return None
    said = CALENDARS[name]
    return PlainCalendar(
        said["time_zone"], said["working_hours"], said.get("holidays"), said.get("extra_days")
    )


@cache
def works(name: str | None, at: datetime) -> bool:
    """Whether a minute is worked."""
    plain = calendar(name)
    return plain is None or plain.works(at)


@dataclass
class Agreement:
    """What is promised about the portal."""

    respond: timedelta | None = None
    resolve: timedelta | None = None
    calendar: str | None = None


@dataclass
class PlainIncident:
    """One incident.

    Attributes
    ----------
    items
        CI -> what has happened to it, of those that it concerns still.
    stays
        The states it was in, with when each began.
    """

    items: dict[str, str]
    urgency: str
    stays: list[tuple[str, datetime]]
    fired: set[tuple[str, int]] = field(default_factory=set)

    @property
    def state(self) -> str:
        return self.stays[-1][0]

    def enter(self, state: str, now: datetime) -> None:
        self.stays.append((state, now))

    def due(
        self, clock: str, priority: str, agreed: Agreement | None, calendar: str | None
    ) -> datetime | None:
        """Until when a clock runs."""
        number, runs = (0, frozenset({"new"})) if clock == "response" else (1, frozenset({"new", "in_progress"}))  # fmt: skip
        span = PROMISED[priority][number]
        if agreed is not None and (own := (agreed.respond, agreed.resolve)[number]) is not None:
            span, calendar = own, agreed.calendar or calendar
        return due(tuple(self.stays), runs, span, calendar)


@cache
def due(
    stays: tuple[tuple[str, datetime], ...],
    runs: frozenset[str],
    left: timedelta,
    calendar: str | None,
) -> datetime | None:
    """When so much time is over, by counting the minutes of some states; None where they pause, or stopped
    in a pause."""
    ends = [*(begun for _, begun in stays[1:]), None]
    at, paused = stays[0][1], False
    for (state, begun), end in zip(stays, ends, strict=True):
        if state in runs:
            at, paused = begun, False
            while end is None or at < end:
                left -= MINUTE * works(calendar, at)
                at += MINUTE
                if left <= timedelta():
                    return at
        elif state == "pending" and "in_progress" in runs:
            paused = True
    while not paused and left > timedelta():  # as though it had gone on
        left -= MINUTE * works(calendar, at)
        at += MINUTE
    return None if paused else at


def level(cells: Iterable[Any], services: Iterable[Any]) -> str:
    """How bad an impact is: ``cells`` of organisation, criticality, effect, CIs, services."""
    rows = [tuple(cell) for cell in cells]
    down = [row for row in rows if row[2] == "down"]
    felt = [row for row in rows if row[2] in ("down", "degraded")]
    where = len({row[0] for row in down if row[0]})
    if any(row[1] == "critical" and row[4] for row in down) or where >= 5:
        return "extensive"
    if any(row[4] for row in down) or any(
        row[1] in ("critical", "high") and row[4] for row in felt
    ):
        return "significant"
    if any(row[1] == "critical" and row[3] for row in down) or where >= 2:
        return "significant"
    if any(row[4] for row in felt) or any(row[1] == "critical" and row[4] for row in rows):
        return "moderate"
    return "moderate" if sum(row[3] for row in down) >= 10 else "minor"


def priority(impact: Mapping[str, Any], urgency: str) -> str:
    return MATRIX[level(impact["cells"], impact["services"]), urgency]
