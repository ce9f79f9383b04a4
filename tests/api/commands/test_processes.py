"""Questions and decisions of the command over a server: it answers what the store answers, and decides itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.errors import EXIT_CODES
from tests.support.live import until
from tests.support.remote_command import READER, Commands

YEAR = datetime.now(UTC).year


@pytest.mark.parametrize(
    "words",
    [
        "impact YJ-ESX-01 YJ-ESX-03",
        "impact YJ-ESX-01 YJ-ESX-03 --json",
        "impact R02-PDU-A --table --depth 2",
        "impact UPS-A --service-only --first 1 --effect degraded",
        "impact UPS-A --type VirtualMachine --json",
        "impact YJ-ESX-02 --versus 5 --json",
        "impact YJ-ESX-02 --as-of 5",
        "impact YJ-ESX-01 --without 云江虚拟化集群_RUNS_ON_YJ-ESX-03",
        "impact YJ-ESX-01 --json --with 云江虚拟化集群_RUNS_ON_YJ-ESX-02",
        "dependencies YJ-ESX-01",
        "dependencies 营业厅业务 --flat --depth 3 --first 5",
        "dependencies YJ-ESX-01 YJ-ESX-02 --json --as-of 5",
        "single-points",
        "single-points --json --as-of 5",
        "single-points 营业厅业务 --first 3 --pairs",
        "single-points 营业厅业务 --pairs --json",
        "root-cause YJ-ESX-01 YJ-ESX-03 --good UPS-B",
        "root-cause YJ-ESX-01 --json --first 3 --effect degraded",
        "due --on 2026-03-01 --within 30",
        "due warranties unseen --json",
        "figures --as-of 5",
        "figures --as-of 5 --json --since 2026-01-01",
        "figures --language en --organisation 云江省电力公司",
        "ledger --json",
        "ledger --total-by organisation,state",
        "ledger 'vendor=Inspur' --as-of 4 --columns name,place",
        "resume YJ-ESX-02",
        "resume YJ-ESX-02 --json --kinds order,place",
        "order list",
        "change list",
        "problem list",
        "request list",
        "alert list",
        "incident list --mine",
        "find Server --count-by lifecycle_state --as-of 3",
        "window YJ-ESX-01 + YJ-ESX-02",
        "window YJ-ESX-01 + YJ-ESX-02 --json",
        "window R02-PDU-A UPS-B + UPS-A --effect degraded --as-of 5",
        "window R02-PDU-A + R02-PDU-B UPS-B --depth 3 --first 2 --json",
        "problem candidates",
        "problem candidates --days 30 --least 3 --json",
        "recent YJ-ESX-01 --hours 80000 --until 2050-01-01",
        "recent YJ-ESX-03 --hours 80000 --until 2050-01-01 --depth 1 --first 3 --json",
        "change calendar --from 2026-01-01 --to 2026-03-01",
    ],
)
def test_questions_are_answered_as_the_store_answers_them(words: str, cmdb: Commands) -> None:
    said = [word.strip("'") for word in words.split()]
    assert cmdb.same(*(w.replace("_RUNS_ON_", " RUNS_ON ") for w in said))


def test_the_ledger_is_the_servers_export(cmdb: Commands, tmp_path: Path) -> None:
    for name in ("l.csv", "l.xlsx"):
        ours, theirs = tmp_path / name, tmp_path / f"theirs-{name}"
        said = cmdb.done("ledger", "--out", str(ours), "--sort", "-name", "--json")
        local = cmdb.run("ledger", "--out", str(theirs), "--sort", "-name", remote=False)
        assert local.code == 0
        assert json.loads(said)["devices"] == 21
        if name == "l.csv":
            assert ours.read_bytes() == theirs.read_bytes()
    refused = cmdb.run("ledger", "--out", str(tmp_path / "no.csv"), by=READER)
    assert (refused.code, not (tmp_path / "no.csv").exists()) == (12, True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["l.csv", "l.xlsx", "theirs-l.csv", "theirs-l.xlsx"]  # fmt: skip


def test_who_sees_less_is_told_less_and_how_much(cmdb: Commands) -> None:
    """He may see the south only: of the province's outage its county's terminals, which are there by paths he
    does not see."""
    whole = json.loads(cmdb.done("impact", "YJ-ESX-01", "YJ-ESX-03", "--json"))
    assert "hidden" not in whole
    refused = cmdb.run("impact", "YJ-ESX-01", by=READER)
    assert (refused.code, refused.out) == (3, "")
    [terminal] = [one for one in whole["affected"] if one["name"] == "QS-YYT-PC01"]
    seen = cmdb.done("impact", "QS-YYT-PC01", by=READER)
    assert "QS-YYT-PC01 DesktopComputer down" in seen
    assert terminal["id"] not in cmdb.run("show", "YJ-ESX-01", by=READER).out
    stands = cmdb.done("dependencies", "QS-YYT-PC01", by=READER)
    assert "CIs that you may not see" in stands
    assert "YJ-ESX-01" not in stands
    plain = json.loads(cmdb.done("dependencies", "QS-YYT-PC01", "--json", by=READER))
    every = json.loads(cmdb.done("dependencies", "QS-YYT-PC01", "--json"))["dependencies"]
    assert len(plain["dependencies"]) + sum(plain["hidden"].values()) == len(every)
    cmdb.done("root-cause", "QS-YYT-PC01", by=READER)
    cmdb.done("single-points", by=READER)


def test_an_order_goes_its_way_decided_by_the_server(cmdb: Commands, tmp_path: Path) -> None:
    number = f"TC-{YEAR}-000001"
    drafted = cmdb.done("order", "new", "decommission", "YJ-ESX-01", "YJ-ESX-02", "--json")
    assert json.loads(drafted)["number"] == number
    assert f"{number}" in cmdb.same("order", "list")
    cmdb.done("order", "remove", number, "YJ-ESX-01")
    cmdb.done("order", "add", number, "YJ-ESX-01")
    cmdb.same("order", "show", number)
    assert "submit" in cmdb.same("order", "list", "--mine")
    nobody = cmdb.run("order", "submit", number, by="lixiaomei")
    assert nobody.code == EXIT_CODES["not_allowed"][0]
    cmdb.done("order", "submit", number)
    again = cmdb.run("order", "submit", number)
    assert (again.code, again.err.split(":")[0]) == (EXIT_CODES["refused"][0], "refused")
    own = cmdb.run("order", "approve", number)
    assert own.code == EXIT_CODES["not_allowed"][0]
    assert "approve" in cmdb.same("order", "list", "--mine", by="lixiaomei")
    cmdb.done("order", "reject", number, "--comment", "why?", by="lixiaomei")
    cmdb.done("order", "reopen", number)
    cmdb.done("order", "submit", number)
    cmdb.done("order", "approve", number, "--comment", "同意", by="lixiaomei")
    cmdb.done("order", "comment", number, "tonight")
    check, execute = (
        cmdb.run("order", word, number, "--yes" if word == "execute" else "--json")
        for word in ("check", "execute")
    )
    assert check.code == EXIT_CODES["findings"][0]
    [refusal] = json.loads(check.out)["refusals"]
    assert (refusal["name"], refusal["code"]) == ("YJ-ESX-01", "no_live_dependents")
    assert execute.code == EXIT_CODES["refused"][0]
    assert "done for 1" in execute.out
    cmdb.done("order", "drop", number, "YJ-ESX-01", "--reason", "still in use")
    cmdb.done("order", "complete", number, "--yes")
    shown = json.loads(cmdb.same("order", "show", number, "--json"))
    assert shown["attributes"]["lifecycle_state"] == "completed"
    history = json.loads(cmdb.done("history", shown["id"], "--json"))
    assert {entry["actor"] for entry in history} == {"liming", "lixiaomei"}
    assert "idle" in cmdb.same("show", "YJ-ESX-02")
    assert number in cmdb.same("resume", "YJ-ESX-02", "--json")
    pages = tmp_path / "ours.html", tmp_path / "theirs.html"
    for page, remote in zip(pages, (True, False), strict=True):
        assert cmdb.run("resume", "YJ-ESX-02", "--page", str(page), remote=remote).code == 0
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_alerts_are_read_over_a_server(cmdb: Commands, tmp_path: Path) -> None:
    labels = {"alertname": "Hot", "instance": "YJ-ESX-02", "severity": "warning"}
    alert = {"status": "firing", "labels": labels, "startsAt": "2026-03-02T08:00:00Z"}
    file = tmp_path / "alerts.json"
    file.write_text(json.dumps({"version": "4", "alerts": [alert]}))
    kept = cmdb.run("alert", "receive", str(file), "--format", "alertmanager", remote=False)
    assert kept.code == 0
    # The server takes it in.
    [listed] = until(lambda: json.loads(cmdb.done("alert", "list", "--json"))["alerts"])
    assert "Hot" in cmdb.same("alert", "list")
    cmdb.same("alert", "show", listed["id"])
    assert "about Server YJ-ESX-03" in cmdb.done("alert", "attach", listed["id"], "YJ-ESX-03")
    assert "YJ-ESX-03" in cmdb.done("alert", "show", listed["id"])


def test_transitions_are_the_servers_to_refuse(cmdb: Commands) -> None:
    listed = json.loads(cmdb.done("transition", "YJ-ACC-SW11", "--json"))
    assert {r["code"] for r in listed[0]["refusals"]} == {"role", "no_live_dependents"}
    refused = cmdb.run("transition", "YJ-ESX-03", "decommission")
    local = cmdb.run("transition", "YJ-ESX-03", "decommission", remote=False)
    assert refused == local
    assert refused.code != 0


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        ("incident refresh", "--store"),
        ("desk run --once", "--store"),
        ("impact UPS-A --picture x.svg", "--store"),
        ("change unauthorised", "unauthorisedChanges"),
        ("check", "--store"),
        ("dump -", "--store"),
        ("account lock liming --reason x", "--store"),
        ("org rename 省公司信通部 信通部", "--store"),
        ("timers", "--store"),
    ],
)
def test_what_is_left_says_what_to_do_instead(words: str, instead: str, cmdb: Commands) -> None:
    found: Any = cmdb.run(*words.split())
    assert (found.code, found.out) == (EXIT_CODES["not_over_server"][0], "")
    assert found.err.startswith("not_over_server: ")
    assert instead in found.err
