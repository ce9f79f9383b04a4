"""What discovery says after a change, and what it found that no change covers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated, Final

import typer

from cli import output
from cli.change_views import changes_of
from cli.options import (
    STORE_DEFAULT,
    First,
    Json,
    Organisation,
    Store,
    moment,
    opened,
    organisation_id,
)
from cli.process_words import ProcessName
from itsm.changes.unauthorised import unauthorised
from itsm.changes.verification import VERDICTS, verify

COVERED: Final = "What covers a difference is looked for in all of a store."
INSTEAD: Final = "unauthorisedChanges of GraphQL"


def verify_(process: ProcessName, store: Store = STORE_DEFAULT, json: Json = False) -> None:
    """What discovery says of all that it has made otherwise."""
    with opened(store) as graph:
        change = changes_of(graph).find(process)
        found = sorted(verify(graph, change), key=lambda v: VERDICTS.index(v.verdict))
        if json:
            output.print_json([verdict.plain() for verdict in found])
            return
        rows = [
            [
                verdict.verdict,
                verdict.name,
                verdict.what,
                output.shown(graph.model, verdict.what, verdict.planned),
                ", ".join(f"{source}: {value}" for source, value in verdict.found.items()),
                f"{verdict.at.astimezone():%Y-%m-%d %H:%M}" if verdict.at else "",
            ]
            for verdict in found
        ]
        if rows:
            columns = ["", "record", "what", "planned", "found", "seen"]
            output.print_table(columns, rows)
        counts = {word: sum(v.verdict == word for v in found) for word in VERDICTS}
        told = ", ".join(f"{n} {word.replace('_', ' ')}" for word, n in counts.items() if n)
        output.print_line(f"{told}." if told else "It has changed nothing in the graph.")


def unauthorised_(
    since: Annotated[
        str,
        typer.Option(
            "--since", metavar="WHEN", help="A revision or an instant; seven days ago by default."
        ),
    ] = "",
    hours: Annotated[
        int,
        typer.Option(
            "--grace",
            min=0,
            max=10_000,
            metavar="HOURS",
            help="So long after a change, order or incident has ended its work may be found.",
        ),
    ] = 24,
    organisation: Organisation = "",
    first: First = 50,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """What sources found otherwise in what is in service, and no change, order or incident covers."""
    with opened(store, here=COVERED, instead=INSTEAD) as graph:
        begin = moment(graph, since) if since else datetime.now(UTC) - timedelta(days=7)
        grace = timedelta(hours=hours)
        at = organisation_id(graph, organisation)
        every = unauthorised(graph, begin, grace=grace, organisation=at)
        found = list(islice(every, first + 1))
        more, found = len(found) > first, found[:first]
        if json:
            output.print_json([finding.plain() for finding in found])
            return
        ends = {v for f in found if f.what.isupper() for v in (f.old, f.new) if v}
        names = output.names(graph, ends)
        rows = [
            [
                f"{f.revision.at.astimezone():%Y-%m-%d %H:%M}",
                f.record.name,
                f.what,
                names.get(f.old, f.old),
                names.get(f.new, f.new),
                f.source,
                f.revision.number,
            ]
            for f in found
        ]
        if rows:
            columns = ["found", "CI", "what", "old", "new", "source", "revision"]
            output.print_table(columns, rows)
        cut = "; --first shows more" if more else ""
        output.print_line(f"{len(rows)} that nothing covers{cut}." if rows else "Nothing.")
