"""Subcommands over records: finding them, and reading what they were and are. `changing` changes them."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from cli import output
from cli.options import (
    STORE_DEFAULT,
    After,
    At,
    First,
    Json,
    Organisation,
    Reveal,
    Store,
    moment,
    opened,
    organisation_id,
)
from cli.words import find_record, parse_conditions
from cmdb.queries import Query, parse_sort
from cmdb.reconciliation.precedence import provenance_of
from cmdb.records import Record
from cmdb.revisions import Changes
from cmdb.store import GraphStore
from schema.model import PROVENANCE

RecordName = Annotated[
    str, typer.Argument(metavar="RECORD", help="Its id, its exact name, or an order's number.")
]
Conditions = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[CONDITION]...",
        help="name~web, cpu_count>=8, RUNS_ON.name=esx-01, serial_number= (has none).",
    ),
]
SYSTEM_COLUMNS: Final = ("id", "type", "revision")
"""What can be a column beside attributes."""
Where = Annotated[
    str, typer.Option("--where", metavar="JSON", help="""A filter as data: '{"or": [{…}, {…}]}'.""")
]


def find(
    record_type: Annotated[str, typer.Argument(metavar="TYPE")],
    conditions: Conditions = None,
    where: Where = "",
    exact: Annotated[bool, typer.Option("--exact", help="Without subtypes.")] = False,
    organisation: Organisation = "",
    sort: Annotated[
        str, typer.Option("--sort", metavar="ATTRIBUTES", help="name,-purchase_price")
    ] = "name",
    columns: Annotated[
        str, typer.Option("--columns", metavar="ATTRIBUTES", help="Attributes to print.")
    ] = "",
    count_by: Annotated[
        str,
        typer.Option(
            "--count-by",
            metavar="ATTRIBUTES",
            help="Count instead of listing: type,lifecycle_state",
        ),
    ] = "",
    first: First = 50,
    after: After = "",
    as_of: At = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Find records of a type (subtypes included) by conditions that all hold."""
    with opened(store) as graph:
        filter_ = parse_conditions(graph, record_type, conditions or (), where)
        below = organisation_id(graph, organisation)
        query = Query(
            record_type,
            filter_,
            not exact,
            below,
            parse_sort(sort),
            first,
            after or None,
            moment(graph, as_of),
            total=True,
        )
        if count_by:
            _print_counts(graph, query, [name.strip() for name in count_by.split(",")], json)
        else:
            _print_page(graph, query, columns, json)


def _print_page(
    graph: GraphStore, query: Query, columns: str, json: bool, text: str | None = None
) -> None:
    page = graph.find(query) if text is None else graph.search(text, query)
    if json:
        records = [output.plain_record(graph.model, record) for record in page.records]
        output.print_json({"records": records, "cursor": page.cursor, "total": page.total})
        return
    names = [name.strip() for name in columns.split(",") if name.strip()]
    for name in names:
        if name not in SYSTEM_COLUMNS:
            graph.model.attribute(query.type, name)
    names = names or ["name", "lifecycle_state", "serial_number", "organisation"]
    named = output.referred(graph, ((n, r.attributes.get(n)) for r in page.records for n in names))
    names = [n for n in names if columns or any(n in record.attributes for record in page.records)]

    def cell(record: Record, name: str) -> str:
        if name in SYSTEM_COLUMNS:
            return str(getattr(record, name))
        value = record.attributes.get(name)
        if name in graph.model.sensitive and value is not None:
            return "(hidden)"
        return output.shown(graph.model, name, value, named)

    shown = names if columns else ["type", *names, "id"]
    rows = [[cell(record, name) for name in shown] for record in page.records]
    if rows:
        output.print_table(shown, rows)
    more = f" More with --after {page.cursor}" if page.cursor else ""
    output.print_line(f"{len(rows)} of {page.total}.{more}")


def _print_counts(graph: GraphStore, query: Query, names: list[str], json: bool) -> None:
    counts = graph.count_by(query, names)
    if json:
        rows = [
            {
                **graph.model.to_json(
                    {n: v for n, v in zip(names, c.values, strict=True) if v is not None}
                ),
                "count": c.count,
            }
            for c in counts
        ]
        output.print_json(rows)
        return
    pairs = (pair for c in counts for pair in zip(names, c.values, strict=True))
    named = output.referred(graph, pairs)
    table = [
        [
            *(output.shown(graph.model, n, v, named) for n, v in zip(names, c.values, strict=True)),
            c.count,
        ]
        for c in counts
    ]
    output.print_table([*names, "count"], table)


