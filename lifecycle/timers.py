"""Timers: what a state declares to happen when a record stays in it for too long, or past a date.

Each fires once for each stay: what fired is kept with the record (``fired_timers``), under the revision
in which the stay began. So running them again does nothing, however often.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from cmdb.change_sets import Operation, Update
from cmdb.queries import Query
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle import effects
from lifecycle.deciding import Decision
from lifecycle.engine import Engine
from lifecycle.refusals import Refusal, RefusedError
from schema.kinds import KINDS
from schema.model import STATE_ATTRIBUTE, Model, RecordType, State
from schema.processes import FIRED_TIMERS as FIRED
from schema.processes import SYSTEM, TimerDeclaration

PAGE: Final = 500


class Timer(NamedTuple):
    """One timer of one state, for records of one type."""

    type: RecordType
    state: State
    name: str
    declared: TimerDeclaration


@dataclass(frozen=True)
class Firing:
    """A timer whose time has come for a record, and what became of it.

    Attributes
    ----------
    since
        The revision in which the record entered the state.
    came
        When the time came.
    refusals
        Why its transition does not go; it is tried again next time.
    revision
        In which it fired; None where it was refused, or only looked at.
    """

    timer: Timer
    record: Record
    since: int
    came: datetime
    refusals: tuple[Refusal, ...] = ()
    revision: int | None = None

    @property
    def mark(self) -> str:
        return f"{self.timer.state.name}.{self.timer.name}@{self.since}"


def timers(model: Model) -> list[Timer]:
    """All timers, by type. One that neither leaves its state nor can be noted with the record is none:
    it would fire for ever."""
    return [
        Timer(type_, state, name, declared)
        for _, type_ in sorted(model.record_types.items())
        if type_.state_machine is not None and not type_.abstract
        for state in type_.state_machine.states.values()
        for name, declared in state.timers.items()
        if (declared.attribute is None or declared.attribute in type_.attributes)
        and (declared.transition is not None or FIRED in type_.attributes)
    ]


def due(store: GraphStore, now: datetime) -> Iterator[Firing]:
    """The timers whose time has come and that have not fired in this stay."""
    for timer in timers(store.model):
        for page in _staying(store, timer, now):
            ids = [record.id for record in page]
            spans = store.spans(ids, STATE_ATTRIBUTE) if ids else {}
            entered = {id: own[-1].since for id, own in spans.items()}
            revisions = store.revisions({*entered.values()})
            for record in page:
                since = entered[record.id]
                came = _came(timer, record, revisions[since].at)
                firing = Firing(timer, record, since, came or now)
                if came is not None and came <= now and not _fired(firing):
                    yield firing


def _staying(store: GraphStore, timer: Timer, now: datetime) -> Iterator[Sequence[Record]]:
    """Records in the state; those whose date has passed, where it goes by one. In pages."""
    where: dict[str, Any] = {STATE_ATTRIBUTE: {"eq": timer.state.name}}
    if timer.declared.attribute is not None:
        kind = timer.type.attributes[timer.declared.attribute].kind.name
        where[timer.declared.attribute] = {"lt": now.date()} if kind == "date" else {"lte": now}
    query: Query | None = Query(timer.type.name, where, subtypes=False, first=PAGE)
    while query is not None:
        page = store.find(query)
        yield page.records
        query = replace(query, after=page.cursor) if page.cursor else None


def _came(timer: Timer, record: Record, entered: datetime) -> datetime | None:
    """When the time of a timer came, or comes: a day has passed when it is over."""
    if timer.declared.after is not None:
        span: timedelta = KINDS["duration"].parse(timer.declared.after)
        return entered + span
    value = record.attributes.get(str(timer.declared.attribute))
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC) + timedelta(days=1)
    return None


def _fired(firing: Firing) -> bool:
    return firing.mark in (firing.record.attributes.get(FIRED) or ())


def run(engine: Engine, now: datetime | None = None) -> list[Firing]:
    """Fire the timers whose time has come, each in a change set of its own, by the product itself.

    Parameters
    ----------
    now
        What the engine's clock says, unless given.
    """
    at = now or engine.clock()
    return [_fire(engine, firing, at) for firing in list(due(engine.store, at))]


def _fire(engine: Engine, firing: Firing, now: datetime) -> Firing:
    timer = firing.timer

    def work() -> Decision:
        record = engine.store.record(firing.record.id)
        again = replace(firing, record=record)
        if not _still(engine.store, again, now):
            return Decision([], "")
        room = engine.own_room()
        way = engine.way(record, timer.declared.transition) if timer.declared.transition else None
        case = engine.case(record, way, room, {"reason": timer.declared.label.en}, {})
        for name in timer.declared.effects:
            effects.apply(name, case, room)
        engine.settle([case], room, system=True)
        engine.stop(case.refusals)
        operations: list[Operation] = [*case.operations(), *engine.entered(case, room)]
        if way is None and FIRED in timer.type.attributes:
            marks = [*(record.attributes.get(FIRED) or ()), firing.mark]
            operations.append(Update(record.id, {FIRED: marks}))
        words = str(record.attributes.get("number") or record.name)
        return Decision(operations, f"{words} {timer.declared.label.en}")

    try:
        decision, revision = engine.decide(SYSTEM, work)
    except RefusedError as error:
        return replace(firing, refusals=error.refusals)
    return replace(firing, revision=revision if decision.operations else None)


def _still(store: GraphStore, firing: Firing, now: datetime) -> bool:
    """Whether a record is still in the same stay, its timer's time come and not fired."""
    record = firing.record
    spans = store.spans([record.id], STATE_ATTRIBUTE).get(record.id, ())
    if not spans or (spans[-1].value, spans[-1].since) != (firing.timer.state.name, firing.since):
        return False
    entered = store.revisions([firing.since])[firing.since].at
    came = _came(firing.timer, record, entered)
    return came is not None and came <= now and not _fired(firing)
