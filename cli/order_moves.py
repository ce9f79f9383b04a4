"""Orders from state to state: submitted, voted on, completed, withdrawn; what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from cli import output
from cli.confirming import Yes, confirm
from cli.options import STORE_DEFAULT, Actor, Json, Reason, Store, actor_or_me, opened
from cli.order_words import OrderName
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.approvals import APPROVE, REJECT
from lifecycle.desk import is_final
from lifecycle.engine import Engine
from lifecycle.items import count
from lifecycle.orders import Orders

Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="What you say to it.")]

MOVES: Final = {
    "submit": "Submit a draft for approval.",
    "withdraw": "Withdraw an order of yours that is not begun.",
    "reopen": "Make a draft of a rejected order again.",
    "complete": "Complete an order, all of whose devices are done.",
    "complete-partly": "Complete an order with what is done; the other devices leave it.",
}


def mover(name: str) -> Callable[..., None]:
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
            report(graph, found.id, json, found.name)

    return move


def approve(
    order: OrderName,
    comment: Comment = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Agree to an order, if you are asked: `order show` says who is."""
    _vote(order, APPROVE, comment, actor, store, json)


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
        report(graph, found.id, json, found.name)


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
        report(graph, found.id, json, f"Noted at {found.name}")


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
        report(graph, found.id, json, f"{found.name} is {person}'s now")


# -- telling ----------------------------------------------------------------------------------------------


def orders_of(graph: GraphStore) -> Orders:
    return Orders(Engine(graph))


def report(graph: GraphStore, id: str, json: bool, text: str) -> None:
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
