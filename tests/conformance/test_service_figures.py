"""The figures about incidents and changes on every store: as an oracle has them, as of any revision."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cmdb.change_sets import ChangeSet, Create, Operation, Relate, Update
from cmdb.errors import QueryError
from cmdb.ids import new_id
from cmdb.store import create_store
from lifecycle.figures import chosen, evaluate, evaluators, moment
from lifecycle.figures.evaluators import Answer, Moment
from tests.support.building import commit
from tests.support.calendar_oracle import PlainCalendar
from tests.support.figure_oracle import FigureOracle, Found, Happened
from tests.support.observing import shipped_model
from tests.support.service_desk import WEEK, ServiceDesk

MINUTE = timedelta(minutes=1)
NIGHT = {day: ["00:00-08:00", "20:00-24:00"] for day in (*WEEK, "sat", "sun")}
CALENDARS = {"office": ("Asia/Shanghai", WEEK), "night": ("Europe/Berlin", NIGHT)}
CIS = {
    "web1": "VirtualMachine",
    "web2": "VirtualMachine",
    "box": "Server",
    "db": "DatabaseInstance",
}
SERVICES = ("portal", "shop")
WAYS = {
    "new": ("in_progress", "resolved", "cancelled", "merged"),
    "in_progress": ("pending", "resolved", "cancelled"),
    "pending": ("in_progress", "resolved"),
    "resolved": ("in_progress", "closed", "merged"),
}


class Story:
    """What happens to a company of its own, told to the store and kept for the oracle."""

    def __init__(self, desk: ServiceDesk) -> None:
        self.desk, self.store = desk, desk.store
        self.incidents: list[Happened] = []
        self.changes: list[Happened] = []
        self.ids: dict[int, str] = {}
        self.calendars: list[tuple[int, str]] = []
        self.own, self.below = new_id(), new_id()
        desk.now += timedelta(days=40)
        company = Create("CityCompany", {"name": "own", "calendar": desk.ids["office"]}, self.own)
        office = Create("CountyCompany", {"name": "below"}, self.below)
        self.moments = [
            (self.commit(company, office, Relate(self.below, "PART_OF", self.own)), desk.now)
        ]
        self.calendars.append((self.moments[0][0], "office"))

    def commit(self, *operations: Operation) -> int:
        return self.store.commit(ChangeSet(operations, "x", process=True)).revision

    def goes_on(self, event: tuple[int, str, int, int]) -> None:
        minutes, kind, one, other = event
        self.desk.now += minutes * MINUTE
        {
            "open": self.open,
            "move": self.move,
            "change": self.change,
            "calendar": self.recalendar,
        }[kind](one, other)
        if (number := self.store.last_revision().number) > self.moments[-1][0]:
            self.moments.append((number, self.desk.now))

    def open(self, one: int, other: int) -> None:
        ids, id = self.desk.ids, new_id()
        cis = [name for place, name in enumerate(CIS) if one >> place & 1]
        causes = [name for name in cis if other % 3 == 0 and name != cis[0]]
        services = [name for place, name in enumerate(SERVICES) if other >> place & 1]
        organisation = self.below if other & 4 else self.own
        said: dict[str, Any] = {
            "name": "trouble",
            "organisation": organisation,
            "priority": (None, "p1", "p2", "p4")[one % 4],
            "occurred_at": self.desk.now - (other % 2) * timedelta(days=other % 9),
            "service_level": ids["agreed"] if other & 8 else None,
            "impact": {
                "revision": 1, "roots": {}, "complete": True, "truncated": None, "counts": {}, "cells": [], "digest": "",
                "services": [[ids[name], "down", "high"] for name in services] + [[ids["web1"], "at_risk", "low"]],
                "left_out": {"cells": 0, "services": 0},
            },
        }  # fmt: skip
        dues = self.dues(one)
        made = {n: v for n, v in {**said, **_due(dues)}.items() if v is not None}
        operations: list[Operation] = [Create("Incident", made, id)]
        for name in cis:
            details = {"role": "cause" if name in causes else "reported"}
            operations.append(
                Relate(id, "CONCERNS", ids[name], {"outcome": "open", "details": details})
            )
        operations.append(Relate(id, "CONCERNS", ids["gone"], {"outcome": "dropped"}))
        if other % 5 == 0:
            operations.append(Relate(id, "CAUSED_BY", ids["caused"]))
        blamed = causes or cis
        said["caused"] = other % 5 == 0
        said["ci"] = {ids[name] for name in blamed} or {None}
        said["type"] = {CIS[name] for name in blamed} or {None}
        said["service"] = {ids[name] for name in services} or {None}
        number = self.commit(*operations)
        self.ids[len(self.incidents)] = id
        states = [(number, self.desk.now, "new")]
        self.incidents.append(Happened("Incident", said, states, [(number, dues)]))

    def dues(self, seed: int) -> dict[str, datetime | None]:
        later = (None, 30, 300, 3000)
        spans = {"response": later[seed % 4], "resolution": later[seed // 4 % 4]}
        return {n: None if s is None else self.desk.now + s * MINUTE for n, s in spans.items()}

    def move(self, one: int, other: int) -> None:
        if not self.incidents:
            return
        place = one % len(self.incidents)
        incident = self.incidents[place]
        ways = WAYS.get(incident.states[-1][2], ())
        if not ways:
            return
        state, dues = ways[other % len(ways)], self.dues(one + other)
        number = self.commit(Update(self.ids[place], {"lifecycle_state": state, **_due(dues)}))
        incident.states.append((number, self.desk.now, state))
        incident.dues.append((number, dues))

    def change(self, one: int, other: int) -> None:
        type_ = ("NormalChange", "EmergencyChange")[one % 2]
        said = {
            "name": "change",
            "organisation": self.below if other & 1 else self.own,
            "risk": ("low", "high", None)[other % 3],
            "result": ("successful", "failed", "backed_out")[one % 3],
            "ended_at": self.desk.now,
        }
        number = self.commit(
            Create(type_, {n: v for n, v in said.items() if v is not None}, new_id())
        )
        self.changes.append(Happened(type_, said, [(number, self.desk.now, "draft")]))

    def recalendar(self, one: int, other: int) -> None:
        name = ("office", "night")[one % 2]
        number = self.commit(Update(self.own, {"calendar": self.desk.ids[name]}))
        self.calendars.append((number, name))

    def oracle(self, revision: int, now: datetime, since: datetime | None) -> FigureOracle:
        def calendar(one: Happened) -> PlainCalendar:
            own = [name for number, name in self.calendars if number <= revision][-1]
            return PlainCalendar(*CALENDARS["night" if one.said["service_level"] else own])

        return FigureOracle(revision, now, since, calendar)


def _due(dues: dict[str, datetime | None]) -> dict[str, datetime | None]:
    return {f"{name}_due": due for name, due in dues.items()}


def told(answer: Answer) -> Found:
    groups = {}
    for group in answer.groups:
        names, values = zip(*group.key.items(), strict=True)
        key = (names[0], values[0]) if len(names) == 1 else (", ".join(names), values)
        if group.count or group.value:
            groups[key] = (group.value, group.count)
    return answer.value, answer.count, groups


def agree(asked: Moment, oracle: FigureOracle, story: Story) -> None:
    expected = oracle.every(story.incidents, story.changes)
    for figure in chosen(asked.store.model, sorted(expected)):
        value, count, groups = told(evaluate(figure, asked))
        whole, number, parts = expected[figure.name]
        assert (value, count) == (whole and pytest.approx(whole, abs=0.006), number), figure.name
        near: Any = {key: (pytest.approx(v, abs=0.006), n) for key, (v, n) in parts.items()}
        assert groups == near, figure.name


@pytest.fixture(scope="module")
def desk(module_url: str) -> Iterator[ServiceDesk]:
    with create_store(module_url, shipped_model()) as store:
        made = ServiceDesk.make(store)
        commit(
            store,
            *(
                made.create("ServiceCalendar", name, time_zone=zone, working_hours=week)
                for name, (zone, week) in CALENDARS.items()
            ),
            made.create("Server", "gone"),
        )
        commit(store, made.create("SLA", "agreed", calendar=made.ids["night"]))
        commit(store, made.create("NormalChange", "caused"))
        yield made


EVENTS = st.lists(
    st.tuples(
        st.integers(1, 900),
        st.sampled_from(["open", "move", "move", "move", "change", "calendar"]),
        st.integers(0, 63),
        st.integers(0, 63),
    ),
    min_size=1,
    max_size=14,
)


@given(EVENTS, st.integers(0, 63), st.integers(0, 63))
@example(
    [
        (1, "open", 15, 0),
        (60, "move", 0, 0),
        (90, "move", 0, 1),
        (5, "move", 0, 0),
        (600, "move", 0, 1),
    ],
    3,
    0,
)
@example(
    [(1, "open", 15, 0), (700, "move", 0, 0), (700, "move", 0, 1), (5, "calendar", 1, 0)], 3, 1
)
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
def test_figures_are_what_an_oracle_says(
    desk: ServiceDesk, events: list[tuple[int, str, int, int]], then: int, since: int
) -> None:
    story, pages = Story(desk), evaluators.PAGE
    evaluators.PAGE = 2  # type: ignore[misc]  # several pages
    try:
        for event in events:
            story.goes_on(event)
        begin = story.moments[since % len(story.moments)][1] if since % 3 == 0 else None
        newest = story.store.last_revision().number
        now = desk.now + 77 * MINUTE
        asked = moment(story.store, None, story.own, lambda: now, since=begin)
        agree(asked, story.oracle(newest, now, begin), story)
        number, instant = story.moments[then % len(story.moments)]
        for as_of in (number, instant):
            asked = moment(story.store, as_of, story.own, since=begin)
            agree(asked, story.oracle(number, instant, begin), story)
    finally:
        evaluators.PAGE = pages  # type: ignore[misc]


def test_through_the_engine_and_of_another_organisation(desk: ServiceDesk) -> None:
    """Times, promises and services as incidents really get them."""
    store, begun = desk.store, desk.now + timedelta(days=400)
    desk.now = begun
    quick, slow = desk.opened("box"), desk.opened("web1")
    desk.now += 20 * MINUTE  # p2 is to be answered within 30 minutes, p4 within 8 hours
    desk.engine.transition(quick, "acknowledge", "eve")
    desk.now += 100 * MINUTE
    desk.engine.transition(quick, "resolve", "eve", inputs={"resolution_code": "fixed"})
    desk.now += timedelta(hours=7)
    desk.engine.transition(slow, "acknowledge", "eve")

    def answer(name: str, organisation: str = "south") -> Any:
        asked = moment(store, None, desk.ids[organisation], lambda: desk.now, since=begun)
        return told(evaluate(chosen(store.model, [name])[0], asked))

    value, count, groups = answer("time_to_acknowledge")
    assert (value, count) == (pytest.approx((1 / 3 + 9) / 2, abs=0.01), 2)
    assert groups["service", desk.ids["portal"]] == (pytest.approx(0.33), 1)
    assert groups["priority", "p4"] == (9, 1)
    assert answer("response_kept")[:2] == (50, 2)
    assert answer("time_to_restore")[:2] == (2, 1)
    assert answer("resolution_kept")[:2] == (100, 1)
    assert answer("backlog")[2]["type, lifecycle_state", ("Incident", "in_progress")] == (1, 1)
    assert answer("time_to_acknowledge", "north") == (None, 0, {})


def test_a_figure_that_is_not_is_refused(desk: ServiceDesk) -> None:
    with pytest.raises(QueryError, match="no figure 'mttr'"):
        chosen(desk.store.model, ["mttr"])
