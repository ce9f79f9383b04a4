"""The subcommands ``cmdb change …``: planned, assessed, approved, carried out, reviewed. `change_views` tells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml

from cli import (
    change_findings,
    change_times,
    change_views,
    order_drafts,
    order_moves,
    order_show,
    order_views,
)
from cli.change_views import changes_of
from cli.options import STORE_DEFAULT, Actor, Json, Reason, Store, actor_or_me, opened
from cli.order_words import DeviceType, Find, From, ProcessName, WhereDevices, Words
from cmdb.change_set_files import located, read_change_set
from cmdb.change_sets import ChangeSet, Operation
from cmdb.errors import InvalidChangeError
from cmdb.ids import new_id
from cmdb.plain_operations import read_operations
from cmdb.store import GraphStore
from itsm.changes.windows import CHANGE
from lifecycle.naming import process_type
from schema.model import Model, RecordType

MOVES: Final = {
    "submit": "Submit a draft to be assessed.",
    "assess": "Say that it is assessed: risk and who is hit are kept, and approvers are asked.",
    "begin": "Begin to carry it out, in its window.",
    "confirm": "It is carried out: what it holds back is applied, in the same revision.",
    "back-out": "It was taken back while it was carried out; --reason says why.",
    "fail": "It failed; --reason says why. An incident is opened.",
    "close": "Close it after its review: review=TEXT.",
    "rework": "Make a draft of it again; --reason says why.",
    "withdraw": "Withdraw one of yours that is not begun.",
}

app = typer.Typer(
    no_args_is_help=True,
    help="Changes: what will be otherwise, when, how risky that is, what is in the way, who agrees.",
)


def change_type(model: Model, text: str) -> RecordType:
    return process_type(model, text, CHANGE)


@app.command()
def new(
    type_: Annotated[
        str, typer.Argument(metavar="TYPE", help="normal, standard or emergency; or a record type.")
    ],
    words: Words = None,
    find: Find = None,
    where: WhereDevices = "",
    record_type: DeviceType = "",
    file: From = "",
    actor: Actor = "",
    reason: Reason = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Draft a change: cmdb change new normal sw-1 starts_at=2026-03-31T22:00 ends_at=2026-03-31T23:00 window_effect=down."""
    with opened(store) as graph:
        kind = change_type(graph.model, type_)
        order_drafts.draft(
            graph, changes_of(graph), kind, words or (), find or (), where, record_type, file, actor, reason, json,
        )  # fmt: skip


@app.command()
def plan(
    process: ProcessName,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="A change set as of `cmdb apply`, or a list of operations as GraphQL takes them.",
        ),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Hold back nothing any more.")] = False,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Attach changes to the graph to a draft, held back until it is carried out; without a file those it has, on the graph as it is now."""
    with opened(store) as graph:
        changes, me = changes_of(graph), actor_or_me(actor)
        found = changes.find(process)
        operations = [] if clear else None if file is None else _read(file, graph, me)
        try:
            changes.plan(found.id, me, operations)
        except InvalidChangeError as error:
            raise located(error, ChangeSet(operations or (), me)) from None
        held = len(graph.record(found.id).attributes.get("planned") or ())
        text = f"{found.name} holds back {held} operation{'' if held == 1 else 's'}"
        order_moves.report(graph, found.id, json, text)


def _read(file: Path, graph: GraphStore, actor: str) -> list[Operation]:
    try:
        written: Any = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError):
        written = None  # and so reading it as a change set says what is wrong
    if isinstance(written, list):
        return read_operations(written, new_id)
    return list(read_change_set(file, graph, actor).operations)


app.command("add")(order_drafts.adder(changes_of))
app.command("remove")(order_drafts.remover(changes_of))
app.command("list")(order_views.lister(CHANGE, change_type, "Open changes, newest first."))
app.command("show")(order_show.shower(changes_of, change_views.beside))
app.command("diff")(change_views.diff)
app.command("whatif")(change_views.whatif)
app.command("risk")(change_views.risk)
app.command("collisions")(change_times.collisions)
app.command("calendar")(change_times.calendar_)
app.command("next-window")(change_times.next_window)
app.command("verify")(change_findings.verify_)
app.command("unauthorised")(change_findings.unauthorised_)
order_moves.add_moves(app, changes_of, MOVES)
