"""Subcommands that bring in what tools and ledgers know."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, Final, NamedTuple

import typer

from cli import output, plans
from cli.options import STORE_DEFAULT, Actor, Json, Store, actor_or_me, opened
from cli.remote import RemoteStore
from cmdb.errors import CmdbError, QueryError, SourceError
from cmdb.reconciliation.inference import infer
from cmdb.reconciliation.observations import Portion, Rejection
from cmdb.reconciliation.planning import Difference, Entry
from cmdb.reconciliation.runs import Run, VanishRefusedError
from cmdb.reconciliation.summaries import Summary
from importers import registry
from importers.contract import Importer
from importers.jsonl import written
from importers.reading import documents

SPOOLED: Final = 2**24
"""Bytes of observations that wait in memory on their way to a server; more wait in a file."""


def list_importers(json: Json = False) -> None:
    """The importers there are, with their options."""
    found: list[tuple[str, type[Importer[Any]] | None, str]] = []
    for name in registry.names():
        try:
            found.append((name, registry.importer_type(name), ""))
        except registry.ImporterError as error:
            found.append((name, None, str(error)))
    if json:
        output.print_json([_plain_importer(*entry) for entry in found])
        return
    rows = []
    for name, kind, problem in found:
        if kind is None:
            rows.append([name, "", problem])
            continue
        options = "\n".join(
            f"{option}: {field.description or ''}"
            + ("" if field.is_required() or field.default in (None, "") else f" [{field.default}]")
            for option, field in kind.options_type.model_fields.items()
        )
        rows.append([name, f"{kind.title}\n{kind.title_zh}", options])
    output.print_table(["importer", "reads", "options (--option name=value)"], rows)


def _plain_importer(name: str, kind: Any, problem: str) -> dict[str, Any]:
    if kind is None:
        return {"name": name, "problem": problem}
    return {
        "name": name,
        "title": kind.title,
        "title_zh": kind.title_zh,
        "precedence": kind.precedence,
        "options": kind.options_type.model_json_schema().get("properties", {}),
    }


def import_(
    name: Annotated[str, typer.Argument(metavar="IMPORTER", help="See `cmdb importers`.")],
    where: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Files, folders, or - for standard input."),
    ],
    apply: Annotated[
        bool, typer.Option("--apply/--dry-run", help="Commit the plan, or only show it (default).")
    ] = False,
    source: Annotated[
        str,
        typer.Option(
            "--source", metavar="NAME", help="Name of the source. Default: the importer's."
        ),
    ] = "",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", metavar="NAME=VALUE", help="An option of the importer."),
    ] = None,
    complete: Annotated[
        bool,
        typer.Option(
            "--complete", help="This is all the source has: retire what it no longer reports."
        ),
    ] = False,
    vanish_limit: Annotated[
        float | None,
        typer.Option(
            "--vanish-limit", metavar="PERCENT", min=0, max=100, help="Most that may be retired."
        ),
    ] = None,
    first: Annotated[
        int, typer.Option("--first", min=0, metavar="N", help="Most lines of the plan to print.")
    ] = plans.SHOWN,
    actor: Actor = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Reconcile what a tool or a ledger reports with the graph: show the plan, or apply it."""
    importer = registry.make(name, _options(option or ()))
    found = documents(where, importer.suffixes)
    explained = importer.explain(found)
    if explained and not json and not apply:
        output.print_line(explained)
    lines = plans.Lines(None if json else first)
    with opened(store) as graph:
        if isinstance(graph, RemoteStore):
            wanted = _Wanted(source or name, apply, complete, vanish_limit, first)
            _over_server(graph, wanted, registry.portions(importer, found), json)
            return
        begun = time.monotonic()
        with output.progress_bar("Applying" if apply else "Planning") as advance:
            run = Run(
                graph,
                source or name,
                actor=actor_or_me(actor),
                importer=name,
                precedence=importer.precedence,
                apply=apply,
                complete=complete,
                vanish_limit=vanish_limit,
                report=lines.add,
                progress=advance,
            )
            failed = _carried_out(run, registry.portions(importer, found))
            summary = run.summary
            if apply:
                summary.revisions += infer(
                    graph, actor=actor_or_me(actor), report=plans.both(lines, summary)
                )
        seconds = time.monotonic() - begun
        if json:
            output.print_json(plans.plain_plan(graph, lines.lines, summary, apply, seconds))
        else:
            plans.print_plan(graph, lines)
            plans.print_summary(summary, apply, seconds)
        if failed:
            raise failed


class _Wanted(NamedTuple):
    """What is asked of a server."""

    source: str
    apply: bool
    complete: bool
    vanish_limit: float | None
    first: int


def _over_server(
    remote: RemoteStore, wanted: _Wanted, portions: Iterable[Portion], json: bool
) -> None:
    """Read here, reconcile there."""
    refused: list[Rejection] = []
    with SpooledTemporaryFile(SPOOLED) as spooled:
        for portion in portions:
            for item in portion.items():
                if isinstance(item, Rejection):
                    refused.append(item)
                else:
                    spooled.write(written(item))
        spooled.seek(0)
        if wanted.complete and refused:
            raise SourceError(
                f"{len(refused)} could not be read, so this is not all the source has: {refused[0].reason}.",
                "Correct the source, or leave out --complete.",
            )
        plan = remote.client.observe(
            wanted.source,
            spooled,
            apply=wanted.apply,
            complete=wanted.complete,
            vanish_limit=wanted.vanish_limit,
            first=100_000 if json else wanted.first,
        )
    entries = [Entry("rejected", "", r.key, place=r.place, why=r.reason) for r in refused]
    plan["counts"]["rejected"] += len(refused)
    if json:
        plan["entries"] += [_rejected(e) for e in entries]
        output.print_json(plan)
        return
    lines = plans.Lines(None)
    for entry in [*entries, *map(_entry, plan["entries"])][: wanted.first]:
        lines.add(entry)
    lines.total = plan["entries_total"] + len(entries)
    plans.print_plan(remote, lines)
    summary = Summary(plan["counts"], statements=plan["statements"], kept=plan["kept"])
    summary.revisions = plan["revisions"]
    plans.print_summary(summary, wanted.apply, plan["seconds"])


def _rejected(entry: Entry) -> dict[str, Any]:
    return {**asdict(entry), "differences": []}


def _entry(plain: dict[str, Any]) -> Entry:
    differences = [Difference(**d) for d in plain["differences"]]
    return Entry(**{**plain, "differences": differences})


def _carried_out(run: Run, portions: Iterable[Portion]) -> CmdbError | None:
    """Run it; an error after something was done is given back, so that this is shown first."""
    try:
        run.run(portions)
    except (SourceError, VanishRefusedError) as error:
        if not run.summary.statements:
            raise
        return error
    return None


def _options(words: Iterable[str]) -> dict[str, str]:
    found = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise QueryError(f"{word!r} is no option.", "Write --option name=value.")
        found[name.strip()] = value
    return found
