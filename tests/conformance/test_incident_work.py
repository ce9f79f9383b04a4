"""What people do to incidents, on every store: taken together and apart, handed on, kept up with the graph."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from cmdb.change_sets import ChangeSet, Create, Relate, Unrelate, Update
from cmdb.errors import ConflictError, InvalidChangeError, NotFoundError
from cmdb.ids import new_id
from cmdb.integrity import check
from cmdb.reconciliation.undoing import undo
from cmdb.store import create_store
from impact.rules import Effect
from impact.snapshots import Snapshot
from itsm.hits import hit
from itsm.merging import merge, split
from itsm.refreshing import refresh
from lifecycle.deciding import Decision
from lifecycle.engine import Engine
from lifecycle.refusals import NotAllowedError, RefusedError, RequestError
from lifecycle.resume import resume
from tests.support.building import commit
from tests.support.observing import shipped_model
from tests.support.service_desk import ServiceDesk

KEPT = ("priority", "impact_level", "hit_organisations")


@pytest.fixture
def desk(url: str) -> Iterator[ServiceDesk]:
    with create_store(url, shipped_model()) as store:
        made = ServiceDesk.make(store)
        yield made
        assert list(check(store)) == []


def alert(desk: ServiceDesk, name: str, ci: str, incident: str, state: str = "firing") -> None:
    said = {"name": name, "fingerprint": name, "lifecycle_state": state}
    desk.ids[name] = new_id()
    desk.store.commit(
        ChangeSet(
            [
                Create("Alert", said, desk.ids[name]),
                Relate(desk.ids[name], "RAISED_ON", desk.ids[ci]),
                Relate(desk.ids[name], "REPORTED_IN", incident),
            ],
            "monitor",
            process=True,
        )
    )


def reported(desk: ServiceDesk, incident: str) -> list[str]:
    near = desk.store.neighbours([incident], ["REPORTED_IN"], "in")
    return sorted(str(n.record.name) for n in near)


def kept_is_right(desk: ServiceDesk, incident: str) -> None:
    """What is kept is what the engine says as of the revision that is kept with it."""
    kept = desk.store.record(incident).attributes
    roots = {id: Effect[word.upper()] for id, word in kept["impact"]["roots"].items()}
    assert kept["impact"] == hit(desk.store, roots, kept["impact_revision"]).plain()


def test_anybody_opens_one_and_those_who_may_work_on_it(desk: ServiceDesk) -> None:
    ids = desk.ids
    incident = desk.incidents.open("cora", "mail is slow", [ids["web1"]], {"urgency": "low"})
    assert incident.attributes["number"] == "SJ-2050-000001"
    assert desk.told(incident.id, "requested_by", "channel", "priority") == ["cora", "person", "p4"]
    newest = desk.store.last_revision()
    assert (newest.actor, newest.reason) == ("cora", "SJ-2050-000001 opened: mail is slow")
    for items, said in (([], {}), ([new_id()], {}), ([ids["web1"]], {"priority": "p1"})):
        with pytest.raises(RequestError):
            desk.incidents.open("cora", "x", items, said)
    with pytest.raises(NotAllowedError):
        desk.incidents.rate(incident.id, "cora", "high")
    with pytest.raises(NotAllowedError):
        desk.incidents.rate(incident.id, "nick", "high")
    desk.incidents.rate(incident.id, "ola", "high", "the boss waits")
    assert desk.told(incident.id, "priority") == ["p3"]
    desk.incidents.include(incident.id, "eve", {ids["box"]: {}}, {ids["box"]: Effect.DEGRADED})
    assert desk.told(incident.id, *KEPT) == ["p2", "moderate", ["south"]]
    kept_is_right(desk, incident.id)
    desk.incidents.exclude(incident.id, "eve", [ids["box"]])
    assert desk.told(incident.id, "priority") == ["p3"]
    assert desk.concerned(incident.id)["box"][0] == "dropped"
    with pytest.raises(RefusedError, match="nothing any more"):
        desk.incidents.exclude(incident.id, "eve", [ids["web1"]])
    with pytest.raises(NotFoundError, match="does not concern"):
        desk.incidents.exclude(incident.id, "eve", [ids["box"]])
    desk.engine.transition(incident.id, "cancel", "sam", reason="a mistake")
    with pytest.raises(RefusedError, match="no longer open"):
        desk.incidents.rate(incident.id, "ola", "low")


def test_handed_on_declared_and_related(desk: ServiceDesk) -> None:
    ids, incidents = desk.ids, desk.incidents
    one, other = desk.opened("box"), desk.opened("web1")
    incidents.declare(one, "sam", True, "the press calls")
    assert desk.told(one, "major") == [True]
    incidents.declare(one, "sam", False)
    assert desk.told(one, "major") == [False]
    shift = {"starts_at": desk.now, "ends_at": desk.now + timedelta(days=1)}
    commit(
        desk.store,
        desk.create("OnCallShift", "night", team=ids["servers"], person=ids["ola"], **shift),
        desk.create("Problem", "old firmware"),
        desk.create("KnowledgeArticle", "replace it"),
        desk.create("NormalChange", "new firmware"),
    )
    incidents.give(one, "sam", ids["servers"])
    assert desk.told(one, "assigned_team", "assignee") == ["servers", "ola"]
    incidents.reassign(one, "sam", "eve", "she knows it")
    assert desk.told(one, "assignee") == ["eve"]
    with pytest.raises(RefusedError, match="bob is no"):
        incidents.reassign(one, "sam", "bob")
    with pytest.raises(RequestError):
        incidents.give(one, "sam", ids["eve"])
    for escalated in ("second", "third"):
        incidents.escalate(one, "eve", "beyond us")
        assert desk.told(one, "support_level", "assignee") == [escalated, "eve"]
    with pytest.raises(RefusedError, match="last line"):
        incidents.escalate(one, "eve", "beyond us")
    incidents.relate(one, "eve", other)
    before = desk.store.last_revision().number
    incidents.relate(other, "eve", one)
    assert desk.store.last_revision().number == before
    incidents.relate(one, "eve", ids["old firmware"])
    incidents.relate(one, "eve", ids["replace it"])
    incidents.cause(one, "eve", ids["new firmware"])
    incidents.relate(one, "eve", ids["new firmware"], "FIXED_BY")
    near = desk.store.neighbours([one], ["RELATED_TO", "HAS_PROBLEM", "DESCRIBED_BY", "CAUSED_BY", "FIXED_BY"])  # fmt: skip
    assert len(near) == 5
    for wrong in ((ids["shop"], ""), (other, "MERGED_INTO")):
        with pytest.raises(RequestError):
            incidents.relate(one, "eve", *wrong)
    incidents.cause(one, "eve", ids["db"])
    assert desk.told(one, "probable_cause") == ["db"]
    assert desk.concerned(one)["db"] == ("open", {"role": "cause"})
    with pytest.raises(RequestError):
        incidents.cause(one, "eve", ids["eve"])


def test_several_become_one(desk: ServiceDesk) -> None:
    ids = desk.ids
    one = desk.opened("web1", urgency="low")
    other, third = desk.opened("box", urgency="high"), desk.opened("web2", "web1")
    alert(desk, "a1", "web1", one)
    alert(desk, "a2", "box", other)
    alert(desk, "a3", "web2", third, "cleared")
    commit(desk.store, desk.create("Problem", "p"))
    desk.incidents.relate(one, "eve", other)
    desk.incidents.relate(other, "eve", third)
    desk.incidents.relate(other, "eve", ids["p"])
    desk.engine.transition(third, "resolve", "eve", inputs={"resolution_code": "fixed"})
    with pytest.raises(NotAllowedError):
        merge(desk.incidents, one, [other], "nick")
    with pytest.raises(RequestError):
        merge(desk.incidents, one, [one], "eve")
    merge(desk.incidents, one, [other, third], "eve", "the same cause")
    assert desk.told(one, "lifecycle_state", "urgency", "priority", "major") == ["new", "high", "p1", True]  # fmt: skip
    assert set(desk.concerned(one)) == {"web1", "web2", "box"}
    assert reported(desk, one) == ["a1", "a2", "a3"]
    kept_is_right(desk, one)
    for id in (other, third):
        assert desk.told(id, "lifecycle_state") == ["merged"]
        assert {outcome for outcome, _ in desk.concerned(id).values()} == {"dropped"}
        assert reported(desk, id) == []
    near = desk.store.neighbours([one], ["RELATED_TO", "HAS_PROBLEM", "MERGED_INTO"])
    assert sorted(n.relationship.type for n in near) == [
        "HAS_PROBLEM",
        "MERGED_INTO",
        "MERGED_INTO",
    ]
    with pytest.raises(RefusedError):
        merge(desk.incidents, one, [other], "eve")
    with pytest.raises(RefusedError, match="no longer open"):
        merge(desk.incidents, other, [one], "eve")


def test_one_becomes_two(desk: ServiceDesk) -> None:
    ids = desk.ids
    one = desk.opened("web1", "box", urgency="high", by="cora")
    alert(desk, "a1", "web1", one)
    alert(desk, "a2", "box", one)
    desk.incidents.cause(one, "eve", ids["box"])
    with pytest.raises(RefusedError, match="nothing any more"):
        split(desk.incidents, one, [ids["box"], ids["web1"]], "eve")
    with pytest.raises(NotFoundError):
        split(desk.incidents, one, [ids["db"]], "eve")
    part = split(desk.incidents, one, [ids["box"]], "eve", "the box", "two things")
    assert desk.told(part.id, "name", "requested_by", "priority", "probable_cause") == ["the box", "cora", "p1", "box"]  # fmt: skip
    assert desk.told(one, "priority", "probable_cause") == ["p3", None]
    assert (reported(desk, one), reported(desk, part.id)) == (["a1"], ["a2"])
    assert desk.concerned(one)["box"][0] == "dropped"
    assert desk.concerned(part.id) == {"box": ("open", {"role": "cause"})}
    for id in (one, part.id):
        kept_is_right(desk, id)
    # What has left an incident may be retired while that is open.
    desk.engine.transition(part.id, "cancel", "eve", reason="replaced")
    refusals = desk.engine.choices(desk.record("web1"), "eve")
    assert [r.code for c in refusals for r in c.refusals if r.code == "no_open_process"] == ["no_open_process"]  # fmt: skip


def test_what_changes_in_the_graph_is_followed(desk: ServiceDesk) -> None:
    store, ids = desk.store, desk.ids
    slow = {"db": {"effect": "degraded"}}
    one, other = desk.opened("box"), desk.opened("db", details=slow)
    done = desk.opened("web2")
    desk.engine.transition(done, "resolve", "eve", inputs={"resolution_code": "fixed"})
    assert refresh(desk.engine).changed == []
    last = store.last_revision().number
    assert refresh(desk.engine) == (0, [], last)
    commit(store, Update(ids["box"], {"name": "box 1"}), desk.create("Server", "spare"))
    assert refresh(desk.engine).looked_at == 0
    commit(store, Update(ids["portal"], {"criticality": "critical"}))
    assert refresh(desk.engine)[:2] == (2, [one, other])
    assert desk.told(one, "priority", "major") == ["p1", True]
    assert desk.told(other, "impact_level", "priority") == ["significant", "p2"]
    reason = store.history(one)[0].revision.reason
    assert reason == "SJ-2050-000001 looked at anew: priority p2 -> p1"
    assert refresh(desk.engine).changed == []
    commit(store, Unrelate(ids["db"], "RUNS_ON", ids["box"]))
    snapshot = Snapshot(store)
    assert refresh(desk.engine, snapshot.shared).changed == [one]
    assert desk.told(one, "priority", "hit_organisations") == ["p4", ["south"]]
    commit(store, Update(one, {"urgency": "high"}))
    assert refresh(desk.engine)[:2] == (1, [one])
    assert desk.told(one, "priority") == ["p3"]
    # By hand, without the service desk: taken up all the same.
    bare = new_id()
    commit(store, Create("Incident", {"name": "bare"}, bare))
    assert refresh(desk.engine)[:2] == (1, [bare])
    assert desk.told(bare, "priority") == ["p4"]
    for id in (one, other, bare):
        kept_is_right(desk, id)


def test_agreements_promise_and_the_strictest_counts(desk: ServiceDesk) -> None:
    store, ids = desk.store, desk.ids
    hour = timedelta(hours=1)
    id = desk.opened("box")
    refresh(desk.engine)
    commit(
        store,
        desk.create("SLA", "gold", lifecycle_state="in_use", resolution_time=6 * hour),
        desk.create("SLA", "for others", lifecycle_state="in_use", resolution_time=hour, for_priorities=["p4"]),
        desk.create("SLA", "not yet", resolution_time=hour),
        desk.create("SLA", "silver", lifecycle_state="in_use", resolution_time=7 * hour),
        desk.create("MaintenanceContract", "vendor"),
        *(Relate(ids["portal"], "COVERED_BY", ids[name]) for name in ("silver", "gold", "for others", "not yet", "vendor")),
    )  # fmt: skip
    assert refresh(desk.engine).changed == [id]
    begun = store.history(id)[-1].revision.at
    due = ("service_level", "response_due", "resolution_due")
    assert desk.told(id, *due) == ["gold", begun + hour / 2, begun + 6 * hour]
    night = {"working_hours": {"tue": ["00:00-24:00"]}, "time_zone": "Asia/Shanghai"}
    commit(
        store,
        desk.create("ServiceCalendar", "tuesdays", **night),
        desk.create("SLA", "odd", lifecycle_state="in_use", resolution_time=hour, response_time=hour / 4),
        Relate(ids["db"], "COVERED_BY", ids["gold"]),
        Relate(ids["box"], "COVERED_BY", ids["odd"]),
    )  # fmt: skip
    commit(store, Update(ids["odd"], {"calendar": ids["tuesdays"]}))
    assert refresh(desk.engine).changed == [id]
    # Monday 17:00: an hour of Tuesday is over at one o'clock, eight hours away; six of any are over before.
    assert desk.told(id, *due)[::2] == ["gold", begun + 6 * hour]
    commit(store, *(Update(ids[n], {"resolution_time": 12 * hour}) for n in ("gold", "silver")))
    refresh(desk.engine)
    assert desk.told(id, *due) == ["odd", begun + 7.25 * hour, begun + 8 * hour]


def test_two_at_once_do_not_undo_each_other(desk: ServiceDesk) -> None:
    one, other = desk.opened("box"), desk.opened("db")
    refresh(desk.engine)
    commit(desk.store, Update(desk.ids["portal"], {"criticality": "critical"}))
    decide, others = desk.engine.decide, Engine(desk.store)

    def late(actor: str, work: Any, **more: Any) -> Any:
        def meanwhile() -> Decision:
            decision: Decision = work()
            if not done:
                done.append(True)
                others.decide("eve", lambda: Decision([Update(one, {"major": False})], "no"))
            return decision

        return decide(actor, meanwhile, **more)

    done: list[bool] = []
    desk.engine.decide = late  # type: ignore[method-assign]
    with pytest.raises(ConflictError):
        desk.incidents.rate(one, "eve", "low")
    done.clear()
    assert refresh(desk.engine).changed == [one, other]
    assert desk.told(one, "major", "priority") == [True, "p1"]


def test_every_step_is_in_the_resume_of_its_cis(desk: ServiceDesk) -> None:
    id = desk.opened("box", "web1")
    desk.engine.transition(id, "acknowledge", "eve")
    desk.incidents.rate(id, "eve", "high")
    desk.incidents.escalate(id, "eve", "beyond us")
    desk.incidents.comment(id, "eve", "the fan stands still")
    split(desk.incidents, id, [desk.ids["web1"]], "eve")
    solved = {"resolution_code": "replaced", "resolution": "new fan"}
    desk.engine.transition(id, "resolve", "eve", inputs=solved)
    told = [e for e in resume(desk.store, desk.ids["box"]).entries if e.kind == "incident"]
    assert [e.en for e in told] == [
        "Incident SJ-2050-000001 concerns it.",
        "Incident SJ-2050-000001: New (Priority 2 - High; Line of support Service desk).",
        "Incident SJ-2050-000001: New → In progress.",
        "Incident SJ-2050-000001: Priority 2 - High → 1 - Critical; Major incident yes.",
        "Incident SJ-2050-000001: Line of support Service desk → Desktop operations.",
        "Incident SJ-2050-000001: eve said: the fan stands still",
        "Incident SJ-2050-000001: In progress → Resolved (Resolution code Replaced; Resolution new fan).",
    ]
    assert told[1].zh == "事件 SJ-2050-000001：新建（优先级 二级；支持级别 一线（服务台））。"
    assert told[3].zh == "事件 SJ-2050-000001：优先级 二级 → 一级；重大事件 是。"
    assert (
        told[-1].zh == "事件 SJ-2050-000001：处理中 → 已解决（解决代码 已更换；解决方案 new fan）。"
    )
    web = [e.en for e in resume(desk.store, desk.ids["web1"]).entries if e.kind == "incident"]
    assert "No longer concerned by Incident SJ-2050-000001." in web
    assert (
        "Incident SJ-2050-000002: New (Priority 3 - Medium; Line of support Service desk)." in web
    )


def test_what_was_done_may_be_undone_where_a_way_leads_back(desk: ServiceDesk) -> None:
    one, other = desk.opened("box"), desk.opened("web1")
    told = ("urgency", "priority", "lifecycle_state", "response_due")
    before = desk.told(one, *told)
    rated = desk.incidents.rate(one, "eve", "high")
    undo(desk.store, rated, actor="pat")
    assert desk.told(one, *told) == before
    merged = merge(desk.incidents, one, [other], "eve")
    with pytest.raises(InvalidChangeError, match="cannot go from merged"):
        undo(desk.store, merged, actor="pat")
    assert desk.told(other, "lifecycle_state") == ["merged"]
    assert set(desk.concerned(one)) == {"box", "web1"}
    assert refresh(desk.engine).changed == []
