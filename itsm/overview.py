"""One incident with all that belongs to it, for those who show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple

from cmdb.records import Record
from cmdb.store import GraphStore
from cmdb.store.base import Neighbour
from itsm.clocks import Reading, stays_of
from itsm.hits import Hit, Summary, summary
from itsm.merging import RAISED_ON, REPORTED_IN
from itsm.opening import EFFECT, ROLE, details_of, hit_now
from itsm.triage import clocks
from lifecycle.engine import Engine
from lifecycle.items import CONCERNS, Item, items_of
from lifecycle.resume import Entry, course
from schema.kinds import write_datetime

SHOWN: Final = 500
"""So many CIs and alerts are read for it at most; the others are counted."""


class Raised(NamedTuple):
    """An alert, and the CI that it was raised on, if one was found."""

    alert: Record
    ci: Record | None


@dataclass(frozen=True)
class Overview:
    """An incident as people look at it.

    Attributes
    ----------
    clocks
        By name: running, paused or stopped, and what is left.
    impact
        What it hits, as it is kept with it; None where it is not worked out yet.
    items
        The CIs that it concerns; of more than some hundreds the first.
    alerts
        The latest first; likewise.
    relations
        To other incidents, problems, changes, articles.
    course
        What happened to it, the earliest first.
    """

    record: Record
    clocks: Mapping[str, Reading]
    impact: Summary | None
    items: Sequence[Item]
    concerned: int
    alerts: Sequence[Raised]
    alarms: int
    relations: Sequence[Neighbour]
    course: Sequence[Entry]

    def plain(self) -> dict[str, Any]:
        """As JSON, without the record itself."""
        return {
            "clocks": {name: plain_reading(shown) for name, shown in self.clocks.items()},
            "impact": self.impact.plain() if self.impact else None,
            "cis": {
                "total": self.concerned,
                "listed": [
                    {
                        "id": item.record.id,
                        "type": item.record.type,
                        "name": item.record.name,
                        "outcome": item.outcome,
                        "role": item.details.get(ROLE),
                        "effect": item.details.get(EFFECT, "down"),
                    }
                    for item in self.items
                ],
            },
            "alerts": {
                "total": self.alarms,
                "listed": [
                    {
                        "id": alert.id,
                        "name": alert.name,
                        "state": alert.attributes.get("lifecycle_state"),
                        "severity": alert.attributes.get("severity"),
                        "occurrences": alert.attributes.get("occurrences"),
                        "ci": None if ci is None else {"id": ci.id, "name": ci.name},
                    }
                    for alert, ci in self.alerts
                ],
            },
            "related": [
                {
                    "relationship": near.relationship.type,
                    "direction": "out" if near.relationship.source == self.record.id else "in",
                    "id": near.record.id,
                    "type": near.record.type,
                    "number": near.record.attributes.get("number"),
                    "name": near.record.name,
                }
                for near in self.relations
            ],
            "course": [entry.plain() for entry in self.course],
        }


def overview(engine: Engine, incident: Record) -> Overview:
    """All that belongs to an incident. A dozen statements, and those of its clocks."""
    store, id = engine.store, incident.id
    room, items = engine.own_room(), items_of(engine.store, [id])[id]
    stays = stays_of(store, [id]).get(id, [])
    type_ = store.model.record_types[incident.type]
    shown = clocks(room, type_, incident.attributes, details_of(items), stays)
    kept = summary(incident.attributes.get("impact"))
    return laid_out(store, incident, items, shown, kept, course(store, incident))


def laid_out(
    store: GraphStore,
    incident: Record,
    items: Sequence[Item],
    clocks: Mapping[str, Reading],
    impact: Summary | None,
    course: Sequence[Entry],
) -> Overview:
    """An incident, with what was worked out of it, and what it has to do with others. Two statements."""
    id = incident.id
    types = [name for name in store.model.relationship_types if name != CONCERNS]
    near = store.neighbours([id], types)
    alerts = [n.record for n in near if n.relationship.type == REPORTED_IN]
    alerts.sort(key=lambda alert: (_last_seen(alert), alert.id), reverse=True)
    listed = alerts[:SHOWN]
    raised = store.neighbours([a.id for a in listed], [RAISED_ON], "out") if listed else []
    on = {n.of: n.record for n in raised}
    return Overview(
        incident,
        clocks,
        impact,
        items[:SHOWN],
        len(items),
        [Raised(alert, on.get(alert.id)) for alert in listed],
        len(alerts),
        [n for n in near if n.relationship.type != REPORTED_IN],
        course,
    )


def _last_seen(alert: Record) -> str:
    last = alert.attributes.get("last_seen")
    return write_datetime(last) if last is not None else ""


def hit_by(engine: Engine, incident: Record) -> Hit:
    """What an incident hits now, as of the newest revision."""
    return hit_now(engine, details_of(items_of(engine.store, [incident.id])[incident.id]))


def plain_reading(reading: Reading) -> dict[str, Any]:
    """What a clock shows, as JSON; times in seconds."""
    promise = reading.promise
    return {
        "status": reading.status,
        "elapsed": _seconds(reading.elapsed),
        "promised": _seconds(promise.span) if promise else None,
        "left": _seconds(reading.left),
        "due": write_datetime(reading.due) if reading.due else None,
        "breached": reading.breached,
        "agreement": promise.agreement if promise else None,
        "calendar": promise.calendar.name if promise else None,
    }


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
