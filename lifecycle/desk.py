"""What lies on a person's desk: open processes, what each waits for, and what one person may do now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from cmdb.queries import Page, Query, Sort
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.approvals import Stage, open_stage, stages
from lifecycle.cases import Room
from lifecycle.engine import Choice, Engine
from lifecycle.items import next_step
from lifecycle.naming import ORDER
from lifecycle.people import Actor, Directory
from schema.model import STATE_ATTRIBUTE, Model, State, StateMachine
from schema.processes import SYSTEM

PAGE: Final = 500


class Waiting(NamedTuple):
    """A process, and what it waits for from one person: ``submit``, ``approve``, a step, ``complete``."""

    order: Record
    what: str


def open_processes(
    store: GraphStore, record_type: str = ORDER, first: int = 50, after: str | None = None
) -> Page:
    """Processes that are not at their end, newest number first."""
    concrete = store.model.record_type(record_type).concrete
    machines = [store.model.record_types[name].state_machine for name in concrete]
    names = {s.name for m in machines if m for s in m.states.values() if not s.terminal}
    where = {STATE_ATTRIBUTE: {"in": sorted(names)}}
    sort = [Sort("number", True)]
    return store.find(
        Query(record_type, where, sort=sort, first=first, after=after or None, total=True)
    )


class Desk:
    """What one person may do with processes.

    Parameters
    ----------
    actor
        A user name.

    Raises
    ------
    NotAllowedError
        Nobody is known by it.
    """

    def __init__(self, engine: Engine, actor: str) -> None:
        self.engine, self.name = engine, actor
        self.room = engine.room(actor)

    def waiting(self, record_type: str = ORDER) -> Iterator[Waiting]:
        """The open processes of a type that wait for this person."""
        after: str | None = None
        while True:
            page = open_processes(self.engine.store, record_type, PAGE, after)
            for order in page.records:
                what = self.asked(order)
                if what is not None:
                    yield Waiting(order, what)
            after = page.cursor
            if after is None:
                return

    def asked(self, order: Record) -> str | None:
        """What an order waits for from this person; None if for nothing, or for others."""
        type_ = self.room.model.record_types[order.type]
        machine, procedure = type_.state_machine, type_.procedure
        state = machine.states.get(str(order.attributes.get(STATE_ATTRIBUTE))) if machine else None
        if machine is None or procedure is None or state is None or state.terminal:
            return None
        if state.approval is not None:
            return "approve" if self.may_vote(order) else None
        if state.operational and (step := next_step(self.engine.store, order.id, procedure)):
            declared = procedure.steps[step]
            at = order.attributes.get(declared.of)
            mine = not declared.by or self._may(tuple(declared.by), order, at)
            return step if mine else None
        return self._onwards(order, machine, state)

    def may_vote(self, order: Record) -> bool:
        """Whether this person is asked in the stage that is open, and has not voted yet."""
        stage = open_stage(stages(self.room, order))
        requester = order.attributes.get("requested_by")
        return (
            stage is not None
            and requester != self.room.actor.id
            and not stage.waiting_for.isdisjoint(self.room.actor.ids)
        )

    def choices(self, order: Record) -> list[Choice]:
        """The transitions that leave its state, each with why this person may not take it now."""
        return self.engine.choices(order, self.name)

    def _onwards(self, order: Record, machine: StateMachine, state: State) -> str | None:
        """The first transition that this person may take."""
        at = order.attributes.get("organisation")
        for way in machine.ways(state.name):
            if SYSTEM in way.by:
                continue
            if not way.by or self._may(way.by, order, at):
                return way.name
        return None

    def _may(self, roles: tuple[str, ...], order: Record, at: str | None) -> bool:
        return self.room.directory.may(self.room.actor, roles, order, at) is not None


def stages_of(engine: Engine, order: Record) -> list[Stage]:
    """The stages of its approval, as anybody may read them."""
    now = engine.clock()
    nobody = Actor(order, ())
    directory = Directory(engine.store, now.date())
    return stages(Room(engine.store, directory, nobody, now, order), order)


# -- what cannot be undone --------------------------------------------------------------------------------


def is_final(model: Model, record: Record, transition: str) -> bool:
    """Whether a transition leads to where nothing leads on from."""
    machine = model.record_types[record.type].state_machine
    way = machine.transitions.get(transition) if machine else None
    return machine is not None and way is not None and machine.states[way.target].terminal


def is_final_state(model: Model, record: Record, state: str) -> bool:
    """Whether nothing leads on from a state."""
    machine = model.record_types[record.type].state_machine
    return machine is not None and state in machine.states and machine.states[state].terminal


def is_final_step(model: Model, order: Record, step: str) -> bool:
    """Whether a step takes what it concerns to where nothing leads on from."""
    procedure = model.record_types[order.type].procedure
    declared = procedure.steps.get(step) if procedure else None
    if procedure is None or declared is None or declared.transition is None:
        return False
    for name in {c for t in procedure.concerns for c in model.record_types[t].concrete}:
        machine = model.record_types[name].state_machine
        way = machine.transitions.get(declared.transition) if machine else None
        if machine is not None and way is not None and machine.states[way.target].terminal:
            return True
    return False
