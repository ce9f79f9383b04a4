"""Subcommands over what is due: looking ahead, and firing the timers of states."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import typer

from cli import output, services
from cli.options import ALL, STORE_DEFAULT, Json, Organisation, Store, opened, organisation_id
from cmdb.errors import QueryError
from cmdb.store import GraphStore
from lifecycle import timers as firing
from lifecycle.due import IDLE, QUERIES, UNSEEN, WITHIN, Due, Moment
from lifecycle.engine import Engine
from lifecycle.timers import Firing


def due(
    kinds: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KIND]...", help=f"{', '.join(QUERIES)}; all by default."),
    ] = None,
    within: Annotated[
        int, typer.Option("--within", min=0, max=36_500, metavar="DAYS", help="Look so far ahead.")
    ] = WITHIN,
    idle: Annotated[
        int, typer.Option("--idle", min=0, max=36_500, metavar="DAYS", help="Idle for so long.")
    ] = IDLE,
    unseen: Annotated[
        int,
        typer.Option("--unseen", min=0, max=36_500, metavar="DAYS", help="Not seen for so long."),
    ] = UNSEEN,
    on: Annotated[
        datetime | None,
        typer.Option("--on", formats=["%Y-%m-%d"], help="As of the end of this day."),
    ] = None,
    organisation: Organisation = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """What runs out, is overdue, idle for long, unseen, unconfirmed, or collected otherwise."""
    chosen = list(dict.fromkeys(kinds or QUERIES))
    if unknown := [kind for kind in chosen if kind not in QUERIES]:
        raise QueryError(f"Nothing is called {unknown[0]!r}.", f"There is: {', '.join(QUERIES)}.")
    with opened(store) as graph:
        moment = _moment(graph, on, within, idle, unseen, organisation)
        every = services.due_of(graph, chosen, moment)
        found = {kind: [one for one in every if one.kind == kind] for kind in chosen}
        if json:
            output.print_json(
                {
                    "today": moment.today.isoformat(),
                    "within": within,
                    "due": {kind: [_plain(d) for d in of] for kind, of in found.items()},
                    "total": sum(map(len, found.values())),
                }
            )
        else:
            _print(found)


def _moment(
    graph: GraphStore,
    on: datetime | None,
    within: int,
    idle: int,
    unseen: int,
    organisation: str,
) -> Moment:
    below = organisation_id(graph, organisation)
    now = datetime.now(UTC)
    today = now.date()
    day: date = on.date() if on else today
    end = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1)
    past = end if day < today else None
    return Moment(day, past, within, idle, unseen, below, None if on else now)


def _plain(found: Due) -> dict[str, Any]:
    record = found.record
    return {
        "id": record.id,
        "name": record.name,
        "type": record.type,
        "organisation": record.attributes.get("organisation"),
        "on": found.on.isoformat() if found.on else None,
        "days": found.days,
        "note": found.note or None,
    }


def _print(found: dict[str, Sequence[Due]] | dict[str, list[Due]]) -> None:
    for kind, of in found.items():
        if of:
            label = QUERIES[kind].label
            rows = [[d.record.name, d.record.type, d.on, d.days, d.note] for d in of]
            title = f"{kind}: {label.en} ({label.zh}), {len(of)}"
            output.print_table(["name", "type", "on", "days", "note"], rows, title)
    if not any(found.values()):
        output.print_line("Nothing is due.")


def timers(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which would fire.")] = False,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Fire the timers whose time has come: escalations, deadlines. For a scheduler to run, at any time."""
    with opened(store, here=ALL) as graph:
        engine = Engine(graph)
        found = list(firing.due(graph, engine.clock())) if dry_run else firing.run(engine)
        if json:
            output.print_json([_plain_firing(fired) for fired in found])
            return
        if not found:
            output.print_line("No timer is due.")
        for fired in found:
            output.print_line(_told(fired))


def _plain_firing(fired: Firing) -> dict[str, Any]:
    return {
        "record": fired.record.id,
        "name": fired.record.name,
        "type": fired.record.type,
        "state": fired.timer.state.name,
        "timer": fired.timer.name,
        "came": fired.came.isoformat(),
        "revision": fired.revision,
        "refusals": [refusal.message for refusal in fired.refusals],
    }


def _told(fired: Firing) -> str:
    label = fired.timer.declared.label
    line = f"{fired.record.name}: {label.en} ({label.zh}), since {fired.came:%Y-%m-%d %H:%M}"
    refused = "; ".join(refusal.message for refusal in fired.refusals)
    return f"{line}; refused: {refused}" if refused else line
