"""Subcommands that change records, one by one or by a change set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import output
from cli.options import STORE_DEFAULT, Actor, Json, Reason, Store, actor_or_me, opened
from cli.records import RecordName
from cli.words import find_record, read_assignments
from cmdb.change_set_files import located, read_change_set
from cmdb.change_sets import ChangeSet, Create, Operation, Relate, Unrelate, Update
from cmdb.errors import InvalidChangeError
from cmdb.ids import new_id
from cmdb.revisions import CommitResult
from cmdb.store import GraphStore

Assignments = Annotated[list[str] | None, typer.Argument(metavar="[ATTRIBUTE=VALUE]...")]


def create(
    record_type: Annotated[str, typer.Argument(metavar="TYPE")],
    assignments: Assignments = None,
    actor: Actor = "",
    reason: Reason = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Create a record: cmdb create Server name=esx-01 serial_number=SN123."""
    with opened(store) as graph:
        owner = graph.model.record_type(record_type).attributes
        attributes = read_assignments(graph, owner, assignments or ())
        id = new_id()
        result = _commit(graph, [Create(record_type, attributes, id)], actor, reason)
        _report(result, json, id, f"Created {record_type} {attributes.get('name', '')} {id}")


def set_attributes(
    record: RecordName,
    assignments: Assignments = None,
    expected: Annotated[
        int | None,
        typer.Option(
            "--expected", metavar="REVISION", help="Fail if it has changed since this revision."
        ),
    ] = None,
    actor: Actor = "",
    reason: Reason = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Set attributes of a record (ATTRIBUTE= removes one); a change of lifecycle_state is a transition."""
    with opened(store) as graph:
        found = find_record(graph, record)
        owner = graph.model.record_type(found.type).attributes
        attributes = read_assignments(graph, owner, assignments or ())
        result = _commit(graph, [Update(found.id, attributes, expected)], actor, reason)
        _report(result, json, found.id, f"Changed {found.type} {found.name}")


def relate(
    source: RecordName,
    relationship_type: Annotated[str, typer.Argument(metavar="TYPE")],
    target: RecordName,
    assignments: Assignments = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Close the relationship instead.")
    ] = False,
    actor: Actor = "",
    reason: Reason = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Relate two records: cmdb relate app RUNS_ON server. An inverse name works the other way."""
    with opened(store) as graph:
        rule, direction = graph.model.direction(relationship_type)
        ends = [find_record(graph, source), find_record(graph, target)]
        first, second = ends if direction == "out" else ends[::-1]
        operation: Operation = Unrelate(first.id, rule.name, second.id)
        if not remove:
            attributes = read_assignments(graph, rule.attributes, assignments or ())
            operation = Relate(first.id, rule.name, second.id, attributes)
        result = _commit(graph, [operation], actor, reason)
        verb = "Closed" if remove else "Related"
        _report(result, json, None, f"{verb} ({first.name})-[:{rule.name}]->({second.name})")


def apply(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A change set in YAML or JSON; see docs/operations.md."
        ),
    ],
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Apply a change set from a file: all of it as one revision, or nothing."""
    with opened(store) as graph:
        change_set = read_change_set(file, graph, actor_or_me(actor))
        try:
            result = graph.commit(change_set)
        except InvalidChangeError as error:
            raise located(error, change_set) from None
        _report(result, json, None, f"Applied {len(change_set.operations)} operations")


def _commit(
    graph: GraphStore, operations: list[Operation], actor: str, reason: str
) -> CommitResult:
    return graph.commit(ChangeSet(operations, actor_or_me(actor), "manual", reason))


def _report(result: CommitResult, json: bool, id: str | None, text: str) -> None:
    if json:
        output.print_json({**result._asdict(), **({"id": id} if id else {})})
    elif result.committed:
        output.print_line(f"{text} (revision {result.revision}).")
    else:
        output.print_line(f"Nothing to change (revision {result.revision}).")