def search(
    text: Annotated[
        str,
        typer.Argument(help="Words; each may be a part: of a serial number, an address, a name."),
    ],
    record_type: Annotated[str, typer.Option("--type", metavar="TYPE")] = "Record",
    organisation: Organisation = "",
    first: First = 20,
    after: After = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Search all records by parts of what they hold, in Chinese or English."""
    with opened(store) as graph:
        below = organisation_id(graph, organisation)
        query = Query(record_type, organisation=below, first=first, after=after or None, total=True)
        _print_page(graph, query, "", json, text)


def show(
    record: RecordName,
    as_of: At = "",
    reveal: Reveal = False,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Show one record with its relationships, now or as it was."""
    with opened(store) as graph:
        at = graph.resolve(moment(graph, as_of))
        found = find_record(graph, record, at)
        near = graph.neighbours([found.id], as_of=at)
        if json:
            links = [
                {
                    **output.plain_relationship(graph.model, n.relationship, reveal),
                    "neighbour": {"id": n.record.id, "type": n.record.type, "name": n.record.name},
                }
                for n in near
            ]
            output.print_json(
                {**output.plain_record(graph.model, found, reveal), "relationships": links}
            )
            return
        made = graph.revisions([found.revision])[found.revision]
        record_type = graph.model.record_types.get(found.type)
        label = f" {record_type.label.zh}" if record_type else ""
        output.print_line(f"{found.name}  {found.type}{label}", "bold")
        output.print_line(
            f"{found.id}, as {made.actor} left it on {made.at:%Y-%m-%d %H:%M} UTC (revision {found.revision})"
        )
        _print_attributes(graph, found, reveal)
        reporting = [s for s, c in provenance_of(found.attributes).items() if not c.get("vanished")]
        if reporting:
            output.print_line(
                f"Reported by {', '.join(reporting)}; `cmdb why` says what each said."
            )
        rows = []
        for neighbour in near:
            rule = graph.model.relationship_types[neighbour.relationship.type]
            out = neighbour.relationship.source == found.id
            name = rule.name if out else rule.inverse
            zh = rule.label.zh if out else rule.inverse_label.zh
            values = output.plain_attributes(graph.model, neighbour.relationship.attributes, reveal)
            extra = ", ".join(f"{k}={v}" for k, v in values.items() if k != PROVENANCE)
            rows.append([f"{name} {zh}", neighbour.record.name, neighbour.record.type, extra])
        if rows:
            output.print_table(["relationship", "record", "type", "attributes"], rows)


def _print_attributes(graph: GraphStore, record: Record, reveal: bool) -> None:
    record_type = graph.model.record_types[record.type]
    named = output.referred(graph, record.attributes.items())
    rows = []
    for name, attribute in record_type.attributes.items():
        if name in record.attributes and not attribute.managed:
            value = record.attributes[name]
            hidden = attribute.sensitive and not reveal
            text = "(hidden)" if hidden else output.shown(graph.model, name, value, named)
            rows.append([name, attribute.label.zh, text])
    output.print_table(["attribute", "属性", "value"], rows)


def history(
    record: RecordName,
    first: First = 50,
    before: Annotated[
        int | None, typer.Option("--before", metavar="REVISION", help="Go on before this revision.")
    ] = None,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """What happened to a record and its relationships, newest first."""
    with opened(store) as graph:
        found = find_record(graph, record)
        entries = graph.history(found.id, first + 1, before)
        shown, more = entries[:first], entries[first:]
        if json:
            output.print_json([output.plain_commit(graph.model, entry) for entry in shown])
            return
        for entry in shown:
            _print_commit_header(entry.revision)
            _print_changes(graph, entry.changes)
        if more:
            output.print_line(f"Earlier ones with --before {shown[-1].revision.number}")


def _print_commit_header(revision: object) -> None:
    from cmdb.revisions import Revision

    assert isinstance(revision, Revision)
    reason = f": {revision.reason}" if revision.reason else ""
    output.print_line(
        f"revision {revision.number}  {revision.at:%Y-%m-%d %H:%M:%S} UTC  {revision.actor} ({revision.source}){reason}",
        "bold",
    )


def _print_changes(graph: GraphStore, changes: Changes) -> None:
    ids = {id for link in changes.relationships for id in (link.key.source, link.key.target)}
    sides = (side for change in changes.records for side in change if isinstance(side, Record))
    ids |= {v for s in sides for n, v in s.attributes.items() if n in graph.model.references}
    for line in output.change_lines(graph.model, changes, output.names(graph, ids)):
        output.print_line(f"  {line}")


def diff(
    earlier: Annotated[
        str, typer.Argument(metavar="FROM", help="A revision number or an instant.")
    ],
    later: Annotated[str, typer.Argument(metavar="[TO]", help="Default: now.")] = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """What differs between two states of the whole graph."""
    with opened(store) as graph:
        changes = graph.compare(moment(graph, earlier), moment(graph, later))
        if json:
            output.print_json(output.plain_changes(graph.model, changes))
            return
        _print_changes(graph, changes)
        output.print_line(
            f"{len(changes.records)} records and {len(changes.relationships)} relationships differ."
        )
