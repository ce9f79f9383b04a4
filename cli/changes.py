"""The subcommands ``cmdb change …``: planned, assessed, approved, carried out, reviewed. `change_views` tells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml

from cli import change_findings, change_times, change_views, services
from cli.change_views import changes_of
from cli.options import STORE_DEFAULT, Actor, Json, Store, actor_or_me, opened
from cli.process_kind import title
from cli.process_words import ProcessName
from cli.processes import Processes
from cmdb.change_set_files import located, read_change_set
from cmdb.change_sets import ChangeSet, Operation
from cmdb.errors import InvalidChangeError
from cmdb.ids import new_id
from cmdb.plain_operations import read_operations
from cmdb.store import GraphStore
from itsm.changes.desk import Changes

HELPS: Final = {
    "submit": "Submit a draft to be assessed.",
    "assess": "Say that it is assessed: risk and who is hit are kept, and approvers are asked.",
    "begin": "Begin to carry it out, in its window.",
    "confirm": "It is carried out: what it holds back is applied, in the same revision.",
    "back_out": "It was taken back while it was carried out; --reason says why.",
    "fail": "It failed; --reason says why. An incident is opened.",
    "close": "Close it after its review: review=TEXT.",
    "rework": "Make a draft of it again; --reason says why.",
    "withdraw": "Withdraw one of yours that is not begun.",
}

changes = Processes(Changes, columns=("name", "risk", "starts_at"), beside=change_views.beside)
app = changes.app(
    "Changes: what will be otherwise, when, how risky that is, what is in the way, who agrees.",
    several=True,
    helps=HELPS,
)


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
        desk, me = changes_of(graph), actor_or_me(actor)
        found = desk.find(process)
        operations = [] if clear else None if file is None else _read(file, graph, me)
        try:
            desk.plan(found.id, me, operations)
        except InvalidChangeError as error:
            raise located(error, ChangeSet(operations or (), me)) from None
        held = services.kept_of(graph, graph.record(found.id)).held
        text = f"{title(found)} holds back {held} operation{'' if held == 1 else 's'}"
        changes.report(graph, found.id, json, text)


def _read(file: Path, graph: GraphStore, actor: str) -> list[Operation]:
    try:
        written: Any = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError):
        written = None  # and so reading it as a change set says what is wrong
    if isinstance(written, list):
        return read_operations(written, new_id)
    return list(read_change_set(file, graph, actor).operations)


app.command("diff")(change_views.diff)
app.command("whatif")(change_views.whatif)
app.command("risk")(change_views.risk)
app.command("collisions")(change_times.collisions)
app.command("calendar")(change_times.calendar_)
app.command("next-window")(change_times.next_window)
app.command("verify")(change_findings.verify_)
app.command("unauthorised")(change_findings.unauthorised_)
