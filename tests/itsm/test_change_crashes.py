"""Processes that are killed while they carry a change out: all of it is in the graph, in one revision, or nothing."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cmdb.change_sets import Update
from cmdb.integrity import check
from cmdb.store import GraphStore, create_store
from tests.support.building import commit
from tests.support.change_board import ChangeBoard
from tests.support.observing import shipped_model

BOXES = 60


def confirmer(url: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.confirmer", url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def told(process: subprocess.Popen[str], board: ChangeBoard, id: str) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{id} {board.now.isoformat()}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "begin\n"


def purposes(store: GraphStore, boxes: list[str]) -> set[str | None]:
    return {record.attributes.get("purpose") for record in store.get(boxes).values()}


def check_kills(url: str, kills: int) -> None:
    chance = random.Random(kills)
    with create_store(url, shipped_model()) as store:
        board = ChangeBoard.make(store)
        south = {"organisation": board.ids["south"], "lifecycle_state": "in_use"}
        made = [board.create("Server", f"b{n}", **south) for n in range(BOXES)]
        commit(store, *made)
        boxes = [operation.id for operation in made]

        def change(purpose: str) -> str:
            plan = [Update(id, {"purpose": purpose}) for id in boxes]
            id = board.change("b0", kind="emergency", window_effect="none", plan=plan)
            return board.implementing(id)

        with confirmer(url) as process:  # how long one takes, when nobody is killed
            told(process, board, change("first"))
            began = time.perf_counter()
            assert process.stdout is not None
            assert process.stdout.readline() == "end\n"
            taken = time.perf_counter() - began
            assert process.stdin is not None
            process.stdin.close()
        applied = 0
        for number in range(kills):
            before = purposes(store, boxes)
            id = change(f"round {number}")
            with confirmer(url) as process:
                told(process, board, id)
                # the first at once, the others at any moment of what it takes
                moment = time.perf_counter() + taken * chance.random() * bool(number)
                while time.perf_counter() < moment:
                    pass
                process.kill()
            state = board.order_state(id)
            applied += state == "in_review"
            if state == "implementing":
                assert purposes(store, boxes) == before
                board.go(id, "confirm", by="ola")
            assert purposes(store, boxes) == {f"round {number}"}
            [revision] = {record.revision for record in store.get(boxes).values()}
            assert board.told(id, "lifecycle_state", "implemented_revision") == [
                "in_review",
                revision,
            ]
        assert applied < kills, "the kills are to fall before the end"
        assert list(check(store)) == []


def test_sqlite_changes_are_whole_after_a_kill(tmp_path: Path) -> None:
    check_kills(f"sqlite:///{tmp_path}/store.db", 5)


@pytest.mark.neo4j
def test_neo4j_changes_are_whole_after_a_kill(neo4j_store_url: str) -> None:
    check_kills(neo4j_store_url, 2)
