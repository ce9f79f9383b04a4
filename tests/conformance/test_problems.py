"""Problems on every store: incidents joined, a known error, a change that fixes it, and what recurs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmdb.change_sets import ChangeSet, Create, Relate, Update
from cmdb.ids import new_id
from cmdb.integrity import check
from cmdb.store import create_store
from itsm.problems import Problems
from itsm.recurrence import Make, candidates
from lifecycle.refusals import NotAllowedError, RefusedError, RequestError
from lifecycle.resume import resume
from tests.support.building import commit
from tests.support.observing import shipped_model
from tests.support.service_desk import MONDAY, ServiceDesk

DAY = timedelta(days=1)


@pytest.fixture
def desk(url: str) -> Iterator[ServiceDesk]:
    with create_store(url, shipped_model()) as store:
        made = ServiceDesk.make(store)
        yield made
        assert list(check(store)) == []


def comments(desk: ServiceDesk, id: str) -> list[str]:
    return [said["text"] for said in desk.store.record(id).attributes.get("comments") or ()]


def test_incidents_are_joined_diagnosed_and_told(desk: ServiceDesk) -> None:
    problems = Problems(desk.engine)
    first = desk.opened("db", details={"db": {"role": "cause"}})
    second = desk.opened("shop")
    third = desk.opened("box", "web1", details={"box": {"role": "cause"}})
    desk.engine.transition(second, "resolve", "eve", inputs={"resolution_code": "restarted"})
    problem = problems.open("sam", "the shop dies", [first, second]).id
    assert desk.told(problem, "number", "name", "organisation", "hit_organisations") == [
        "WT-2050-000001", "the shop dies", "south", ["south"],
    ]  # fmt: skip
    assert desk.concerned(problem) == {"db": ("open", {}), "shop": ("open", {})}
    for id, error in ((desk.ids["db"], RequestError), (problem, RequestError)):
        with pytest.raises(error, match="no incident"):
            problems.join(problem, "eve", [id])
    with pytest.raises(NotAllowedError):
        problems.join(problem, "nick", [third])
    with pytest.raises(RequestError, match="concerns something"):
        problems.open("sam", "nothing", [])

    with pytest.raises(RefusedError, match="workaround"):
        desk.engine.transition(problem, "diagnose", "eve", inputs={"root_cause": "a leak"})
    said = {"root_cause": "a leak", "workaround": "restart at night"}
    desk.engine.transition(problem, "diagnose", "eve", inputs=said)
    text = "WT-2050-000001: Known error / 已知错误; 根本原因: a leak; 临时措施: restart at night"
    assert (comments(desk, first), comments(desk, second)) == ([text], [])  # it is no longer open
    revision = problems.join(problem, "ola", [third, first])
    assert (comments(desk, first), comments(desk, third)) == ([text], [text])
    assert desk.concerned(problem).keys() == {"db", "shop", "box"}
    assert desk.store.revisions([revision])[revision].reason.endswith("explains SJ-2050-000003")
    problems.leave(problem, "ola", [third])
    with pytest.raises(RequestError, match="does not explain trouble"):
        problems.leave(problem, "ola", [third])

    change = new_id()
    draft = Create("NormalChange", {"name": "patch", "number": "BG-1"}, change)
    desk.store.commit(ChangeSet([draft], "eve", process=True))
    with pytest.raises(RequestError, match="no change"):
        problems.fix(problem, "eve", first)
    problems.fix(problem, "eve", change)
    problems.fix(problem, "eve", change)
    with pytest.raises(RefusedError, match="not carried out successfully: BG-1"):
        desk.engine.transition(problem, "resolve", "eve")
    done = Update(change, {"result": "successful"})
    desk.store.commit(ChangeSet([done], "eve", process=True))
    desk.engine.transition(problem, "resolve", "eve", inputs={"fixed_by": change})
    assert comments(desk, first)[1:] == [
        "WT-2050-000001: Resolved / 已解决; 根本原因: a leak; 临时措施: restart at night; 由变更解决: BG-1"
    ]
    assert comments(desk, third) == [text]
    told = {
        entry.zh for entry in resume(desk.store, desk.ids["db"]).entries if entry.kind == "problem"
    }
    assert (
        "问题 WT-2050-000001：待分析 → 已知错误（根本原因 a leak；临时措施 restart at night）。"
        in told
    )
    desk.engine.transition(problem, "close", "eve", reason="quiet since")
    with pytest.raises(RefusedError, match="it is closed"):
        problems.join(problem, "ola", [third])


def test_a_problem_may_be_opened_before_any_incident(desk: ServiceDesk) -> None:
    problem = Problems(desk.engine).open("eve", "old firmware", cis=[desk.ids["box"]]).id
    assert desk.concerned(problem) == {"box": ("open", {})}
    desk.engine.transition(problem, "resolve", "eve", inputs={"root_cause": "age"})
    desk.engine.transition(problem, "reopen", "eve", reason="not so")
    assert desk.told(problem, "lifecycle_state") == ["open"]


def test_what_recurs_may_have_a_problem(desk: ServiceDesk) -> None:
    store = desk.store
    make = {"vendor": "Inspur", "model": "NF5280"}
    commit(store, Update(desk.ids["box"], make))
    twin = {**make, "organisation": desk.ids["north"], "lifecycle_state": "in_use"}
    commit(store, desk.create("Server", "twin", **twin))
    desk.now = MONDAY - 10 * DAY
    old = desk.opened("box")
    desk.now = MONDAY
    one = desk.opened("box", urgency="high")
    two = desk.opened("box", "web1", details={"box": {"role": "cause"}})
    three = desk.opened("twin")
    four = desk.opened("web1")
    five = desk.opened("web1", "web2")
    gone = desk.opened("web1")
    desk.engine.transition(gone, "cancel", "eve", reason="none")

    def found(
        since: Any = MONDAY - DAY, **more: Any
    ) -> list[tuple[list[str], list[str], list[str]]]:
        return [
            (desk.named(list(c.cis)), [m.type for m in c.makes], [i.id for i in c.incidents])
            for c in candidates(store, since, **more)
        ]

    # p1 and p2, and p4 for the twin; p4 twice.
    assert found() == [
        ([], ["Server"], [three, two, one]),
        (["box"], [], [two, one]),
        (["web1"], [], [five, four]),
    ]
    assert candidates(store, MONDAY)[0].makes == (Make("Server", "Inspur", "NF5280"),)
    assert found(MONDAY - 20 * DAY)[0][2] == [three, two, one, old]
    assert found(least=3) == [([], ["Server"], [three, two, one])]
    assert found(organisation=desk.ids["north"]) == []
    assert len(found(first=1)) == 1
    Problems(desk.engine).open("eve", "these", [one, two])
    assert found() == [(["web1"], [], [five, four])]


CIS = ("a", "b", "c")


@given(
    st.lists(
        st.tuples(
            st.sets(st.sampled_from(CIS), min_size=1),
            st.sampled_from([None, *CIS]),
            st.sampled_from(["p1", "p2", "p4", None]),
            st.booleans(),
        ),
        max_size=8,
    )
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_candidates_are_what_an_oracle_says(module_desk: ServiceDesk, told: list[Any]) -> None:
    """Every CI that two incidents or more blame is in one candidate with just these incidents."""
    desk, store = module_desk, module_desk.store
    desk.now += DAY
    begun, points = desk.now, dict[str, int]()
    blamed: dict[str, set[str]] = {}
    operations: list[Any] = []
    for place, (cis, cause, priority, has_problem) in enumerate(told):
        id = new_id()
        said = {"name": f"i{place}", "occurred_at": begun, "priority": priority}
        said |= {"probable_cause": cause and desk.ids[cause]}
        operations.append(Create("Incident", {n: v for n, v in said.items() if v is not None}, id))
        operations += [Relate(id, "CONCERNS", desk.ids[ci], {"outcome": "open"}) for ci in cis]
        if has_problem:
            operations.append(Relate(id, "HAS_PROBLEM", desk.ids["problem"]))
        else:
            for ci in cis | ({cause} if cause else set()):
                blamed.setdefault(ci, set()).add(id)
        points[id] = {"p1": 4, "p2": 3, "p4": 1, None: 1}[priority]
    if operations:
        store.commit(ChangeSet(operations, "x", process=True))
    expected: dict[frozenset[str], set[str]] = {}
    for ci, ids in blamed.items():
        if len(ids) > 1:
            expected.setdefault(frozenset(ids), set()).add(ci)
    found = candidates(store, begun)
    assert {
        frozenset(i.id for i in c.incidents): {*desk.named(list(c.cis))} for c in found
    } == expected
    assert [c.points for c in found] == sorted(
        (sum(points[i] for i in ids) for ids in expected), reverse=True
    )


@pytest.fixture(scope="module")
def module_desk(module_url: str) -> Iterator[ServiceDesk]:
    with create_store(module_url, shipped_model()) as store:
        desk = ServiceDesk.make(store)
        made = [desk.create("VirtualMachine", name, lifecycle_state="in_use") for name in CIS]
        commit(store, *made, desk.create("Problem", "problem"))
        yield desk
