"""Stock-taking by the command: scanned lists, spreadsheets, settling, signing off."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from cmdb.change_sets import Relate
from tests.importers.test_ledger import rows_xml, workbook
from tests.support.building import commit
from tests.support.command import Command, Failing
from tests.support.office import Office


def test_a_count_from_opening_to_signing_off(
    office: Office, cmdb: Command, failing: Failing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c", "gone"):
        office.device(name, state="in_use", asset_number=f"ZC-{name}")
        office.relate("room", "CONTAINS", name)
    opened = json.loads(cmdb("stocktake", "open", "--place", "room", "--json"))
    number = opened["attributes"]["number"]
    scanned = tmp_path / "scanned.txt"
    scanned.write_text("ZC-a\n\nX-1\n", encoding="utf-8")
    fed = json.loads(cmdb("stocktake", "feed", number, str(scanned), "--json"))
    assert fed == {"results": {"found": 1, "unknown": 1}, "unknown_numbers": ["X-1"]}
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(
        "备注,资产编号,序列号,存放地点\n好,ZC-b,,room\n,,SN-c,store\n", encoding="gb18030"
    )
    fed = json.loads(cmdb("stocktake", "feed", number, str(sheet), "--json"))
    assert fed["results"] == {"found": 1, "misplaced": 1}
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"ZC-a\n")))
    assert "1 again" in cmdb("stocktake", "feed", number, "-")
    told = cmdb("stocktake", "close", number)
    assert "2 found (相符), 1 missing (盘亏), 1 misplaced (错位), 1 unknown (未知)" in told
    assert failing("stocktake", "feed", number, str(scanned))[0] == 11
    code, said = failing("stocktake", "sign-off", number, "--yes", "--actor", "bob")
    assert (code, "3 differences are not settled" in said) == (11, True)
    assert "PK-2" in cmdb("stocktake", "settle", number, "--result", "missing", "--order", "usual")
    assert "1 settled" in cmdb("stocktake", "settle", number, "c", "--move")
    place = office.store.neighbours([office.ids["c"]], ["CONTAINS"], "in")
    assert [n.record.name for n in place] == ["store"]
    assert "2 settled" in cmdb("stocktake", "settle", number, "gone", "x-1", "--explain", "seen")
    shown = json.loads(cmdb("stocktake", "show", number, "--json"))
    assert shown["unsettled"] == 0
    assert {d["name"]: d["settled"] for d in shown["differences"]} == {
        "c": "moved", "gone": "explained: seen",
    }  # fmt: skip
    assert failing("stocktake", "sign-off", number, "--yes")[0] == 12  # ann is no asset manager
    cmdb("stocktake", "sign-off", number, "--yes", "--actor", "bob")
    assert office.order_state(opened["id"]) == "signed_off"


def test_a_workbook_of_scanned_numbers_is_counted(
    office: Office, cmdb: Command, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        office.device(name, state="in_use", asset_number=f"100{name}")
    number = json.loads(cmdb("stocktake", "open", "--json"))["attributes"]["number"]
    rows = rows_xml(["盘点表"], ["序号", "资产编号"], [1, "100a"], [2, "100B"], [3, 999])
    sheet = tmp_path / "盘点表.xlsx"
    sheet.write_bytes(workbook({"盘点": rows}))
    fed = json.loads(cmdb("stocktake", "feed", number, str(sheet), "--json"))
    assert fed == {"results": {"found": 2, "unknown": 1}, "unknown_numbers": ["999"]}


def test_a_count_is_reopened_or_given_up(
    office: Office, cmdb: Command, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = json.loads(cmdb("stocktake", "open", "--json"))
    number = count["attributes"]["number"]
    cmdb("stocktake", "close", number)
    assert "open again" in cmdb("stocktake", "reopen", number, "--reason", "a room was left out")
    assert office.order_state(count["id"]) == "open"
    assert failing("stocktake", "cancel", number, "--yes")[0] == 11  # without a reason
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    unconfirmed, said = failing("stocktake", "cancel", number, "--reason", "wrong room")
    assert (unconfirmed, "Say --yes" in said) == (2, True)
    assert office.order_state(count["id"]) == "open"
    assert "revision" in json.loads(
        cmdb("stocktake", "cancel", number, "--yes", "--reason", "wrong room", "--json")
    )
    assert office.order_state(count["id"]) == "cancelled"
    assert failing("stocktake", "reopen", number)[0] == 11


def test_people_may_be_named_by_their_name_alone(office: Office, cmdb: Command) -> None:
    commit(
        office.store,
        office.create("Person", "李伟", organisation=office.ids["south"]),
        Relate(office.ids["李伟"], "HAS_ROLE", office.ids["south"], {"roles": ["operator"]}),
    )
    opened = json.loads(cmdb("stocktake", "open", "--actor", "李伟", "--json"))
    assert opened["attributes"]["requested_by"] == office.ids["李伟"]


def test_words_that_do_not_fit_are_refused(office: Office, failing: Failing, cmdb: Command) -> None:
    number = json.loads(cmdb("stocktake", "open", "--json"))["attributes"]["number"]
    assert failing("stocktake", "feed", number)[0] == 6
    assert failing("stocktake", "settle", number, "a")[0] == 6
    assert failing("stocktake", "settle", number, "--move")[0] == 6
    assert failing("stocktake", "show", "PD-1900-000001")[0] == 3
    assert failing("stocktake", "open", "--actor", "nobody")[0] == 12
    assert failing("stocktake", "feed", number, "/nowhere.csv")[0] == 10
