"""Drafts of processes, with what they concern: made, added to, taken from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from cli.options import STORE_DEFAULT, Actor, Json, Store, actor_or_me, opened
from cli.order_moves import Service, report
from cli.order_words import (
    DeviceType,
    Find,
    From,
    ProcessName,
    WhereDevices,
    Words,
    attributes_and_details,
    chosen,
    concerned_by,
    told_apart,
    values_of,
)
from cmdb.errors import QueryError
from cmdb.store import GraphStore
from lifecycle.drafting import Drafting
from lifecycle.naming import find_devices
from schema.model import RecordType


def draft(
    graph: GraphStore,
    desk: Drafting,
    kind: RecordType,
    words: Sequence[str],
    find: Sequence[str],
    where: str,
    record_type: str,
    file: str,
    actor: str,
    reason: str,
    json: bool,
) -> None:
    """Draft a process as it is typed, and say so."""
    named, values = told_apart(words)
    attributes, details = attributes_and_details(graph, kind, values)
    concerned = concerned_by(graph.model, kind.name)
    devices = chosen(graph, concerned, named, details, find, where, record_type, file)
    made = desk.new(kind.name, actor_or_me(actor), attributes, devices, reason)
    report(graph, made.id, json, f"Drafted {made.name} with {counted(len(devices))}")


def adder(service: Service) -> Callable[..., None]:
    def add(
        process: ProcessName,
        words: Words = None,
        find: Find = None,
        where: WhereDevices = "",
        record_type: DeviceType = "",
        file: From = "",
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        """Add devices to a draft, or give other details to those it has."""
        with opened(store) as graph:
            desk = service(graph)
            found = desk.find(process)
            named, values = told_apart(words or ())
            details, concerned = values_of(graph, values), concerned_by(graph.model, found.type)
            devices = chosen(graph, concerned, named, details, find or (), where, record_type, file)
            if not devices:
                what = "Nothing was named to be added."
                raise QueryError(what, "Name devices, or --find or --from.")
            desk.add(found.id, actor_or_me(actor), devices)
            report(graph, found.id, json, f"Added {counted(len(devices))} to {found.name}")

    return add


def remover(service: Service) -> Callable[..., None]:
    def remove(
        process: ProcessName,
        devices: Annotated[list[str], typer.Argument(metavar="DEVICE...")],
        actor: Actor = "",
        store: Store = STORE_DEFAULT,
        json: Json = False,
    ) -> None:
        """Take devices off a draft."""
        with opened(store) as graph:
            desk = service(graph)
            found = desk.find(process)
            named = find_devices(graph, devices, concerned_by(graph.model, found.type))
            ids = [record.id for record in named.values()]
            desk.remove(found.id, actor_or_me(actor), ids)
            report(graph, found.id, json, f"Took {counted(len(ids))} off {found.name}")

    return remove


def counted(number: int) -> str:
    return f"{number:,} device{'' if number == 1 else 's'}"
