"""The past: histories, comparisons, the feed and the instants of revisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from cmdb.change_sets import ChangeSet, Relate, Unrelate, Update
from cmdb.errors import (
    ConflictError,
    InvalidChangeError,
    NotFoundError,
    QueryError,
    StoreDamagedError,
)
from cmdb.ids import new_id
from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.records import Record
from cmdb.revisions import Changes, Commit, RecordChange, Revision
from cmdb.store import GraphStore
from cmdb.store.base import Span
from cmdb.store.opening import create_empty_store
from tests.support.building import add, commit, create


def test_the_values_an_attribute_ever_had_are_told_with_their_spans(store: GraphStore) -> None:
    one, other = add(store, "Device", "d", size=1), add(store, "Device", "e")
    first = store.last_revision().number
    commit(store, Update(one, {"size": 2}))
    commit(store, Update(one, {"colour": "red"}))
    commit(store, Update(one, {"size": None}))
    commit(store, Update(one, {"size": 2, "price": "CNY 5.50", "dates": ["2026-01-02"]}))
    assert store.spans([one, other, new_id()], "size") == {
        one: [
            Span(1, first - 1, first + 1),
            Span(2, first + 1, first + 3),
            Span(None, first + 3, first + 4),
            Span(2, first + 4, None),
        ],
        other: [Span(None, first, None)],
    }
    assert store.spans([one], "price")[one][-1].value == store.record(one).attributes["price"]
    assert store.spans([one], "dates")[one][-1].value == store.record(one).attributes["dates"]
    assert store.spans([], "size") == {}


def test_a_history_tells_what_happened_to_a_record_and_around_it(store: GraphStore) -> None:
    device = add(store, "Device", "d", size=1)
    app = add(store, "App", "a")
    store.commit(ChangeSet([Relate(app, "RUNS_ON", device)], "anna", "ledger", "CHG-1"))
    commit(store, Update(device, {"size": 2, "colour": "red"}))
    commit(store, Update(app, {"note": "x"}))
    commit(store, Relate(app, "RUNS_ON", device, {"port": 81}))
    commit(store, Unrelate(app, "RUNS_ON", device))
    entries = store.history(device)
    assert [entry.revision.number for entry in entries] == [7 + 1, 7, 5, 4, 2]
    closed, altered, updated, related, created = entries
    assert created.changes.records[0].before is None
    assert (related.revision.actor, related.revision.source, related.revision.reason) == (
        "anna", "ledger", "CHG-1",
    )  # fmt: skip
    assert related.changes.records == []
    assert related.changes.relationships[0].before is None
    [change] = updated.changes.records
    assert change.before is not None
    assert change.after is not None
    assert (change.before.attributes["size"], change.after.attributes["size"]) == (1, 2)
    [alteration] = altered.changes.relationships
    assert alteration.before is not None
    assert alteration.after is not None
    assert (alteration.before.attributes, alteration.after.attributes) == (
        {"port": 80},
        {"port": 81},
    )
    assert closed.changes.relationships[0].after is None
    assert [e.revision.number for e in store.history(app)] == [8, 7, 6, 4, 3]
    assert store.history(device, first=2) == entries[:2]
    assert store.history(device, first=2, before=7) == entries[2:4]
    assert store.history(device, before=2) == []
    with pytest.raises(NotFoundError):
        store.history(new_id())


def test_reading_at_instants(store: GraphStore) -> None:
    start = store.last_revision().at
    id = add(store, "Device", "d", size=1)
    created = store.last_revision()
    commit(store, Update(id, {"size": 2}))
    changed = store.last_revision()
    assert start < created.at < changed.at
    tick = timedelta(microseconds=1)
    assert store.record(id, created.at).attributes["size"] == 1
    assert store.record(id, changed.at - tick).attributes["size"] == 1
    assert store.record(id, changed.at).attributes["size"] == 2
    assert store.record(id, changed.at + timedelta(days=9)).attributes["size"] == 2
    assert store.get([id], created.at - tick) == {}
    with pytest.raises(NotFoundError, match="as of"):
        store.record(id, start)
    assert store.revision_at(start - tick) == 0
    assert store.revision_at(datetime(1, 1, 1, tzinfo=UTC)) == 0
    assert store.revision_at(datetime(9999, 1, 1, tzinfo=UTC)) == changed.number
    assert store.get([id], 0) == {}
    assert store.get([id], 10**6)[id].revision == changed.number


def test_an_instant_is_the_same_in_every_time_zone(store: GraphStore) -> None:
    add(store, "Box", "first")
    at = store.last_revision().at
    add(store, "Box", "second")
    for hours in (-11, 0, 8):
        instant = at.astimezone(timezone(timedelta(hours=hours)))
        assert store.revision_at(instant) == 2
        assert len(store.find(Query("Box", as_of=instant)).records) == 1
        assert len(store.compare(instant).records) == 1
    for wrong in (datetime(2026, 1, 1), -1, 2**70):  # noqa: DTZ001
        with pytest.raises(QueryError):
            store.find(Query("Box", as_of=wrong))


def test_comparing_two_instants_gives_the_net_difference(store: GraphStore) -> None:
    kept = add(store, "Device", "kept", size=1)
    back = add(store, "Device", "changes back", size=1)
    app = add(store, "App", "a")
    earlier = store.last_revision()
    new = add(store, "Device", "new")
    commit(store, Update(kept, {"size": 2}), Update(back, {"size": 2}))
    commit(store, Update(kept, {"size": 3}), Update(back, {"size": 1}))
    commit(store, Relate(app, "RUNS_ON", kept), Relate(app, "RUNS_ON", back))
    commit(store, Unrelate(app, "RUNS_ON", back))
    changes = store.compare(earlier.at)
    assert {c.id for c in changes.records} == {kept, new}
    [link] = changes.relationships
    assert link.before is None
    assert link.key == (app, "RUNS_ON", kept)
    backwards = store.compare(None, earlier.number)
    assert {c.id: c.after is None for c in backwards.records} == {kept: False, new: True}
    assert backwards.relationships[0].after is None
    nothing = store.compare(earlier.number, earlier.at)
    assert (nothing.records, nothing.relationships) == ([], [])
    assert len(store.compare(0).records) == 4


def test_the_feed_begins_and_ends_where_asked(store: GraphStore) -> None:
    for i in range(5):
        add(store, "Box", str(i))
    assert [c.revision.number for c in store.feed()] == [1, 2, 3, 4, 5, 6]
    assert [c.revision.number for c in store.feed(3)] == [4, 5, 6]
    assert [c.revision.number for c in store.feed(2, 4)] == [3, 4]
    assert list(store.feed(6)) == []
    assert list(store.feed(99)) == []
    first = next(store.feed())
    assert first.changes.model is not None
    assert first.revision.source == "schema"


def test_the_feed_is_the_same_however_much_is_read_at_once(
    store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [add(store, "Device", str(i)) for i in range(4)]
    app = add(store, "App", "a")
    commit(store, *(Relate(app, "RUNS_ON", id) for id in ids[:2]))
    commit(store, *(Update(id, {"name": "new"}) for id in ids), Unrelate(app, "RUNS_ON", ids[0]))
    commit(store, Relate(app, "RUNS_ON", ids[0]), Update(ids[0], {"name": "newest"}))
    whole = list(store.feed())
    last = whole[-1].revision.number
    monkeypatch.setattr("cmdb.store.neo4j.history.FEED_SIZE", 2)
    assert list(store.feed()) == whole
    assert [c for n in range(last) for c in store.feed(n, n + 1)] == whole
    assert list(store.feed(last - 1)) == whole[-1:]


def test_a_feed_for_some_types_has_every_revision_and_all_of_these_types(
    store: GraphStore,
) -> None:
    device, other = add(store, "Device", "d"), add(store, "Device", "e")
    app, box = add(store, "App", "a"), add(store, "Box", "b")
    commit(store, Relate(app, "RUNS_ON", device), Update(box, {"name": "new"}))
    commit(store, Update(device, {"name": "new"}), Update(app, {"name": "new"}))
    commit(store, Update(other, {"name": "new"}), Unrelate(app, "RUNS_ON", device))
    whole = list(store.feed())
    for only in ([], ["Device"], ["App", "RUNS_ON"], ["RUNS_ON"], ["Box"], ["Record"]):
        told = list(store.feed(only=only))
        assert [c.revision for c in told] == [c.revision for c in whole]
        for part, all_of_it in zip(told, whole, strict=True):
            assert part.changes.model == all_of_it.changes.model
            for some, every in zip(part.changes[:2], all_of_it.changes[:2], strict=True):
                wanted = [change for change in every if kinds_of(store, change) & {*only}]
                assert some == (every if store.url.startswith("sqlite") else wanted)


def kinds_of(store: GraphStore, change: Any) -> set[str]:
    """What may be named to be told of a change."""
    if not isinstance(change, RecordChange):
        return {change.key.type}
    assert change.after is not None
    return {*store.model.record_types[change.after.type].ancestors}


def test_following_one_small_revision_takes_few_statements(store: GraphStore) -> None:
    counted: Any = store
    id = add(store, "Box", "b")
    last = store.last_revision().number
    commit(store, Update(id, {"name": "new"}))
    before = counted.statements
    assert len(list(store.feed(last))) == 1
    assert list(store.feed(last + 1)) == []
    assert counted.statements - before <= (5 if counted.url.startswith("sqlite") else 2)


def test_a_scan_is_in_order_of_id(store: GraphStore) -> None:
    boxes = [create("Box", str(i)) for i in range(300)]
    at = commit(store, *sorted(boxes, key=lambda box: box.attributes["name"]))
    commit(store, *(Update(box.id, {"name": "new"}) for box in boxes[::3]), create("Box", "late"))
    for as_of, names in ((at, {str(i) for i in range(300)}), (None, {"new", "late", "1"})):
        records = list(store.scan_records(as_of))
        assert [r.id for r in records] == sorted(r.id for r in records)
        assert names <= {record.name for record in records}
        assert len(records) == 300 + (as_of is None)


def test_a_feed_and_a_scan_may_be_left_in_the_middle(store: GraphStore) -> None:
    commit(store, *(create("Box", str(i)) for i in range(3_000)))
    for _ in range(20):
        assert next(store.scan_records()).type == "Box"
        assert next(store.feed(1)).revision.number == 2
    id = add(store, "Box", "after")
    assert store.record(id).name == "after"


# -- replicating --------------------------------------------------------------------------------------


def revision(number: int) -> Revision:
    at = datetime(2999, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    return Revision(number, new_id(), at, "a", "s", "r", None)


def test_revisions_are_replicated_without_gap_or_repeat(url: str, store: GraphStore) -> None:
    last = store.last_revision().number
    box = Record(new_id(), "Box", last + 1, {"name": "b", "lifecycle_state": "planned"})
    created = Commit(revision(last + 1), Changes([RecordChange(None, box)], []))
    again = box._replace(revision=last + 2, attributes={**box.attributes, "name": "c"})
    updated = Commit(revision(last + 2), Changes([RecordChange(box, again)], []))
    with pytest.raises(ConflictError):
        store.replicate([updated])
    store.replicate([created, updated])
    store.replicate([created])
    assert store.last_revision().number == last + 2
    assert store.record(box.id).name == "c"
    assert store.record(box.id, last + 1).name == "b"
    stranger = Record(new_id(), "Box", last + 3, {"name": "x", "lifecycle_state": "planned"})
    lost = Commit(revision(last + 3), Changes([RecordChange(stranger, stranger)], []))
    with pytest.raises(InvalidChangeError, match="not there"):
        store.replicate([lost])
    assert list(check(store)) == []


def test_an_empty_store_says_so(url: str) -> None:
    with create_empty_store(url) as store:
        with pytest.raises(StoreDamagedError, match="interrupted"):
            store.last_revision()
        assert store.statistics().revisions == 0


def test_histories_of_several_records_are_one_statement(store: GraphStore) -> None:
    apps = [add(store, "App", f"a{n}") for n in range(3)]
    device = add(store, "Device", "d")
    commit(store, *(Relate(app, "RUNS_ON", device) for app in apps))
    commit(store, Relate(apps[0], "CALLS", apps[0]), Update(device, {"size": 1}))
    commit(store, Unrelate(apps[0], "CALLS", apps[0]), Unrelate(apps[1], "RUNS_ON", device))
    commit(store, Relate(apps[0], "RUNS_ON", device, {"port": 81}), Update(apps[2], {"note": "x"}))
    ids = [*apps, device]
    for first in (1, 2, 50):
        _ = store.model
        before = store.statements
        found = store.histories([*ids, new_id(), "变电站"], first)
        assert store.statements == before + 1
        assert found == {id: store.history(id, first) for id in ids}
    whole = store.histories(apps)[apps[0]]
    assert [entry.revision.number for entry in whole] == [9, 8, 7, 6, 2]
    [link] = whole[2].changes.relationships
    assert (link.before, link.after and link.after.type) == (None, "CALLS")
    assert store.histories([]) == {}
    assert store.history(device, before=2) == []
