"""What is sent: CloudEvents 1.0 as structured JSON, signed as Standard Webhooks has it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

from api.changes import Change, attribute_changes
from cmdb.records import Record
from cmdb.revisions import Revision
from schema.kinds import write_datetime
from schema.model import Model

SOURCE: Final = "/graph-cmdb"
TYPE: Final = "cmdb.record."
TEST: Final = "cmdb.webhook.test"
SECRET: Final = "whsec_"  # noqa: S105 - how secrets begin
MEDIA_TYPE: Final = "application/cloudevents+json; charset=utf-8"


class Message(NamedTuple):
    """One event, as it is sent. ``id`` is the same however often it is."""

    id: str
    body: bytes


def message(model: Model, revision: Revision, change: Change) -> Message:
    """What tells of one record that a revision changed; sensitive values are not in it."""
    changes = [
        {"attribute": name, "before": before, "after": after}
        for name, before, after in attribute_changes(model, change)
    ]
    data = {
        "revision": revision.number,
        "actor": revision.actor,
        "source": revision.source,
        "reason": revision.reason,
        "record": None if change.after is None else _record(model, change.after),
        "changes": changes,
    }
    id = f"{revision.number}-{change.id}"
    return _event(id, TYPE + change.kind.value, change.id, revision.at, data)


def trial(webhook: str, id: str, at: datetime) -> Message:
    """What is sent to try a webhook."""
    return _event(id, TEST, webhook, at, {"message": "This is a test."})


def new_secret() -> str:
    """A secret to sign with."""
    return SECRET + base64.b64encode(secrets.token_bytes(32)).decode()


def headers(secret: str, told: Message, at: datetime) -> dict[str, str]:
    """The headers of a message sent at some time."""
    stamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix(SECRET))
    mac = hmac.new(key, f"{told.id}.{stamp}.".encode() + told.body, hashlib.sha256).digest()
    return {
        "content-type": MEDIA_TYPE,
        "user-agent": "graph-cmdb",
        "webhook-id": told.id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def _event(id: str, type: str, subject: str, at: datetime, data: Mapping[str, Any]) -> Message:
    event = {
        "specversion": "1.0",
        "id": id,
        "source": SOURCE,
        "type": type,
        "subject": subject,
        "time": write_datetime(at),
        "datacontenttype": "application/json",
        "data": data,
    }
    return Message(id, orjson.dumps(event))


def _record(model: Model, record: Record) -> dict[str, Any]:
    hidden = model.managed | model.sensitive
    said = {name: value for name, value in record.attributes.items() if name not in hidden}
    return {"id": record.id, "type": record.type, "attributes": model.to_json(said)}
