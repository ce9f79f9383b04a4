"""The webhook of Prometheus Alertmanager, version 4; what Grafana's alerting sends is of the same form.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from itsm.alerts.received import Entry, digest, malformed, received
from itsm.alerts.rules import AlertRules

RESOLVED = "resolved"


def read(body: bytes, headers: Mapping[str, str], source: str, rules: AlertRules) -> list[Entry]:
    """The alerts of one notification."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return [malformed(source, "It is no JSON.", body)]
    alerts = said.get("alerts") if isinstance(said, dict) else None
    if not isinstance(alerts, list):
        return [malformed(source, "It has no list of alerts.", body)]
    return [_alert(alert, said, source) for alert in alerts]


def _alert(alert: Any, group: Mapping[str, Any], source: str) -> Entry:
    if not isinstance(alert, dict):
        return malformed(source, "An alert is no object.", alert)
    labels, notes = _mapping(alert.get("labels")), _mapping(alert.get("annotations"))
    key = alert.get("fingerprint") or (labels and digest(*_sorted(labels)))
    if not key:
        return malformed(source, "An alert has neither labels nor a fingerprint.", alert)
    status = str(alert.get("status") or group.get("status") or "").lower()
    called = labels.get("alertname")
    return received(
        source,
        str(key),
        status != RESOLVED,
        {**notes, **labels},  # labels first: what tells alerts apart
        names=(notes.get("summary"), notes.get("title"), called, notes.get("description")),
        began=alert.get("startsAt"),
        at=alert.get("endsAt") if status == RESOLVED else None,
    )


def _mapping(value: Any) -> dict[str, Any]:
    return {str(n): v for n, v in value.items()} if isinstance(value, dict) else {}


def _sorted(labels: Mapping[str, Any]) -> list[str]:
    return [f"{name}={labels[name]}" for name in sorted(labels)]
