"""One order, or another process, with what it concerns, its stages and its next step. Lists: `listing`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import strawberry

from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.lifecycle.acting import engine_of, product, shown
from api.graphql.queries import page_of
from api.graphql.records import PAGE, Records, connection_type
from api.graphql.refusals import label_type, refusal_type
from api.graphql.scalars import JSON, DateTime, Int64
from api.graphql.views import Connection, View
from cmdb.queries import Query
from cmdb.store.base import Connected
from lifecycle.approvals import Stage, open_stage
from lifecycle.attachments import DOCUMENTED_BY, EVIDENCE
from lifecycle.desk import Desk, stages_of
from lifecycle.drafting import Drafting
from lifecycle.engine import Engine
from lifecycle.items import OPEN, Item, next_step, with_links
from lifecycle.naming import ORDER, read_inputs
from lifecycle.orders import Carried, Orders

CI: Final = "ConfigurationItem"


class Listing(Connection):
    """A page of what an order concerns."""

    __slots__ = ("items", "procedure")
    items: Mapping[str, Item]
    procedure: Any


class Detail(NamedTuple):
    """An order, looked at."""

    view: View
    context: Context

    @property
    def id(self) -> str:
        return self.view.record.id


class Asked(NamedTuple):
    """A stage, and the people of it that are seen."""

    stage: Stage
    open: bool
    seen: Mapping[str, View]
    organisation: View | None


async def _order(_: Any, info: Any, **given: Any) -> Detail | None:
    context: Context = info.context
    found = await context.call(lambda: Drafting(Engine(context.store)).find(given["of"]))
    return Detail(context.view(found), context)


# -- of one order -----------------------------------------------------------------------------------------


async def _items(detail: Detail, info: Any, **given: Any) -> Listing:
    context, first = detail.context, given.get("first")
    where: dict[str, Any] = {"CONCERNED_BY": {"id": {"eq": detail.id}}}
    size = PAGE if first is None else first
    query = Query(CI, where, first=size, after=given.get("after"), total=True)

    def work() -> Listing:
        page = context.store.find(query)
        found = with_links(context.store, detail.id, page.records, False)
        made = page_of(context, query, page)
        by_id = {item.record.id: item for item in found}
        records = [record for record in page.records if record.id in by_id]
        links = [by_id[record.id].link for record in records]
        listing = Listing(Connected(records, links, page.cursor, page.total), made.place)
        listing.items = by_id
        listing.procedure = context.store.model.record_types[detail.view.record.type].procedure
        return listing

    return await context.call(work)


async def _stages(detail: Detail, info: Any) -> list[Asked]:
    context = detail.context

    def work() -> list[Asked]:
        store = product(context, Permission.READ)
        stages = stages_of(Engine(store), store.record(detail.id))
        now = open_stage(stages)
        asked = {p for s in stages for p in s.people}
        asked |= {v[n] for s in stages for v in s.votes for n in ("by", "for")}
        asked |= {s.organisation.id for s in stages if s.organisation}
        seen = {i: context.view(r) for i, r in context.store.get(asked).items()} if asked else {}
        return [
            Asked(
                s, now is not None and s.name == now.name, seen,
                seen.get(s.organisation.id) if s.organisation else None,
            )
            for s in stages
        ]  # fmt: skip

    return await context.call(work)


async def _waits_for_me(detail: Detail, info: Any) -> str | None:
    context = detail.context

    def work() -> str | None:
        engine, me = engine_of(context, product(context, Permission.READ))
        return Desk(engine, me).asked(engine.store.record(detail.id))

    return await context.call(work)


async def _next_step(detail: Detail, info: Any) -> str | None:
    context = detail.context
    procedure = context.store.model.record_types[detail.view.record.type].procedure
    if procedure is None:
        return None
    return await context.call(lambda: next_step(context.store, detail.id, procedure))


async def _check(detail: Detail, info: Any, **given: Any) -> Carried:
    context = detail.context

    def work() -> Carried:
        engine, me = engine_of(context, product(context, Permission.READ))
        return carried(context, Orders(engine), detail.id, me, given, dry_run=True)

    return await context.call(work)


async def _evidence(detail: Detail, info: Any) -> list[View]:
    context = detail.context
    near = await context.call(lambda: context.store.neighbours([detail.id], [DOCUMENTED_BY], "out"))
    return [context.view(n.record) for n in near if n.record.type == EVIDENCE]


def carried(
    context: Context, orders: Orders, order: str, me: str, given: Mapping[str, Any], *, dry_run: bool,
    effective_on: Any = None,
) -> Carried:  # fmt: skip
    """Carry a step out, or only look; what refuses as it may be told."""
    model = context.store.model
    details = given.get("details") or {}
    inputs = read_inputs(model, given.get("inputs") or {})
    if given.get("reason"):
        inputs["reason"] = given["reason"]
    devices = given.get("devices")
    found = orders.execute(
        order,
        me,
        [str(id) for id in devices] if devices is not None else None,
        step=given.get("step"),
        inputs=inputs,
        details={id: read_inputs(model, said) for id, said in details.items()},
        overrides=given.get("overrides") or {},
        effective_on=effective_on,
        dry_run=dry_run,
    )
    found.refusals = shown(context, found.refusals)
    return found


# -- types ------------------------------------------------------------------------------------------------

EXECUTION: Final = [
    argument("devices", list[strawberry.ID] | None, "Ids; all that are open, if left out."),
    argument("step", str | None, "The first that a device has before it, if left out."),
    argument("inputs", JSON | None, "For all devices: `{place, rack_position, checked …}`."),
    argument("details", JSON | None, "Inputs by device: `{id: {serial_read …}}`."),
    argument("overrides", JSON | None, "Guard -> reason, of guards that are to be set aside."),
]


def carried_fields() -> list[ModelField]:
    """What carrying a step out came to."""
    return [
        model_field("step", str, read=lambda c: c.step),
        model_field("done", int, "How many devices went through.", read=lambda c: c.done),
        model_field("refused", int, "How many did not.", read=lambda c: c.refused),
        model_field(
            "overridden", int, "Of those done, with a guard aside.", read=lambda c: c.overridden
        ),
        model_field("revision", Int64 | None, read=lambda c: c.revision or None),
        model_field(
            "refusals",
            list[refusal_type()],  # type: ignore[misc]
            "The first thousand, each of one device.",
            read=lambda c: list(c.refusals),
        ),
    ]


def _stage_type(records: Records) -> type:
    people = records.lazy("Person")
    vote = make_type(
        "Vote",
        [
            model_field(
                "by",
                people | None,
                "Null where you may not see them.",
                read=lambda v: v[1].get(v[0]["by"]),
            ),
            model_field(
                "for", people | None, "In whose name.", read=lambda v: v[1].get(v[0]["for"])
            ),
            model_field("decision", str, read=lambda v: v[0]["decision"]),
            model_field("at", DateTime, read=lambda v: v[0]["at"]),
            model_field("comment", str | None, read=lambda v: v[0].get("comment")),
        ],
    )
    return make_type(
        "ApprovalStage",
        [
            model_field("name", str, read=lambda a: a.stage.name),
            model_field("label", label_type(), read=lambda a: a.stage.declared.label),
            model_field("role", str, "Who is asked.", read=lambda a: a.stage.declared.role),
            model_field("organisation", records.lazy("Organisation") | None, read=lambda a: a.organisation),
            model_field("asked", int, "How many are asked.", read=lambda a: len(a.stage.people)),
            model_field("needed", int, "How many must agree.", read=lambda a: a.stage.needed),
            model_field("open", bool, "Whether it is the one being voted on.", read=lambda a: a.open),
            model_field("granted", bool, read=lambda a: a.stage.granted),
            model_field("refused", bool, read=lambda a: a.stage.refused),
            model_field(
                "waitingFor",
                list[people],  # type: ignore[valid-type]
                "Those who have not voted, as far as you see them.",
                read=lambda a: [a.seen[p] for p in sorted(a.stage.waiting_for) if p in a.seen],
            ),
            model_field("votes", list[vote], read=lambda a: [(v, a.seen) for v in a.stage.votes]),  # type: ignore[valid-type]
        ],
        description="A stage of an approval, as it stands.",
    )  # fmt: skip


def _said(name: str, default: Any = None) -> Any:
    return lambda edge: edge.relationship.attributes.get(name) or default


def _detail_type(records: Records) -> type:
    device = records.lazy(CI)
    items = connection_type(
        "OrderItem",
        device,
        [
            model_field("outcome", str, "open, done or dropped.", read=_said("outcome", OPEN)),
            model_field("details", JSON, "What is to be done with it.", read=_said("details", {})),
            model_field(
                "stepsTaken", list[JSON], "Each with who and when.", read=_said("steps_taken", [])
            ),
            model_field(
                "nextStep",
                str | None,
                read=lambda e: (
                    e.connection.procedure
                    and e.connection.items[e.node.record.id].next_step(e.connection.procedure)
                ),
            ),
        ],
    )
    check = make_type(
        "OrderCheck", carried_fields(), description="What carrying out would come to."
    )
    evidence = make_type(
        "AttachedFile",
        [
            model_field("record", records.lazy(EVIDENCE), read=lambda view: view),
            model_field(
                "downloadPath", str, "Where its content is, by `GET`.",
                read=lambda view: f"/attachments/{view.record.id}",
            ),
        ],
    )  # fmt: skip
    paging = [argument("first", int | None), argument("after", str | None)]
    return make_type(
        "OrderDetail",
        [
            model_field("record", records.lazy("ProcessRecord"), read=lambda d: d.view),
            model_field("items", items, "What it concerns.", resolve=_items, arguments=paging),
            model_field("stages", list[_stage_type(records)], resolve=_stages),  # type: ignore[misc]
            model_field(
                "comments", list[JSON], read=lambda d: list(d.view.record.attributes.get("comments") or ())
            ),
            model_field(
                "waitsForMe", str | None, "What it waits for from you: submit, approve, a step …",
                resolve=_waits_for_me,
            ),
            model_field("nextStep", str | None, "The first that a device has before it.", resolve=_next_step),
            model_field(
                "check", check, "What a step would refuse now; nothing is stored.",
                resolve=_check, arguments=EXECUTION,
            ),
            model_field("evidence", list[evidence], "Attached files.", resolve=_evidence),  # type: ignore[valid-type]
        ],
        description="An order, with what is known of how it goes.",
    )  # fmt: skip


def query_fields(records: Records) -> list[ModelField]:
    if ORDER not in records.model.record_types:
        return []
    return [
        model_field(
            "order",
            _detail_type(records),
            "An order, or another process, by number or id.",
            arguments=[argument("of", str)],
            resolve=_order,
        ),
    ]
