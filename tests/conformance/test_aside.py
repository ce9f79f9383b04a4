"""What is kept beside the revisions: marks that are compared and set, journals, leases."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from cmdb.leases import Lease
from cmdb.store import GraphStore, open_store
from cmdb.store.opening import create_empty_store
from cmdb.transfer import copy
from tests.support.building import commit, create


def values(store: GraphStore, name: str, after: int = 0, first: int = 1_000) -> list[bytes]:
    return [entry.value for entry in store.journal(name, after, first)]


def in_processes(url: str, work: str, name: str, count: int, processes: int = 2) -> list[list[str]]:
    """What so many writers said."""
    command = [sys.executable, "-m", "tests.support.writer", work, url, name, str(count)]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    said = [process.communicate()[0].splitlines() for process in running]
    assert [process.returncode for process in running] == [0] * processes
    return said


# -- marks ------------------------------------------------------------------------------------------


def test_a_mark_is_swapped_only_where_it_is_as_expected(store: GraphStore) -> None:
    large = bytes(range(256)) * 5_000
    assert not store.swap("m", b"x", b"y")
    assert store.swap("m", None, b"")
    assert not store.swap("m", None, b"x")
    assert store.swap("m", b"", large)
    assert not store.swap("m", large[:-1], b"x")
    assert store.marks("m") == {"m": large}
    assert store.swap("m", large, b"small")
    assert not store.swap("m", b"other", None)
    assert store.swap("m", b"small", None)
    assert store.marks("m") == {}
    assert store.swap("m", None, None)
    assert store.last_revision().number == 1


def test_processes_that_swap_one_mark_lose_nothing(store: GraphStore, url: str) -> None:
    in_processes(url, "swaps", "counter", 20)
    assert store.marks("counter") == {"counter": b"40"}


def test_of_threads_that_take_a_mark_one_gets_it(store: GraphStore) -> None:
    won: list[int] = []

    def take(number: int) -> None:
        if store.swap("m", None, str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=take, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.marks("m") == {"m": str(won[0]).encode()}
    assert len(won) == 1


# -- leases -----------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def go_on(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def test_a_lease_is_held_by_one_until_it_lets_go_or_its_time_is_up(store: GraphStore) -> None:
    clock = Clock()
    one = Lease(store, "hooks", "server", 30, clock)
    two = Lease(store, "hooks", "server", 30, clock)
    other = Lease(store, "hooks 2", "server 3", 30, clock)
    assert one.acquire()
    assert other.acquire()
    assert not two.acquire()
    assert (one.held, two.held, two.holder()) == (True, False, "server")
    clock.go_on(20)
    assert one.renew()
    clock.go_on(20)
    assert not two.acquire()
    assert one.acquire()
    one.release()
    assert two.acquire()
    assert not one.acquire()
    clock.go_on(30)
    assert (two.held, two.holder()) == (False, None)
    assert one.acquire()
    assert not two.renew()
    two.release()
    assert one.holder() == "server"
    assert one.renew()


# -- journals ---------------------------------------------------------------------------------------


def test_a_journal_is_read_as_it_was_written(store: GraphStore) -> None:
    before = datetime.now(UTC)
    assert store.append("j", []) == 0
    assert store.append("j", [b"", b"\x00\xff"]) == 2
    assert store.append("other", [b"x"]) == 1
    assert store.append("j", ["三".encode()]) == 3
    assert store.append("j", []) == 3
    entries = store.journal("j")
    assert [(e.number, e.value) for e in entries] == [
        (1, b""),
        (2, b"\x00\xff"),
        (3, "三".encode()),
    ]
    assert before <= entries[0].at == entries[1].at <= entries[2].at <= datetime.now(UTC)
    assert store.journal("j", 1, 1) == entries[1:2]
    assert store.journal("j", 3) == store.journal("none") == []
    assert store.last_revision().number == 1


def test_a_thousand_entries_are_one_statement(store: GraphStore) -> None:
    many = [str(i).encode() for i in range(1_000)]
    store.append("j", many[:1])
    before = store.statements
    assert store.append("j", many[1:]) == 1_000
    assert store.statements - before == 1
    assert values(store, "j", 400, 10) == many[400:410]


def test_what_was_trimmed_or_removed_is_gone_and_its_number_too(store: GraphStore) -> None:
    store.append("j", [b"1", b"2", b"3", b"4", b"5"])
    store.append("k", [b"kept"])
    store.trim("j", 2)
    store.trim("none", 9)
    assert store.remove_entry("j", 4)
    assert not store.remove_entry("j", 4)
    assert not store.remove_entry("none", 1)
    assert values(store, "j") == [b"3", b"5"]
    store.trim("j", 99)
    assert values(store, "j") == []
    assert store.append("j", [b"6"]) == 6
    assert values(store, "k") == [b"kept"]


def test_processes_that_append_leave_no_gap_and_mix_no_batch(store: GraphStore, url: str) -> None:
    """Nor does who follows meanwhile miss any."""
    followed: list[bytes] = []
    done = threading.Event()

    def follow() -> None:
        while True:
            last = done.is_set()
            followed.extend(found := values(store, "j", len(followed), 7))
            if last and not found:
                return

    follower = threading.Thread(target=follow)
    follower.start()
    said = in_processes(url, "appends", "j", 20)
    done.set()
    follower.join()
    entries = store.journal("j")
    assert [entry.number for entry in entries] == list(range(1, 121))
    assert followed == [entry.value for entry in entries]
    for at in range(0, 120, 3):
        batch = [entry.value.split() for entry in entries[at : at + 3]]
        assert [part[2] for part in batch] == [b"0", b"1", b"2"]
        assert len({(part[0], part[1]) for part in batch}) == 1
    ends = {int(line.split()[1]) for lines in said for line in lines if line.startswith("end")}
    assert ends == set(range(3, 121, 3))


def test_what_was_acknowledged_outlives_a_kill(store: GraphStore, url: str) -> None:
    command = [sys.executable, "-m", "tests.support.writer", "appends", url, "j", "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(20):
            process.stdout.readline()
        process.kill()
        said = [line for line in process.stdout.read().splitlines() if line.startswith("end ")]
    with open_store(url) as again:
        numbers = [entry.number for entry in again.journal("j", first=10_000)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) % 3 == 0
        assert len(numbers) >= (int(said[-1].split()[1]) if said else 30)
        assert again.append("j", [b"next"]) == len(numbers) + 1


def test_an_append_finds_its_place_among_commits(store: GraphStore, url: str) -> None:
    """Of a writer that commits without a pause."""
    stop, begun = threading.Event(), threading.Event()
    failures: list[Exception] = []

    def write() -> None:
        try:
            with open_store(url) as other:
                while not stop.is_set():
                    commit(other, *(create("Box", str(i)) for i in range(50)))
                    begun.set()
        except Exception as error:
            failures.append(error)
            begun.set()

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait()
    for number in range(10):
        assert store.append("j", [b"x"]) == number + 1
    stop.set()
    thread.join()
    assert failures == []


def test_what_is_beside_the_revisions_is_not_copied(store: GraphStore, tmp_path: str) -> None:
    store.append("j", [b"x"])
    store.mark("m", b"x")
    with create_empty_store(f"sqlite:///{tmp_path}/copy.db") as there:
        copy(store, there)
        assert (there.journal("j"), there.marks("")) == ([], {})


@pytest.mark.parametrize("name", ["", "with `quotes` and ' these", "名"])
def test_any_name_will_do(store: GraphStore, name: str) -> None:
    assert store.append(name, [b"x"]) == 1
    assert values(store, name) == [b"x"]
    assert store.swap(name, None, b"x")
