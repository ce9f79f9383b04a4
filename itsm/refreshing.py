"""Keeping open incidents up with the graph: what they hit, their priorities, until when they must be done.

It follows the change feed from where it was, which is kept in the store: nothing is missed when it was not running,
and where nothing has happened that incidents depend on, nothing is looked at. An incident gets a new revision only
if something about it is different.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from cmdb.change_sets import Update
from cmdb.queries import Query
from cmdb.records import Record
from cmdb.revisions import Commit, RecordChange
from impact.propagation import propagate
from impact.rules import Rules
from impact.snapshots import NEEDS, Snapshot, concerned
from itsm.hits import digest_of
from itsm.opening import INCIDENT, Items, Seen, details_of, reassessed, roots_of
from itsm.service_levels import AGREEMENT, COVERED_BY
from lifecycle.deciding import Decision
from lifecycle.engine import Engine
from lifecycle.guards import called, operational
from lifecycle.items import CONCERNS, items_of
from schema.model import (
    ORGANISATION,
    ORGANISATION_ATTRIBUTE,
    ORGANISATION_TREE,
    STATE_ATTRIBUTE,
    Model,
)
from schema.processes import SYSTEM

MARK: Final = "incidents.refreshed"
PAGE: Final = 200
SLACK: Final = 30.0
"""Seconds by which instants may differ: a stay is decided on a little before its revision has its instant."""
FEW: Final = 20
"""So many incidents are looked at without reading the whole topology."""
OF_TOPOLOGY: Final = (STATE_ATTRIBUTE, NEEDS)
OF_CI: Final = (ORGANISATION_ATTRIBUTE, "criticality")
OF_INCIDENT: Final = ("urgency", ORGANISATION_ATTRIBUTE)
OF_ORGANISATION: Final = ("calendar",)
CALENDAR: Final = "ServiceCalendar"
AROUND: Final = (COVERED_BY, ORGANISATION_TREE)
"""Relationships without an impact rule that priorities and clocks depend on."""
FOLLOWED: Final = (INCIDENT, AGREEMENT, CALENDAR, ORGANISATION, CONCERNS, *AROUND)


class Refreshed(NamedTuple):
    """How many incidents were looked at, the ids of those that are different now, and up to which revision
    of the graph."""

    looked_at: int
    changed: list[str]
    upto: int


@dataclass
class Concern:
    """What commits may concern.

    Attributes
    ----------
    everything
        All about all open incidents: models, agreements, calendars.
    graph
        Who depends on whom, and which CIs are in service.
    cis
        CIs that count otherwise now.
    incidents
        Those that have been changed themselves.
    """

    everything: bool = False
    graph: bool = False
    cis: set[str] = field(default_factory=set)
    incidents: set[str] = field(default_factory=set)

    @property
    def named(self) -> set[str] | None:
        """The incidents that it is about; None for all that are open."""
        return None if self.everything or self.graph or self.cis else self.incidents


def refresh(engine: Engine, seen: Callable[[], Seen] | None = None) -> Refreshed:
    """Look at open incidents anew, where something has happened that they may depend on.

    Any number may do so at once, in whatever processes.

    Parameters
    ----------
    seen
        Gives the topology of the newest revision, where one is kept at hand; else it is read where there are
        many incidents to look at.

    Costs with what has been committed since the last time. Where that may concern the open incidents, with a
    propagation for each of them; an impact analysis for those that come out otherwise.
    """
    store = engine.store
    before = store.marks(MARK).get(MARK)
    newest = store.last_revision().number
    since = int(before) if before is not None else None
    if since == newest:
        return Refreshed(0, [], newest)
    concern = Concern(everything=True)
    if since is not None and since < newest:
        followed = concerned(rules := Rules(store.model)) | rules.rules.keys() | {*FOLLOWED}
        concern = _concerned(store.model, store.feed(since, newest, followed))
    looked_at, changed = 0, []
    for page in _open(engine, concern.named):
        items = items_of(store, [record.id for record in page])
        looked_at += len(page)
        if seen is None and len(page) > FEW:
            seen = Snapshot(store).shared
        topology = seen() if seen is not None else None
        for record in page:
            concerned_by = details_of(items[record.id])
            if topology is not None and _spared(concern, record, concerned_by, topology):
                continue
            if _renewed(engine, record.id, seen):
                changed.append(record.id)
    store.swap(MARK, before, str(newest).encode())
    return Refreshed(looked_at, changed, newest)


def _spared(concern: Concern, record: Record, items: Items, seen: Seen) -> bool:
    """Whether an incident hits what it hit, and nothing of that counts otherwise."""
    kept = record.attributes.get("impact")
    if concern.everything or record.id in concern.incidents or kept is None:
        return False
    topology, view = seen
    roots = roots_of(items)
    found = zip(roots, topology.find(roots), strict=True)
    given = {node: roots[id] for id, node in found if node is not None}
    outcome = propagate(topology, given, view=view)
    if digest_of(topology, outcome) != kept["digest"]:
        return False
    return not any(n is not None and outcome.effect[n] for n in topology.find(concern.cis))


def _renewed(engine: Engine, id: str, seen: Callable[[], Seen] | None) -> bool:
    """Decide on one incident, and commit what is different."""

    def work() -> Decision:
        record, room = engine.store.record(id), engine.own_room()
        if not operational(room.model, record):
            return Decision((), "")
        concerned_by: Items = details_of(room.items(id, linked=False))
        found = reassessed(engine, room, record, concerned_by, seen() if seen else None)
        sets = different(record, found)
        return Decision(
            [Update(id, sets)] if sets else [],
            f"{called(record)} looked at anew: {_told(record, sets)}",
        )

    decision, _ = engine.decide(SYSTEM, work, anew=True)
    return bool(decision.operations)


def different(record: Record, found: Mapping[str, Any]) -> dict[str, Any]:
    """What of that is not as the record says already."""
    return {
        name: value
        for name, value in found.items()
        if not _same(record.attributes.get(name), value)
    }


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, datetime) and isinstance(other, datetime):
        return abs((one - other).total_seconds()) < SLACK
    return bool(one == other)


def _open(engine: Engine, named: set[str] | None) -> Iterator[list[Record]]:
    """Open incidents, in pages; some of them, if they are named."""
    store = engine.store
    machine = store.model.record_type(INCIDENT).state_machine
    states = [s.name for s in machine.states.values() if s.operational] if machine else []
    where: dict[str, Any] = {STATE_ATTRIBUTE: {"in": states}}
    parts: Iterable[dict[str, Any]] = [where]
    if named is not None:
        ids = sorted(named)
        parts = [
            {**where, "id": {"in": ids[begin : begin + PAGE]}} for begin in range(0, len(ids), PAGE)
        ]
    for part in parts:
        query: Query | None = Query(INCIDENT, part, first=PAGE)
        while query is not None:
            page = store.find(query)
            if page.records:
                yield page.records
            query = replace(query, after=page.cursor) if page.cursor else None


def _concerned(model: Model, commits: Iterable[Commit]) -> Concern:
    """What commits may concern."""
    rules, found = Rules(model), Concern()
    types = concerned(rules)
    for commit in commits:
        changes = commit.changes
        if changes.model is not None:
            return Concern(everything=True)
        for key in (change.key for change in changes.relationships):
            if key.type in AROUND:
                return Concern(everything=True)
            if key.type in rules.rules:
                found.graph = True
            elif key.type == CONCERNS:
                found.incidents.add(key.source)
        for change in changes.records:
            assert change.after is not None, "a feed goes forward"
            ancestors = model.record_types[change.after.type].ancestors
            new = change.before is None
            if INCIDENT in ancestors:
                if new or _changed(change, OF_INCIDENT):
                    found.incidents.add(change.id)
            elif new:
                continue  # what is new is no part of anything yet, but by relationships
            elif (
                AGREEMENT in ancestors
                or CALENDAR in ancestors
                or (ORGANISATION in ancestors and _changed(change, OF_ORGANISATION))
            ):
                return Concern(everything=True)
            elif change.after.type in types:
                found.graph |= _changed(change, OF_TOPOLOGY) or _retyped(change)
                if _retyped(change) or _changed(change, OF_CI):
                    found.cis.add(change.id)
    return found


def _retyped(change: RecordChange) -> bool:
    return bool(change.before and change.after and change.before.type != change.after.type)


def _changed(change: RecordChange, names: Iterable[str]) -> bool:
    old = change.before.attributes if change.before else {}
    new = change.after.attributes if change.after else {}
    return any(old.get(name) != new.get(name) for name in names)


def _told(record: Record, sets: Mapping[str, Any]) -> str:
    """What is different, for a reason."""
    old = record.attributes.get("priority")
    if "priority" in sets:
        return f"priority {old or 'none'} -> {sets['priority'] or 'none'}"
    return "what it hits" if "impact" in sets else "when it is due"
