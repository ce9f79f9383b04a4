"""Subcommands over stock-taking: counting, and settling what is different."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from cli import output, services
from cli.confirming import Yes, confirm
from cli.options import (
    STORE_DEFAULT,
    Actor,
    Json,
    Reason,
    Store,
    actor_or_me,
    opened,
    organisation_id,
)
from cli.scanned import reads
from cli.words import find_record, parse_assignments
from cmdb.errors import QueryError
from cmdb.store import GraphStore
from lifecycle.count_reports import Report
from lifecycle.counting import MISPLACED, MISSING
from lifecycle.scanning import folded
from lifecycle.stocktake import Fed

app = typer.Typer(
    no_args_is_help=True, help="Stock-taking (盘点): count devices, settle differences, sign off."
)

Count = Annotated[str, typer.Argument(metavar="COUNT", help="Its number or id.")]
RESULTS: Final = {"found": "相符", "missing": "盘亏", "misplaced": "错位", "unknown": "未知"}


@app.command("open")
def open_(
    organisation: Annotated[
        str,
        typer.Option("--organisation", metavar="RECORD", help="Count this one and those below."),
    ] = "",
    place: Annotated[
        str, typer.Option("--place", metavar="RECORD", help="Count what stands in this place.")
    ] = "",
    due: Annotated[
        datetime | None, typer.Option("--due", formats=["%Y-%m-%d"], help="To be done by.")
    ] = None,
    name: Annotated[str, typer.Option("--name", metavar="TEXT")] = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Open a count of an organisation (by default yours) or of a place."""
    with opened(store) as graph:
        count = services.settling(graph).counts.open(
            actor_or_me(actor),
            organisation=organisation_id(graph, organisation),
            place=find_record(graph, place).id if place else None,
            due_on=due.date() if due else None,
            name=name,
        )
        if json:
            output.print_json(output.plain_record(graph.model, count))
        else:
            number = count.attributes["number"]
            output.print_line(f"{number} is open. `cmdb stocktake feed {number} FILE` counts.")


@app.command()
def feed(
    count: Count,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="Numbers, one a line, or a CSV or XLSX with headers; - is standard input.",
        ),
    ] = None,
    discovered: Annotated[
        bool,
        typer.Option(
            "--discovered", help="Count what sources reported since the count was opened."
        ),
    ] = False,
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="Only what this source reported.")
    ] = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Take down asset and serial numbers that were scanned, in as many parts as it takes."""
    if bool(files) == (discovered or bool(source)):
        raise QueryError("Feed what?", "Name files (- for standard input), or --discovered.")
    with opened(store) as graph, output.progress_bar("counting") as advance:
        counts = services.settling(graph).counts
        id, who = counts.find(count).id, actor_or_me(actor)
        if files:
            fed = counts.feed(id, who, reads(graph, files), advance)
        else:
            fed = counts.feed_sightings(id, who, source)
    _print_fed(fed, json)


def _print_fed(fed: Fed, json: bool) -> None:
    if json:
        output.print_json({"results": dict(fed.results), "unknown_numbers": fed.unknown})
        return
    told = ", ".join(f"{n} {result}" for result, n in sorted(fed.results.items()))
    output.print_line(told or "Nothing new.")
    for number in fed.unknown:
        output.print_line(f"unknown: {number}", "yellow")


@app.command()
def show(count: Count, store: Store = STORE_DEFAULT, json: Json = False) -> None:
    """How a count stands: found, missing, misplaced, unknown, and what is settled."""
    with opened(store) as graph:
        counts = services.settling(graph).counts
        _print_report(graph, counts.report(counts.find(count).id), json)


@app.command()
def close(
    count: Count, actor: Actor = "", store: Store = STORE_DEFAULT, json: Json = False
) -> None:
    """End the counting: what was expected and not found is missing."""
    with opened(store) as graph:
        counts = services.settling(graph).counts
        _print_report(graph, counts.close(counts.find(count).id, actor_or_me(actor)), json)


@app.command()
def reopen(
    count: Count,
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Count on, after all."""
    with opened(store) as graph:
        counts = services.settling(graph).counts
        found = counts.find(count)
        revision = counts.engine.transition(found.id, "recount", actor_or_me(actor), reason=reason)
        _done(revision, f"{found.attributes['number']} is open again.", json)


