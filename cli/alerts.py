"""The subcommands ``cmdb alert …`` and ``cmdb desk …``: what monitoring tools report, and what is done with it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output, services
from cli.options import ALL, STORE_DEFAULT, Actor, After, First, Json, Store, actor_or_me, opened
from cli.words import find_record
from cmdb.errors import QueryError, SourceError
from cmdb.queries import Query, Sort
from cmdb.records import Record
from cmdb.store import GraphStore
from itsm.alerts import attaching
from itsm.alerts.formats import FORMATS
from itsm.alerts.outcomes import ALERT, RAISED_ON, REPORTED_IN, UNMATCHED
from itsm.alerts.received import Malformed
from itsm.alerts.receiving import UnreadableAlertsError, receive
from itsm.alerts.rules import AlertRules, load_alert_rules
from itsm.desk import Desk
from schema.model import STATE_ATTRIBUTE

alert_app = typer.Typer(
    no_args_is_help=True, help="Alerts of monitoring tools: received, listed, attached to CIs."
)
desk_app = typer.Typer(
    no_args_is_help=True,
    help="What the product does by itself: alerts taken in, incidents looked at anew, timers fired.",
)
RulesFile = Annotated[
    Path | None,
    typer.Option(
        "--rules",
        envvar="CMDB_ALERT_RULES",
        metavar="FILE",
        help="Rules for alerts, laid over the shipped ones.",
        show_envvar=True,
    ),
]
AlertName = Annotated[
    str, typer.Argument(metavar="ALERT", help="Its id, its fingerprint, or its name.")
]


def rules_of(path: Path | None) -> AlertRules:
    """The rules in a file, laid over the shipped ones."""
    return load_alert_rules(path)


@alert_app.command("receive")
def receive_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="- for standard input.")],
    format_: Annotated[
        str, typer.Option("--format", metavar="|".join(FORMATS), help="What it is of.")
    ],
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="Of the tool. Default: the format.")
    ] = "",
    content_type: Annotated[
        str,
        typer.Option("--content-type", metavar="TYPE", help="As the tool sent it."),
    ] = "application/json",
    rules: RulesFile = None,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Keep alerts as a monitoring tool sends them; the desk takes them in."""
    if format_ not in FORMATS:
        raise QueryError(f"There is no format {format_!r}.", f"There are: {', '.join(FORMATS)}.")
    body = _read(file)
    known = rules_of(rules)
    entries = FORMATS[format_](body, {"content-type": content_type}, source or format_, known)
    with opened(store, here="Tools post alerts to a server, at /alerts.") as graph:
        receive(graph, entries)
    unread = [entry for entry in entries if isinstance(entry, Malformed)]
    problems = list(dict.fromkeys(entry.reason for entry in unread))
    if json:
        said = {"received": len(entries), "unread": len(unread), "problems": problems}
        output.print_json(said)
    else:
        output.print_line(f"{len(entries)} alerts kept; `cmdb desk run` takes them in.")
        for problem in problems:
            output.print_line(f"Not read, and kept: {problem}")
    if unread and len(unread) == len(entries):
        raise UnreadableAlertsError(problems)


