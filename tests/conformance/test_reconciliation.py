"""Observations become records, on either store: identified, settled by precedence, retired, explained."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator

import pytest

from cmdb.change_sets import ChangeSet, Create, Unrelate, Update
from cmdb.errors import ConflictError, InvalidChangeError, SourceError
from cmdb.ids import new_id
from cmdb.queries import Query
from cmdb.reconciliation import runs
from cmdb.reconciliation.duplicates import MergeError, decide, merge, unmerge
from cmdb.reconciliation.inference import infer
from cmdb.reconciliation.observations import Item, Observation, Portion, Rejection
from cmdb.reconciliation.planning import Entry
from cmdb.reconciliation.precedence import Precedence, provenance_of, verdict
from cmdb.reconciliation.recomputing import recompute, withdraw
from cmdb.reconciliation.runs import Run, VanishRefusedError
from cmdb.reconciliation.sources import precedence_of, sources
from cmdb.reconciliation.tasks import open_tasks
from cmdb.reconciliation.undoing import undo
from cmdb.records import Record
from cmdb.store import GraphStore, open_store
from schema.model import Model
from tests.support.building import commit
from tests.support.observing import shipped_model
from tests.support.reporting import (
    Reported,
    carry_out,
    link,
    linked,
    only,
    plain,
    report,
    report_portions,
    server,
    thing,
)


@pytest.fixture
def model() -> Model:
    return shipped_model()


def rack(name: str = "R1", room: str = "A301") -> Observation:
    return thing(
        "Rack",
        f"rack/{name}",
        link("CONTAINED_IN", thing("Room", f"room/{room}", name=room)),
        name=name,
    )


def last(store: GraphStore) -> int:
    return store.last_revision().number


# -- creating and finding again ----------------------------------------------------------------------------


def test_a_statement_becomes_a_record_with_its_parts_and_what_it_mentions(
    store: GraphStore,
) -> None:
    observation = server(
        "web-1",
        link("CONTAINED_IN", rack(), rack_position=12),
        link("HAS_COMPONENT", thing("CPU", "", name="CPU 1", slot="1", core_count=8)),
        link("custodian", thing("Person", "wang", name="王芳", username="wang")),
        serial_number="SN1",
        vendor="Dell",
    )
    done = report(store, "ledger", observation)
    found = only(store, "Server")
    person = only(store, "Person")
    assert plain(found) == {
        "name": "web-1",
        "serial_number": "SN1",
        "vendor": "Dell",
        "custodian": person.id,
    }
    assert found.attributes["lifecycle_state"] == "in_use"
    assert linked(store, found) == {("CONTAINED_IN", "R1"), ("HAS_COMPONENT", "CPU 1")}
    assert linked(store, only(store, "Rack")) == {("CONTAINED_IN", "A301"), ("CONTAINS", "web-1")}
    assert done.counts == {"created": 5, "related": 3}
    assert last(store) == 2
    revision = store.last_revision()
    assert (revision.actor, revision.source) == ("tester", "ledger")


def test_a_second_run_over_the_same_commits_nothing(store: GraphStore) -> None:
    items = [
        server(f"s{i}", link("CONTAINED_IN", rack()), serial_number=f"SN{i}") for i in range(5)
    ]
    report(store, "ledger", *items)
    before = last(store)
    again = report(store, "ledger", *items)
    assert again.counts == {"unchanged": 5}
    assert last(store) == before


def test_a_second_run_commits_nothing_even_if_what_is_remembered_of_the_first_is_lost(
    store: GraphStore,
) -> None:
    items = [
        server(f"s{i}", link("CONTAINED_IN", rack()), serial_number=f"SN{i}") for i in range(5)
    ]
    items.append(thing("VLAN", "v1", name="office"))
    report(store, "ledger", *items)
    before = last(store)
    for name in store.marks(""):
        store.mark(name, None)
    assert report(store, "ledger", *items).counts == {"unchanged": 6}
    assert last(store) == before


def test_an_unchanged_document_is_not_even_read(store: GraphStore) -> None:
    def unread() -> Iterator[Item]:
        raise AssertionError("it was read")

    report_portions(
        store, "ledger", [Portion("a", b"1", lambda: [server("s1", serial_number="SN1")])]
    )
    again = report_portions(store, "ledger", [Portion("a", b"1", unread)], complete=True)
    assert again.counts == {"unchanged": 1}


def test_a_document_with_rejections_is_read_again_and_rejects_again(store: GraphStore) -> None:
    items: list[Item] = [server("s1"), Rejection("row 2", "it is wrong")]
    for _ in range(2):
        done = report(store, "ledger", *items, fingerprint=b"1")
        assert [(e.place, e.why) for e in done.lines if e.action == "rejected"] == [
            ("row 2", "it is wrong")
        ]


def test_a_dry_run_shows_what_applying_does_and_changes_nothing(store: GraphStore) -> None:
    items = [
        server(
            f"s{i}", link("CONTAINED_IN", rack()), link("UPLINKED_TO", "sw"), serial_number=f"SN{i}"
        )
        for i in range(3)
    ]
    items.append(thing("Switch", "sw", name="sw", chassis_mac="00:11:22:33:44:55"))
    planned = report(store, "ledger", *items, apply=False)
    assert last(store) == 1
    assert store.statistics().records == 0
    done = report(store, "ledger", *items)
    assert planned.lines_of("created") == done.lines_of("created")
    assert planned.counts["created"] == done.counts["created"] == 6


def test_a_change_is_shown_with_old_and_new_and_whose_word_it_is(store: GraphStore) -> None:
    report(store, "ledger", server("s1", serial_number="SN1", memory_mib=1024))
    done = report(store, "ledger", server("s1", serial_number="SN1", memory_mib=2048))
    [line] = [e for e in done.lines if e.action == "updated"]
    assert [tuple(d) for d in line.differences] == [("memory_mib", 1024, 2048, "ledger")]
    assert only(store, "Server").attributes["memory_mib"] == 2048


def test_references_within_a_source_may_point_forward_and_in_circles(store: GraphStore) -> None:
    done = report(
        store,
        "terraform",
        thing("CloudInstance", "a", link("DEPENDS_ON", "b"), name="a", resource_id="i-1"),
        thing("CloudVolume", "b", link("DEPENDS_ON", "a"), name="b", resource_id="v-1"),
        thing("CloudVolume", "c", link("DEPENDS_ON", "nothing"), name="c", resource_id="v-2"),
    )
    assert linked(store, only(store, "CloudInstance")) == {
        ("DEPENDS_ON", "b"),
        ("DEPENDED_ON_BY", "b"),
    }
    assert [e.why for e in done.lines if e.action == "rejected"] == [
        "DEPENDS_ON: nothing is not in the source"
    ]


def test_references_across_batches_and_runs_are_found(store: GraphStore) -> None:
    first = thing("CloudInstance", "a", link("DEPENDS_ON", "b"), name="a", resource_id="i-1")
    second = thing("CloudVolume", "b", name="b", resource_id="v-1")
    portions = [Portion("1", None, lambda: [first]), Portion("2", None, lambda: [second])]
    report_portions(store, "terraform", portions)
    assert linked(store, only(store, "CloudInstance")) == {("DEPENDS_ON", "b")}
    before = last(store)
    report_portions(store, "terraform", portions)
    assert last(store) == before
    changed = thing("CloudInstance", "a", link("DEPENDS_ON", "b"), name="A", resource_id="i-1")
    report(store, "terraform", changed)
    assert linked(store, only(store, "CloudInstance", name="A")) == {("DEPENDS_ON", "b")}


# -- identification ----------------------------------------------------------------------------------------


def test_two_sources_that_agree_on_an_identity_make_one_record(store: GraphStore) -> None:
    report(
        store,
        "ledger",
        server("A-1", serial_number="SN1", vendor="Dell", asset_number="A-1"),
        precedence=70,
    )
    done = report(
        store,
        "ansible",
        server("web01", serial_number="SN1", vendor="Dell", hostname="web01", memory_mib=64),
    )
    found = only(store, "Server")
    assert plain(found) == {
        "name": "A-1",
        "serial_number": "SN1",
        "vendor": "Dell",
        "asset_number": "A-1",
        "hostname": "web01",
        "memory_mib": 64,
    }
    assert done.lines[0].why == "now reported by it too, identified by serial_number + vendor?"


@pytest.mark.parametrize("apply", [True, False])
def test_what_nobody_has_is_not_looked_up_and_what_somebody_has_is_found(
    store: GraphStore, monkeypatch: pytest.MonkeyPatch, apply: bool
) -> None:
    """Records of earlier batches, those of types that were there before, and those others make meanwhile."""
    monkeypatch.setattr(runs, "BATCH", 1)
    report(store, "rooms", thing("Site", "s", name="青石站", site_code="QS1"))
    asked: list[tuple[str, set[str]]] = []
    holders = store.holders

    def noted(attribute: str, values: Collection[str]) -> list[Record]:
        asked.append((attribute, set(values)))
        return holders(attribute, values)

    monkeypatch.setattr(store, "holders", noted)

    def items() -> Iterator[Item]:
        yield server("a", serial_number="SN1")
        yield server("b", serial_number="SN2")
        yield thing("Host", "also-b", serial_number="SN2")
        yield thing("Site", "site", site_code="QS1")
        assert ("site_code", {"QS1"}) in asked
        assert not any(values & {"SN1", "a", "b"} for _, values in asked)
        made = Create("Server", {"name": "c", "serial_number": "SN3"}, new_id())
        store.commit(ChangeSet([made], "li"))
        yield server("also-c", serial_number="SN3")
        yield server("d", serial_number="SN4")

    done = report_portions(store, "ledger", [Portion("all", None, items)], apply=apply)
    assert done.lines_of("created") == ["a", "b", "d"]
    assert not apply or len(store.find(Query("Server")).records) == 4


@pytest.mark.parametrize(
    "serial", ["--", "4242 ", "To be filled by O.E.M.", "0", "Not Specified", "XXXXXXXX"]
)
def test_a_serial_number_that_many_share_merges_nothing(store: GraphStore, serial: str) -> None:
    items = [server(f"m{i}", serial_number=serial, vendor="HPE") for i in range(3)]
    report(store, "dmidecode", *items)
    assert store.find(Query("Server", total=True)).total == 3
    before = last(store)
    assert report(store, "dmidecode", *items).counts == {"unchanged": 3}
    for name in store.marks(""):
        store.mark(name, None)
    assert report(store, "dmidecode", *items).counts == {"unchanged": 3}
    assert last(store) == before


def test_a_stronger_rule_overrules_a_weaker_one(store: GraphStore) -> None:
    report(store, "ledger", server("old", serial_number="SN1", hostname="web01"))
    report(store, "ansible", server("new", serial_number="SN2", hostname="web01"))
    assert store.find(Query("Server", total=True)).total == 2


def test_a_host_that_turns_out_to_be_a_server_becomes_one_and_keeps_its_past(
    store: GraphStore,
) -> None:
    report(
        store,
        "nmap",
        thing(
            "Host", "10.1.1.1", link("EXPOSES", thing("NetworkService", "", name="ssh", port=22)),
            name="10.1.1.1", management_ip="10.1.1.1", hostname="web01",
        ),
        precedence=20,
    )  # fmt: skip
    then = last(store)
    host = only(store, "Host")
    report(
        store,
        "ansible",
        server("web01", hostname="web01", management_ip="10.1.1.1", serial_number="SN1"),
    )
    found = only(store, "Server")
    assert found.id == host.id
    assert store.find(Query("Host", total=True)).total == 0
    assert store.record(host.id, then).type == "Host"
    assert linked(store, found) == {("EXPOSES", "ssh")}
    again = report(
        store,
        "nmap",
        thing("Host", "10.1.1.1", name="x", management_ip="10.1.1.1", hostname="web01"),
        precedence=20,
    )
    assert only(store, "Server").id == host.id
    assert "created" not in again.counts
    [_, changed] = store.history(host.id)[-2:][::-1]
    assert changed.changes.records[0].before.type == "Host"  # type: ignore[union-attr]


def test_makers_and_departments_written_otherwise_are_no_other_thing(store: GraphStore) -> None:
    report(store, "ledger", server("s", serial_number="SN1", vendor="惠普", model="T14"))
    report(store, "glpi", server("s", serial_number="SN1", vendor="HPE", model="T14 Gen 4"))
    assert store.find(Query("Server", total=True)).total == 1
    for name in ("a", "b"):
        department = thing("Department", name, name=name)
        report(
            store,
            "hr",
            thing(
                "Person",
                "p",
                link("organisation", department),
                name="p",
                employee_number="7",
                username="p",
            ),
        )
        report(
            store,
            "ldap",
            thing(
                "Person",
                "q",
                link("organisation", department),
                name="p",
                employee_number="7",
                username="p",
            ),
        )
    assert store.find(Query("Person", total=True)).total == 1


def test_types_that_cannot_be_one_thing_never_merge(store: GraphStore) -> None:
    report(store, "ledger", server("s", serial_number="SN1", hostname="x"))
    report(store, "glpi", thing("Printer", "p", name="p", serial_number="SN1", hostname="x"))
    report(store, "vmware", thing("VirtualMachine", "v", name="v", hostname="x"))
    assert store.find(Query("ConfigurationItem", total=True)).total == 3


def test_kinds_of_one_family_are_one_thing(store: GraphStore) -> None:
    report(store, "ledger", thing("Switch", "sw", name="sw", serial_number="SN1"))
    report(store, "lldp", thing("Router", "sw", name="sw", serial_number="SN1", os_version="7"))
    assert only(store, "NetworkDevice").type == "Switch"


def test_an_observation_that_fits_several_records_waits_for_a_person(store: GraphStore) -> None:
    for key in ("a", "b"):
        report(
            store,
            f"source-{key}",
            server(key, asset_number=f"A-{key}", hostname="web01", domain=f"{key}.example"),
            precedence=60,
        )
    before = last(store)
    done = report(store, "ansible", server("x", hostname="web01", memory_mib=64))
    assert done.counts == {"duplicate": 1}
    assert last(store) == before + 1  # the task
    [task] = open_tasks(store)
    assert {c.name for c in task.candidates} == {"a", "b"}
    assert task.evidence["held"] is True
    assert report(store, "ansible", server("x", hostname="web01", memory_mib=64)).counts == {
        "duplicate": 1
    }
    assert last(store) == before + 1  # asked once
    chosen = only(store, "Server", name="b")
    decide(store, task.record, chosen, "li")
    report(store, "ansible", server("x", hostname="web01", memory_mib=64))
    assert only(store, "Server", name="b").attributes["memory_mib"] == 64
    assert open_tasks(store) == []


def test_a_task_of_an_earlier_model_names_its_candidates_in_the_evidence(store: GraphStore) -> None:
    for key in ("a", "b"):
        report(store, "ledger", server(f"A-{key}", serial_number=f"S{key}"))
    ids = [only(store, "Server", serial_number=f"S{key}").id for key in ("a", "b")]
    commit(store, Create("DuplicateTask", {"name": "t", "evidence": {"candidates": ids}}, new_id()))
    [task] = open_tasks(store)
    assert [c.id for c in task.candidates] == ids
    decide(store, task.record, task.candidates[1], "li")
    assert open_tasks(store) == []


def test_two_rules_that_find_two_records_go_to_the_first_and_ask(store: GraphStore) -> None:
    report(store, "ledger", server("A-1", serial_number="SN1"))
    report(store, "nmap", thing("Host", "h", name="h", management_ip="10.1.1.1"))
    done = report(store, "ansible", server("x", serial_number="SN1", management_ip="10.1.1.1"))
    assert done.counts["duplicate"] == 1
    assert only(store, "Server").attributes["management_ip"] == "10.1.1.1"
    [task] = open_tasks(store)
    assert [c.type for c in task.candidates] == ["Server", "Host"]
    assert task.evidence["held"] is False
    merge(store, task.candidates[0], task.candidates[1], actor="li")
    assert open_tasks(store) == []


def test_parts_are_told_apart_by_what_they_are_part_of(store: GraphStore) -> None:
    def with_ports(key: str, *names: str) -> Observation:
        return server(
            key,
            *(link("HAS_COMPONENT", thing("NetworkInterface", "", name=n)) for n in names),
            serial_number=f"SN-{key}",
        )

    report(store, "lshw", with_ports("a", "eth0", "eth1"), with_ports("b", "eth0"))
    assert store.find(Query("NetworkInterface", total=True)).total == 3
    report(store, "snmp", with_ports("a", "eth0"))
    assert store.find(Query("NetworkInterface", total=True)).total == 3
    done = report(store, "lshw", with_ports("a", "eth0"), with_ports("b", "eth0"))
    assert done.lines_of("unrelated") == ["a HAS_COMPONENT eth1"]
    assert only(store, "NetworkInterface", name="eth1").attributes["lifecycle_state"] == "idle"


def test_a_cable_reported_from_both_ends_is_one(store: GraphStore) -> None:
    def port(device: str, name: str) -> Observation:
        return thing(
            "NetworkInterface",
            "",
            link("COMPONENT_OF", thing("Switch", device, name=device, hostname=device)),
            name=name,
        )

    def says(device: str, own: str, other: str, theirs: str) -> Observation:
        here = thing("NetworkInterface", "", link("CONNECTED_TO", port(other, theirs)), name=own)
        return thing("Switch", device, link("HAS_COMPONENT", here), name=device, hostname=device)

    both = [says("sw1", "e1", "sw2", "e2"), says("sw2", "e2", "sw1", "e1")]
    report(store, "lldp", *both)
    [cable] = store.scan_relationships(types=["CONNECTED_TO"])
    assert provenance_of(cable.attributes)["lldp"]["by"] == "st"
    before = last(store)
    for name in store.marks(""):
        store.mark(name, None)
    report(store, "lldp", *both)
    assert last(store) == before
    report(
        store,
        "lldp",
        thing(
            "Switch",
            "sw1",
            link("HAS_COMPONENT", thing("NetworkInterface", "", name="e1")),
            name="sw1",
            hostname="sw1",
        ),
    )
    assert len(list(store.scan_relationships(types=["CONNECTED_TO"]))) == 1  # sw2 still says so
    report(
        store,
        "lldp",
        thing(
            "Switch",
            "sw2",
            link("HAS_COMPONENT", thing("NetworkInterface", "", name="e2")),
            name="sw2",
            hostname="sw2",
        ),
    )
    assert list(store.scan_relationships(types=["CONNECTED_TO"])) == []


def test_rooms_of_one_name_are_told_apart_by_their_sites(store: GraphStore) -> None:
    def row(number: int, site: str, room: str) -> Observation:
        at = thing("Site", f"site/{site}", name=site)
        inside = thing("Room", f"room/{site}/{room}", link("CONTAINED_IN", at), name=room)
        return server(f"s{number}", link("CONTAINED_IN", inside))

    report(store, "ledger", row(1, "A", "1"), row(2, "B", "1"), row(3, "A", "2"))
    done = report(store, "ledger", row(4, "C", "1"), row(5, "A", "3"), row(6, "B", "1"))
    assert "duplicate" not in done.counts
    assert store.find(Query("Room", total=True)).total == 5
    report(store, "netbox", server("s7", link("CONTAINED_IN", thing("Room", "r", name="2"))))
    assert linked(store, only(store, "Server", name="s7")) == {("CONTAINED_IN", "2")}
    assert store.find(Query("Room", total=True)).total == 5


# -- precedence --------------------------------------------------------------------------------------------


def test_the_source_with_precedence_wins_and_the_others_word_is_kept(store: GraphStore) -> None:
    report(store, "nmap", server("s", serial_number="SN1", os_name="Linux 4.x"), precedence=20)
    report(store, "ansible", server("s", serial_number="SN1", os_name="Kylin V10"), precedence=50)
    report(store, "nmap", server("s", serial_number="SN1", os_name="Linux 5.x"), precedence=20)
    found = only(store, "Server")
    assert found.attributes["os_name"] == "Kylin V10"
    told = verdict(
        store.model.record_types["Server"],
        "os_name",
        "Kylin V10",
        provenance_of(found.attributes),
        precedence_of(sources(store)),
    )
    assert told.winner == "ansible"
    assert told.claims == (("ansible", 50, "Kylin V10"), ("nmap", 20, "Linux 5.x"))


def test_what_a_person_sets_stays_until_precedence_says_otherwise(store: GraphStore) -> None:
    report(store, "ansible", server("s", serial_number="SN1", memory_mib=64))
    id_ = only(store, "Server").id
    store.commit(ChangeSet([Update(id_, {"memory_mib": 128, "os_name": "AIX"})], "li"))
    report(store, "ansible", server("s", serial_number="SN1", memory_mib=96, os_name="Linux"))
    found = only(store, "Server")
    assert (found.attributes["memory_mib"], found.attributes["os_name"]) == (128, "AIX")
    above = Precedence({"ansible": 200})
    done = carry_out(store, recompute(store, above))
    assert len(done) == 1
    found = only(store, "Server")
    assert (found.attributes["memory_mib"], found.attributes["os_name"]) == (96, "Linux")
    below = Precedence({"ansible": 50})
    carry_out(store, recompute(store, below))
    found = only(store, "Server")
    assert (found.attributes["memory_mib"], found.attributes["os_name"]) == (128, "AIX")


def test_precedence_by_attribute_counts_for_that_one_only(store: GraphStore) -> None:
    report(
        store, "ledger", server("s", serial_number="SN1", memory_mib=64, os_name="A"), precedence=70
    )
    report(
        store,
        "ansible",
        server("s", serial_number="SN1", memory_mib=96, os_name="B"),
        precedence=50,
    )
    assert only(store, "Server").attributes["memory_mib"] == 64
    precedence = Precedence({"ledger": 70, "ansible": 50}, {"ansible": {"Computer.memory_mib": 90}})
    carry_out(store, recompute(store, precedence))
    found = only(store, "Server")
    assert (found.attributes["memory_mib"], found.attributes["os_name"]) == (96, "A")


def test_a_withdrawn_source_leaves_what_the_others_said(store: GraphStore) -> None:
    report(store, "ledger", server("s", serial_number="SN1", memory_mib=64), precedence=70)
    report(
        store,
        "ansible",
        server("s", serial_number="SN1", memory_mib=96, os_name="B"),
        server("t", serial_number="SN2"),
    )
    carry_out(store, withdraw(store, "ledger", precedence_of(sources(store))), "ledger")
    assert only(store, "Server", name="s").attributes["memory_mib"] == 96
    carry_out(store, withdraw(store, "ansible", precedence_of(sources(store))), "ansible")
    assert {r.attributes["lifecycle_state"] for r in store.find(Query("Server")).records} == {
        "idle"
    }
    assert only(store, "Server", name="t").attributes["serial_number"] == "SN2"


def test_a_place_that_only_one_can_be_is_the_one_of_the_source_with_precedence(
    store: GraphStore,
) -> None:
    def at(key: str, rack_name: str) -> Observation:
        return server(key, link("CONTAINED_IN", rack(rack_name)), serial_number="SN1")

    report(store, "ledger", at("s", "R1"), precedence=70)
    report(store, "netbox", at("s", "R2"), precedence=60)
    assert linked(store, only(store, "Server")) == {("CONTAINED_IN", "R1")}
    report(store, "ledger", at("s", "R3"), precedence=70)
    assert linked(store, only(store, "Server")) == {("CONTAINED_IN", "R3")}
    report(store, "ledger", server("s", serial_number="SN1"), precedence=70)
    assert linked(store, only(store, "Server")) == {("CONTAINED_IN", "R2")}


def test_a_relationship_made_by_hand_is_not_closed_by_a_source(store: GraphStore) -> None:
    report(store, "ledger", server("s", link("CONTAINED_IN", rack()), serial_number="SN1"))
    s, r = only(store, "Server"), only(store, "Rack")
    store.commit(ChangeSet([Unrelate(r.id, "CONTAINS", s.id)], "li"))
    other = Create("Rack", {"name": "R9"}, new_id())
    from cmdb.change_sets import Relate

    store.commit(ChangeSet([other, Relate(other.id, "CONTAINS", s.id)], "li"))
    report(
        store,
        "ledger",
        server("s", link("CONTAINED_IN", rack()), serial_number="SN1", memory_mib=1),
    )
    assert linked(store, s) == {("CONTAINED_IN", "R9")}


# -- vanishing ---------------------------------------------------------------------------------------------


def test_what_vanished_is_retired_after_a_complete_run_only(store: GraphStore) -> None:
    three = [
        server(f"s{i}", link("CONTAINED_IN", rack()), serial_number=f"SN{i}") for i in range(3)
    ]
    report(store, "ledger", *three)
    report(store, "ledger", *three[:2])
    assert only(store, "Server", name="s2").attributes["lifecycle_state"] == "in_use"
    done = report(store, "ledger", *three[:2], complete=True)
    assert done.lines_of("retired") == ["s2"]
    found = only(store, "Server", name="s2")
    assert found.attributes["lifecycle_state"] == "idle"
    assert linked(store, found) == set()
    before = last(store)
    report(store, "ledger", *three[:2], complete=True)
    assert last(store) == before
    report(store, "ledger", *three, complete=True)
    found = only(store, "Server", name="s2")
    assert found.attributes["lifecycle_state"] == "in_use"
    assert linked(store, found) == {("CONTAINED_IN", "R1")}


def test_what_another_source_still_reports_is_not_retired(store: GraphStore) -> None:
    report(store, "ledger", server("s", serial_number="SN1", asset_number="A-1"), server("t"))
    report(store, "ansible", server("s", serial_number="SN1"))
    report(store, "ledger", server("t"), complete=True)
    found = only(store, "Server", name="s")
    assert found.attributes["lifecycle_state"] == "in_use"
    assert "asset_number" not in found.attributes


def test_a_run_in_which_too_much_would_vanish_retires_nothing(store: GraphStore) -> None:
    report(store, "ledger", *(server(f"s{i}") for i in range(30)))
    with pytest.raises(VanishRefusedError, match="29 records"):
        report(store, "ledger", server("s0"), complete=True)
    assert {r.attributes["lifecycle_state"] for r in store.find(Query("Server")).records} == {
        "in_use"
    }
    done = report(store, "ledger", server("s0"), complete=True, vanish_limit=100)
    assert done.counts["retired"] == 29


def test_what_left_a_document_vanishes_also_when_that_is_noticed_later(store: GraphStore) -> None:
    three = [server(f"s{i}", serial_number=f"SN{i}") for i in range(3)]
    report(store, "ledger", *three, fingerprint=b"three")
    report(store, "ledger", *three[:2], fingerprint=b"two")
    done = report(store, "ledger", *three[:2], fingerprint=b"two", complete=True)
    assert done.counts == {"unchanged": 2, "retired": 1}


def test_what_was_made_by_hand_is_nobodys_to_retire(store: GraphStore) -> None:
    store.commit(
        ChangeSet(
            [
                Create(
                    "Server",
                    {"name": "s0", "lifecycle_state": "in_use", "serial_number": "SN0"},
                    new_id(),
                )
            ],
            "li",
        )
    )
    report(store, "ansible", server("s0", serial_number="SN0", memory_mib=64), server("s1"))
    report(store, "ansible", server("s1"), complete=True)
    found = only(store, "Server", name="s0")
    assert found.attributes["lifecycle_state"] == "in_use"
    assert "memory_mib" not in found.attributes


# -- wrong and broken input --------------------------------------------------------------------------------


def test_a_wrong_row_is_reported_with_its_place_and_the_rest_goes_in(store: GraphStore) -> None:
    wrong = thing("Server", "bad", memory_mib="a lot")
    wrong.place = "devices.csv row 3"
    twice = server("good", serial_number="SN2")
    twice.place = "devices.csv row 4"
    done = report(store, "ledger", server("good", serial_number="SN1"), wrong, twice)
    assert [(e.place, e.why) for e in done.lines if e.action == "rejected"] == [
        ("devices.csv row 3", "memory_mib 'a lot' is not an integer"),
        ("devices.csv row 4", "good is in the source twice"),
    ]
    assert only(store, "Server").name == "good"


def test_what_breaks_a_rule_of_the_store_is_rejected_and_the_rest_goes_in(
    store: GraphStore,
) -> None:
    a = thing("Department", "a", link("PART_OF", "b"), name="a", code="X1")
    b = thing("Department", "b", link("PART_OF", "a"), name="b", code="X2")
    done = report(store, "hr", a, b, thing("Department", "c", name="c", code="X3"))
    assert "would form a cycle" in next(e.why for e in done.lines if e.action == "rejected")
    assert only(store, "Department", code="X3").name == "c"


def test_a_document_that_is_not_what_it_says_changes_nothing(store: GraphStore) -> None:
    def breaks() -> Iterator[Item]:
        yield server("s1")
        raise SourceError("b.json is cut off.")

    report(store, "ledger", server("s0"))
    before = last(store)
    with pytest.raises(SourceError, match="cut off"):
        report_portions(store, "ledger", [Portion("b.json", b"1", breaks)], complete=True)
    assert last(store) == before
    good = Portion("a.json", b"1", lambda: [server("s2")])
    done = report_portions(
        store, "ledger", [good, Portion("b.json", b"1", breaks)], complete=True, vanish_limit=100
    )
    assert [(e.place, e.why) for e in done.lines if e.action == "rejected"] == [
        ("b.json", "b.json is cut off.")
    ]
    assert {r.name for r in store.find(Query("Server")).records} == {"s0", "s2"}
    assert only(store, "Server", name="s0").attributes["lifecycle_state"] == "in_use"


def test_an_interrupted_run_goes_on_to_the_same_end(store: GraphStore) -> None:
    items = [server(f"s{i}", serial_number=f"SN{i}") for i in range(30)]
    items += [thing("VLAN", f"v{i}", name=f"v{i}") for i in range(30)]

    def interrupted(done: int) -> None:
        if done:
            raise KeyboardInterrupt

    for part in (items[:20], items[20:45]):
        with pytest.raises(KeyboardInterrupt):
            report(store, "ledger", *part, progress=interrupted)
    assert store.find(Query("Server", total=True)).total == 30
    report(store, "ledger", *items)
    assert store.find(Query("Server", total=True)).total == 30
    assert store.find(Query("VLAN", total=True)).total == 30
    before = last(store)
    report(store, "ledger", *items)
    assert last(store) == before


def test_two_importers_at_once_make_each_machine_once(store: GraphStore, url: str) -> None:
    items = [server(f"s{i}", serial_number=f"SN{i}") for i in range(40)]
    failures: list[BaseException] = []

    def importing(source: str) -> None:
        try:
            with open_store(url) as own:
                for start in range(0, 40, 4):
                    report(own, source, *items[start : start + 4], checked=False)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=importing, args=(f"source-{n}",)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.find(Query("Server", total=True)).total == 40


def test_secrets_reach_neither_store_nor_report(store: GraphStore) -> None:
    done = report(
        store,
        "ledger",
        thing(
            "Application",
            "a",
            name="a",
            url="https://li:geheim42@host/x",
            description="password=geheim42 token: geheim42",
        ),
        thing("Switch", "s", name="s", snmp_community="geheim42"),
        server("t", memory_mib="password=geheim42"),
    )
    everything = repr(list(store.scan_records())) + repr(done.lines)
    assert "geheim42" not in everything
    assert only(store, "Application").attributes["url"] == "https://host/x"


# -- merging and undoing -----------------------------------------------------------------------------------


def test_merging_moves_everything_keeps_both_histories_and_can_be_undone(store: GraphStore) -> None:
    report(
        store,
        "ledger",
        server("a", link("CONTAINED_IN", rack()), asset_number="A-1"),
        precedence=70,
    )
    report(
        store, "ansible",
        server("b", link("HAS_COMPONENT", thing("CPU", "", name="c0")), hostname="web01", memory_mib=64),
    )  # fmt: skip
    a, b = only(store, "Server", name="a"), only(store, "Server", name="b")
    before = last(store)
    merge(store, a, b, actor="li", reason="same machine")
    merged = only(store, "Server")
    assert merged.id == a.id
    assert plain(merged) == {
        "name": "a",
        "asset_number": "A-1",
        "hostname": "web01",
        "memory_mib": 64,
    }
    assert linked(store, merged) == {("CONTAINED_IN", "R1"), ("HAS_COMPONENT", "c0")}
    rest = store.record(b.id)
    assert (rest.type, rest.attributes["merged_into"]) == ("MergedRecord", a.id)
    assert store.record(b.id, before) == b
    assert len(store.history(b.id)) >= 2
    now = last(store)
    report(
        store,
        "ansible",
        server(
            "b", link("HAS_COMPONENT", thing("CPU", "", name="c0")), hostname="web01", memory_mib=64
        ),
    )
    report(store, "ledger", server("a", link("CONTAINED_IN", rack()), asset_number="A-1"))
    assert last(store) == now
    _, left = unmerge(store, rest, actor="li")
    assert left == []
    again = store.get([a.id, b.id])
    assert again[a.id].attributes == a.attributes
    assert (again[b.id].type, again[b.id].attributes) == (b.type, b.attributes)
    assert linked(store, again[b.id]) == {("HAS_COMPONENT", "c0")}
    assert linked(store, again[a.id]) == {("CONTAINED_IN", "R1")}


def test_unrelated_records_cannot_be_merged(store: GraphStore) -> None:
    report(store, "ledger", server("a"), thing("Printer", "p", name="p"))
    with pytest.raises(MergeError, match="one thing cannot be both"):
        merge(store, only(store, "Server"), only(store, "Printer"), actor="li")
    with pytest.raises(MergeError):
        merge(store, only(store, "Server"), only(store, "Server"), actor="li")
    with pytest.raises(MergeError):
        unmerge(store, only(store, "Server"), actor="li")


def test_undoing_an_import_takes_back_what_is_still_as_it_left_it(store: GraphStore) -> None:
    report(store, "ledger", server("a", serial_number="SN1", memory_mib=1, os_name="A"))
    report(
        store, "ledger", server("a", serial_number="SN1", memory_mib=2, os_name="B"), server("b")
    )
    made = last(store)
    a = only(store, "Server", name="a")
    store.commit(ChangeSet([Update(a.id, {"os_name": "C"})], "li"))
    _, left = undo(store, made, actor="li")
    assert left == ["os_name of a has changed since"]
    a = only(store, "Server", name="a")
    assert (a.attributes["memory_mib"], a.attributes["os_name"]) == (1, "C")
    assert only(store, "Server", name="b").attributes["lifecycle_state"] == "idle"


# -- inference ---------------------------------------------------------------------------------------------


def test_relationships_follow_from_attributes_and_go_with_their_ground(store: GraphStore) -> None:
    report(
        store, "ipam",
        thing("Subnet", "n1", name="n1", network="10.1.0.0/16"),
        thing("Subnet", "n2", name="n2", network="10.1.2.0/24"),
        thing("IPAddress", "i1", name="10.1.2.3", ip_address="10.1.2.3"),
        thing("IPAddress", "i2", name="10.1.9.9", ip_address="10.1.9.9"),
        thing("IPAddress", "i3", name="10.9.9.9", ip_address="10.9.9.9"),
    )  # fmt: skip
    report(
        store, "other",
        server("ESX-01"),
        thing("VirtualMachine", "vm", name="vm", host_name="esx-01"),
        thing("DatabaseInstance", "db", name="db", service_address="db01.example", port=5432),
        thing("Application", "app", name="app", database_url="postgresql://db01.example:5432/app"),
    )  # fmt: skip
    assert infer(store, actor="li")
    assert linked(store, only(store, "IPAddress", ip_address="10.1.2.3")) == {("IN_NETWORK", "n2")}
    assert linked(store, only(store, "IPAddress", ip_address="10.1.9.9")) == {("IN_NETWORK", "n1")}
    assert linked(store, only(store, "IPAddress", ip_address="10.9.9.9")) == set()
    assert linked(store, only(store, "VirtualMachine")) == {("RUNS_ON", "ESX-01")}
    assert linked(store, only(store, "Application")) == {("DEPENDS_ON", "db")}
    [link_] = store.scan_relationships(types=["RUNS_ON"])
    assert provenance_of(link_.attributes) == {"inferred": {"by": "s", "rule": "host_name"}}
    before = last(store)
    infer(store, actor="li")
    assert last(store) == before
    report(store, "other", thing("VirtualMachine", "vm", name="vm", host_name="esx-02"))
    n2 = only(store, "Subnet", name="n2")
    store.commit(ChangeSet([Update(n2.id, {"network": "10.1.9.0/24"})], "li"))
    infer(store, actor="li")
    assert linked(store, only(store, "VirtualMachine")) == set()
    assert linked(store, only(store, "IPAddress", ip_address="10.1.2.3")) == {("IN_NETWORK", "n1")}
    assert linked(store, only(store, "IPAddress", ip_address="10.1.9.9")) == {("IN_NETWORK", "n2")}
    report(store, "late", server("esx-02", serial_number="SN9"))
    infer(store, actor="li")
    assert linked(store, only(store, "VirtualMachine")) == {("RUNS_ON", "esx-02")}


def test_what_is_said_outright_is_not_inferred_too(store: GraphStore) -> None:
    report(
        store, "other",
        server("esx-01", serial_number="SN1"),
        thing("VirtualMachine", "vm", link("RUNS_ON", "esx-01"), name="vm", host_name="esx-01"),
    )  # fmt: skip
    infer(store, actor="li")
    [runs] = store.scan_relationships(types=["RUNS_ON"])
    assert set(provenance_of(runs.attributes)) == {"other"}


# -- what the store gives to it ----------------------------------------------------------------------------


def test_a_change_set_based_on_an_older_state_of_the_store_is_refused(store: GraphStore) -> None:
    create = Create("Rack", {"name": "x"}, new_id())
    store.commit(ChangeSet([create], "li", based_on=1))
    with pytest.raises(ConflictError):
        store.commit(ChangeSet([Create("Rack", {"name": "y"}, new_id())], "li", based_on=1))


def test_people_and_tools_cannot_write_provenance(store: GraphStore) -> None:
    with pytest.raises(InvalidChangeError, match="written by the product itself"):
        store.commit(ChangeSet([Create("Rack", {"name": "x", "provenance": {}}, new_id())], "li"))


def test_a_type_that_does_not_fit_where_the_record_stands_is_refused(store: GraphStore) -> None:
    report(
        store,
        "ledger",
        server("s", link("custodian", thing("Person", "p", name="p", username="p"))),
    )
    s, p = only(store, "Server"), only(store, "Person")
    with pytest.raises(InvalidChangeError, match="it is the custodian of"):
        store.commit(ChangeSet([Update(p.id, {}, type="Team")], "li"))
    report(
        store,
        "lshw",
        server("s2", link("HAS_COMPONENT", thing("CPU", "", name="c")), serial_number="SN2"),
    )
    cpu = only(store, "CPU")
    with pytest.raises(InvalidChangeError, match="which that type cannot have"):
        store.commit(ChangeSet([Update(cpu.id, {}, type="Rack")], "li"))
    with pytest.raises(InvalidChangeError, match="is abstract"):
        store.commit(ChangeSet([Update(s.id, {}, type="Hardware")], "li"))


def test_another_process_notices_that_a_record_has_another_type(
    store: GraphStore, url: str
) -> None:
    report(store, "nmap", thing("Host", "h", name="h", hostname="h"))
    host = only(store, "Host")
    from cmdb.change_sets import Relate

    with open_store(url) as other:
        rack_ = Create("Rack", {"name": "r"}, new_id())
        other.commit(ChangeSet([rack_, Update(host.id, {"description": "x"})], "li"))
        with pytest.raises(InvalidChangeError):
            other.commit(ChangeSet([Relate(rack_.id, "CONTAINS", host.id)], "li"))
        store.commit(ChangeSet([Update(host.id, {}, type="Server")], "li"))
        other.commit(ChangeSet([Relate(rack_.id, "CONTAINS", host.id)], "li"))
    assert linked(store, host) == {("CONTAINED_IN", "r")}


def test_marks_are_kept_beside_the_revisions(store: GraphStore, url: str) -> None:
    before = last(store)
    large = bytes(range(256)) * 12_000
    store.mark("a:1", b"one")
    store.mark("a:2", large)
    store.mark("b", b"")
    with open_store(url) as other:
        assert other.marks("a:") == {"a:1": b"one", "a:2": large}
        assert other.marks("") == {"a:1": b"one", "a:2": large, "b": b""}
    store.mark("a:2", b"less")
    store.mark("a:1", None)
    assert store.marks("a:") == {"a:2": b"less"}
    assert last(store) == before


# -- what cannot be read -----------------------------------------------------------------------------------


def rejected(done: Reported) -> list[tuple[str, str]]:
    return [(entry.place, entry.why) for entry in done.lines if entry.action == "rejected"]


def test_a_value_that_does_not_fit_is_rejected_alone_and_the_rest_goes_in(
    store: GraphStore,
) -> None:
    wrong = server(
        "s1",
        link("CONTAINED_IN", rack(), rack_position="high up"),
        link("HAS_COMPONENT", thing("CPU", "", name="CPU 1", slot="1", core_count="many")),
        link("HAS_ADDRESS", thing("IPAddress", "ip", ip_address="no address", name="x")),
        memory_mib="a lot",
        colour="red",
        cpu_count=2,
    )
    wrong.place = "row 3"
    before = [server("s1", memory_mib=64), thing("Server", "s2", cpu_count=4)]
    report(store, "ledger", *before, fingerprint=b"1")
    items = [wrong, thing("Server", "s2", cpu_count="few")]
    done = report(store, "ledger", *items, fingerprint=b"2", complete=True)
    assert rejected(done) == [
        ("row 3", "Server s1: memory_mib 'a lot' is not an integer"),
        ("row 3", "Server s1: Server has no attribute 'colour'"),
        ("row 3", "CONTAINED_IN of Server s1: rack_position 'high up' is not an integer"),
        ("row 3", "CPU CPU 1: core_count 'many' is not an integer"),
        ("row 3", "HAS_ADDRESS of Server s1: ip_address 'no address' is not an IP address"),
        ("", "cpu_count 'few' is not an integer"),
    ]
    found = only(store, "Server", name="s1")
    assert plain(found) == {"name": "s1", "cpu_count": 2}
    assert linked(store, found) == {("CONTAINED_IN", "R1"), ("HAS_COMPONENT", "CPU 1")}
    assert only(store, "Server", name="s2").attributes["cpu_count"] == 4, "nothing else was said"
    at = last(store)
    again = report(store, "ledger", *items, fingerprint=b"2", complete=True)
    assert (rejected(again), last(store)) == (rejected(done), at)


def test_what_a_document_says_before_it_breaks_counts_if_it_was_done_already(
    store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "BATCH", 2)
    items = [server(f"s{i}", link("UPLINKED_TO", "sw"), serial_number=f"SN{i}") for i in range(4)]
    items.insert(1, thing("Switch", "sw", name="sw"))

    def breaks() -> Iterator[Item]:
        yield from items
        raise SourceError("big.json is cut off.", "Nothing was changed; give it whole.")

    broken = Portion("big.json", b"1", breaks)
    report(store, "ledger", server("other", serial_number="SN9"))
    lines: list[Entry] = []
    run = Run(store, "ledger", actor="li", apply=True, complete=True, report=lines.append)
    with pytest.raises(SourceError, match=r"cut off\. The 4 things it told of before that count"):
        run.run([broken])
    assert run.summary.counts["created"] == 4
    assert (run.summary.statements, run.summary.kept) == (4, 1)
    assert linked(store, only(store, "Server", name="s1")) == {("UPLINKED_TO", "sw")}
    assert only(store, "Server", name="other").attributes["lifecycle_state"] == "in_use"
    done = report_portions(store, "ledger", [broken, Portion("a", b"1", lambda: [server("t")])])
    assert "nothing" not in rejected(done)[0][1].lower()
    done = report_portions(store, "ledger", [Portion("big.json", b"2", lambda: items)])
    assert done.counts == {"unchanged": 4, "created": 1, "related": 1}


def test_a_complete_run_keeps_what_an_unreadable_row_may_have_been(store: GraphStore) -> None:
    three = [server(f"s{i}", serial_number=f"SN{i}") for i in range(3)]
    report(store, "ledger", *three)
    unread = Rejection("row 3", "its quotation marks do not match")
    done = report(store, "ledger", *three[:1], unread, complete=True)
    assert (done.summary.unread, done.summary.kept) == (1, 2)
    assert done.lines_of("retired") == []
    known = Rejection("row 3", "the host could not be reached", "s1")
    detail = Rejection("row 1", "a cell of it is no number", "s0")
    for _ in range(2):
        done = report(store, "ledger", detail, *three[:1], known, complete=True)
        assert (done.summary.unread, done.summary.kept) == (0, 0)
        assert only(store, "Server", name="s1").attributes["lifecycle_state"] == "in_use"
        assert only(store, "Server", name="s2").attributes["lifecycle_state"] == "idle"
    nameless = thing("Server", "", name="s1")
    done = report(store, "ledger", *three[:1], nameless, complete=True)
    assert (done.summary.unread, done.summary.kept) == (1, 1)
