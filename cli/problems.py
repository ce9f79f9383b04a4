"""The subcommands ``cmdb problem …``: what every kind of process has, and which incidents a problem explains."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from cli import output, services
from cli.options import (
    STORE_DEFAULT,
    Actor,
    First,
    Json,
    Organisation,
    Reason,
    Store,
    actor_or_me,
    opened,
    organisation_id,
)
from cli.process_show import Section
from cli.process_words import ProcessName, Words, attributes_and_details, told_apart
from cli.processes import Processes
from cmdb.records import Record
from cmdb.store import GraphStore
from itsm.incidents import FIXED_BY, Incidents
from itsm.problems import HAS_PROBLEM, PROBLEM, Problems
from itsm.recurrence import DAYS, LEAST, Candidate, candidates
from lifecycle.drafting import Drafting
from lifecycle.naming import find_devices

IncidentNumbers = Annotated[
    list[str], typer.Argument(metavar="INCIDENT...", help="Numbers of incidents.")
]


def _beside(graph: GraphStore, problem: Record) -> Section:
    """The incidents that it explains, and the changes that fix it."""
    near = {
        "incidents": ("Explains 引发事件", graph.neighbours([problem.id], [HAS_PROBLEM], "in")),
        "changes": ("Is fixed by 由变更解决", graph.neighbours([problem.id], [FIXED_BY], "out")),
    }
    plain, lines = {}, []
    for name, (label, links) in near.items():
        records = sorted((n.record for n in links), key=lambda r: str(r.attributes.get("number")))
        plain[name] = [_plain(record) for record in records]
        lines += [f"{label}: {_line(graph, record)}" for record in records]
    return Section(plain, lines)


def _line(graph: GraphStore, record: Record) -> str:
    number = record.attributes.get("number", "")
    return f"{number} {record.name}, {output.state(graph.model, record)}"


def _plain(record: Record) -> dict[str, Any]:
    names = ("number", "lifecycle_state", "priority")
    return {"id": record.id, "name": record.name, **{n: record.attributes.get(n) for n in names}}


problems = Processes(Problems, columns=("name",), beside=_beside)
app = problems.app(
    "Problems: what lies behind incidents, its cause, and what to do meanwhile.",
    without=("new", "approve", "reject"),
)


@app.command("open")
def open_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What is wrong, in a few words.")],
    words: Words = None,
    incident: Annotated[
        list[str] | None,
        typer.Option("--incident", metavar="NUMBER", help="That it explains. Repeatable."),
    ] = None,
    actor: Actor = "",
    reason: Reason = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Open a problem: cmdb problem open "disks fail" --incident SJ-2026-000001 symptoms=…"""
    with opened(store) as graph:
        named, values = told_apart(words or ())
        attributes, _ = attributes_and_details(graph, graph.model.record_type(PROBLEM), values)
        cis = [record.id for record in find_devices(graph, named).values()]
        doing, incidents = services.processes(graph, Problems), _incidents(graph, incident or ())
        made = doing.open(actor_or_me(actor), name, incidents, cis, attributes, reason)
        problems.report(graph, made.id, json, f"Opened {made.attributes['number']} {name}")


@app.command()
def join(
    problem: ProcessName,
    incidents: IncidentNumbers,
    actor: Actor = "",
    reason: Reason = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Say that a problem explains some more incidents, ended or not; it concerns their CIs too."""
    with opened(store) as graph:
        found, doing = problems.find(graph, problem), services.processes(graph, Problems)
        doing.join(found.id, actor_or_me(actor), _incidents(graph, incidents), reason)
        problems.report(graph, found.id, json, f"{problem} explains {', '.join(incidents)}")


@app.command()
def leave(
    problem: ProcessName,
    incidents: IncidentNumbers,
    actor: Actor = "",
    reason: Reason = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Say that a problem does not explain some incidents after all."""
    with opened(store) as graph:
        found, doing = problems.find(graph, problem), services.processes(graph, Problems)
        doing.leave(found.id, actor_or_me(actor), _incidents(graph, incidents), reason)
        problems.report(graph, found.id, json, f"{problem} does not explain {', '.join(incidents)}")


@app.command()
def fix(
    problem: ProcessName,
    change: Annotated[str, typer.Argument(metavar="CHANGE", help="Its number.")],
    actor: Actor = "",
    reason: Reason = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Say which change is to put an end to a problem: it is resolved once that was successful."""
    with opened(store) as graph:
        found, doing = problems.find(graph, problem), services.processes(graph, Problems)
        fixing = Drafting(doing.engine).find(change)
        doing.fix(found.id, actor_or_me(actor), fixing.id, reason)
        problems.report(graph, found.id, json, f"{problem} is fixed by {change}")


@app.command("candidates")
def list_candidates(
    days: Annotated[
        int, typer.Option("--days", min=1, max=36_500, metavar="DAYS", help="Look so far back.")
    ] = DAYS,
    least: Annotated[
        int, typer.Option("--least", min=2, max=10_000, metavar="N", help="So many incidents.")
    ] = LEAST,
    organisation: Organisation = "",
    first: First = 20,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Incidents that recur and that no problem explains: of the same CI, or of CIs of one make; the worst first."""
    with opened(store) as graph:
        since = datetime.now(UTC) - timedelta(days=days)
        below = organisation_id(graph, organisation)
        found = candidates(graph, since, least=least, organisation=below, first=first)
        names = output.names(graph, (ci for candidate in found for ci in candidate.cis))
        if json:
            output.print_json([_plain_candidate(candidate, names) for candidate in found])
            return
        if found:
            rows = [_row(candidate, names) for candidate in found]
            output.print_table(["blamed", "incidents", "points", "latest"], rows)
        output.print_line(f"{len(found)} candidates. `cmdb problem open` makes one a problem.")


def _incidents(graph: GraphStore, numbers: Sequence[str]) -> list[str]:
    incidents = services.processes(graph, Incidents)
    return [incidents.find(number).id for number in numbers]


def _row(candidate: Candidate, names: dict[str, str]) -> list[Any]:
    blamed = [*(names.get(ci, ci) for ci in candidate.cis), *map(" ".join, candidate.makes)]
    numbers = [str(one.attributes.get("number")) for one in candidate.incidents]
    latest = candidate.incidents[0].attributes["occurred_at"]
    return ["\n".join(blamed), ", ".join(numbers), candidate.points, f"{latest:%Y-%m-%d %H:%M} UTC"]


def _plain_candidate(candidate: Candidate, names: dict[str, str]) -> dict[str, Any]:
    return {
        "cis": [{"id": ci, "name": names.get(ci)} for ci in candidate.cis],
        "makes": [make._asdict() for make in candidate.makes],
        "incidents": [_plain(one) for one in candidate.incidents],
        "points": candidate.points,
    }
