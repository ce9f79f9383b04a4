"""Change sets: what they store, what they refuse, and that they are all or nothing."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest

from cmdb.change_sets import ChangeSet, Create, Operation, Relate, Unrelate, Update
from cmdb.errors import ConflictError, InvalidChangeError, NotFoundError
from cmdb.ids import new_id
from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.store import GraphStore, open_store
from tests.support.building import add, commit, create


def refused(store: GraphStore, *operations: Operation) -> set[str]:
    """Commit what must be refused; gives the problems' codes. Nothing may have been stored."""
    before = store.statistics()
    with pytest.raises(InvalidChangeError) as caught:
        commit(store, *operations)
    assert store.statistics() == before
    return {problem.code for problem in caught.value.problems}


def test_a_record_is_created_with_canonical_values_and_defaults(store: GraphStore) -> None:
    id = add(
        store,
        "Server",
        "s",
        mac="00-1A-2B-3C-4D-5E",
        address="2001:0DB8::0001",
        size="12",
        active="yes",
        keeper=None,
    )
    record = store.record(id)
    assert record.type == "Server"
    assert record.revision == 2
    assert record.attributes == {
        "name": "s", "mac": "00:1a:2b:3c:4d:5e", "address": "2001:db8::1", "size": 12, "active": True,
        "grade": "standard", "lifecycle_state": "planned",
    }  # fmt: skip


def test_an_update_changes_what_it_names_and_none_removes(store: GraphStore) -> None:
    id = add(store, "Device", "d", size=1, colour="red")
    assert commit(store, Update(id, {"size": 2, "colour": None})) == 3
    assert store.record(id).attributes == {
        "name": "d",
        "size": 2,
        "grade": "standard",
        "lifecycle_state": "planned",
    }
    assert store.record(id).revision == 3


def test_what_changes_nothing_makes_no_revision(store: GraphStore) -> None:
    box, device = create("Box", "b"), create("Device", "d", size=1)
    commit(store, box, device, Relate(box.id, "CONTAINS", device.id, {"position": 3}))
    nothings: list[list[Operation]] = [
        [], [Update(device.id, {"size": "1"})], [Relate(box.id, "CONTAINS", device.id, {"position": 3})],
        [Update(device.id, {"size": 2}), Update(device.id, {"size": 1})],
        [Unrelate(box.id, "CONTAINS", device.id), Relate(box.id, "CONTAINS", device.id, {"position": 3})],
    ]  # fmt: skip
    for operations in nothings:
        result = store.commit(ChangeSet(operations, "tester"))
        assert (result.revision, result.committed) == (2, False)
    assert store.statistics().revisions == 2


def test_values_of_json_are_the_same_only_to_the_letter(store: GraphStore) -> None:
    id = add(store, "Device", "d", facts={"a": 1})
    for value in ({"a": True}, {"a": 1.0}, {"a": [1]}, {"a": [True]}, 1, True):
        assert commit(store, Update(id, {"facts": value})) == store.last_revision().number
        stored = store.record(id).attributes["facts"]
        assert repr(stored) == repr(value)
    assert len(store.history(id)) == 7
    assert not store.commit(ChangeSet([Update(id, {"facts": True})], "again")).committed


@pytest.mark.parametrize(
    "header",
    [
        {"actor": ""},
        {"actor": "  "},
        {"actor": None},
        {"actor": 5},
        {"actor": "\ud800"},
        {"source": ""},
        {"reason": "a\x00b"},
        {"id": ""},
        {"id": "x" * 2_000},
        {"effective_on": datetime(2026, 3, 31, 12, tzinfo=UTC)},
        {"effective_on": "2026-03-31"},
    ],
)
def test_who_why_and_when_are_checked(store: GraphStore, header: dict[str, Any]) -> None:
    with pytest.raises(InvalidChangeError, match=next(iter(header))):
        store.commit(ChangeSet([create("Box", "b")], **{"actor": "me", **header}))
    assert store.last_revision().number == 1


def test_the_same_change_set_is_committed_once(store: GraphStore) -> None:
    change_set = ChangeSet([create("Box", "b")], "tester")
    first, second = store.commit(change_set), store.commit(change_set)
    assert (first.revision, first.committed) == (2, True)
    assert (second.revision, second.committed) == (2, False)
    assert store.statistics().records == 1


def test_what_is_created_and_then_updated_may_refer_to_what_is_there(store: GraphStore) -> None:
    keeper, device = add(store, "Person", "p"), create("Device", "d")
    commit(store, device, Update(device.id, {"keeper": keeper}))
    assert store.record(device.id).attributes["keeper"] == keeper
    other = create("Device", "d")
    with pytest.raises(InvalidChangeError, match="which is a Device"):
        commit(store, other, Update(other.id, {"keeper": device.id}))


