"""Carrying orders out: what would be refused, the steps, what is dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from cli import output, services
from cli.confirming import Yes, confirm, plain_refusals, print_refusals
from cli.errors import EXIT_CODES
from cli.options import STORE_DEFAULT, Actor, Json, Store, actor_or_me, opened
from cli.process_words import (
    Override,
    ProcessName,
    concerned_by,
    day,
    pairs,
    told_apart,
    values_of,
)
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.desk import is_final_step
from lifecycle.items import count
from lifecycle.naming import find_devices
from lifecycle.orders import Carried, Orders

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DEVICE]... [NAME=VALUE]...",
        help="All that are open if no device is named; values for all of these: place=R01.",
    ),
]
Step = Annotated[
    str,
    typer.Option(
        "--step", metavar="NAME", help="Default: the first step that a device has before it."
    ),
]
Checked = Annotated[
    list[str] | None,
    typer.Option(
        "--checked",
        metavar="TEXT",
        help="A point of the standard operating procedure that was checked, or all. Repeatable.",
    ),
]
Serial = Annotated[
    list[str] | None,
    typer.Option(
        "--serial", metavar="DEVICE=NUMBER", help="The serial number read off a device. Repeatable."
    ),
]


def check(
    order: ProcessName,
    words: Words = None,
    step: Step = "",
    checked: Checked = None,
    serial: Serial = None,
    override: Override = None,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """What execution would refuse now, and why; commits nothing. Exit code 1 if anything."""
    with opened(store) as graph:
        orders = services.processes(graph, Orders)
        found = orders.find(order)
        given = _given(graph, found, words or (), checked or (), serial or ())
        carried = orders.execute(
            found.id,
            actor_or_me(actor),
            given.devices,
            step=step or None,
            inputs=given.inputs,
            details=given.details,
            overrides=pairs(override or (), "--override", "GUARD=REASON"),
            dry_run=True,
        )
        _report(carried, json, f"{found.name}: {carried.step} would go through for", dry_run=True)
    if carried.refused:
        raise typer.Exit(EXIT_CODES["findings"][0])


def execute(
    order: ProcessName,
    words: Words = None,
    step: Step = "",
    checked: Checked = None,
    serial: Serial = None,
    override: Override = None,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Kept with each device.")
    ] = "",
    effective_on: Annotated[
        str,
        typer.Option("--effective-on", metavar="DATE", help="The day on which it counts as done."),
    ] = "",
    yes: Yes = False,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Take devices of an approved order through their next step; says which are refused, and why."""
    with opened(store) as graph:
        orders = services.processes(graph, Orders)
        found = orders.find(order)
        given = _given(graph, found, words or (), checked or (), serial or ())
        next_step = step or orders.next_step(found.id, given.devices)
        total = len(given.devices) if given.devices is not None else count(graph, found.id)
        if is_final_step(graph.model, found, next_step):
            confirm(f"To {next_step} what {found.name} concerns ({total:,})", yes)
        with output.progress_bar(f"{found.name}: {next_step}", total) as advance:
            carried = orders.execute(
                found.id,
                actor_or_me(actor),
                given.devices,
                step=next_step,
                inputs={**given.inputs, **({"reason": reason} if reason else {})},
                details=given.details,
                overrides=pairs(override or (), "--override", "GUARD=REASON"),
                effective_on=day(effective_on),
                progress=advance,
            )
        _report(carried, json, f"{found.name}: {carried.step} done for")
    if carried.refused:
        raise typer.Exit(EXIT_CODES["refused"][0])


def drop(
    order: ProcessName,
    devices: Annotated[list[str], typer.Argument(metavar="DEVICE...")],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it is asked for.")
    ] = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Take devices that nothing was done with out of an order that is under way."""
    with opened(store) as graph:
        orders = services.processes(graph, Orders)
        found = orders.find(order)
        named = find_devices(graph, devices, concerned_by(graph.model, found.type))
        ids = [record.id for record in named.values()]
        revision = orders.drop(found.id, actor_or_me(actor), ids, reason)
    if json:
        output.print_json({"order": found.id, "dropped": ids, "revision": revision})
    else:
        output.print_line(f"{found.name}: {len(ids):,} dropped (revision {revision}).")


class _Given:
    """What was said at execution, as the service wants it."""

    def __init__(
        self, devices: list[str] | None, inputs: Mapping[str, Any], details: dict[str, Any]
    ) -> None:
        self.devices, self.inputs, self.details = devices, inputs, details


def _given(
    graph: GraphStore,
    order: Record,
    words: Sequence[str],
    checked: Sequence[str],
    serial: Sequence[str],
) -> _Given:
    named, values = told_apart(words)
    read = pairs(serial, "--serial", "DEVICE=NUMBER")
    found = find_devices(graph, [*named, *read], concerned_by(graph.model, order.type))
    inputs = values_of(graph, values)
    if checked:
        inputs["checked"] = "all" if "all" in checked else list(checked)
    return _Given(
        list(dict.fromkeys(found[name].id for name in named)) if named else None,
        inputs,
        {found[name].id: {"serial_read": number} for name, number in read.items()},
    )


def _report(carried: Carried, json: bool, text: str, *, dry_run: bool = False) -> None:
    if json:
        plain = {
            "step": carried.step,
            "done": carried.done,
            "refused": carried.refused,
            "overridden": carried.overridden,
            "revision": None if dry_run else carried.revision,
            "refusals": plain_refusals(carried.refusals),
        }
        output.print_json(plain)
        return
    if carried.refusals:
        print_refusals(carried.refusals)
    overridden = f", {carried.overridden:,} with a guard overridden" if carried.overridden else ""
    revision = f" (revision {carried.revision})" if carried.revision and not dry_run else ""
    output.print_line(
        f"{text} {carried.done:,}, refused for {carried.refused:,}{overridden}{revision}."
    )
