"""CloudEvents 1.0 by HTTP: structured, batched and binary.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md

What of an event tells its key, whether it is over, and when it began, is data (`rules.events`): names of
attributes of the event, and of its data, whatever the case, with dots between levels.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

import orjson

from itsm.alerts.received import Entry, malformed, received
from itsm.alerts.rules import AlertRules

BATCH: Final = "application/cloudevents-batch"
ONE: Final = "application/cloudevents"
REQUIRED: Final = ("id", "source", "type")
DEEP: Final = 4
"""Levels of data that are looked at."""


def read(body: bytes, headers: Mapping[str, str], source: str, rules: AlertRules) -> list[Entry]:
    """The events of one request."""
    type_ = headers.get("content-type", "").partition(";")[0].strip().lower()
    if "ce-specversion" in headers and not type_.startswith(ONE):
        return [_event(_binary(body, headers, type_), source, rules)]
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return [malformed(source, "It is no JSON.", body)]
    batch = type_.startswith(BATCH) or isinstance(said, list)
    if batch and not isinstance(said, list):
        return [malformed(source, "A batch is no list of events.", body)]
    return [_event(event, source, rules) for event in (said if batch else [said])]


def _binary(body: bytes, headers: Mapping[str, str], type_: str) -> dict[str, Any]:
    """An event whose attributes are headers, and whose data is the body."""
    event: dict[str, Any] = {
        name.removeprefix("ce-"): unquote(value)
        for name, value in headers.items()
        if name.startswith("ce-")
    }
    try:
        event["data"] = orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        if type_.endswith("json"):
            return {"data": body}  # an event that says nothing of itself
        event["data"] = body.decode(errors="replace")
    return event


def _event(event: Any, source: str, rules: AlertRules) -> Entry:
    if not isinstance(event, dict):
        return malformed(source, "An event is no object.", event)
    if any(not isinstance(event.get(name), str) or not event[name] for name in REQUIRED):
        return malformed(source, "An event lacks its id, source or type.", event)
    fields = dict(_fields(event))

    def said(names: list[str]) -> Any:
        return next((fields[n] for n in names if fields.get(n) not in (None, "")), None)

    words, kind = rules.events, str(event["type"])
    beginning, _, end = kind.rpartition(".")
    ended = end.casefold() in rules.cleared
    state = said(words.state)
    over = str(state).casefold() in rules.cleared if state is not None else ended
    key = said(words.key) or (beginning if ended else kind)
    return received(
        source,
        f"{event['source']}/{key}",
        not over,
        fields,
        names=(said(words.summary), event.get("subject"), kind),
        began=said(words.began),
        at=(said(words.ended) if over else None) or event.get("time"),
    )


def _fields(event: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What an event says, flat: its attributes, then its data, which counts more."""
    for name, value in event.items():
        if name not in ("data", "data_base64", "specversion") and value is not None:
            yield name.lower(), value
    yield from _flat(_data(event), "", 0)


def _data(event: Mapping[str, Any]) -> Any:
    packed = event.get("data_base64")
    if not isinstance(packed, str):
        return event.get("data")
    try:
        return orjson.loads(base64.b64decode(packed, validate=True))
    except (binascii.Error, ValueError):
        return None


def _flat(data: Any, within: str, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(data, dict) and depth < DEEP:
        for name, value in data.items():
            yield from _flat(value, f"{within}.{name}".lower().lstrip("."), depth + 1)
    elif data is not None and within:
        yield within, data
    elif isinstance(data, str):
        yield "message", data
