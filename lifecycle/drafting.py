"""Orders as papers: drafting them, their numbers, what people say about them, whom they are given to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cmdb.change_sets import Create, Operation, Relate, Unrelate, Update
from cmdb.errors import NotFoundError
from cmdb.queries import Query, Sort
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.approvals import CARRY_OUT
from lifecycle.cases import Room
from lifecycle.deciding import Decision
from lifecycle.engine import Engine
from lifecycle.items import CONCERNS, OPEN
from lifecycle.naming import PROCESS
from lifecycle.refusals import NotAllowedError, Refusal, RefusedError, RequestError
from schema.kinds import is_id
from schema.model import STATE_ATTRIBUTE
from schema.processes import ProcedureDeclaration


class Drafting:
    """Orders as papers: found, drafted, commented, given to somebody.

    Parameters
    ----------
    engine
        Decides and commits.

    Attributes
    ----------
    kind, command
        The type of processes that this is the door to, and what they are called at the command line.
    givers, takers
        The roles of those who may give a process to another person, and of those it may be given to.
    """

    kind = PROCESS
    command = "order"
    givers: Sequence[str] = ("assignee", "asset_manager", "administrator")
    takers: Sequence[str] = CARRY_OUT

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def store(self) -> GraphStore:
        return self.engine.store

    def find(self, text: str) -> Record:
        """A process of this kind by number or id.

        Raises
        ------
        NotFoundError
        """
        for attribute in ("number", "id") if is_id(text) else ("number",):
            query = Query(self.kind, {attribute: {"eq": text}}, first=1)
            if found := self.store.find(query).records:
                return found[0]
        raise NotFoundError(
            f"There is no {self.command} {text!r}.", f"`cmdb {self.command} list` lists them."
        )

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
            The type has no procedure, a device is named twice, or an attribute is one that is worked out.
        """
        record_type = self.store.model.record_type(type_)
        if record_type.procedure is None or record_type.abstract:
            known = [
                t.name
                for t in self.store.model.record_types.values()
                if t.procedure and not t.abstract
            ]
            raise RequestError(f"{type_} is no type of order.", f"There are: {', '.join(known)}.")
        self.refuse_managed(type_, attributes)
        wanted, id = list(devices), self.engine.next_id()

        def work() -> Decision:
            number, operations = self.drafted(
                self.engine.room(actor), type_, id, attributes, wanted
            )
            return Decision(operations, f"{number} drafted{f': {reason}' if reason else ''}")

        self.engine.decide(actor, work)
        return self.store.record(id)

    def refuse_managed(self, type_: str, attributes: Mapping[str, Any]) -> None:
        """Refuse attributes that only the product itself writes, where people give them.

        Raises
        ------
        RequestError
        """
        managed = sorted(self.store.model.record_type(type_).managed & attributes.keys())
        if managed:
            raise RequestError(
                f"Nobody says {', '.join(managed)}: it follows by itself.", "Leave it out."
            )

    def drafted(
        self,
        room: Room,
        type_: str,
        id: str,
        attributes: Mapping[str, Any] = {},
        devices: Iterable[str | tuple[str, Mapping[str, Any]]] = (),
        *,
        skip: int = 0,
    ) -> tuple[str, list[Operation]]:
        """The number of a new process, and what is to be committed for it, with all that it concerns.

        Parameters
        ----------
        skip
            So many others of its kind are made in the same change set before it.
        """
        record_type = self.store.model.record_type(type_)
        assert record_type.procedure is not None, "only a process with a procedure has numbers"
        number = self.number(record_type.procedure.prefix, skip)
        by_person = {
            "organisation": room.actor.record.attributes.get("organisation"),
            "requested_by": room.actor.id if room.actor.record.type else None,
        }
        given = {
            **{n: v for n, v in by_person.items() if v is not None},
            "name": f"{record_type.label.zh} {number}",
            **{n: v for n, v in attributes.items() if v is not None},
            "number": number,
        }
        return number, [Create(type_, given, id), *self._added(id, devices)]

    def number(self, prefix: str, skip: int = 0) -> str:
        """The next number of a prefix in this year, or the one so many later: ``TY-2026-000012``."""
        begin = f"{prefix}-{self.engine.clock().year}-"
        query = Query(
            "ProcessRecord", {"number": {"prefix": begin}}, sort=[Sort("number", True)], first=1
        )
        last = self.store.find(query).records
        count = int(last[0].attributes["number"].removeprefix(begin)) if last else 0
        return f"{begin}{count + 1 + skip:06}"

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
            organisation = process.attributes.get("organisation")
            if room.directory.may(room.actor, self.givers, process, organisation) is None:
                raise NotAllowedError(
                    f"{room.actor.record.name} may not give {process.name} to others.",
                    f"These may: {', '.join(self.givers)}.",
                )
            person = room.directory.actor(assignee).id
            if not room.directory.able(person, self.takers, organisation):
                why = f"{assignee} is no {' or '.join(self.takers)} there"
                raise RefusedError([Refusal(order, process.name, "assignee_able", why)])
            number = process.attributes.get("number") or process.name
            text = f"{number} given to {assignee}{f': {reason}' if reason else ''}"
            return Decision([Update(order, {"assignee": person})], text, {order: process.revision})

        return self.engine.decide(actor, work)[1]
