"""The embedded store's file: foreign, newer, damaged, locked, read-only; and several at once."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from cmdb.errors import (
    StoreBusyError,
    StoreDamagedError,
    StoreExistsError,
    StoreNotFoundError,
    StoreReadOnlyError,
    StoreUnavailableError,
    StoreURLError,
    StoreVersionError,
)
from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.store import create_store, open_store
from cmdb.store.sqlite.members import KEPT, ListingConnection, Members
from schema.model import Model
from tests.support.building import add, commit, create


@pytest.fixture
def path(tmp_path: Path, model: Model) -> Path:
    """A store with one device, closed."""
    path = tmp_path / "store.db"
    with create_store(f"sqlite:///{path}", model) as store:
        add(store, "Device", "d", size=1)
    return path


def test_no_store_there(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFoundError, match="cmdb init"):
        open_store(f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_not_made_over_another(path: Path, model: Model) -> None:
    with pytest.raises(StoreExistsError):
        create_store(f"sqlite:///{path}", model)
    with open_store(f"sqlite:///{path}") as store:
        assert store.statistics().records == 1


@pytest.mark.parametrize("content", [b"", b"hello, I am a text\n" * 100, b"\x00" * 4096])
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(content)
    with pytest.raises((StoreNotFoundError, StoreDamagedError)):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_a_database_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE records (id)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreNotFoundError, match="not a store of this product"):
        open_store(f"sqlite:///{path}")


def test_a_newer_file_is_refused(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreVersionError, match="format 99"):
        open_store(f"sqlite:///{path}")


def test_damage_is_found(path: Path) -> None:
    """What a bug or a bad disk would do, done by hand."""
    connection = sqlite3.connect(path)
    connection.execute("UPDATE records SET attributes = '{\"size\": -999}'")
    connection.execute("INSERT INTO relationships VALUES (1, 'RUNS_ON', 77, 2, '{}')")
    connection.execute("INSERT INTO record_images VALUES (1, 1, 9, '{}', 'Device')")
    connection.execute("DELETE FROM revisions WHERE number = 2")
    connection.commit()
    connection.close()
    with open_store(f"sqlite:///{path}") as store:
        codes = {finding.code for finding in check(store)}
    assert codes >= {
        "dangling_end", "unknown_revision", "invalid_record", "feed_differs", "broken_interval",
    }  # fmt: skip


def test_a_damaged_file_says_so(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 : 4096 * 12] = os.urandom(4096 * 11)
    path.write_bytes(content)
    with pytest.raises(StoreDamagedError), open_store(f"sqlite:///{path}") as store:
        store.find(Query("Device"))


def test_waiting_for_another_writer_ends(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cmdb.store.sqlite.connections.BUSY_SECONDS", 0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with open_store(f"sqlite:///{path}") as store:
        assert store.find(Query("Device")).records
        with pytest.raises(StoreBusyError, match="another writer"):
            commit(store, create("Box", "b"))
        other.execute("ROLLBACK")
        commit(store, create("Box", "b"))
    other.close()


def test_a_file_that_cannot_be_written(path: Path) -> None:
    if os.geteuid() == 0:
        # Root may write any file; a medium that takes no writes is what is left to try.
        with open_store(f"sqlite:///{path}") as store:
            read_only(store)
            with pytest.raises(StoreReadOnlyError):
                commit(store, create("Box", "b"))
        return
    path.chmod(0o400)
    path.parent.chmod(0o500)
    with (
        pytest.raises((StoreReadOnlyError, StoreUnavailableError)),
        open_store(f"sqlite:///{path}") as store,
    ):
        commit(store, create("Box", "b"))
    path.parent.chmod(0o700)


def read_only(store: object) -> None:
    connections = store._connections  # type: ignore[attr-defined]
    for connection in connections._idle:
        connection.execute("PRAGMA query_only = ON")


def test_a_folder_that_is_not_there(tmp_path: Path, model: Model) -> None:
    with pytest.raises(StoreUnavailableError, match="cannot be opened"):
        create_store(f"sqlite:///{tmp_path}/no/such/folder/x.db", model)


@pytest.mark.parametrize(
    "url", ["", "store.db", "mysql://x", "sqlite:", "sqlite://host/x.db", "neo4j://", "bolt:///x"]
)
def test_urls_that_name_no_store(url: str) -> None:
    with pytest.raises(StoreURLError):
        open_store(url)


def test_many_threads_share_one_store(path: Path) -> None:
    with open_store(f"sqlite:///{path}") as store:
        failures: list[Exception] = []

        def work(number: int) -> None:
            try:
                for i in range(20):
                    add(store, "Box", f"{number}-{i}")
                    store.find(Query("Box", {"name": f"{number}-{i}"}))
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert store.statistics().records == 161
        assert list(check(store)) == []


def test_a_closed_store_says_so(path: Path) -> None:
    store = open_store(f"sqlite:///{path}")
    store.close()
    store.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        store.statistics()


def test_the_lists_of_a_statement_are_there_together() -> None:
    """A connection keeps so many lists; when it begins anew, those of the statement come back."""
    connection = sqlite3.connect(":memory:", factory=ListingConnection)
    kept = [Members([f"{number}"]) for number in range(KEPT)]
    for number in range(2 * KEPT):
        new = Members([f"new {number}"])
        asked = [kept[number % KEPT], new, kept[(number + 1) % KEPT], new]
        *numbers, plain = connection.numbered([*asked, "as it is"])
        assert plain == "as it is"
        for given, found in zip(asked, numbers, strict=True):
            rows = connection.execute("SELECT value FROM members WHERE list = ?", (found,))
            assert [value for (value,) in rows] == list(given.values)
    connection.close()
