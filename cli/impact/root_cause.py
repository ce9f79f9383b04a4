"""`cmdb root-cause`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output
from cli.impact.asking import causes
from cli.impact.options import EffectOption, Verbose, given_effect, revision
from cli.impact.printing import plain_hidden, print_hidden
from cli.options import STORE_DEFAULT, At, Json, Store, opened
from cli.words import find_record


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
        well = [find_record(graph, name, at).id for name in good or ()]
        found = causes(graph, said, well, given, at, first, verbose)
        ids = {id for c in found.found for id in (c.id, *c.unexplained, *c.contradicted)}
        names = output.names(graph, ids)
        if json:
            output.print_json(
                {
                    "revision": found.revision,
                    "complete": found.complete,
                    "tried": found.tried,
                    "causes": [
                        {
                            "id": c.id,
                            "name": names.get(c.id),
                            "type": c.type,
                            "explained": list(c.explained),
                            "unexplained": list(c.unexplained),
                            "contradicted": list(c.contradicted),
                            "silent": c.silent,
                        }
                        for c in found.found
                    ],
                    **plain_hidden(found.hidden),
                }
            )
            return
        rows = [
            [
                f"{len(c.explained)} of {len(said)}",
                names.get(c.id, c.id),
                c.type,
                ", ".join(names.get(id, id) for id in c.unexplained),
                ", ".join(names.get(id, id) for id in c.contradicted),
                c.silent,
                c.id,
            ]
            for c in found.found
        ]
        if rows:
            columns = ["explains", "name", "type", "not explained", "but well", "silent", "id"]
            output.print_table(columns, rows)
        else:
            output.print_line("Nothing that these CIs stand on could explain an alarm.")
        print_hidden(found.hidden)
        if not found.complete:
            output.print_line(f"Truncated: only {found.tried:,} candidates were tried.", "dim")
