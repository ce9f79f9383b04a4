"""Incidents by the command, from the report to the end."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cmdb.change_sets import Relate, Update
from tests.support.building import commit
from tests.support.command import Command, Failing
from tests.support.service_desk import ServiceDesk

NUMBER = f"SJ-{datetime.now(UTC).year}-000001"
OTHER = f"SJ-{datetime.now(UTC).year}-000002"


def told(text: str) -> Any:
    return json.loads(text)


def test_from_the_report_to_the_end(desk: ServiceDesk, cmdb: Command, failing: Failing) -> None:
    text = cmdb("incident", "open", "shop is down", "box", "urgency=high", "--actor", "cora")
    assert text.startswith(
        f"Opened {NUMBER} shop is down: new (新建), p1 (一级), first (一线（服务台）)"
    )
    assert failing("incident", "open", "x", "nothing")[0] == 3
    assert failing("incident", "open", "x", "box", "priority=p1")[0] == 2
    assert failing("incident", "open", "x", "box", "urgency=at-once")[0] == 4
    assert failing("incident", "open", "x", "box", "--effect", "gone")[0] == 6
    assert failing("incident", "acknowledge", NUMBER, "--actor", "cora")[0] == 12
    assert told(cmdb("incident", "acknowledge", NUMBER, "--json"))["attributes"]["assignee"] == desk.ids["eve"]  # fmt: skip
    assert failing("incident", "suspend", NUMBER)[0] == 11
    assert "pending" in cmdb("incident", "suspend", NUMBER, "--reason", "waits for a part")
    cmdb("incident", "continue", NUMBER)
    cmdb("incident", "comment", NUMBER, "the fan stands still")
    cmdb("incident", "include", NUMBER, "web1", "--effect", "degraded")
    assert "p3" in cmdb("incident", "urgency", NUMBER, "low")
    cmdb("incident", "exclude", NUMBER, "web1", "--reason", "it is well")
    assert "second" in cmdb("incident", "escalate", NUMBER, "--reason", "beyond us")
    assert "ola" in cmdb("incident", "assign", NUMBER, "ola")
    assert "servers" in cmdb("incident", "assign", NUMBER, "servers")
    cmdb("incident", "major", NUMBER)
    assert failing("incident", "resolve", NUMBER)[0] == 11
    shown = cmdb("incident", "show", NUMBER, "--language", "en")
    for part in (
        "shop is down  in_progress (处理中)  p3 (三级)  MAJOR 重大事件",
        "Resolution",
        "running",
        "by 24 × 7",
        "Impact 影响 as of revision",
        "portal",
        "eve said: the fan stands still",
        "New → In progress",
        "You may: resolve 解决",
    ):
        assert part in shown, part
    assert "事件" in cmdb("incident", "show", NUMBER)
    plain = told(cmdb("incident", "show", NUMBER, "--json"))
    assert plain["clocks"]["resolution"]["status"] == "running"
    assert plain["clocks"]["response"]["breached"] is False
    assert [ci["name"] for ci in plain["cis"]["listed"] if ci["outcome"] == "open"] == ["box"]
    asked = {c["name"]: [r["code"] for r in c["refusals"]] for c in plain["choices"]}
    assert asked == {name: ["required"] for name in ("suspend", "resolve", "cancel")}
    cmdb("incident", "resolve", NUMBER, "--code", "replaced", "--text", "new fan")
    cmdb("incident", "reopen", NUMBER, "--reason", "again")
    cmdb("incident", "resolve", NUMBER, "--code", "fixed")
    assert failing("incident", "close", NUMBER, "--actor", "sam")[0] == 2  # nobody says yes
    assert "closed" in cmdb("incident", "close", NUMBER, "--yes", "--actor", "sam")
    assert "0 incidents" in cmdb("incident", "list")
    assert "Incident" in cmdb("resume", "box") or "事件" in cmdb("resume", "box")


def test_lists_and_what_belongs_together(
    desk: ServiceDesk, cmdb: Command, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.opened("box", "web1")
    desk.opened("web2")
    commit(desk.store, Relate(desk.ids["ola"], "MEMBER_OF", desk.ids["servers"]))
    cmdb("incident", "assign", OTHER, "servers")
    listed = told(cmdb("incident", "list", "--json"))
    assert [i["attributes"]["number"] for i in listed] == [NUMBER, OTHER]
    assert "1 incidents" in cmdb("incident", "list", "--priority", "p2")
    assert "1 incidents" in cmdb("incident", "list", "--mine", "--actor", "ola")
    assert "0 incidents" in cmdb("incident", "list", "--major", "--organisation", "north")
    assert "0 incidents" in cmdb("incident", "list", "--overdue")
    part = told(cmdb("incident", "split", NUMBER, "web1", "--name", "web", "--json"))
    assert (part["attributes"]["name"], part["attributes"]["priority"]) == ("web", "p4")
    third = part["attributes"]["number"]
    assert failing("incident", "merge", OTHER, third)[0] == 2
    assert "absorbs" in cmdb("incident", "merge", OTHER, third, "--yes", "--reason", "one cause")
    assert "Merged" in cmdb("incident", "show", third, "--language", "en")
    cmdb("incident", "relate", NUMBER, OTHER)
    assert "is related to 关联" in cmdb("incident", "show", NUMBER)
    assert told(cmdb("incident", "impact", NUMBER, "--json"))["same"] is True
    assert "The same as of revision" in cmdb("incident", "impact", NUMBER)
    commit(desk.store, Update(desk.ids["portal"], {"criticality": "critical"}))
    assert "Now 当前" in cmdb("incident", "impact", NUMBER)
    assert "2 incidents looked at, 2 of them" in cmdb("incident", "refresh")
    assert told(cmdb("incident", "refresh", "--json"))["looked_at"] == 0


def test_questions(desk: ServiceDesk, cmdb: Command, failing: Failing) -> None:
    ids = desk.ids
    desk.opened("portal", description="fans of the box are loud")
    article = desk.create("KnowledgeArticle", "loud fans", lifecycle_state="in_force", remedy="oil")
    commit(desk.store, Update(ids["box"], {"os_name": "Linux"}), article)
    text = cmdb("recent", "portal", "--hours", "2")
    assert "box (3): " in text
    assert "6 CIs looked at." in text
    assert "changes" in told(cmdb("recent", "box", "--until", "2050-01-01T00:00Z", "--json"))
    assert failing("recent", "box", "--until", "5")[0] == 6
    assert "created" in cmdb("incident", "changed", NUMBER)
    assert "words: " in cmdb("incident", "known", NUMBER)
    assert told(cmdb("incident", "known", NUMBER, "--json"))["fits"][0]["name"] == "loud fans"
    change = desk.create("NormalChange", "new fans")
    commit(desk.store, change)
    cmdb("incident", "cause", NUMBER, "new fans")
    cmdb("incident", "cause", NUMBER, "box")
    cmdb("incident", "relate", NUMBER, "new fans", "--fixed-by")
    shown = cmdb("incident", "show", NUMBER)
    assert "was caused by 由变更引起" in shown
    assert "is fixed by 由变更解决" in shown
