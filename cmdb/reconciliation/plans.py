"""A plan as programs read it, the same from every door."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cmdb.reconciliation.planning import ACTIONS, Entry
from cmdb.reconciliation.summaries import Summary
from cmdb.store import GraphStore


class Lines:
    """Collects the lines of a plan: all of them for programs, the first ones for people."""

    def __init__(self, keep: int | None) -> None:
        self.keep, self.total = keep, 0
        self.lines: list[Entry] = []

    def add(self, entry: Entry) -> None:
        self.total += 1
        if self.keep is None or len(self.lines) < self.keep:
            self.lines.append(entry)


def both(lines: Lines, summary: Summary) -> Callable[[Entry], None]:
    """Reports to both."""

    def report(entry: Entry) -> None:
        lines.add(entry)
        summary.add(entry)

    return report


def plain_plan(
    graph: GraphStore, lines: Iterable[Entry], summary: Summary, applied: bool, seconds: float
) -> dict[str, Any]:
    """A plan as JSON; sensitive values are left out."""
    return {
        "applied": applied,
        "statements": summary.statements,
        "kept": summary.kept,
        "seconds": round(seconds, 3),
        "revisions": summary.revisions,
        "counts": {a: summary.counts.get(a, 0) for a in ACTIONS},
        "entries": [_plain_entry(graph, entry) for entry in lines],
    }


def _plain_entry(graph: GraphStore, entry: Entry) -> dict[str, Any]:
    model = graph.model

    def plain(name: str, value: Any) -> Any:
        known = value is not None and name in model.attributes
        return model.to_json({name: value})[name] if known else value

    return {
        "action": entry.action,
        "type": entry.type,
        "what": entry.what,
        "subject": entry.subject,
        "place": entry.place,
        "why": entry.why,
        "differences": [
            {**d._asdict(), "old": plain(d.attribute, d.old), "new": plain(d.attribute, d.new)}
            for d in entry.differences
            if d.attribute not in model.sensitive
        ],
    }
