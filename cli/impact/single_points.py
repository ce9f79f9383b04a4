"""`cmdb single-points`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output
from cli.impact.asking import points
from cli.impact.options import Verbose, revision
from cli.impact.printing import plain_hidden, print_hidden
from cli.options import STORE_DEFAULT, At, Json, Store, opened
from cli.words import find_record


def single_points(
    services: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SERVICE]…", help="Ids or names; all services if none is named."),
    ] = None,
    pairs: Annotated[
        bool, typer.Option("--pairs", help="Also pairs that only together take the service down.")
    ] = False,
    as_of: At = "",
    first: Annotated[
        int, typer.Option("--first", min=1, metavar="N", help="Most lines to print.")
    ] = 50,
    verbose: Verbose = False,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Which single CIs take services down alone: those that take down most first."""
    with opened(store) as graph:
        at = revision(graph, as_of)
        ids = list(dict.fromkeys(find_record(graph, name, at).id for name in services or ()))
        told = points(graph, ids, at, pairs, verbose)
        found, of = told.found, told.services
        wanted = {point.id for point in found[:first]} | set(of[:first])
        wanted |= {id for point in found[:first] for id in point.services[:3]}
        wanted |= {id for each in told.pairs for pair in each.pairs[:first] for id in pair}
        names = output.names(graph, wanted)
        if json:
            output.print_json(
                {
                    "revision": told.revision,
                    "services": len(of),
                    "single_points": [
                        {
                            "id": point.id,
                            "name": names.get(point.id),
                            "type": point.type,
                            "services": list(point.services),
                        }
                        for point in found
                    ],
                    "pairs": [
                        {
                            "service": each.service,
                            "complete": each.complete,
                            "pairs": [list(pair) for pair in each.pairs],
                        }
                        for each in told.pairs
                    ],
                    **plain_hidden(told.hidden),
                }
            )
            return
        rows = [
            [
                point.number,
                names.get(point.id, point.id),
                point.type,
                ", ".join(names.get(id, id) for id in point.services[:3])
                + (" …" if point.number > 3 else ""),
                point.id,
            ]
            for point in found[:first]
        ]
        if rows:
            output.print_table(["services", "name", "type", "takes down", "id"], rows)
        more = f"; --first {len(found)} prints all" if len(found) > first else ""
        single = "single point" if len(found) == 1 else "single points"
        watched = f"{len(of):,} {'service' if len(of) == 1 else 'services'}"
        output.print_line(f"{len(found):,} {single} of {watched}{more}.", "dim")
        print_hidden(told.hidden)
        for each in told.pairs:
            output.print_line("")
            name = names.get(each.service, each.service)
            output.print_line(f"Pairs for {name}: {len(each.pairs)}", "bold")
            for pair in each.pairs[:first]:
                output.print_line(f"  {' + '.join(names.get(id, id) for id in pair)}")
            if not each.complete:
                output.print_line(f"  Truncated: only {each.tried:,} pairs were tried.", "dim")
