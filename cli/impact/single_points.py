"""`cmdb single-points`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output
from cli.impact.finding import Finder
from cli.impact.options import Verbose, revision
from cli.options import STORE_DEFAULT, At, Json, Store, opened
from cli.words import find_record
from cmdb.queries import Query
from cmdb.store import GraphStore
from impact import reports
from impact.single_points import pairs as pairs_of
from impact.single_points import single_points as single_points_of


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
        at, finder = revision(graph, as_of), Finder(graph, verbose)
        if services:
            ids = list(dict.fromkeys(find_record(graph, name, at).id for name in services))
            topology = finder.standing(ids, at)
            view = topology.live
        else:
            ids = _services(graph, at)
            topology, view = finder.whole(at)
        nodes = [node for node in topology.find(ids) if node is not None]
        found = single_points_of(topology, nodes, view)
        together = [(n, pairs_of(topology, n, view)) for n in nodes] if pairs else []
        wanted = {topology.id(p.node) for p in found[:first]} | set(ids[:first])
        wanted |= {topology.id(n) for p in found[:first] for n in p.services[:3]}
        wanted |= {topology.id(n) for _, p in together for pair in p.pairs[:first] for n in pair}
        names = output.names(graph, wanted)

        def name(node: int) -> str:
            return names.get(topology.id(node), topology.id(node))

        if json:
            output.print_json(
                {
                    "revision": topology.revision if at is None else at,
                    "services": len(ids),
                    "single_points": [
                        {
                            "id": topology.id(point.node),
                            "name": names.get(topology.id(point.node)),
                            "type": topology.type(point.node),
                            "services": [topology.id(n) for n in point.services],
                        }
                        for point in found
                    ],
                    "pairs": [
                        {
                            "service": topology.id(node),
                            "complete": tried.complete,
                            "pairs": [[topology.id(n) for n in pair] for pair in tried.pairs],
                        }
                        for node, tried in together
                    ],
                }
            )
            return
        rows = [
            [
                len(point.services),
                name(point.node),
                topology.type(point.node),
                ", ".join(name(n) for n in point.services[:3])
                + (" …" if len(point.services) > 3 else ""),
                topology.id(point.node),
            ]
            for point in found[:first]
        ]
        if rows:
            output.print_table(["services", "name", "type", "takes down", "id"], rows)
        more = f"; --first {len(found)} prints all" if len(found) > first else ""
        points = "single point" if len(found) == 1 else "single points"
        of = f"{len(ids):,} {'service' if len(ids) == 1 else 'services'}"
        output.print_line(f"{len(found):,} {points} of {of}{more}.", "dim")
        for node, tried in together:
            output.print_line("")
            output.print_line(f"Pairs for {name(node)}: {len(tried.pairs)}", "bold")
            for one, other in tried.pairs[:first]:
                output.print_line(f"  {name(one)} + {name(other)}")
            if not tried.complete:
                output.print_line(f"  Truncated: only {tried.tried:,} pairs were tried.", "dim")


def _services(graph: GraphStore, at: int | None) -> list[str]:
    """Ids of all services."""
    found: list[str] = []
    after = None
    while True:
        page = graph.find(Query(reports.SERVICE, first=10_000, after=after, as_of=at))
        found += [record.id for record in page.records]
        after = page.cursor
        if after is None:
            return found
