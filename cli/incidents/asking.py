"""What one asks when something fails: what is hit, what changed, what is known already."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from cli import output, services
from cli.incidents.showing import print_impact
from cli.incidents.words import IncidentName, incidents_of
from cli.options import STORE_DEFAULT, First, Json, Store, opened, when
from cli.records import RecordName
from cli.words import find_record
from cmdb.errors import QueryError
from cmdb.store import GraphStore
from itsm import knowledge
from itsm.assignment import leading
from itsm.hits import summary
from itsm.opening import details_of, role_of
from itsm.overview import hit_by
from itsm.recent import HOURS, Recent
from lifecycle.items import items_of

Hours = Annotated[
    float,
    typer.Option("--hours", min=0.01, max=87_600, metavar="HOURS", help="In so many hours before."),
]
Until = Annotated[
    str, typer.Option("--until", metavar="WHEN", help="Up to this instant instead of now.")
]
Depth = Annotated[
    int | None,
    typer.Option("--depth", min=0, metavar="N", help="Not of CIs that are farther below."),
]


def impact(
    incident: IncidentName, first: First = 20, store: Store = STORE_DEFAULT, json: Json = False
) -> None:
    """What an incident hits: as it is kept with it, and as it is now."""
    with opened(store) as graph:
        incidents = incidents_of(graph)
        found = incidents.find(incident)
        kept, now = found.attributes.get("impact"), hit_by(incidents.engine, found)
        same = now.same(kept)
        if json:
            output.print_json({"kept": kept, "now": now.plain(), "same": same})
            return
        print_impact(graph, summary(kept), first, "Kept 已保存")
        if same:
            output.print_line(f"The same as of revision {now.revision}.")
        else:
            print_impact(graph, summary(now.plain()), first, "Now 当前")


def recent(
    ci: RecordName,
    hours: Hours = HOURS,
    until: Until = "",
    depth: Depth = None,
    first: First = 20,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """What changed here and below: this CI and all it stands on, what is likeliest to matter first."""
    with opened(store) as graph:
        end = _instant(until) or datetime.now(UTC)
        span = timedelta(hours=hours)
        found = services.recent_of(graph, find_record(graph, ci).id, end, span, first, depth)
        _print(graph, found, json)


def changed(
    incident: IncidentName,
    hours: Hours = HOURS,
    until: Until = "",
    depth: Depth = None,
    first: First = 20,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """What changed here and below before an incident occurred: of the CI that counts most in it."""
    with opened(store) as graph:
        incidents = incidents_of(graph)
        found = incidents.find(incident)
        items = items_of(graph, [found.id])[found.id]
        staying = details_of(items)
        cis = leading([(i.record, role_of(i.details)) for i in items if i.record.id in staying])
        if not cis:
            raise QueryError(f"{incident} concerns no CI.", "`cmdb incident include` adds some.")
        end = _instant(until) or found.attributes.get("occurred_at") or datetime.now(UTC)
        span = timedelta(hours=hours)
        _print(graph, services.recent_of(graph, cis[0].id, end, span, first, depth), json)


def known(
    incident: IncidentName, first: First = 10, store: Store = STORE_DEFAULT, json: Json = False
) -> None:
    """Known errors and knowledge articles that fit an incident, each with why."""
    with opened(store) as graph:
        found = knowledge.known(graph, incidents_of(graph).find(incident), first=first)
        if json:
            output.print_json(found.plain())
            return
        names = output.names(graph, {id for fit in found.fits for id in fit.cis})
        rows = []
        for fit in found.fits:
            why = [f"same CI: {', '.join(names.get(id, id) for id in fit.cis)}"] * bool(fit.cis)
            why += [f"type: {fit.type}"] * bool(fit.type)
            why += [f"words: {', '.join(fit.words)}"] * bool(fit.words)
            said = fit.record.attributes
            help_ = said.get("workaround") or said.get("remedy") or ""
            number = said.get("number") or fit.record.type
            rows.append([number, fit.record.name, f"{fit.score:.0f}", "; ".join(why), help_])
        if rows:
            output.print_table(["", "known 已知", "score", "why it fits", "what to do"], rows)
        cut = f" Not all: {found.truncated}." if found.truncated else ""
        output.print_line(f"{len(rows)} known errors and articles fit.{cut}")


def _instant(text: str) -> datetime | None:
    found = when(text)
    if isinstance(found, int):
        raise QueryError(f"{text} is a revision.", "Write an instant: 2026-03-31T08:00+08:00.")
    return found


def _print(graph: GraphStore, found: Recent, json: bool) -> None:
    names = output.names(graph, {t.id for change in found.changes for t in change.touched})
    if json:
        output.print_json(found.plain(names))
        return
    rows = []
    for change in found.changes:
        revision, process = change.revision, change.process
        what = [
            f"{names.get(touch.id, touch.id)} ({touch.distance}): {touch.kind} {', '.join(sorted(touch.changed))}"
            for touch in change.touched[:5]
        ]
        what += [f"… and {len(change.touched) - 5} more CIs"] * (len(change.touched) > 5)
        number = process.attributes.get("number") if process is not None else ""
        rows.append(
            [
                revision.number,
                f"{revision.at:%m-%d %H:%M}",
                "\n".join(what),
                number,
                revision.actor,
                revision.reason,
                f"{change.score:.0f}",
            ]
        )
    if rows:
        columns = [
            "revision",
            "when (UTC)",
            "what (how far below)",
            "process",
            "who",
            "why",
            "score",
        ]
        output.print_table(columns, rows)
    span = f"{found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC"
    cut = f" Not all: {found.truncated}." if found.truncated else ""
    output.print_line(f"{len(rows)} changes, {span}, {found.looked_at} CIs looked at.{cut}")
