"""When changes are, what is in the way of one, and when there is room for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from cli import output
from cli.change_views import changes_of
from cli.options import STORE_DEFAULT, Json, Organisation, Store, opened, organisation_id, when
from cli.process_words import ProcessName
from cmdb.errors import QueryError
from itsm.changes.collisions import Collision
from itsm.changes.schedule import HORIZON, calendar
from schema.model import ORGANISATION_ATTRIBUTE

AHEAD: Final = 14
"""So many days the calendar shows, unless it is told."""


def collisions(process: ProcessName, store: Store = STORE_DEFAULT, json: Json = False) -> None:
    """What is in the way of its window: other changes, freeze periods, the hours of services."""
    with opened(store) as graph:
        changes = changes_of(graph)
        found = changes.collisions(changes.find(process))
        if json:
            output.print_json([collision.plain() for collision in found])
            return
        _print_collisions(found)
        number = f"{len(found)} collisions" if len(found) != 1 else "1 collision"
        output.print_line(f"{number}." if found else "Nothing is in its way.")


def _print_collisions(found: Sequence[Collision]) -> None:
    rows = [[c.kind, _span(c.begins, c.ends), c.why] for c in found]
    if rows:
        output.print_table(["kind", "when", "why"], rows)


def _span(begins: datetime, ends: datetime) -> str:
    """In local time, as it is typed."""
    one, other = begins.astimezone(), ends.astimezone()
    later = f"{other:%H:%M}" if one.date() == other.date() else f"{other:%Y-%m-%d %H:%M}"
    return f"{one:%Y-%m-%d %H:%M} – {later}"


def next_window(
    process: ProcessName,
    days: Annotated[
        int, typer.Option("--days", min=1, max=3_650, metavar="N", help="Look so far ahead.")
    ] = HORIZON,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """The next window of the same length with nothing in its way."""
    with opened(store) as graph:
        changes = changes_of(graph)
        found = changes.next_free(changes.find(process), days)
        if json:
            output.print_json(found.plain())
            return
        _print_collisions(found.first)
        if found.begins is None or found.ends is None:
            until = f"{found.until.astimezone():%Y-%m-%d %H:%M}"
            output.print_line(f"There is none that begins by {until}; --days looks further.")
        else:
            output.print_line(f"Free: {_span(found.begins, found.ends)}", "bold")
            sides = [
                at.astimezone().isoformat(timespec="minutes") for at in (found.begins, found.ends)
            ]
            output.print_line(f"starts_at={sides[0]} ends_at={sides[1]}", "dim")


def calendar_(
    since: Annotated[
        str, typer.Option("--from", metavar="WHEN", help="An instant; now by default.")
    ] = "",
    until: Annotated[
        str, typer.Option("--to", metavar="WHEN", help=f"{AHEAD} days later by default.")
    ] = "",
    organisation: Organisation = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Changes and freeze periods by time."""
    with opened(store) as graph:
        now = datetime.now(UTC)
        begins = _instant(since) or now
        ends = _instant(until) or begins + timedelta(days=AHEAD)
        at = organisation_id(graph, organisation)
        found = calendar(graph, begins, ends, now, at)
        if json:
            output.print_json([entry.plain() for entry in found])
            return
        named = output.referred(
            graph,
            (
                (ORGANISATION_ATTRIBUTE, e.record.attributes.get(ORGANISATION_ATTRIBUTE))
                for e in found
            ),
        )
        rows = [
            [
                _span(entry.begins, entry.ends),
                entry.record.attributes.get("number") or entry.record.name,
                graph.model.record_types[entry.record.type].label.zh,
                *(
                    output.shown(graph.model, n, entry.record.attributes.get(n), named)
                    for n in ("lifecycle_state", "risk", ORGANISATION_ATTRIBUTE)
                ),
                entry.items,
            ]
            for entry in found
        ]
        if rows:
            columns = ["when", "number", "类型", "state", "risk", "organisation", "CIs"]
            output.print_table(columns, rows)
        output.print_line(f"{len(rows)} from {_span(begins, ends)}.")


def _instant(text: str) -> datetime | None:
    at = when(text)
    if isinstance(at, int):
        raise QueryError(f"{text} is no instant.", "Write 2026-03-31T08:00.")
    return at
