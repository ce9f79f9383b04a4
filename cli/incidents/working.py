"""What people do to incidents beside moving them on: together and apart, to others, related."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output, services
from cli.confirming import Yes, confirm
from cli.incidents.opening import meant
from cli.incidents.words import CIs, IncidentName, incidents_of, report
from cli.options import ALL, STORE_DEFAULT, Actor, Json, Reason, Store, actor_or_me, opened
from cli.words import find_record
from itsm.refreshing import refresh as refresh_all


def merge(
    into: IncidentName,
    others: Annotated[
        list[str], typer.Argument(metavar="OTHER...", help="The incidents that it absorbs.")
    ],
    reason: Reason = "",
    yes: Yes = False,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Make one incident of several: alerts, CIs and relationships of the others go over to it."""
    with opened(store) as graph:
        incidents = incidents_of(graph)
        found = incidents.find(into)
        absorbed = [incidents.find(other).id for other in others]
        number = found.attributes["number"]
        confirm(f"To merge {', '.join(others)} into {number}", yes)
        services.merge(incidents, found.id, absorbed, actor_or_me(actor), reason)
        report(graph, found.id, json, f"{number} absorbs {', '.join(others)}")


def split(
    incident: IncidentName,
    cis: CIs,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Of the new incident; else as before.")
    ] = "",
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Make an incident of its own of some of the CIs of one; their alerts go with them."""
    with opened(store) as graph:
        incidents = incidents_of(graph)
        found = incidents.find(incident)
        ids = list(meant(graph, cis))
        part = services.split(incidents, found.id, ids, actor_or_me(actor), name, reason)
        report(graph, part.id, json, f"Split {part.attributes['number']} from {incident}")


def urgency(
    incident: IncidentName,
    word: Annotated[str, typer.Argument(metavar="URGENCY", help="high, medium or low.")],
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Say how urgent an incident is; its priority follows."""
    with opened(store) as graph:
        incidents = incidents_of(graph)
        found = incidents.find(incident)
        incidents.rate(found.id, actor_or_me(actor), word, reason)
        report(graph, found.id, json, str(found.attributes["number"]))


def major(
    incident: IncidentName,
    none: Annotated[bool, typer.Option("--not", help="It is none.")] = False,
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Declare an incident a major one."""
    with opened(store) as graph:
        incidents = incidents_of(graph)
        found = incidents.find(incident)
        incidents.declare(found.id, actor_or_me(actor), not none, reason)
        what = "is no major incident" if none else "is a major incident"
        report(graph, found.id, json, f"{found.attributes['number']} {what}")


def escalate(
    incident: IncidentName,
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Hand an incident to the next line of support."""
    with opened(store) as graph:
        incidents = incidents_of(graph)
        found = incidents.find(incident)
        incidents.escalate(found.id, actor_or_me(actor), reason)
        report(graph, found.id, json, f"Escalated {found.attributes['number']}")


def assign(
    incident: IncidentName,
    to: Annotated[
        str, typer.Argument(metavar="WHO", help="A person by user name, id or name; or a team.")
    ],
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Give an incident to a person, or to a team and who of it is on call."""
    with opened(store) as graph:
        incidents = incidents_of(graph)
        found, me = incidents.find(incident), actor_or_me(actor)
        team = incidents.team(to)
        if team is not None:
            incidents.give(found.id, me, team.id, reason)
        else:
            incidents.reassign(found.id, me, to, reason)
        report(graph, found.id, json, f"Gave {found.attributes['number']} to {to}")


def relate(
    incident: IncidentName,
    other: Annotated[
        str, typer.Argument(metavar="OTHER", help="An incident, problem, change, or article.")
    ],
    fixed: Annotated[
        bool, typer.Option("--fixed-by", help="The change did not cause it, but fixes it.")
    ] = False,
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Relate an incident to another one, its problem, a change, or an article that helped."""
    with opened(store) as graph:
        incidents = incidents_of(graph)
        found, to = incidents.find(incident), find_record(graph, other)
        how = "FIXED_BY" if fixed else ""
        incidents.relate(found.id, actor_or_me(actor), to.id, how, reason)
        report(graph, found.id, json, f"{found.attributes['number']} is related to {to.name}")


def cause(
    incident: IncidentName,
    other: Annotated[
        str, typer.Argument(metavar="CAUSE", help="The change, or the CI, that caused it.")
    ],
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Say what caused an incident."""
    with opened(store) as graph:
        incidents = incidents_of(graph)
        found, to = incidents.find(incident), find_record(graph, other)
        incidents.cause(found.id, actor_or_me(actor), to.id, reason)
        report(graph, found.id, json, f"{found.attributes['number']} was caused by {to.name}")


def refresh(store: Store = STORE_DEFAULT, json: Json = False) -> None:
    """Look at open incidents anew, where the graph has changed: impact, priority, clocks. For a scheduler."""
    with opened(store, here=ALL) as graph:
        found = refresh_all(services.engine(graph))
        if json:
            output.print_json(found._asdict())
            return
        output.print_line(
            f"{found.looked_at} incidents looked at, {len(found.changed)} of them are different now"
            f" (up to revision {found.upto})."
        )
