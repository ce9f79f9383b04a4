"""`cmdb ledger`, `cmdb resume` and `cmdb figures` as people use them, hostile values and all."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cmdb.change_sets import ChangeSet, Update
from cmdb.store import GraphStore, create_store, open_store
from schema.model import PROVENANCE
from tests.conformance.test_ledger import furnish
from tests.support.building import commit
from tests.support.observing import shipped_model
from tests.support.office import Office
from tests.test_cli_impact import Commands

EVIL = "=cmd|'x'!A0 <script>alert(1)</script> \x1b[31m\u202e"
FORMATS = [(language, kind) for language in ("zh", "en") for kind in ("csv", "xlsx")]


@pytest.fixture
def cmdb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    monkeypatch.setenv("CMDB_STORE", f"sqlite:///{tmp_path}/cmdb.db")
    monkeypatch.setenv("CMDB_ACTOR", "tester")
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.delenv("CMDB_MODEL", raising=False)
    monkeypatch.chdir(tmp_path)
    with create_store(f"sqlite:///{tmp_path}/cmdb.db", shipped_model()) as store:
        furnish(Office.make(store))
    return Commands(capsys)


def store_of(path: Path) -> GraphStore:
    return open_store(f"sqlite:///{path}/cmdb.db")


def standing(path: Path) -> tuple[dict[str, Any], set[Any]]:
    """All records and relationships, without who said what."""
    with store_of(path) as store:
        records = {
            r.id: (r.type, {n: v for n, v in r.attributes.items() if n != PROVENANCE})
            for r in store.scan_records()
            if r.type != "DataSource"
        }
        links = {
            (r.key, tuple(sorted((n, str(v)) for n, v in r.attributes.items() if n != PROVENANCE)))
            for r in store.scan_relationships()
        }
    return records, links


def unchanged(path: Path, before: tuple[dict[str, Any], set[Any]]) -> None:
    records, links = standing(path)
    assert {i: r for i, r in records.items() if r != before[0].get(i)} == {}
    assert links ^ before[1] == set()


def plans(cmdb: Commands, **expected: int) -> None:
    """What importing the ledger's files would do: the same for each language and format."""
    for language, kind in FORMATS:
        file = f"{language}.{kind}"
        cmdb("ledger", "--out", file, "--language", language)
        plan = cmdb.json("import", "ledger", file)
        assert {a: n for a, n in plan["counts"].items() if n} == expected, file
        assert [e for e in plan["entries"] if e["differences"]] == []


def test_a_ledger_goes_out_and_back_in_and_nothing_changes(cmdb: Commands, tmp_path: Path) -> None:
    with store_of(tmp_path) as store:
        commit(store, Update(cmdb.json("find", "Server", "name=esx")["records"][0]["id"], {"asset_number": "=1+1", "vendor": "'HUAWEI", "memory_mib": 1500, "description": "a\nb", "environment": "test"}))  # fmt: skip
        before = standing(tmp_path)
    cmdb("ledger", "--out", "ledger.csv")
    plan = cmdb.json("import", "ledger", "ledger.csv")
    assert {e["action"] for e in plan["entries"]} == {"updated"}  # a source that says the same
    assert [e["differences"] for e in plan["entries"] if e["differences"]] == []
    cmdb("import", "ledger", "ledger.csv", "--apply")
    unchanged(tmp_path, before)
    plans(cmdb, unchanged=6)
    cmdb("import", "ledger", "en.xlsx", "--apply")
    unchanged(tmp_path, before)


def test_a_ledger_that_was_imported_goes_out_and_back_in(cmdb: Commands, tmp_path: Path) -> None:
    rows = [
        "资产编号,设备名称,设备类型,序列号,主机名,管理IP,业务IP,内存(GB),供应商,使用人,责任人,责任人电话,公司,部门,机房,机柜,U位,状态,备注,维保合同,业务系统"
    ]
    rows.append("ZC-1,营销 01,服务器,SN1,web-01.corp.example,10.0.0.1,10.0.0.2,64,东方公司,李明(10023)、王芳,张三,13800000000,青石供电公司,信通部,A301,R01,U12-U13,在运,备用,WB-1,营销系统")  # fmt: skip
    rows.append(
        "ZC-2,终端 02,台式机,,,,,,东方公司,,张三,13800000000,青石供电公司,信通部,B1,,,闲置,,,"
    )
    Path("台账.csv").write_text("\n".join(rows), encoding="utf-8")
    cmdb("import", "ledger", "台账.csv", "--apply")
    before = standing(tmp_path)
    with store_of(tmp_path) as store:
        found = [r.attributes["asset_number"] for r in store.scan_records() if str(r.attributes.get("asset_number", "")).startswith("ZC")]  # fmt: skip
    assert sorted(found) == ["ZC-1", "ZC-2"]
    for language, kind in FORMATS:
        file = f"{language}.{kind}"
        cmdb("ledger", "asset_number^=ZC", "--out", file, "--language", language)
        plan = cmdb.json("import", "ledger", file)
        assert {a: n for a, n in plan["counts"].items() if n} == {"unchanged": 2}, file
    cmdb("import", "ledger", "zh.xlsx", "--apply")
    unchanged(tmp_path, before)


def test_a_device_that_nothing_identifies_is_not_made_twice(cmdb: Commands) -> None:
    cmdb("create", "PatchPanel", "name=ODF 1", "lifecycle_state=in_use")
    cmdb("ledger", "--type", "PatchPanel", "--out", "panels.csv")
    plan = cmdb.json("import", "ledger", "panels.csv")
    assert {a: n for a, n in plan["counts"].items() if n} == {"rejected": 1}
    assert "nothing in the row identifies" in plan["entries"][0]["why"]


