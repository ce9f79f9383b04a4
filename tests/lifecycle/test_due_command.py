"""What is due, and timers, by the command."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from lifecycle.engine import Engine
from tests.support.command import Command, Failing
from tests.support.office import Office


def test_what_is_due_is_told_to_people_and_programs(
    office: Office, cmdb: Command, failing: Failing
) -> None:
    today = datetime.now(UTC).date()
    office.device("srv", state="in_use", warranty_until=today + timedelta(days=40))
    assert cmdb("due", "warranties").strip() == "Nothing is due."
    answer = json.loads(cmdb("due", "warranties", "--within", "40", "--json"))
    assert answer["total"] == 1
    [found] = answer["due"]["warranties"]
    assert (found["name"], found["days"]) == ("srv", 40)
    text = cmdb("due", "--within", "40")
    assert "warranties: Warranty runs out (保修到期), 1" in text
    assert "no source has ever reported it" in text
    then = (today - timedelta(days=1)).isoformat()
    assert json.loads(cmdb("due", "--on", then, "--json"))["total"] == 0
    assert failing("due", "weddings")[0] == 6


def test_timers_are_fired_by_the_command(
    office: Office, cmdb: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.device("srv", state="in_use")
    order = office.order("DecommissionOrder", "srv")
    office.engine.transition(order, "submit", "ann")
    assert cmdb("timers").strip() == "No timer is due."
    later = datetime.now(UTC) + timedelta(days=6)
    monkeypatch.setattr("cli.due.Engine", lambda store: Engine(store, lambda: later))
    [waiting] = json.loads(cmdb("timers", "--dry-run", "--json"))
    assert (waiting["timer"], waiting["revision"]) == ("waiting", None)
    assert office.store.record(order).attributes.get("escalation") is None
    assert "Waiting for approval (审批超时)" in cmdb("timers")
    assert office.store.record(order).attributes["escalation"] == 1
    assert json.loads(cmdb("timers", "--json")) == []
