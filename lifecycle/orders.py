"""Orders: processes with a procedure, from the draft to the last device.

An order concerns devices; each goes through the steps of the procedure. Carrying a step out commits the
device's state, place, organisation and relationships, what was done, and the order's own progress together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from cmdb.change_sets import Operation, Relate
from cmdb.errors import NotFoundError
from cmdb.records import Record
from lifecycle.cases import Case, Room
from lifecycle.deciding import Decision
from lifecycle.drafting import Drafting
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
from lifecycle.naming import ORDER
from lifecycle.procedures import checklist_for
from lifecycle.refusals import NotAllowedError, Refusal, RefusedError, RequestError
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


class Orders(Drafting):
    """The door to orders, from the draft to the last device."""

    kind = ORDER

    def procedure(self, order: Record) -> ProcedureDeclaration:
        """The steps that orders of its type go through.

        Raises
        ------
        RequestError
            It is a record that goes through none.
        """
        procedure = super().procedure(order)
        if not procedure.steps:
            raise RequestError(
                f"{order.name} is a {order.type}, which is not carried out in steps.",
                "Name an order.",
            )
        return procedure

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
        before = {} if dry_run else self.engine.earlier()
        done = self._done_in(order, before.values())
        if done:
            # A repeated request goes on with what is left of the step that it began, and with no other.
            step = next(iter(done.values()))
            devices = self._left(order, devices, step, procedure)
        chosen = step or self.next_step(order, devices)
        if chosen not in procedure.steps:
            known = ", ".join(procedure.steps)
            raise RequestError(f"{record.name} has no step {chosen!r}.", f"There are: {known}.")
        carried = Carried(chosen, len(done), revision=max(before.values(), default=0))
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

    def _done_in(self, order: str, revisions: Iterable[int]) -> dict[str, str]:
        """Device -> the step that some revisions took it through."""
        found: dict[str, str] = {}
        for number in revisions:
            for commit in self.store.feed(number - 1, number):
                for link in commit.changes.relationships:
                    taken = link.after.attributes.get("steps_taken") if link.after else None
                    if taken and link.key.type == CONCERNS and link.key.source == order:
                        found[link.key.target] = taken[-1]["step"]
        return found

    def _left(
        self,
        order: str,
        devices: Sequence[str] | None,
        step: str,
        procedure: ProcedureDeclaration,
    ) -> list[str]:
        """The devices, among some if they are named, for which a step is next."""
        return [
            item.record.id
            for page in items(self.store, order)
            for item in page
            if item.next_step(procedure) == step and (devices is None or item.record.id in devices)
        ]

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
        kept = case.item.said
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
            operations = [
                Relate(*item.link.key, {**item.said, "outcome": DROPPED}) for item in found
            ]
            text = f"{process.attributes['number']} dropped {len(found)}: {reason}"
            return Decision(
                operations,
                text,
                {order: process.revision},
                {i.link.key: i.link.revision for i in found},
            )

        return self.engine.decide(actor, work)[1]
