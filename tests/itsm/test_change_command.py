"""Changes at the command line: what people type, what they are told, the exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.errors import EXIT_CODES
from cmdb.change_sets import Update
from cmdb.store import create_store
from tests.support.building import commit
from tests.support.change_board import ChangeBoard
from tests.support.command import Command, Failing
from tests.support.observing import shipped_model

NOW = datetime.now(UTC)
WINDOW = [
    f"starts_at={(NOW - timedelta(hours=1)).isoformat()}",
    f"ends_at={(NOW + timedelta(hours=1)).isoformat()}",
    "implementation_plan=new memory",
    "back_out_plan=the old one",
]
PLAN = """\
operations:
  - create: Server
    as: box2
    attributes: {name: box2, lifecycle_state: in_use, organisation: south}
  - update: box
    attributes: {purpose: spare}
  - relate: [db, RUNS_ON, box2]
    attributes: {group: db}
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChangeBoard]:
    """A change board today; the command acts on it as eve, unless it says otherwise."""
    url = f"sqlite:///{tmp_path}/board.db"
    monkeypatch.setenv("CMDB_STORE", url)
    monkeypatch.setenv("CMDB_ACTOR", "eve")
    monkeypatch.delenv("CMDB_MODEL", raising=False)
    with create_store(url, shipped_model()) as store:
        yield ChangeBoard.make(store, today=True)


class Flat(Command):
    """Tables are told as one line."""

    def __call__(self, *words: str) -> str:
        told = super().__call__(*words)
        return told if "--json" in words else " ".join(told.replace("│", " ").split())


@pytest.fixture
def cmdb(desk: ChangeBoard, capsys: pytest.CaptureFixture[str]) -> Command:
    return Flat(capsys)


def asked(cmdb: Command, *words: str) -> Any:
    return json.loads(cmdb("change", *words, "--json"))


def code(name: str) -> int:
    return EXIT_CODES[name][0]


def test_a_change_from_draft_to_review(cmdb: Command, failing: Failing, tmp_path: Path) -> None:
    number = asked(cmdb, "new", "normal", "box", *WINDOW)["number"]
    assert number.startswith("BG-")
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN)
    assert f"{number} holds back 3 operations" in cmdb("change", "plan", number, str(file))
    shown = cmdb("change", "diff", number)
    for words in ("+ Server box2", "purpose: – -> spare", "+ db RUNS_ON box2"):
        assert words in shown
    told = asked(cmdb, "diff", number)
    assert [len(told[name]) for name in ("records", "relationships", "moved", "problems")] == [2, 1, 0, 0]  # fmt: skip
    what = cmdb("change", "whatif", number)
    assert "In its window: 4 down" in what
    assert "portal: down" in what
    assert "Hit: south" in what
    assert asked(cmdb, "whatif", number)["window"]["counts"] == {"down": 4}
    risk = cmdb("change", "risk", number)
    assert "services_down 中断的服务 1 20 1 services down in the window: portal" in risk
    assert asked(cmdb, "risk", number)["risk"] == "medium"
    other = asked(cmdb, "new", "normal", "db", *WINDOW)["number"]
    cmdb("change", "submit", other)
    assert "in_impact" in cmdb("change", "collisions", number)
    free = asked(cmdb, "next-window", number)
    assert free["in_the_way"][0]["others"][0]["name"] == other
    assert f"starts_at={NOW.astimezone():%Y-%m-%d}"[:14] in cmdb("change", "next-window", number)
    listed = asked(cmdb, "calendar", "--from", (NOW - timedelta(hours=2)).isoformat())
    assert [entry["name"] for entry in listed] == [other]
    assert other in cmdb("change", "calendar", "--organisation", "south")
    cmdb("change", "submit", number)
    exit_code, error = failing("change", "assess", number)
    assert (exit_code, "no_collision" in error) == (code("refused"), True)
    cmdb("change", "withdraw", other, "--yes")
    assert "in_approval (审批中)" in cmdb("change", "assess", number)
    [mine] = json.loads(cmdb("change", "list", "--mine", "--actor", "mia", "--json"))
    assert (mine["attributes"]["number"], mine["asked"]) == (number, "approve")
    assert failing("change", "approve", number)[0] == code("not_allowed")
    cmdb("change", "approve", number, "--actor", "mia")
    cmdb("change", "approve", number, "--actor", "ada", "--comment", "go on")
    shown = cmdb("change", "show", number, "--actor", "ola")
    for words in ("change_advisor of south: abe, ada", "Hit in south: 4 down, 1 services down", "Risk, 20 points", "Holds back 3 operations", "You may: begin"):  # fmt: skip
        assert words in shown
    cmdb("change", "begin", number, "--actor", "ola")
    assert "in_review (回顾中)" in cmdb("change", "confirm", number, "--actor", "ola")
    assert "~ Server box purpose: – -> spare" in cmdb("change", "diff", number)
    assert "not_seen box purpose spare" in cmdb("change", "verify", number)
    assert {v["verdict"] for v in asked(cmdb, "verify", number)} == {"not_seen"}
    assert failing("change", "close", number, "--yes")[0] == code("refused")
    cmdb("change", "close", number, "review=as planned", "--yes", "--actor", "mia")
    assert "as planned" in cmdb("change", "show", number)
    assert cmdb("change", "unauthorised", "--since", "1") == "Nothing."
    assert asked(cmdb, "unauthorised") == []