def test_the_ledger_on_the_screen(cmdb: Commands) -> None:
    table = cmdb("ledger", "name~es", "--language", "en")
    assert "Asset number" in table
    placed = cmdb("ledger", "name~es", "--columns", "name,place")
    assert "campus / room / rack / U3" in placed
    assert "1 of 1" in table
    found = cmdb.json("ledger", "--columns", "serial,custodian,memory_mib", "--first", "2")
    assert (found["total"], found["complete"], len(found["devices"])) == (6, False, 2)
    assert found["devices"][1]["custodian"]["name"] == "ann"
    assert "More with --first" in cmdb("ledger", "--first", "2")
    some = cmdb.json("ledger", '--where={"lifecycle_state": {"in": ["idle", "in_stock"]}}')
    assert [device["name"] for device in some["devices"]] == ["pc", "sw"]
    totals = cmdb.json("ledger", "--total-by", "type,lifecycle_state", "--organisation", "south")
    assert totals["all"] == {"count": 5, "purchase_price": {"CNY": "60100.50", "USD": "12"}}
    assert {"type": "UPS", "state": "in_use", "count": 1, "purchase_price": {"CNY": "100.50"}} in totals["groups"]  # fmt: skip
    assert "CNY 60,100.50" in cmdb("ledger", "--total-by", "type")
    assert cmdb.json("ledger", "--as-of", "1")["total"] == 0
    assert cmdb.json("ledger", "--out", "x.csv")["devices"] == 6
    code, error = cmdb.failing("ledger", "--columns", "colour")
    assert (code, error.split(":")[0]) == (6, "invalid_query")
    assert cmdb.failing("ledger", "--language", "fr")[0] == 6
    assert cmdb.failing("ledger", "--out", "x.ods")[0] == 6
    assert cmdb.failing("ledger", "--out", "nowhere/x.csv")[0] == 9
    Path("old.csv").write_bytes(Path("cmdb.db").read_bytes())
    assert "database" in cmdb.failing("ledger", "--out", "old.csv")[1]
    assert cmdb.failing("resume", "sw", "--page", "nowhere/x.html")[0] == 9


class Page(HTMLParser):
    """Collects the tags and attributes of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_resume_as_text_json_and_a_page(cmdb: Commands, tmp_path: Path) -> None:
    id = cmdb.json("find", "Switch")["records"][0]["id"]
    with store_of(tmp_path) as store:
        store.commit(ChangeSet([Update(id, {"name": EVIL, "os_name": EVIL, "snmp_community": "s3cret"})], EVIL, "snmp", EVIL))  # fmt: skip
    text = cmdb("resume", id, "--language", "en")
    assert "State: In stock." in text
    assert "\x1b" not in text
    found = cmdb.json("resume", id, "--kinds", "state,configuration")
    assert [entry["kind"] for entry in found["entries"]] == ["state", "configuration"]
    assert found["entries"][1]["details"]["changed"]["os_name"] == {"old": None, "new": EVIL}
    assert "s3cret" not in json.dumps(found)
    for language in ("zh", "en"):
        assert "written to page.html" in cmdb("resume", id, "--page", "page.html", "--language", language)  # fmt: skip
        written = Path("page.html").read_text(encoding="utf-8")
        page = Page(written)
        assert page.tags <= {"html", "head", "meta", "title", "style", "body", "header", "p", "h1", "dl", "div", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "b", "small", "footer"}  # fmt: skip
        assert page.attributes <= {"lang", "charset", "name", "content", "http-equiv", "class"}
        assert "<script>alert(1)</script>" in page.text
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]|https?:|s3cret", written)
        assert "size: A4" in written
        assert ("设备履历" if language == "zh" else "Device résumé") in page.text
    assert cmdb.failing("resume", id, "--kinds", "gossip")[0] == 6
    assert cmdb.failing("resume", "nobody")[0] == 3


def test_the_figures(cmdb: Commands) -> None:
    found = cmdb.json("figures", "devices_by_state", "idle_rate", "--language", "en")
    assert [figure["figure"] for figure in found["figures"]] == ["devices_by_state", "idle_rate"]
    states = {group["label"]: group["value"] for group in found["figures"][0]["groups"]}
    assert states == {"In use": 4, "Idle": 1, "In stock": 1}
    assert (found["figures"][1]["value"], found["figures"][1]["count"]) == (16.67, 6)
    below = cmdb.json("figures", "devices_by_state", "--organisation", "county")
    assert below["figures"][0]["value"] == 1
    text = cmdb("figures")
    for label in ("设备数量（按状态）", "各状态平均时长", "重新使用率", "闲置率", "工单按期率"):
        assert label in text
    assert cmdb.json("figures", "--as-of", "1")["figures"][0]["count"] == 0
    assert cmdb.failing("figures", "luck")[0] == 6
    assert cmdb.failing("figures", "--since", "7")[0] == 6
    assert cmdb.failing("figures", "--out", "x.ods")[0] == 6
    assert "21 figures, " in cmdb("figures", "--since", "2026-01-01", "--out", "figures.xlsx")
    assert Path("figures.xlsx").read_bytes().startswith(b"PK")
    cmdb("figures", "idle_rate", "--out", "figures.csv", "--language", "en")
    lines = Path("figures.csv").read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "Figure,Name,By,Group,Value,Unit,Number"
    assert lines[1].endswith(",,,16.67,%,6")
