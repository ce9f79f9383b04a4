"""Long lists of values that many questions share: each connection keeps those it has met.

Reading thousands of ids from a parameter costs more than a page of records does.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Final

KEPT: Final = 32
"""Lists that one connection keeps; then it begins anew."""

TABLE: Final = """CREATE TEMP TABLE members (
    list INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (list, value)) WITHOUT ROWID"""

FILL: Final = "INSERT OR IGNORE INTO members SELECT ?, value FROM json_each(?)"


class Members(tuple[str, ...]):
    """A parameter that stands for a list; `ListingConnection.number` gives what a statement uses."""


class ListingConnection(sqlite3.Connection):
    """A connection with a temporary table of lists."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._numbers: dict[Members, int] = {}
        self.execute("PRAGMA temp_store = MEMORY")
        self.execute(TABLE)

    def roll_back(self) -> None:
        """End the open transaction without its changes; lists that it put into the table, too."""
        self.execute("ROLLBACK")
        self._clear()

    def _clear(self) -> None:
        self._numbers.clear()
        self.execute("DELETE FROM members")

    def number(self, members: Members) -> int:
        """The list's number in ``members``."""
        found = self._numbers.get(members)
        if found is None:
            if len(self._numbers) >= KEPT:
                self._clear()
            found = len(self._numbers) + 1
            self.execute(FILL, (found, json.dumps(members)))
            self._numbers[members] = found
        return found
