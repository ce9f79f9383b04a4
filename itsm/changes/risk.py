"""How risky a change is: what the model's risk factors measure, what each counts, and why.

A measure says how much there is of what its factor counts, in words too, and which records it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, NamedTuple

from cmdb.queries import Query, Sort
from cmdb.reconciliation.precedence import provenance_of
from cmdb.reconciliation.sources import sources
from cmdb.records import Record
from cmdb.store import GraphStore
from impact.reports import is_service
from itsm import policies
from itsm.changes.collisions import OF_CHANGES, Collision
from itsm.changes.whatif import Seen, WhatIf, what_if
from itsm.changes.windows import CHANGE
from lifecycle.guards import named
from lifecycle.items import CONCERNS
from lifecycle.sightings import automatic

TOLD: Final = 20
"""Records that one factor tells of."""
LOOKED_AT: Final = 5_000
"""So many of what is hit are looked at for the age of their data."""
PAST: Final = 200
"""So many of the latest changes of a type are looked at."""


class Measured(NamedTuple):
    """How much there is of what a factor counts: a number, or a share from 0 to 1."""

    count: float  # type: ignore[assignment]
    said: str
    records: Sequence[str] = ()


class Factor(NamedTuple):
    """What one factor adds.

    Attributes
    ----------
    points
        Of the model: so many for each, or for the whole of a share, up to the most.
    """

    name: str
    count: float  # type: ignore[assignment]
    points: float
    said: str
    records: tuple[str, ...]


@dataclass(frozen=True)
class Risk:
    """What a change's risk is made of.

    Attributes
    ----------
    level
        Of the model's risk levels; None where none is reached.
    factors
        In the order of the model, those that add nothing too.
    """

    points: float
    level: str | None
    factors: tuple[Factor, ...]

    def plain(self) -> dict[str, Any]:
        """As JSON, without what is kept by itself."""
        factors = [{**f._asdict(), "records": list(f.records)} for f in self.factors]
        return {"points": self.points, "factors": factors}


@dataclass(frozen=True)
class Assessment(Risk):
    """The same, with what it was found from."""

    whatif: WhatIf


@dataclass
class Subject:
    """What measures look at.

    Attributes
    ----------
    items
        The CIs that the change concerns, by id.
    """

    store: GraphStore
    change: Record
    items: Mapping[str, Record]
    now: datetime
    whatif: WhatIf
    collisions: Sequence[Collision]
    _read: dict[str, Record] = field(default_factory=dict)

    def services(self, effect: str, criticality: str = "") -> list[str]:
        """Services with one effect in the window."""
        return [
            service.id
            for service in self.whatif.window.services
            if service.effect == effect and criticality in ("", service.criticality)
        ]

    def names(self, ids: Collection[str]) -> str:
        """Names of records, or how many there are."""
        unread = [id for id in list(ids)[:TOLD] if id not in self._read]
        self._read |= self.store.get(unread) if unread else {}
        return named([self._read[id].name if id in self._read else id for id in ids])

    @cached_property
    def back_out_plan(self) -> str:
        said = self.change.attributes.get("back_out_plan")
        followed = self.change.attributes.get("change_model")
        if not said and followed:
            said = self.store.record(followed).attributes.get("back_out_plan")
        return str(said or "")


Measure = Callable[[Subject], Measured]
MEASURES: Final[dict[str, Measure]] = {}
"""By the factor of the model that they measure."""


def measure(factor: str) -> Callable[[Measure], Measure]:
    """Make a function the measure of a factor."""

    def add(function: Measure) -> Measure:
        MEASURES[factor] = function
        return function

    return add


def _counted(subject: Subject, ids: Sequence[str], what: str) -> Measured:
    said = f"{len(ids)} {what}: {subject.names(ids)}" if ids else f"no {what}"
    return Measured(len(ids), said, ids)


@measure("services_down")
def services_down(subject: Subject) -> Measured:
    return _counted(subject, subject.services("down"), "services down in the window")


@measure("critical_services_down")
def critical_services_down(subject: Subject) -> Measured:
    ids = subject.services("down", "critical")
    return _counted(subject, ids, "critical services down in the window")


@measure("services_degraded")
def services_degraded(subject: Subject) -> Measured:
    return _counted(subject, subject.services("degraded"), "services degraded in the window")


@measure("redundancy_lost")
def redundancy_lost(subject: Subject) -> Measured:
    """In the window, or afterwards by what it plans."""
    model = subject.store.model
    groups = [change.group for change in subject.whatif.less_redundant]
    records = subject.store.get({g.dependent for g in groups}) if groups else {}
    later = [id for id in sorted(records) if is_service(model, records[id].type)]
    ids = list(dict.fromkeys([*subject.services("at_risk"), *later]))
    return _counted(subject, ids, "services with less redundancy")


@measure("organisations_hit")
def organisations_hit(subject: Subject) -> Measured:
    own = subject.change.attributes.get("organisation")
    ids = [id for id in subject.whatif.window.organisations if id != own]
    return _counted(subject, ids, "other organisations hit")


@measure("past_failures")
def past_failures(subject: Subject) -> Measured:
    """Of changes by the same model; else of those of the type that concerned CIs of the same types."""
    store, change = subject.store, subject.change
    where: dict[str, Any] = {"result": {"null": False}, "id": {"ne": change.id}}
    followed = change.attributes.get("change_model")
    if followed:
        where["change_model"] = {"eq": followed}
    type_ = CHANGE if followed else change.type
    query = Query(type_, where, sort=[Sort("number", True)], first=PAST)
    past = {record.id: record for record in store.find(query).records}
    if past and not followed:
        types = {item.type for item in subject.items.values()}
        near = store.neighbours(past, [CONCERNS], "out")
        like = {n.of for n in near if n.record.type in types}
        past = {id: record for id, record in past.items() if id in like}
    if not past:
        return Measured(0, "no such change was ever carried out")
    bad = [id for id, record in past.items() if record.attributes["result"] != "successful"]
    said = f"{len(bad)} of {len(past)} such changes failed or were backed out"
    return Measured(len(bad) / len(past), said, bad)


@measure("stale_data")
def stale_data(subject: Subject) -> Measured:
    """A CI's data is old where all sources that report it have not been seen for too long."""
    ids = list(dict.fromkeys([*subject.items, *subject.whatif.affected]))[:LOOKED_AT]
    stale = {n for n, source in sources(subject.store).items() if source.stale(subject.now)}
    records = subject.store.get(ids)
    old = [id for id, record in records.items() if _stale(record, stale)]
    if not old:
        return Measured(0, "all data is as fresh as its sources should be")
    share = len(old) / len(records)
    return Measured(share, f"{len(old)} of {len(records)} CIs with old data", old)


