"""Incidents that recur, and so may have a problem behind them that nobody has looked for yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from cmdb.queries import Query
from cmdb.records import Record
from cmdb.store import GraphStore
from itsm.assignment import leading
from itsm.opening import INCIDENT, role_of
from itsm.problems import HAS_PROBLEM
from lifecycle.items import CONCERNS, DROPPED
from schema.model import STATE_ATTRIBUTE

PAGE: Final = 1_000
LEAST: Final = 2
"""So many incidents make one suspect a problem."""
DAYS: Final = 90
"""How far back one looks, unless said otherwise."""
NONE: Final = ("merged", "cancelled")
"""States of what turned out to be no incident of its own."""


class Make(NamedTuple):
    """Devices of one make."""

    type: str
    vendor: str
    model: str


class Candidate(NamedTuple):
    """Incidents that recur.

    Attributes
    ----------
    cis
        Ids of the CIs that each of them blames.
    makes
        The makes of which each of them blames a device, where these are several devices.
    incidents
        The latest first.
    points
        What they are ranked by: each counts by its priority, the lowest once.
    """

    cis: tuple[str, ...]
    makes: tuple[Make, ...]
    incidents: list[Record]
    points: int


def candidates(
    store: GraphStore,
    since: datetime,
    *,
    least: int = LEAST,
    organisation: str | None = None,
    first: int | None = None,
) -> list[Candidate]:
    """Incidents since an instant that blame the same CI, or CIs of the same make, and that no problem
    explains; the worst first.

    An incident blames its probable cause, else the CIs that count most in it. Incidents that several things
    have in common are one candidate. Two statements for each thousand incidents.
    """
    by_ci: defaultdict[str, set[str]] = defaultdict(set)
    by_make: defaultdict[Make, set[str]] = defaultdict(set)
    devices: defaultdict[Make, set[str]] = defaultdict(set)
    every: dict[str, Record] = {}
    for incident, blamed in _unexplained(store, since, organisation):
        every[incident.id] = incident
        if (cause := incident.attributes.get("probable_cause")) is not None:
            by_ci[cause].add(incident.id)
        for record in blamed:
            by_ci[record.id].add(incident.id)
            vendor, model = (record.attributes.get(name) for name in ("vendor", "model"))
            if vendor and model:
                make = Make(record.type, str(vendor), str(model))
                by_make[make].add(incident.id)
                devices[make].add(record.id)
    found: defaultdict[frozenset[str], tuple[list[str], list[Make]]]
    found = defaultdict(lambda: ([], []))
    for ci, ids in by_ci.items():
        found[frozenset(ids)][0].append(ci)
    for make, ids in by_make.items():
        if len(devices[make]) > 1:
            found[frozenset(ids)][1].append(make)
    weights = _weights(store)
    made = [
        _candidate(cis, makes, [every[id] for id in ids], weights)
        for ids, (cis, makes) in found.items()
        if len(ids) >= least
    ]
    made.sort(key=lambda c: (-c.points, -_when(c.incidents[0]).timestamp(), c.cis, c.makes))
    return made[:first]


def _unexplained(
    store: GraphStore, since: datetime, organisation: str | None
) -> Iterator[tuple[Record, list[Record]]]:
    """Incidents that no problem explains, each with the CIs that count most in it."""
    where = {
        "occurred_at": {"gte": since},
        "not": {"or": [{STATE_ATTRIBUTE: {"in": list(NONE)}}, {HAS_PROBLEM: {}}]},
    }
    query: Query | None = Query(INCIDENT, where, organisation=organisation, first=PAGE)
    while query is not None:
        page = store.find(query)
        items: dict[str, list[tuple[Record, str]]] = {one.id: [] for one in page.records}
        for near in store.neighbours(items, [CONCERNS], "out") if items else ():
            said = near.relationship.attributes
            if said.get("outcome") != DROPPED:
                items[near.of].append((near.record, role_of(said.get("details") or {})))
        for one in page.records:
            yield one, leading(items[one.id])
        query = replace(query, after=page.cursor) if page.cursor else None


def _weights(store: GraphStore) -> Mapping[Any, int]:
    names = [*store.model.priorities]
    return {name: len(names) - place for place, name in enumerate(names)}


def _candidate(
    cis: list[str], makes: list[Make], incidents: list[Record], weights: Mapping[Any, int]
) -> Candidate:
    incidents.sort(key=lambda one: (_when(one), one.id), reverse=True)
    points = sum(weights.get(one.attributes.get("priority"), 1) for one in incidents)
    return Candidate(tuple(sorted(cis)), tuple(sorted(makes)), incidents, points)


def _when(incident: Record) -> datetime:
    found: datetime = incident.attributes["occurred_at"]
    return found