def test_what_does_not_go_is_told(
    cmdb: Command, failing: Failing, desk: ChangeBoard, tmp_path: Path
) -> None:
    number = asked(cmdb, "new", "emergency", "box", *WINDOW)["number"]
    file = tmp_path / "plan.json"
    file.write_text(json.dumps([{"update": {"id": desk.ids["box"], "attributes": {"lifecycle_state": "idle"}}}]))  # fmt: skip
    exit_code, error = failing("change", "plan", number, str(file))
    assert (exit_code, "Operation 1:" in error) == (code("invalid_change"), True)
    assert failing("change", "plan", number, str(tmp_path / "none.yaml"))[0] == code(
        "invalid_change"
    )
    file.write_text(json.dumps([{"update": {"id": desk.ids["box"], "attributes": {"purpose": "lab"}}}]))  # fmt: skip
    cmdb("change", "plan", number, str(file))
    cmdb("change", "add", number, "web1")
    cmdb("change", "remove", number, "web1")
    for name in ("submit", "assess"):
        cmdb("change", name, number)
    order = json.loads(cmdb("order", "new", "repair", "box", f"change={number}", "--json"))[
        "number"
    ]
    assert f"Carried out by: {order}" in cmdb("change", "show", number)
    cmdb("change", "approve", number, "--actor", "mia")
    cmdb("change", "begin", number, "--actor", "ola")
    commit(desk.store, Update(desk.ids["box"], {"purpose": "archive"}), actor="bob")
    assert "! box: purpose was not set when it was planned to be lab, and is archive: bob changed it" in cmdb("change", "diff", number)  # fmt: skip
    assert asked(cmdb, "diff", number)["moved"][0]["now"] == "archive"
    exit_code, error = failing("change", "confirm", number, "--actor", "ola")
    assert exit_code == code("conflict")
    assert "bob changed it in revision" in error
    assert failing("change", "fail", number, "--actor", "ola")[0] == code("refused")
    cmdb("change", "fail", number, "--actor", "ola", "--reason", "no power")
    assert "Caused: SJ-" in cmdb("change", "show", number)
    assert failing("change", "show", "BG-1999-000001")[0] == code("not_found")
    assert failing("change", "new", "careless", "box")[0] == code("unknown_name")
    assert failing("change", "calendar", "--from", "12")[0] == code("invalid_query")
    undated = asked(cmdb, "new", "normal", "box")["number"]
    assert failing("change", "next-window", undated)[0] == code("invalid_request")
    assert "It holds back nothing" in cmdb("change", "diff", undated)
    assert "It has changed nothing" in cmdb("change", "verify", undated)
