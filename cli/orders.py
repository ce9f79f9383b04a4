"""The subcommands ``cmdb order …``: drafting, submitting, approving. `order_work` carries out."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import order_moves, order_show, order_views, order_work
from cli.options import STORE_DEFAULT, Actor, Json, Reason, Store, actor_or_me, opened
from cli.order_moves import orders_of, report
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
from lifecycle.naming import find_devices, order_type

app = typer.Typer(
    no_args_is_help=True,
    help="Orders: devices commissioned, handed over, reused, scrapped …, with approvals.",
)


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
        report(graph, order.id, json, f"Drafted {order.name} with {_devices(len(devices))}")


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
        report(graph, found.id, json, f"Added {_devices(len(devices))} to {found.name}")


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
        report(graph, found.id, json, f"Took {_devices(len(ids))} off {found.name}")


app.command("list")(order_views.list_orders)
app.command()(order_show.show)
for name, help_ in order_moves.MOVES.items():
    app.command(name, help=help_)(order_moves.mover(name))
app.command()(order_moves.approve)
app.command()(order_moves.reject)
app.command()(order_work.check)
app.command()(order_work.execute)
app.command()(order_work.drop)
app.command()(order_moves.comment)
app.command()(order_moves.assign)


def _devices(number: int) -> str:
    return f"{number:,} device{'' if number == 1 else 's'}"
