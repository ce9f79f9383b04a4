"""The process engine: transitions with their requirements, guards and effects, and votes.

How its decisions are committed, so that no guard is outrun by another writer: `lifecycle.deciding`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from cmdb.change_sets import Operation, Update
from cmdb.commits import StaleError
from cmdb.ids import new_id
from cmdb.records import Record
from cmdb.store import GraphStore
from cmdb.store.base import Neighbour
from lifecycle import effects, guards
from lifecycle.approvals import APPROVE, REJECT, Stage, open_stage, stages
from lifecycle.cases import Case, Room
from lifecycle.deciding import Deciding, Decision
from lifecycle.declared import verify
from lifecycle.items import CONCERNS
from lifecycle.people import Actor
from lifecycle.refusals import (
    NotAllowedError,
    OutdatedError,
    Refusal,
    RefusedError,
    RequestError,
)
from schema.model import STATE_ATTRIBUTE, Model, RecordType, State, Transition
from schema.processes import FIRED_TIMERS, ORDER, SYSTEM


@dataclass(frozen=True)
class Choice:
    """A transition that leaves a record's state, and why this person may not take it now, if so."""

    transition: Transition
    refusals: Sequence[Refusal]


class Engine(Deciding):
    """Carries out what the model declares.

    Parameters
    ----------
    clock
        Gives the instant; deadlines, delegations and dates of today go by it.

    Raises
    ------
    ModelError
        It declares guards or effects as the product's own that are not, or filters that do not fit.
    """

    def __init__(
        self,
        store: GraphStore,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        ids: Callable[[], str] = new_id,
    ) -> None:
        super().__init__(store, clock, ids)
        verify(store.model)

    # -- transitions ----------------------------------------------------------------------------------

    def transition(
        self,
        id: str,
        name: str,
        actor: str,
        *,
        reason: str = "",
        inputs: Mapping[str, Any] = {},
        overrides: Mapping[str, str] = {},
        expected: int | None = None,
        effective_on: date | None = None,
    ) -> int:
        """Take a record through a transition of its own state machine; gives the revision.

        Parameters
        ----------
        inputs
            What effects and requirements look at beside the record's own attributes.
        overrides
            Guard -> reason, for those to be set aside.
        expected
            The record's revision the caller has seen.

        Raises
        ------
        RefusedError, NotAllowedError, NotFoundError, ConflictError
        """

        def work() -> Decision:
            record = self.store.record(id)
            if expected is not None and record.revision != expected:
                raise self.store.conflict(StaleError(id, expected, record.revision))
            room = self.room(actor)
            way = self.way(record, name)
            given = {**inputs, "reason": reason, "effective_on": effective_on}
            case = self.case(record, way, room, given, overrides)
            self.settle([case], room)
            self.stop(case.refusals)
            operations = [*case.operations(), *self.entered(case, room)]
            words = f"{record.attributes.get('number', '')} {way.name}".strip()
            aside = [f"{o['guard']} set aside: {o['reason']}" for o in case.overridden]
            said = [text for text in (reason, *dict.fromkeys(aside)) if text]
            return Decision(
                operations,
                f"{words}: {'; '.join(said)}" if said else words,
                {id: record.revision} if _is_process(room.model, record) else {},
                effective_on=effective_on,
            )

        return self.decide(actor, work)[1]

    def correct(self, id: str, state: str, actor: str, reason: str) -> int:
        """Set a record's state right where it was recorded wrongly, without guards and effects.

        For administrators only; a reason is asked for, and stays in the history. What is terminal
        stays so, nothing becomes so, and processes are not corrected: no approval, no proof of wiping
        and no signature is gone around.

        Raises
        ------
        RefusedError, NotAllowedError
        """

        def work() -> Decision:
            record, room = self.store.record(id), self.room(actor)
            organisation = record.attributes.get("organisation")
            if room.directory.holds(room.actor, "administrator", organisation) is None:
                raise NotAllowedError(
                    f"{room.actor.record.name} is no administrator of {record.name}'s organisation.",
                    "An administrator corrects states.",
                )
            current = record.attributes.get(STATE_ATTRIBUTE)
            machine = room.model.record_types[record.type].state_machine
            why = ""
            if not reason:
                why = "a correction needs a reason"
            elif machine is None or machine.between(str(current), state) is None:
                why = f"no way leads from {current} to {state}"
            elif machine.states[state].terminal or _is_process(room.model, record):
                why = f"only {'votes and steps lead' if _is_process(room.model, record) else 'an order leads'} to {state}"
            if why:
                raise RefusedError([Refusal(id, record.name, "state", why)])
            return Decision(
                [Update(id, {STATE_ATTRIBUTE: state})],
                f"correction: {reason}",
                {id: record.revision},
            )

        return self.decide(actor, work)[1]

    def choices(self, record: Record, actor: str) -> list[Choice]:
        """The transitions that leave a record's state, each with why this person may not take it now.

        Inputs that are asked for show as refusals ``required``.
        """
        return self.choices_of([record], self.room(actor))[record.id]

    def choices_of(
        self, records: Sequence[Record], room: Room, *, brief: bool = False
    ) -> dict[str, list[Choice]]:
        """The same of several records, each looked at by itself.

        Parameters
        ----------
        brief
            Without what an outage would do to others. Then the number of statements depends on the model
            and on how deep organisations lie, not on the number of records.
        """
        room.brief = brief
        room.load(records)
        links = self._links(records, room.model)
        found: dict[str, list[Choice]] = {record.id: [] for record in records}
        together: dict[str, list[Case]] = {}
        for record in records:
            machine = room.model.record_types[record.type].state_machine
            for way in machine.ways(str(record.attributes.get(STATE_ATTRIBUTE))) if machine else ():
                if SYSTEM not in way.by:
                    case = self.case(record, way, room, {}, {}, links=links.get(record.id, []))
                    together.setdefault(way.name, []).append(case)
                    found[record.id].append(Choice(way, case.refusals))
        for cases in together.values():
            self.settle(cases, room)
        return found

    def _links(self, records: Sequence[Record], model: Model) -> dict[str, list[Neighbour]]:
        """All relationships of records, but what processes concern."""
        found: dict[str, list[Neighbour]] = {}
        processes = {record.id for record in records if _is_process(model, record)}
        others = {record.id for record in records} - processes
        types = [name for name in model.relationship_types if name != CONCERNS]
        for ids, wanted in ((others, None), (processes, types)):
            for near in self.store.neighbours(ids, wanted) if ids else ():
                found.setdefault(near.of, []).append(near)
        return found

    def way(self, record: Record, name: str) -> Transition:
        """The transition of that name of a record's state machine, if it leaves its state.

        Raises
        ------
        RefusedError
        """
        machine = self.store.model.record_types[record.type].state_machine
        state = str(record.attributes.get(STATE_ATTRIBUTE))
        ways = machine.ways(state) if machine else []
        found = next((way for way in ways if way.name == name), None)
        if found is None:
            there = ", ".join(way.name for way in ways if SYSTEM not in way.by) or "none"
            raise RefusedError(
                [
                    Refusal(
                        record.id,
                        record.name,
                        "state",
                        f"it is {state}, from which {name} does not lead on; there is: {there}",
                    )
                ]
            )
        return found

    def case(
        self,
        record: Record,
        way: Transition | None,
        room: Room,
        inputs: Mapping[str, Any],
        overrides: Mapping[str, str],
        **more: Any,
    ) -> Case:
        """A case, its relationships read unless they are given."""
        if "links" not in more:
            # What a process concerns is read page by page, by those who ask for it.
            types = None
            if _is_process(room.model, record):
                types = [t for t in room.model.relationship_types if t != CONCERNS]
            more["links"] = self.store.neighbours([record.id], types)
        given = {n: v for n, v in inputs.items() if v not in (None, "")}
        given["today"] = given.get("effective_on") or room.today  # what holds from then is dated so
        return Case(record, way, given, overrides=overrides, **more)

    def settle(self, cases: Sequence[Case], room: Room, *, system: bool = False) -> None:
        """Decide about cases of one kind of way: who may, effects, requirements, guards.

        Refusals are left in the cases.

        Parameters
        ----------
        system
            The product itself takes them there: nobody's role is asked for.
        """
        for case in cases:
            if not system:
                self._who(case, room)
            for name in self._effects(case, room.model):
                effects.apply(name, case, room)
            self._required(case, room.model)
        names: dict[str, list[Case]] = {}
        for case in cases:
            own = case.transition.guards if case.transition else ()
            for name in dict.fromkeys((*own, *(case.step.guards if case.step else ()))):
                names.setdefault(name, []).append(case)
        for name, concerned in names.items():
            guards.check(name, concerned, room)

    def _who(self, case: Case, room: Room) -> None:
        roles = case.transition.by if case.transition else ()
        at, process = case.record.attributes.get("organisation"), room.process
        if case.step is not None and process is not None:
            roles, at = tuple(case.step.by), process.attributes.get(case.step.of)
        elif ORDER in roles and case.transition is not None:
            orders = room.model.orders_for(case.type(room.model), case.transition.name)
            others = [role for role in roles if role != ORDER]
            if not others or not room.directory.may(room.actor, others, case.record, at):
                how = (
                    f"an order does that: {', '.join(orders)}" if orders else "only orders do that"
                )
                case.refuse("role", how, orders=orders)
            return
        if SYSTEM in roles:
            case.refuse("role", "the product itself does that, when it is time")
        elif roles and room.directory.may(room.actor, roles, case.record, at, process) is None:
            needed = " or ".join(roles)
            case.refuse("role", f"{room.actor.record.name} is no {needed} there")

    def _effects(self, case: Case, model: Model) -> Iterable[str]:
        way, step = case.transition, case.step
        leaving, entering = self._states(case.type(model), case.record, way)
        return (
            *(leaving.exit if leaving else ()),
            *(way.effects if way else ()),
            *(step.effects if step else ()),
            *(entering.entry if entering else ()),
        )

    def _states(
        self, type_: RecordType, record: Record, way: Transition | None
    ) -> tuple[State | None, State | None]:
        machine = type_.state_machine
        if machine is None or way is None:
            return None, None
        return machine.states.get(str(record.attributes.get(STATE_ATTRIBUTE))), machine.states[
            way.target
        ]

    def _required(self, case: Case, model: Model) -> None:
        type_, way, step = case.type(model), case.transition, case.step
        needed = [*(way.requires if way else ()), *(step.requires if step else ())]
        needed += type_.requires.get(way.name, ()) if way else ()
        missing = [
            name
            for name in dict.fromkeys(needed)
            if (
                not case.linked(model, name)
                if name[0].isupper()
                else case.value(name) in (None, "") and case.inputs.get(name) in (None, "")
            )
        ]
        if missing:
            words = ", ".join(_label(model, name) for name in missing)
            case.refuse("required", f"it needs {words}", missing=missing)

    def entered(self, case: Case, room: Room) -> list[Operation]:
        """What follows at once from the state a process has entered: timers begin anew; a state of
        approval begins without votes, and is left again where no stage asks for one."""
        way = case.transition
        machine = case.type(room.model).state_machine
        if way is None or machine is None or FIRED_TIMERS not in case.type(room.model).attributes:
            return []
        operations: list[Operation] = []
        begun = {n: None for n in (FIRED_TIMERS, "escalation") if n in case.record.attributes}
        approval = machine.states[way.target].approval
        if approval and "votes" in case.record.attributes:
            begun["votes"] = None
        if begun:
            operations.append(Update(case.record.id, begun))
        if approval and not stages(room, case.becoming):
            granted = machine.transitions[approval.granted]
            operations.append(Update(case.record.id, {STATE_ATTRIBUTE: granted.target}))
        return operations

    def stop(self, refusals: Sequence[Refusal]) -> None:
        """Raise what refuses: `NotAllowedError` where it is the person, `OutdatedError` where it is nothing
        but what others have changed since, `RefusedError` else."""
        if not refusals:
            return
        if refusals[0].code == "role":
            by_order = "orders" in refusals[0].detail
            raise NotAllowedError(
                f"{refusals[0].name}: {refusals[0].message}.",
                "`cmdb order new` drafts one." if by_order else "Somebody who has that role may.",
            )
        if all(refusal.since for refusal in refusals):
            raise OutdatedError(refusals)
        raise RefusedError(refusals)

    # -- votes ----------------------------------------------------------------------------------------

    def vote(
        self,
        id: str,
        actor: str,
        decision: str,
        comment: str = "",
        *,
        expected: int | None = None,
    ) -> int:
        """Approve or reject what a process asks; the last vote needed moves it on. Gives the revision.

        Raises
        ------
        RefusedError
            It is not in approval.
        NotAllowedError
            This person is not asked, has voted already, or made the request.
        ConflictError
            Somebody else voted, or changed it, at the same time.
        """

        def work() -> Decision:
            process = self.store.record(id)
            if expected is not None and process.revision != expected:
                raise self.store.conflict(StaleError(id, expected, process.revision))
            room = self.room(actor, process)
            machine = room.model.record_types[process.type].state_machine
            state = str(process.attributes.get(STATE_ATTRIBUTE))
            approval = machine.states[state].approval if machine and state else None
            if approval is None or machine is None:
                raise RefusedError(
                    [Refusal(id, process.name, "state", f"it is {state}, not in approval")]
                )
            stage = open_stage(stages(room, process))
            assert stage is not None, "a state of approval is left when its last stage is granted"
            person = self._voter(room.actor, process, stage)
            vote = {
                "stage": stage.name,
                "by": room.actor.id,
                "for": person,
                "decision": decision,
                "at": self.clock().isoformat(),
                **({"comment": comment} if comment else {}),
            }
            voted = process._replace(
                attributes={
                    **process.attributes,
                    "votes": [*(process.attributes.get("votes") or []), vote],
                }
            )
            operations: list[Operation] = [Update(id, {"votes": voted.attributes["votes"]})]
            after = stages(room, voted)
            left = open_stage(after)
            outcome = None
            if left is None:
                outcome = approval.granted
            elif left.refused:
                outcome = approval.refused
            if outcome is not None:
                way = machine.transitions[outcome]
                case = self.case(process, way, room, {}, {})
                self.settle([case], room, system=True)
                self.stop(case.refusals)
                operations += case.operations()
                operations += [o for o in self.entered(case, room) if "votes" not in o.attributes]  # type: ignore[union-attr]
            word = "approved" if decision == APPROVE else "rejected"
            text = f"{process.attributes.get('number')} {word}: {stage.name}"
            return Decision(
                operations, f"{text}: {comment}" if comment else text, {id: process.revision}
            )

        if decision not in (APPROVE, REJECT):
            raise RequestError(f"{decision!r} is no vote.", f"Vote {APPROVE} or {REJECT}.")
        return self.decide(actor, work)[1]

    def _voter(self, actor: Actor, process: Record, stage: Stage) -> str:
        """In whose name the actor votes."""
        if process.attributes.get("requested_by") == actor.id:
            raise NotAllowedError(
                f"{actor.record.name} asked for {process.name} and does not approve it.",
                "Somebody else must.",
            )
        waiting = [id for id in actor.ids if id in stage.waiting_for]
        if not waiting:
            voted = any(id in stage.people for id in actor.ids)
            why = "has voted already" if voted else f"is not asked: {stage.declared.role}"
            where = f" of {stage.organisation.name}" if stage.organisation and not voted else ""
            raise NotAllowedError(
                f"{process.name}, {stage.declared.label.en}: {actor.record.name} {why}{where}.",
                "`cmdb order show` says who is asked.",
            )
        return waiting[0]


def _is_process(model: Model, record: Record) -> bool:
    return "ProcessRecord" in model.record_types[record.type].ancestors


def _label(model: Model, name: str) -> str:
    if name[0].isupper():
        type_, direction = model.direction(name)
        label = type_.label if direction == "out" else type_.inverse_label
        return f"{name} ({label.zh})"
    attribute = model.attributes.get(name)
    return f"{name} ({attribute.label.zh})" if attribute else name
