"""The commands of impact analysis, as people use them on a small estate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cli.main import run
from tests.support.command import Command

SALES, SALES_APP = "营销服务", "营销应用"
REPORTS, REPORTS_APP = "报表 [bold]服务[/bold]", "报表应用"
ONE, TWO = "app 01 (A)", "app 02 [red]"
ESTATE = f"""\
reason: 营销
operations:
  - {{create: BusinessService, as: sales, attributes: {{name: {SALES}, lifecycle_state: in_use}}}}
  - {{create: BusinessService, as: reports, attributes: {{name: "{REPORTS}", lifecycle_state: in_use}}}}
  - {{create: Application, as: app, attributes: {{name: {SALES_APP}, lifecycle_state: in_use}}}}
  - {{create: Application, as: reporting, attributes: {{name: {REPORTS_APP}, lifecycle_state: in_use}}}}
  - {{create: Server, as: one, attributes: {{name: {ONE}, lifecycle_state: in_use}}}}
  - {{create: Server, as: two, attributes: {{name: "{TWO}", lifecycle_state: in_use}}}}
  - {{create: Server, as: idle, attributes: {{name: spare, lifecycle_state: idle}}}}
  - {{create: Team, as: team, attributes: {{name: 平台运维班}}}}
  - {{create: Supplier, as: supplier, attributes: {{name: 供应商}}}}
  - {{relate: [sales, DELIVERED_BY, app]}}
  - {{relate: [reports, DELIVERED_BY, reporting]}}
  - {{relate: [app, RUNS_ON, one], attributes: {{group: nodes}}}}
  - {{relate: [app, RUNS_ON, two], attributes: {{group: nodes}}}}
  - {{relate: [reporting, CALLS, app]}}
  - {{relate: [app, OPERATED_BY, team]}}
