"""Whose a token or a session is: a `Principal`, with what it may do.

What was found out is used again for `SECONDS`: then a request costs no statement, and what is revoked,
locked or taken away is so in every process after that time.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

from api.access.accounts import Accounts
from api.access.audit import BEARER, Audit
from api.access.errors import ThrottledError, UnauthenticatedError
from api.access.principals import Grant, Permission, Principal
from api.access.roles import Roles, grants_of
from api.access.sessions import Sessions
from api.access.sign_in import usable
from api.access.throttle import Throttle
from api.access.tokens import Tokens, prefix_of
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.people import Directory
from schema.errors import CmdbError

SECONDS: Final = 3.0
REMEMBERED: Final = 10_000

Grants = Callable[[Record], tuple[tuple[Grant, ...], frozenset[str]]]
"""Account -> what it may do and where, and the names of its roles."""
Below = Callable[[Iterable[str]], frozenset[str]]
"""Organisations -> these, and all below them."""


def grants_by_roles(store: GraphStore, roles: Roles) -> Grants:
    """What accounts may do by their roles, as of today."""
    return lambda account: grants_of(Directory(store, datetime.now(UTC).date()), account, roles)


class _Known(NamedTuple):
    principal: Principal
    until: float
    credential: str


class Authenticator:
    """Tells who shows a token or a session.

    Parameters
    ----------
    below
        As of `api.access.organisations.Organisations`: for tokens that hold in one organisation only.
    monotonic
        Seconds.
    throttle
        Slows down who shows bad tokens.
    """

    def __init__(
        self,
        accounts: Accounts,
        tokens: Tokens,
        sessions: Sessions,
        audit: Audit,
        grants: Grants,
        below: Below = frozenset,
        monotonic: Callable[[], float] = time.monotonic,
        throttle: Throttle | None = None,
    ) -> None:
        self._throttle = throttle
        self.accounts, self.tokens, self.sessions, self.audit = accounts, tokens, sessions, audit
        self._grants, self._below, self._monotonic = grants, below, monotonic
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def by_token(self, secret: str, address: str = "") -> Principal:
        """Whose token it is.

        Raises
        ------
        UnauthenticatedError, ThrottledError
        """
        key = _key("token", secret)
        known = self._remembered(key)
        if known is None:
            known = self._remember(key, self._of_token(secret, address))
        self._note(f"token {known.credential}", lambda: self.tokens.note_use(known.credential))
        return replace(known.principal, address=address)

    def by_session(self, value: str, address: str = "") -> Principal:
        """Whose session it is.

        Raises
        ------
        UnauthenticatedError
        """
        key = _key("session", value)
        known = self._remembered(key)
        if known is None:
            known = self._remember(key, self._of_session(value))
        return replace(known.principal, address=address)

    def forget(self, account: str) -> None:
        """Look an account up anew: something about it has changed here."""
        with self._lock:
            gone = [k for k, known in self._known.items() if known.principal.account == account]
            for key in gone:
                del self._known[key]

    # -- looking up -------------------------------------------------------------------------------------

    def _of_token(self, secret: str, address: str) -> tuple[Principal, str]:
        token = self.tokens.of_secret(secret)
        account = token and self._account(str(token.attributes["account"]))
        if token is None or account is None:
            raise self._refused(secret, address)
        grants, roles = self._grants(account)
        scopes = frozenset(map(Permission, token.attributes["scopes"]))
        within = token.attributes.get("within_organisation")
        narrow = tuple(narrowed(grants, scopes, within, self._below))
        return self._principal(account, narrow, roles), token.id

    def _refused(self, secret: str, address: str) -> CmdbError:
        """The error of a bad token, noted."""
        error: UnauthenticatedError | ThrottledError = UnauthenticatedError(
            "That access token is good for nothing: unknown, revoked or expired.",
            "`cmdb token create` makes one.",
        )
        try:
            if self._throttle is not None:
                self._throttle.bad_token(address)
        except ThrottledError as throttled:
            error = throttled
        prefix = prefix_of(secret)
        self.audit.note("", BEARER, error.code, subject=prefix, address=address, seldom=True)
        error.noted = True
        return error

    def _of_session(self, value: str) -> tuple[Principal, str]:
        session = self.sessions.find(value)
        account = session and self._account(session.account)
        begins = account and account.attributes.get("sessions_valid_from")
        if session is None or account is None or (begins and session.begun < begins):
            raise UnauthenticatedError("The session has ended.", "Sign in again.")
        self._note(f"session {_key('', value)}", lambda: self.sessions.note_use(value, session))
        return replace(self._principal(account, *self._grants(account)), by="session"), ""

    def _account(self, id: str) -> Record | None:
        found = self.accounts.store.get([id]).get(id)
        return found if found and usable(self.accounts, found) else None

    def _principal(
        self, account: Record, grants: tuple[Grant, ...], roles: frozenset[str]
    ) -> Principal:
        said = account.attributes
        person = said.get("person") or ""
        return Principal(said["login_name"], account.id, grants, roles, by="token", person=person)

    # -- remembering ------------------------------------------------------------------------------------

    def _remembered(self, key: str) -> _Known | None:
        known = self._known.get(key)
        return known if known is not None and self._monotonic() < known.until else None

    def _remember(self, key: str, found: tuple[Principal, str]) -> _Known:
        known = _Known(found[0], self._monotonic() + SECONDS, found[1])
        with self._lock:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = known
        return known

    def _note(self, name: str, work: Callable[[], object]) -> None:
        self.audit.beside(name, work)


def narrowed(
    grants: Iterable[Grant], scopes: frozenset[Permission], within: str | None, below: Below
) -> Iterator[Grant]:
    """Grants by no more than some permissions; and in no more than an organisation, if there is one."""
    for permissions, organisation in grants:
        left = permissions & scopes
        if not left:
            continue
        if within is None or organisation == within:
            yield Grant(left, organisation)
        elif organisation is None or within in below([organisation]):
            yield Grant(left, within)
        elif organisation in below([within]):
            yield Grant(left, organisation)


def _key(kind: str, credential: str) -> str:
    """Secrets are not kept, not in memory either."""
    return f"{kind} {hashlib.sha256(credential.encode(errors='replace')).hexdigest()}"
