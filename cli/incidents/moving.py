"""Incidents from state to state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

import typer

from cli.confirming import Yes, confirm
from cli.incidents.words import IncidentName, incidents_of, report
from cli.options import STORE_DEFAULT, Actor, Json, Reason, Store, actor_or_me, opened
from lifecycle.desk import is_final

MOVES: Final = {
    "acknowledge": "Take an incident on: it is yours from now on.",
    "suspend": "Let an incident wait for somebody else; its clock stands still meanwhile.",
    "continue": "Go on with an incident that waited.",
    "reopen": "Open a resolved incident again.",
    "close": "Close a resolved incident.",
    "cancel": "Cancel an incident that is none.",
}


def mover(name: str) -> Callable[..., None]:
    def move(
        incident: IncidentName,
        reason: Reason = "",
        yes: Yes = False,
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        with opened(store) as graph:
            incidents = incidents_of(graph)
            found = incidents.find(incident)
            number = str(found.attributes["number"])
            if is_final(graph.model, found, name):
                confirm(f"To {name} {number}", yes)
            incidents.engine.transition(found.id, name, actor_or_me(actor), reason=reason)
            report(graph, found.id, json, number)

    return move


def resolve(
    incident: IncidentName,
    code: Annotated[
        str,
        typer.Option(
            "--code",
            metavar="CODE",
            help="How: fixed, workaround, replaced, restarted, backed_out, recovered, no_fault or user.",
        ),
    ] = "",
    text: Annotated[str, typer.Option("--text", metavar="TEXT", help="The same in words.")] = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Resolve an incident: cmdb incident resolve SJ-2026-000001 --code replaced --text "new fan"."""
    with opened(store) as graph:
        incidents = incidents_of(graph)
        found = incidents.find(incident)
        said = {"resolution_code": code, "resolution": text}
        incidents.engine.transition(found.id, "resolve", actor_or_me(actor), inputs=said)
        report(graph, found.id, json, str(found.attributes["number"]))
