"""How the figures about incidents are worked out, as of one revision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from cmdb.records import Record
from itsm import hits
from itsm.assignment import leading
from itsm.calendars import Calendar, Calendars
from itsm.clocks import Run, run_of, stays_of
from itsm.figures.declared import Concerned, Lasted, OfIncidents, Promised
from itsm.opening import role_of
from itsm.refreshing import SLACK
from lifecycle.figures.evaluators import Answer, Moment, Tally, keys
from lifecycle.items import CONCERNS, DROPPED
from lifecycle.people import Directory
from schema.model import STATE_ATTRIBUTE
from schema.processes import ClockDeclaration

HOUR: Final = timedelta(hours=1)
CI, TYPE, SERVICE = "ci", "type", "service"


def lasted(moment: Moment, query: Lasted) -> Answer:
    """Three statements for each thousand incidents, and some for what they are grouped by, and for calendars."""
    tally, working = Tally(query.per), _Working(moment)
    for page, groups in _pages(moment, query):
        if query.working:
            working.load(page)
        for record, run in _runs(moment, query, query.clock, page):
            if run.stopped is None:
                continue
            if query.working:
                calendar = working.calendar(record)
                counted = (calendar.between(s.begins, s.ends or run.stopped) for s in run.counting)
                passed = sum(counted, timedelta())
            else:
                passed = run.stopped - run.begun
            tally.add(groups[record.id], passed / HOUR)
    return tally.mean()


def promised(moment: Moment, query: Promised) -> Answer:
    tally = Tally(query.per)
    for page, groups in _pages(moment, query):
        due_by = _clock(moment, query, query.clock).due
        for record, run in _runs(moment, query, query.clock, page):
            due = record.attributes.get(due_by)
            if due is None:
                continue
            late = (run.stopped or moment.instant) > due + timedelta(seconds=SLACK)
            if run.stopped is not None or late:
                tally.add(groups[record.id], not late)
    return tally.percent()


def concerned(moment: Moment, query: Concerned) -> Answer:
    tally = Tally(query.per)
    for page, groups in _pages(moment, query):
        for record in page:
            tally.add(groups[record.id], 1)
    return tally.count(query.most)


def _clock(moment: Moment, query: OfIncidents, name: str) -> ClockDeclaration:
    machine = moment.store.model.record_type(query.types[0]).state_machine
    assert machine is not None, "what has clocks has states"
    return machine.clocks[name]


def _runs(
    moment: Moment, query: OfIncidents, name: str, page: Sequence[Record]
) -> Iterator[tuple[Record, Run]]:
    """How a clock ran, for each process in which it did. Two statements."""
    clock = _clock(moment, query, name)
    stays = stays_of(moment.store, [record.id for record in page], moment.at)
    for record in page:
        run = run_of(clock, stays.get(record.id, ()))
        if run.counting:
            yield record, run


# -- groups -----------------------------------------------------------------------------------------


def _pages(
    moment: Moment, query: OfIncidents
) -> Iterator[tuple[list[Record], Mapping[str, Mapping[str, list[Any]]]]]:
    """Pages of incidents, each with the groups that it is in."""
    real = {"not": {STATE_ATTRIBUTE: {"in": list(query.dropped)}}}
    plain = [name for name in query.per if name not in (CI, TYPE, SERVICE)]
    for page in moment.pages(query, real):
        groups = {record.id: keys(record, plain) for record in page}
        if {CI, TYPE} & {*query.per}:
            for id, records in _blamed(moment, page).items():
                groups[id][CI] = [record.id for record in records] or [None]
                groups[id][TYPE] = [record.type for record in records] or [None]
        if SERVICE in query.per:
            for id, services in _services(moment, page).items():
                groups[id][SERVICE] = services or [None]
        yield page, groups


def _blamed(moment: Moment, page: Sequence[Record]) -> dict[str, list[Record]]:
    """The CIs that count most in incidents. One statement."""
    items: dict[str, list[tuple[Record, str]]] = {record.id: [] for record in page}
    for near in moment.store.neighbours(items, [CONCERNS], "out", moment.at) if items else ():
        said = near.relationship.attributes
        if said.get("outcome") != DROPPED:
            items[near.of].append((near.record, role_of(said.get("details") or {})))
    return {id: leading(found) for id, found in items.items()}


def _services(moment: Moment, page: Sequence[Record]) -> dict[str, list[str]]:
    """The services that incidents impaired, as far as they are seen. One statement."""
    found: dict[str, list[str]] = {}
    for record in page:
        kept = hits.read(record.attributes.get("impact"))
        found[record.id] = kept.impaired if kept else []
    ids = {service for services in found.values() for service in services}
    seen = moment.store.get(ids, moment.at) if ids else {}
    return {id: [service for service in of if service in seen] for id, of in found.items()}


class _Working:
    """The calendars that incidents are counted by, as of a revision."""

    def __init__(self, moment: Moment) -> None:
        self._store, self._at = moment.whole, moment.at
        self._directory = Directory(moment.whole, moment.instant.date(), moment.at)
        self._calendars = Calendars(moment.whole, self._directory)
        self._agreed: dict[str, str | None] = {}

    def load(self, page: Sequence[Record]) -> None:
        """Read together what the calendars of these incidents ask of organisations and agreements."""
        named = (record.attributes.get("organisation") for record in page)
        self._directory.load({id for id in named if id is not None})
        levels = {id for r in page if (id := r.attributes.get("service_level")) is not None}
        if new := levels - self._agreed.keys():
            records = self._store.get(new, self._at)
            for id in new:
                said = records[id].attributes if id in records else {}
                self._agreed[id] = said.get("calendar")

    def calendar(self, incident: Record) -> Calendar:
        """That of its service level agreement, if it has one, else that of its organisation."""
        own = self._agreed.get(incident.attributes.get("service_level", ""))
        found = self._calendars.of([own]) if own is not None else {}
        organisation = incident.attributes.get("organisation")
        return found[own] if own in found else self._calendars.organisation(organisation)
