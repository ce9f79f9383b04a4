"""Sign-ins that fail are slowed down, for the account and for the address they come from; bad tokens are, too.

An attempt is counted before it is looked at, so that many at once are counted, too; one that succeeds
forgets those of its account. The counts are marks, shared by all processes of a server: names fall into
`BUCKETS` of them, so that made-up names do not fill the store, and names of nobody are counted like others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import Final

import orjson

from api.access.accounts import now
from api.access.errors import ThrottledError
from cmdb.store import GraphStore
from schema.kinds import parse_datetime, write_datetime

PREFIX: Final = "throttle/"
BUCKETS: Final = 2**16
SWAPS: Final = 20
"""Others that count the same at the same time, before an attempt is refused."""


@dataclass(frozen=True)
class Waits:
    """How long attempts wait: after `free` failures a second, then twice as long each time, up to `most`.

    Failures are forgotten when none came for `memory`.
    """

    free: int
    most: timedelta
    memory: timedelta = timedelta(hours=1)

    def after(self, failures: int) -> timedelta:
        """How long to wait after so many failures."""
        if failures < self.free:
            return timedelta(0)
        return min(timedelta(seconds=2.0 ** min(failures - self.free, 30)), self.most)


ACCOUNT: Final = Waits(free=5, most=timedelta(minutes=5))
"""Short, as anybody can keep the owner of an account out by it."""
ADDRESS: Final = Waits(free=20, most=timedelta(minutes=30))


class Throttle:
    """Counts attempts to sign in."""

    def __init__(
        self,
        store: GraphStore,
        account: Waits = ACCOUNT,
        address: Waits = ADDRESS,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._store, self._clock = store, clock
        self._account, self._address = account, address

    def attempt(self, name: str, address: str) -> None:
        """Count an attempt that is about to be looked at, as if it had failed.

        Raises
        ------
        ThrottledError
            It comes too early, and is not to be looked at.
        """
        if address:  # first: who is stopped there does not keep others out of the account
            self._count(_mark("address", _network(address)), self._address)
        self._count(_mark("account", name.casefold()), self._account)

    def bad_token(self, address: str) -> None:
        """Count a token that is good for nothing, for the address it came from. Good ones are not held up
        by it: they cannot be guessed, and a tool that goes wrong keeps none beside it out.

        Raises
        ------
        ThrottledError
        """
        if address:
            self._count(_mark("token", _network(address)), self._address)

    def succeeded(self, name: str, address: str) -> None:
        """An attempt was right: forget those for its account, and this one of its address."""
        self._store.mark(_mark("account", name.casefold()), None)
        if address:
            self._uncount(_mark("address", _network(address)))

    def _count(self, mark: str, waits: Waits) -> None:
        for _ in range(SWAPS):
            held = self._store.marks(mark).get(mark)
            failures, last = _read(held)
            at = self._clock()
            if last is not None and at - last >= waits.memory:
                failures = 0
            elif last is not None and (left := last + waits.after(failures) - at) > timedelta(0):
                raise ThrottledError(left.total_seconds())
            if self._store.swap(mark, held, _written(failures + 1, at)):
                return
        raise ThrottledError(1)

    def _uncount(self, mark: str) -> None:
        held = self._store.marks(mark).get(mark)
        failures, last = _read(held)
        if last is not None:
            self._store.swap(mark, held, _written(failures - 1, last) if failures > 1 else None)


def _mark(what: str, key: str) -> str:
    digest = hashlib.sha256(key.encode(errors="replace")).digest()
    return f"{PREFIX}{what}/{int.from_bytes(digest[:8]) % BUCKETS:04x}"


def _network(address: str) -> str:
    """An address, or the network that one customer of a provider has of IPv6."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or int(found) >> 64)
    return address


def _written(failures: int, at: datetime) -> bytes:
    return orjson.dumps([failures, write_datetime(at)])


def _read(held: bytes | None) -> tuple[int, datetime | None]:
    if held is None:
        return 0, None
    failures, last = orjson.loads(held)
    return failures, parse_datetime(last)
