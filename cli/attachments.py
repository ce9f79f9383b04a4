"""Subcommands over attachments: evidence for orders and devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import output, services
from cli.options import STORE_DEFAULT, Actor, Json, Reason, Store, Yes, actor_or_me, opened
from cli.words import find_record
from lifecycle.attachments import OTHER
from lifecycle.contents import safe_name
from lifecycle.drafting import Drafting
from lifecycle.files import write_out


def attach(
    order: Annotated[str, typer.Argument(metavar="ORDER", help="Its number or id.")],
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    devices: Annotated[
        list[str] | None,
        typer.Option("--device", metavar="RECORD", help="A device it is evidence for; repeatable."),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            "--kind", help="photograph, wipe_certificate, signature, test_report or other."
        ),
    ] = OTHER,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="What to call it.")] = "",
    comment: Reason = "",
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Attach a file to an order, and to devices it concerns, as evidence."""
    with opened(store) as graph:
        id = services.processes(graph, Drafting).find(order).id
        ids = [find_record(graph, device).id for device in devices or ()]
        attached = services.attachments(graph).attach(
            id, actor_or_me(actor), file, devices=ids, kind=kind, name=name, comment=comment
        )
        evidence = attached.evidence
        if json:
            output.print_json(output.plain_record(graph.model, evidence))
        else:
            output.print_line(
                f"{evidence.name}: {attached.stored.content_type}, {attached.stored.size} B, {attached.stored.sha256}"
            )


def attachment(
    evidence: Annotated[
        str, typer.Argument(metavar="EVIDENCE", help="Its id, or the SHA-256 of its content.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PATH", help="Write the content here; a folder is enough."),
    ] = None,
    yes: Yes = False,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Say what an attached file is, check that it is whole, and read it back."""
    with opened(store) as graph:
        door = services.attachments(graph)
        record = door.find(evidence)
        content = door.read(record)
        if out is not None:
            name = safe_name(str(record.attributes.get("file_name") or record.name))
            out = out / name if out.is_dir() else out
            write_out(out, content, replace=yes)
        if json:
            written = str(out) if out else None
            output.print_json({**output.plain_record(graph.model, record), "written": written})
        else:
            said = record.attributes
            output.print_line(
                f"{record.name}: {said.get('content_type')}, {len(content)} B, {said.get('sha256')}, whole"
            )
            if out is not None:
                output.print_line(f"Written to {out}.")
