"""When sources last reported records, from what is kept of their claims and of their runs.

A source that reports the same again commits nothing, so a claim that did not change says only when it was
first made. But a complete run has seen everything that the source still claims, and when it ended is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from cmdb.queries import AsOf
from cmdb.reconciliation.precedence import INFERRED, MANUAL, Provenance, reporting
from cmdb.reconciliation.sources import sources
from cmdb.store import GraphStore
from cmdb.store.base import NEVER
from schema.model import PROVENANCE


class Sightings:
    """What a store tells of sightings; when sources ran is read once.

    Parameters
    ----------
    until
        What happened later is left out; None for now.
    """

    def __init__(self, store: GraphStore, until: AsOf = None) -> None:
        self.store = store
        number = store.resolve(until)
        self.until = NEVER if number is None else number
        limit = until if isinstance(until, datetime) else None
        if limit is None and number is not None:
            limit = store.revisions([number])[number].at if number else None
        self.runs = {
            name: source.at
            for name, source in sources(store).items()
            if source.at is not None
            and source.seen.get("complete")
            and (limit is None or source.at <= limit)
        }

    def of(self, ids: Collection[str]) -> dict[str, dict[str, datetime]]:
        """Record -> source -> when it last reported it. Two statements.

        What people set, and what follows from other values, is nobody's sighting.
        """
        found: dict[str, dict[str, int]] = {}
        standing: dict[str, Provenance] = {}
        for id, spans in self.store.spans(ids, PROVENANCE).items():
            before: Provenance = {}
            own = found.setdefault(id, {})
            for span in spans:
                if span.since > self.until:
                    break
                said: Provenance = span.value or {}
                own.update(
                    (source, span.since)
                    for source in automatic(said)
                    if said[source] != before.get(source)
                )
                before = said
            standing[id] = before
        revisions = self.store.revisions({n for own in found.values() for n in own.values()})
        return {
            id: self._with_runs({s: revisions[n].at for s, n in own.items()}, standing[id])
            for id, own in found.items()
        }

    def _with_runs(self, own: Mapping[str, datetime], standing: Provenance) -> dict[str, datetime]:
        seen = dict(own)
        for source in automatic(standing):
            if source in self.runs:
                seen[source] = max(self.runs[source], seen.get(source, self.runs[source]))
        return seen


def automatic(provenance: Provenance) -> list[str]:
    """The sources, other than people and inference, that say of a record that it is there."""
    return [source for source in reporting(provenance) if source not in (MANUAL, INFERRED)]
