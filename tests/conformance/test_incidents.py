"""Incidents on every store: opened with what they hit, their priority, their clocks, and who sees to them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cmdb.change_sets import Relate, Update
from cmdb.integrity import check
from cmdb.store import create_store
from impact.rules import Effect
from itsm.hits import hit
from lifecycle import timers
from lifecycle.due import Moment, ask
from tests.support.building import commit
from tests.support.observing import shipped_model
from tests.support.service_desk import MONDAY, WEEK, ServiceDesk

DUES = ("response_due", "resolution_due")


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def quarter_to_nine(day: int) -> datetime:
    """08:45 in Shanghai."""
    return datetime(2050, 3, day, 0, 45, tzinfo=UTC)


@pytest.fixture
def desk(url: str) -> Iterator[ServiceDesk]:
    with create_store(url, shipped_model()) as store:
        made = ServiceDesk.make(store)
        yield made
        assert list(check(store)) == []


def near(found: list[Any], expected: list[datetime | None]) -> bool:
    """Whether they are the same instants: commits take microseconds by the desk's clock."""
    return [f and f.replace(microsecond=0) for f in found] == expected


def test_what_it_hits_is_kept_and_its_priority_follows(desk: ServiceDesk) -> None:
    id = desk.opened("box", details={"box": {"role": "cause"}})
    kept = desk.store.record(id).attributes
    assert kept["number"] == "SJ-2050-000001"
    assert desk.told(id, "organisation", "requested_by", "hit_organisations") == ["south", "sam", ["south"]]  # fmt: skip
    assert [s[:2] for s in kept["impact"]["services"]] == [[desk.ids["portal"], "down"]]
    assert kept["impact"]["counts"] == {"down": 4}
    roots, at = {desk.ids["box"]: Effect.DOWN}, kept["impact_revision"]
    assert kept["impact"] == hit(desk.store, roots, at).plain()
    assert desk.told(id, "impact_level", "priority", "major") == ["significant", "p2", None]
    assert kept["response_due"] == MONDAY + timedelta(minutes=30)
    assert kept["resolution_due"] == MONDAY + hours(8)
    assert desk.concerned(id) == {"box": ("open", {"role": "cause"})}
    worse = desk.opened("box", urgency="high")
    assert desk.told(worse, "number", "priority", "major") == ["SJ-2050-000002", "p1", True]


def test_only_redundancy_is_lost_and_effects_may_be_said(desk: ServiceDesk) -> None:
    one = desk.opened("web1")
    assert desk.store.record(one).attributes["impact"]["counts"] == {"down": 1, "at_risk": 1}
    assert desk.told(one, "impact_level", "priority") == ["minor", "p4"]
    slow = desk.opened("db", details={"db": {"effect": "degraded"}})
    assert desk.told(slow, "impact_level", "priority") == ["moderate", "p3"]
    both = desk.opened("db", "web1", roots={"db": Effect.DEGRADED})
    assert desk.store.record(both).attributes["impact"]["roots"] == {desk.ids["db"]: "degraded"}
    assert desk.concerned(both)["web1"] == ("open", {"effect": "none"})


def test_clocks_go_by_calendars_pause_and_go_on(desk: ServiceDesk) -> None:
    desk.now -= hours(0.25)
    week = {"working_hours": WEEK, "time_zone": "Asia/Shanghai"}
    commit(desk.store, desk.create("ServiceCalendar", "office hours", **week))
    commit(desk.store, Update(desk.ids["province"], {"calendar": desk.ids["office hours"]}))
    answered = MONDAY + hours(0.25)
    id = desk.opened("box")  # Monday 16:45, p2: answered in 30 minutes, resolved in 8 hours
    assert desk.told(id, *DUES) == [answered, quarter_to_nine(9)]
    desk.now += hours(0.25)
    desk.engine.transition(id, "acknowledge", "eve")
    assert desk.told(id, "lifecycle_state", "assignee") == ["in_progress", "eve"]
    assert near(desk.told(id, *DUES), [answered, quarter_to_nine(9)])
    desk.engine.transition(id, "suspend", "eve", reason="waits for a part")
    assert near(desk.told(id, *DUES), [answered, None])
    desk.now += timedelta(days=1)
    desk.engine.transition(id, "continue", "eve")
    assert near(desk.told(id, *DUES), [answered, quarter_to_nine(10)])
    desk.now += hours(18)
    desk.engine.transition(id, "resolve", "eve", inputs={"resolution_code": "fixed"})
    assert near(desk.told(id, *DUES), [answered, quarter_to_nine(10)])
    desk.now += timedelta(days=2)
    desk.engine.transition(id, "reopen", "sam", reason="again")
    assert desk.told(id, "lifecycle_state", "assignee") == ["in_progress", "eve"]
    assert near(desk.told(id, *DUES), [answered, quarter_to_nine(14)])


def test_who_sees_to_it_goes_up_line_by_line(desk: ServiceDesk) -> None:
    shift = {"starts_at": MONDAY - hours(1), "ends_at": MONDAY + hours(0.5)}
    commit(
        desk.store,
        desk.create("AssignmentRule", "first", support_level="first", team=desk.ids["desk"]),
        desk.create(
            "AssignmentRule", "third", support_level="third", team=desk.ids["servers"], applies_to=["Computer"],
        ),
        desk.create("OnCallShift", "early", team=desk.ids["desk"], person=desk.ids["ola"], **shift),
        Relate(desk.ids["box"], "OPERATED_BY", desk.ids["desktop"]),
    )  # fmt: skip
    who = ("support_level", "assigned_team", "assignee", "escalation")
    id = desk.opened("box")
    assert desk.told(id, *who) == ["first", "desk", "ola", None]
    desk.now = MONDAY + hours(0.6)
    assert [f.timer.name for f in timers.run(desk.engine)] == ["unanswered"]
    assert desk.told(id, *who) == ["second", "desktop", None, 1]
    desk.now = MONDAY + hours(9)
    assert [f.timer.name for f in timers.run(desk.engine)] == ["overdue"]
    assert desk.told(id, *who) == ["third", "servers", None, 2]
    assert timers.run(desk.engine) == []


def test_what_is_late_is_due(desk: ServiceDesk) -> None:
    slow = {"db": {"effect": "degraded"}}
    desk.opened("box", name="down"), desk.opened("db", details=slow, name="slow")
    waiting = desk.opened("box", name="waiting")
    desk.engine.transition(waiting, "acknowledge", "eve")

    def late(kind: str, at: datetime) -> dict[str, int | None]:
        moment = Moment(at.date(), now=at)
        return {d.record.name: d.days for d in ask(desk.store, kind, moment)}

    assert late("answers", MONDAY + hours(0.5)) == {}
    assert late("answers", MONDAY + hours(0.6)) == {"down": 0}
    assert late("answers", MONDAY + hours(2.1)) == {"down": 0, "slow": 0}
    assert late("incidents", MONDAY + hours(8.1)) == {"down": 0, "waiting": 0}
    assert late("incidents", MONDAY + hours(40)) == {"down": -2, "waiting": -2, "slow": -1}
    assert [d.days for d in ask(desk.store, "answers", Moment(MONDAY.date()))] == [0, 0]
