"""Parts, on either store: told apart by their place, moved, held with their whole, merged with it."""

from __future__ import annotations

from collections import Counter

import pytest

from cmdb.queries import Query
from cmdb.reconciliation.duplicates import merge, unmerge
from cmdb.reconciliation.observations import Link, Observation
from cmdb.reconciliation.precedence import provenance_of
from cmdb.reconciliation.tasks import open_tasks
from cmdb.records import Record
from cmdb.store import GraphStore
from schema.model import Model
from tests.support.observing import shipped_model
from tests.support.reporting import link, linked, only, report, server, thing


@pytest.fixture
def model() -> Model:
    return shipped_model()


def module(slot: str, serial: str) -> Link:
    return link(
        "HAS_COMPONENT", thing("MemoryModule", "", name=slot, slot=slot, serial_number=serial)
    )


def interface(name: str, **attributes: object) -> Link:
    return link("HAS_COMPONENT", thing("NetworkInterface", "", name=name, **attributes))


def modules(store: GraphStore) -> Counter[tuple[str, str]]:
    """(machine, slot) of all modules."""
    found = store.find(Query("MemoryModule", first=100)).records
    return Counter(
        (whole, record.name)
        for record in found
        for way, whole in linked(store, record)
        if way == "COMPONENT_OF"
    )


def forget(store: GraphStore) -> None:
    for name in store.marks(""):
        store.mark(name, None)


def test_parts_with_one_serial_number_in_two_places_are_two(store: GraphStore) -> None:
    told = [
        server("a", module("A1", "SN-4242"), module("A2", "SN-4242")),
        server("b", module("A1", "SN-4242"), module("A2", "SN-4242")),
    ]
    done = report(store, "firmware", *told)
    assert done.lines_of("rejected") == []
    assert modules(store) == {(m, s): 1 for m in "ab" for s in ("A1", "A2")}
    for _ in range(2):
        revision = store.last_revision().number
        assert report(store, "firmware", *told).counts == {"unchanged": 2}
        assert store.last_revision().number == revision
        forget(store)


def test_a_part_like_those_of_machines_reported_in_earlier_runs_is_another_one(
    store: GraphStore,
) -> None:
    report(store, "firmware", server("a", module("A1", "SN-4242")))
    told = [server("a", module("A1", "SN-4242"), tags=["x"]), server("b", module("A1", "SN-4242"))]
    report(store, "firmware", *told)
    assert modules(store) == {("a", "A1"): 1, ("b", "A1"): 1}


def test_a_part_that_was_moved_to_another_machine_stays_the_record_it_is(
    store: GraphStore,
) -> None:
    report(store, "firmware", server("a", module("A1", "SN-1")), server("b"))
    [before] = store.find(Query("MemoryModule")).records
    report(store, "firmware", server("a"), server("b", module("B7", "SN-1")))
    [after] = store.find(Query("MemoryModule")).records
    assert (after.id, after.name) == (before.id, "B7")
    assert modules(store) == {("b", "B7"): 1}


def test_parts_that_change_places_do_not_become_one(store: GraphStore) -> None:
    report(store, "firmware", server("a", module("A1", "SN-1"), module("A2", "SN-2")))
    report(store, "firmware", server("a", module("A2", "SN-1"), module("A1", "SN-2")))
    assert modules(store) == {("a", "A1"): 1, ("a", "A2"): 1}
    assert only(store, "MemoryModule", slot="A2").attributes["serial_number"] == "SN-1"


def test_parts_of_what_waits_for_a_person_wait_too(store: GraphStore) -> None:
    for rack, serial in (("one", "SN-1"), ("two", "SN-2")):
        report(store, rack, server("leaf", hostname="leaf", serial_number=serial))
    seen = server("leaf", interface("eth0"), hostname="leaf")
    assert report(store, "scan", seen).counts == {"duplicate": 1}
    for _ in range(2):
        revision = store.last_revision().number
        report(store, "scan", seen)
        assert store.last_revision().number == revision
        forget(store)
    assert not store.find(Query("NetworkInterface")).records
    one, two = (only(store, "Server", serial_number=serial) for serial in ("SN-1", "SN-2"))
    merge(store, one, two, actor="tester")
    report(store, "scan", seen)
    assert linked(store, only(store, "NetworkInterface", name="eth0")) == {("COMPONENT_OF", "leaf")}


def test_merging_two_machines_makes_one_of_the_parts_in_one_place(store: GraphStore) -> None:
    switch = thing("Switch", "sw", name="sw", serial_number="SN-SW")
    port = Observation("NetworkInterface", "", {"name": "p1"}, [link("COMPONENT_OF", switch)])
    cable = link("CONNECTED_TO", port)
    agent = thing(
        "NetworkInterface", "", cable, name="eth0", mac_address="02:00:00:00:00:01", slot="1"
    )
    report(
        store,
        "agent",
        server("srv", link("HAS_COMPONENT", agent), interface("eth1"), serial_number="SN-1"),
    )
    walk = thing("Computer", "dev", interface("eth0", mtu=9000), interface("lo"), name="dev")
    report(store, "walk", walk)
    first, second = only(store, "Server", name="srv"), only(store, "Computer", name="dev")
    merge(store, first, second, actor="tester")
    names = Counter(r.name for r in interfaces_of(store, first))
    assert names == {"eth0": 1, "eth1": 1, "lo": 1}
    eth0 = only(store, "NetworkInterface", name="eth0")
    assert eth0.attributes["mtu"] == 9000
    assert provenance_of(eth0.attributes).keys() == {"agent", "walk"}
    assert {c["of"] for c in provenance_of(eth0.attributes).values()} == {first.id}
    assert linked(store, eth0) == {("COMPONENT_OF", "srv"), ("CONNECTED_TO", "p1")}
    assert open_tasks(store) == []
    again = report(store, "walk", walk)
    assert (again.lines_of("duplicate"), again.lines_of("created")) == ([], [])
    assert Counter(r.name for r in interfaces_of(store, first)) == names


def test_taking_machines_apart_again_takes_their_parts_apart(store: GraphStore) -> None:
    report(store, "agent", server("srv", interface("eth0"), serial_number="SN-1"))
    report(store, "walk", thing("Computer", "dev", interface("eth0", mtu=9000), name="dev"))
    first, second = only(store, "Server", name="srv"), only(store, "Computer", name="dev")
    merge(store, first, second, actor="tester")
    unmerge(store, store.record(second.id), actor="tester")
    for machine, mtu in ((first, None), (second, 9000)):
        [eth0] = interfaces_of(store, machine)
        assert (eth0.name, eth0.attributes.get("mtu")) == ("eth0", mtu)


def interfaces_of(store: GraphStore, whole: Record) -> list[Record]:
    return [near.record for near in store.neighbours([whole.id], ["HAS_COMPONENT"])]
