"""Incidents opened, and what they concern."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.incidents.words import CIs, EffectWord, IncidentName, incidents_of, report
from cli.options import STORE_DEFAULT, Actor, Json, Reason, Store, actor_or_me, opened
from cli.process_words import told_apart
from cli.words import read_assignments
from cmdb.errors import QueryError
from cmdb.store import GraphStore
from itsm.hits import WORDS
from lifecycle.naming import find_devices


def open_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What is wrong, in a few words.")],
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="CI... [NAME=VALUE]...",
            help="CIs by id, name, asset or serial number; what else is known: urgency=high description=…",
        ),
    ],
    effect: EffectWord = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Open an incident: cmdb incident open "mail is down" mail-01 urgency=high."""
    with opened(store) as graph:
        named, values = told_apart(words)
        type_ = graph.model.record_type("Incident")
        assignments = [f"{n}={v}" for n, v in values.items()]
        said = read_assignments(graph, type_.attributes, assignments)
        found = incidents_of(graph).open(
            actor_or_me(actor), name, meant(graph, named, effect), said
        )
        report(graph, found.id, json, f"Opened {found.attributes['number']} {found.name}")


def include(
    incident: IncidentName,
    cis: CIs,
    effect: EffectWord = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Say that an incident concerns more CIs, or what has happened to those it does."""
    with opened(store) as graph:
        incidents = incidents_of(graph)
        found = incidents.find(incident)
        incidents.include(found.id, actor_or_me(actor), meant(graph, cis, effect))
        report(graph, found.id, json, f"{found.attributes['number']} concerns {len(cis)} more")


def exclude(
    incident: IncidentName,
    cis: CIs,
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Say that an incident does not concern some CIs after all."""
    with opened(store) as graph:
        incidents = incidents_of(graph)
        found = incidents.find(incident)
        ids = list(meant(graph, cis))
        incidents.exclude(found.id, actor_or_me(actor), ids, reason)
        report(graph, found.id, json, f"{found.attributes['number']} concerns {len(ids)} less")


def meant(graph: GraphStore, cis: list[str], effect: str = "") -> dict[str, dict[str, Any]]:
    """The CIs that words name, each with what has happened to it."""
    if effect and effect not in WORDS:
        raise QueryError(f"{effect!r} is no effect.", f"There are: {', '.join(WORDS)}.")
    details = {"effect": effect} if effect else {}
    return {record.id: dict(details) for record in find_devices(graph, cis).values()}
