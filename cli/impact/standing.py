"""`cmdb dependencies`: the other way round."""

from __future__ import annotations

from typing import Annotated, Final

import typer
from rich.text import Text
from rich.tree import Tree

from cli import output
from cli.impact.asking import standing
from cli.impact.options import CIs, Depth, Verbose, revision
from cli.impact.printing import plain_hidden, print_hidden
from cli.options import STORE_DEFAULT, At, Json, Store, opened
from cli.words import find_record

UNSEEN: Final = ""
"""What stands for a CI that may not be seen."""


def depends(
    cis: CIs,
    as_of: At = "",
    depth: Depth = None,
    flat: Annotated[bool, typer.Option("--flat", help="A table instead of a tree.")] = False,
    first: Annotated[
        int, typer.Option("--first", min=1, metavar="N", help="Most CIs to print.")
    ] = 200,
    verbose: Verbose = False,
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """All that CIs stand on, directly or not."""
    with opened(store) as graph:
        at = revision(graph, as_of)
        roots = [find_record(graph, ci, at) for ci in cis]
        ids = [record.id for record in roots]
        found = standing(graph, ids, at, depth, verbose)
        names = output.names(graph, {d.id for d in found.found}) | {r.id: r.name for r in roots}
        if json:
            output.print_json(
                {
                    "revision": found.revision,
                    "complete": not found.truncated,
                    "truncated": found.truncated or None,
                    "dependencies": [{**d._asdict(), "name": names.get(d.id)} for d in found.found],
                    **plain_hidden(found.hidden),
                }
            )
            return
        shown = found.found[:first]
        if flat:
            rows = [
                [
                    d.distance,
                    names.get(d.id, d.id),
                    d.type,
                    d.relationship,
                    names.get(d.by, d.by),
                    d.id,
                ]
                for d in shown
            ]
            if rows:
                output.print_table(["steps", "name", "type", "by", "of", "id"], rows)
        else:
            branches = {r.id: Tree(Text(f"{output.printable(r.name)} {r.type}")) for r in roots}
            unseen = branches[UNSEEN] = Tree(Text("(hidden)", style="dim"))
            for d in shown:
                text = Text(output.printable(names.get(d.id, d.id)))
                text.append(f" {d.type}  {d.relationship}", style="dim")
                branches[d.id] = branches[d.by].add(text)
            for tree in (*(branches[r.id] for r in roots), *([unseen] if unseen.children else [])):
                output.console().print(tree)
        more = f"; --first {len(found.found)} prints all" if len(found.found) > first else ""
        whole = f"Truncated: {found.truncated}." if found.truncated else "Complete."
        output.print_line(
            f"{len(found.found):,} CIs{more} (revision {found.revision}). {whole}", "dim"
        )
        print_hidden(found.hidden)
