"""No reader sees half of a change set, on either store, however it reads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cmdb.change_sets import Update
from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.steps import Step
from cmdb.store import GraphStore, open_store
from tests.support.building import add, commit
from tests.support.shared_estate import DEVICES, SharedEstate

COMMITS = 80


@pytest.fixture
def estate(store: GraphStore) -> SharedEstate:
    return SharedEstate.make(store)


@contextmanager
def being_written(estate: SharedEstate) -> Iterator[threading.Event]:
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


def test_a_reading_of_now_is_whole(estate: SharedEstate, url: str) -> None:
    with open_store(url) as reader, being_written(estate) as done:
        while not done.is_set():
            sizes = {record.attributes["size"] for record in reader.get(estate.ids).values()}
            assert len(sizes) == 1
            page = reader.find(Query("Device", first=1000, total=True))
            assert len({record.attributes["size"] for record in page.records}) == 1
            assert (len(page.records), page.total) == (DEVICES, DEVICES)
            [count] = reader.count_by(Query("Device"), ["size"])
            assert count.count == DEVICES
            [_] = reader.neighbours([estate.app])
            [beside] = reader.connections([estate.app], [Step("RUNS_ON")]).values()
            assert len(beside.records) == 1
            [entry] = reader.histories([estate.app], 1)[estate.app]
            assert entry.changes.relationships or entry.changes.records
            found = reader.search("device", Query(first=1000, total=True))
            assert len({record.attributes["size"] for record in found.records}) == 1
            assert found.total == DEVICES
    assert list(check(estate.store)) == []


def test_a_reading_of_the_past_stays_the_same(estate: SharedEstate, url: str) -> None:
    with open_store(url) as reader, being_written(estate) as done:
        while not done.is_set():
            now = reader.last_revision().number
            for at, size in ((estate.base, 0), (now, now - estate.base)):
                records = reader.get(estate.ids, at)
                assert [r.attributes["size"] for r in records.values()] == [size] * DEVICES
                page = reader.find(Query("Device", first=1000, total=True, as_of=at))
                assert [r.attributes["size"] for r in page.records] == [size] * DEVICES
                assert page.total == DEVICES
                [near] = reader.neighbours([estate.app], as_of=at)
                assert near.record.id == estate.ids[size % DEVICES]
                assert len({record.id for record in reader.scan_records(at)}) == DEVICES + 1 + size
                assert len(list(reader.scan_relationships(at))) == 1
            assert list(check(reader)) == []
            changes = reader.compare(estate.base, now)
            expected = DEVICES + now - estate.base if now > estate.base else 0
            assert len(changes.records) == expected


def test_a_follower_of_the_feed_gets_whole_revisions(estate: SharedEstate, url: str) -> None:
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
