"""Rows to values and back."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Any, Final

from cmdb.revisions import Revision
from schema.kinds import parse_datetime
from schema.model import Model

SELECTIVE_KINDS: Final = frozenset(
    {"string", "integer", "ip_address", "ip_network", "mac", "url", "email", "reference"}
)
"""Kinds whose values tell few records from many. Indexed attributes of these kinds are kept in
``attribute_values``; others, such as states, are filtered row by row."""


@lru_cache(maxsize=4)
def kept_values(model: Model) -> frozenset[str]:
    """The attributes of a model that are kept in ``attribute_values``: indexed and selective, or
    part of a unique key."""
    kept = {n for n in model.indexed if model.attributes[n].kind.name in SELECTIVE_KINDS}
    for record_type in model.record_types.values():
        kept.update(name for key in record_type.unique for name in key.attributes)
    return frozenset(kept)


REVISION: Final = (
    "v.number, v.change_set, v.at, v.actor, v.source, v.reason, v.effective_on, v.digest"
)
"""The columns of a revision ``v`` that `read_revision` reads: all but its checks."""


def read_revision(row: tuple[Any, ...]) -> Revision:
    number, change_set, at, actor, source, reason, effective_on, digest = row
    effective = date.fromisoformat(effective_on) if effective_on else None
    return Revision(
        number, change_set, parse_datetime(at), actor, source, reason, effective, digest
    )