"""
# revision 1 is the model, 2 the estate


class Commands(Command):
    """Runs commands; those that fail say so in one line."""

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))

    def failing(self, *words: str) -> tuple[int, str]:
        code, out, err = self.failed(*words)
        assert out == ""
        assert len(err.splitlines()) == 1
        return code, err


@pytest.fixture
def cmdb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    monkeypatch.setenv("CMDB_STORE", f"sqlite:///{tmp_path}/cmdb.db")
    monkeypatch.setenv("CMDB_ACTOR", "tester")
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.delenv("CMDB_MODEL", raising=False)
    file = tmp_path / "estate.yaml"
    file.write_text(ESTATE, encoding="utf-8")
    commands = Commands(capsys)
    commands("init")
    commands("apply", str(file))
    return commands


def effects(answer: Any) -> dict[str, str]:
    return {one["name"]: one["effect"] for one in answer["affected"]}


LOST = {SALES_APP: "down", SALES: "down", REPORTS_APP: "degraded", REPORTS: "degraded"}

# -- impact -------------------------------------------------------------------------------------------


def test_impact_is_a_tree_with_reasons(cmdb: Commands) -> None:
    lines = cmdb("impact", SALES_APP).splitlines()
    assert lines[:5] == [
        "2 down, 2 degraded (revision 2)",
        f"{SALES_APP} Application down",
        f"├── {SALES} BusinessService down  DELIVERED_BY",
        f"└── {REPORTS_APP} Application degraded  CALLS  soft",
        f"    └── {REPORTS} BusinessService degraded  DELIVERED_BY",
    ]
    assert f"  平台运维班 (Team): {SALES_APP}" in lines
    assert "Passed over, as their types have no impact rule: OPERATED_BY 1." in lines
    assert lines[-1] == "Complete."


def test_impact_of_several_tells_what_only_both_do(cmdb: Commands) -> None:
    assert effects(cmdb.json("impact", ONE)) == {ONE: "down", SALES_APP: "at_risk"}
    text = cmdb("impact", ONE, TWO)
    assert "nodes: 0 left of 2, 1 needed" in text
    assert f"Only because they fail together\n  {SALES_APP}: down" in text
    answer = cmdb.json("impact", ONE, TWO)
    assert effects(answer) == {ONE: "down", TWO: "down", **LOST}
    assert {a["name"] for a in answer["affected"] if a["only_together"]} == LOST.keys()
    assert answer["counts"] == {"down": 4, "degraded": 2, "at_risk": 0}
    [group] = answer["groups"]
    assert (group["label"], group["left"], group["needed"], group["margin"]) == ("nodes", 0, 1, -1)


def test_impact_as_a_table_shows_the_way(cmdb: Commands) -> None:
    rows = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in cmdb("impact", SALES_APP, "--table").splitlines()
        if line.startswith("│")
    ]
    assert ["degraded", "2", REPORTS, "BusinessService", "DELIVERED_BY",
            f"{REPORTS_APP} < {SALES_APP}", ""] in rows  # fmt: skip


def test_only_some_are_printed(cmdb: Commands) -> None:
    assert effects(cmdb.json("impact", SALES_APP, "--type", "Service")).keys() == {SALES, REPORTS}
    assert effects(cmdb.json("impact", SALES_APP, "--service-only")).keys() == {SALES, REPORTS}
    assert "… and 3 more; --first 4 prints all." in cmdb("impact", SALES_APP, "--first", "1")


@pytest.mark.parametrize(
    ("depth", "truncated"),
    [
        ("0", "depth: no further than 0 steps"),
        ("1", "depth: no further than 1 step"),
        ("2", None),
    ],
)
def test_a_depth_says_whether_it_cut_anything_off(
    cmdb: Commands, depth: str, truncated: str | None
) -> None:
    answer = cmdb.json("impact", SALES_APP, "--depth", depth)
    assert (answer["truncated"], answer["complete"]) == (truncated, truncated is None)
    last = cmdb("impact", SALES_APP, "--depth", depth)
    assert ("Complete." in last, f"Truncated: {truncated}." in last) == (
        truncated is None,
        truncated is not None,
    )
    answer = cmdb.json("dependencies", REPORTS_APP, "--depth", depth)
    assert (answer["truncated"], answer["complete"]) == (truncated, truncated is None)


def test_impact_against_another_time(cmdb: Commands) -> None:
    cmdb("relate", REPORTS_APP, "CALLS", SALES_APP, "--remove")
    answer = cmdb.json("impact", SALES_APP, "--versus", "2")
    assert answer["revision"] == 3
    better = {(c["before"], c["after"]) for c in answer["difference"]["better"]}
    assert better == {("degraded", "none")}
    assert [len(answer["difference"][word]) for word in ("worse", "better")] == [0, 2]
    assert answer["difference"]["unchanged"] == 2
    text = cmdb("impact", SALES_APP, "--versus", "2")
    assert "Against at 2: 0 worse, 2 better, 2 unchanged" in text
    assert f"  better: {REPORTS} (BusinessService) degraded -> none" in text
    assert effects(cmdb.json("impact", SALES_APP, "--as-of", "2")) == LOST


def test_what_if_links_were_otherwise(cmdb: Commands) -> None:
    without = cmdb.json("impact", ONE, "--without", f"{SALES_APP} RUNS_ON {TWO}")
    assert effects(without) == {ONE: "down", **LOST}
    assert [c["before"] for c in without["difference"]["worse"]].count("at_risk") == 1
    assert effects(cmdb.json("impact", TWO)) == {TWO: "down", SALES_APP: "at_risk"}, "as it was"
    more = f"{SALES_APP} RUNS_ON spare nodes", f"{REPORTS_APP} RUNS_ON {ONE}"
    answer = cmdb.json("impact", ONE, "--with", more[0], "--with", more[1])
    [group] = [g for g in answer["groups"] if g["label"] == "nodes"]
    assert group["total"] == 2, "what is idle serves nobody"
    assert effects(answer)[REPORTS] == "down"
    text = cmdb("impact", ONE, "--without", f"{SALES_APP} RUNS_ON {TWO}")
    assert "Against as it is now: 4 worse, 0 better, 1 unchanged" in text
    assert f"  {SALES_APP} RUNS_ON: 0 -> -1 (nodes: 0 left of 1, 1 needed)" in text
    [changed] = without["difference"]["groups"]
    assert [changed[side]["margin"] for side in ("before", "after")] == [0, -1]


def test_what_if_tells_of_redundancy_that_no_outage_touches(cmdb: Commands) -> None:
    answer = cmdb.json("impact", REPORTS_APP, "--without", f"{SALES_APP} RUNS_ON {TWO}")
    assert (answer["difference"]["worse"], answer["groups"]) == ([], [])
    [changed] = answer["difference"]["groups"]
    assert [(g["total"], g["margin"]) for g in changed.values()] == [(2, 1), (1, 0)]


def test_redundancy_against_another_time(cmdb: Commands) -> None:
    cmdb("relate", SALES_APP, "RUNS_ON", TWO, "--remove")
    [changed] = cmdb.json("impact", TWO, "--versus", "2")["difference"]["groups"]
    assert (changed["before"]["margin"], changed["after"]) == (0, None)
    text = cmdb("impact", TWO, "--versus", "2")
    assert f"  {SALES_APP} RUNS_ON: 0 -> untouched (nodes: 1 left of 2, 1 needed)" in text


# -- windows ------------------------------------------------------------------------------------------


def test_a_window_tells_what_only_the_combination_breaks(cmdb: Commands) -> None:
    text = cmdb("window", ONE, "+", TWO, "+", "spare")
    assert f"{ONE}: 1 down, 1 at_risk\n" in text
    assert "Together: 5 down, 2 degraded\n" in text
    assert "4 CIs fare worse only because of the combination (revision 2)" in text
    assert f"  {SALES} (BusinessService): down, alone none; spared without {ONE} or {TWO}" in text
    assert (
        f"Redundancy that is lost only together\n  {SALES_APP} RUNS_ON: nodes: 0 left of 2" in text
    )
    assert "Not operational, so nothing depends on it: spare." in text
    answer = cmdb.json("window", ONE, "+", TWO, "+", "spare")
    broken = {one["name"]: (one["alone"], one["together"]) for one in answer["broken"]}
    assert broken == {
        SALES_APP: ("at_risk", "down"),
        SALES: ("none", "down"),
        REPORTS_APP: ("none", "degraded"),
        REPORTS: ("none", "degraded"),
    }
    assert [one["spared_by"] for one in answer["broken"]] == [[0, 1]] * 4
    assert [outage["counts"]["at_risk"] for outage in answer["outages"]] == [1, 1, 0]
    assert [group["margin"] for group in answer["groups"]] == [-1]


def test_what_one_outage_of_a_window_breaks_is_not_the_combination(cmdb: Commands) -> None:
    answer = cmdb.json("window", ONE, TWO, "+", REPORTS_APP)
    assert (answer["broken"], answer["groups"]) == ([], [])
    assert "0 CIs fare worse" in cmdb("window", ONE, TWO, "+", REPORTS_APP)


def test_one_outage_is_no_window(cmdb: Commands) -> None:
    for words in ([ONE, TWO], [ONE, "+"]):
        _, error = cmdb.failing("window", *words)
        assert "That is one outage. Put a + between two" in error


def test_impact_of_what_serves_nobody(cmdb: Commands) -> None:
    assert "Not operational, so nothing depends on it: spare." in cmdb("impact", "spare")
    changed = "--without", f"{REPORTS_APP} CALLS {SALES_APP}"
    assert "Nothing can depend on it: 供应商." in cmdb("impact", "供应商", *changed)


@pytest.mark.parametrize("suffix", [".svg", ".html", ".dot", ".mmd", ".SVG"])
def test_a_picture_of_every_kind(cmdb: Commands, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"影响{suffix}"
    assert "2 down, 2 degraded" in cmdb("impact", SALES_APP, "--picture", str(file))
    text = file.read_text("utf-8")
    assert SALES in text
    begins = {".svg": "<svg", ".html": "<!DOCTYPE html>", ".dot": "digraph", ".mmd": "---"}
    assert text.startswith(begins[suffix.lower()])
    if suffix.lower() == ".svg":
        assert REPORTS in "".join(ElementTree.fromstring(text).itertext())


def test_how_the_answer_was_found(cmdb: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["impact", SALES_APP, "-v"]) == 0
    assert "level by level: 4 CIs fetched" in capsys.readouterr().err
    assert run(["single-points", "-v"]) == 0
    assert "the whole topology: " in capsys.readouterr().err


# -- what people get wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nobody"], 3, "There is no record 'nobody'"),
        ([SALES_APP, "--as-of", "1"], 3, "There is no record"),
        ([SALES_APP, "--as-of", "99"], 6, "There is no revision 99 yet"),
        ([SALES_APP, "--versus", "99"], 6, "There is no revision 99 yet"),
        ([SALES_APP, "--effect", "broken"], 6, "It is down or degraded."),
        ([SALES_APP, "--type", "Servers"], 6, "Did you mean Server"),
        ([SALES_APP, "--depth", "-1"], 2, "--depth"),
        ([SALES_APP, "--picture", "x.png"], 6, "End it in .mmd, .dot, .svg, .html."),
        ([SALES_APP, "--picture", "nowhere/x.svg"], 9, "nowhere/x.svg cannot be written"),
        ([SALES_APP, "--without", "foo"], 6, "Write 'A TYPE B'"),
        ([SALES_APP, "--without", "RUNS_ON"], 6, "Write 'A TYPE B'"),
        ([SALES_APP, "--with", f"{SALES_APP} RUNS_ON nobody"], 3, "There is no record 'nobody'"),
        ([SALES_APP, "--with", f"{SALES_APP} OPERATED_BY 平台运维班"], 6, "has no impact rule"),
        ([SALES_APP, "--with", f"{SALES} RUNS_ON {ONE}"], 6, "does not lead from BusinessService to"),
        ([SALES_APP, "--without", f"{SALES} DELIVERED_BY {REPORTS_APP}"], 6, "no relationship"),
        ([SALES_APP, "--as-of", "2", "--with", f"{SALES_APP} RUNS_ON spare"], 6, "the past"),
    ],
)  # fmt: skip
def test_odd_input_is_refused_in_a_line(
    cmdb: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, said: str
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    cmdb("set", "spare", "description=x")  # so that 2 is the past
    found, line = cmdb.failing("impact", *words)
    assert (found, said in line) == (code, True), line


def test_a_picture_overwrites_no_store(cmdb: Commands, tmp_path: Path) -> None:
    (tmp_path / "cmdb.db").rename(tmp_path / "store.svg")
    store = "--store", f"sqlite:///{tmp_path}/store.svg"
    words = "impact", SALES_APP, "--picture", str(tmp_path / "store.svg")
    assert "is a database" in cmdb.failing(*words, *store)[1]


# -- the other commands -------------------------------------------------------------------------------


def test_dependencies(cmdb: Commands) -> None:
    assert cmdb("dependencies", REPORTS).splitlines() == [
        f"{REPORTS} BusinessService",
        f"└── {REPORTS_APP} Application  DELIVERED_BY",
        f"    └── {SALES_APP} Application  CALLS",
        f"        ├── {ONE} Server  RUNS_ON",
        f"        └── {TWO} Server  RUNS_ON",
        "4 CIs (revision 2). Complete.",
    ]
    answer = cmdb.json("dependencies", REPORTS, SALES)
    found = {(d["distance"], d["name"], d["relationship"]) for d in answer["dependencies"]}
    assert found == {
        (1, SALES_APP, "DELIVERED_BY"), (1, REPORTS_APP, "DELIVERED_BY"),
        (2, ONE, "RUNS_ON"), (2, TWO, "RUNS_ON"),
    }  # fmt: skip
    assert (answer["revision"], answer["complete"], answer["truncated"]) == (2, True, None)
    flat = cmdb("dependencies", REPORTS, "--flat", "--first", "1")
    assert (REPORTS_APP in flat, ONE in flat) == (True, False)
    assert "4 CIs; --first 4 prints all (revision 2). Complete." in flat
    cmdb("relate", REPORTS_APP, "CALLS", SALES_APP, "--remove")
    assert len(cmdb.json("dependencies", REPORTS)["dependencies"]) == 1
    assert len(cmdb.json("dependencies", REPORTS, "--as-of", "2")["dependencies"]) == 4
    assert cmdb.failing("dependencies", "nobody")[0] == 3


def test_single_points(cmdb: Commands) -> None:
    answer = cmdb.json("single-points")
    assert {point["name"] for point in answer["single_points"]} == {SALES_APP, REPORTS_APP}
    assert (answer["services"], answer["pairs"]) == (2, [])
    text = cmdb("single-points", SALES, SALES, "--pairs")
    assert "1 single point of 1 service." in text
    assert text.count(f"Pairs for {SALES}: 1\n  {ONE} + {TWO}") == 1
    answer = cmdb.json("single-points", SALES, "--pairs")
    [pairs] = answer["pairs"]
    assert (len(pairs["pairs"]), pairs["complete"]) == (1, True)
    assert "2 single points of 2 services; --first 2 prints all." in cmdb(
        "single-points", "--first", "1"
    )
    cmdb("relate", SALES_APP, "RUNS_ON", TWO, "--remove")
    assert len(cmdb.json("single-points", SALES)["single_points"]) == 2
    assert len(cmdb.json("single-points", SALES, "--as-of", "2")["single_points"]) == 1
    assert len(cmdb.json("single-points", "--as-of", "2")["single_points"]) == 2
    assert cmdb.failing("single-points", "nobody")[0] == 3


def test_root_cause(cmdb: Commands) -> None:
    answer = cmdb.json("root-cause", SALES, REPORTS)
    assert (answer["revision"], answer["complete"]) == (2, True)
    best = answer["causes"][0]
    assert (best["name"], best["unexplained"], best["silent"]) == (SALES_APP, [], 1)
    answer = cmdb.json("root-cause", SALES, "--good", REPORTS_APP)
    assert [cause["name"] for cause in answer["causes"]] == [SALES, SALES_APP]
    assert len(answer["causes"][1]["contradicted"]) == 1
    text = cmdb("root-cause", SALES, SALES, REPORTS, "--first", "1")
    assert "2 of 2" in text
    assert REPORTS_APP not in text
    assert "1 of 2" in cmdb("root-cause", SALES, "供应商"), "an alarm that nothing explains counts"
    assert "could explain" in cmdb("root-cause", "供应商")
    assert cmdb.failing("root-cause", "nobody")[0] == 3
    assert cmdb.failing("root-cause", SALES, "--good", "nobody")[0] == 3
    assert cmdb.failing("root-cause", SALES, "--effect", "at_risk")[0] == 6
