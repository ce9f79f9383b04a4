"""Orders and transitions: drafted, submitted, voted on, carried out. Who acts is always who asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from enum import Enum
from typing import Any, Final, NamedTuple

import strawberry

from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, argument, input_field, make_type, model_field
from api.graphql.lifecycle.acting import engine_of, process, product, seen, telling
from api.graphql.lifecycle.orders import CI, EXECUTION, carried, carried_fields
from api.graphql.mutations.doing import KEY, Ids, Work, doing
from api.graphql.records import Records
from api.graphql.scalars import JSON, Date, Int64
from api.graphql.views import View
from cmdb.queries import PAGE_LIMIT, Query
from cmdb.store import GraphStore
from itsm.services import service_of
from lifecycle.drafting import Drafting
from lifecycle.engine import Engine
from lifecycle.naming import ORDER, process_type, read_inputs
from lifecycle.orders import Orders
from lifecycle.refusals import RequestError
from schema.kinds import parse_date
from schema.model import Model, RecordType

UNSAID: Final = ("requested_by",)
"""Attributes of an order that follow from who asks."""

_REASON = argument("reason", str | None)
_ORDER = argument("order", strawberry.ID, "Its id.")


@strawberry.enum(description="What somebody who is asked says to an order.")
class VoteDecision(Enum):
    APPROVE = "approve"
    REJECT = "reject"


DEVICE: Final = make_type(
    "OrderDeviceInput",
    [
        input_field("id", strawberry.ID),
        input_field("details", JSON, "Inputs for this device alone: `{rack_position: 12}`."),
    ],
    input_=True,
)
DEVICES = [
    argument("devices", list[DEVICE] | None),  # type: ignore[valid-type]
    argument("where", JSON | None, "All devices that match this filter, too."),
    argument("deviceType", str | None, "Only those of this type that match."),
]


class Ordered(NamedTuple):
    """A process, or a record, as it is now."""

    revision: int
    repeated: bool
    view: View
    graphql_type: str = "Ordered"


class Executed(NamedTuple):
    """What carrying out came to."""

    step: str
    done: int
    refused: int
    overridden: int
    revision: int
    refusals: Sequence[Any]
    repeated: bool
    view: View
    graphql_type: str = "Carried"


Acting = Callable[[Any, str, Mapping[str, Any]], int]
"""What is done to a process by way of its service, by whom, with what is given; gives the revision."""
Service = Callable[[Engine, RecordType], Drafting]


def on_process(
    permission: Permission, act: Acting, key: str = "order", service: Service = service_of
) -> Any:
    """The work of a mutation that does something to a process."""

    def work(context: Context, ids: Ids, given: Mapping[str, Any]) -> Ordered:
        with telling(context):
            record = process(context, given[key], permission)
            engine, me = engine_of(context, product(context, permission), ids)
            type_ = context.store.model.record_types[record.type]
            revision = act(service(engine, type_), me, {**given, key: record.id})
            return ordered(context, engine, record.id, revision)

    return work


def orders_of(engine: Engine, _: RecordType) -> Orders:
    """What only orders have; of others it is told that they have no steps."""
    return Orders(engine)


def ordered(context: Context, engine: Any, id: str, revision: int) -> Ordered:
    """A record as it is now; of who no longer sees it as they saw it last."""
    found = context.store.get([id]).get(id) or engine.store.record(id)._replace(
        attributes={"name": ""}
    )
    return Ordered(revision, engine.repeated, context.view(found))


def _day(text: str | None) -> date | None:
    try:
        return parse_date(text) if text else None
    except ValueError as error:
        raise RequestError(f"The day {error}.", "Write 2026-03-31.") from None


def named(
    context: Context, kind: str, given: Mapping[str, Any]
) -> list[tuple[str, Mapping[str, Any]]]:
    """The devices that are given, by id and by filter, each once, with details; all of them are seen."""
    model = context.store.model
    found = {
        str(d["id"]): read_details(model, d.get("details") or {})
        for d in given.get("devices") or ()
    }
    seen(context, found)
    if given.get("where") is not None:
        for id in _matching(context.store, kind, given["where"], given.get("deviceType")):
            found.setdefault(id, {})
    return list(found.items())


def read_details(model: Model, given: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs as JSON, checked."""
    said = read_inputs(model, given)
    known = {n: v for n, v in said.items() if n in model.attributes}
    return {**said, **model.to_json(known)}


def _matching(store: GraphStore, kind: str, where: Any, type_: str | None) -> Iterator[str]:
    procedure = store.model.record_types[kind].procedure
    concerned = {*(procedure.concerns if procedure else (CI,))}
    after: str | None = None
    while True:
        page = store.find(Query(type_ or CI, where, first=PAGE_LIMIT, after=after))
        for record in page.records:
            if not concerned.isdisjoint(store.model.record_types[record.type].ancestors):
                yield record.id
        after = page.cursor
        if after is None:
            return


