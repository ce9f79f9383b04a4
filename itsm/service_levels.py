"""What is promised about a process: by the agreements that cover what it hits, or else by its priority."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Final

from cmdb.queries import AsOf
from cmdb.records import Record
from cmdb.store import GraphStore
from itsm.calendars import Calendar, Calendars
from itsm.clocks import Promise
from lifecycle.cases import Room
from schema.kinds import KINDS
from schema.processes import ClockDeclaration

COVERED_BY: Final = "COVERED_BY"
AGREEMENT: Final = "SLA"
PAGE: Final = 2_000


def calendars(room: Room) -> Calendars:
    """The calendars of one decision, each read once."""
    if "calendars" not in room.kept:
        room.kept["calendars"] = Calendars(room.store, room.directory)
    found: Calendars = room.kept["calendars"]
    return found


def load_calendars(room: Room, organisations: Collection[str], agreed: Iterable[Record]) -> None:
    """Read together what promises for some organisations and agreements will ask for. A statement a level of
    organisations, and two more."""
    room.directory.load(organisations)
    records = [*agreed, *(r for o in organisations for r in room.directory.line(o))]
    named = (record.attributes.get("calendar") for record in records)
    calendars(room).of([str(id) for id in named if id])


def agreements(store: GraphStore, ids: Collection[str]) -> list[Record]:
    """The service level agreements in force that cover some CIs, by id. One statement for some thousands."""
    return together(covering(store, ids).values())


def covering(
    store: GraphStore, ids: Collection[str], as_of: AsOf = None
) -> dict[str, dict[str, Record]]:
    """The same for each CI that has any: CI -> agreements by id."""
    asked, found = sorted(set(ids)), dict[str, dict[str, Record]]()
    types = store.model.record_types
    for begin in range(0, len(asked), PAGE):
        for near in store.neighbours(asked[begin : begin + PAGE], [COVERED_BY], "out", as_of):
            type_ = types[near.record.type]
            if AGREEMENT in type_.ancestors and type_.operational(
                near.record.attributes.get("lifecycle_state")
            ):
                found.setdefault(near.of, {})[near.record.id] = near.record
    return found


def together(some: Iterable[Mapping[str, Record]]) -> list[Record]:
    """Agreements of several CIs, each once, by id."""
    found = {id: record for own in some for id, record in own.items()}
    return [found[id] for id in sorted(found)]


def promises(
    room: Room,
    clock: ClockDeclaration,
    priority: str | None,
    organisation: str | None,
    agreed: Iterable[Record],
) -> list[Promise]:
    """What a clock is held against: for each calendar the shortest time that an agreement promises for the
    priority; where none does, what the priority itself does, by the calendar of the organisation.

    An agreement without a calendar goes by the organisation's.
    """
    own = calendars(room).organisation(organisation)
    saying = [
        (span, sla)
        for sla in agreed
        if priority in (sla.attributes.get("for_priorities") or [priority])
        and isinstance(span := sla.attributes.get(clock.target), timedelta)
        and span > timedelta()
    ]
    named = [id for _, sla in saying if (id := sla.attributes.get("calendar"))]
    known = calendars(room).of(named)
    shortest: dict[str, Promise] = {}
    for span, sla in saying:
        calendar: Calendar = known.get(sla.attributes.get("calendar", ""), own)
        best = shortest.get(calendar.id)
        if best is None or span < best.span:
            shortest[calendar.id] = Promise(span, calendar, sla.id)
    if shortest:
        return list(shortest.values())
    declared = getattr(room.model.priorities.get(priority or ""), clock.target, None)
    return [Promise(KINDS["duration"].parse(declared), own)] if declared else []
