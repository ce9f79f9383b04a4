"""The clocks of service levels: how long a process has taken, and until when it must be done.

A clock is declared with a state machine: the states it runs in, pauses in, and has stopped in. What it shows
follows from the states the process was in, and from nothing that is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

from cmdb.store import GraphStore
from itsm.calendars import Calendar, CalendarError
from schema.model import STATE_ATTRIBUTE
from schema.processes import ClockDeclaration

Status = Literal["running", "paused", "stopped"]
RUNNING: Final = "running"
PAUSED: Final = "paused"
STOPPED: Final = "stopped"
NEVER: Final = datetime.max.replace(tzinfo=UTC)


class Stay(NamedTuple):
    """How long a process was in a state; ``ends`` is None while it is."""

    state: str
    begins: datetime
    ends: datetime | None = None


class Promise(NamedTuple):
    """So much working time by a calendar, and the agreement that says so, if one does."""

    span: timedelta
    calendar: Calendar
    agreement: str | None = None


class Reading(NamedTuple):
    """What a clock shows.

    Attributes
    ----------
    elapsed
        Working time that has counted so far.
    promise
        What it is held against; None where nothing is promised.
    due
        Until when it must be done, or had to be; None while it pauses in time, or where so much working time
        hardly ever passes.
    breached
        More time has counted than was promised.
    """

    status: Status
    elapsed: timedelta
    promise: Promise | None
    due: datetime | None
    breached: bool

    @property
    def left(self) -> timedelta | None:
        """Working time that is left; negative where there is none."""
        return None if self.promise is None else self.promise.span - self.elapsed


def stays_of(store: GraphStore, ids: Iterable[str], at: int | None = None) -> dict[str, list[Stay]]:
    """The states that processes were in, the earliest first. Two statements, however many.

    A stay begins at the instant of the revision that made it so.

    Parameters
    ----------
    at
        A revision: what was known then.
    """
    spans = {
        id: [span for span in own if at is None or span.since <= at]
        for id, own in store.spans([*ids], STATE_ATTRIBUTE).items()
    }
    instants = store.instants({span.since for own in spans.values() for span in own})
    found: dict[str, list[Stay]] = {}
    for id, own in spans.items():
        ends = [instants[span.since] for span in own[1:]]
        found[id] = [
            Stay(str(span.value), instants[span.since], end)
            for span, end in zip(own, [*ends, None], strict=True)
            if span.value is not None
        ]
    return found


def entering(stays: Sequence[Stay], state: str, now: datetime) -> list[Stay]:
    """The same, with another state that is entered now."""
    if stays and stays[-1].state == state:
        return [*stays]
    ended = [*stays[:-1], stays[-1]._replace(ends=now)] if stays else []
    return [*ended, Stay(state, now)]


def reading(
    clock: ClockDeclaration, stays: Sequence[Stay], promises: Sequence[Promise], now: datetime
) -> Reading:
    """What a clock shows; of several promises the one that must be kept first.

    Costs with the days that have passed, for each promise.
    """
    run = run_of(clock, stays)
    if not promises:
        elapsed = sum(((s.ends or now) - s.begins for s in run.counting), timedelta())
        return Reading(run.status, elapsed, None, None, False)
    return min((_read(run, promise, now) for promise in promises), key=_urgency)


class Run(NamedTuple):
    """How a clock ran.

    Attributes
    ----------
    counting
        The stays in which it did.
    paused
        It paused after the last of them.
    stopped
        Since when it has stopped; None while it runs or pauses, or where it never ran.
    """

    status: Status
    counting: list[Stay]
    paused: bool
    stopped: datetime | None

    @property
    def begun(self) -> datetime:
        """When it began to run, which it did."""
        return self.counting[0].begins


def run_of(clock: ClockDeclaration, stays: Sequence[Stay]) -> Run:
    """How a clock ran while a process was in some states, one after the other."""
    counting: list[Stay] = []
    status: Status = STOPPED
    paused, stopped = False, None
    for stay in stays:
        if stay.state in clock.runs:
            status, paused, stopped = RUNNING, False, None
            counting.append(stay)
        elif stay.state in clock.pauses:
            status, paused, stopped = PAUSED, True, None
        else:
            status = STOPPED
            stopped = stopped or (stay.begins if counting else None)
            if counting and not clock.resumes:
                break
    return Run(status, counting, paused, stopped)


def _read(run: Run, promise: Promise, now: datetime) -> Reading:
    passed, due = timedelta(), None
    span, calendar, _ = promise
    for number, stay in enumerate(run.counting):
        took = calendar.between(stay.begins, stay.ends or now)
        latest = number == len(run.counting) - 1 and not run.paused
        if due is None and (passed + took >= span or latest):
            due = _add(calendar, stay.begins, span - passed)
        passed += took
    return Reading(run.status, passed, promise, due, passed > span)


def _add(calendar: Calendar, start: datetime, span: timedelta) -> datetime | None:
    try:
        return calendar.add(start, span)
    except CalendarError:
        return None


def _urgency(reading: Reading) -> tuple[datetime, timedelta, str]:
    """What must be done first comes first: by its instant, or by what is left where it has none."""
    assert reading.promise is not None
    left = reading.promise.span - reading.elapsed
    return (reading.due or NEVER, left, reading.promise.agreement or "")
