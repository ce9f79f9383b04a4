"""The subcommands ``cmdb order …``: drafting, submitting, approving. `order_work` carries out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from cli import order_views, order_work, output
from cli.confirming import Yes, confirm
from cli.options import STORE_DEFAULT, Actor, Json, Reason, Store, actor_or_me, opened
from cli.order_words import (
    DeviceType,
    Find,
    From,
    OrderName,
    WhereDevices,
    Words,
    attributes_and_details,
    chosen,
    concerned_by,
    told_apart,
    values_of,
)
from cmdb.errors import QueryError
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.approvals import APPROVE, REJECT
from lifecycle.desk import is_final
from lifecycle.engine import Engine
from lifecycle.items import count
from lifecycle.naming import find_devices, order_type
from lifecycle.orders import Orders

app = typer.Typer(
    no_args_is_help=True,
    help="Orders: devices commissioned, handed over, reused, scrapped …, with approvals.",
)
Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="What you say to it.")]


def orders_of(graph: GraphStore) -> Orders:
    return Orders(Engine(graph))


@app.command()
def new(
    type_: Annotated[
        str,
        typer.Argument(
            metavar="TYPE",
            help="commission, decommission, transfer, reuse, stock-in, scrap, loan, donation, repair, loss; or a record type.",
        ),
    ],
    words: Words = None,
    find: Find = None,
    where: WhereDevices = "",
    record_type: DeviceType = "",
    file: From = "",
    actor: Actor = "",
    reason: Reason = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Draft an order: cmdb order new commission SN123 place=R01 rack_position=10."""
    with opened(store) as graph:
        orders, kind = orders_of(graph), order_type(graph.model, type_)
        named, values = told_apart(words or ())
        attributes, details = attributes_and_details(graph, kind, values)
        concerned = concerned_by(graph.model, kind.name)
        devices = chosen(graph, concerned, named, details, find or (), where, record_type, file)
        order = orders.new(kind.name, actor_or_me(actor), attributes, devices, reason)
        _report(graph, order.id, json, f"Drafted {order.name} with {_devices(len(devices))}")


@app.command()
def add(
    order: OrderName,
    words: Words = None,
    find: Find = None,
    where: WhereDevices = "",
    record_type: DeviceType = "",
    file: From = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Add devices to a draft, or give other details to those it has."""
    with opened(store) as graph:
        orders = orders_of(graph)
        found = orders.find(order)
        named, values = told_apart(words or ())
        details, concerned = values_of(graph, values), concerned_by(graph.model, found.type)
        devices = chosen(graph, concerned, named, details, find or (), where, record_type, file)
        if not devices:
            raise QueryError("Nothing was named to be added.", "Name devices, or --find or --from.")
        orders.add(found.id, actor_or_me(actor), devices)
        _report(graph, found.id, json, f"Added {_devices(len(devices))} to {found.name}")


@app.command()
def remove(
    order: OrderName,
    devices: Annotated[list[str], typer.Argument(metavar="DEVICE...")],
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Take devices off a draft."""
    with opened(store) as graph:
        orders = orders_of(graph)
        found = orders.find(order)
        named = find_devices(graph, devices, concerned_by(graph.model, found.type))
        ids = [record.id for record in named.values()]
        orders.remove(found.id, actor_or_me(actor), ids)
        _report(graph, found.id, json, f"Took {_devices(len(ids))} off {found.name}")


app.command("list")(order_views.list_orders)
app.command()(order_views.show)


# -- from state to state ------------------------------------------------------------------------------------

MOVES: Final = {
    "submit": "Submit a draft for approval.",
    "withdraw": "Withdraw an order of yours that is not begun.",
    "reopen": "Make a draft of a rejected order again.",
    "complete": "Complete an order, all of whose devices are done.",
    "complete-partly": "Complete an order with what is done; the other devices leave it.",
}


def _mover(name: str) -> Callable[..., None]:
    def move(
        order: OrderName,
        reason: Reason = "",
        yes: Yes = False,
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        with opened(store) as graph:
            orders, way = orders_of(graph), name.replace("-", "_")
            found = orders.find(order)
            if is_final(graph.model, found, way):
                confirm(f"To {name} {found.name}", yes)
            orders.engine.transition(found.id, way, actor_or_me(actor), reason=reason)
            _report(graph, found.id, json, found.name)

    return move


for _name, _help in MOVES.items():
    app.command(_name, help=_help)(_mover(_name))


@app.command()
def approve(
    order: OrderName,
    comment: Comment = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Agree to an order, if you are asked: `order show` says who is."""
    _vote(order, APPROVE, comment, actor, store, json)


@app.command()
def reject(
    order: OrderName,
    comment: Comment = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Reject an order, if you are asked; its requester may reopen it."""
    _vote(order, REJECT, comment, actor, store, json)


def _vote(order: str, decision: str, comment: str, actor: str, store: str, json: bool) -> None:
    with opened(store) as graph:
        orders = orders_of(graph)
        found = orders.find(order)
        orders.engine.vote(found.id, actor_or_me(actor), decision, comment)
        _report(graph, found.id, json, found.name)


app.command()(order_work.check)
app.command()(order_work.execute)
app.command()(order_work.drop)


@app.command()
def comment(
    order: OrderName,
    text: Annotated[str, typer.Argument(metavar="TEXT")],
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Say something about an order; `order show` prints it."""
    with opened(store) as graph:
        orders = orders_of(graph)
        found = orders.find(order)
        orders.comment(found.id, actor_or_me(actor), text)
        _report(graph, found.id, json, f"Noted at {found.name}")


@app.command()
def assign(
    order: OrderName,
    person: Annotated[str, typer.Argument(metavar="PERSON", help="A user name, id or name.")],
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Give an order to a person to carry out."""
    with opened(store) as graph:
        orders = orders_of(graph)
        found = orders.find(order)
        orders.reassign(found.id, actor_or_me(actor), person, reason)
        _report(graph, found.id, json, f"{found.name} is {person}'s now")


def _devices(number: int) -> str:
    return f"{number:,} device{'' if number == 1 else 's'}"


def _report(graph: GraphStore, id: str, json: bool, text: str) -> None:
    """What was done, and the state that the order is in now."""
    order = graph.record(id)
    if json:
        output.print_json(_plain(graph, order))
    else:
        state = output.shown(
            graph.model, "lifecycle_state", order.attributes.get("lifecycle_state")
        )
        output.print_line(f"{text}: {state} (revision {graph.last_revision().number}).")


def _plain(graph: GraphStore, order: Record) -> dict[str, Any]:
    return {
        "id": order.id,
        "number": order.attributes.get("number"),
        "type": order.type,
        "lifecycle_state": order.attributes.get("lifecycle_state"),
        "revision": order.revision,
        "devices": count(graph, order.id),
    }
