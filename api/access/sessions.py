"""Sessions of people who signed in, kept as marks, so that all processes of a server share them.

A mark is named by the SHA-256 of the session's value, never by the value. Each ends when it was unused for
`idle`, in any case after `lifetime`, when its owner signs out, and with all others of an account that is
locked or got another password (`sessions_valid_from`).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import orjson

from api.access.accounts import now
from cmdb.store import GraphStore
from schema.kinds import parse_datetime, write_datetime

PREFIX: Final = "session/"
SEEN_EVERY: Final = timedelta(minutes=1)
IDLE: Final = timedelta(hours=8)
LIFETIME: Final = timedelta(days=7)


class Session(NamedTuple):
    """A session that has not ended by itself. ``seen`` is when it was used last, to a minute."""

    account: str
    begun: datetime
    seen: datetime


class Sessions:
    """The sessions of a store.

    Parameters
    ----------
    idle, lifetime
        A session ends when unused for so long, and after so long in any case.
    """

    def __init__(
        self,
        store: GraphStore,
        idle: timedelta = IDLE,
        lifetime: timedelta = LIFETIME,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._store, self._clock = store, clock
        self._idle, self._lifetime = idle, lifetime

    def begin(self, account: str) -> str:
        """Begin a session of an account; gives the value that its owner shows from now on."""
        value = secrets.token_urlsafe(32)
        at = self._clock()
        self._store.mark(_name(value), _written(Session(account, at, at)))
        return value

    def find(self, value: str) -> Session | None:
        """The session of a value, unless it has ended. One statement."""
        name = _name(value)
        found = self._store.marks(name).get(name)
        if found is None:
            return None
        session = _read(found)
        if self._ended(session):
            self._store.mark(name, None)
            return None
        return session

    def note_use(self, value: str, session: Session) -> None:
        """Keep that a session is in use; written once a minute. One that was ended meanwhile stays so."""
        at = self._clock()
        if at - session.seen >= SEEN_EVERY:
            later = _written(session._replace(seen=at))
            self._store.swap(_name(value), _written(session), later)

    def end(self, value: str) -> None:
        """End a session."""
        self._store.mark(_name(value), None)

    def remove_ended(self) -> int:
        """Forget those that have ended by themselves; gives how many. Costs with the number of sessions."""
        ended = [n for n, v in self._store.marks(PREFIX).items() if self._ended(_read(v))]
        for name in ended:
            self._store.mark(name, None)
        return len(ended)

    def _ended(self, session: Session) -> bool:
        at = self._clock()
        return at - session.seen >= self._idle or at - session.begun >= self._lifetime


def csrf_token(value: str) -> str:
    """What a page of ours sends along with a change, to show that it comes from a page of ours: bound to
    the session, and known to whoever can read its answers only."""
    return hmac.new(value.encode(), b"csrf", hashlib.sha256).hexdigest()


def _name(value: str) -> str:
    return PREFIX + hashlib.sha256(value.encode()).hexdigest()


def _written(session: Session) -> bytes:
    account, begun, seen = session
    return orjson.dumps([account, write_datetime(begun), write_datetime(seen)])


def _read(value: bytes) -> Session:
    account, begun, seen = orjson.loads(value)
    return Session(account, parse_datetime(begun), parse_datetime(seen))
