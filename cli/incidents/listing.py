"""Which incidents are open, and what they wait for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from cli import output, services
from cli.incidents.words import plain, span
from cli.options import (
    STORE_DEFAULT,
    Actor,
    After,
    First,
    Json,
    Organisation,
    Store,
    actor_or_me,
    opened,
    organisation_id,
)
from cmdb.records import Record
from cmdb.store import GraphStore
from itsm.listing import Wanted, listed

NAMED: Final = ("assigned_team", "assignee", "organisation")


def list_incidents(
    priority: Annotated[
        str, typer.Option("--priority", metavar="PRIORITY", help="Only of this one: p1.")
    ] = "",
    mine: Annotated[
        bool, typer.Option("--mine", help="Only those that are yours, or of a team of yours.")
    ] = False,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only those not answered, or resolved, in time.")
    ] = False,
    major: Annotated[bool, typer.Option("--major", help="Only major ones.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    organisation: Organisation = "",
    first: First = 50,
    after: After = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Open incidents, the highest priority first."""
    with opened(store) as graph:
        wanted = Wanted(
            priority,
            actor_or_me(actor) if mine else "",
            overdue,
            major,
            every,
            organisation_id(graph, organisation),
        )
        page = listed(services.engine(graph), wanted, first, after or None)
        if json:
            output.print_json([plain(graph, record) for record in page.records])
            return
        named = output.referred(graph, ((n, r.attributes.get(n)) for r in page.records for n in NAMED))  # fmt: skip
        now = datetime.now(UTC)
        rows = [_row(graph, record, named, now) for record in page.records]
        columns = [
            "incident",
            "事件",
            "priority",
            "state",
            "due",
            "team",
            "assignee",
            "organisation",
        ]
        if rows:
            output.print_table(columns, rows)
        of = f" of {page.total}" if page.total != len(rows) else ""
        more = f" More with --after {page.cursor}" if page.cursor else ""
        output.print_line(f"{len(rows)}{of} incidents.{more}")


def _row(graph: GraphStore, record: Record, named: Mapping[str, str], now: datetime) -> list[Any]:
    model, said = graph.model, record.attributes
    marks = f"{output.shown(model, 'priority', said.get('priority'))}{' MAJOR' * bool(said.get('major'))}"
    return [
        said.get("number", record.id),
        record.name,
        marks,
        output.state(graph.model, record),
        _due(said, now),
        *(output.shown(model, name, said.get(name), named) for name in NAMED),
    ]


def _due(said: Mapping[str, Any], now: datetime) -> str:
    """Until when the next thing is to be done, by the clock on the wall."""
    name = "response_due" if said.get("lifecycle_state") == "new" else "resolution_due"
    due = said.get(name) or said.get("resolution_due")
    if due is None:
        return "–"
    words = f"{due:%m-%d %H:%M} UTC"
    return f"{words}, {span(now - due)} ago" if due < now else f"{words}, in {span(due - now)}"
