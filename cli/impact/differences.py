"""What an outage does that it did not do, or would not do otherwise."""

from __future__ import annotations

from typing import Any

from cli import output
from cli.impact.printing import STYLES, group_words
from cmdb.store import GraphStore
from impact import reports
from impact.differences import Difference


def print_difference(
    graph: GraphStore, difference: Difference, told: reports.Report, versus: str
) -> None:
    ids = {change.id for change in (*difference.worse, *difference.better)}
    ids |= {change.group.dependent for change in difference.groups}
    names = {**output.names(graph, ids), **told.names}
    against = f"at {versus}" if versus else "as it is now"
    output.print_line("")
    output.print_line(
        f"Against {against}: {len(difference.worse)} worse, {len(difference.better)} better,"
        f" {difference.unchanged} unchanged",
        "bold",
    )
    for word, changes in (("worse", difference.worse), ("better", difference.better)):
        for change in changes[:20]:
            output.print_line(
                f"  {word}: {names.get(change.id, change.id)} ({change.type}) {change.before} -> {change.after}",
                STYLES[change.after] if word == "worse" else "",
            )
        if len(changes) > 20:
            output.print_line(f"  … and {len(changes) - 20:,} more {word}", "dim")
    if difference.groups:
        output.print_line(f"Redundancy with another margin: {len(difference.groups)}", "bold")
    for other in difference.groups[:20]:
        group = other.group
        margins = " -> ".join("untouched" if side is None else str(side.margin) for side in other)
        words = f"  {names.get(group.dependent, group.dependent)} {group.type}: {margins}"
        output.print_line(f"{words} ({group_words(group)})")
    if len(difference.groups) > 20:
        output.print_line(f"  … and {len(difference.groups) - 20:,} more groups", "dim")


def plain_difference(difference: Difference) -> dict[str, Any]:
    return {
        "worse": [change._asdict() for change in difference.worse],
        "better": [change._asdict() for change in difference.better],
        "unchanged": difference.unchanged,
        "groups": [
            {word: side and reports.plain_group(side) for word, side in change._asdict().items()}
            for change in difference.groups
        ],
    }
