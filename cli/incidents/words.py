"""What the commands on incidents share: names, options, and telling what was done."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer

from cli import output, services
from cmdb.records import Record
from cmdb.store import GraphStore
from itsm.clocks import Reading
from itsm.incidents import Incidents

IncidentName = Annotated[
    str, typer.Argument(metavar="INCIDENT", help="Its number, as `cmdb incident list` prints it.")
]
CIs = Annotated[
    list[str],
    typer.Argument(metavar="CI...", help="CIs by id, name, asset or serial number."),
]
EffectWord = Annotated[
    str,
    typer.Option("--effect", metavar="EFFECT", help="What has happened to them: down or degraded."),
]
TELLS = ("priority", "support_level", "assigned_team", "assignee")
"""What is told of an incident in a line."""


def incidents_of(graph: GraphStore) -> Incidents:
    return services.processes(graph, Incidents)


def report(graph: GraphStore, id: str, json: bool, text: str) -> None:
    """What was done, and how the incident is now."""
    incident = graph.record(id)
    if json:
        output.print_json(plain(graph, incident))
        return
    said = incident.attributes
    named = output.referred(graph, said.items())
    words = [output.state(graph.model, incident)]
    words += [output.shown(graph.model, n, said[n], named) for n in TELLS if n in said]
    output.print_line(f"{text}: {', '.join(words)} (revision {graph.last_revision().number}).")


def plain(graph: GraphStore, incident: Record) -> dict[str, Any]:
    """An incident as JSON, without the impact that is kept with it: `cmdb incident impact` has that."""
    found = output.plain_record(graph.model, incident)
    found["attributes"] = {n: v for n, v in found["attributes"].items() if n != "impact"}
    return found


def left(reading: Reading) -> str:
    """What a clock shows, for people."""
    if reading.left is None:
        return "nothing is promised"
    late = reading.breached
    return f"{span(abs(reading.left))} {'too late' if late else 'left'}"


def span(value: timedelta) -> str:
    """``1 d 2 h 5 min``; seconds only of what is shorter than a minute."""
    seconds = int(value.total_seconds())
    parts = ((86_400, "d"), (3_600, "h"), (60, "min"))
    words = []
    for size, unit in parts:
        count, seconds = divmod(seconds, size)
        if count:
            words.append(f"{count} {unit}")
    return " ".join(words) or f"{seconds} s"
