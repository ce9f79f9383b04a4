"""Stock-taking and attached files of the command over a server: numbers and files are here, what is kept is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli.errors import EXIT_CODES
from tests.support.remote_command import READER, Commands

PDF = b"%PDF-1.7\nhanded over by the book\n"
ASSETS = "lixiaomei"


def test_a_count_is_taken_and_settled_over_a_server(cmdb: Commands, tmp_path: Path) -> None:
    def done(*words: str) -> Any:
        return json.loads(cmdb.done("stocktake", *words, "--json", by=ASSETS))

    def same(*words: str) -> str:
        return cmdb.same("stocktake", *words, by=ASSETS)

    number = done("open", "--organisation", "省公司信通部", "--due", "2050-01-01")["attributes"][
        "number"
    ]
    same("show", number)
    scanned = tmp_path / "scanned.csv"
    scanned.write_text("序列号,地点\n220190001,\n220190002,\nWHAT-1,\n")
    fed = done("feed", number, str(scanned))
    assert fed == {"results": {"found": 2, "unknown": 1}, "unknown_numbers": ["WHAT-1"]}
    assert "2 again, 1 unknown" in same("feed", number, str(scanned))
    done("feed", number, "--discovered")
    early = ("stocktake", "settle", number, "--result", "missing", "--explain", "x")
    assert cmdb.run(*early, by=ASSETS) == cmdb.run(*early, by=ASSETS, remote=False)
    closed = done("close", number)
    assert closed["results"]["found"] == 2
    done("reopen", number, "--reason", "one more")
    done("close", number)
    assert json.loads(same("show", number, "--json"))["results"] == closed["results"]
    one, two, *rest = [d["name"] for d in closed["differences"]]
    assert done("settle", number, "WHAT-1", "--explain", "not ours") == {"settled": 1}
    assert done("settle", number, one, "--explain", "in repair") == {"settled": 1}
    [order] = done("settle", number, two, "--result", "missing", "--order", "usual")
    assert order["type"] == "LossOrder"
    assert done("settle", number, "--result", "misplaced", "--move") == {"settled": 0}
    signing = ("stocktake", "sign-off", number, "--yes")
    refused = cmdb.run(*signing, by=ASSETS)
    assert refused == cmdb.run(*signing, by=ASSETS, remote=False)
    assert refused.code == EXIT_CODES["refused"][0]
    assert done("settle", number, "--result", "missing", "--explain", "found") == {
        "settled": len(rest) + 1
    }
    same("show", number)
    done("sign-off", number, "--yes")
    assert "signed_off" in same("show", number, "--json")
    unseen = cmdb.run("stocktake", "show", number, by=READER)
    assert unseen.code == EXIT_CODES["not_found"][0]


def test_files_are_attached_and_read_back_over_a_server(cmdb: Commands, tmp_path: Path) -> None:
    order = json.loads(cmdb.done("order", "new", "decommission", "YJ-ESX-02", "--json"))["number"]
    paper, back = tmp_path / "移交单.pdf", tmp_path / "back.pdf"
    paper.write_bytes(PDF)
    words = ("attach", order, str(paper), "--device", "YJ-ESX-02", "--kind", "photograph")
    made = json.loads(cmdb.done(*words, "--reason", "look", "--json"))
    assert made["attributes"]["name"] == "移交单.pdf"
    assert json.loads(cmdb.same(*words, "--json"))["id"] == made["id"]
    assert "whole" in cmdb.same("attachment", made["id"])
    cmdb.same("attachment", made["attributes"]["sha256"][:12], "--json")
    cmdb.done("attachment", made["id"], "--out", str(back))
    assert back.read_bytes() == PDF
    cmdb.same("order", "show", order)
    program = tmp_path / "setup.exe"
    program.write_bytes(b"MZ\0\1" * 40)
    for wrong, code in (
        (("attach", order, str(tmp_path / "none.pdf")), "file_refused"),
        (("attach", order, str(program)), "file_refused"),
        (("attach", order, str(paper), "--device", "UPS-A"), "refused"),
        (("attachment", "deadbeef"), "not_found"),
        (("attachment", made["id"], "--out", str(back)), "file_refused"),
    ):
        refused = cmdb.run(*wrong)
        assert refused == cmdb.run(*wrong, remote=False)
        assert refused.err.startswith(f"{code}: ")
    assert cmdb.run("attachment", made["id"], by=READER).code == EXIT_CODES["not_found"][0]
