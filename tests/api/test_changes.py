"""Changes by GraphQL: what a refusal tells of what one may not see, and who is hit may read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.access.principals import Grant, Permission, Principal, everything
from cmdb.change_sets import ChangeSet, Update
from cmdb.records import Record
from cmdb.store import create_store
from tests.support.api_door import Door
from tests.support.building import commit
from tests.support.change_board import EVENING, PLANS, ChangeBoard
from tests.support.observing import shipped_model

MOVE = """mutation($id: ID!, $way: String!) { transitionRecord(record: $id, transition: $way) {
    __typename
    ... on Refused { refusals { code message detail } }
    ... on Conflict { message interferences { actor changed { attribute before after } } }
    ... on NotAllowed { message } } }"""
WORK = frozenset({Permission.READ, Permission.ORDER})


@pytest.fixture
def board(tmp_path: Path) -> Iterator[ChangeBoard]:
    with create_store(f"sqlite:///{tmp_path}/store.db", shipped_model()) as store:
        yield ChangeBoard.make(store, today=True)


def door(board: ChangeBoard) -> Door:
    eve = Principal("eve", "", (Grant(WORK, board.ids["south"]),))
    ola = Principal("ola", "", (Grant(WORK, board.ids["south"]),))
    return Door(board.store, [eve, ola, everything("mia")], guarded=True)


def moved(ask: Door, by: str, id: str, way: str) -> Any:
    return ask.graphql(MOVE, by, id=id, way=way)["transitionRecord"]


def strange(board: ChangeBoard) -> Record:
    """A change that others ask for, of what is ours."""
    said = {"starts_at": EVENING, "ends_at": EVENING.replace(hour=23), **PLANS}
    made = board.changes.new("NormalChange", "nick", said, [board.ids["web1"]])
    board.go(made.id, "submit", by="nick")
    return made


def test_a_refusal_names_only_what_is_seen(board: ChangeBoard) -> None:
    ask, other, mine = door(board), strange(board), board.change("web1")
    board.go(mine, "submit")
    [blind] = moved(ask, "eve", mine, "assess")["refusals"]
    assert (blind["code"], blind["detail"]) == ("no_collision", {})
    assert blind["message"] == "another change is in its way"
    [seen] = moved(ask, "mia", mine, "assess")["refusals"]
    assert other.attributes["number"] in seen["message"]
    assert seen["detail"]["collision"]["kind"] == "same_item"


def test_who_is_hit_reads_it_and_moves_nothing(board: ChangeBoard) -> None:
    ask, other = door(board), strange(board)
    number = "query($id: ID!) { record(id: $id) { ... on NormalChange { number } } }"
    assert ask.graphql(number, "eve", id=other.id)["record"] is None
    hit = Update(other.id, {"hit_organisations": [board.ids["south"]]})
    board.store.commit(ChangeSet([hit], "tester", process=True))
    assert ask.graphql(number, "eve", id=other.id)["record"] is not None
    assert moved(ask, "eve", other.id, "assess")["__typename"] == "NotAllowed"


def test_a_conflict_tells_what_was_changed(board: ChangeBoard) -> None:
    """Of who may not see the record only that something was."""
    ids = board.ids
    plan = [Update(ids["box"], {"purpose": "spare"})]
    id = board.implementing(board.change("box", begins=datetime.now(UTC), plan=plan))
    commit(board.store, Update(ids["box"], {"purpose": "archive"}), actor="bob")
    told = moved(door(board), "ola", id, "confirm")
    assert told["__typename"] == "Conflict"
    [by] = told["interferences"]
    assert (by["actor"], by["changed"]) == ("bob", [{"attribute": "purpose", "before": None, "after": "archive"}])  # fmt: skip
    commit(board.store, Update(ids["box"], {"organisation": ids["north"]}))
    refused = moved(door(board), "ola", id, "confirm")
    assert refused["__typename"] == "Refused"
    assert {r["message"] for r in refused["refusals"]} == {
        "something that it plans has changed since"
    }
