"""Rows to values and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from cmdb.revisions import Revision
from schema.kinds import parse_datetime

write_json: Final[Callable[[Mapping[str, Any]], str]] = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), check_circular=False
).encode


def read_revision(row: tuple[Any, ...]) -> Revision:
    number, change_set, at, actor, source, reason, effective_on = row
    effective = date.fromisoformat(effective_on) if effective_on else None
    return Revision(number, change_set, parse_datetime(at), actor, source, reason, effective)
