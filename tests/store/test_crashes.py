"""Writers that are killed, servers that are killed, and many writers at once: nothing half, nothing lost."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cmdb.errors import StoreAccessError, StoreBusyError, StoreUnavailableError
from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.store import GraphStore, create_store, open_store
from schema.model import Model
from tests.support.building import add
from tests.support.neo4j_server import Neo4jServer
from tests.support.shared_estate import DEVICES, SharedEstate


def writer(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.writer", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )


def kill_in_a_commit(url: str, chance: random.Random) -> tuple[int, int]:
    """Run a writer and kill it at a random moment of one of its commits.

    Returns the sizes it had begun and finished to commit.
    """
    with writer("steps", url) as process:
        assert process.stdout is not None
        begun, taken, size = 0.0, 0.0, 0
        for _ in range(chance.randrange(1, 4)):
            assert process.stdout.readline().startswith("begin")
            begun = time.perf_counter()
            assert process.stdout.readline().startswith("end")
            taken = time.perf_counter() - begun
        size = int(process.stdout.readline().split()[1])
        moment = time.perf_counter() + taken * chance.random()
        while time.perf_counter() < moment:
            pass
        process.kill()
        said = {"begin": size, "end": size - 1}
        for line in process.stdout:
            what, number = line.split()
            said[what] = int(number)
    return said["begin"], said["end"]


def check_kills(url: str, model: Model, kills: int, devices: int) -> None:
    chance = random.Random(kills)
    with create_store(url, model) as store:
        SharedEstate.make(store, devices)
    interrupted, size = 0, 0
    for _ in range(kills):
        begun, finished = kill_in_a_commit(url, chance)
        with open_store(url) as store:
            size = SharedEstate.of(store).verified()
            assert finished <= size <= begun
            interrupted += finished < begun
    assert interrupted >= kills // 3, "the kills are to fall into commits"
    with open_store(url) as store:
        assert list(check(store)) == []
        SharedEstate.of(store).step(size + 1)


def test_sqlite_writers_killed_in_commits_leave_whole_revisions(
    tmp_path: Path, model: Model
) -> None:
    check_kills(f"sqlite:///{tmp_path}/store.db", model, 25, 400)


@pytest.mark.neo4j
def test_neo4j_writers_killed_in_commits_leave_whole_revisions(
    neo4j_store_url: str, model: Model
) -> None:
    check_kills(neo4j_store_url, model, 10, 400)


@pytest.mark.neo4j
@pytest.mark.restarts
def test_a_writer_outlives_the_kill_of_its_server(
    neo4j_store_url: str, neo4j_server: Neo4jServer, model: Model
) -> None:
    if not neo4j_server.disposable:
        pytest.skip("The server is not the tests' own to kill.")
    reached = threading.Semaphore(0)
    stop = threading.Event()
    failures: list[Exception] = []
    with create_store(neo4j_store_url, model) as store:
        estate = SharedEstate.make(store, 100)

        def write() -> None:
            size = 0
            try:
                while not stop.is_set():
                    size += 1
                    change_set = estate.change_set(size)
                    while True:
                        try:
                            store.commit(change_set)
                        except StoreUnavailableError:
                            continue  # the same change set: it is applied once
                        break
                    reached.release()
            except Exception as error:
                failures.append(error)
                reached.release(1_000)

        thread = threading.Thread(target=write)
        thread.start()
        for _ in range(2):
            for _ in range(5):
                reached.acquire()
            neo4j_server.kill()
            neo4j_server.restart()
        for _ in range(5):
            reached.acquire()
        stop.set()
        thread.join()
        assert failures == []
        assert estate.verified() >= 15
        assert list(check(store)) == []


def check_no_lost_update(url: str, model: Model, writers: int, each: int) -> None:
    with create_store(url, model) as store:
        id = add(store, "Device", "counter", size=0)
        processes = [writer("increments", url, id, str(each)) for _ in range(writers)]
        for process in processes:
            process.communicate()
            assert process.returncode == 0
        assert store.record(id).attributes["size"] == writers * each
        assert len(store.history(id, 1_000)) == writers * each + 1
        assert list(check(store)) == []


def test_sqlite_processes_lose_no_update(tmp_path: Path, model: Model) -> None:
    check_no_lost_update(f"sqlite:///{tmp_path}/store.db", model, 4, 25)


@pytest.mark.neo4j
def test_neo4j_processes_lose_no_update(neo4j_store_url: str, model: Model) -> None:
    check_no_lost_update(neo4j_store_url, model, 4, 25)


# -- a Neo4j writer that ends between announcing and publishing ---------------------------------------


@pytest.fixture
def announced(
    neo4j_store_url: str, neo4j_server: Neo4jServer, model: Model
) -> Iterator[GraphStore]:
    """A store whose last writer announced a commit and was heard of no more."""
    with create_store(neo4j_store_url, model) as store:
        SharedEstate.make(store)
        with neo4j_server.driver() as driver:
            driver.execute_query("MATCH (c:_Store {key: 'clock'}) SET c.announced = 3")
        yield store


@pytest.mark.neo4j
@pytest.mark.parametrize("as_of", [None, 2])
def test_a_reader_clears_up(
    announced: GraphStore, neo4j_server: Neo4jServer, as_of: int | None
) -> None:
    page = announced.find(Query("Device", first=20, as_of=as_of, total=True))
    assert (len(page.records), page.total) == (20, DEVICES)
    assert _clock(neo4j_server) == (2, 2)
    assert list(check(announced)) == []


@pytest.mark.neo4j
def test_a_reader_without_the_right_to_write_is_told(
    announced: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> None:
        raise StoreAccessError("refused", "")

    monkeypatch.setattr("cmdb.store.neo4j.database.Database._holding_writers_off", forbidden)
    monkeypatch.setattr("cmdb.store.neo4j.database.OVERLAP_SECONDS", 0.1)
    with pytest.raises(StoreBusyError, match="overlapped"):
        announced.find(Query("Device"))


@pytest.mark.neo4j
def test_the_next_writer_clears_up(announced: GraphStore) -> None:
    SharedEstate.of(announced).step(1)
    assert SharedEstate.of(announced).verified() == 1
    assert list(check(announced)) == []


@pytest.mark.neo4j
def test_a_writer_that_lost_its_lock_announces_nothing(
    announced: GraphStore, neo4j_server: Neo4jServer
) -> None:
    """Its revision was committed by another one meanwhile."""
    SharedEstate.of(announced).step(1)
    with pytest.raises(StoreBusyError, match="gave up"):
        announced._database.announce(3, 2)  # type: ignore[attr-defined]
    assert _clock(neo4j_server) == (3, 3)


@pytest.mark.neo4j
def test_opening_clears_up(announced: GraphStore, neo4j_server: Neo4jServer) -> None:
    with open_store(neo4j_server.url) as store:
        assert _clock(neo4j_server) == (2, 2)
        assert list(check(store)) == []


def _clock(server: Neo4jServer) -> tuple[int, int]:
    with server.driver() as driver:
        [row], _, _ = driver.execute_query("MATCH (c:_Store {key: 'clock'}) RETURN c")
    return row["c"]["announced"], row["c"]["published"]
