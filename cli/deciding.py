"""Subcommands for what a person decides: duplicates, merging, undoing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from cli import output
from cli.options import STORE_DEFAULT, Actor, Json, Reason, Store, actor_or_me, opened
from cli.words import find_record
from cmdb.errors import NotFoundError
from cmdb.reconciliation import duplicates as decisions
from cmdb.reconciliation.tasks import open_tasks
from cmdb.reconciliation.undoing import undo as undo_revision

RecordName = Annotated[str, typer.Argument(metavar="RECORD", help="Its id, or its exact name.")]


def duplicates(store: Store = STORE_DEFAULT, json: Json = False) -> None:
    """What a person must decide: observations that fit several records, with the evidence."""
    with opened(store) as graph:
        tasks = open_tasks(graph)
    if json:
        output.print_json(
            [
                {
                    "task": t.record.id,
                    "name": t.record.name,
                    "source": t.record.attributes.get("source_name"),
                    "key": t.record.attributes.get("source_key"),
                    "evidence": t.evidence,
                    "candidates": [
                        {"id": c.id, "type": c.type, "name": c.name} for c in t.candidates
                    ],
                }
                for t in tasks
            ]
        )
        return
    rows = []
    for task in tasks:
        names = {c.id: f"{c.type} {c.name}" for c in task.candidates}
        evidence = "\n".join(
            f"{names.get(r['record'], r['record'])} by {r['rule']}: {', '.join(r['values'].values())}"
            for r in task.evidence.get("rules", ())
        )
        waits = "waits" if task.evidence.get("held") else "went to the first"
        rows.append(
            [
                task.record.name,
                evidence,
                "\n".join(c.id for c in task.candidates),
                waits,
                task.record.id,
            ]
        )
    if rows:
        output.print_table(["observation", "fits", "candidates", "it", "id"], rows)
        first = tasks[0]
        pair = " ".join(c.id for c in first.candidates[:2])
        output.print_line(f"One thing? `cmdb merge {pair}`")
        output.print_line(
            f"Only one of them is it? `cmdb decide {first.record.id} {first.candidates[0].id}`"
        )
    else:
        output.print_line("Nothing to decide.")


def decide(
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="Id of the task, see `cmdb duplicates`.")
    ],
    record: RecordName,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Say which record an observation is; its source's next run follows."""
    with opened(store) as graph:
        found = find_record(graph, task)
        if found.type != "DuplicateTask":
            raise NotFoundError(
                f"{found.name} is a {found.type}, no task.", "`cmdb duplicates` lists them."
            )
        choice = find_record(graph, record)
        revision = decisions.decide(graph, found, choice, actor_or_me(actor))
        _done(json, revision, f"{found.name} is {choice.name}. Run the import again to apply it.")


def merge(
    survivor: Annotated[str, typer.Argument(metavar="RECORD", help="The one that stays.")],
    other: Annotated[
        str, typer.Argument(metavar="OTHER", help="The one that turns out to be the same.")
    ],
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Make one record of two: claims and relationships move, both histories stay."""
    with opened(store) as graph:
        one, two = find_record(graph, survivor), find_record(graph, other)
        revision = decisions.merge(graph, one, two, actor=actor_or_me(actor), reason=reason)
        _done(json, revision, f"{two.name} ({two.id}) is now {one.name} ({one.id}).")


def unmerge(
    merged: Annotated[
        str, typer.Argument(metavar="RECORD", help="Id of the one that was merged away.")
    ],
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Take a merged record apart again."""
    with opened(store) as graph:
        found = find_record(graph, merged)
        revision, left = decisions.unmerge(graph, found, actor=actor_or_me(actor), reason=reason)
        _done(json, revision, f"{found.name} stands by itself again.", left)


def undo(
    revision: Annotated[int, typer.Argument(metavar="REVISION", min=1)],
    reason: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Take back what a revision changed, as far as nobody has changed it since."""
    with opened(store) as graph:
        made, left = undo_revision(graph, revision, actor=actor_or_me(actor), reason=reason)
        _done(json, made, f"Revision {revision} is undone.", left)


def _done(json: bool, revision: int, text: str, left: Iterable[str] = ()) -> None:
    if json:
        output.print_json({"revision": revision, "left_alone": list(left)})
        return
    output.print_line(f"{text} (revision {revision})")
    for line in left:
        output.print_line(f"left alone: {line}")
