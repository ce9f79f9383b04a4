"""Long lists of values that many questions share: each connection keeps those it has met.

Reading thousands of ids from a parameter costs more than a page of records does.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

KEPT: Final = 32
"""Lists that one connection keeps; then it begins anew."""

TABLE: Final = """CREATE TEMP TABLE members (
    list INTEGER NOT NULL, value NOT NULL, PRIMARY KEY (list, value)) WITHOUT ROWID"""

FILL: Final = "INSERT OR IGNORE INTO members SELECT ?, value FROM json_each(?)"


class Members(NamedTuple):
    """A parameter that stands for a list; `ListingConnection.number` gives what a statement uses."""

    values: Sequence[Any]


class ListingConnection(sqlite3.Connection):
    """A connection with a temporary table of lists."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._numbers: dict[int, tuple[int, Sequence[Any]]] = {}
        self.execute("PRAGMA temp_store = MEMORY")
        self.execute(TABLE)

    def number(self, members: Members) -> int:
        """The list's number in ``members``; the very same list has the same."""
        found = self._numbers.get(id(members.values))
        if found is None:
            if len(self._numbers) >= KEPT:
                self._numbers.clear()
                self.execute("DELETE FROM members")
            found = len(self._numbers) + 1, members.values
            self.execute(FILL, (found[0], json.dumps(members.values)))
            self._numbers[id(members.values)] = found
        return found[0]
