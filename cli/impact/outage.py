"""`cmdb impact`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import output
from cli.impact.asking import Asked, answer
from cli.impact.differences import plain_difference, print_difference
from cli.impact.drawing import DRAWN, drawer, title, write
from cli.impact.options import CIs, Depth, EffectOption, Verbose, given_effect, revision
from cli.impact.printing import plain_hidden, print_hidden, print_outage
from cli.options import STORE_DEFAULT, At, Json, Store, opened
from cli.words import find_record
from impact import reports


def impact(
    cis: CIs,
    effect: EffectOption = "down",
    as_of: At = "",
    versus: Annotated[
        str,
        typer.Option(
            "--versus", metavar="WHEN", help="Compare with what it would have hit at that time."
        ),
    ] = "",
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without", metavar="LINK", help="What if 'A TYPE B' were not there? Repeatable."
        ),
    ] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="LINK",
            help="What if 'A TYPE B' were there, or 'A TYPE B GROUP'? Repeatable.",
        ),
    ] = None,
    depth: Depth = None,
    record_type: Annotated[
        str, typer.Option("--type", metavar="TYPE", help="Print only these, subtypes included.")
    ] = "",
    service_only: Annotated[
        bool, typer.Option("--service-only", help="Print only affected services.")
    ] = False,
    table: Annotated[bool, typer.Option("--table", help="A table instead of a tree.")] = False,
    picture: Annotated[
        str,
        typer.Option(
            "--picture", metavar="FILE", help="Draw it: .svg, .html, .dot or .mmd (Mermaid)."
        ),
    ] = "",
    first: Annotated[
        int, typer.Option("--first", min=1, metavar="N", help="Most CIs to print or draw.")
    ] = 50,
    verbose: Verbose = False,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """What is down, degraded or has lost redundancy when CIs fail, why, and whom to call."""
    draw = drawer(picture)
    with opened(store) as graph:
        given = given_effect(effect)
        at = revision(graph, as_of)
        roots = {find_record(graph, ci, at).id: given for ci in cis}
        outage, told, only, difference, hidden = answer(
            graph,
            Asked(
                roots,
                at,
                revision(graph, versus),
                without or (),
                with_ or (),
                depth,
                record_type,
                service_only,
                None if json or picture else first,
                verbose,
            ),
        )
        if picture:
            most = max(first, DRAWN)
            drawn = reports.picture(outage, told, graph.model, title(told, roots), most)
            write(picture, draw(drawn))
        if json:
            plain = {**reports.plain(outage, told, only), **plain_hidden(hidden)}
            if difference is not None:
                plain["difference"] = plain_difference(difference)
            output.print_json(plain)
            return
        print_outage(outage, told, only, first, table=table)
        print_hidden(hidden)
        if difference is not None:
            print_difference(graph, difference, told, versus)
