"""Runs one after another, over documents that come and go, with merges, models and people in between.

On the embedded store; what both stores must do alike is in the conformance suite.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cmdb import transfer
from cmdb.change_sets import ChangeSet, Create, Operation, Relate, Update
from cmdb.errors import InvalidChangeError
from cmdb.ids import new_id
from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.reconciliation import recomputing
from cmdb.reconciliation.duplicates import MergeError, decide, merge
from cmdb.reconciliation.inference import infer
from cmdb.reconciliation.observations import Item, Observation, Portion
from cmdb.reconciliation.sources import precedence_of, sources
from cmdb.reconciliation.tasks import open_tasks
from cmdb.reconciliation.undoing import undo
from cmdb.store import GraphStore, create_store
from cmdb.store.opening import create_empty_store
from tests.support.observing import shipped_model
from tests.support.reporting import (
    carry_out,
    link,
    linked,
    only,
    report,
    report_portions,
    server,
    thing,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GraphStore]:
    with create_store(f"sqlite:///{tmp_path}/store.db", shipped_model()) as store:
        yield store


def document(name: str, *items: Item) -> Portion:
    """A document with a fingerprint of what it holds."""
    return Portion(name, repr(items).encode(), lambda: items)


A, B = server("a", serial_number="SN1"), server("b", serial_number="SN2")
D1, D2 = document("d1", A), document("d2", B)


def state(store: GraphStore, name: str) -> str:
    return str(only(store, "Server", name=name).attributes["lifecycle_state"])


def test_a_complete_run_after_a_partial_one_retires_nothing_that_is_there(
    store: GraphStore,
) -> None:
    report_portions(store, "x", [D1, D2])
    report_portions(store, "x", [D1])
    done = report_portions(store, "x", [D1, D2], complete=True)
    assert done.counts == {"unchanged": 2}


def test_what_was_retired_comes_back_with_its_document(store: GraphStore) -> None:
    report_portions(store, "x", [D1, D2])
    report_portions(store, "x", [D1], complete=True)
    assert state(store, "b") == "idle"
    report_portions(store, "x", [D1, D2])
    assert state(store, "b") == "in_use"


def test_an_earlier_document_given_again_counts_again(store: GraphStore) -> None:
    january = document("jan", server("a", memory_mib=1))
    report_portions(store, "x", [january])
    report_portions(store, "x", [document("feb", server("a", memory_mib=2))])
    report_portions(store, "x", [january])
    assert only(store, "Server").attributes["memory_mib"] == 1


def test_what_is_rejected_or_held_has_not_vanished(store: GraphStore) -> None:
    report(store, "x", A, B)
    report(store, "x", thing("Server", "a", memory_mib="lots"), B, complete=True)
    assert state(store, "a") == "in_use"


def test_two_things_of_one_run_are_two_whatever_they_share(store: GraphStore) -> None:
    uuid = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
    report(store, "x", server("k1", system_uuid=uuid))
    report(store, "x", server("k1", system_uuid=uuid, memory_mib=2), server("k2", system_uuid=uuid))
    assert store.find(Query("Server", total=True)).total == 2


def test_what_was_named_before_it_was_shown_is_linked_once_it_is(store: GraphStore) -> None:
    first = document("d1", server("a", link("CONTAINED_IN", "rack/1")))
    done = report_portions(store, "x", [first])
    assert done.counts["rejected"] == 1
    assert report_portions(store, "x", [first]).counts["rejected"] == 1
    report_portions(store, "x", [first, document("d2", thing("Rack", "rack/1", name="R1"))])
    assert linked(store, only(store, "Server")) == {("CONTAINED_IN", "R1")}


def test_what_the_store_refuses_takes_nothing_from_what_it_shares(store: GraphStore) -> None:
    rack = thing(
        "Rack", "rack/1", link("CONTAINED_IN", thing("Room", "room", name="A301")), name="R1"
    )
    bad = server("bad", link("CONTAINED_IN", rack), link("custodian", rack))
    report(store, "x", bad, server("good", link("CONTAINED_IN", rack)))
    assert linked(store, only(store, "Rack")) == {("CONTAINED_IN", "A301"), ("CONTAINS", "good")}


def test_another_run_in_between_is_noticed(store: GraphStore) -> None:
    report(store, "x", server("a", memory_mib=1))

    def meanwhile() -> Iterator[Item]:
        report(store, "x", server("a", memory_mib=2))
        yield server("a", memory_mib=1)

    report_portions(store, "x", [Portion("d", None, meanwhile)])
    report(store, "x", server("a", memory_mib=1))
    assert only(store, "Server").attributes["memory_mib"] == 1


def test_a_copy_that_is_brought_up_to_date_is_compared_anew(
    store: GraphStore, tmp_path: Path
) -> None:
    report(store, "x", server("a", memory_mib=1))
    with create_empty_store(f"sqlite:///{tmp_path}/copy.db") as copy:
        transfer.copy(store, copy)
        report(copy, "x", server("a", memory_mib=1))
        report(store, "x", server("a", memory_mib=2))
        transfer.copy(store, copy)
        report(copy, "x", server("a", memory_mib=1))
        assert only(copy, "Server").attributes["memory_mib"] == 1


def test_what_has_no_identity_but_its_key_comes_back_under_it(store: GraphStore) -> None:
    report(store, "x", server("a"), B)
    report(store, "x", B, complete=True)
    report(store, "x", server("a"), B)
    assert only(store, "Server", name="a").attributes["lifecycle_state"] == "in_use"


def test_people_outranked_by_a_source_are_corrected_by_its_next_run(store: GraphStore) -> None:
    said = server("a", memory_mib=1)
    report(store, "x", said, precedence=200, fingerprint=b"1")
    store.commit(ChangeSet([Update(only(store, "Server").id, {"memory_mib": 9})], "li"))
    report(store, "x", said, precedence=200, fingerprint=b"1")
    assert only(store, "Server").attributes["memory_mib"] == 1


# -- merging, deciding, undoing ------------------------------------------------------------------------------


def test_what_sources_say_of_a_merged_person_is_of_the_one_that_stays(store: GraphStore) -> None:
    for key in ("p1", "p2"):
        person = thing("Person", key, name=key, username=key)
        report(store, "x", server(f"s-{key}", link("custodian", person)))
    one, two = only(store, "Person", name="p1"), only(store, "Person", name="p2")
    merge(store, one, two, actor="li")
    plan = recomputing.recompute(store, precedence_of(sources(store)))
    carry_out(store, plan)
    assert {r.attributes["custodian"] for r in store.find(Query("Server")).records} == {one.id}


def test_a_merge_lasts_whatever_the_source_goes_on_to_say(store: GraphStore) -> None:
    report(store, "x", A, B)
    merge(store, only(store, "Server", name="a"), only(store, "Server", name="b"), actor="li")
    report(store, "x", A, B)
    assert store.find(Query("Server", total=True)).total == 1


def test_a_decision_is_for_one_of_those_that_fit(store: GraphStore) -> None:
    for key in ("a", "b"):
        report(store, key, server(key, hostname="web01", domain=f"{key}.example"))
    report(store, "c", server("c", hostname="web01"), thing("Rack", "r", name="r"))
    [task] = open_tasks(store)
    with pytest.raises(MergeError, match="none of the records"):
        decide(store, task.record, only(store, "Rack"), "li")


def test_what_was_undone_comes_back_when_it_is_reported_again(store: GraphStore) -> None:
    report(store, "x", A)
    undo(store, store.last_revision().number, actor="li")
    assert state(store, "a") == "idle"
    report(store, "x", A)
    assert state(store, "a") == "in_use"


def test_a_type_must_fit_what_the_same_change_set_adds(store: GraphStore) -> None:
    rack, person, machine = (
        Create(type_, {"name": type_}, new_id()) for type_ in ("Rack", "Person", "Server")
    )
    store.commit(ChangeSet([rack, person, machine], "li"))
    named = [Update(machine.id, {"custodian": person.id}), Update(person.id, {}, type="Team")]
    with pytest.raises(InvalidChangeError, match="it is the custodian of"):
        store.commit(ChangeSet(named, "li"))
    inside: list[Operation] = [
        Relate(rack.id, "CONTAINS", machine.id),
        Update(machine.id, {}, type="Team"),
    ]
    with pytest.raises(InvalidChangeError, match="which that type cannot have"):
        store.commit(ChangeSet(inside, "li"))


def test_a_place_that_stood_by_is_taken_whatever_else_the_record_holds(store: GraphStore) -> None:
    def chassis(rack: str) -> Observation:
        inside = thing("Rack", f"rack/{rack}", name=rack)
        return server("chassis", link("CONTAINED_IN", inside), serial_number="SN9")

    blade = server("blade", link("CONTAINED_IN", "chassis"), serial_number="SN8")
    report(store, "hi", chassis("A"), blade, precedence=90)
    report(store, "lo", chassis("B"), blade, precedence=10)
    found = only(store, "Server", name="chassis")
    assert linked(store, found) == {("CONTAINED_IN", "A"), ("CONTAINS", "blade")}
    plan = recomputing.withdraw(store, "hi", precedence_of(sources(store)))
    carry_out(store, plan, "hi")
    assert linked(store, found) == {("CONTAINED_IN", "B"), ("CONTAINS", "blade")}


# -- secrets, inference --------------------------------------------------------------------------------------


def test_secrets_in_keys_and_under_telling_names_stay_outside(store: GraphStore) -> None:
    done = report(
        store,
        "x",
        server("mysql://root:geheim42@db1:3306/x", link("DEPENDS_ON", "mysql://root:geheim42@db9")),
        thing("BusinessService", "s\x00\n", name="s", redundancy={"db_password": "geheim42"}),
    )
    everything = repr(list(store.scan_records())) + repr(done.lines)
    assert "geheim42" not in everything
    assert list(check(store, lambda _: None)) == []


def test_what_becomes_unambiguous_is_inferred(store: GraphStore) -> None:
    report(
        store,
        "x",
        server("esx-1", serial_number="SN1"),
        thing("VirtualMachine", "vm", name="vm", host_name="esx-1"),
    )
    report(store, "y", thing("Server", "2", name="esx-1", serial_number="SN2"))
    infer(store, actor="li")
    assert linked(store, only(store, "VirtualMachine")) == set()
    other = only(store, "Server", serial_number="SN2")
    store.commit(ChangeSet([Update(other.id, {"name": "esx-2"})], "li"))
    infer(store, actor="li")
    assert linked(store, only(store, "VirtualMachine")) == {("RUNS_ON", "esx-1")}
