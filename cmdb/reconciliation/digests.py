"""All that an observation says, as bytes: what tells whether it says the same as last time."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from cmdb.reconciliation.observations import Link, Observation, Ref


def said(observation: Observation) -> bytes:
    """All that an observation says, but for its place, as bytes."""
    try:
        return orjson.dumps(observation, _without_place, orjson.OPT_PASSTHROUGH_DATACLASS)
    except (TypeError, ValueError):
        return hashlib.blake2b(repr(observation).encode()).digest()


def _without_place(value: Any) -> Any:
    if isinstance(value, Observation):
        return [value.type, value.key, value.attributes, value.links]
    if isinstance(value, Link):
        return [value.name, value.to, value.attributes]
    if isinstance(value, Ref):
        return {"ref": value.key}
    return str(value)
