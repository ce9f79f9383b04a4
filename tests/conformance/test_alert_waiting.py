"""How long alerts wait for others that have the same cause, on every store."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cmdb.change_sets import Relate
from cmdb.leases import Lease
from itsm.alerts.incidents import Correlator
from itsm.alerts.intake import Intake, Taken
from itsm.desk import Desk
from tests.support.alerting import SETTLE, Monitoring
from tests.support.building import commit
from tests.support.service_desk import IN_USE


def test_it_waits_for_what_was_received_with_it_however_late_that_is_taken_in(
    lab: Monitoring,
) -> None:
    lab.desk._intake = Intake(lab.desk.engine, lab.rules, 1)
    for host in ("web0", "web1", "web2", "web3"):
        lab.send(lab.alert(host))
        lab.now += timedelta(seconds=1)
    lab.now += timedelta(minutes=10)  # a backlog: all of them have waited long enough by the clock
    lab.turn()
    assert lab.shown() == [(["sw1"], ["web0", "web1", "web2", "web3"])]
    assert len(lab.records("Incident")) == 1


def test_it_waits_for_what_came_while_others_were_taken_in(
    lab: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.send(lab.alert("web0"))
    take_in = Intake.take_in

    def slow(intake: Intake) -> Taken | None:
        taken = take_in(intake)
        if taken is not None and taken.received == 1:
            lab.now += timedelta(seconds=1)
            lab.send(*(lab.alert(f"web{n}") for n in range(1, 4)))
            lab.now += timedelta(minutes=1)
        return taken

    monkeypatch.setattr(Intake, "take_in", slow)
    lab.turn()
    assert lab.shown() == [(["sw1"], ["web0", "web1", "web2", "web3"])]
    assert (lab.desk.tally.opened, lab.desk.tally.joined) == (1, 0)


def test_where_more_is_waiting_correlating_takes_half_of_the_time_at_most(
    lab: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, done = [0.0], [""]

    def timed(kind: type, name: str, seconds: float) -> None:
        usual = getattr(kind, name)

        def slow(*said: Any) -> Any:
            clock[0] += seconds
            done[0] += name[0]
            return usual(*said)

        monkeypatch.setattr(kind, name, slow)

    timed(Intake, "take_in", 1)
    timed(Correlator, "run", 3)
    desk = Desk(lab.store, lab.rules, clock=lambda: lab.now, monotonic=lambda: clock[0])
    desk._intake = Intake(desk.engine, lab.rules, 1)
    lab.send(*(lab.alert(f"web{n % 6}") for n in range(8)))
    desk.turn()
    assert desk.tally.received == 8
    # (t) one more is taken in, (r) all that waits is correlated, in the end, too
    assert done == ["tr" + "tttr" + "tttr" + "t" + "tr"]


def test_what_is_matched_later_waits_for_others_from_then_on(lab: Monitoring) -> None:
    lab.fire("late0", "late1", "late2")
    lab.later(10)
    operations = [lab.create("Server", f"late{n}", hostname=f"late{n}", **IN_USE) for n in range(2)]
    commit(lab.store, *operations)
    lab.turn()
    lab.turn()
    assert (len(lab.about()), lab.shown()) == (2, [])
    commit(
        lab.store,
        lab.create("Server", "late2", hostname="late2", **IN_USE),
        *(Relate(lab.ids[f"late{n}"], "UPLINKED_TO", lab.ids["sw1"]) for n in range(2)),
    )
    lab.send(lab.alert("sw1"))
    lab.turn()
    assert lab.shown() == [(["sw1"], ["late0", "late1", "sw1"])]


def test_what_came_before_anybody_was_at_work_waits_for_what_could_not_come(
    lab: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.send(lab.alert("web0"), lab.alert("lone"))
    lab.now += timedelta(minutes=10)
    monkeypatch.setattr(lab.desk._asked, "wait", lambda _: lab.desk.stop())
    lab.desk.run()  # once around
    assert (len(lab.alerts()), lab.shown()) == (2, [])
    lab.desk._stopping = False
    lab.send(*(lab.alert(f"web{n}") for n in range(1, 4)))
    lab.turn()
    assert lab.shown() == [(["sw1"], ["web0", "web1", "web2", "web3"])]
    lab.later(SETTLE)
    assert lab.shown() == [(["lone"], ["lone"]), (["sw1"], ["web0", "web1", "web2", "web3"])]
    assert (lab.desk.tally.opened, lab.desk.tally.joined) == (2, 0)


def test_while_more_come_that_may_have_the_same_cause_it_waits_on(lab: Monitoring) -> None:
    hosts = [f"host{n}" for n in range(12)]
    commit(
        lab.store,
        *(lab.create("Server", host, hostname=host, **IN_USE) for host in hosts),
        *(Relate(lab.ids[host], "UPLINKED_TO", lab.ids["right"]) for host in hosts),
    )
    lab.fire("lone")
    for host in hosts[:5]:
        lab.fire(host)
        lab.now += timedelta(seconds=3)
    assert [causes for causes, _ in lab.shown()] == [["lone"]]
    lab.fire(hosts[5])
    assert lab.shown() == [(["lone"], ["lone"]), (["right"], hosts[:6])]
    assert (lab.desk.tally.opened, lab.desk.tally.joined) == (2, 0)


def test_it_waits_no_longer_than_it_may(lab: Monitoring) -> None:
    hosts = [f"host{n}" for n in range(20)]
    commit(
        lab.store,
        *(lab.create("Server", host, hostname=host, **IN_USE) for host in hosts),
        *(Relate(lab.ids[host], "UPLINKED_TO", lab.ids["right"]) for host in hosts),
    )
    for host in hosts[:7]:
        assert lab.shown() == []
        lab.fire(host)
        lab.now += timedelta(seconds=3)
    lab.turn()  # the first has waited for 21 seconds
    assert lab.shown() == [(["host0"], ["host0"])]
    lab.later(SETTLE)  # and no more have come
    assert [causes for causes, _ in lab.shown()] == [[host] for host in hosts[:7]]


def test_who_has_lost_the_lease_while_taking_in_leaves_the_rest_to_another(
    lab: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = lab.new_desk(), lab.new_desk()
    for desk in (one, other):
        desk._lease = Lease(lab.store, "desk", "a desk", 5, clock=lambda: lab.now)
    one._intake = Intake(one.engine, lab.rules, 1)
    take_in = Intake.take_in

    def slow(intake: Intake) -> Taken | None:
        taken = take_in(intake)
        if intake is one._intake:
            lab.now += timedelta(seconds=10)
            assert other._lease.acquire()
        return taken

    monkeypatch.setattr(Intake, "take_in", slow)
    lab.send(*(lab.alert(f"web{n}") for n in range(4)))
    assert one.once()
    assert (one.tally.received, lab.shown()) == (1, [])
    assert not one.once()
    assert other.once()
    assert (other.tally.received, other.tally.opened) == (3, 1)
    assert lab.shown() == [(["sw1"], ["web0", "web1", "web2", "web3"])]