def _stale(record: Record, stale: Collection[str]) -> bool:
    reporting = automatic(provenance_of(record.attributes))
    return bool(reporting) and all(source in stale for source in reporting)


@measure("no_back_out")
def no_back_out(subject: Subject) -> Measured:
    missing = not subject.back_out_plan.strip()
    return Measured(missing, "it has no back-out plan" if missing else "it has a back-out plan")


@measure("collisions")
def with_others(subject: Subject) -> Measured:
    """What it says names no more than what it is about: others, and the CIs between them."""
    found = [c for c in subject.collisions if c.kind in OF_CHANGES]
    others = {other.id for c in found for other in c.others}
    told: list[str] = []
    about: dict[str, None] = {}
    for one in found:
        named_too = dict.fromkeys(r.id for r in (*one.others, *one.items))
        if len(about | named_too) > TOLD:
            break
        about |= named_too
        told.append(one.why)
    more = f"{len(found) - len(told)} more" if len(told) < len(found) else ""
    said = "; ".join(filter(None, (*told, more))) or "no collisions"
    return Measured(len(others), said, [*about])


def number(value: float) -> float:
    """A number; whole ones as such, wherever they came by."""
    return int(value) if value == int(value) else value


def risk_of(
    store: GraphStore,
    change: Record,
    items: Mapping[str, Record],
    now: datetime,
    found: Sequence[Collision],
    seen: Seen | None = None,
) -> Assessment:
    """How risky a change is, as things are.

    Parameters
    ----------
    items
        The CIs that it concerns, by id.
    found
        What is in its way.
    seen
        The topology as it is now, where it is at hand.

    Raises
    ------
    InvalidChangeError
        What it plans breaks rules of the model, as things are.
    """
    model = store.model
    outcome = what_if(store, change, items, seen)
    subject = Subject(store, change, items, now, outcome, found)
    factors = []
    for name, declared in model.risk_factors.items():
        known = MEASURES.get(name)
        told = known(subject) if known else Measured(0, "nothing measures it")
        points = min(declared.most, declared.points * told.count)
        ids = tuple(told.records[:TOLD])
        counted, weighed = number(round(told.count, 4)), number(round(points, 2))
        factors.append(Factor(name, counted, weighed, told.said, ids))
    total = number(round(sum(factor.points for factor in factors), 2))
    return Assessment(total, policies.risk(model, total), tuple(factors), outcome)
