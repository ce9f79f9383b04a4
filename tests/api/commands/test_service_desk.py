"""Incidents, problems and changes of the command over a server: told as the store tells them, decided there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli.errors import EXIT_CODES
from tests.support.remote_command import READER, Commands

WINDOW = ("starts_at=2050-03-07T20:00+08:00", "ends_at=2050-03-07T22:00+08:00")


def opened(cmdb: Commands, name: str, *words: str) -> str:
    found = json.loads(cmdb.done("incident", "open", name, *words, "--json"))
    return str(found["attributes"]["number"])


def ended(cmdb: Commands, number: str) -> str:
    """Resolve an incident, so that its clocks stand still; gives how both show it."""
    cmdb.done("incident", "resolve", number, "--code", "restarted")
    cmdb.same("incident", "show", number, "--json")
    return cmdb.same("incident", "show", number)


def test_incidents_are_opened_and_told_as_the_store_tells_them(cmdb: Commands) -> None:
    number = opened(
        cmdb, "虚拟机很慢", "YJ-ESX-01", "YJ-ESX-03", "urgency=high", "--effect", "degraded"
    )
    assert number in cmdb.same("incident", "list")
    cmdb.same("incident", "list", "--json")
    cmdb.done("incident", "acknowledge", number)
    assert number in cmdb.same("incident", "list", "--mine")
    cmdb.done("incident", "comment", number, "on my way")
    unseen = cmdb.run("incident", "comment", number, "and I?", by=READER)
    assert unseen.code == EXIT_CODES["not_allowed"][0]
    assert "YJ-ESX-01" in cmdb.same("incident", "changed", number, "--hours", "80000")
    shown = ended(cmdb, number)
    for told in ("10 degraded", "营业厅业务", "省公司信通部", "on my way", "resolved", "You may"):
        assert told in shown
    assert "resolved" in cmdb.same("incident", "list", "--all")
    less = cmdb.done("incident", "show", number, by=READER)
    assert "10 degraded" in less
    assert "YJ-ESX-01" not in less
    assert "省公司信通部" not in less


def test_what_people_do_to_incidents_is_decided_by_the_server(cmdb: Commands) -> None:
    one, other = opened(cmdb, "one", "YJ-ESX-02"), opened(cmdb, "other", "YJ-ESX-01")
    cmdb.done("incident", "include", one, "YJ-ESX-03", "UPS-A", "--effect", "degraded")
    cmdb.done("incident", "exclude", one, "YJ-ESX-03")
    assert "low" in cmdb.done("incident", "urgency", one, "low", "--json")
    assert '"major": true' in cmdb.done("incident", "major", one, "--json")
    assert "second" in cmdb.done("incident", "escalate", one, "--reason", "too hard")
    assert "李明" in cmdb.done("incident", "assign", one, "liming")
    assert "平台运维班" in cmdb.done("incident", "assign", one, "平台运维班")
    cmdb.done("incident", "relate", one, other)
    cmdb.done("incident", "cause", one, "UPS-A")
    part = json.loads(cmdb.done("incident", "split", one, "YJ-ESX-02", "--name", "part", "--json"))
    assert part["attributes"]["name"] == "part"
    cmdb.done("incident", "merge", one, other, "--yes")
    shown = ended(cmdb, one)
    assert "YJ-ESX-01" in shown
    assert "YJ-ESX-02" not in shown.partition("Impact")[2].partition("of")[0]
    assert "merged" in cmdb.same("incident", "show", other)
    for words in (("include", one, "UPS-B"), ("urgency", one, "high"), ("split", one, "UPS-A")):
        ours, theirs = (cmdb.run("incident", *words, remote=remote) for remote in (True, False))
        assert ours == theirs
        assert ours.code == EXIT_CODES["refused"][0]
    none = cmdb.run("incident", "open", "nothing", "urgency=high")
    assert none == cmdb.run("incident", "open", "nothing", "urgency=high", remote=False)


def test_problems_explain_incidents_over_a_server(cmdb: Commands) -> None:
    numbers = [opened(cmdb, f"disk {n}", "YJ-ESX-02") for n in range(3)]
    assert ", ".join(reversed(numbers)) in cmdb.same("problem", "candidates")
    cmdb.same("problem", "candidates", "--json")
    words = ("problem", "open", "disks fail", "--incident", numbers[0], "symptoms=noise", "--json")
    problem = json.loads(cmdb.done(*words))["number"]
    cmdb.done("problem", "join", problem, *numbers[1:])
    cmdb.done("problem", "leave", problem, numbers[1])
    change = json.loads(
        cmdb.done("change", "new", "normal", "YJ-ESX-02", "name=disks", *WINDOW, "--json")
    )
    cmdb.done("problem", "fix", problem, change["number"])
    shown = cmdb.same("problem", "show", problem)
    assert numbers[2] in shown
    assert numbers[1] not in shown
    assert change["number"] in shown


def test_changes_and_requests_are_drafted_over_a_server(cmdb: Commands) -> None:
    words = ("change", "new", "normal", "YJ-ESX-02", "name=BIOS", *WINDOW, "--json")
    number = json.loads(cmdb.done(*words))["number"]
    assert number in cmdb.same("change", "list")
    assert "submit" in cmdb.same("change", "list", "normal", "--mine")
    cmdb.done("change", "add", number, "YJ-ESX-03")
    cmdb.done("change", "remove", number, "YJ-ESX-02")
    assert "YJ-ESX-03" in cmdb.same("change", "show", number)
    cmdb.same("change", "show", number, "--json")
    assert cmdb.run("change", "submit", number).err.startswith("refused: ")
    cmdb.done("change", "withdraw", number, "--yes")
    asked = cmdb.done(
        "request", "new", "wanted_type=LaptopComputer", "purpose=field work", "--json"
    )
    number = json.loads(asked)["number"]
    assert number in cmdb.same("request", "list", "--mine")
    cmdb.same("request", "show", number)


def test_what_a_change_holds_back_is_told_over_a_server(cmdb: Commands, tmp_path: Path) -> None:
    words = ("change", "new", "normal", "YJ-ESX-02", "name=more", *WINDOW, "--json")
    number = json.loads(cmdb.done(*words))["number"]
    server = json.loads(cmdb.done("show", "YJ-ESX-02", "--json"))
    file = tmp_path / "plan.json"

    def plan(**attributes: Any) -> tuple[str, ...]:
        operation = {"update": {"id": server["id"], "attributes": attributes}}
        file.write_text(json.dumps([operation]))
        return ("change", "plan", number, str(file))

    assert "holds back 1 operation:" in cmdb.done(*plan(cpu_count=64))
    assert "cpu_count: 2 -> 64" in cmdb.same("change", "diff", number)
    assert "Holds back 1 operation" in cmdb.same("change", "show", number)
    cmdb.done("set", "YJ-ESX-02", "cpu_count=3")
    assert "! YJ-ESX-02: cpu_count was 2 when it was planned to be 64" in cmdb.same(
        "change", "diff", number
    )
    cmdb.done("change", "plan", number)
    assert "! " not in cmdb.same("change", "diff", number)
    wrong = plan(cpu_count="many")
    refused = cmdb.run(*wrong)
    assert refused == cmdb.run(*wrong, remote=False)
    assert refused.err.startswith("invalid_change: Operation 1: ")
    assert cmdb.run(*plan(cpu_count=8), by="lixiaomei").code == EXIT_CODES["not_allowed"][0]
    assert "holds back 0 operations" in cmdb.done("change", "plan", number, "--clear")


def test_what_is_in_the_way_of_a_change_is_told_over_a_server(cmdb: Commands) -> None:
    words = ("change", "new", "normal", "YJ-ESX-01", "YJ-ESX-03", "name=both", *WINDOW, "--json")
    number = json.loads(cmdb.done(*words))["number"]
    freeze = ("name=春节封网", "starts_at=2050-03-07T21:00+08:00", "ends_at=2050-03-08T00:00+08:00")
    cmdb.done("create", "FreezePeriod", *freeze, "organisation=云江省电力公司")
    assert "春节封网" in cmdb.same("change", "collisions", number)
    cmdb.same("change", "collisions", number, "--json")
    assert "Free: 2050-03-0" in cmdb.same("change", "next-window", number)
    cmdb.same("change", "next-window", number, "--days", "9", "--json")
    assert "Risk: " in cmdb.same("change", "risk", number)
    cmdb.same("change", "risk", number, "--json")
