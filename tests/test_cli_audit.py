"""`cmdb check --audit`: the head of the chain is printed, noted down, and asked for later."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cli.main import run
from tests.support.by_hand import SqliteByHand
from tests.support.command import Command


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with two servers."""
    monkeypatch.setenv("CMDB_STORE", f"sqlite:///{tmp_path}/cmdb.db")
    monkeypatch.setenv("CMDB_ACTOR", "tester")
    monkeypatch.delenv("CMDB_MODEL", raising=False)
    for words in (["init"], ["create", "Server", "name=s1"], ["create", "Server", "name=s2"]):
        assert run(words) == 0
    return tmp_path / "cmdb.db"


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    told = Command(capsys).run(*words)
    assert told.code == code
    assert "Traceback" not in told.err
    return told.out + told.err


def test_a_head_is_printed_and_expected_later(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, "check", "--audit")
    assert "Sound" in text
    found = re.search(r"Head of the chain: (3:[0-9a-f]{64})", text)
    assert found
    assert run(["create", "Server", "name=s3"]) == 0
    told = json.loads(said(capsys, "check", "--expect", found[1], "--json"))
    assert (told["findings"], told["begins"], told["head"]["number"]) == ([], 1, 4)
    last = json.loads(said(capsys, "status", "--json"))["last_revision"]
    assert last["digest"] == told["head"]["digest"]
    history = json.loads(said(capsys, "history", "s3", "--json"))
    assert last["digest"] in json.dumps(history)
    assert "other_chain" in said(capsys, "check", "--expect", f"3:{'0' * 64}", code=1)
    assert "NUMBER:DIGEST" in said(capsys, "check", "--expect", "3", code=6)


def test_what_was_changed_by_hand_is_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    SqliteByHand(file).run("UPDATE revisions SET actor = 'nobody' WHERE number = 2")
    assert said(capsys, "check").startswith("Sound")
    assert "altered_header" in said(capsys, "check", "--audit", code=1)
    code = run(["dump", str(file.parent / "dump.jsonl")])
    assert code == 8
    assert "store_chain_broken" in capsys.readouterr().err
    assert "Dumped" in said(capsys, "dump", str(file.parent / "dump.jsonl"), "--unchained")


def test_values_that_nothing_here_wrote_are_told_of(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for attributes in ('{"last_boot": "soon"}', "{broken"):
        SqliteByHand(file).run("UPDATE records SET attributes = :a", {"a": attributes})
        assert "store_damaged" in said(capsys, "check", "--audit", code=8)


def test_a_store_of_an_older_release_says_where_its_chain_begins(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    SqliteByHand(file).run("UPDATE revisions SET digest = NULL, checks = NULL")
    assert "No revision has a digest yet" in said(capsys, "check", "--audit")
    assert run(["create", "Server", "name=s3"]) == 0
    assert "begins with revision 4" in said(capsys, "check", "--audit")