def references(model: Model, attributes: Mapping[str, Any]) -> list[str]:
    """The ids that some values name."""
    values = [v for n, v in attributes.items() if n in model.references and v is not None]
    return [id for v in values for id in (v if isinstance(v, list) else [v])]


def said(context: Context, type_: RecordType, given: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that are given for a new process; all that they name is seen.

    Raises
    ------
    RequestError
        One follows from who asks, or is worked out.
    """
    attributes = dict(given.get("attributes") or {})
    for name in attributes:
        if name in UNSAID or context.store.model.attribute(type_.name, name).managed:
            raise RequestError(f"Nobody says {name} of a {type_.name}.", "Leave it out.")
    seen(context, references(context.store.model, attributes))
    return attributes


def drafting(type_of: Callable[[Model, str], RecordType]) -> Work:
    """The work of a mutation that drafts processes; `type_of` gives the type that a text means."""

    def draft(context: Context, ids: Ids, given: Mapping[str, Any]) -> Ordered:
        type_ = type_of(context.store.model, given.get("type") or "")
        attributes = said(context, type_, given)
        devices = named(context, type_.name, given)
        with telling(context):
            inner = product(context, Permission.ORDER)
            engine, me = engine_of(context, inner, ids)
            own = engine.room(me).actor.record.attributes.get("organisation")
            at = attributes.get("organisation") or own
            product(context, Permission.ORDER, [at] if at else ())
            made = service_of(engine, type_).new(
                type_.name, me, attributes, devices, given.get("reason") or ""
            )
            return ordered(context, engine, made.id, made.revision)

    return draft


def execute(context: Context, ids: Ids, given: Mapping[str, Any]) -> Executed:
    with telling(context):
        record = process(context, given["order"], Permission.ORDER)
        seen(context, references(context.store.model, given.get("inputs") or {}))
        engine, me = engine_of(context, product(context, Permission.ORDER), ids)
        dry = bool(given.get("dryRun"))
        on = _day(given.get("effectiveOn"))
        found = carried(context, Orders(engine), record.id, me, given, dry_run=dry, effective_on=on)
        after = ordered(context, engine, record.id, found.revision)
        return Executed(
            found.step, found.done, found.refused, found.overridden, found.revision, found.refusals,
            engine.repeated, after.view,
        )  # fmt: skip


def transition(context: Context, ids: Ids, given: Mapping[str, Any]) -> Ordered:
    """What anybody may set takes the permission to write; what is governed, that to order."""
    store, id, name = context.store, given["record"], given["transition"]
    record = store.record(id)
    machine = store.model.record_types[record.type].state_machine
    way = machine.transitions.get(name) if machine else None
    permission = Permission.ORDER if way is None or way.governed else Permission.WRITE
    inputs = read_inputs(store.model, given.get("inputs") or {})
    seen(context, references(store.model, inputs))
    with telling(context):
        if "ProcessRecord" in store.model.record_types[record.type].ancestors:
            process(context, id, permission)
            inner = product(context, permission)
        else:
            inner = product(context, permission, records=[id])
        engine, me = engine_of(context, inner, ids)
        revision = engine.transition(
            id, name, me,
            reason=given.get("reason") or "",
            inputs=inputs,
            overrides=given.get("overrides") or {},
            expected=given.get("expectedRevision"),
            effective_on=_day(given.get("effectiveOn")),
        )  # fmt: skip
        return ordered(context, engine, id, revision)


def correct(context: Context, ids: Ids, given: Mapping[str, Any]) -> Ordered:
    id = given["record"]
    with telling(context):
        engine, me = engine_of(context, product(context, Permission.WRITE, records=[id]), ids)
        return ordered(context, engine, id, engine.correct(id, given["state"], me, given["reason"]))


def _move(name: str) -> Acting:
    return lambda service, me, given: service.engine.transition(
        given["order"], name, me, reason=given.get("reason") or ""
    )


def _complete(orders: Drafting, me: str, given: Mapping[str, Any]) -> int:
    return _move("complete_partly" if given.get("partly") else "complete")(orders, me, given)


def _vote(service: Drafting, me: str, given: Mapping[str, Any]) -> int:
    decision = getattr(given["decision"], "value", given["decision"])
    return service.engine.vote(given["order"], me, decision, given.get("comment") or "")


def add(context: Context, ids: Ids, given: Mapping[str, Any]) -> Ordered:
    record = process(context, given["order"], Permission.ORDER)
    devices = named(context, record.type, given)
    if not devices:
        raise RequestError("No device was given.", "Give devices, or a filter that matches some.")
    work = on_process(Permission.ORDER, lambda o, me, g: o.add(g["order"], me, devices))
    made: Ordered = work(context, ids, given)
    return made


def _ids(given: Mapping[str, Any]) -> list[str]:
    return [str(id) for id in given["devices"]]


def _results(records: Records) -> tuple[Any, Any]:
    after = [
        model_field(
            "repeated",
            bool,
            "Whether this request had been done before.",
            read=lambda o: o.repeated,
        ),
        model_field("record", records.lazy("Record"), "As it is now.", read=lambda o: o.view),
    ]
    success = make_type(
        "Ordered",
        [model_field("revision", Int64, read=lambda o: o.revision), *after],
        description="Something was done to a process or a record.",
    )
    carried_type = make_type(
        "Carried", [*carried_fields(), *after], description="A step was carried out."
    )
    union = records.results.union
    return union("OrderResult", success), union("ExecutionResult", carried_type)


def mutation_fields(records: Records) -> list[ModelField]:
    result, execution = _results(records)
    records.results.ordered = result
    devices = argument("devices", list[strawberry.ID])
    expected = argument("expectedRevision", Int64 | None, "The record's revision you have seen.")
    effective = argument("effectiveOn", Date | None, "The day on which it counts as done.")
    record = argument("record", strawberry.ID)
    fields: list[tuple[str, str, list[Any], Any]] = [
        (
            "transitionRecord",
            "Take a record through a transition of its state machine.",
            [record, argument("transition", str), argument("inputs", JSON | None), EXECUTION[-1], _REASON, expected, effective],
            transition,
        ),
        (
            "correctState",
            "Set right a state that was recorded wrongly, without guards and effects; for administrators.",
            [record, argument("state", str), argument("reason", str)],
            correct,
        ),
    ]  # fmt: skip
    if ORDER in records.model.record_types:
        fields += _of_orders(devices, effective)
    made = [
        model_field(name, result, text, arguments=[*arguments, KEY], resolve=doing(work))
        for name, text, arguments, work in fields
    ]
    if ORDER in records.model.record_types:
        made.append(
            model_field(
                "executeOrder",
                execution,
                "Take devices of an approved order through a step; those that are refused are told. "
                "Repeated under its key it goes on with what is left of that step.",
                arguments=[_ORDER, *EXECUTION, _REASON, effective, argument("dryRun", bool, default=False), KEY],
                resolve=doing(execute),
            )
        )  # fmt: skip
    return made


def _of_orders(devices: Any, effective: Any) -> list[tuple[str, str, list[Any], Any]]:
    order, approve = Permission.ORDER, Permission.APPROVE
    kind = argument("type", str, "CommissionOrder, or commission.")
    return [
        (
            "draftOrder",
            "A draft of an order, by you, in your organisation unless another is named.",
            [kind, argument("attributes", JSON | None, "Of the order, by the model's names."), *DEVICES, _REASON],
            drafting(process_type),
        ),
        ("addToOrder", "Add devices to your draft of an order or a change, or give other details.", [_ORDER, *DEVICES], add),
        (
            "removeFromOrder", "Take devices off your draft of an order or a change.", [_ORDER, devices],
            on_process(order, lambda o, me, g: o.remove(g["order"], me, _ids(g))),
        ),
        ("submitOrder", "Submit a draft for approval.", [_ORDER, _REASON], on_process(order, _move("submit"))),
        ("withdrawOrder", "Withdraw an order that is not begun.", [_ORDER, _REASON], on_process(order, _move("withdraw"))),
        ("reopenOrder", "Make a draft of a rejected order again.", [_ORDER, _REASON], on_process(order, _move("reopen"))),
        (
            "completeOrder", "Complete an order, all of whose devices are done; or partly, the others leave it.",
            [_ORDER, argument("partly", bool, default=False), _REASON], on_process(order, _complete),
        ),
        (
            "voteOnOrder", "Approve or reject an order, a change …, if you are asked.",
            [_ORDER, argument("decision", VoteDecision), argument("comment", str | None)],
            on_process(approve, _vote),
        ),
        (
            "assignOrder", "Give an order, a change … to a person to carry out.",
            [_ORDER, argument("person", str, "A user name or id."), _REASON],
            on_process(order, lambda o, me, g: o.reassign(g["order"], me, g["person"], g.get("reason") or "")),
        ),
        (
            "commentOnOrder", "Say something about an order, an incident, a change …", [_ORDER, argument("text", str)],
            on_process(order, lambda o, me, g: o.comment(g["order"], me, g["text"])),
        ),
        (
            "dropFromOrder", "Take devices that nothing was done with out of an order under way.",
            [_ORDER, devices, argument("reason", str)],
            on_process(order, lambda o, me, g: o.drop(g["order"], me, _ids(g), g["reason"]), service=orders_of),
        ),
    ]  # fmt: skip
