"""Making incidents of alerts that wait: opened, joined, taken in by others, as correlation says.

What waits stands in the graph (``opens_at``), so it does not matter which process goes on with it, or when. One
decision deals with all that waits, on the topology as of the revision that it is based on.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from cmdb.change_sets import Operation, Relate, Unrelate, Update
from cmdb.ids import new_id
from cmdb.queries import PAGE_LIMIT, Query, Sort
from cmdb.records import Record
from cmdb.steps import Step
from cmdb.store import GraphStore
from cmdb.store.base import Neighbour
from impact.covering import Proof
from impact.rules import Effect
from itsm.alerts.correlating import Group, Standing, Waiting, groups
from itsm.alerts.outcomes import ALERT, OPENS_AT, QUIET_FROM, RAISED_ON, REPORTED_IN
from itsm.alerts.rules import AlertRules
from itsm.hits import WORDS
from itsm.merging import absorbing
from itsm.opening import INCIDENT, Seen, joined, opened
from lifecycle.cases import Room
from lifecycle.deciding import Decision
from lifecycle.engine import Engine
from lifecycle.items import CONCERNS, DROPPED
from schema.errors import CmdbError
from schema.model import STATE_ATTRIBUTE, Model
from schema.processes import SYSTEM

logger = logging.getLogger(__name__)

PUT_OFF: Final = timedelta(minutes=15)
MOST: Final = 5_000
"""Alerts that are correlated at once; those that wait longest."""
AT_ONE_CI: Final = 20
LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
CHANNEL: Final = "alert"
CAUSE_FOUND: Final = "their common cause was found"
URGENCIES: Final = ("high", "medium", "low")


class Made(NamedTuple):
    """What became of alerts that waited: how many alerts, incidents opened, joined, merged into others; and
    when the next of those that still wait has waited long enough."""

    alerts: int = 0
    opened: int = 0
    joined: int = 0
    merged: int = 0
    next_at: datetime | None = None


@dataclass
class _Case:
    """What one decision works with.

    Attributes
    ----------
    alerts
        By id of the CI that they are raised on.
    former
        Alert -> the incident it was in before.
    """

    room: Room
    seen: Seen
    alerts: dict[str, list[Record]]
    incidents: dict[str, Record]
    former: dict[str, str]
    concerned: dict[str, list[str]]
    cis: dict[str, Record] = field(default_factory=dict)


class Correlator:
    """Makes incidents of alerts that wait.

    Parameters
    ----------
    topology
        Gives the newest topology, and the moment in it.
    """

    def __init__(self, engine: Engine, rules: AlertRules, topology: Callable[[], Seen]) -> None:
        self.engine, self.rules, self.topology = engine, rules, topology
        self._most = MOST

    @property
    def store(self) -> GraphStore:
        return self.engine.store

    def run(self, until: datetime) -> Made:
        """Correlate all that waits; gives what came of it.

        Parameters
        ----------
        until
            What was received since then may be yet to be taken in: an alert has waited for others until
            then, not until now.

        Raises
        ------
        StoreError
        """
        while True:
            try:
                made = self._run(self._most, until)
            except CmdbError as error:
                if error.code.startswith("store_") or error.code == "conflict":
                    raise
                if self._most == 1:
                    self._put_off(error)
                self._most = max(1, self._most // 10)  # to find which
                continue
            self._most = min(MOST, self._most * 2)
            return made

    def _run(self, most: int, until: datetime) -> Made:
        def work() -> Decision:
            case = self._case(most)
            if case is None:
                return Decision([], "", result=Made())
            operations, made = self._operations(case, self._groups(case, until), until)
            known = {alert.id: alert for alerts in case.alerts.values() for alert in alerts}
            words = f"{made.alerts} alerts correlated"
            return Decision(operations, words, result=made, known=known)

        made: Made = self.engine.decide(SYSTEM, work, anew=True)[0].result or Made()
        return made

    def _put_off(self, why: CmdbError) -> None:
        """Let the alert that waits longest, and cannot be dealt with, wait on."""

        def work() -> Decision:
            query = Query(ALERT, {OPENS_AT: {"gte": LONG_AGO}}, sort=[Sort(OPENS_AT)], first=1)
            later = {OPENS_AT: self.engine.clock() + PUT_OFF}
            made: list[Operation] = [Update(a.id, later) for a in self.store.find(query).records]
            return Decision(made, f"put off: {why.message}")

        logger.error("an alert cannot be made an incident of", extra={"reason": why.message})
        self.engine.decide(SYSTEM, work, anew=True)

    def _case(self, most: int) -> _Case | None:
        """All that waits, and the incidents that are open; a statement each, and one for all pages."""
        query = Query(ALERT, {OPENS_AT: {"gte": LONG_AGO}}, sort=[Sort(OPENS_AT)], first=most)
        waiting = {alert.id: alert for alert in self.store.find(query).records}
        if not waiting:
            return None
        alerts: defaultdict[str, list[Record]] = defaultdict(list)
        former: dict[str, str] = {}
        cis: dict[str, Record] = {}
        for near in self.store.neighbours(waiting, [RAISED_ON, REPORTED_IN], "out"):
            if near.relationship.type == RAISED_ON:
                cis[near.record.id] = near.record
                alerts[near.record.id].append(waiting[near.of])
            else:
                former[near.of] = near.record.id
        incidents = {record.id: record for record in self._open()}
        concerned: defaultdict[str, list[str]] = defaultdict(list)
        for near in self._concerning(alerts) if incidents else ():
            outcome = near.relationship.attributes.get("outcome")
            if near.record.id in incidents and outcome != DROPPED:
                concerned[near.of].append(near.record.id)
        return _Case(
            self.engine.own_room(), self.topology(), dict(alerts), incidents, former, dict(concerned), cis
        )  # fmt: skip

    def _open(self) -> Iterable[Record]:
        states = open_states(self.store.model)
        query: Query | None = Query(INCIDENT, {STATE_ATTRIBUTE: {"in": states}}, first=PAGE_LIMIT)
        while query is not None:
            page = self.store.find(query)
            yield from page.records
            query = (
                None
                if page.cursor is None
                else Query(INCIDENT, query.where, first=PAGE_LIMIT, after=page.cursor)
            )

    def _concerning(self, cis: Iterable[str]) -> Iterable[Neighbour]:
        """The open incidents that concern CIs: of each the latest, if there are very many."""
        where = {STATE_ATTRIBUTE: {"in": open_states(self.store.model)}}
        inverse = self.store.model.relationship_types[CONCERNS].inverse
        step = Step(inverse, Query(INCIDENT, where, sort=[Sort("number", True)], first=AT_ONE_CI))
        for (ci, _), page in self.store.connections([*cis], [step]).items():
            for record, link in zip(page.records, page.relationships, strict=True):
                yield Neighbour(ci, link, record)

    def _groups(self, case: _Case, until: datetime) -> list[Group]:
        now, rules = case.room.now, self.rules
        waiting = []
        for ci, alerts in case.alerts.items():
            effect = max(rules.effect(alert.attributes["severity"]) for alert in alerts)
            opens = min(alert.attributes[OPENS_AT] for alert in alerts)
            waiting.append(
                Waiting(ci, effect, opens <= until, opens - rules.settle + rules.patience <= until)
            )
        standing = []
        for incident in case.incidents.values():
            began = incident.attributes.get("occurred_at") or now
            lately = incident.attributes.get("channel") == CHANNEL and began >= now - rules.window
            standing.append(Standing(incident.id, began, roots_of(incident), lately))
        silent = rules.correlation.silent
        return groups(
            *case.seen, waiting, standing, case.concerned, Proof(silent.least, silent.share)
        )

    # -- what is to be committed ------------------------------------------------------------------------

    def _operations(
        self, case: _Case, found: Sequence[Group], until: datetime
    ) -> tuple[list[Operation], Made]:
        operations: list[Operation] = []
        counts = {"alerts": 0, "opened": 0, "joined": 0, "merged": 0}
        waits: list[datetime] = []
        for group in found:
            alerts = [alert for ci in group.cis for alert in case.alerts[ci]]
            if not group.ready:
                waits += [at for alert in alerts if (at := alert.attributes[OPENS_AT]) > until]
                continue
            if group.incidents:
                id = group.incidents[0]
                operations += self._joined(case, group, alerts)
                counts["joined"] += 1
                counts["merged"] += len(group.incidents) - 1
            else:
                id = new_id()
                operations += self._opened(case, group, alerts, id, counts["opened"])
                counts["opened"] += 1
            for alert in alerts:
                operations.append(Update(alert.id, {OPENS_AT: None}))
                operations += self._report(alert.id, id, case.former.get(alert.id))
            counts["alerts"] += len(alerts)
        return operations, Made(**counts, next_at=min(waits, default=None))

    def _opened(
        self, case: _Case, group: Group, alerts: Sequence[Record], id: str, skip: int
    ) -> list[Operation]:
        roots = group.roots or {}
        attributes = {
            "channel": CHANNEL,
            "occurred_at": min(alert.attributes["began_at"] for alert in alerts),
            "probable_cause": next(iter(roots)),
            "urgency": self._urgency(alerts),
        }
        return opened(
            self.engine,
            case.room,
            id,
            name=self._name(case, group),
            items=_items(roots, group.cis),
            attributes=attributes,
            roots=roots,
            seen=case.seen,
            skip=skip,
        )

    def _joined(self, case: _Case, group: Group, alerts: Sequence[Record]) -> list[Operation]:
        incident = case.incidents[group.incidents[0]]
        others = [case.incidents[id] for id in group.incidents[1:]]
        before = roots_of(incident)
        attributes: dict[str, Any] = {}
        if incident.attributes.get(QUIET_FROM) is not None:
            attributes[QUIET_FROM] = None
        new = [ci for ci in group.cis if incident.id not in case.concerned.get(ci, ())]
        items = _items({}, {*new} - before.keys())
        if group.roots is not None and group.roots.keys() != before.keys():
            attributes["probable_cause"] = next(iter(group.roots))
            attributes["name"] = self._name(case, group)
            known = (ci for one in others for ci in roots_of(one))
            items = _items(group.roots, {*items, *before, *known})
        if others:
            return absorbing(
                self.engine, case.room, incident, others, CAUSE_FOUND,
                items=items, attributes={QUIET_FROM: None, **attributes}, seen=case.seen,
            )  # fmt: skip
        if items:
            return joined(
                self.engine, case.room, incident, items, seen=case.seen, attributes=attributes
            )
        return [Update(incident.id, attributes)] if attributes else []

    def _report(self, alert: str, incident: str, former: str | None) -> list[Operation]:
        if former == incident:
            return []
        made: list[Operation] = [] if former is None else [Unrelate(alert, REPORTED_IN, former)]
        return [*made, Relate(alert, REPORTED_IN, incident)]

    def _urgency(self, alerts: Iterable[Record]) -> str:
        """The highest that one of them asks for."""
        levels = self.rules.severity.levels
        asked = {levels[s].urgency for a in alerts if (s := a.attributes["severity"]) in levels}
        return next((u for u in URGENCIES if u in asked), URGENCIES[1])

    def _name(self, case: _Case, group: Group) -> str:
        """What an incident is called: its cause, and what that reports, if it does."""
        cause = next(iter(group.roots or roots_of(case.incidents[group.incidents[0]])))
        own = case.alerts.get(cause)
        record = case.cis.get(cause) or self.store.record(cause)
        said = own[0].name if own else "疑似故障 suspected"
        named = own and said.casefold().startswith(record.name.casefold())
        return (said if named else f"{record.name}: {said}")[:1_000]


def roots_of(incident: Record) -> dict[str, Effect]:
    """What an incident starts from, as its impact was worked out."""
    kept: Mapping[str, Any] = incident.attributes.get("impact") or {}
    return {id: WORDS[word] for id, word in (kept.get("roots") or {}).items() if word in WORDS}


def open_states(model: Model) -> list[str]:
    """The states in which incidents are still worked on."""
    machine = model.record_types[INCIDENT].state_machine
    assert machine is not None, "incidents have states"
    return sorted(name for name, state in machine.states.items() if state.operational)


def _items(roots: Mapping[str, Effect], cis: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What an incident says of the CIs it concerns, causes first."""
    found = {id: {"role": "cause", "effect": effect.word} for id, effect in roots.items()}
    for ci in cis:
        found.setdefault(ci, {"role": "alarm", "effect": "none"})
    return found
