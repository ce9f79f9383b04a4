"""The rehearsal that docs/operations.md describes: back up while it serves, restore, serve from that."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from api.access.principals import Permission
from cli.main import run
from cmdb.integrity import check
from cmdb.store import GraphStore, create_store, open_store
from tests.support.api_door import Door, principal
from tests.support.building import add
from tests.support.office import Office

ROOT = principal("bob", *Permission)
PDF = b"%PDF-1.7\n" + b"kept\n" * 100


@contextmanager
def writing(url: str) -> Iterator[None]:
    """Somebody commits all the while."""
    stop, begun = threading.Event(), threading.Event()

    def work() -> None:
        with open_store(url) as store:
            number = 0
            while not stop.is_set():
                add(store, "Site", f"site {number}")
                number += 1
                begun.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(60)
    try:
        yield
    finally:
        stop.set()
        thread.join()


def answers(store: GraphStore, revision: int) -> list[list[bytes]]:
    """What a server says of one revision; relationships come in no order."""
    door = Door(store, [ROOT])
    asked = [f"{path}&as_of={revision}" for path in (
        "/exports/records?format=csv",
        "/exports/records?type=Record",
        "/exports/ledger?format=csv",
        "/exports/graph?type=Record&format=dot",
    )]  # fmt: skip
    found = [door.get(path, "bob") for path in asked]
    assert {answer.status_code for answer in found} == {200}
    return [sorted(answer.content.splitlines()) for answer in found]


@pytest.mark.parametrize("way", ["dump", "copy"])
def test_what_was_backed_up_while_it_served_gives_the_same_answers(
    way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, restored = f"sqlite:///{tmp_path}/cmdb.db", f"sqlite:///{tmp_path}/restored.db"
    with create_store(url) as store:
        office = Office.make(store)
        office.device("srv", state="idle")
        door = Door(store, [ROOT])
        made = door.post(
            "/attachments",
            "bob",
            params={"order": office.approved("ScrapOrder", "srv"), "name": "a.pdf"},
            content=PDF,
        )
        known = store.last_revision().number
        with writing(url):
            if way == "dump":
                assert run(["dump", str(tmp_path / "backup.gz"), "--store", url]) == 0
            else:
                with (
                    closing(sqlite3.connect(tmp_path / "cmdb.db")) as source,
                    closing(sqlite3.connect(tmp_path / "restored.db")) as target,
                ):
                    source.backup(target)
            shutil.copytree(tmp_path / "cmdb.db-files", tmp_path / "restored.db-files")
            assert door.get("/readyz").status_code == 200
        if way == "dump":
            assert run(["restore", str(tmp_path / "backup.gz"), "--store", restored]) == 0
        capsys.readouterr()
        with open_store(restored) as again:
            assert not list(check(again))
            newest = again.last_revision().number
            assert newest >= known
            for revision in (known, newest):
                assert answers(again, revision) == answers(store, revision)
            found = Door(again, [ROOT]).get(f"/attachments/{made.json()['sha256']}", "bob")
            assert found.content == PDF
