"""`cmdb root-cause`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from cli import output
from cli.impact.finding import Finder
from cli.impact.options import EffectOption, Verbose, given_effect, revision
from cli.options import STORE_DEFAULT, At, Json, Store, opened
from cli.words import find_record
from impact.root_cause import root_causes


def root_cause(
    alarms: Annotated[
        list[str], typer.Argument(metavar="CI…", help="CIs with alarms: ids or names.")
    ],
    good: Annotated[
        list[str] | None,
        typer.Option("--good", metavar="CI", help="A CI that is known to be well. Repeatable."),
    ] = None,
    effect: EffectOption = "down",
    as_of: At = "",
    first: Annotated[
        int, typer.Option("--first", min=1, metavar="N", help="Most candidates to print.")
    ] = 10,
    verbose: Verbose = False,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Which single CI's failure would explain a set of alarms best."""
    with opened(store) as graph:
        at, given = revision(graph, as_of), given_effect(effect)
        said = list(dict.fromkeys(find_record(graph, name, at).id for name in alarms))
        well = [find_record(graph, name, at) for name in good or ()]
        topology, view = Finder(graph, verbose).whole(at)
        places = [n for n in topology.find(said) if n is not None]
        healthy = [n for n in topology.find([r.id for r in well]) if n is not None]
        found = root_causes(topology, places, healthy, view=view, effect=given, first=first)
        ids = {
            topology.id(n) for c in found.causes for n in (c.node, *c.unexplained, *c.contradicted)
        }
        names = output.names(graph, ids)

        def several(nodes: Iterable[int]) -> list[str]:
            return [names.get(topology.id(n), topology.id(n)) for n in nodes]

        if json:
            output.print_json(
                {
                    "revision": topology.revision if at is None else at,
                    "complete": found.complete,
                    "tried": found.tried,
                    "causes": [
                        {
                            "id": topology.id(c.node),
                            "name": names.get(topology.id(c.node)),
                            "type": topology.type(c.node),
                            "explained": [topology.id(n) for n in c.explained],
                            "unexplained": [topology.id(n) for n in c.unexplained],
                            "contradicted": [topology.id(n) for n in c.contradicted],
                            "silent": c.silent,
                        }
                        for c in found.causes
                    ],
                }
            )
            return
        rows = [
            [
                f"{len(c.explained)} of {len(said)}",
                *several([c.node]),
                topology.type(c.node),
                ", ".join(several(c.unexplained)),
                ", ".join(several(c.contradicted)),
                c.silent,
                topology.id(c.node),
            ]
            for c in found.causes
        ]
        if rows:
            columns = ["explains", "name", "type", "not explained", "but well", "silent", "id"]
            output.print_table(columns, rows)
        else:
            output.print_line("Nothing that these CIs stand on could explain an alarm.")
        if not found.complete:
            output.print_line(f"Truncated: only {found.tried:,} candidates were tried.", "dim")