def test_operations_apply_in_order_and_only_their_net_effect_is_kept(store: GraphStore) -> None:
    box, device = create("Box", "b"), create("Device", "d")
    commit(
        store, box, device, Relate(box.id, "CONTAINS", device.id), Unrelate(box.id, "CONTAINS", device.id),
        Relate(box.id, "CONTAINS", device.id, {"position": 7}), Update(device.id, {"size": 1}), Update(device.id, {"size": 5}),
    )  # fmt: skip
    assert store.record(device.id).attributes["size"] == 5
    [near] = store.neighbours([device.id])
    assert near.relationship.attributes == {"position": 7}
    assert store.statistics()[2:4] == (0, 0)


def test_creating_keeps_no_history_and_changing_keeps_what_was_before(store: GraphStore) -> None:
    devices = [create("Device", f"d{i}") for i in range(50)]
    commit(store, *devices)
    assert store.statistics().record_images == 0
    commit(store, *(Update(device.id, {"size": 1}) for device in devices[:5]))
    assert store.statistics().record_images == 5


@pytest.mark.parametrize(
    ("type_", "attributes", "code"),
    [
        ("Device", {"name": ""}, "required"),
        ("Device", {"name": None}, "required"),
        ("Device", {"name": "d", "colur": 1}, "unknown_attribute"),
        ("Device", {"name": "d", "name`": 1}, "unknown_attribute"),
        ("Device", {"name": "d", "id": "x"}, "unknown_attribute"),
        ("Device", {"name": "d", "size": "many"}, "invalid_value"),
        ("Device", {"name": "d", "size": -101}, "invalid_value"),
        ("Device", {"name": "d", "row": 2**63}, "invalid_value"),
        ("Device", {"name": "d", "weight": float("nan")}, "invalid_value"),
        ("Device", {"name": "d", "asset": "X-1"}, "invalid_value"),
        ("Device", {"name": "d", "colour": "green"}, "invalid_value"),
        ("Device", {"name": "d", "tags": "not a list"}, "invalid_value"),
        ("Device", {"name": "d\x00"}, "invalid_value"),
        ("Device", {"name": "d\ud800"}, "invalid_value"),
        ("Device", {"name": "d" * 1001}, "invalid_value"),
        ("Device", {"name": "d", "seen": "2026-01-01T00:00:00"}, "invalid_value"),
        ("Device", {"name": "d", "facts": {1, 2}}, "invalid_value"),
        ("Device", {"name": "d", "keeper": "nobody"}, "invalid_value"),
        ("Device", {"name": "d", "keeper": new_id()}, "reference"),
        ("Item", {"name": "d"}, "record_type"),
        ("Nothing", {"name": "d"}, "record_type"),
        ("Device`) DETACH DELETE n //", {"name": "d"}, "record_type"),
    ],
)  # fmt: skip
def test_a_record_that_breaks_a_rule_is_refused(
    store: GraphStore, type_: str, attributes: dict[str, Any], code: str
) -> None:
    codes = refused(store, create("Box", "fine"), Create(type_, attributes, new_id()))
    assert code in codes


def test_every_problem_is_named_not_just_the_first(store: GraphStore) -> None:
    with pytest.raises(InvalidChangeError) as caught:
        commit(store, create("Device", "", size="x"), create("Device", "d", colour="green"))
    problems = [(p.operation, p.attribute, p.code) for p in caught.value.problems]
    assert problems == [
        (0, "size", "invalid_value"),
        (0, "name", "required"),
        (1, "colour", "invalid_value"),
    ]


def test_ids_are_checked_and_taken_once(store: GraphStore) -> None:
    id = add(store, "Box", "b")
    assert refused(store, Create("Box", {"name": "c"}, id)) == {"exists"}
    other = new_id()
    assert refused(
        store, Create("Box", {"name": "c"}, other), Create("Box", {"name": "d"}, other)
    ) == {"exists"}
    assert refused(store, Create("Box", {"name": "c"}, "1'; DROP TABLE records")) == {"id"}
    assert refused(store, Update(new_id(), {"name": "x"})) == {"not_found"}


