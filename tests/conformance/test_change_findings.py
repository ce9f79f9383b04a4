"""Discovery after a change, on every store: what it confirms and contradicts, and what nothing covers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from cmdb.change_sets import Operation, Relate, Unrelate, Update
from cmdb.integrity import check
from cmdb.store import create_store
from itsm.changes.unauthorised import unauthorised
from itsm.changes.verification import verify
from tests.support.building import commit
from tests.support.change_board import ChangeBoard
from tests.support.observing import shipped_model
from tests.support.reporting import link, report, thing


@pytest.fixture
def board(url: str) -> Iterator[ChangeBoard]:
    with create_store(url, shipped_model()) as store:
        made = ChangeBoard.make(store)
        yield made
        assert list(check(store)) == []


def box(**attributes: Any) -> Any:
    return thing("Server", "k-box", name="box", serial_number="S1", **attributes)


def scanned(board: ChangeBoard, source: str, *things: Any, complete: bool = False) -> None:
    board.now += timedelta(minutes=1)
    report(board.store, source, *things, checked=False, complete=complete)


def verdicts(board: ChangeBoard, id: str) -> dict[tuple[str, str], str]:
    return {(v.name, v.what): v.verdict for v in verify(board.store, board.at(id))}


def found(board: ChangeBoard, since: int, **options: Any) -> list[tuple[str, str, Any, Any]]:
    return [
        (f.record.name, f.what, f.old, f.new) for f in unauthorised(board.store, since, **options)
    ]


def test_discovery_confirms_or_contradicts_what_a_change_has_made(board: ChangeBoard) -> None:
    store, ids = board.store, board.ids
    commit(store, Update(ids["box"], {"serial_number": "S1"}))
    old_place = thing("DatabaseInstance", "k-db", link("RUNS_ON", "k-box"), name="db")
    scanned(board, "agent", box(memory_mib=32_768, os_name="Linux", cpu_count=2), old_place)
    new = board.create("Server", "box2", serial_number="S2", organisation=ids["south"], lifecycle_state="in_use")  # fmt: skip
    plan: list[Operation] = [
        new,
        Update(ids["box"], {"memory_mib": 65_536, "os_name": "Debian", "cpu_count": 4, "purpose": "lab"}),
        Unrelate(ids["db"], "RUNS_ON", ids["box"]),
        Relate(ids["db"], "RUNS_ON", new.id),
    ]  # fmt: skip
    id = board.implementing(board.change("box", plan=plan))
    assert verify(store, board.at(id)) == []
    board.go(id, "confirm", by="ola")
    everything = {
        ("box", "memory_mib"), ("box", "os_name"), ("box", "cpu_count"), ("box", "purpose"),
        ("box2", "exists"), ("box2", "name"), ("box2", "serial_number"), ("box2", "organisation"),
        ("box2", "lifecycle_state"), ("db RUNS_ON box", "closed"), ("db RUNS_ON box2", "made"),
    }  # fmt: skip
    assert verdicts(board, id) == dict.fromkeys(everything, "not_seen")
    # The agent finds the new memory, still the old system; of the processors it says nothing any more.
    scanned(board, "agent", box(memory_mib=65_536, os_name="Linux"))
    told = verdicts(board, id)
    assert told["box", "memory_mib"] == "confirmed"
    assert told["box", "os_name"] == "contradicted"
    assert told["box", "cpu_count"] == told["box", "purpose"] == "not_seen"
    [linux] = [v for v in verify(store, board.at(id)) if v.what == "os_name"]
    assert (linux.planned, linux.found) == ("Debian", {"agent": "Linux"})
    # Somebody sets it once more: what discovery says is about that.
    commit(store, Update(ids["box"], {"os_name": "Rocky"}))
    assert verdicts(board, id)["box", "os_name"] == "superseded"
    # The database is found where it was, and later where it was put.
    scanned(board, "agent", box(memory_mib=65_536), old_place, complete=True)
    told = verdicts(board, id)
    assert told["db RUNS_ON box", "closed"] == "contradicted"
    assert told["db RUNS_ON box2", "made"] == "not_seen"
    there = thing("Server", "k-box2", name="box2", serial_number="S2")
    moved = thing("DatabaseInstance", "k-db", link("RUNS_ON", there), name="db")
    scanned(board, "agent", box(memory_mib=65_536), there, moved, complete=True)
    told = verdicts(board, id)
    assert told["box2", "exists"] == told["box2", "serial_number"] == "confirmed"
    assert told["db RUNS_ON box2", "made"] == "confirmed"
    assert told["db RUNS_ON box", "closed"] == "confirmed"


def test_what_nothing_covers_is_told(board: ChangeBoard) -> None:
    store, ids = board.store, board.ids
    commit(store, Update(ids["box"], {"serial_number": "S1"}))
    scanned(board, "agent", box(memory_mib=32_768, os_name="Linux", last_boot="2050-01-01T00:00Z"))
    since = store.last_revision().number
    # The first word of a source, what changes by itself, and what is as it was, are no findings.
    scanned(board, "agent", box(memory_mib=32_768, os_name="Linux", last_boot="2050-02-01T00:00Z", cpu_count=2))  # fmt: skip
    assert found(board, since) == []
    scanned(board, "agent", box(memory_mib=16_384, os_name="Linux"))
    assert found(board, since) == [("box", "memory_mib", 32_768, 16_384)]
    [one] = unauthorised(store, since)
    assert (one.source, one.revision.number) == ("agent", store.last_revision().number)
    assert found(board, since, organisation=ids["north"]) == []
    assert found(board, store.last_revision().number) == []
    # A change under way covers it; so does one that has just ended, and none that ended long ago.
    since = store.last_revision().number
    id = board.implementing(board.change("box", begins=board.now + timedelta(hours=1)))
    scanned(board, "agent", box(memory_mib=8_192, os_name="Linux"))
    board.go(id, "confirm", by="ola")
    scanned(board, "agent", box(memory_mib=4_096, os_name="Linux"))
    assert found(board, since) == []
    board.now += timedelta(days=2)
    scanned(board, "agent", box(memory_mib=2_048, os_name="Linux"))
    assert found(board, since) == [("box", "memory_mib", 4_096, 2_048)]
    assert found(board, since, grace=timedelta(days=3)) == []
    # An incident about it covers it while it is open.
    since = store.last_revision().number
    incident = board.opened("box")
    scanned(board, "agent", box(memory_mib=1_024, os_name="Linux"))
    board.engine.transition(incident, "resolve", "sam", inputs={"resolution_code": "fixed"})
    assert found(board, since) == []
    # What somebody has set outranks the source, which finds it otherwise all the same.
    board.now += timedelta(days=2)
    commit(store, Update(ids["box"], {"memory_mib": 65_536, "lifecycle_state": "in_use"}))
    since = store.last_revision().number
    scanned(board, "agent", box(memory_mib=512, os_name="Linux"))
    assert store.record(ids["box"]).attributes["memory_mib"] == 65_536
    assert found(board, since) == [("box", "memory_mib", 65_536, 512)]
    # A part that was put in belongs to what it is a part of.
    since = store.last_revision().number
    disk = thing("Disk", "k-disk", link("COMPONENT_OF", box()), name="sda", serial_number="D1")
    scanned(board, "agent", box(memory_mib=512, os_name="Linux"), disk)
    [(name, what, old, _)] = found(board, since)
    assert (name, what, old) == ("box", "HAS_COMPONENT", None)
