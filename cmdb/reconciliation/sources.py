"""Sources: the `DataSource` records of a store, and when each was last seen.

A source's precedence is an attribute of its record, so that changing it has a history like everything
else. When it was last seen is a mark beside the revisions: a run over an unchanged source commits
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from cmdb.queries import AsOf, Query
from cmdb.reconciliation.precedence import DEFAULT_PRECEDENCE, MANUAL, Precedence
from cmdb.records import Record
from cmdb.store import GraphStore

SEEN: Final = "seen:"
STALE_AFTER: Final = timedelta(days=30)
VANISH_LIMIT: Final = 20.0
"""Percent of what a source reported before that one complete run may retire, unless it says."""


@dataclass(frozen=True)
class Source:
    """One source as it stands.

    Attributes
    ----------
    record
        Its `DataSource` record.
    seen
        What its last run left: ``at``, ``complete``, ``statements`` …; empty before the first.
    """

    record: Record
    seen: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def at(self) -> datetime | None:
        at = self.seen.get("at")
        return datetime.fromisoformat(at) if at else None

    @property
    def precedence(self) -> int:
        return int(self.record.attributes.get("precedence", DEFAULT_PRECEDENCE))

    @property
    def stale_after(self) -> timedelta:
        value: timedelta = self.record.attributes.get("stale_after", STALE_AFTER)
        return value

    @property
    def vanish_limit(self) -> float:
        return float(self.record.attributes.get("vanish_limit", VANISH_LIMIT))

    def stale(self, now: datetime | None = None) -> bool:
        """Whether it has not been seen for longer than it should."""
        return self.at is None or (now or datetime.now(UTC)) - self.at > self.stale_after


def sources(store: GraphStore, as_of: AsOf = None) -> dict[str, Source]:
    """All sources by name, at most 10,000; when they were last seen is always that of now."""
    records = store.find(Query("DataSource", first=10_000, as_of=as_of)).records
    marks = store.marks(SEEN)
    found: dict[str, Source] = {}
    for record in sorted(records, key=lambda r: r.name):
        mark = marks.get(SEEN + record.name)
        found[record.name] = Source(record, orjson.loads(mark) if mark else {})
    return found


def precedence_of(found: Mapping[str, Source]) -> Precedence:
    """What the sources' records say of their precedence."""
    return Precedence(
        {name: source.precedence for name, source in found.items()},
        {
            name: {k: int(v) for k, v in own.items()}
            for name, source in found.items()
            if isinstance(own := source.record.attributes.get("attribute_precedence"), dict)
        },
    )


def note_seen(store: GraphStore, name: str, run: Mapping[str, Any]) -> None:
    """A run of a source has ended: remember when, and what it was."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    store.mark(SEEN + name, orjson.dumps({"at": at, **run}))


def reserved(name: str) -> bool:
    """Whether a source may not be called so: names with a meaning of their own."""
    return name in (MANUAL, "inferred", "schema", "merge")