def _read(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise SourceError(f"{file} cannot be read: {error.strerror}.", "Check it.") from None


@alert_app.command("list")
def list_alerts(
    unmatched: Annotated[
        bool, typer.Option("--unmatched", help="Only those whose CI is not known, with why.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Those that are cleared, too.")] = False,
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="Only those of this tool.")
    ] = "",
    first: First = 50,
    after: After = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Alerts that fire, those that were seen last first."""
    where: dict[str, Any] = {} if every else {STATE_ATTRIBUTE: {"eq": "firing"}}
    if unmatched:
        where[UNMATCHED] = {"null": False}
    if source:
        where["alert_source"] = {"eq": source}
    sort = [Sort("last_seen", True)]
    with opened(store) as graph:
        page = graph.find(
            Query(ALERT, where, sort=sort, first=first, after=after or None, total=True)
        )
        around = _around(graph, page.records)
        if json:
            plain = [_plain(graph, record, around[record.id]) for record in page.records]
            output.print_json({"alerts": plain, "cursor": page.cursor, "total": page.total})
            return
        rows = [_row(graph, record, around[record.id], unmatched) for record in page.records]
        if rows:
            about = ["why no CI is known"] if unmatched else ["CI", "incident"]
            output.print_table(
                ["alert", "severity", "state", "times", "seen last", *about, "fingerprint"], rows
            )
        of = f" of {page.total}" if page.total != len(rows) else ""
        more = f" More with --after {page.cursor}" if page.cursor else ""
        output.print_line(f"{len(rows)}{of} alerts.{more}")


def _row(
    graph: GraphStore, record: Record, around: dict[str, Record], unmatched: bool
) -> list[Any]:
    said = record.attributes
    seen = said.get("last_seen")
    ci, incident = around.get(RAISED_ON), around.get(REPORTED_IN)
    about = (
        [said.get(UNMATCHED)]
        if unmatched
        else [
            f"{ci.type} {ci.name}" if ci else said.get(UNMATCHED, "–"),
            incident.attributes.get("number") if incident else "–",
        ]
    )
    return [
        record.name,
        output.shown(graph.model, "severity", said.get("severity")),
        output.state(graph.model, record) + " flapping (抖动)" * bool(said.get("flapping")),
        said.get("occurrences"),
        f"{seen:%m-%d %H:%M:%S} UTC" if seen else "–",
        *about,
        said["fingerprint"],
    ]


@alert_app.command()
def show(alert: AlertName, store: Store = STORE_DEFAULT, json: Json = False) -> None:
    """One alert: what was said, which CI it is about and why, and its incident."""
    with opened(store) as graph:
        record = attaching.named(graph, alert)
        around = _around(graph, [record])[record.id]
        plain = _plain(graph, record, around)
        if json:
            output.print_json(plain)
            return
        output.print_line(record.name, "bold")
        model, hidden = graph.model, ("name", "labels_said")
        shown = {n: v for n, v in sorted(record.attributes.items()) if n not in hidden}
        named = output.referred(graph, shown.items())
        rows = [
            [n, model.attributes[n].label.zh, output.shown(model, n, v, named)]
            for n, v in shown.items()
        ]
        output.print_table(["attribute", "属性", "value"], rows)
        output.print_table(["said by the tool", "value"], plain["said"].items())
        output.print_line(_names(around) or "No CI is known, and no incident.")


@alert_app.command()
def attach(
    alert: AlertName,
    ci: Annotated[str, typer.Argument(metavar="CI", help="Its id, or its exact name.")],
    rules: RulesFile = None,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Say which CI an alert is about; then it becomes an incident as any other does."""
    with opened(store) as graph:
        record, item = attaching.named(graph, alert), find_record(graph, ci)
        who, known = actor_or_me(actor), rules_of(rules)
        revision = services.attach_alert(graph, record.id, item.id, who, known)
        if json:
            output.print_json({"alert": record.id, "ci": item.id, "revision": revision})
        else:
            output.print_line(f"{record.name}: about {item.type} {item.name}.")


def _around(graph: GraphStore, alerts: Sequence[Record]) -> dict[str, dict[str, Record]]:
    """By id of an alert: its CI and its incident, by the relationship that leads there."""
    found: dict[str, dict[str, Record]] = {alert.id: {} for alert in alerts}
    ends = graph.neighbours(list(found), [RAISED_ON, REPORTED_IN], "out") if found else ()
    for near in ends:
        found[near.of][near.relationship.type] = near.record
    return found


def _names(around: dict[str, Record]) -> str:
    ci, incident = around.get(RAISED_ON), around.get(REPORTED_IN)
    words = [f"{ci.type} {ci.name}"] if ci else []
    words += [f"{incident.attributes.get('number')} {incident.name}"] if incident else []
    return ", ".join(words)


def _plain(graph: GraphStore, record: Record, around: dict[str, Record]) -> dict[str, Any]:
    said = dict(record.attributes.get("labels_said") or {})
    plain = output.plain_record(graph.model, record)
    return {
        **plain,
        "said": said.get("labels", said),
        "ci": around[RAISED_ON].id if RAISED_ON in around else None,
        "incident": around[REPORTED_IN].attributes.get("number") if REPORTED_IN in around else None,
    }


# -- the desk -----------------------------------------------------------------------------------------------


@desk_app.command()
def run(
    once: Annotated[
        bool, typer.Option("--once", help="Do what is to be done now, and end: for a scheduler.")
    ] = False,
    rules: RulesFile = None,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Take in alerts, open incidents, look at them anew, fire timers; until Ctrl-C. `cmdb serve` does so, too:
    of several processes one works."""
    known = rules_of(rules)
    with opened(store, here=ALL) as graph:
        desk = Desk(graph, known)
        if once:
            held = desk.once()
        else:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: desk.stop())
            output.print_line("The desk works until Ctrl-C.")
            desk.run()
            held = True
        failing = desk.condition().failing
        if json:
            output.print_json({**asdict(desk.tally), "held": held, "failing": failing})
            return
        if not held:
            output.print_line("Another process does it.")
            return
        done = ", ".join(f"{name} {count}" for name, count in asdict(desk.tally).items() if count)
        output.print_line(f"Done: {done or 'nothing was to be done'}.")
        for name, why in failing.items():
            output.print_line(f"Failed: {name}: {why}")
