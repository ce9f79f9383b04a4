"""What people type at processes, as the services want it: devices, details, inputs, spreadsheets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Final, NamedTuple

import typer

from cli.words import find_record, parse_conditions, read_assignments
from cmdb.errors import QueryError
from cmdb.queries import Query
from cmdb.store import GraphStore
from importers.ledger.lists import rows_of
from importers.reading import documents
from lifecycle.naming import CI, find_devices, read_inputs
from schema.model import Model, RecordType

ProcessName = Annotated[
    str, typer.Argument(metavar="NUMBER", help="Its number, as `list` prints it.")
]
Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DEVICE]... [NAME=VALUE]...",
        help="Devices by id, name, asset or serial number; what else holds for them: place=…",
    ),
]
Find = Annotated[
    list[str] | None,
    typer.Option(
        "--find", metavar="CONDITION", help="Devices by a condition as of `cmdb find`. Repeatable."
    ),
]
WhereDevices = Annotated[
    str, typer.Option("--where", metavar="JSON", help="Devices by a filter as data.")
]
DeviceType = Annotated[
    str, typer.Option("--type", metavar="TYPE", help="The record type that --find is about.")
]
From = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Devices from a list: .csv, .xlsx or .txt with a column of numbers, and others of details.",
    ),
]
Override = Annotated[
    list[str] | None,
    typer.Option(
        "--override",
        metavar="GUARD=REASON",
        help="Set a guard aside, if your role allows it. Repeatable.",
    ),
]
PAGE: Final = 1_000

Device = tuple[str, Mapping[str, Any]]
"""Id and details."""


class Given(NamedTuple):
    """Words told apart."""

    devices: list[str]
    values: dict[str, str]


def told_apart(words: Iterable[str]) -> Given:
    """Devices, and ``name=value``."""
    devices, values = [], {}
    for word in words:
        name, sign, value = word.partition("=")
        if sign and name.isidentifier():
            values[name] = value
        else:
            devices.append(word)
    return Given(devices, values)


def chosen(
    graph: GraphStore,
    concerned: Sequence[str],
    named: Sequence[str],
    details: Mapping[str, Any],
    conditions: Sequence[str] = (),
    where: str = "",
    record_type: str = "",
    file: str = "",
) -> list[Device]:
    """The devices that words, a query and a file name, each once, with details."""
    found: dict[str, dict[str, Any]] = {}
    for record in find_devices(graph, named, concerned).values():
        found[record.id] = dict(details)
    if conditions or where:
        for id in _queried(graph, record_type or CI, concerned, conditions, where):
            found.setdefault(id, dict(details))
    if file:
        rows = [row for document in documents([file]) for row in rows_of(document)]
        devices = find_devices(graph, (row.number for row in rows), concerned)
        for row in rows:
            own = values_of(graph, row.details)
            id = devices[row.number].id
            if id in found and row.number not in named:
                raise QueryError(
                    f"{file} names {devices[row.number].name} again at {row.place}.",
                    "Leave one of the two out.",
                )
            found[id] = {**details, **found.get(id, {}), **own}
    return list(found.items())


def _queried(
    graph: GraphStore,
    record_type: str,
    concerned: Sequence[str],
    conditions: Sequence[str],
    where: str,
) -> Iterable[str]:
    filter_ = parse_conditions(graph, record_type, conditions, where)
    types = graph.model.record_types
    after: str | None = None
    while True:
        page = graph.find(Query(record_type, filter_, first=PAGE, after=after))
        for record in page.records:
            if not {*concerned}.isdisjoint(types[record.type].ancestors):
                yield record.id
        after = page.cursor
        if after is None:
            return


def values_of(graph: GraphStore, given: Mapping[str, str]) -> dict[str, Any]:
    """Inputs of steps as JSON values, references by the names of records."""
    linked = {n for e in graph.model.effects.values() for n in e.relates.values()}
    meant: dict[str, Any] = {}
    for name, value in given.items():
        refers = name in graph.model.references or name in linked
        meant[name] = find_record(graph, value).id if refers and value else value
    said = read_inputs(graph.model, {n: v for n, v in meant.items() if v != ""})
    known = {n: v for n, v in said.items() if n in graph.model.attributes}
    return {**said, **graph.model.to_json(known)}


def attributes_and_details(
    graph: GraphStore, process_type: RecordType, values: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is said of the process itself, and what of its devices."""
    own = {n: v for n, v in values.items() if n in process_type.attributes}
    said = [f"{n}={v}" for n, v in own.items()]
    attributes = read_assignments(graph, process_type.attributes, said)
    return attributes, values_of(graph, {n: v for n, v in values.items() if n not in own})


def pairs(words: Iterable[str], option: str, what: str) -> dict[str, str]:
    """``--option NAME=VALUE``, each once."""
    found = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not (name.strip() and sign and value.strip()):
            raise QueryError(f"{option} {word!r} lacks something.", f"Write {option} {what}.")
        found[name.strip()] = value.strip()
    return found


def day(text: str) -> date | None:
    """A day as people write it for a program: ``2026-03-31``."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise QueryError(f"{text!r} is no day.", "Write 2026-03-31.") from None


def concerned_by(model: Model, process_type: str) -> Sequence[str]:
    """The types of records that processes of a type are for."""
    procedure = model.record_types[process_type].procedure
    return procedure.concerns if procedure else (CI,)
