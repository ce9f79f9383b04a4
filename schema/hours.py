"""Hours as calendars write them: a time zone, hours by day of the week, hours of single days.

What is written is checked when it is written (``format`` of an attribute), and read by those who count time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from itertools import pairwise
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY: Final = 24 * 60
"""Minutes of a day, by its wall clock."""
_HOURS = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)\s*[-–]\s*([01]?\d|2[0-4]):([0-5]\d)", re.ASCII)


class Hours(NamedTuple):
    """Part of a day: minutes since midnight by the wall clock, the second one no longer."""

    begins: int
    ends: int


Day = tuple[Hours, ...]
"""The hours of a day, in order, none touching another."""


def time_zone(value: object) -> ZoneInfo:
    """A time zone by its name in the IANA database.

    Raises
    ------
    ValueError
    """
    try:
        if not isinstance(value, str):
            raise ValueError
        return ZoneInfo(value)
    except (ValueError, OSError, LookupError):
        raise ValueError(f"{value!r} is not a time zone like Asia/Shanghai") from None


def day(value: object) -> Day:
    """The hours of a day, from ``["08:30-12:00", "14:00-17:30"]``.

    Raises
    ------
    ValueError
    """
    if not isinstance(value, list | tuple):
        raise ValueError(f"{value!r} is not a list of hours like 08:30-12:00")
    found = sorted(_hours(written) for written in value)
    for one, other in pairwise(found):
        if other.begins < one.ends:
            raise ValueError(f"{_written(one)} and {_written(other)} overlap")
    return tuple(found)


def _hours(written: object) -> Hours:
    match = _HOURS.fullmatch(written.strip()) if isinstance(written, str) else None
    if match is None:
        raise ValueError(f"{written!r} is not hours like 08:30-12:00")
    begins, ends = (int(match[n]) * 60 + int(match[n + 1]) for n in (1, 3))
    if not begins < ends <= DAY:
        what = "end before they begin; those of a night are two" if ends <= begins else "end late"
        raise ValueError(
            f"the hours {written} {what}: 22:00-24:00, and 00:00-06:00 of the next day"
        )
    return Hours(begins, ends)


def _written(hours: Hours) -> str:
    return "-".join(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in hours)


def week(value: object) -> dict[int, Day]:
    """Hours by day of the week (0: Monday), from ``{"mon": ["08:30-12:00"], …}``; some at least.

    Raises
    ------
    ValueError
    """
    if not isinstance(value, Mapping):
        raise ValueError('is not hours by day of the week like {"mon": ["08:30-17:30"]}')
    if unknown := [name for name in value if name not in WEEKDAYS]:
        raise ValueError(f"{unknown[0]!r} is no day of the week: {', '.join(WEEKDAYS)}")
    found = {WEEKDAYS.index(name): day(hours) for name, hours in value.items()}
    if not any(found.values()):
        raise ValueError("has no hours on any day")
    return found


def days(value: object) -> dict[date, Day]:
    """Hours by date, from ``{"2026-02-14": ["08:30-17:30"], …}``.

    Raises
    ------
    ValueError
    """
    if not isinstance(value, Mapping):
        raise ValueError('is not hours by date like {"2026-02-14": ["08:30-17:30"]}')
    found = {}
    for written, hours in value.items():
        try:
            on = date.fromisoformat(written) if isinstance(written, str) else None
        except ValueError:
            on = None
        if on is None:
            raise ValueError(f"{written!r} is not a date like 2026-02-14")
        found[on] = day(hours)
    return found


FORMATS: Final[Mapping[str, Callable[[object], Any]]] = {
    "time_zone": time_zone,
    "week_hours": week,
    "day_hours": days,
}
"""What a value of an attribute may have to be, beside of its kind; each raises ValueError where it is not."""