@app.command()
def cancel(
    count: Count,
    reason: Reason = "",
    yes: Yes = False,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Give a count up, with a reason. It cannot be opened again."""
    with opened(store) as graph:
        counts = services.settling(graph).counts
        found = counts.find(count)
        confirm(f"To cancel {found.attributes['number']}", yes)
        revision = counts.engine.transition(found.id, "cancel", actor_or_me(actor), reason=reason)
        _done(revision, f"{found.attributes['number']} is cancelled.", json)


def _done(revision: int, text: str, json: bool) -> None:
    if json:
        output.print_json({"revision": revision})
    else:
        output.print_line(text)


def _print_report(graph: GraphStore, report: Report, json: bool) -> None:
    count = report.count
    if json:
        output.print_json(
            {
                "count": output.plain_record(graph.model, count),
                "results": dict(report.results),
                "differences": [
                    {
                        "id": d.record.id,
                        "name": d.record.name,
                        "type": d.record.type,
                        "result": d.result,
                        "why": list(d.why),
                        "settled": d.settled or None,
                        "details": dict(d.details),
                    }
                    for d in report.differences
                ],
                "unknown": dict(report.unknown),
                "unsettled": report.unsettled,
            }
        )
        return
    state = output.shown(graph.model, "lifecycle_state", count.attributes.get("lifecycle_state"))
    output.print_line(f"{count.attributes['number']} {count.name}: {state}", "bold")
    results = {**report.results, "unknown": len(report.unknown)}
    told = ", ".join(f"{results.get(r, 0)} {r} ({zh})" for r, zh in RESULTS.items())
    output.print_line(f"{told}; {report.unsettled} not settled")
    rows: list[list[Any]] = [
        [
            d.record.name,
            d.record.attributes.get("serial_number"),
            d.result,
            ", ".join(d.why),
            d.settled or "–",
        ]
        for d in report.differences
    ]
    rows += [
        ["", number, "unknown", "", said.get("explained") or "–"]
        for number, said in report.unknown.items()
    ]
    if rows:
        output.print_table(["name", "number", "result", "why", "settled"], rows)


@app.command()
def settle(
    count: Count,
    devices: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DEVICE]...", help="Names, ids or read numbers; by default all of the result."
        ),
    ] = None,
    result: Annotated[str, typer.Option("--result", help="missing or misplaced.")] = "",
    order: Annotated[
        str,
        typer.Option(
            "--order",
            metavar="TYPE",
            help="Draft an order of this type; `usual` is that of the result.",
        ),
    ] = "",
    move: Annotated[bool, typer.Option("--move", help="Record it where it was found.")] = False,
    explain: Annotated[
        str, typer.Option("--explain", metavar="TEXT", help="Why it is no difference.")
    ] = "",
    place: Annotated[str, typer.Option("--place", metavar="RECORD", help="Where it stands.")] = "",
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="ATTRIBUTE=VALUE", help="Of the orders.")
    ] = None,
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Settle differences: by an order, by a move, or by an explanation."""
    if (bool(order) + move + bool(explain)) != 1:
        raise QueryError("Settle it how?", "Give one of --order, --move and --explain.")
    if result not in ("", MISSING, MISPLACED):
        raise QueryError(f"{result!r} settles nothing.", "--result is missing or misplaced.")
    with opened(store) as graph:
        settling, who = services.settling(graph), actor_or_me(actor)
        report = settling.counts.report(settling.counts.find(count).id)
        id = report.count.id
        wanted, numbers = _named(graph, report, devices or ())
        if not wanted and not numbers and not result:
            raise QueryError("Settle what?", "Name devices, or --result missing or misplaced.")
        chosen = wanted if devices else None
        where = find_record(graph, place).id if place else None
        if explain:
            named = chosen if not numbers or wanted else None
            done = settling.by_explaining(
                id, who, explain, devices=named, result=result, numbers=numbers
            )
        elif move:
            done = settling.by_moving(id, who, devices=chosen, place=where, reason=reason)
        else:
            if not result:
                raise QueryError("Which result?", "--result is missing or misplaced.")
            said = {"place": where} if where else {}
            said |= parse_assignments(graph.model.attributes, sets or ())
            orders = settling.by_orders(
                id, who, result, devices=chosen, attributes=said, reason=reason,
                type_="" if order == "usual" else order,
            )  # fmt: skip
            _print_orders(graph, orders, json)
            return
        if json:
            output.print_json({"settled": done})
        else:
            output.print_line(f"{done} settled.")


def _print_orders(graph: GraphStore, orders: Iterable[Any], json: bool) -> None:
    if json:
        output.print_json([output.plain_record(graph.model, order) for order in orders])
        return
    for order in orders:
        output.print_line(
            f"{order.attributes['number']} {order.type} is drafted; it settles when it is submitted."
        )


def _named(graph: GraphStore, report: Report, texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Devices and unknown numbers of a count, as people name them."""
    by_text: dict[str, str] = {}
    for d in report.differences:
        read = d.details.get("read") or ""
        for text in (d.record.id, d.record.name, read, d.record.attributes.get("serial_number")):
            by_text[folded(str(text or ""))] = d.record.id
    devices, numbers = [], []
    for text in texts:
        if folded(text) in report.unknown:
            numbers.append(text)
        else:
            devices.append(by_text.get(folded(text)) or find_record(graph, text).id)
    return devices, numbers


@app.command("sign-off")
def sign_off(
    count: Count,
    reason: Reason = "",
    yes: Yes = False,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Sign a count off, once everything is settled. It cannot be opened again."""
    with opened(store) as graph:
        settling = services.settling(graph)
        found = settling.counts.find(count)
        confirm(f"To sign off {found.attributes['number']}", yes)
        revision = settling.sign_off(found.id, actor_or_me(actor), reason)
        _done(revision, f"{found.attributes['number']} is signed off.", json)
