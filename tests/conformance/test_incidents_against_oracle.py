"""Random incidents by random people at random times, against plain rules, on every store.

Priorities and until when incidents must be done are those of an oracle that counts minutes; what is kept of an impact
is what the engine says as of the revision that is kept with it; what should have been refused was.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cmdb.change_sets import Relate, Unrelate, Update
from cmdb.integrity import check
from cmdb.store import GraphStore, create_store
from impact.rules import Effect
from impact.snapshots import Snapshot
from itsm.hits import hit
from itsm.merging import merge, split
from itsm.refreshing import refresh
from lifecycle import timers
from lifecycle.refusals import NotAllowedError, RefusedError
from tests.conformance.test_against_oracle import bounded
from tests.support.building import commit
from tests.support.incident_oracle import (
    CALENDARS,
    MERGEABLE,
    OPEN,
    URGENCIES,
    WAYS,
    Agreement,
    PlainIncident,
    priority,
)
from tests.support.neo4j_server import Neo4jServer
from tests.support.observing import shipped_model
from tests.support.service_desk import ServiceDesk

CIS = ("box", "db", "web1", "web2", "portal")
BEGIN = datetime(2050, 3, 25, 12, 3, tzinfo=UTC)
"""Two days before clocks change in Berlin."""
MINUTE = timedelta(minutes=1)
WORKERS = ("sam", "eve", "ola")
PEOPLE = st.sampled_from((*WORKERS, *WORKERS, "cora", "nick"))
HOURS = st.integers(1, 40).map(lambda quarters: timedelta(minutes=15 * quarters))
CALENDAR = st.sampled_from((None, *sorted(CALENDARS)))
NUMBER = st.integers(0, 2)
GOING_ON = ("acknowledge", "suspend", "continue", "resolve", "reopen")


class IncidentsAgainstOracle(RuleBasedStateMachine):
    desk: ServiceDesk

    def new_store(self) -> GraphStore:
        raise NotImplementedError

    @initialize(calendar=CALENDAR, at_hand=st.booleans())
    def begin(self, calendar: str | None, at_hand: bool) -> None:
        self.desk = desk = ServiceDesk.make(self.new_store())
        desk.now = BEGIN
        self.ids: list[str] = []
        self.plain: list[PlainIncident] = []
        self.seen: dict[str, int] = {}
        self.topology = Snapshot(desk.store).shared if at_hand else None
        self.calendar, self.agreed = calendar, Agreement()
        said = [desk.create("ServiceCalendar", name, **of) for name, of in CALENDARS.items()]
        sla = desk.create("SLA", "gold", lifecycle_state="in_use")
        own = Update(desk.ids["province"], {"calendar": calendar and desk.ids[calendar]})
        covers = Relate(desk.ids["portal"], "COVERED_BY", desk.ids["gold"])
        commit(desk.store, *said, sla, own, covers)

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            assert list(check(self.desk.store)) == []
            self.desk.store.close()

    def tick(self) -> datetime:
        """Each thing happens in a minute of its own, so that its revision has the instant of the clock."""
        self.desk.now += MINUTE
        return self.desk.now

    def tried(self, expected: bool, action: Callable[[], Any]) -> Any:
        before = self.desk.store.last_revision().number
        try:
            result = action()
        except (RefusedError, NotAllowedError):
            assert not expected
            assert self.desk.store.last_revision().number == before
            return None
        assert expected
        return result

    def chosen(self, number: int) -> tuple[str, PlainIncident]:
        """The latest are the likeliest."""
        index = len(self.ids) - 1 - number % len(self.ids)
        return self.ids[index], self.plain[index]

    def given(self, items: dict[str, str]) -> dict[str, dict[str, Any]]:
        return {self.desk.ids[ci]: {"effect": effect} for ci, effect in items.items()}

    # -- what happens -----------------------------------------------------------------------------------

    @rule(minutes=st.integers(1, 2000))
    def wait(self, minutes: int) -> None:
        self.desk.now += MINUTE * minutes

    @rule(
        person=PEOPLE, urgency=st.sampled_from(URGENCIES),
        items=st.dictionaries(st.sampled_from(CIS), st.sampled_from(["down", "down", "degraded", "none"]), min_size=1),
    )  # fmt: skip
    def open(self, person: str, urgency: str, items: dict[str, str]) -> None:
        now = self.tick()
        found = self.desk.incidents.open(person, "x", self.given(items), {"urgency": urgency})
        self.ids.append(found.id)
        self.plain.append(PlainIncident(dict(items), urgency, [("new", now)]))

    @precondition(lambda self: bool(getattr(self, "ids", ())))
    @rule(number=NUMBER, name=st.sampled_from(sorted(WAYS)), person=PEOPLE)
    def move(self, number: int, name: str, person: str) -> None:
        id, plain = self.chosen(number)
        now, (sources, target) = self.tick(), WAYS[name]
        said = {"resolution_code": "fixed"}
        requester = self.desk.told(id, "requested_by") == [person]
        may = person in {"close": {"sam"}, "cancel": {"sam", "eve"}}.get(name, WORKERS)
        if name in ("reopen", "close", "cancel"):
            may = may or requester
        expected = plain.state in sources and may
        transition = self.desk.engine.transition
        self.tried(expected, lambda: transition(id, name, person, reason="x", inputs=said))
        if expected:
            plain.enter(target, now)

    @rule(
        items=st.lists(st.sampled_from(CIS), min_size=1, max_size=2, unique=True),
        waits=st.lists(st.integers(1, 900), min_size=2, max_size=7),
        choices=st.lists(st.integers(0, 5), min_size=7, max_size=7),
    )
    def drive(self, items: list[str], waits: list[int], choices: list[int]) -> None:
        """One that goes on as incidents should, for a while; what must hold is looked at on each step."""
        self.open("sam", "medium", dict.fromkeys(items, "down"))
        for minutes, choice in zip(waits, choices, strict=False):
            self.wait(minutes)
            ways = [name for name in GOING_ON if self.plain[-1].state in WAYS[name][0]]
            self.move(0, ways[choice % len(ways)], "eve")
            self.incidents_are_as_they_should_be()

    @precondition(lambda self: bool(getattr(self, "ids", ())))
    @rule(number=NUMBER, urgency=st.sampled_from(URGENCIES), person=PEOPLE)
    def rate(self, number: int, urgency: str, person: str) -> None:
        id, plain = self.chosen(number)
        self.tick()
        expected = plain.state in OPEN and person in WORKERS
        self.tried(expected, lambda: self.desk.incidents.rate(id, person, urgency))
        if expected:
            plain.urgency = urgency

    @precondition(lambda self: bool(getattr(self, "ids", ())))
    @rule(number=NUMBER, ci=st.sampled_from(CIS), effect=st.sampled_from(["down", "degraded"]))
    def include(self, number: int, ci: str, effect: str) -> None:
        id, plain = self.chosen(number)
        self.tick()
        items = self.given({ci: effect})
        expected = plain.state in OPEN
        self.tried(expected, lambda: self.desk.incidents.include(id, "eve", items))
        if expected:
            plain.items[ci] = effect

    @precondition(lambda self: bool(getattr(self, "ids", ())))
    @rule(number=NUMBER, data=st.data())
    def exclude(self, number: int, data: st.DataObject) -> None:
        id, plain = self.chosen(number)
        if not plain.items:
            return
        ci = data.draw(st.sampled_from(sorted(plain.items)))
        self.tick()
        expected = plain.state in OPEN and len(plain.items) > 1
        gone = [self.desk.ids[ci]]
        self.tried(expected, lambda: self.desk.incidents.exclude(id, "eve", gone))
        if expected:
            del plain.items[ci]

    @precondition(lambda self: len(getattr(self, "ids", ())) > 1)
    @rule(number=NUMBER, other=NUMBER, person=PEOPLE)
    def take_together(self, number: int, other: int, person: str) -> None:
        (id, into), (absorbed, plain) = self.chosen(number), self.chosen(other)
        if id == absorbed:
            return
        now = self.tick()
        expected = into.state in OPEN and plain.state in MERGEABLE and person in WORKERS
        self.tried(expected, lambda: merge(self.desk.incidents, id, [absorbed], person))
        if expected:
            into.items = {**plain.items, **into.items}
            into.urgency = min(into.urgency, plain.urgency, key=URGENCIES.index)
            plain.items = {}
            plain.enter("merged", now)

    @precondition(lambda self: bool(getattr(self, "ids", ())))
    @rule(number=NUMBER, data=st.data())
    def take_apart(self, number: int, data: st.DataObject) -> None:
        id, plain = self.chosen(number)
        if not plain.items:
            return
        cis = data.draw(st.sets(st.sampled_from(sorted(plain.items)), min_size=1))
        now = self.tick()
        expected = plain.state in OPEN and cis < plain.items.keys()
        going = [self.desk.ids[ci] for ci in sorted(cis)]
        part = self.tried(expected, lambda: split(self.desk.incidents, id, going, "eve"))
        if expected:
            self.ids.append(part.id)
            moved = {ci: plain.items.pop(ci) for ci in cis}
            self.plain.append(PlainIncident(moved, plain.urgency, [("new", now)]))

    # -- what changes around them ---------------------------------------------------------------------

    @rule(critical=st.booleans(), runs=st.booleans())
    def change_the_graph(self, critical: bool, runs: bool) -> None:
        desk, ids = self.desk, self.desk.ids
        self.tick()
        there = desk.store.neighbours([ids["db"]], ["RUNS_ON"], "out")
        link = (ids["db"], "RUNS_ON", ids["box"])
        made = (
            [Relate(*link)]
            if runs and not there
            else [Unrelate(*link)]
            if there and not runs
            else []
        )
        said = {"criticality": "critical" if critical else None}
        commit(desk.store, *made, Update(ids["portal"], said))
        self.follow()

    @rule(respond=st.none() | HOURS, resolve=st.none() | HOURS, calendar=CALENDAR)
    def promise(self, respond: Any, resolve: Any, calendar: str | None) -> None:
        desk = self.desk
        self.tick()
        said = {"response_time": respond, "resolution_time": resolve, "calendar": calendar and desk.ids[calendar]}  # fmt: skip
        commit(desk.store, Update(desk.ids["gold"], said))
        self.agreed = Agreement(respond, resolve, calendar)
        self.follow()

    @rule(calendar=CALENDAR)
    def work_otherwise(self, calendar: str | None) -> None:
        self.tick()
        own = {"calendar": calendar and self.desk.ids[calendar]}
        commit(self.desk.store, Update(self.desk.ids["province"], own))
        self.calendar = calendar
        self.follow()

    def follow(self) -> None:
        """Open incidents are looked at anew; once is enough, and what they hit is what they hit now."""
        self.tick()
        refresh(self.desk.engine, self.topology)
        store = self.desk.store
        assert refresh(self.desk.engine, self.topology).changed == []
        for id, plain in zip(self.ids, self.plain, strict=True):
            if plain.state in OPEN:
                roots = self.roots(plain)
                now = hit(store, roots, store.last_revision().number)
                assert now.same(store.record(id).attributes["impact"])

    @rule()
    def fire(self) -> None:
        """What is late escalates: once for each stay."""
        now = self.tick()
        late = set()
        for id, plain in zip(self.ids, self.plain, strict=True):
            for timer, due, states in (
                ("unanswered", "response_due", ("new",)),
                ("overdue", "resolution_due", ("new", "in_progress")),
            ):
                at = self.desk.store.record(id).attributes.get(due)
                mark = (timer, len(plain.stays))
                if (
                    plain.state in states
                    and at is not None
                    and at <= now
                    and mark not in plain.fired
                ):
                    plain.fired.add(mark)
                    late.add((id, timer))
        fired = timers.run(self.desk.engine)
        assert {(f.record.id, f.timer.name) for f in fired if f.timer.name != "settled"} == late
        assert timers.run(self.desk.engine) == []
        for firing in fired:
            if firing.timer.name == "settled":
                self.plain[self.ids.index(firing.record.id)].enter("closed", now)

    # -- what must hold -------------------------------------------------------------------------------

    def roots(self, plain: PlainIncident) -> dict[str, Effect]:
        given = {self.desk.ids[ci]: Effect[word.upper()] for ci, word in plain.items.items()}
        return {id: effect for id, effect in given.items() if effect}

    @invariant()
    def incidents_are_as_they_should_be(self) -> None:
        for id, plain in zip(getattr(self, "ids", ()), getattr(self, "plain", ()), strict=True):
            record = self.desk.store.record(id)
            said = record.attributes
            assert said["lifecycle_state"] == plain.state
            assert said["urgency"] == plain.urgency
            kept = said["impact"]
            roots = {ci: Effect[word.upper()] for ci, word in kept["roots"].items()}
            if self.seen.get(id) != record.revision:  # as it was when it was looked at last
                assert kept == hit(self.desk.store, roots, said["impact_revision"]).plain()
                self.seen[id] = record.revision
            if plain.state in OPEN:
                assert roots == self.roots(plain)
            assert said["priority"] == priority(kept, plain.urgency)
            impaired = {s[0] for s in kept["services"] if s[1] in ("down", "degraded")}
            covered = self.desk.ids["portal"] in impaired or "portal" in plain.items
            if plain.state == "merged":  # it concerns nothing any more
                continue
            for clock in ("response", "resolution"):
                agreed = self.agreed if covered else None
                if plain.state not in OPEN:
                    continue
                due = plain.due(clock, said["priority"], agreed, self.calendar)
                assert said.get(f"{clock}_due") == due, (clock, plain, agreed)


def test_sqlite_keeps_to_the_rules(tmp_path: Path) -> None:
    numbers = itertools.count()

    class Machine(IncidentsAgainstOracle):
        def new_store(self) -> GraphStore:
            return create_store(f"sqlite:///{tmp_path}/{next(numbers)}.db", shipped_model())

    run_state_machine_as_test(Machine, settings=bounded(25, 30))


@pytest.mark.neo4j
def test_neo4j_keeps_to_the_rules(neo4j_store_url: str, neo4j_server: Neo4jServer) -> None:
    class Machine(IncidentsAgainstOracle):
        def new_store(self) -> GraphStore:
            neo4j_server.empty()
            return create_store(neo4j_store_url, shipped_model())

    run_state_machine_as_test(Machine, settings=bounded(2, 20))
