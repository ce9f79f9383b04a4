"""Readings that take too long are cancelled, on both stores, and the store goes on."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cmdb.change_sets import Relate
from cmdb.errors import StoreTimeoutError
from cmdb.queries import Query
from cmdb.steps import Step
from cmdb.store import Deadline, GraphStore, create_store
from schema.model import Model
from tests.support.building import add, commit, create
from tests.support.live import PATIENCE

APPS = 2_000
LONG = Query("App", {"RUNS_ON": {"RUNS": {"RUNS_ON": {"RUNS": {"note": "nobody's"}}}}})
"""Nothing: but to find out, each app of a device is looked at once more for each app of it, twice."""


@pytest.fixture(scope="module")
def crowded(module_url: str, model: Model) -> Iterator[GraphStore]:
    """Many apps on one device."""
    with create_store(module_url, model) as store:
        device, apps = create("Device", "d"), [create("App", f"a{n}") for n in range(APPS)]
        commit(store, device, *apps, *(Relate(app.id, "RUNS_ON", device.id) for app in apps))
        yield store


def check_usable(store: GraphStore) -> None:
    assert store.find(Query("App", first=1, total=True)).total == APPS
    assert len(list(store.scan_records())) >= APPS + 1


def test_a_long_reading_is_cut_off(crowded: GraphStore) -> None:
    with pytest.raises(StoreTimeoutError, match=r"after 0\.3 s") as caught, crowded.deadline(0.3):
        crowded.find(LONG)
    assert caught.value.code == "store_timeout"
    assert "Ask for less" in caught.value.remedy
    check_usable(crowded)


@pytest.mark.parametrize("as_of", [None, 2])
def test_whatever_reads(crowded: GraphStore, as_of: int | None) -> None:
    [device] = crowded.find(Query("Device")).records
    step = Step("RUNS", Query("App", LONG.where, total=True))
    with crowded.deadline(0.2), pytest.raises(StoreTimeoutError):
        crowded.connections([device.id], [step], as_of)
    check_usable(crowded)


def test_readings_in_time_are_not_touched(crowded: GraphStore) -> None:
    with crowded.deadline(60):
        check_usable(crowded)


def test_after_it_nothing_is_begun_but_writes(crowded: GraphStore) -> None:
    with crowded.deadline(0):
        add(crowded, "Box", "written all the same")
        for read in (lambda: crowded.get(["x"]), lambda: list(crowded.feed()), lambda: list(crowded.scan_records())):  # fmt: skip
            with pytest.raises(StoreTimeoutError):
                read()
        with crowded.deadline(60), pytest.raises(StoreTimeoutError):
            crowded.last_revision()
    assert len(crowded.find(Query("Box")).records) == 1


def test_it_belongs_to_its_context(crowded: GraphStore) -> None:
    outcomes: dict[str, Any] = {}

    def read(name: str) -> None:
        try:
            outcomes[name] = crowded.last_revision().number
        except StoreTimeoutError as error:
            outcomes[name] = error.code

    with crowded.deadline(0):
        context = contextvars.copy_context()
        threads = [
            threading.Thread(target=context.run, args=(read, "copied")),
            threading.Thread(target=contextvars.Context().run, args=(read, "own")),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert outcomes == {"copied": "store_timeout", "own": crowded.last_revision().number}


def test_it_is_cancelled_from_another_thread(crowded: GraphStore) -> None:
    limit, outcomes = Deadline(600), []
    begun = threading.Event()

    def read() -> None:
        with limit.held():
            begun.set()
            try:
                crowded.find(LONG)
            except StoreTimeoutError as error:
                outcomes.append(error.message)

    thread = threading.Thread(target=read)
    thread.start()
    begun.wait()
    limit.cancel()
    thread.join(PATIENCE)
    assert outcomes == ["The reading was cancelled."]
    with limit.held(), crowded.deadline(60), pytest.raises(StoreTimeoutError, match="cancelled"):
        crowded.find(LONG)
    check_usable(crowded)
