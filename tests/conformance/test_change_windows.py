"""The windows of changes on every store: what they hit, how risky that is, what is in the way, when there is room."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.access.guarded import GuardedStore
from api.access.organisations import Organisations
from api.access.principals import Grant, Principal
from api.access.roles import load_roles
from cmdb.change_sets import Operation, Relate, Unrelate, Update
from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.store import create_store
from itsm.changes.schedule import calendar
from lifecycle.due import Moment, ask
from lifecycle.refusals import RefusedError
from tests.support.building import commit
from tests.support.change_board import EVENING, ChangeBoard
from tests.support.observing import shipped_model
from tests.support.reporting import report, thing
from tests.support.service_desk import MONDAY, WEEK


@pytest.fixture
def board(url: str) -> Iterator[ChangeBoard]:
    with create_store(url, shipped_model()) as store:
        made = ChangeBoard.make(store)
        yield made
        assert list(check(store)) == []


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def in_the_way(board: ChangeBoard, id: str) -> list[tuple[str, str, list[str]]]:
    """Kind, with what, and about what."""
    return [
        (c.kind, str(c.others[0].attributes.get("number") or c.others[0].name), [i.name for i in c.items])
        for c in board.changes.collisions(board.at(id))
    ]  # fmt: skip


def codes(error: pytest.ExceptionInfo[RefusedError]) -> list[str]:
    return [refusal.code for refusal in error.value.refusals]


def submitted(board: ChangeBoard, *concerned: str, **said: Any) -> str:
    id = board.change(*concerned, **said)
    board.go(id, "submit")
    return id


def test_what_is_in_the_way_of_a_window(board: ChangeBoard) -> None:
    first = submitted(board, "web1")
    number = board.told(first, "number")[0]
    assert in_the_way(board, submitted(board, "web1", hours=0.5)) == [
        ("same_item", number, ["web1"])
    ]
    later = submitted(board, "web1", begins=EVENING + hours(2))
    assert in_the_way(board, later) == []
    pair = submitted(board, "web2", begins=EVENING + hours(1))
    found = board.changes.collisions(board.at(pair))[0]
    assert (found.kind, [i.name for i in found.items]) == ("together", ["shop", "portal"])
    assert "portal is down, shop is down" in found.why
    assert (found.begins, found.ends) == (EVENING + hours(1), EVENING + hours(2))
    # One inside the other's impact, whichever is looked at; and none of what is only at risk.
    box = submitted(board, "box", begins=EVENING + hours(5))
    inside = submitted(board, "db", begins=EVENING + hours(6))
    assert in_the_way(board, inside) == [("in_impact", board.told(box, "number")[0], ["db"])]
    assert in_the_way(board, box) == [("in_impact", board.told(inside, "number")[0], ["db"])]
    harmless = submitted(board, "db", begins=EVENING + hours(6), window_effect="none")
    assert ("same_item", board.told(inside, "number")[0], ["db"]) in in_the_way(board, harmless)
    shop = submitted(board, "shop", begins=EVENING + hours(3), hours=0.5, window_effect="none")
    assert in_the_way(board, shop) == []
    with pytest.raises(RefusedError) as refused:
        board.go(pair, "assess")
    assert set(codes(refused)) == {"no_collision"}
    assert refused.value.refusals[0].detail["collision"]["kind"] == "together"
    with pytest.raises(RefusedError, match="no change_manager"):
        board.go(pair, "assess", overrides={"no_collision": "I dare"})
    board.go(pair, "assess", by="mia", overrides={"no_collision": "only for a minute"})
    assert "only for a minute" in board.store.last_revision().reason
    factors = {f["name"]: f for f in board.at(pair).attributes["risk_explained"]["factors"]}
    assert factors["collisions"]["count"] == 2
    board.go(first, "withdraw")
    assert [other for _, other, _ in in_the_way(board, pair)] == [board.told(later, "number")[0]]
    board.go(later, "withdraw")
    assert in_the_way(board, pair) == []


def test_only_all_together_break_what_no_two_do(board: ChangeBoard) -> None:
    """Of three members one is enough: two changes leave one."""
    ids, south = board.ids, board.ids["south"]
    commit(
        board.store,
        board.create("VirtualMachine", "web3", organisation=south, lifecycle_state="in_use"),
        Relate(ids["shop"], "RUNS_ON", ids["web3"], {"group": "web"}),
    )
    one, two = (submitted(board, name) for name in ("web1", "web2"))
    assert in_the_way(board, one) == in_the_way(board, two) == []
    three = submitted(board, "web3", begins=EVENING + hours(1))
    [found] = board.changes.collisions(board.at(three))
    assert ({c.id for c in found.others}, [i.name for i in found.items]) == ({one, two}, ["shop", "portal"])  # fmt: skip
    assert found.begins == EVENING + hours(1)
    free = board.changes.next_free(board.at(three))
    assert (free.begins, free.ends) == (EVENING + hours(2), EVENING + hours(4))


def test_freezes_and_the_hours_of_services(board: ChangeBoard) -> None:
    ids, store = board.ids, board.store
    freeze = board.create(
        "FreezePeriod", "new year", organisation=ids["province"],
        starts_at=EVENING - hours(1), ends_at=EVENING + hours(2),
    )  # fmt: skip
    elsewhere = board.create(
        "FreezePeriod", "harvest", organisation=ids["north"],
        starts_at=EVENING + hours(5), ends_at=EVENING + hours(48),
    )  # fmt: skip
    desk = board.create("ServiceCalendar", "desk hours", working_hours=WEEK)
    commit(store, freeze, elsewhere, desk, Update(ids["portal"], {"service_hours": desk.id}))
    frozen = submitted(board, "web1", begins=EVENING)
    assert in_the_way(board, frozen) == [("freeze", "new year", [])]
    with pytest.raises(RefusedError) as refused:
        board.go(frozen, "assess", by="mia", overrides={"no_freeze": "please"})
    assert codes(refused) == ["no_freeze"]
    assert refused.value.refusals[0].override == "director"
    # Tuesday, 08:00 to 10:00 in Shanghai: half an hour before the desk opens. Redundancy may be lost then.
    morning = datetime(2050, 3, 8, 0, tzinfo=UTC)
    assert in_the_way(board, submitted(board, "web2", begins=morning)) == []
    down = submitted(board, "box", begins=morning)
    [found] = board.changes.collisions(board.at(down))
    assert (found.kind, found.others[0].name) == ("service_hours", "portal")
    assert (found.begins, found.ends) == (morning + hours(0.5), morning + hours(2))
    free = board.changes.next_free(board.at(down))
    # The lunch break is as long as it takes, and not a minute longer: 12:00 to 14:00.
    assert (free.begins, free.ends) == (morning + hours(4), morning + hours(6))
    emergency = submitted(board, "box", kind="emergency", begins=EVENING, back_out_plan=None)
    assert in_the_way(board, emergency) == []
    board.go(emergency, "assess")
    factors = {f["name"]: f for f in board.at(emergency).attributes["risk_explained"]["factors"]}
    assert factors["no_back_out"]["points"] == 20
    spread = [
        (e.record.name, e.begins) for e in calendar(store, EVENING, EVENING + hours(24), MONDAY)
    ]
    assert [name for name, _ in spread][:1] == ["new year"]
    assert len(spread) == 6
    at_north = calendar(store, EVENING, EVENING + hours(24), MONDAY, ids["north"])
    assert [entry.record.name for entry in at_north] == ["new year", "harvest"]


def test_the_next_free_window_is_the_first_one_there_is(board: ChangeBoard) -> None:
    for begin, length in ((0, 2), (3, 1), (5, 20)):
        submitted(board, "web1", begins=EVENING + hours(begin), hours=length)
    mine = submitted(board, "web2", hours=1.5)
    free = board.changes.next_free(board.at(mine))
    assert (free.begins, [c.kind for c in free.first]) == (EVENING + hours(25), ["together"])
    short = submitted(board, "web1", begins=EVENING + hours(25), hours=1)
    assert board.changes.next_free(board.at(mine)).begins == EVENING + hours(26)
    assert board.changes.next_free(board.at(mine), 1).begins is None
    board.go(short, "withdraw")
    late = board.approved(submitted_again(board))
    board.now = board.at(late).attributes["starts_at"]
    board.go(late, "begin", by="ola")
    board.now += hours(30)  # it should be over, and is not
    assert board.changes.next_free(board.at(mine)).begins == board.now


def submitted_again(board: ChangeBoard) -> str:
    return board.change("db", begins=EVENING + hours(60), hours=1)


def test_what_if_tells_what_fares_otherwise_afterwards(board: ChangeBoard) -> None:
    ids = board.ids
    new = board.create("Server", "box2", organisation=ids["south"], lifecycle_state="in_use")
    more: list[Operation] = [
        new,
        Unrelate(ids["db"], "RUNS_ON", ids["box"]),
        Relate(ids["db"], "RUNS_ON", ids["box"], {"group": "db"}),
        Relate(ids["db"], "RUNS_ON", new.id, {"group": "db"}),
    ]
    found = board.changes.what_if(board.at(board.change("box", plan=more)))
    assert found.window.counts() == {"down": 4}
    assert found.afterwards is not None
    better = {(board.named(c.id), c.before, c.after) for c in found.afterwards.better}
    assert better == {
        ("db", "down", "at_risk"),
        ("shop", "down", "none"),
        ("portal", "down", "none"),
    }
    assert (found.afterwards.worse, found.less_redundant) == ([], [])
    less = [Unrelate(ids["shop"], "RUNS_ON", ids["web2"])]
    found = board.changes.what_if(board.at(board.change("web1", plan=less)))
    assert found.window.counts() == {"down": 1, "at_risk": 1}
    assert found.afterwards is not None
    worse = {(board.named(c.id), c.before, c.after) for c in found.afterwards.worse}
    assert worse == {("shop", "at_risk", "down"), ("portal", "none", "down")}
    [group] = found.less_redundant
    assert group.before is not None
    assert (board.named(group.group.dependent), group.before.total, group.group.total) == ("shop", 2, 1)  # fmt: skip
    off = [Update(ids["db"], {"lifecycle_state": "suspended"})]
    found = board.changes.what_if(board.at(board.change("db", plan=off)))
    assert found.afterwards is not None
    assert {board.named(c.id) for c in found.afterwards.better} == {"shop", "portal"}


def test_who_is_hit_is_told(board: ChangeBoard) -> None:
    """They read the change, and find it among what is due."""
    ids, store = board.ids, board.store
    client = board.create(
        "BusinessService", "billing", organisation=ids["north"], lifecycle_state="in_use", criticality="critical",
    )  # fmt: skip
    known = Update(ids["box"], {"serial_number": "S1"})
    commit(store, client, Relate(client.id, "DELIVERED_BY", ids["shop"]), known)
    report(store, "old scan", thing("Server", "k1", name="box", serial_number="S1"), checked=False)
    id = submitted(board, "box")

    def seen_by_north() -> list[str]:
        roles = load_roles()
        grants = (Grant(roles.permissions(["reader"]), ids["north"]),)
        principal = Principal("nick", "", grants, frozenset(["reader"]))
        guarded = GuardedStore(store, principal, Organisations(store, lambda: 0.0), roles)
        found = guarded.find(Query("Change")).records
        assert [r.id for r in found] == [r.id for r in guarded.get([id]).values()]
        return [r.id for r in found]

    assert seen_by_north() == []
    board.go(id, "assess")
    assert board.told(id, "hit_organisations", "risk") == [["north", "south"], "high"]
    factors = {f["name"]: f for f in board.at(id).attributes["risk_explained"]["factors"]}
    counts = {name: factors[name]["count"] for name in ("services_down", "critical_services_down", "organisations_hit")}  # fmt: skip
    assert counts == {"services_down": 2, "critical_services_down": 1, "organisations_hit": 1}
    assert factors["stale_data"]["count"] > 0
    assert seen_by_north() == [id]

    def due(organisation: str | None) -> list[str]:
        moment = Moment(board.today, organisation=organisation and ids[organisation])
        return [d.record.id for d in ask(store, "changes", moment)]

    assert (due("north"), due("south"), due("province"), due(None)) == ([id], [], [id], [id])
    board.go(id, "withdraw")
    assert due(None) == []