def test_relationships_are_checked(store: GraphStore) -> None:
    box, app, device = add(store, "Box", "b"), add(store, "App", "a"), add(store, "Device", "d")
    assert refused(store, Relate(box, "CONTAINS", app)) == {"endpoint"}
    assert refused(store, Relate(device, "RUNS_ON", app)) == {"endpoint"}
    assert refused(store, Relate(box, "CONTAINS", new_id())) == {"not_found"}
    assert refused(store, Relate("x' OR 1=1", "CONTAINS", device)) == {"not_found"}
    assert refused(store, Relate(box, "HOLDS", device)) == {"relationship_type"}
    assert refused(store, Relate(box, "CONTAINS`]->() //", device)) == {"relationship_type"}
    assert refused(store, Relate(box, "CONTAINS", device, {"position": 0})) == {"invalid_value"}
    assert refused(store, Relate(box, "CONTAINS", device, {"depth": 1})) == {"unknown_attribute"}
    assert refused(store, Unrelate(box, "CONTAINS", device)) == {"not_found"}
    commit(store, Relate(app, "RUNS_ON", device))
    [near] = store.neighbours([app])
    assert near.relationship.attributes == {"port": 80}


def test_only_as_many_at_an_end_as_declared(store: GraphStore) -> None:
    first, second, device = create("Box", "1"), create("Box", "2"), create("Device", "d")
    assert refused(
        store,
        first,
        second,
        device,
        Relate(first.id, "CONTAINS", device.id),
        Relate(second.id, "CONTAINS", device.id),
    ) == {"cardinality"}
    commit(store, first, second, device, Relate(first.id, "CONTAINS", device.id))
    assert refused(store, Relate(second.id, "CONTAINS", device.id)) == {"cardinality"}
    commit(
        store, Unrelate(first.id, "CONTAINS", device.id), Relate(second.id, "CONTAINS", device.id)
    )
    [near] = store.neighbours([device.id])
    assert near.record.name == "2"
    a, b, c = (add(store, "Organisation", name) for name in "abc")
    commit(store, Relate(a, "PART_OF", b))
    assert refused(store, Relate(a, "PART_OF", c)) == {"cardinality"}


def test_cycles_are_refused_where_declared(store: GraphStore) -> None:
    boxes = [create("Box", str(i)) for i in range(6)]
    ids = [box.id for box in boxes]
    chain = [Relate(a, "CONTAINS", b) for a, b in itertools.pairwise(ids)]
    assert refused(store, *boxes, *chain, Relate(ids[-1], "CONTAINS", ids[0])) == {"cycle"}
    commit(store, *boxes, *chain)
    for start in ids[1:]:
        assert "cycle" in refused(store, Relate(start, "CONTAINS", ids[0]))
    assert refused(store, Relate(ids[0], "CONTAINS", ids[0])) == {"cycle"}
    commit(store, Unrelate(ids[2], "CONTAINS", ids[3]), Relate(ids[-1], "CONTAINS", ids[0]))
    middle = create("Box", "m")
    assert refused(
        store, middle, Relate(ids[2], "CONTAINS", middle.id), Relate(middle.id, "CONTAINS", ids[3])
    ) == {"cycle"}
    apps = [add(store, "App", str(i)) for i in range(4)]
    commit(
        store,
        Relate(apps[0], "NEEDS", apps[1]),
        Relate(apps[0], "NEEDS", apps[2]),
        Relate(apps[1], "NEEDS", apps[3]),
        Relate(apps[2], "NEEDS", apps[3]),
    )
    assert refused(store, Relate(apps[3], "NEEDS", apps[0])) == {"cycle"}
    commit(
        store,
        Relate(apps[3], "CALLS", apps[0]),
        Relate(apps[0], "CALLS", apps[3]),
        Relate(apps[0], "CALLS", apps[0]),
    )
    assert list(check(store)) == []


def test_unique_alone_together_and_within_an_organisation(store: GraphStore) -> None:
    north, south = (
        add(store, "Organisation", "n", code="N"),
        add(store, "Organisation", "s", code="S"),
    )
    assert refused(store, create("Organisation", "x", code="N")) == {"not_unique"}
    assert refused(store, Update(south, {"code": "N"})) == {"not_unique"}
    assert refused(
        store, create("Organisation", "x", code="X"), create("Organisation", "y", code="X")
    ) == {"not_unique"}
    add(store, "Person", "p", organisation=north, number="1")
    add(store, "Person", "p", organisation=south, number="1")
    add(store, "Person", "p", number="1")
    add(store, "Person", "p", number="1")
    assert refused(store, create("Person", "q", organisation=north, number="1")) == {"not_unique"}
    first = add(store, "Device", "d", row=1, column=1)
    second = add(store, "Server", "s", row=1, column=2)
    assert refused(store, create("Server", "t", row=1, column=1)) == {"not_unique"}
    commit(store, Update(first, {"row": 1, "column": 2}), Update(second, {"row": 1, "column": 1}))
    assert store.record(first).attributes["column"] == 2
    commit(store, Update(north, {"code": None}), Update(south, {"code": "N"}))
    assert refused(store, Update(north, {"code": "N"})) == {"not_unique"}


