"""Plans as they are shown: the lines of what changes, and what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cli import output
from cmdb.reconciliation.planning import ACTIONS, Entry
from cmdb.reconciliation.plans import Lines, both, plain_plan
from cmdb.reconciliation.runs import Summary
from cmdb.store import GraphStore

__all__ = ["SHOWN", "Lines", "both", "plain_plan", "print_outcome", "print_plan", "print_summary"]

SHOWN: Final = 40
"""Lines of a plan that are printed for people, unless they ask for more."""


def print_plan(graph: GraphStore, lines: Lines) -> None:
    names = output.referred(
        graph,
        ((d.attribute, v) for e in lines.lines for d in e.differences for v in (d.old, d.new)),
    )
    if lines.lines:
        rows = [[e.action, e.type, e.what, _detail(graph, e, names), e.place] for e in lines.lines]
        output.print_table(["what", "type", "record", "details", "place"], rows)
    if lines.lines and lines.total > len(lines.lines):
        output.print_line(
            f"{lines.total - len(lines.lines):,} more lines; --first shows more of them."
        )


def _detail(graph: GraphStore, entry: Entry, names: Mapping[str, str]) -> str:
    model = graph.model

    def shown(name: str, value: Any) -> str:
        return output.shown(model, name, value, names)

    parts = [
        f"{d.attribute}: {shown(d.attribute, d.old)} -> {shown(d.attribute, d.new)} ({d.winner})"
        for d in entry.differences
        if d.attribute not in model.sensitive
    ]
    if entry.why:
        parts.append(entry.why)
    return "\n".join(parts)


def print_summary(summary: Summary, applied: bool, seconds: float) -> None:
    counts = ", ".join(f"{summary.counts[a]:,} {a}" for a in ACTIONS if summary.counts.get(a))
    rate = f"{summary.statements / seconds:,.0f} a second" if seconds > 0.05 else ""
    took = f" in {seconds:.1f} s" + (f" ({rate})" if rate and summary.statements > 100 else "")
    things = "thing" if summary.statements == 1 else "things"
    told = f"{summary.statements:,} {things} reported{took}: {counts or 'nothing'}."
    output.print_line(told, "bold")
    if summary.kept:
        output.print_line(
            f"{summary.kept:,} that it did not report were not retired: they may be among what could not be read ({summary.unread:,} rejected)."
        )
    if applied and summary.revisions:
        span = sorted({summary.revisions[0], summary.revisions[-1]})
        output.print_line(f"Committed as revision {' to '.join(map(str, span))}.")
    elif applied:
        output.print_line("Nothing had changed; nothing was committed.")
    else:
        output.print_line("This is the plan; --apply carries it out.")


def print_outcome(
    graph: GraphStore, lines: Lines, summary: Summary, dry_run: bool, json: bool
) -> None:
    if json:
        output.print_json(plain_plan(graph, lines.lines, summary, not dry_run, 0.0))
        return
    print_plan(graph, lines)
    counts = ", ".join(f"{summary.counts[a]:,} {a}" for a in ACTIONS if summary.counts.get(a))
    output.print_line(f"{'Would change' if dry_run else 'Changed'}: {counts or 'nothing'}.", "bold")
