"""Printing: tables for people, JSON for programs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from cmdb.records import Record, Relationship
from cmdb.revisions import Changes, Commit, Revision
from cmdb.store.base import GraphStore, differences, mask
from schema.kinds import write_datetime
from schema.model import STATE_ATTRIBUTE, Model

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
WIDTH_UNSEEN = 200
"""Columns of a table that goes into a file or a pipe."""


def console(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else WIDTH_UNSEEN)


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    title: str = "",
    *,
    stderr: bool = False,
) -> None:
    """A table; cells are text, whatever brackets they hold."""
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for column in columns:
        whole = column == "id"  # to be copied: never broken
        table.add_column(column, overflow="fold", no_wrap=whole, min_width=36 if whole else None)
    for row in rows:
        table.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in row))
    console(stderr=stderr).print(table)


def print_line(text: str, style: str = "") -> None:
    console().print(Text(printable(text)), style=style or None, soft_wrap=True)


def printable(text: str) -> str:
    """Text without control characters, which would speak to the terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


@contextmanager
def progress_bar(what: str, total: int | None = None) -> Iterator[Any]:
    """A bar on standard error while something long runs; call what it gives with (done, note)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    bar = Progress(
        *columns, console=console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    )
    with bar:
        task = bar.add_task(what, total=total)

        def advance(done: int | None = None, note: str = "") -> None:
            bar.update(task, completed=done, description=note or what)

        yield advance


# -- values --------------------------------------------------------------------------------------------


def plain_attributes(model: Model, attributes: Mapping[str, Any], reveal: bool) -> dict[str, Any]:
    """Attributes as JSON values, sensitive ones hidden unless revealed; secret ones are never shown."""
    plain = {k: v for k, v in model.to_json(attributes).items() if k not in model.secret}
    return plain if reveal else mask(plain, model)


def plain_record(model: Model, record: Record, reveal: bool = False) -> dict[str, Any]:
    return {
        "id": record.id,
        "type": record.type,
        "revision": record.revision,
        "attributes": plain_attributes(model, record.attributes, reveal),
    }


def plain_relationship(model: Model, link: Relationship, reveal: bool = False) -> dict[str, Any]:
    return {
        "source": link.source,
        "type": link.type,
        "target": link.target,
        "revision": link.revision,
        "attributes": plain_attributes(model, link.attributes, reveal),
    }


def plain_revision(revision: Revision) -> dict[str, Any]:
    effective = revision.effective_on.isoformat() if revision.effective_on else None
    return {**revision._asdict(), "at": write_datetime(revision.at), "effective_on": effective}


def plain_changes(model: Model, changes: Changes) -> dict[str, Any]:
    """Changes as JSON; sensitive values hidden."""

    def side(record: Record | None) -> dict[str, Any] | None:
        return None if record is None else plain_record(model, record)

    def end(link: Relationship | None) -> dict[str, Any] | None:
        return None if link is None else plain_relationship(model, link)

    return {
        "records": [{"before": side(c.before), "after": side(c.after)} for c in changes.records],
        "relationships": [
            {"before": end(c.before), "after": end(c.after)} for c in changes.relationships
        ],
        "model_applied": changes.model is not None,
    }


def plain_commit(model: Model, commit: Commit) -> dict[str, Any]:
    return {**plain_revision(commit.revision), **plain_changes(model, commit.changes)}


def names(graph: GraphStore, ids: Iterable[str]) -> dict[str, str]:
    """Names of records, by id."""
    wanted = set(ids)
    return {id: record.name for id, record in graph.get(wanted).items()} if wanted else {}


def referred(graph: GraphStore, values: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """Names of the records that values of attributes refer to, by id."""
    references = graph.model.references
    named = (v for n, v in values if n in references and v is not None)
    return names(graph, (id for v in named for id in (v if isinstance(v, list) else (v,))))


def shown(model: Model, name: str, value: Any, named: Mapping[str, str] | None = None) -> str:
    """One value for people; ``named`` are the names of what references refer to."""
    if value is None:
        return "–"
    attribute = model.attributes.get(name)
    if isinstance(value, list):
        return ", ".join(shown(model, name, element, named) for element in value)
    if name in model.references:
        return (named or {}).get(value, str(value))
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and (name, value) in model.value_labels:
        return f"{value} ({model.value_labels[name, value].zh})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    unit = f" {attribute.unit}" if attribute is not None and attribute.unit else ""
    return f"{value}{unit}"


def state(model: Model, record: Record) -> str:
    """The state of a record, as its own state machine calls it."""
    name = record.attributes.get(STATE_ATTRIBUTE)
    machine = model.record_types[record.type].state_machine
    declared = machine.states.get(str(name)) if machine else None
    return f"{name} ({declared.label.zh})" if declared else str(name or "–")


def change_lines(model: Model, changes: Changes, names: Mapping[str, str]) -> Iterator[str]:
    """Changes for people, a line each: ``+`` new, ``~`` changed, ``-`` closed or gone."""
    for change in changes.records:
        record = change.after or change.before
        assert record is not None
        sign = "+" if change.before is None else "-" if change.after is None else "~"
        yield f"{sign} {record.type} {record.name}"
        if sign == "~":
            for name, (old, new) in differences(change.before, change.after, model).items():
                yield f"    {name}: {shown(model, name, old, names)} -> {shown(model, name, new, names)}"
    for link in changes.relationships:
        key = link.key
        sign = "+" if link.before is None else "-" if link.after is None else "~"
        yield f"{sign} {names.get(key.source, key.source)} {key.type} {names.get(key.target, key.target)}"
        if sign == "~":
            for name, (old, new) in differences(link.before, link.after, model).items():
                yield f"    {name}: {shown(model, name, old, names)} -> {shown(model, name, new, names)}"
    if changes.model is not None:
        yield "~ the model was applied"
