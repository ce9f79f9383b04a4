"""Taking any record from one state to another, as its state machine allows."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output, services
from cli.confirming import Yes, confirm, plain_refusals
from cli.options import STORE_DEFAULT, Actor, Json, Reason, Store, actor_or_me, opened
from cli.process_words import Override, pairs, told_apart, values_of
from cli.words import find_record
from cmdb.errors import QueryError
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.desk import is_final, is_final_state
from lifecycle.engine import Engine


def transition(
    record: Annotated[
        str, typer.Argument(metavar="RECORD", help="Its id or exact name, or an order's number.")
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME] [INPUT=VALUE]...",
            help="The transition, and what it takes. Without it they are listed.",
        ),
    ] = None,
    correct: Annotated[
        str,
        typer.Option(
            "--correct",
            metavar="STATE",
            help="Set right what was recorded wrongly, without guards and effects; for administrators.",
        ),
    ] = "",
    override: Override = None,
    reason: Reason = "",
    yes: Yes = False,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Take a record through a transition of its state machine, or list those there are and why not."""
    names, values = told_apart(words or ())
    if len(names) + bool(correct) > 1:
        raise QueryError("One transition at a time.", "Name one, or --correct a state.")
    with opened(store) as graph:
        engine, me = services.engine(graph), actor_or_me(actor)
        found = find_record(graph, record)
        if correct:
            if is_final_state(graph.model, found, correct):
                confirm(f"To correct {found.name} to {correct}", yes)
            revision = engine.correct(found.id, correct, me, reason)
        elif names:
            if is_final(graph.model, found, names[0]):
                confirm(f"To {names[0]} {found.name}", yes)
            revision = engine.transition(
                found.id,
                names[0],
                me,
                reason=reason,
                inputs=values_of(graph, values),
                overrides=pairs(override or (), "--override", "GUARD=REASON"),
            )
        else:
            _list(graph, engine, found, me, json)
            return
        moved = graph.record(found.id)
        shown = output.state(graph.model, moved)
    if json:
        state = moved.attributes["lifecycle_state"]
        output.print_json({"id": found.id, "lifecycle_state": state, "revision": revision})
    else:
        output.print_line(f"{found.type} {found.name} is {shown} (revision {revision}).")


def _list(graph: GraphStore, engine: Engine, record: Record, actor: str, json: bool) -> None:
    choices = engine.choices(record, actor)
    if json:
        plain = [
            {
                "name": c.transition.name,
                "target": c.transition.target,
                "refusals": plain_refusals(c.refusals),
            }
            for c in choices
        ]
        output.print_json(plain)
        return
    shown = output.state(graph.model, record)
    output.print_line(f"{record.type} {record.name} is {shown}.")
    rows = [
        [
            c.transition.name,
            c.transition.label.zh,
            output.shown(graph.model, "lifecycle_state", c.transition.target),
            "\n".join(r.message for r in c.refusals) or "you may",
        ]
        for c in choices
    ]
    if rows:
        output.print_table(["transition", "变迁", "to", ""], rows)
    else:
        output.print_line("No transition leads on from there.")
