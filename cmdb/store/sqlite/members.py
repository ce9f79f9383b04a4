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

    def roll_back(self) -> None:
        """End the open transaction without its changes; lists that it put into the table, too."""
        self.execute("ROLLBACK")
        self._clear()

    def _clear(self) -> None:
        self._numbers.clear()
        self.execute("DELETE FROM members")

    def numbered(self, parameters: Sequence[Any]) -> list[Any]:
        """Parameters with the lists' numbers in ``members``; the very same list has the same."""
        lists = {id(p.values): p.values for p in parameters if isinstance(p, Members)}
        # All of a statement's are there together.
        if lists and len(self._numbers.keys() | lists.keys()) > KEPT:
            self._clear()
        for key in lists.keys() - self._numbers.keys():
            number = len(self._numbers) + 1
            self.execute(FILL, (number, json.dumps(lists[key])))
            self._numbers[key] = number, lists[key]
        return [self._numbers[id(p.values)][0] if isinstance(p, Members) else p for p in parameters]
