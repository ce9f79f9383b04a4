"""Incidents from state to state."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from cli.incidents.words import IncidentName, incidents_of, report
from cli.options import STORE_DEFAULT, Actor, Json, Store, actor_or_me, opened
from cli.processes import Processes
from cmdb.store import GraphStore

HELPS: Final = {
    "acknowledge": "Take an incident on: it is yours from now on.",
    "suspend": "Let an incident wait for somebody else; its clock stands still meanwhile.",
    "continue": "Go on with an incident that waited.",
    "reopen": "Open a resolved incident again.",
    "close": "Close a resolved incident.",
    "cancel": "Cancel an incident that is none.",
}


class Kind(Processes):
    """Incidents as a kind of process, told by their own `report`."""

    def report(self, graph: GraphStore, id: str, json: bool, text: str) -> None:
        report(graph, id, json, text)


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
