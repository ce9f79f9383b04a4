"""What a run did, or would do, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from cmdb.reconciliation.planning import Entry


@dataclass
class Summary:
    """What a run did, or would do.

    Attributes
    ----------
    counts
        Lines of the plan by action.
    by_type
        (action, type) -> lines.
    revisions
        First and last revision it made.
    statements
        How many things the source told of.
    unread
        Documents, rows and objects that could not be read and do not say which thing they are of.
    kept
        What a complete run did not report and did not retire: it may be what was unread.
    """

    counts: dict[str, int] = field(default_factory=dict)
    by_type: dict[tuple[str, str], int] = field(default_factory=dict)
    revisions: list[int] = field(default_factory=list)
    statements: int = 0
    unread: int = 0
    kept: int = 0

    def add(self, entry: Entry) -> None:
        self.add_all((entry,))

    def add_all(self, entries: Iterable[Entry]) -> None:
        for key, count in Counter((e.action, e.type) for e in entries).items():
            self.counts[key[0]] = self.counts.get(key[0], 0) + count
            self.by_type[key] = self.by_type.get(key, 0) + count

    def add_unchanged(self, count: int) -> None:
        """Statements that changed nothing; they have no lines."""
        if count:
            self.counts["unchanged"] = self.counts.get("unchanged", 0) + count

    @property
    def changes(self) -> int:
        quiet = ("unchanged", "rejected", "duplicate")
        return sum(n for action, n in self.counts.items() if action not in quiet)
