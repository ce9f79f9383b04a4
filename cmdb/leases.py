"""Leases: of several processes, one does what needs doing once, until it says so or its time is up.

    lease = Lease(store, "webhooks", "server 1", seconds=30)
    while running:
        if lease.acquire():        # or goes on holding it
            deliver(few)           # well within the 30 seconds
        wait()

A lease is a mark, set by `GraphStore.swap`. It expires by the clock of whoever looks at it: the clocks of
the machines must agree to well within its seconds. A holder that stalls beyond them may find that another
has begun: what it does must bear being done twice, as a webhook does whose receiver knows its number.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from cmdb.ids import new_id
from cmdb.store.base import GraphStore
from schema.kinds import parse_datetime, write_datetime

PREFIX: Final = "lease/"


def now() -> datetime:
    return datetime.now(UTC)


class Lease:
    """One holder's side of a lease.

    Parameters
    ----------
    name
        Of what only one may do at a time.
    holder
        Who, for people: two of one name are two holders all the same.
    seconds
        How long it holds from the last time it was acquired or renewed.
    clock
        Tells the time.
    """

    def __init__(
        self,
        store: GraphStore,
        name: str,
        holder: str,
        seconds: float,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._store = store
        self._name = PREFIX + name
        self._holder = {"holder": holder, "token": new_id()}
        self._time = timedelta(seconds=seconds)
        self._clock = clock
        self._mine: bytes | None = None

    @property
    def held(self) -> bool:
        """Whether it is held, as far as this side knows without asking."""
        return self._mine is not None and not self._expired(self._mine)

    def acquire(self) -> bool:
        """Take it, if nobody holds it or their time is up; renew it, if it is held. Gives whether it is."""
        found = self._found()
        if found is not None and found != self._mine and not self._expired(found):
            self._mine = None
            return False
        return self._swap(found)

    def renew(self) -> bool:
        """Hold it for its seconds from now on. False if another one has taken it meanwhile."""
        return self._mine is not None and self._swap(self._mine)

    def release(self) -> None:
        """Let it go at once; nothing happens where another one has taken it."""
        if self._mine is not None:
            self._store.swap(self._name, self._mine, None)
            self._mine = None

    def holder(self) -> str | None:
        """Who holds it."""
        found = self._found()
        return None if found is None or self._expired(found) else str(_read(found)["holder"])

    def _found(self) -> bytes | None:
        return self._store.marks(self._name).get(self._name)

    def _swap(self, expected: bytes | None) -> bool:
        until = write_datetime(self._clock() + self._time)
        wanted = orjson.dumps({**self._holder, "until": until})
        self._mine = wanted if self._store.swap(self._name, expected, wanted) else None
        return self._mine is not None

    def _expired(self, value: bytes) -> bool:
        return parse_datetime(_read(value)["until"]) <= self._clock()


def _read(value: bytes) -> dict[str, Any]:
    return dict(orjson.loads(value))
