"""The subcommands ``cmdb order …``: drafting, submitting, approving. `order_work` carries out."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import order_drafts, order_moves, order_show, order_views, order_work
from cli.options import STORE_DEFAULT, Actor, Json, Reason, Store, opened
from cli.order_moves import orders_of
from cli.order_words import DeviceType, Find, From, WhereDevices, Words
from lifecycle.desk import ORDER
from lifecycle.naming import order_type

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
        kind = order_type(graph.model, type_)
        order_drafts.draft(
            graph, orders_of(graph), kind, words or (), find or (), where, record_type, file, actor, reason, json,
        )  # fmt: skip


app.command("add")(order_drafts.adder(orders_of))
app.command("remove")(order_drafts.remover(orders_of))
app.command("list")(order_views.lister(ORDER, order_type, "Open orders, newest first."))
app.command("show")(order_show.shower(orders_of))
app.command()(order_work.check)
app.command()(order_work.execute)
app.command()(order_work.drop)
order_moves.add_moves(app, orders_of, order_moves.MOVES)
