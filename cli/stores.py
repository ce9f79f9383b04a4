"""Subcommands over whole stores: making, copying, dumping, exporting, checking."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output
from cli.options import ALL, STORE_DEFAULT, At, Json, Store, actor_or_me, moment, opened
from cli.words import parse_conditions
from cmdb import transfer
from cmdb.audit import Audit, read_head
from cmdb.errors import DumpError, QueryError, StoreNotFoundError
from cmdb.integrity import check as check_store
from cmdb.queries import Query
from cmdb.store import GraphStore, create_store, open_store
from cmdb.store.opening import create_empty_store

Unchained = Annotated[
    bool,
    typer.Option(
        "--unchained",
        help="Leave out the digests of revisions: for a store in which they do not agree (`cmdb check --audit`).",
    ),
]


def init(store: Store = STORE_DEFAULT, json: Json = False) -> None:
    """Make a store with the shipped model, and the files in CMDB_MODEL."""
    with create_store(store, actor=actor_or_me("")) as graph:
        types = sum(not t.abstract for t in graph.model.record_types.values())
        if json:
            output.print_json({"store": graph.url, "revision": 1, "record_types": types})
        else:
            output.print_line(
                f"Made a store at {graph.url} with {types} record types and {len(graph.model.relationship_types)} relationship types."
            )


def status(store: Store = STORE_DEFAULT, json: Json = False) -> None:
    """What the store holds, and its newest revision."""
    with opened(store) as graph:
        last, counts = graph.last_revision(), graph.statistics()
        if json:
            output.print_json(
                {
                    "store": graph.url,
                    "last_revision": output.plain_revision(last),
                    **counts._asdict(),
                }
            )
            return
        output.print_line(graph.url, "bold")
        output.print_line(f"revision {last.number}, {last.at:%Y-%m-%d %H:%M} UTC, by {last.actor}")
        output.print_table(
            ["kept", "count"],
            [[k.replace("_", " "), f"{v:,}"] for k, v in counts._asdict().items() if v is not None],
        )
        types = graph.count_by(Query(), ["type"])
        labels = {t.name: t.label.zh for t in graph.model.record_types.values()}
        output.print_table(
            ["record type", "类型", "count"],
            [[c.values[0], labels.get(c.values[0], ""), f"{c.count:,}"] for c in types],
        )


def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help="URL of the store to copy.")],
    target: Annotated[
        str,
        typer.Argument(
            metavar="TO",
            help="URL of an empty store, of one that is not there yet, or of an earlier copy.",
        ),
    ],
    unchained: Unchained = False,
    json: Json = False,
) -> None:
    """Copy everything, history included, to another store; goes on where it stopped; verifies."""
    with opened(source, here=ALL) as ours, _opened_or_made(target) as theirs:
        with output.progress_bar("Copying", ours.last_revision().number) as advance:
            done = transfer.copy(ours, theirs, advance, chained=not unchained)
        _report_transfer(done, json, f"Copied {done.revisions} revisions to {theirs.url}")


def dump(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="- for standard output; .gz is compressed.")
    ],
    unchained: Unchained = False,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Write everything, history included, to a JSON Lines file."""
    path = None if str(file) == "-" else file
    with opened(store, here=ALL) as graph:
        with output.progress_bar("Dumping", graph.last_revision().number) as advance:
            done = transfer.dump(graph, path, advance, chained=not unchained)
        if path is not None:
            _report_transfer(done, json, f"Dumped {done.revisions} revisions to {file}")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="- for standard input.")],
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Read a dump into an empty store, or one that is not there yet; goes on where it stopped."""
    path = None if str(file) == "-" else file
    if path is not None and not path.is_file():
        raise DumpError(f"There is no file {path}.", "Name a file that `cmdb dump` wrote.")
    with _opened_or_made(store) as graph, output.progress_bar("Restoring") as advance:
        done = transfer.restore(path, graph, advance)
    _report_transfer(done, json, f"Restored {done.revisions} revisions to {graph.url}")


def _opened_or_made(url: str) -> GraphStore:
    try:
        return open_store(url)
    except StoreNotFoundError:
        return create_empty_store(url)


def _report_transfer(done: transfer.Transfer, json: bool, text: str) -> None:
    if json:
        output.print_json(done._asdict())
    else:
        output.print_line(f"{text}; both hold the same: sha256 {done.sha256[:16]}…")


def export(
    record_type: Annotated[
        str,
        typer.Argument(
            metavar="[TYPE]", help="Only records of this type, and the relationships among them."
        ),
    ] = "",
    conditions: Annotated[list[str] | None, typer.Argument(metavar="[CONDITION]...")] = None,
    format_: Annotated[str, typer.Option("--format", metavar="graphml|gexf|dot|json")] = "graphml",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Default: standard output.")
    ] = None,
    as_of: At = "",
    store: Store = STORE_DEFAULT,
) -> None:
    """Write the graph for other programs: GraphML, GEXF, DOT or node-link JSON."""
    from cmdb import graphs

    if format_ not in graphs.FORMATS:
        raise QueryError(
            f"There is no export format {format_!r}.", f"Use one of {', '.join(graphs.FORMATS)}."
        )
    with opened(store) as graph:
        query = None
        if record_type:
            query = Query(record_type, parse_conditions(graph, record_type, conditions or (), ""))
        written = graphs.write_graph(graphs.graph_of(graph, query, moment(graph, as_of)), format_)
    if out is None:
        sys.stdout.buffer.write(written)
    else:
        transfer.refuse_database(out)
        try:
            out.write_bytes(written)
        except OSError as error:
            raise DumpError(
                f"{out} cannot be written: {error.strerror}.", "Check the folder."
            ) from None


def check(
    audit: Annotated[
        bool,
        typer.Option(
            "--audit",
            help="Also whether the history is what was committed, by the digests of its revisions. Prints the newest digest.",
        ),
    ] = False,
    expect: Annotated[
        str,
        typer.Option(
            "--expect",
            metavar="NUMBER:DIGEST",
            help="An earlier digest that must be there. Implies --audit.",
        ),
    ] = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Look for damage: dangling ends, invalid attributes, cycles, gaps in the feed. Exit code 1 if any."""
    expected = read_head(expect) if expect else None
    with opened(store, here=ALL) as graph, output.progress_bar("Checking") as advance:
        auditor = Audit(graph, expected) if audit or expected else None
        findings = list(check_store(graph, lambda part: advance(note=f"Checking {part}"), auditor))
        counts = graph.statistics()
    if json:
        plain = [finding._asdict() for finding in findings]
        output.print_json(
            plain if auditor is None else {"findings": plain, **_plain_chain(auditor)}
        )
    elif findings:
        output.print_table(["finding", "subject", "what"], findings)
        output.print_line(f"{len(findings)} findings.")
    else:
        output.print_line(
            f"Sound: {counts.records:,} records, {counts.relationships:,} relationships, {counts.revisions:,} revisions."
        )
    if auditor and not json:
        _print_chain(auditor)
    if findings:
        raise typer.Exit(1)


def _plain_chain(audit: Audit) -> dict[str, Any]:
    return {"begins": audit.begins, "head": audit.head and audit.head._asdict()}


def _print_chain(audit: Audit) -> None:
    if audit.begins is None:
        output.print_line("No revision has a digest yet; the next one will.")
    elif audit.begins > 1:
        output.print_line(
            f"The chain begins with revision {audit.begins}: no digest vouches for those before it."
        )
    if audit.head:
        output.print_line(f"Head of the chain: {audit.head}")
