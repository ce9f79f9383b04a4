"""Devices that nobody uses, and devices in service that nothing sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from cmdb.queries import Query
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.sightings import Sightings
from schema.model import STATE_ATTRIBUTE

if TYPE_CHECKING:
    from lifecycle.due import Moment

DEVICES: Final = ("Hardware", "FacilityEquipment")
UNUSED: Final = ("idle", "in_stock")
PAGE: Final = 500


def devices(store: GraphStore, moment: Moment, states: tuple[str, ...]) -> Iterator[list[Record]]:
    """The devices in some states, in pages."""
    for type_ in DEVICES:
        where: dict[str, Any] = {STATE_ATTRIBUTE: {"in": states}}
        query: Query | None = Query(
            type_, where, organisation=moment.organisation, first=PAGE, as_of=moment.as_of
        )
        while query is not None:
            page = store.find(query)
            yield page.records
            query = replace(query, after=page.cursor) if page.cursor else None


def idle(store: GraphStore, moment: Moment) -> Iterator[tuple[Record, date | None, str]]:
    """Devices that have been idle, or in stock, for long: since when."""
    until = store.resolve(moment.as_of)
    limit = moment.today - timedelta(days=moment.idle)
    for page in devices(store, moment, UNUSED):
        spans = store.spans([r.id for r in page], STATE_ATTRIBUTE) if page else {}
        since: dict[str, int] = {}
        for id, own in spans.items():
            stay = None
            for span in own:
                if until is not None and span.since > until:
                    break
                if span.value not in UNUSED:
                    stay = None
                elif stay is None:
                    stay = span.since
            if stay is not None:
                since[id] = stay
        revisions = store.revisions({*since.values()})
        for record in page:
            revision = revisions[since[record.id]]
            began = revision.at.date()
            if revision.effective_on is not None:
                began = min(began, revision.effective_on)
            if began <= limit:
                state = record.attributes[STATE_ATTRIBUTE]
                yield record, began, f"{state} since"


def unseen(store: GraphStore, moment: Moment) -> Iterator[tuple[Record, date | None, str]]:
    """Devices in service that no source has reported for long: since when, and which did last."""
    sightings = Sightings(store, moment.as_of)
    limit = moment.today - timedelta(days=moment.unseen)
    for page in devices(store, moment, ("in_use",)):
        seen = sightings.of([r.id for r in page]) if page else {}
        for record in page:
            own = seen.get(record.id, {})
            if not own:
                yield record, None, "no source has ever reported it"
            elif max(own.values()).date() <= limit:
                source = max(own, key=lambda s: (own[s], s))
                yield record, own[source].date(), f"last seen by {source}"