def test_state_changes_follow_the_state_machine(store: GraphStore) -> None:
    device, box = add(store, "Device", "d"), add(store, "Box", "b", lifecycle_state="in_use")
    assert refused(store, Update(box, {"lifecycle_state": "scrapped"})) == {"invalid_value"}
    commit(store, Update(device, {"lifecycle_state": "in_use"}))
    commit(store, Update(device, {"lifecycle_state": "scrapped"}))
    assert refused(store, Update(device, {"lifecycle_state": "in_use"})) == {"transition"}
    assert refused(store, Update(device, {"lifecycle_state": None})) == {"transition"}


def test_a_conflict_says_who_changed_what_and_hides_secrets(store: GraphStore) -> None:
    id = add(store, "Device", "d", size=1, secret="old")
    store.commit(ChangeSet([Update(id, {"size": 2}, expected_revision=2)], "anna"))
    store.commit(ChangeSet([Update(id, {"secret": "new", "size": 3})], "bert"))
    with pytest.raises(ConflictError) as caught:
        commit(store, create("Box", "b"), Update(id, {"size": 9}, expected_revision=2))
    error = caught.value
    assert (error.record, error.expected, error.actual) == (id, 2, 4)
    assert [(i.actor, i.revision, i.changed) for i in error.interferences] == [
        ("bert", 4, {"secret": ("(hidden)", "(hidden)"), "size": (2, 3)}),
        ("anna", 3, {"size": (1, 2)}),
    ]
    assert store.statistics().records == 1
    assert store.record(id).attributes["size"] == 3


def test_a_conflict_is_told_however_much_came_after(store: GraphStore) -> None:
    id = add(store, "Device", "d", size=1)
    seen = store.record(id).revision
    commit(store, Update(id, {"size": 2}), actor="somebody")
    for number in range(60):
        app = create("App", f"app {number}")
        commit(store, app, Relate(app.id, "RUNS_ON", id))
    with pytest.raises(ConflictError, match="somebody"):
        store.commit(ChangeSet([Update(id, {"size": 3}, seen)], "late"))


def test_values_of_sensitive_attributes_are_not_in_messages(store: GraphStore) -> None:
    with pytest.raises(InvalidChangeError) as caught:
        commit(store, create("Device", "d", secret="s3cret" * 500))
    assert "s3cret" not in str(caught.value)


def test_a_revision_carries_who_why_and_when(store: GraphStore) -> None:
    from datetime import UTC, date, datetime

    before = datetime.now(UTC)
    change_set = ChangeSet([create("Box", "b")], "anna", "ledger", "CHG-1", date(2026, 3, 31))
    number = store.commit(change_set).revision
    revision = store.revisions([number, 99])[number]
    assert revision == store.last_revision()
    assert revision[1:2] + revision[3:7] == (
        change_set.id,
        "anna",
        "ledger",
        "CHG-1",
        date(2026, 3, 31),
    )
    assert revision.at >= before
    assert store.revision_at(revision.at) == number
    assert store.revision_at(before) == 1


def test_two_openings_of_a_store_see_each_other(store: GraphStore, url: str) -> None:
    with open_store(url) as other:
        id = add(store, "Device", "d")
        assert other.record(id).name == "d"
        with pytest.raises(NotFoundError):
            other.record(new_id())
        commit(other, Update(id, {"size": 4}))
        assert store.record(id).attributes["size"] == 4
        assert store.find(Query("Device")).records == other.find(Query("Device")).records


def test_what_a_writer_has_read_counts_only_where_nobody_has_committed_since(
    store: GraphStore,
) -> None:
    id, other = add(store, "Device", "d", size=1), add(store, "Device", "e")
    old, at = store.record(id), store.last_revision().number
    commit(store, Update(id, {"size": 2, "colour": "red"}))
    said = ([Update(id, {"size": 3}), Update(other, {"size": 3})], "li")
    with pytest.raises(ConflictError):
        store.commit(ChangeSet(*said, based_on=at, known={id: old}))
    store.commit(ChangeSet(*said, known={id: old}))  # based on nothing: it is read
    assert (store.record(id).attributes["size"], store.record(id).attributes["colour"]) == (
        3,
        "red",
    )
    newest, at = store.record(id), store.last_revision().number
    store.commit(ChangeSet([Update(id, {"size": 4})], "li", based_on=at, known={id: newest}))
    assert [c.revision.number for c in store.history(id)] == [at + 1, at, at - 1, old.revision]
    assert store.record(id, at) == newest
    assert store.record(id).attributes == {**newest.attributes, "size": 4}
    assert list(check(store)) == []
