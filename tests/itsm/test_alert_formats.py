"""What monitoring tools send, read as alerts: whatever it is, nothing of it is lost, and nothing raises."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm.alerts import received
from itsm.alerts.formats import FORMATS
from itsm.alerts.received import Entry, Malformed, Received, entry_of
from itsm.alerts.rules import load_alert_rules

RULES = load_alert_rules()
NEVER = "0001-01-01T00:00:00Z"


def read(
    format_: str, said: Any, headers: Mapping[str, str] = {}, source: str = "tool"
) -> list[Entry]:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    found = FORMATS[format_](body, headers, source, RULES)
    assert [entry_of(entry.kept()) for entry in found] == found
    return found


def alerts(format_: str, said: Any, headers: Mapping[str, str] = {}) -> list[Received]:
    found = read(format_, said, headers)
    assert not [entry for entry in found if isinstance(entry, Malformed)]
    return [entry for entry in found if isinstance(entry, Received)]


def at(year: int, month: int, day: int, *clock: int, offset: int = 0) -> datetime:
    zone = timezone(timedelta(hours=offset))
    hour, minute, second = (*clock, 0, 0, 0)[:3]
    return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)


# -- Alertmanager -------------------------------------------------------------------------------------------


def notification(**more: Any) -> dict[str, Any]:
    return {
        "receiver": "cmdb",
        "status": "firing",
        "groupLabels": {"alertname": "InstanceDown"},
        "commonLabels": {"alertname": "InstanceDown", "severity": "critical"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.org:9093",
        "version": "4",
        "groupKey": '{}/{severity="critical"}:{alertname="InstanceDown"}',
        "truncatedAlerts": 0,
        **more,
    }


def one(**more: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {
            "alertname": "InstanceDown",
            "instance": "web-07.example.org:9100",
            "job": "node",
            "severity": "critical",
        },
        "annotations": {"summary": "web-07 does not answer", "runbook_url": "https://wiki/x"},
        "startsAt": "2026-03-02T09:51:03.157076543+08:00",
        "endsAt": NEVER,
        "generatorURL": "http://prometheus.example.org/graph?g0.expr=up+%3D%3D+0",
        "fingerprint": "c6eadffa33fcdf37",
        **more,
    }


def test_a_notification_of_alertmanager() -> None:
    [alert] = alerts("alertmanager", notification(alerts=[one()]))
    assert (alert.source, alert.key, alert.firing) == ("tool", "c6eadffa33fcdf37", True)
    assert alert.name == "web-07 does not answer"
    assert alert.began == at(2026, 3, 2, 9, 51, 3, offset=8) + timedelta(microseconds=157076)
    assert alert.at is None
    assert alert.labels["instance"] == "web-07.example.org:9100"
    assert RULES.severity_of(alert.labels) == "critical"


def test_what_is_resolved_says_when_it_ended() -> None:
    ended = one(status="resolved", endsAt="2026-03-02T02:10:00Z")
    [alert] = alerts("alertmanager", notification(status="resolved", alerts=[ended]))
    assert (alert.firing, alert.at) == (False, at(2026, 3, 2, 2, 10))
    [firing] = alerts("alertmanager", notification(alerts=[one(endsAt="2026-03-02T02:10:00Z")]))
    assert (firing.firing, firing.at) == (True, None)  # when it will time out


def test_without_a_fingerprint_the_labels_are_the_key() -> None:
    plain = {k: v for k, v in one().items() if k != "fingerprint"}
    other = {**plain, "labels": {**plain["labels"], "instance": "web-08:9100"}}
    turned = {**plain, "labels": dict(reversed(plain["labels"].items()))}
    keys = [
        alert.key for alert in alerts("alertmanager", notification(alerts=[plain, other, turned]))
    ]
    assert keys[0] == keys[2] != keys[1]


def test_what_is_wrong_in_a_notification_is_kept_and_the_rest_is_taken() -> None:
    found = read(
        "alertmanager", notification(alerts=[one(), "down", {"labels": {}}, one(labels=3)])
    )
    assert [type(entry) for entry in found] == [Received, Malformed, Malformed, Received]
    assert found[1] == Malformed("tool", "An alert is no object.", "down")
    assert isinstance(found[2], Malformed)
    assert json.loads(found[2].raw) == {"labels": {}}


# -- Zabbix -------------------------------------------------------------------------------------------------


def event(**more: Any) -> dict[str, Any]:
    """What the media type of docs/alerts.md sends."""
    return {
        "event_id": "4711", "event_value": "1", "event_source": "0", "event_update_status": "0",
        "event_name": "High CPU utilization", "event_nseverity": "4", "event_severity": "High",
        "event_date": "2026.03.02", "event_time": "09:51:03", "time_zone": "+08:00",
        "event_recovery_date": "{EVENT.RECOVERY.DATE}", "event_recovery_time": "{EVENT.RECOVERY.TIME}",
        "event_tags": '[{"tag":"service_name","value":"billing"},{"tag":"Scope","value":"capacity"}]',
        "trigger_id": "13926", "trigger_name": "High CPU utilization",
        "host_host": "db-01", "host_name": "Database 1", "host_ip": "10.1.2.3",
        "inventory_serialno_a": "*UNKNOWN*",
        **more,
    }  # fmt: skip


def test_an_event_of_zabbix() -> None:
    [alert] = alerts("zabbix", event())
    assert (alert.key, alert.firing, alert.name) == ("13926/db-01", True, "High CPU utilization")
    assert (alert.began, alert.at) == (at(2026, 3, 2, 9, 51, 3, offset=8), None)
    assert RULES.severity_of(alert.labels) == "major"
    assert alert.labels["service_name"] == "billing"
    assert "inventory_serialno_a" not in alert.labels  # there was none
    recovered = event(
        event_value="0", event_recovery_date="2026.03.02", event_recovery_time="10:00:00"
    )
    [over] = alerts("zabbix", [recovered])
    assert (over.key, over.firing) == (alert.key, False)
    assert (over.began, over.at) == (alert.began, at(2026, 3, 2, 10, offset=8))


@pytest.mark.parametrize(
    "names",
    [
        {"EventID": "1", "TriggerID": "7", "HostHost": "a", "EventValue": 0},
        {"eventid": "1", "triggerid": "7", "host_host": "a", "status": "RESOLVED"},
        {"event.id": "1", "trigger-id": "7", "Host Host": "a", "event_status": "OK"},
    ],
)
def test_other_ways_to_write_its_names(names: dict[str, Any]) -> None:
    [alert] = alerts("zabbix", names)
    assert (alert.key, alert.firing) == ("7/a", False)


def test_seconds_since_1970_count_more() -> None:
    [alert] = alerts("zabbix", event(event_timestamp="1772416263"))
    assert alert.began == datetime.fromtimestamp(1772416263, UTC)


# -- CloudEvents --------------------------------------------------------------------------------------------


def cloud(**more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0", "id": "A-1", "source": "/monitoring/probe", "type": "org.example.alert.raised",
        "subject": "web-07", "time": "2026-03-02T01:51:03Z", "datacontenttype": "application/json",
        "data": {"status": "firing", "Severity": "major", "title": "web-07 is slow", "resource": {"hostname": "web-07"}},
        **more,
    }  # fmt: skip


def test_a_structured_event() -> None:
    headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
    [alert] = alerts("cloudevents", cloud(), headers)
    assert (alert.key, alert.firing) == ("/monitoring/probe/web-07", True)
    assert (alert.name, alert.began, alert.at) == ("web-07 is slow", None, at(2026, 3, 2, 1, 51, 3))
    assert alert.labels["resource.hostname"] == "web-07"
    assert RULES.severity_of(alert.labels) == "major"
    [over] = alerts("cloudevents", cloud(data={"status": "OK"}), headers)
    assert (over.key, over.firing) == (alert.key, False)


def test_a_type_may_tell_that_it_is_over() -> None:
    said = {"type": "org.example.alert.resolved", "data": None, "subject": None}
    [over] = alerts("cloudevents", cloud(**said))
    [begun] = alerts("cloudevents", cloud(**{**said, "type": "org.example.alert"}))
    assert (over.firing, begun.firing) == (False, True)
    assert over.key == begun.key


def test_a_batch() -> None:
    headers = {"content-type": "application/cloudevents-batch+json"}
    found = read("cloudevents", [cloud(), {"id": "1"}, cloud(subject="web-08")], headers)
    assert [type(entry) for entry in found] == [Received, Malformed, Received]
    assert read("cloudevents", [], headers) == []
    assert read("cloudevents", {}, headers) == [
        Malformed("tool", "A batch is no list of events.", "{}")
    ]


def test_a_binary_event_has_its_attributes_in_headers() -> None:
    said = cloud()
    names = ("specversion", "id", "source", "type", "subject", "time")
    headers = {f"ce-{n}": said[n] for n in names} | {"content-type": "application/json"}
    assert alerts("cloudevents", said["data"], headers) == alerts(
        "cloudevents", said | {"datacontenttype": None}
    )
    [alert] = alerts(
        "cloudevents",
        b"disk full",
        {**headers, "content-type": "text/plain", "ce-subject": "%E4%B8%89%20x"},
    )
    assert (alert.name, alert.key) == ("disk full", "/monitoring/probe/三 x")
    [broken] = read("cloudevents", b"{", headers)
    assert isinstance(broken, Malformed)


def test_packed_data() -> None:
    packed = base64.b64encode(b'{"summary": "x", "state": "cleared"}').decode()
    [alert] = alerts(
        "cloudevents", {k: v for k, v in cloud(data_base64=packed).items() if k != "data"}
    )
    assert (alert.name, alert.firing) == ("x", False)


# -- whatever comes -----------------------------------------------------------------------------------------


def test_what_is_too_long_is_cut_and_secrets_are_left_out() -> None:
    labels = {
        "alertname": "x" * 5_000,
        "token": "geheim",
        "note": "dsn=postgres://app:hunter2@db/x",
        "nul": "a\x00b\u2028c",
        **{f"label{n}": "y" for n in range(500)},
    }
    [alert] = alerts(
        "alertmanager",
        notification(alerts=[one(labels=labels, annotations={}, fingerprint="f" * 5_000)]),
    )
    assert len(alert.key) <= received.KEY
    assert len(alert.name) == received.SUMMARY
    assert len(alert.labels) <= received.LABELS
    assert alert.labels["nul"] == "a b c"
    assert "geheim" not in str(alert.labels)
    assert "hunter2" not in str(alert.labels)
    [bad] = read("zabbix", {"note": "z" * 50_000})
    assert isinstance(bad, Malformed)
    assert len(bad.raw) == received.RAW


@pytest.mark.parametrize(
    "said",
    [
        "2026-13-45",
        "soon",
        "",
        None,
        True,
        [],
        "9" * 400,
        -1e300,
        0,
        "99999-01-01T00:00:00Z",
        NEVER,
    ],
)
def test_an_instant_that_is_none_says_nothing(said: Any) -> None:
    [alert] = alerts("alertmanager", notification(alerts=[one(startsAt=said)]))
    assert alert.began is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["alerts", "labels", "status", "fingerprint", "startsAt", "event_id", "data", "id", "source", "type", "x"]),
        inner,
        max_size=5,
    ),
    max_leaves=15,
)  # fmt: skip


@given(
    st.sampled_from(sorted(FORMATS)), JSON.map(json.dumps).map(str.encode) | st.binary(max_size=40)
)
def test_whatever_is_sent_is_an_alert_or_kept_as_what_it_is(format_: str, body: bytes) -> None:
    for headers in (
        {},
        {"content-type": "application/cloudevents-batch+json"},
        {"ce-specversion": "1.0"},
    ):
        for entry in FORMATS[format_](body, headers, "tool", RULES):
            assert entry_of(entry.kept()) == entry
            assert entry.fingerprint
