"""The figures about incidents and changes from a plain list of what happened: slow, and plain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.support.calendar_oracle import PlainCalendar

RUNNING = {"response": {"new"}, "resolution": {"new", "in_progress"}}
PAUSED: dict[str, set[str]] = {"response": set(), "resolution": {"pending"}}
OPEN = {"new", "in_progress", "pending"}
WAITING = {*OPEN, "open", "known_error", "approved", "in_approval"}
Found = tuple[float | None, int, dict[tuple[str, Any], tuple[float, int]]]
"""The whole value, how many, and each group's value and number."""


@dataclass
class Happened:
    """A process: its attributes, and the states it went through, each with its revision and instant."""

    type: str
    said: dict[str, Any]
    states: list[tuple[int, datetime, str]]
    dues: list[tuple[int, dict[str, datetime | None]]] = field(default_factory=list)

    def at(self, revision: int) -> list[tuple[datetime, str]]:
        return [(at, state) for number, at, state in self.states if number <= revision]

    def due(self, revision: int, clock: str) -> datetime | None:
        known = [dues for number, dues in self.dues if number <= revision]
        return known[-1][clock]


@dataclass
class FigureOracle:
    """What is asked: as of a revision, at an instant, only what was since then.

    Attributes
    ----------
    calendar
        The calendar of an incident; None: round the clock.
    """

    revision: int
    now: datetime
    since: datetime | None
    calendar: Callable[[Happened], PlainCalendar | None]

    def stopped(self, one: Happened, clock: str) -> tuple[datetime, timedelta, timedelta] | None:
        """When a clock had stopped, all that passed until then, and the working time in which it ran."""
        states = one.at(self.revision)
        end, counted = None, timedelta()
        for place, (begins, state) in enumerate(states):
            ends = states[place + 1][0] if place + 1 < len(states) else None
            if state in RUNNING[clock]:
                end = None
                if ends is not None:
                    calendar = self.calendar(one)
                    counted += calendar.between(begins, ends) if calendar else ends - begins
            elif state in PAUSED[clock]:
                end = None
            else:
                end = end or begins
                if clock == "response":
                    break
        return None if end is None else (end, end - states[0][0], counted)

    def real(self, incidents: Iterable[Happened]) -> list[Happened]:
        return [
            one
            for one in incidents
            if one.at(self.revision)
            and one.at(self.revision)[-1][1] not in ("cancelled", "merged")
            and (self.since is None or one.said["occurred_at"] >= self.since)
        ]

    def every(self, incidents: list[Happened], changes: list[Happened]) -> dict[str, Found]:
        """All figures by name."""
        real = self.real(incidents)
        found: dict[str, Found] = {}
        for clock, name in (("response", "acknowledge"), ("resolution", "restore")):
            ended = [(one, stop) for one in real if (stop := self.stopped(one, clock))]
            for begin, part in (("time", 1), ("working_time", 2)):
                values = [(one, stop[part] / timedelta(hours=1)) for one, stop in ended]  # type: ignore[operator]
                per = ("priority", "service", "organisation", "type")
                found[f"{begin}_to_{name}"] = mean(values, per)
            kept = []
            for one in real:
                stop, due = self.stopped(one, clock), one.due(self.revision, clock)
                late = due is not None and (stop[0] if stop else self.now) > due
                if due is not None and (stop or late):
                    kept.append((one, not late))
            found[f"{clock}_kept"] = share(kept, ("priority", "organisation"))
        for name in ("ci", "type"):
            _, count, groups = mean([(one, 1) for one in real], (name,))
            plain = {key: (float(number), number) for key, (_, number) in groups.items()}
            found[f"incidents_by_{name}"] = (count, count, plain)
        caused = [(one, one.said["caused"]) for one in real]
        found["incidents_by_change"] = share(caused, ("priority", "organisation"))
        back = []
        for one in incidents:
            path = [state for _, state in one.at(self.revision)]
            resolved = next((i for i, s in enumerate(path) if s in ("resolved", "closed")), None)
            if resolved is not None and (
                self.since is None or one.said["occurred_at"] >= self.since
            ):
                back.append((one, any(state in OPEN for state in path[resolved:])))
        found["incidents_reopened"] = share(back, ("priority", "organisation"))
        ended_changes = [
            (c, c.said["result"] == "successful")
            for c in changes
            if c.at(self.revision) and (self.since is None or c.said["ended_at"] >= self.since)
        ]
        found["change_success"] = share(ended_changes, ("type", "risk", "organisation"))
        waiting: defaultdict[tuple[str, Any], int] = defaultdict(int)
        ages: defaultdict[tuple[str, Any], int] = defaultdict(int)
        for one in (*incidents, *changes):
            if (states := one.at(self.revision)) and states[-1][1] in WAITING:
                waiting["type, lifecycle_state", (one.type, states[-1][1])] += 1
                if one.type == "Incident":
                    ages["days", band(self.now - one.said["occurred_at"])] += 1
        for name, counts in (("backlog", waiting), ("incident_backlog_by_age", ages)):
            total = sum(counts.values())
            found[name] = (total, total, {key: (float(n), n) for key, n in counts.items()})
        return found


def band(age: timedelta) -> str:
    begins = [0, 1, 3, 7, 30]
    last = max((b for b in begins if age >= timedelta(days=b)), default=0)
    following = [b for b in begins if b > last]
    return f"{last}–{following[0]}" if following else f"{last}+"


def grouped(
    values: list[tuple[Happened, Any]], per: Iterable[str]
) -> dict[tuple[str, Any], list[Any]]:
    found: defaultdict[tuple[str, Any], list[Any]] = defaultdict(list)
    for one, value in values:
        for name in per:
            own = one.type if name == "type" and one.type != "Incident" else one.said.get(name)
            for key in own if isinstance(own, set) else {own}:
                found[name, key].append(value)
    return found


def mean(values: list[tuple[Happened, float]], per: Iterable[str]) -> Found:
    whole = [value for _, value in values]
    groups = {k: (sum(v) / len(v), len(v)) for k, v in grouped(values, per).items()}
    return (sum(whole) / len(whole) if whole else None, len(whole), groups)


def share(values: list[tuple[Happened, bool]], per: Iterable[str]) -> Found:
    found, count, groups = mean([(one, 100.0 * good) for one, good in values], per)
    return found, count, groups
