"""Working time against every minute looked at, over zones whose clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmdb.change_sets import Create, Update
from cmdb.errors import InvalidChangeError
from cmdb.ids import new_id
from cmdb.records import Record
from cmdb.store import GraphStore
from itsm.calendars import ALWAYS, Calendar, CalendarError, read
from schema.hours import WEEKDAYS
from tests.support.building import add, commit
from tests.support.calendar_oracle import PlainCalendar

ZONES = {
    "Europe/Berlin": [(2026, 3, 29), (2026, 10, 25)],
    "America/New_York": [(2026, 3, 8), (2026, 11, 1)],
    "America/St_Johns": [(2010, 3, 14), (2010, 11, 7)],  # at one minute past midnight
    "Africa/Cairo": [(2026, 4, 24), (2026, 10, 30)],  # at midnight
    "Atlantic/Azores": [(2026, 3, 29), (2026, 10, 25)],  # at midnight, and at one
    "Australia/Lord_Howe": [(2026, 4, 5), (2026, 10, 4)],  # by half an hour
    "Pacific/Apia": [(2011, 12, 30)],  # a day that was left out
    "Asia/Shanghai": [(2026, 2, 16)],
    "Asia/Kathmandu": [(2026, 2, 16)],
}
"""Zone -> days around which it is looked at."""


def clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


@st.composite
def day_hours(draw: st.DrawFn) -> list[str]:
    edges = draw(st.lists(st.integers(0, 48), max_size=6, unique=True))
    marks = sorted(min(edge * 30, 1440) for edge in edges)
    return [f"{clock(a)}-{clock(b)}" for a, b in zip(marks[::2], marks[1::2], strict=False)]


@st.composite
def situations(draw: st.DrawFn) -> tuple[dict[str, Any], datetime]:
    """What a calendar says, and an instant near a day on which its clocks change."""
    zone = draw(st.sampled_from(sorted(ZONES)))
    day = datetime(*draw(st.sampled_from(ZONES[zone])), tzinfo=ZoneInfo(zone))
    start = day.astimezone(UTC) + timedelta(minutes=draw(st.integers(-2880, 2880)))
    near = st.integers(-3, 3).map(lambda n: (day + timedelta(days=n)).date())
    week = draw(st.dictionaries(st.sampled_from(WEEKDAYS), day_hours(), max_size=7))
    extra = draw(st.dictionaries(near.map(date.isoformat), day_hours(), max_size=2))
    said = {
        "time_zone": zone,
        "working_hours": {**week, draw(st.sampled_from(WEEKDAYS)): ["01:00-03:30"]},
        "holidays": draw(st.lists(near, max_size=2, unique=True)),
        "extra_days": extra,
    }
    return said, start


def both(said: dict[str, Any]) -> tuple[Calendar, PlainCalendar]:
    plain = PlainCalendar(
        said["time_zone"], said["working_hours"], said["holidays"], said["extra_days"]
    )
    return read(Record(new_id(), "ServiceCalendar", 1, {"name": "x", **said})), plain


@settings(max_examples=120)
@given(situations(), st.integers(0, 4000), st.data())
def test_every_minute_counts_as_the_wall_clock_says(
    situation: tuple[dict[str, Any], datetime], minutes: int, data: st.DataObject
) -> None:
    said, start = situation
    calendar, plain = both(said)
    later = start + timedelta(minutes=minutes)
    passed = plain.between(start, later)
    assert calendar.between(start, later) == passed
    assert calendar.between(later, start) == timedelta()
    assert calendar.is_open(start) == plain.works(start)
    span = timedelta(minutes=data.draw(st.integers(0, 1500)))
    most = timedelta(days=5)
    reached = plain.add(start, span, most)
    found = calendar.add(start, span)
    if reached is None:
        assert found > start + most
    elif span:
        assert found == reached
        assert calendar.between(start, found) == span
    else:
        assert found == start


@given(situations(), st.floats(0, 10_000_000), st.floats(0, 400_000))
def test_parts_of_a_minute_add_up(
    situation: tuple[dict[str, Any], datetime], seconds: float, span: float
) -> None:
    said, start = situation
    calendar, _ = both(said)
    middle = start + timedelta(seconds=seconds / 3)
    later = start + timedelta(seconds=seconds)
    parts = calendar.between(start, middle) + calendar.between(middle, later)
    assert calendar.between(start, later) == parts
    reached = calendar.add(middle, timedelta(seconds=span))
    assert calendar.between(middle, reached) == timedelta(seconds=span)


def test_without_a_calendar_all_time_counts() -> None:
    at = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert ALWAYS.add(at, timedelta(hours=30)) == at + timedelta(hours=30)
    assert ALWAYS.between(at, at + timedelta(days=400)) == timedelta(days=400)


def test_a_calendar_that_is_hardly_ever_open_does_not_search_for_ever() -> None:
    week = {"working_hours": {"mon": ["08:00-08:01"]}}
    said = {"name": "x", "time_zone": "UTC", **week}
    calendar = read(Record(new_id(), "ServiceCalendar", 1, said))
    at = datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert calendar.add(at, timedelta(minutes=2)) == datetime(2026, 3, 9, 8, 1, tzinfo=UTC)
    with pytest.raises(CalendarError, match="within twenty years"):
        calendar.add(at, timedelta(days=5))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"time_zone": "Asia/Peking"}, "not a time zone"),
        ({"time_zone": "../etc/passwd"}, "not a time zone"),
        ({"working_hours": {}}, "no hours on any day"),
        ({"working_hours": {"mon": []}}, "no hours on any day"),
        ({"working_hours": ["08:00-12:00"]}, "day of the week"),
        ({"working_hours": {"monday": ["08:00-12:00"]}}, "no day of the week"),
        ({"working_hours": {"mon": "08:00-12:00"}}, "list of hours"),
        ({"working_hours": {"mon": ["8 to 12"]}}, "not hours"),
        ({"working_hours": {"mon": ["22:00-06:00"]}}, "end before they begin"),
        ({"working_hours": {"mon": ["20:00-24:30"]}}, "end late"),
        ({"working_hours": {"mon": ["08:00-12:00", "11:00-13:00"]}}, "overlap"),
        ({"extra_days": {"2026-02-30": ["08:00-12:00"]}}, "not a date"),
        ({"extra_days": ["2026-02-14"]}, "by date"),
    ],
)
def test_what_makes_no_sense_is_refused_when_it_is_written(
    shipped_store: GraphStore, wrong: dict[str, Any], why: str
) -> None:
    right = {
        "time_zone": "Asia/Shanghai",
        "working_hours": {"mon": ["08:30-12:00", "14:00-17:30"], "tue": ["00:00-24:00"]},
        "extra_days": {"2026-02-14": ["08:30-17:30"]},
    }
    id = add(shipped_store, "ServiceCalendar", "office", **right)
    assert read(shipped_store.record(id)).week[1][0].ends == 1440
    with pytest.raises(InvalidChangeError, match=why):
        commit(shipped_store, Update(id, wrong))
    with pytest.raises(InvalidChangeError, match=why):
        commit(shipped_store, Create("ServiceCalendar", {"name": "y", **right, **wrong}, new_id()))
