"""Processes from state to state: submitted, voted on, completed, withdrawn; what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import typer

from cli import output
from cli.confirming import Yes, confirm
from cli.options import STORE_DEFAULT, Actor, Json, Reason, Store, actor_or_me, opened
from cli.order_words import Override, ProcessName, pairs, told_apart, values_of
from cmdb.errors import QueryError
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.approvals import APPROVE, REJECT
from lifecycle.desk import is_final
from lifecycle.drafting import Drafting
from lifecycle.engine import Engine
from lifecycle.items import count
from lifecycle.orders import Orders

Comment = Annotated[str, typer.Option("--comment", metavar="TEXT", help="What you say to it.")]

AGREE: Final = "Agree to it, if you are asked: `show` says who is."
REFUSE: Final = "Reject it, if you are asked; its requester may make a draft of it again."
MOVES: Final = {
    "submit": "Submit a draft for approval.",
    "withdraw": "Withdraw an order of yours that is not begun.",
    "reopen": "Make a draft of a rejected order again.",
    "complete": "Complete an order, all of whose devices are done.",
    "complete-partly": "Complete an order with what is done; the other devices leave it.",
}


Service = Callable[[GraphStore], Drafting]
"""What makes the door to processes of some kind over a store."""


def mover(name: str, service: Service) -> Callable[..., None]:
    """The subcommand that takes a process through a transition."""

    def move(
        process: ProcessName,
        words: Annotated[
            list[str] | None,
            typer.Argument(metavar="[INPUT=VALUE]...", help="What the transition takes."),
        ] = None,
        override: Override = None,
        reason: Reason = "",
        yes: Yes = False,
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        strange, values = told_apart(words or ())
        if strange:
            raise QueryError(f"{strange[0]!r} is no input.", "Write name=value.")
        with opened(store) as graph:
            desk, way = service(graph), name.replace("-", "_")
            found = desk.find(process)
            if is_final(graph.model, found, way):
                confirm(f"To {name} {found.name}", yes)
            desk.engine.transition(
                found.id,
                way,
                actor_or_me(actor),
                reason=reason,
                inputs=values_of(graph, values),
                overrides=pairs(override or (), "--override", "GUARD=REASON"),
            )
            report(graph, found.id, json, found.name)

    return move


def voter(decision: str, service: Service, help_: str) -> Callable[..., None]:
    """The subcommand that votes for a process, or against it."""

    def vote(
        process: ProcessName,
        comment: Comment = "",
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        with opened(store) as graph:
            desk = service(graph)
            found = desk.find(process)
            desk.engine.vote(found.id, actor_or_me(actor), decision, comment)
            report(graph, found.id, json, found.name)

    vote.__doc__ = help_
    return vote


def commenter(service: Service) -> Callable[..., None]:
    def comment(
        process: ProcessName,
        text: Annotated[str, typer.Argument(metavar="TEXT")],
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        """Say something about it; `show` prints it."""
        with opened(store) as graph:
            desk = service(graph)
            found = desk.find(process)
            desk.comment(found.id, actor_or_me(actor), text)
            report(graph, found.id, json, f"Noted at {found.name}")

    return comment


def assigner(service: Service) -> Callable[..., None]:
    def assign(
        process: ProcessName,
        person: Annotated[str, typer.Argument(metavar="PERSON", help="A user name, id or name.")],
        reason: Reason = "",
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        """Give it to a person to carry out."""
        with opened(store) as graph:
            desk = service(graph)
            found = desk.find(process)
            desk.reassign(found.id, actor_or_me(actor), person, reason)
            report(graph, found.id, json, f"{found.name} is {person}'s now")

    return assign


def add_moves(app: typer.Typer, service: Service, moves: Mapping[str, str]) -> None:
    """The subcommands that all processes have: transitions by name with their help, votes, comments."""
    for name, help_ in moves.items():
        app.command(name, help=help_)(mover(name, service))
    app.command("approve")(voter(APPROVE, service, AGREE))
    app.command("reject")(voter(REJECT, service, REFUSE))
    app.command("comment")(commenter(service))
    app.command("assign")(assigner(service))


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
