"""Alerts by the command: kept, taken in, shown, attached."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from schema.kinds import parse_datetime
from tests.support.command import Command, Failing
from tests.support.service_desk import ServiceDesk


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rules by which nothing waits for others."""
    path = tmp_path / "rules.yaml"
    path.write_text("correlation: {settle: PT0S}\n", "utf-8")
    monkeypatch.setenv("CMDB_ALERT_RULES", str(path))
    return path


def event(**more: str) -> dict[str, str]:
    return {
        "trigger_id": "7",
        "event_name": "disk full",
        "event_value": "1",
        "event_nseverity": "5",
        **more,
    }


def told(text: str) -> Any:
    return json.loads(text)


def test_from_the_alert_to_the_incident(
    desk: ServiceDesk, cmdb: Command, rules: Path, tmp_path: Path
) -> None:
    file = tmp_path / "alerts.json"
    file.write_text(
        json.dumps([event(service="shop"), event(host_host="h7", trigger_id="8")]), "utf-8"
    )
    kept = cmdb("alert", "receive", str(file), "--format", "zabbix", "--source", "zbx")
    assert kept == "2 alerts kept; `cmdb desk run` takes them in.\n"
    done = told(cmdb("desk", "run", "--once", "--json"))
    assert (done["received"], done["opened"], done["failing"], done["held"]) == (2, 1, {}, True)
    assert "nothing was to be done" in cmdb("desk", "run", "--once")
    listed = told(cmdb("alert", "list", "--json"))
    assert listed["total"] == 2
    shop = next(one for one in listed["alerts"] if one["ci"])
    assert (shop["ci"], shop["said"]["service"]) == (desk.ids["shop"], "shop")
    assert shop["incident"].startswith("SJ-")
    text = cmdb("alert", "list", "--unmatched")
    assert "No CI is hostname h7." in text
    assert "1 alerts." in text
    assert "Application shop" in cmdb("alert", "list", "--all", "--source", "zbx")
    lines = cmdb("alert", "list").splitlines()
    [line] = [line for line in lines if shop["incident"] in line]
    seen = parse_datetime(shop["attributes"]["last_seen"])
    assert f"{seen:%m-%d %H:%M:%S} UTC" in line
    assert "zbx:7 " in line
    text = cmdb("alert", "show", shop["id"])
    assert f"{seen:%Y-%m-%d %H:%M:%S} UTC" in text
    assert "+00:00" not in text
    [other] = told(cmdb("alert", "list", "--unmatched", "--json"))["alerts"]
    assert (
        cmdb("alert", "attach", "zbx:8/h7", "box", "--actor", "sam")
        == "disk full: about Server box.\n"
    )
    cmdb("desk", "run", "--once")
    shown = told(cmdb("alert", "show", other["id"], "--json"))
    assert shown["ci"] == desk.ids["box"]
    assert "Server box" in cmdb("alert", "show", "zbx:8/h7")
    assert "SJ-" in cmdb("incident", "list")


def test_alone_it_waits_as_long_as_it_must(
    desk: ServiceDesk, cmdb: Command, tmp_path: Path, rules: Path
) -> None:
    rules.write_text("correlation: {settle: PT1S}\n", "utf-8")
    file = tmp_path / "alert.json"
    file.write_text(json.dumps(event(service="shop")), "utf-8")
    cmdb("alert", "receive", str(file), "--format", "zabbix")
    assert told(cmdb("desk", "run", "--once", "--json"))["opened"] == 1


def test_standard_input_and_what_cannot_be_read(
    desk: ServiceDesk, cmdb: Command, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def given(text: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))

    given(json.dumps(event()).encode())
    assert told(cmdb("alert", "receive", "-", "--format", "zabbix", "--json"))["received"] == 1
    given(b"<html>")
    assert failing("alert", "receive", "-", "--format", "alertmanager")[0] == 10
    given(b'[{"trigger_id": "1"}, 3]')
    assert "Not read, and kept: An event is no object." in cmdb(
        "alert", "receive", "-", "--format", "zabbix"
    )
    assert failing("alert", "receive", "no such file", "--format", "zabbix")[0] == 10
    assert failing("alert", "receive", "-", "--format", "smoke")[0] == 6
    assert failing("alert", "show", "nothing")[0] == 3
    assert told(cmdb("desk", "run", "--once", "--json"))["received"] == 4


def test_rules_with_mistakes_are_told(desk: ServiceDesk, failing: Failing, tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    for text, word in (
        ("quiet: soon", "quiet"),
        ("severity: {unknown: terrible}", "terrible"),
        ("colour: red", "colour"),
        ("[]", "holds no rules"),
        ("{", "no YAML"),
        ("correlation: {silent: {share: 3}}", "correlation.silent.share"),
    ):
        path.write_text(text, "utf-8")
        code, error = failing("desk", "run", "--once", "--rules", str(path))
        assert code == 2
        assert word in error
    assert failing("desk", "run", "--once", "--rules", str(tmp_path / "none"))[0] == 2
