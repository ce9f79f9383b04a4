"""A webhook of Zabbix: one JSON object, or a list of them, of what its media type's script sends.

docs/alerts.md has the media type. The fields are macros of Zabbix; what a macro had no value for is passed over.
Names are taken in any of the ways that are in use: ``event_id``, ``eventid``, ``EventID``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from itsm.alerts.received import Entry, malformed, received
from itsm.alerts.rules import AlertRules

UNKNOWN: Final = re.compile(r"\*UNKNOWN\*|\{[A-Z][A-Z0-9_.$<>#]*\}")
"""What stands where a macro has no value."""
CLEARED: Final = frozenset({"0", "ok", "resolved", "recovery"})


def read(body: bytes, headers: Mapping[str, str], source: str, rules: AlertRules) -> list[Entry]:
    """The events of one call."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return [malformed(source, "It is no JSON.", body)]
    return [_event(event, source) for event in (said if isinstance(said, list) else [said])]


def _event(event: Any, source: str) -> Entry:
    if not isinstance(event, dict):
        return malformed(source, "An event is no object.", event)
    fields = dict(_fields(event))
    trigger = fields.get("trigger_id")
    key = trigger or fields.get("event_id")
    if not key:
        return malformed(source, "An event has neither trigger_id nor event_id.", event)
    host = fields.get("host_host") or fields.get("host_name") or ""
    value = fields.get("event_value", fields.get("event_status", "1"))
    firing = str(value).lower() not in CLEARED
    tags = _tags(fields.pop("event_tags", None))
    names = (fields.get("event_name"), fields.get("trigger_name"), fields.get("subject"))
    return received(
        source,
        f"{key}/{host}" if trigger and host else str(key),
        firing,
        {**tags, **fields},
        names=names,
        began=_instant(fields, "event"),
        at=None if firing else _instant(fields, "event_recovery"),
    )


def _fields(event: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What has a value, by names as the media type of docs/alerts.md has them."""
    found = []
    for name, value in event.items():
        if isinstance(value, str) and (not value.strip() or UNKNOWN.fullmatch(value.strip())):
            continue
        plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(name)).lower()
        plain = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
        found.append((ALIASES.get(plain, plain), value))
    return found


ALIASES: Final = {
    "eventid": "event_id",
    "event_severity_number": "event_nseverity",
    "nseverity": "event_nseverity",
    "eventvalue": "event_value",
    "eventname": "event_name",
    "eventdate": "event_date",
    "eventtime": "event_time",
    "triggerid": "trigger_id",
    "triggername": "trigger_name",
    "hostname": "host_name",
    "hostip": "host_ip",
    "event_tags_json": "event_tags",
    "tags": "event_tags",
    "recovery_date": "event_recovery_date",
    "recovery_time": "event_recovery_time",
    "status": "event_status",
}
"""Other names -> ours."""


def _tags(said: Any) -> dict[str, Any]:
    """Tags of the event: ``{EVENT.TAGSJSON}``, or the list itself."""
    if isinstance(said, str):
        try:
            said = orjson.loads(said)
        except orjson.JSONDecodeError:
            return {"event_tags": said}
    if isinstance(said, dict):
        return {str(name).lower(): value for name, value in said.items()}
    found: dict[str, Any] = {}
    for tag in said if isinstance(said, list) else ():
        if isinstance(tag, dict) and tag.get("tag"):
            found.setdefault(str(tag["tag"]).lower(), tag.get("value"))
    return found


def _instant(fields: Mapping[str, Any], what: str) -> Any:
    """When: seconds since 1970, or a date and a time with the offset of the server."""
    if (stamp := fields.get(f"{what}_timestamp")) is not None:
        return stamp
    day, clock = fields.get(f"{what}_date"), fields.get(f"{what}_time")
    if not day or not clock:
        return None
    zone = fields.get("time_zone") or "Z"
    return f"{str(day).replace('.', '-')}T{clock}{zone}"
