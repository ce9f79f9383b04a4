"""Alerts on every store: taken in once, folded, matched, and made incidents of."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from cmdb.change_sets import Relate, Update
from cmdb.errors import NotFoundError
from cmdb.queries import Query
from cmdb.store.opening import create_empty_store
from cmdb.transfer import copy
from itsm.alerts import attaching, folding
from itsm.alerts.received import Malformed
from itsm.alerts.receiving import JOURNAL, receive
from itsm.desk import Desk
from lifecycle.refusals import NotAllowedError, RequestError
from tests.support.alerting import SETTLE, Monitoring
from tests.support.building import commit

# -- taking in ----------------------------------------------------------------------------------------------


def test_each_is_taken_in_once_and_its_position_stands_in_the_same_revision(
    lab: Monitoring,
) -> None:
    lab.send(lab.alert("web0"), lab.alert("web1"), lab.alert("web0"))
    lab.send(lab.alert("web0", since=0))
    assert lab.desk.condition().backlog == 4
    lab.turn()
    found = lab.alerts()
    counts = {key: alert.attributes["occurrences"] for key, alert in found.items()}
    assert counts == {"web0/Down": 3, "web1/Down": 1}
    [intake] = lab.records("AlertIntake")
    assert intake.attributes["taken_in"] == 4
    assert found["web0/Down"].revision == intake.revision
    assert lab.store.journal(JOURNAL) == []
    before = lab.store.last_revision().number
    lab.turn()
    assert lab.store.last_revision().number == before
    assert lab.desk.tally.received == 4


def test_what_was_taken_in_and_not_trimmed_is_passed_over(lab: Monitoring) -> None:
    lab.send(lab.alert("web0"), lab.alert("web0"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab.store, "trim", lambda *_: None)
        lab.turn()
    assert len(lab.store.journal(JOURNAL)) == 2
    lab.desk = lab.new_desk()
    lab.send(lab.alert("web0"))
    lab.turn()
    assert lab.alerts()["web0/Down"].attributes["occurrences"] == 3


def test_a_copy_of_the_store_has_a_journal_of_its_own(lab: Monitoring, tmp_path: Path) -> None:
    lab.fire("web0", "web1", "web2")
    with create_empty_store(f"sqlite:///{tmp_path}/copy.db") as there:
        copy(lab.store, there)
        receive(there, lab.entries(lab.alert("web0"), lab.alert("lone")))
        Desk(there, lab.rules).turn()
        counts = {r.name: r.attributes["occurrences"] for r in there.find(Query("Alert")).records}
        assert counts == {
            "web0 is down": 2,
            "web1 is down": 1,
            "web2 is down": 1,
            "lone is down": 1,
        }
        assert len(there.find(Query("AlertIntake")).records) == 2


def test_what_cannot_be_read_is_kept_and_told(lab: Monitoring) -> None:
    lab.send("nonsense", lab.alert("web0"), {"labels": {}}, "more nonsense")
    lab.turn()
    found = {record.name: record.attributes for record in lab.alerts().values()}
    bad = found["prom: An alert is no object."]
    assert (bad["occurrences"], bad["unmatched_because"]) == (2, "It could not be read.")
    assert bad["labels_said"]["received"] == ["nonsense", "more nonsense"]
    assert len(found) == 3
    assert lab.shown() == []  # and that of web0 is yet to come
    lab.later(SETTLE)
    assert lab.shown() == [(["web0"], ["web0"])]


def test_one_that_cannot_be_taken_in_does_not_stop_the_others(
    lab: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fold(alert, entry, at, rules):  # type: ignore[no-untyped-def]
        if not isinstance(entry, Malformed) and entry.key == "web3/Down":
            raise RequestError("A poison.", "")
        return folding.fold(alert, entry, at, rules)

    monkeypatch.setattr("itsm.alerts.intake.fold", fold)
    lab.send(*(lab.alert(f"web{n}") for n in range(6)))
    for _ in range(3):
        lab.desk.turn()
    assert lab.desk.condition().backlog == 0
    found = lab.alerts()
    assert {f"web{n}/Down" for n in (0, 1, 2, 4, 5)} < found.keys()
    assert len(found) == 6
    assert sum(alert.attributes["occurrences"] for alert in found.values()) == 6


# -- matching -----------------------------------------------------------------------------------------------


def about(lab: Monitoring, *said: dict[str, str]) -> list[tuple[str | None, str]]:
    """The CIs that alerts with some labels are about, and by which rule; or why none is."""
    alerts = [lab.alert("none", {"instance": "", **labels}) for labels in said]
    names = [f"{lab.now:%H}-{n}" for n in range(len(said))]
    lab.send(*({**a, "fingerprint": name} for a, name in zip(alerts, names, strict=True)))
    lab.turn()
    found, cis = lab.alerts(), lab.about()
    told = {name: found[name].attributes for name in names}
    return [
        (cis.get(name), one.get("identified_by") or one["unmatched_because"])
        for name, one in told.items()
    ]


FITTING: Final[tuple[tuple[dict[str, str], str, str], ...]] = (
    ({"instance": "WEB0.example.org:9100"}, "web0", "hostname + domain?"),
    ({"instance": "10.20.0.3:9100"}, "web2", "management_ip"),
    ({"instance": "https://10.20.0.3/metrics"}, "web2", "management_ip"),
    ({"serial": "SN-web4"}, "web4", "serial_number + vendor?"),
    ({"service": "portal"}, "portal", "name"),
    ({"service": "shop", "host": "web1"}, "web1", "hostname + domain?"),
    ({"instance": "localhost:9090", "host_ip": "10.20.0.1"}, "web0", "management_ip"),
)
UNFIT: Final[tuple[tuple[dict[str, str], str], ...]] = (
    ({}, "It says nothing that identifies a CI."),
    ({"instance": "localhost:9090", "serial": "0"}, "It says nothing that identifies a CI."),
    ({"host": "nowhere"}, "No CI is hostname nowhere."),
    (
        {"serial": "SN-other", "host": "web0"},
        "No CI is serial_number SN-other, hostname web0: Server web0 differs in serial_number + vendor?.",
    ),
)


def test_its_ci_is_found_by_the_rules_of_discovery_or_it_says_why_none_is(lab: Monitoring) -> None:
    assert about(lab, *(labels for labels, *_ in FITTING)) == [(ci, by) for _, ci, by in FITTING]
    lab.now += timedelta(hours=1)
    assert about(lab, *(labels for labels, _ in UNFIT)) == [(None, why) for _, why in UNFIT]
    lab.now += timedelta(hours=1)
    [named] = about(lab, {"cmdb_id": lab.ids["shop"], "host": "web0"})
    assert named == ("shop", "id")


def test_of_several_none_is_guessed(lab: Monitoring) -> None:
    twin = lab.create("Server", "twin", hostname="web0", lifecycle_state="in_use")
    commit(lab.store, twin)
    several = "Several CIs fit by hostname + domain?: Server twin, Server web0."
    assert about(lab, {"host": "web0"}, {"host": "web0", "host_ip": "10.20.0.1"}) == [
        (None, several),
        ("web0", "hostname + domain?"),  # which fits the address, too
    ]


def test_what_is_out_of_service_counts_less(lab: Monitoring) -> None:
    commit(lab.store, lab.create("Server", "former", hostname="web0", lifecycle_state="in_stock"))
    assert about(lab, {"host": "web0"}) == [("web0", "hostname + domain?")]


def test_an_address_stands_for_the_device_that_has_it(lab: Monitoring) -> None:
    commit(
        lab.store,
        lab.create("NetworkInterface", "eth1"),
        lab.create("IPAddress", "10.9.9.9", ip_address="10.9.9.9"),
        Relate(lab.ids["web5"], "HAS_COMPONENT", lab.ids["eth1"]),
        Relate(lab.ids["eth1"], "HAS_ADDRESS", lab.ids["10.9.9.9"]),
    )
    assert about(lab, {"instance": "10.9.9.9:161"}) == [("web5", "ip_address + vrf_name?")]


def test_what_was_not_matched_is_tried_again_when_the_graph_has_changed(lab: Monitoring) -> None:
    lab.fire("later")
    lab.later(1)
    assert (lab.about(), lab.shown()) == ({}, [])
    commit(lab.store, lab.create("Server", "later", hostname="later", lifecycle_state="in_use"))
    lab.later(1)
    assert lab.about() == {"later/Down": "later"}
    assert "unmatched_because" not in lab.alerts()["later/Down"].attributes
    lab.later(SETTLE)
    assert lab.shown() == [(["later"], ["later"])]


def test_a_person_attaches_what_was_not_matched(lab: Monitoring) -> None:
    lab.fire("box7")
    alert = lab.alerts()["box7/Down"].id
    with pytest.raises(NotAllowedError, match="no service_desk"):
        attaching.attach(lab.engine, alert, lab.ids["web0"], "bob", lab.rules)
    with pytest.raises(RequestError, match="no CI"):
        attaching.attach(lab.engine, alert, lab.ids["sam"], "sam", lab.rules)
    with pytest.raises(NotFoundError):
        attaching.attach(lab.engine, "box8", lab.ids["web0"], "sam", lab.rules)
    attaching.attach(lab.engine, "box7 is down", lab.ids["web0"], "sam", lab.rules)
    lab.later(SETTLE)
    assert lab.about() == {"box7/Down": "web0"}
    assert lab.shown() == [(["web0"], ["box7"])]
    commit(lab.store, lab.create("Server", "box7", hostname="box7", lifecycle_state="in_use"))
    lab.clear("box7")
    lab.later(1)
    lab.fire("box7")
    assert lab.about() == {"box7/Down": "web0"}


# -- incidents ----------------------------------------------------------------------------------------------


def test_the_switch_that_says_nothing_is_the_cause(lab: Monitoring) -> None:
    lab.fire("web0", "web1", "web2", "web3")
    assert lab.shown() == [(["sw1"], ["web0", "web1", "web2", "web3"])]
    incident = lab.incident()
    said = incident.attributes
    assert (said["channel"], lab.named(said["probable_cause"])) == ("alert", "sw1")
    assert (said["urgency"], said["impact"]["counts"]) == ("high", {"down": 10})
    assert said["organisation"] == lab.ids["south"]
    assert lab.concerned(incident.id) == {
        "sw1": ("open", {"role": "cause", "effect": "down"}),
        **{f"web{n}": ("open", {"role": "alarm", "effect": "none"}) for n in range(4)},
    }
    lab.fire("web4", "app1")  # no host is called app1
    assert lab.shown() == [(["sw1"], ["web0", "web1", "web2", "web3", "web4"])]
    assert incident.name == "sw1: 疑似故障 suspected"
    lab.fire("sw1")
    assert lab.shown() == [(["sw1"], ["sw1", "web0", "web1", "web2", "web3", "web4"])]
    assert len(lab.records("Incident")) == 1


def test_one_alone_waits_for_others_and_then_stands_alone(lab: Monitoring) -> None:
    lab.fire("web0", "lone")
    assert lab.shown() == []
    lab.fire("web1", "web2")
    assert lab.shown() == [(["sw1"], ["web0", "web1", "web2"])]
    lab.later(SETTLE)
    assert lab.shown() == [(["lone"], ["lone"]), (["sw1"], ["web0", "web1", "web2"])]
    assert [a.attributes.get("opens_at") for a in lab.alerts().values()] == [None] * 4


def test_a_cause_that_is_found_later_takes_in_what_was_opened(lab: Monitoring) -> None:
    lab.fire("web0")
    lab.later(SETTLE)
    lab.fire("web1", "lone")
    lab.later(SETTLE)
    assert [causes for causes, _ in lab.shown()] == [["lone"], ["web0"], ["web1"]]
    first = lab.alerts()["web0/Down"]
    [near] = lab.store.neighbours([first.id], ["REPORTED_IN"], "out")
    lab.engine.transition(near.record.id, "acknowledge", "sam")
    lab.fire("core")
    assert lab.shown() == [(["core"], ["core", "web0", "web1"]), (["lone"], ["lone"])]
    kept = lab.store.record(near.record.id)  # the oldest of them stays
    assert (kept.attributes["lifecycle_state"], lab.named(kept.attributes["assignee"])) == (
        "in_progress",
        "sam",
    )
    assert lab.named(kept.attributes["probable_cause"]) == "core"
    [gone] = lab.records("Incident", {"lifecycle_state": {"eq": "merged"}})
    [into] = lab.store.neighbours([gone.id], ["MERGED_INTO"], "out")
    assert into.record.id == kept.id
    assert lab.concerned(gone.id) == {"web1": ("dropped", {"role": "cause", "effect": "down"})}
    assert {name: how["role"] for name, (_, how) in lab.concerned(kept.id).items()} == {
        "core": "cause", "web0": "alarm", "web1": "alarm",
    }  # fmt: skip


def test_two_switches_that_are_each_others_spare_are_one_cause(lab: Monitoring) -> None:
    lab.fire("dual0", "dual1", "left")
    assert lab.shown() == []  # one of two is enough: none explains anything
    lab.fire("right")
    assert lab.shown() == [(["left", "right"], ["dual0", "dual1", "left", "right"])]


def test_an_incident_that_a_person_opened_gets_the_alerts_it_explains(lab: Monitoring) -> None:
    id = lab.opened("sw1")
    lab.fire("web0", "lone")
    assert lab.shown() == [(["sw1"], ["web0"])]
    assert lab.concerned(id)["web0"] == ("open", {"role": "alarm", "effect": "none"})
    lab.clear("web0")
    assert "quiet_from" not in lab.store.record(id).attributes  # a person says when it is over


def test_an_incident_is_called_as_its_cause_and_what_that_reports(lab: Monitoring) -> None:
    alert = lab.alert("lone")
    lab.send({**alert, "annotations": {"summary": "Lone: disk full"}}, lab.alert("web0"))
    lab.turn()
    lab.later(SETTLE)
    names = {record.name for record in lab.records("Incident")}
    assert names == {"Lone: disk full", "web0 is down"}
    lab.fire("sw1", summary="no answer")
    [record] = lab.records("Incident", {"name": {"prefix": "sw1"}})
    assert record.name == "sw1 is down"


def test_what_is_not_bad_enough_opens_nothing(lab: Monitoring) -> None:
    lab.fire("web0", severity="Information")
    lab.later(SETTLE)
    assert (lab.about(), lab.shown()) == ({"web0/Down": "web0"}, [])
    lab.fire("web0", severity="critical")  # it got worse
    lab.later(SETTLE)
    assert lab.shown() == [(["web0"], ["web0"])]


def test_all_cleared_it_recovers_when_it_stays_so(lab: Monitoring) -> None:
    lab.fire("web0", "web1", "web2")
    lab.clear("web0", "web1")
    assert "quiet_from" not in lab.incident().attributes
    lab.later(1)
    lab.clear("web2")
    assert lab.incident().attributes["quiet_from"] == lab.now + lab.rules.quiet_span
    lab.later(5)
    lab.fire("web1")
    assert "quiet_from" not in lab.incident().attributes
    assert lab.shown() == [(["sw1"], ["web0", "web1", "web2"])]
    lab.later(20)
    lab.clear("web1")
    lab.later(9)
    assert len(lab.shown()) == 1
    lab.later(2)
    assert lab.shown("resolved") == [(["sw1"], ["web0", "web1", "web2"])]
    assert lab.incident().attributes["resolution_code"] == "recovered"


def test_what_is_over_before_it_opens_an_incident_opens_none(lab: Monitoring) -> None:
    lab.fire("lone")
    lab.clear("lone")
    lab.later(SETTLE)
    assert lab.records("Incident") == []
    assert lab.alerts()["lone/Down"].attributes["lifecycle_state"] == "cleared"


def test_one_that_comes_and_goes_is_one_incident_that_waits_until_it_is_quiet(
    lab: Monitoring,
) -> None:
    lab.fire("lone")
    lab.later(SETTLE)
    for _ in range(4):
        lab.now += timedelta(minutes=1)
        lab.clear("lone")
        lab.now += timedelta(minutes=1)
        lab.fire("lone")
    alert = lab.alerts()["lone/Down"].attributes
    assert (alert["flapping"], alert["occurrences"]) == (True, 9)
    lab.clear("lone")
    assert "quiet_from" not in lab.incident().attributes  # it is not known to be over
    lab.later(14)
    assert lab.alerts()["lone/Down"].attributes["flapping"]
    lab.later(2)
    assert "flapping" not in lab.alerts()["lone/Down"].attributes
    assert lab.incident().attributes["quiet_from"] == lab.now + lab.rules.quiet_span
    lab.later(11)
    assert lab.shown("resolved") == [(["lone"], ["lone"])]


def test_what_was_dealt_with_opens_another_one_only_when_it_begins_anew(lab: Monitoring) -> None:
    lab.fire("lone")
    lab.later(SETTLE)
    first = lab.incident().id
    lab.engine.transition(first, "resolve", "sam", inputs={"resolution_code": "no_fault"})
    began = lab.alerts()["lone/Down"].attributes["began_at"]
    lab.send({**lab.alert("lone"), "startsAt": began.isoformat()})
    lab.later(SETTLE)
    lab.later(SETTLE)
    assert lab.shown() == []  # the same is still so
    lab.later(30)
    lab.clear("lone")
    lab.later(30)
    lab.fire("lone")
    lab.later(SETTLE)
    assert lab.shown() == [(["lone"], ["lone"])]
    assert lab.shown("resolved") == [(["lone"], [])]


def test_no_flap_opens_another_one(lab: Monitoring) -> None:
    lab.fire("lone")
    lab.later(SETTLE)
    for _ in range(2):
        lab.now += timedelta(minutes=1)
        lab.clear("lone")
        lab.now += timedelta(minutes=1)
        lab.fire("lone")
    assert lab.alerts()["lone/Down"].attributes["flapping"]
    lab.engine.transition(
        lab.incident().id, "resolve", "sam", inputs={"resolution_code": "no_fault"}
    )
    lab.now += timedelta(minutes=1)
    lab.clear("lone")
    lab.now += timedelta(minutes=1)
    lab.fire("lone")
    lab.later(SETTLE)
    assert lab.shown() == []
    lab.later(16)  # it fires on, and no longer flaps
    lab.later(SETTLE)
    assert lab.shown() == [(["lone"], ["lone"])]


def test_what_a_ci_stood_on_is_looked_at_as_it_is_now(lab: Monitoring) -> None:
    """The topology follows what is committed between two turns."""
    lab.fire("web0")
    commit(lab.store, Update(lab.ids["web5"], {"hostname": "moved"}))
    commit(
        lab.store,
        *(Relate(lab.ids[f"dual{n}"], "UPLINKED_TO", lab.ids["sw1"]) for n in range(3)),
    )
    lab.fire("web1", "web2")
    assert lab.shown() == [(["sw1"], ["web0", "web1", "web2"])]
    assert lab.incident().attributes["impact"]["counts"] == {"down": 10, "at_risk": 3}


def test_two_desks_do_what_one_does(lab: Monitoring) -> None:
    other = lab.new_desk()
    hosts = [f"web{n}" for n in range(6)]
    lab.send(*(lab.alert(host) for host in hosts), *(lab.alert(host) for host in hosts))
    usual = lab.store.commit
    beaten: list[int] = []

    def commit_second(change_set, prepared=None):  # type: ignore[no-untyped-def]
        if not beaten:
            beaten.append(1)
            other.turn()  # between what this one has read and its commit
        return usual(change_set, prepared)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab.store, "commit", commit_second)
        lab.turn()
    assert {a.attributes["occurrences"] for a in lab.alerts().values()} == {2}
    assert lab.shown() == [(["sw1"], sorted(hosts))]
