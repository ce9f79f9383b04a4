"""The résumé of a device: as a table, JSON, and a page to print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import output, services
from cli.ledger import Language, checked, writing
from cli.options import STORE_DEFAULT, At, Json, Store, moment, opened
from cli.records import RecordName
from cli.words import find_record
from cmdb.errors import QueryError
from lifecycle.resume import Entry
from lifecycle.resume.page import page as page_of
from lifecycle.resume.sentences import KINDS


def resume(
    record: RecordName,
    kinds: Annotated[
        str, typer.Option("--kinds", metavar="KINDS", help="Only these: state,order,transfer.")
    ] = "",
    page: Annotated[
        Path | None,
        typer.Option("--page", metavar="FILE.html", help="Write it as a page to print."),
    ] = None,
    language: Language = "zh",
    as_of: At = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """All that ever happened to a device: states, orders, owners, places, configuration, by whom and why."""
    checked(language)
    wanted = {name.strip() for name in kinds.split(",") if name.strip()}
    if unknown := wanted - KINDS.keys():
        raise QueryError(
            f"A résumé has no entries of kind {', '.join(sorted(unknown))}.",
            f"There are {', '.join(KINDS)}.",
        )
    with opened(store) as graph:
        at = graph.resolve(moment(graph, as_of))
        at = graph.last_revision().number if at is None else at
        found = services.resume_of(graph, find_record(graph, record, at).id, at)
        if wanted:
            kept = [entry for entry in found.entries if entry.kind in wanted]
            found = found._replace(entries=kept)
        if page is not None:
            with writing(page):
                page.write_text(page_of(graph, found, at, language), encoding="utf-8")
        if json:
            device = output.plain_record(graph.model, found.record)
            entries = [entry.plain() for entry in found.entries]
            output.print_json({"record": device, "as_of": at, "entries": entries})
        elif page is not None:
            output.print_line(
                f"{len(found.entries)} entries as of revision {at} written to {page}."
            )
        else:
            _print(found.record.name, found.entries, language)


def _print(name: str, entries: list[Entry], language: str) -> None:
    output.print_line(name, "bold")
    headings = (
        ["时间（UTC）", "生效日期", "类别", "内容", "人员", "来源", "依据", "版本"]
        if language == "zh"
        else [
            "When (UTC)",
            "Effective",
            "Kind",
            "What happened",
            "Who",
            "Source",
            "Why",
            "Revision",
        ]
    )
    output.print_table(
        headings,
        [
            [
                f"{entry.at:%Y-%m-%d %H:%M}",
                entry.effective_on,
                getattr(KINDS[entry.kind], language),
                entry.zh if language == "zh" else entry.en,
                entry.actor,
                entry.source,
                entry.reason,
                entry.revision,
            ]
            for entry in entries
        ],
    )
