"""Problems and requests by the command, from the first word to the end."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from tests.support.command import Command, Failing
from tests.support.service_desk import ServiceDesk

YEAR = datetime.now(UTC).year
INCIDENTS = [f"SJ-{YEAR}-00000{n}" for n in (1, 2, 3)]
PROBLEM = f"WT-{YEAR}-000001"
REQUEST = f"QQ-{YEAR}-000001"


def told(text: str) -> Any:
    return json.loads(text)


def flat(text: str) -> str:
    """A table's text as one line."""
    return " ".join(text.replace("│", " ").split())


def test_a_problem_from_what_recurs_to_its_end(cmdb: Command, failing: Failing) -> None:
    for _ in INCIDENTS:
        cmdb("incident", "open", "the shop is slow", "db")
    [candidate] = told(cmdb("problem", "candidates", "--json"))
    assert [ci["name"] for ci in candidate["cis"]] == ["db"]
    assert sorted(one["number"] for one in candidate["incidents"]) == INCIDENTS
    assert "db" in cmdb("problem", "candidates", "--least", "3", "--organisation", "south")
    assert cmdb("problem", "candidates", "--least", "4").startswith("0 candidates")
    first, second, third = INCIDENTS
    text = cmdb("problem", "open", "db leaks", "box", "symptoms=slow", "--incident", first)
    assert text.startswith(f"Opened {PROBLEM} db leaks: open (待分析)")
    assert told(cmdb("problem", "join", PROBLEM, second, third, "--json"))["items"] == 2
    cmdb("problem", "leave", PROBLEM, third, "--reason", "another one")
    assert failing("problem", "leave", PROBLEM, third)[0] == 2
    assert failing("problem", "join", PROBLEM, "SJ-1")[0] == 3
    assert failing("problem", "show", first) == (3, f"not_found: There is no problem {first!r}. `cmdb problem list` lists them.\n")  # fmt: skip
    assert failing("problem", "diagnose", PROBLEM, "root_cause=a leak")[0] == 11
    said = ("root_cause=a leak", "workaround=restart it")
    assert "known_error" in cmdb("problem", "diagnose", PROBLEM, *said)
    assert failing("problem", "resolve", PROBLEM, "nonsense")[0] == 6
    assert failing("problem", "explode", PROBLEM)[0] == 2
    shown = cmdb("problem", "show", PROBLEM)
    for part in (
        f"Explains 引发事件: {first} the shop is slow, new (新建)",
        "a leak",
        "You may: resolve 解决",
    ):
        assert part in shown, part
    assert third not in shown
    assert "临时措施: restart it" in cmdb("incident", "show", first)
    plain = told(cmdb("problem", "show", PROBLEM, "--json"))
    assert [one["number"] for one in plain["incidents"]] == [first, second]
    assert (plain["changes"], plain["asked"]) == ([], "resolve")
    assert PROBLEM in cmdb("problem", "list", "--mine")
    assert "known_error" in flat(cmdb("problem", "list"))
    cmdb("problem", "comment", PROBLEM, "a patch is tried")
    cmdb("problem", "assign", PROBLEM, "ola")
    assert failing("problem", "fix", PROBLEM, first)[0] == 2
    cmdb("problem", "resolve", PROBLEM)
    assert failing("problem", "close", PROBLEM, "--reason", "done")[0] == 2  # it is final
    assert "closed" in cmdb("problem", "close", PROBLEM, "--reason", "done", "--yes")
    assert cmdb("problem", "list").startswith("0 are open")


def test_a_request_from_the_user_to_the_device(
    desk: ServiceDesk, cmdb: Command, failing: Failing
) -> None:
    desk.device("pc", "DesktopComputer", state="idle")
    said = ("name=a machine", "wanted_type=台式机", "wanted_for=cora", "wanted_place=room")
    text = cmdb("request", "new", *said, "purpose=reception", "--actor", "cora")
    assert text.startswith(f"Drafted {REQUEST} a machine with 0 items: draft (草稿)")
    cmdb("request", "submit", REQUEST, "--actor", "cora")
    assert (
        told(cmdb("request", "list", "--mine", "--actor", "bob", "--json"))[0]["asked"] == "approve"
    )
    cmdb("request", "approve", REQUEST, "--actor", "bob")
    ordered = told(cmdb("request", "order", REQUEST, "--actor", "ann", "--json"))
    assert (ordered["lifecycle_state"], ordered["items"]) == ("being_fulfilled", 1)
    order = f"CY-{YEAR}-000001"
    shown = cmdb("request", "show", REQUEST, "--actor", "ann")
    assert f"重新使用单 {order} fulfils it: draft (草稿)." in shown
    assert f"Not now: fulfil 办结: {order}, which fulfils it, is draft" in shown
    assert told(cmdb("request", "show", REQUEST, "--json"))["order"]["number"] == order
    code, error = failing("request", "fulfil", REQUEST, "--actor", "ann", "--yes")
    assert (code, order in error) == (11, True)
    cmdb("order", "submit", order, "--actor", "ann")
    cmdb("order", "approve", order, "--actor", "bob")
    cmdb("order", "execute", order, "--actor", "ann")
    cmdb("order", "complete", order, "--actor", "ann", "--yes")
    assert "fulfilled" in cmdb("request", "fulfil", REQUEST, "--actor", "ann", "--yes")
    assert "reception" in flat(cmdb("show", "pc"))
    again = told(cmdb("request", "new", *said, "--actor", "cora", "--json"))["number"]
    cmdb("request", "submit", again, "--actor", "cora")
    cmdb("request", "approve", again, "--actor", "bob")
    code, error = failing("request", "order", again, "--actor", "ann")
    assert (code, "nothing to reuse, so buy one" in error) == (11, True)
    cmdb("request", "withdraw", again, "--actor", "cora", "--yes")
