"""Orders: processes with a procedure, from the draft to the last device.

An order concerns devices; each goes through the steps of the procedure. Carrying a step out commits the
device's state, place, organisation and relationships, what was done, and the order's own progress together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from cmdb.change_sets import Create, Operation, Relate, Unrelate, Update
from cmdb.errors import NotFoundError
from cmdb.ids import new_id
from cmdb.queries import Query, Sort
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.approvals import CARRY_OUT
from lifecycle.cases import Case, Room
from lifecycle.engine import Decision, Engine
from lifecycle.items import (
    CONCERNS,
    DONE,
    DROPPED,
    OPEN,
    PAGE,
    Item,
    items,
    next_step,
    with_links,
)
from lifecycle.procedures import checklist_for
from lifecycle.refusals import NotAllowedError, Refusal, RefusedError, RequestError
from schema.kinds import is_id
from schema.model import PROVENANCE, STATE_ATTRIBUTE
from schema.processes import ProcedureDeclaration

TOGETHER: Final = "together"
MOST_REFUSALS: Final = 1_000
"""Refusals that are kept of one execution; the others are counted."""


@dataclass
class Carried:
    """What carrying out came to.

    Attributes
    ----------
    done
        How many records went through the step.
    refused
        How many did not; the first of their reasons are in ``refusals``.
    revision
        Of the last commit.
    """

    step: str = ""
    done: int = 0
    refused: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    overridden: int = 0
    revision: int = 0

    def add(self, case: Case) -> None:
        if case.refusals:
            self.refused += 1
            self.refusals += case.refusals[: MOST_REFUSALS - len(self.refusals)]
        else:
            self.done += 1
            self.overridden += bool(case.overridden)


class Orders:
    """The door to orders.

    Parameters
    ----------
    engine
        Decides and commits.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def store(self) -> GraphStore:
        return self.engine.store

    def find(self, text: str) -> Record:
        """An order by number or id.

        Raises
        ------
        NotFoundError
        """
        for attribute in ("number", "id") if is_id(text) else ("number",):
            query = Query("ProcessRecord", {attribute: {"eq": text}}, first=1)
            if found := self.store.find(query).records:
                return found[0]
        raise NotFoundError(f"There is no order {text!r}.", "`cmdb order list` lists them.")

    def procedure(self, order: Record) -> ProcedureDeclaration:
        """How orders of its type go.

        Raises
        ------
        RequestError
            It is a record without a procedure.
        """
        procedure = self.store.model.record_types[order.type].procedure
        if procedure is None:
            raise RequestError(
                f"{order.name} is a {order.type}, which has no procedure.", "Name an order."
            )
        return procedure

    # -- drafting -------------------------------------------------------------------------------------

    def new(
        self,
        type_: str,
        actor: str,
        attributes: Mapping[str, Any] = {},
        devices: Iterable[str | tuple[str, Mapping[str, Any]]] = (),
        reason: str = "",
    ) -> Record:
        """A draft of an order; gives it with its number.

        Parameters
        ----------
        attributes
            Of the order; its organisation is that of the person who asks, unless given.
        devices
            Ids, or ids with details: inputs for that device alone, such as place and rack position.

        Raises
        ------
        RequestError
            The type has no procedure, or a device is named twice.
        """
        record_type = self.store.model.record_type(type_)
        if record_type.procedure is None or record_type.abstract:
            known = [
                t.name
                for t in self.store.model.record_types.values()
                if t.procedure and not t.abstract
            ]
            raise RequestError(f"{type_} is no type of order.", f"There are: {', '.join(known)}.")
        prefix, wanted = record_type.procedure.prefix, list(devices)
        id = new_id()

        def work() -> Decision:
            room = self.engine.room(actor)
            number = self.number(prefix)
            given = {
                "organisation": room.actor.record.attributes.get("organisation"),
                "requested_by": room.actor.id,
                "name": f"{record_type.label.zh} {number}",
                **{n: v for n, v in attributes.items() if v is not None},
                "number": number,
            }
            operations: list[Operation] = [Create(type_, given, id)]
            operations += self._added(id, wanted)
            return Decision(operations, f"{number} drafted{f': {reason}' if reason else ''}")

        self.engine.decide(actor, work)
        return self.store.record(id)

    def number(self, prefix: str) -> str:
        """The next number of a prefix in this year: ``TY-2026-000012``."""
        begin = f"{prefix}-{self.engine.clock().year}-"
        query = Query(
            "ProcessRecord", {"number": {"prefix": begin}}, sort=[Sort("number", True)], first=1
        )
        last = self.store.find(query).records
        count = int(last[0].attributes["number"].removeprefix(begin)) if last else 0
        return f"{begin}{count + 1:06}"

    def _added(
        self, order: str, devices: Iterable[str | tuple[str, Mapping[str, Any]]]
    ) -> list[Operation]:
        operations: list[Operation] = []
        seen: set[str] = set()
        for device in devices:
            id, details = (device, {}) if isinstance(device, str) else device
            if id in seen:
                raise RequestError(f"The device {id} is named twice.", "Name each once.")
            seen.add(id)
            said: dict[str, Any] = {"outcome": OPEN}
            if details:
                said["details"] = dict(details)
            operations.append(Relate(order, CONCERNS, id, said))
        return operations

    def add(
        self,
        order: str,
        actor: str,
        devices: Iterable[str | tuple[str, Mapping[str, Any]]],
    ) -> int:
        """Add devices to a draft, or give other details to those it has; gives the revision."""
        wanted = list(devices)

        def work() -> Decision:
            record = self._draft(order, actor)
            text = f"{record.attributes['number']}: {len(wanted)} added"
            return Decision(self._added(order, wanted), text, {order: record.revision})

        return self.engine.decide(actor, work)[1]

    def remove(self, order: str, actor: str, devices: Iterable[str]) -> int:
        """Take devices off a draft; gives the revision."""
        wanted = list(devices)

        def work() -> Decision:
            record = self._draft(order, actor)
            operations = [Unrelate(order, CONCERNS, id) for id in wanted]
            text = f"{record.attributes['number']}: {len(wanted)} taken off"
            return Decision(operations, text, {order: record.revision})

        return self.engine.decide(actor, work)[1]

    def _draft(self, order: str, actor: str) -> Record:
        """An order that is still a draft of the actor's."""
        record = self.store.record(order)
        room = self.engine.room(actor)
        machine = self.store.model.record_types[record.type].state_machine
        state = record.attributes.get(STATE_ATTRIBUTE)
        if machine is None or state != machine.initial:
            raise RefusedError(
                [Refusal(order, record.name, "state", f"it is {state}, no longer a draft")]
            )
        organisation = record.attributes.get("organisation")
        if room.directory.may(room.actor, ("requester",), record, organisation) is None:
            raise NotAllowedError(
                f"{record.name} is somebody else's draft.", "Its requester may change it."
            )
        return record

    # -- carrying out ---------------------------------------------------------------------------------

    def execute(
        self,
        order: str,
        actor: str,
        devices: Sequence[str] | None = None,
        *,
        step: str | None = None,
        inputs: Mapping[str, Any] = {},
        details: Mapping[str, Mapping[str, Any]] = {},
        overrides: Mapping[str, str] = {},
        effective_on: date | None = None,
        dry_run: bool = False,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Carried:
        """Take devices through the step that comes next for them.

        An order that is executed device by device goes on past those that are refused, and says why;
        one that is executed together takes all or none. Either way what is done stays done, and the
        same call goes on with the rest.

        Parameters
        ----------
        devices
            Ids; all that are open if None.
        step
            Only those for which this step is next; by default the first step that any open one has
            before it.
        inputs, details
            For all, and by device: place, rack_position, serial_read, checked …
        overrides
            Guard -> reason.
        dry_run
            Say what would be refused, were it approved; commit nothing.
        progress
            Called with the number of devices looked at.

        Raises
        ------
        RefusedError
            The order is not to be carried out now; or, executed together, a device is refused.
        NotAllowedError
            This person may not take that step.
        ConflictError
            Somebody else carried it out, or changed the order, at the same time.
        """
        record = self.store.record(order)
        procedure = self.procedure(record)
        chosen = step or self.next_step(order, devices)
        if chosen not in procedure.steps:
            known = ", ".join(procedure.steps)
            raise RequestError(f"{record.name} has no step {chosen!r}.", f"There are: {known}.")
        carried = Carried(chosen)
        whole = record.attributes.get("execution") == TOGETHER
        batches = self._batches(order, devices, PAGE if not whole else None)
        seen = 0
        for ids in batches:
            outcome = self._carry(
                order, actor, ids, chosen, whole, inputs, details, overrides, effective_on, dry_run
            )
            cases, revision = outcome
            for case in cases:
                carried.add(case)
            carried.revision = revision or carried.revision
            seen += len(ids)
            progress(seen)
        return carried

    def next_step(self, order: str, devices: Sequence[str] | None = None) -> str:
        """The first step of the procedure that an open item has before it.

        Raises
        ------
        RefusedError
            There is none.
        NotFoundError
            The order does not concern one of the devices.
        """
        record = self.store.record(order)
        procedure = self.procedure(record)
        found = next_step(self.store, order, procedure, devices)
        if found is None and devices:
            self._items(order, devices, next(iter(procedure.steps)), procedure)
        if found is None:
            raise RefusedError([Refusal(order, record.name, "step", "nothing is left to do in it")])
        return found

    def _batches(
        self, order: str, devices: Sequence[str] | None, size: int | None
    ) -> Iterator[list[str]]:
        """Ids of the devices, in batches that are committed together."""
        found: list[str] = []
        pages: Iterable[list[str]] = (
            [[*dict.fromkeys(devices)]]
            if devices is not None
            else (
                [i.record.id for i in page if i.outcome == OPEN]
                for page in items(self.store, order)
            )
        )
        for page in pages:
            found += page
            while size is not None and len(found) >= size:
                yield found[:size]
                found = found[size:]
        if found:
            yield found

    def _carry(
        self,
        order: str,
        actor: str,
        ids: Sequence[str],
        step_name: str,
        whole: bool,
        inputs: Mapping[str, Any],
        details: Mapping[str, Mapping[str, Any]],
        overrides: Mapping[str, str],
        effective_on: date | None,
        dry_run: bool,
    ) -> tuple[list[Case], int]:
        """One batch: decided and committed together."""

        def work() -> Decision:
            process = self.store.record(order)
            room = self.engine.room(actor, process)
            procedure = self.procedure(process)
            room.going = frozenset(ids)
            if not dry_run:
                self._under_way(process, room)
            given = {
                **{n: v for n, v in process.attributes.items() if n not in ("name", PROVENANCE)},
                "effective_on": effective_on or process.attributes.get("effective_on"),
            }
            found = self._items(order, ids, step_name, procedure)
            cases = [
                self._case(item, step_name, procedure, room, given, inputs, details, overrides)
                for item in found
            ]
            self.engine.settle(cases, room)
            refused = [r for case in cases for r in case.refusals]
            if refused and all(r.code == "role" for r in refused) and len(refused) == len(cases):
                self.engine.stop(refused)
            if whole and refused and not dry_run:
                self.engine.stop(refused)
            going = [case for case in cases if not case.refusals]
            operations: list[Operation] = []
            if going and not dry_run:
                operations += self._started(process, room)
            for case in going if not dry_run else ():
                operations += case.operations()
                operations.append(self._taken(order, case, room, procedure))
            text = f"{process.attributes['number']} {step_name}"
            return Decision(
                operations,
                f"{text}: {inputs['reason']}" if inputs.get("reason") else text,
                {},
                {i.link.key: i.link.revision for i in found},
                cases,
                effective_on or process.attributes.get("effective_on"),
            )

        decision, revision = self.engine.decide(actor, work)
        return decision.result, revision if decision.operations else 0

    def _items(
        self, order: str, ids: Sequence[str], step: str, procedure: ProcedureDeclaration
    ) -> list[Item]:
        """The items of these devices for which a step is next.

        Raises
        ------
        NotFoundError
            The order does not concern one of them.
        """
        found: list[Item] = []
        for begin in range(0, len(ids), PAGE):
            part = ids[begin : begin + PAGE]
            records = self.store.get(part)
            there = with_links(self.store, order, [records[i] for i in part if i in records], True)
            strangers = {*part} - {item.record.id for item in there}
            if strangers:
                name = next((records[i].name for i in strangers if i in records), min(strangers))
                raise NotFoundError(
                    f"The order does not concern {name}.", "`cmdb order show` lists its devices."
                )
            found += there
        if len(found) == 1 and (following := found[0].next_step(procedure)) != step:
            what = f"its next step is {following}" if following else "it is done"
            name = found[0].record.name
            raise RefusedError([Refusal(found[0].record.id, name, "step", f"{what}, not {step}")])
        return [item for item in found if item.next_step(procedure) == step]

    def _case(
        self,
        item: Item,
        step_name: str,
        procedure: ProcedureDeclaration,
        room: Room,
        given: Mapping[str, Any],
        inputs: Mapping[str, Any],
        details: Mapping[str, Mapping[str, Any]],
        overrides: Mapping[str, str],
    ) -> Case:
        step = procedure.steps[step_name]
        said = {**given, **item.details, **inputs, **details.get(item.record.id, {})}
        way, refusals = None, []
        if step.transition is not None:
            try:
                way = self.engine.way(item.record, step.transition)
            except RefusedError as error:
                refusals = list(error.refusals)
        case = self.engine.case(
            item.record,
            way,
            room,
            said,
            overrides,
            links=item.links,
            step=step,
            step_name=step_name,
            item=item.link,
        )
        case.refusals += refusals
        return case

    def _under_way(self, process: Record, room: Room) -> None:
        """Only what is approved, or begun, is carried out."""
        machine = room.model.record_types[process.type].state_machine
        state = str(process.attributes.get(STATE_ATTRIBUTE))
        stay = machine.states.get(state) if machine else None
        if stay is None or not stay.operational or stay.approval is not None:
            raise RefusedError(
                [Refusal(process.id, process.name, "state", f"it is {state}, not approved")]
            )

    def _started(self, process: Record, room: Room) -> list[Operation]:
        """The first step taken moves the order on."""
        machine = room.model.record_types[process.type].state_machine
        state = str(process.attributes.get(STATE_ATTRIBUTE))
        way = machine.transitions.get("start") if machine else None
        if way is None or state not in way.source:
            return []
        case = self.engine.case(process, way, room, {}, {})
        return [*case.operations(), *self.engine.entered(case, room)]

    def _taken(
        self, order: str, case: Case, room: Room, procedure: ProcedureDeclaration
    ) -> Operation:
        """What was done, on the relationship between order and device."""
        assert case.item is not None
        kept = {n: v for n, v in case.item.attributes.items() if n != PROVENANCE}
        taken: dict[str, Any] = {
            "step": case.step_name,
            "by": room.actor.id,
            "at": self.engine.clock().isoformat(),
        }
        for name in ("serial_read", "reason"):
            if case.inputs.get(name):
                taken[name] = str(case.inputs[name])
        if (sop := checklist_for(case, room)) is not None:
            checked = case.inputs.get("checked") or []
            points = sop.attributes.get("checklist", []) if checked == "all" else list(checked)
            taken["checked"] = {"procedure": sop.id, "points": points}
        if case.overridden:
            taken["overrides"] = case.overridden
        kept["steps_taken"] = [*(kept.get("steps_taken") or []), taken]
        last = case.step_name == list(procedure.steps)[-1]
        return Relate(order, CONCERNS, case.record.id, {**kept, "outcome": DONE if last else OPEN})

    def drop(self, order: str, actor: str, devices: Sequence[str], reason: str) -> int:
        """Take devices that nothing was done with out of an order under way; gives the revision.

        Raises
        ------
        RefusedError
            Something was done with one of them, or there is no reason.
        """

        def work() -> Decision:
            process = self.store.record(order)
            room = self.engine.room(actor, process)
            procedure = self.procedure(process)
            self._under_way(process, room)
            roles = ("requester", "assignee", "asset_manager")
            organisation = process.attributes.get("organisation")
            if room.directory.may(room.actor, roles, process, organisation) is None:
                raise NotAllowedError(
                    f"{room.actor.record.name} is no {' or '.join(roles)} there.",
                    "Somebody who is may take devices off an order.",
                )
            first = next(iter(procedure.steps))
            if not reason:
                raise RefusedError([Refusal(order, process.name, "required", "it needs a reason")])
            found = self._items(order, devices, first, procedure)
            operations: list[Operation] = []
            for item in found:
                kept = {n: v for n, v in item.link.attributes.items() if n != PROVENANCE}
                operations.append(Relate(*item.link.key, {**kept, "outcome": DROPPED}))
            text = f"{process.attributes['number']} dropped {len(found)}: {reason}"
            return Decision(
                operations,
                text,
                {order: process.revision},
                {i.link.key: i.link.revision for i in found},
            )

        return self.engine.decide(actor, work)[1]

    # -- what people add --------------------------------------------------------------------------------

    def comment(self, order: str, actor: str, text: str) -> int:
        """Say something about a process; gives the revision."""

        def work() -> Decision:
            process, room = self.store.record(order), self.engine.room(actor)
            said = {"by": room.actor.id, "at": self.engine.clock().isoformat(), "text": text}
            comments = [*(process.attributes.get("comments") or []), said]
            number = process.attributes.get("number") or process.name
            return Decision([Update(order, {"comments": comments})], f"{number} comment: {text}")

        return self.engine.decide(actor, work)[1]

    def reassign(self, order: str, actor: str, assignee: str, reason: str = "") -> int:
        """Give a process to another person to carry out; gives the revision.

        Raises
        ------
        NotAllowedError
        """

        def work() -> Decision:
            process, room = self.store.record(order), self.engine.room(actor)
            roles = ("assignee", "asset_manager", "administrator")
            organisation = process.attributes.get("organisation")
            if room.directory.may(room.actor, roles, process, organisation) is None:
                raise NotAllowedError(
                    f"{room.actor.record.name} may not give {process.name} to others.",
                    f"These may: {', '.join(roles)}.",
                )
            person = room.directory.actor(assignee).id
            if not room.directory.able(person, CARRY_OUT, organisation):
                why = f"{assignee} is no {' or '.join(CARRY_OUT)} there"
                raise RefusedError([Refusal(order, process.name, "assignee_able", why)])
            number = process.attributes.get("number") or process.name
            text = f"{number} given to {assignee}{f': {reason}' if reason else ''}"
            return Decision([Update(order, {"assignee": person})], text, {order: process.revision})

        return self.engine.decide(actor, work)[1]
