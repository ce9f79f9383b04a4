"""No reader sees half of a change set, on either store, however it reads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cmdb.change_sets import Create, Operation, Relate, Unrelate, Update
from cmdb.ids import new_id
from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.store import GraphStore, open_store
from tests.support.building import add, commit, create

DEVICES = 30
COMMITS = 80


class Estate:
    """All devices have one size, the app runs on one of them, and there are as many boxes as the
    size says: at each revision."""

    def __init__(self, store: GraphStore) -> None:
        self.store = store
        self.devices = [create("Device", f"device {i}", size=0) for i in range(DEVICES)]
        self.ids = [device.id for device in self.devices]
        self.app = create("App", "app")
        commit(store, *self.devices, self.app, Relate(self.app.id, "RUNS_ON", self.ids[0]))
        self.base = store.last_revision().number

    def step(self, size: int) -> None:
        before, after = self.ids[(size - 1) % DEVICES], self.ids[size % DEVICES]
        operations: list[Operation] = [Update(id, {"size": size}) for id in self.ids]
        operations += [
            Unrelate(self.app.id, "RUNS_ON", before),
            Relate(self.app.id, "RUNS_ON", after),
        ]
        operations.append(Create("Box", {"name": f"box {size}"}, new_id()))
        commit(self.store, *operations)


@pytest.fixture
def estate(store: GraphStore) -> Estate:
    return Estate(store)


@contextmanager
def being_written(estate: Estate) -> Iterator[threading.Event]:
    """The event is set when the writer has finished."""
    done, failures = threading.Event(), []

    def write() -> None:
        try:
            for size in range(1, COMMITS + 1):
                estate.step(size)
        except Exception as error:
            failures.append(error)
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield done
    finally:
        writer.join()
    assert failures == []


def test_a_reading_of_now_is_whole(estate: Estate, url: str) -> None:
    with open_store(url) as reader, being_written(estate) as done:
        while not done.is_set():
            sizes = {record.attributes["size"] for record in reader.get(estate.ids).values()}
            assert len(sizes) == 1
            page = reader.find(Query("Device", first=1000, total=True))
            assert len({record.attributes["size"] for record in page.records}) == 1
            assert (len(page.records), page.total) == (DEVICES, DEVICES)
            [count] = reader.count_by(Query("Device"), ["size"])
            assert count.count == DEVICES
            [_] = reader.neighbours([estate.app.id])
            found = reader.search("device", Query(first=1000, total=True))
            assert len({record.attributes["size"] for record in found.records}) == 1
            assert found.total == DEVICES
    assert list(check(estate.store)) == []


def test_a_reading_of_the_past_stays_the_same(estate: Estate, url: str) -> None:
    with open_store(url) as reader, being_written(estate) as done:
        while not done.is_set():
            now = reader.last_revision().number
            for at, size in ((estate.base, 0), (now, now - estate.base)):
                records = reader.get(estate.ids, at)
                assert [r.attributes["size"] for r in records.values()] == [size] * DEVICES
                page = reader.find(Query("Device", first=1000, total=True, as_of=at))
                assert [r.attributes["size"] for r in page.records] == [size] * DEVICES
                assert page.total == DEVICES
                [near] = reader.neighbours([estate.app.id], as_of=at)
                assert near.record.id == estate.ids[size % DEVICES]
                assert len({record.id for record in reader.scan_records(at)}) == DEVICES + 1 + size
                assert len(list(reader.scan_relationships(at))) == 1
            changes = reader.compare(estate.base, now)
            expected = DEVICES + now - estate.base if now > estate.base else 0
            assert len(changes.records) == expected


def test_a_follower_of_the_feed_gets_whole_revisions(estate: Estate, url: str) -> None:
    seen = []
    with open_store(url) as reader, being_written(estate) as done:
        last = estate.base
        while not done.is_set() or last < estate.base + COMMITS:
            for revision, changes in reader.feed(last):
                assert revision.number == last + 1
                assert len(changes.records) == DEVICES + 1
                assert len(changes.relationships) == 2
                last = revision.number
                seen.append(revision.number)
            newest = reader.history(estate.ids[0], 1)[0]
            assert newest.revision.number >= last
            assert len(newest.changes.records) == 1
    assert seen == list(range(estate.base + 1, estate.base + COMMITS + 1))


def test_a_writer_reads_what_it_wrote(store: GraphStore) -> None:
    id = add(store, "Device", "d", size=0)
    for size in range(1, 30):
        commit(store, Update(id, {"size": size}))
        assert store.record(id).attributes["size"] == size
        assert store.find(Query("Device", {"size": {"eq": size}})).records
        assert store.history(id)[0].revision.number == store.last_revision().number
