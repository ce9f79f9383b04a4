"""`cmdb window`: several planned outages at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Annotated, Final

import typer

from cli import output
from cli.impact import asking
from cli.impact.options import Depth, EffectOption, Verbose, given_effect, revision
from cli.impact.printing import (
    STYLES,
    group_words,
    name,
    plain_hidden,
    print_doubts,
    print_hidden,
)
from cli.options import STORE_DEFAULT, At, Json, Store, opened
from cli.words import find_record
from cmdb.errors import QueryError
from impact import reports
from impact.windows import Window

AND: Final = "+"
"""What stands between two outages."""


def window(
    cis: Annotated[
        list[str],
        typer.Argument(
            metavar="CI… + CI…", help="Outages: ids or names, a + between two.", show_default=False
        ),
    ],
    effect: EffectOption = "down",
    as_of: At = "",
    depth: Depth = None,
    first: Annotated[
        int, typer.Option("--first", min=1, metavar="N", help="Most CIs to print.")
    ] = 50,
    verbose: Verbose = False,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """What several planned outages break only because they fall into one window."""
    named = [list(some) for plus, some in groupby(cis, AND.__eq__) if not plus]
    if len(named) < 2:
        raise QueryError("That is one outage.", "Put a + between two: cmdb window A B + C.")
    with opened(store) as graph:
        given, at = given_effect(effect), revision(graph, as_of)
        outages = [{find_record(graph, ci, at).id: given for ci in some} for some in named]
        found = asking.together(graph, outages, at, depth, verbose)
        if json:
            plain = reports.plain_window(found.window, found.told)
            output.print_json({**plain, **plain_hidden(found.hidden)})
        else:
            _print(found.window, found.told, [", ".join(some) for some in named], first)
            print_hidden(found.hidden)


def _print(found: Window, told: reports.Report, titles: Sequence[str], first: int) -> None:
    counts = [*found.counts, found.together.counts()]
    for title, affected in zip([*titles, "Together"], counts, strict=True):
        words = ", ".join(f"{n:,} {effect}" for effect, n in affected.items() if n)
        output.print_line(f"{title}: {words or 'nothing is affected'}")
    output.print_line("")
    broken = f"{len(found.broken):,} CIs fare" if len(found.broken) != 1 else "1 CI fares"
    said = f"{broken} worse only because of the combination (revision {found.together.at})"
    output.print_line(said, "bold")
    for one in found.broken[:first]:
        words = f"  {name(told, one.id)} ({one.type}): {one.together}, alone {one.alone}"
        spared = " or ".join(titles[number] for number in one.spared_by)
        output.print_line(
            words + (f"; spared without {spared}" if spared else ""), STYLES[one.together]
        )
    if len(found.broken) > first:
        more = f"… and {len(found.broken) - first:,} more; --first {len(found.broken)} prints all."
        output.print_line(more, "dim")
    if found.tipped:
        output.print_line("Redundancy that is lost only together", "bold")
    for group in found.tipped[:first]:
        output.print_line(f"  {name(told, group.dependent)} {group.type}: {group_words(group)}")
    print_doubts(found.together, told)
