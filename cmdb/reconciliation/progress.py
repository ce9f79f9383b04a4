"""How far runs are, for people who watch from another process: a mark a source, written now and then."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from cmdb.store import GraphStore
from schema.kinds import write_datetime

PREFIX: Final = "import-progress:"
EVERY: Final = 1.0
"""Seconds between two notes: they wait for commits under way."""


class Progress:
    """Notes how far one run is.

    Parameters
    ----------
    store
        Of the run; a rehearsal keeps nothing.
    """

    def __init__(self, store: GraphStore, source: str) -> None:
        self._store, self._name = store, PREFIX + source
        self._begun = write_datetime(datetime.now(UTC))
        self._noted = 0.0

    def running(self, statements: int) -> None:
        """So many statements are done."""
        if statements and time.monotonic() - self._noted >= EVERY:
            self._note("running", statements)

    def ended(self, statements: int, *, failed: bool) -> None:
        """Nothing more comes. A run that did nothing leaves nothing behind."""
        if failed and not statements:
            return
        self._note("failed" if failed else "done", statements)

    def _note(self, state: str, statements: int) -> None:
        self._noted = time.monotonic()
        said = {"state": state, "statements": statements, "begun": self._begun}
        said["at"] = write_datetime(datetime.now(UTC))
        self._store.mark(self._name, orjson.dumps(said))


def progress_of(store: GraphStore, source: str) -> dict[str, Any] | None:
    """How far the last run of a source is, or was in the end: ``state`` (running, done, failed),
    ``statements``, ``begun``, ``at``. None before the first."""
    name = PREFIX + source
    found = store.marks(name).get(name)
    return None if found is None else dict(orjson.loads(found))
