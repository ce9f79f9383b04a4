"""Access tokens: what a tool shows to act as an account, within scopes.

    cmdb_7k2m9qxd_<43 characters: 256 random bits><6 characters: a checksum>

The first two parts are the *prefix*, by which people recognise it; of the whole only the SHA-256 is kept.
The checksum lets a mistyped or made-up token be refused without asking the store.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from api.access.accounts import ACTIVE, now
from api.access.errors import AccountError
from api.access.principals import Permission
from cmdb.change_sets import Create, Update
from cmdb.errors import NotFoundError
from cmdb.ids import new_id
from cmdb.queries import Query, Sort
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.deciding import Deciding, Decision
from schema.kinds import is_id, parse_datetime, write_datetime
from schema.model import ORGANISATION_ATTRIBUTE, STATE_ATTRIBUTE

TYPE: Final = "AccessToken"
REVOKED: Final = "revoked"
USED: Final = "token-used/"
"""Marks: when a token was last used, by its id."""
USED_EVERY: Final = timedelta(minutes=1)
LETTERS: Final = string.digits + string.ascii_lowercase + string.ascii_uppercase
PATTERN: Final = re.compile(r"(cmdb_[0-9a-z]{8})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})")
LONGEST: Final = timedelta(days=3660)
PAGE: Final = 1_000


class NewToken(NamedTuple):
    """A token just made. ``secret`` is told this once."""

    id: str
    prefix: str
    secret: str


class Tokens:
    """The access tokens of a store."""

    def __init__(self, store: GraphStore, clock: Callable[[], datetime] = now) -> None:
        self.store, self.clock = store, clock
        self._deciding = Deciding(store, clock)
        self._noted: dict[str, datetime] = {}

    def create(
        self,
        actor: str,
        account: str,
        name: str,
        scopes: Collection[Permission],
        *,
        organisation: str | None = None,
        expires_at: datetime | None = None,
    ) -> NewToken:
        """Make a token of an account.

        Parameters
        ----------
        name
            What it is for.
        scopes
            It can do what both these and its account's roles allow.
        organisation
            Only there, and below.

        Raises
        ------
        AccountError
            The account is closed or locked, no scope is given, or it would expire before now.
        InvalidChangeError
        """
        owner = self.store.record(account)
        if owner.attributes[STATE_ATTRIBUTE] != ACTIVE:
            raise AccountError(f"The account {owner.name} is not active.", "Take another one.")
        if not scopes:
            raise AccountError("The token has no scope.", f"Name some of {', '.join(Permission)}.")
        at = self.clock()
        if expires_at is not None and not at < expires_at < at + LONGEST:
            raise AccountError("It would expire before now, or too late.", "Name another day.")
        prefix = f"cmdb_{''.join(secrets.choice(LETTERS[:36]) for _ in range(8))}"
        secret, id = _sealed(f"{prefix}_{_written(secrets.randbits(256), 43)}"), new_id()
        said: dict[str, Any] = {
            "name": name,
            "token_prefix": prefix,
            "token_hash": _digest(secret),
            "account": account,
            "scopes": sorted(Permission(scope).value for scope in scopes),
            "within_organisation": organisation,
            "expires_at": expires_at,
            ORGANISATION_ATTRIBUTE: owner.attributes.get(ORGANISATION_ATTRIBUTE),
        }
        given = {n: value for n, value in said.items() if value is not None}
        reason = f"access token {prefix} of {owner.name} made"
        self._deciding.decide(actor, lambda: Decision([Create(TYPE, given, id)], reason))
        return NewToken(id, prefix, secret)

    def revoke(self, actor: str, token: str) -> None:
        """End a token, by its id."""

        def work() -> Decision:
            record = self.store.record(token)
            prefix = record.attributes["token_prefix"]
            if record.attributes[STATE_ATTRIBUTE] == REVOKED:
                return Decision([], "")
            said = {STATE_ATTRIBUTE: REVOKED}
            return Decision([Update(token, said)], f"access token {prefix} revoked")

        self._deciding.decide(actor, work)

    def named(self, text: str) -> Record:
        """A token by its prefix or id.

        Raises
        ------
        NotFoundError
        """
        if is_id(text):
            found = [r for r in self.store.get([text]).values() if r.type == TYPE]
        else:
            found = self.store.holders("token_prefix", [text])
        if not found:
            raise NotFoundError(
                f"There is no access token {text[:40]!r}.", "`cmdb token list` lists them."
            )
        return found[0]

    def all(self, account: str | None = None) -> list[Record]:
        """All tokens, or those of an account: revoked and expired ones, too."""
        where = None if account is None else {"account": {"eq": account}}
        found: list[Record] = []
        after: str | None = ""
        while after is not None:
            query = Query(TYPE, where, sort=[Sort("name")], first=PAGE, after=after or None)
            page = self.store.find(query)
            found += page.records
            after = page.cursor
        return found

    # -- using ----------------------------------------------------------------------------------------

    def of_secret(self, secret: str) -> Record | None:
        """The token that a secret is of, if it is good for anything now. One statement, or none."""
        match = PATTERN.fullmatch(secret)
        if match is None or not hmac.compare_digest(_sealed(secret[:-6]), secret):
            return None
        found = next(iter(self.store.holders("token_prefix", [match[1]])), None)
        if found is None or not hmac.compare_digest(
            str(found.attributes["token_hash"]), _digest(secret)
        ):
            return None
        return found if self.good(found) else None

    def good(self, token: Record) -> bool:
        """Whether it is neither revoked nor expired."""
        until = token.attributes.get("expires_at")
        active = token.attributes[STATE_ATTRIBUTE] == ACTIVE
        return active and (until is None or self.clock() < until)

    def note_use(self, token: str) -> None:
        """Keep when a token was used last; written once a minute, as it is no history."""
        at = self.clock()
        last = self._noted.get(token)
        if last is None or at - last >= USED_EVERY:
            self._noted[token] = at
            self.store.mark(f"{USED}{token}", write_datetime(at).encode())

    def last_used(self) -> dict[str, datetime]:
        """When tokens were used last, to a minute, by id."""
        marks = self.store.marks(USED)
        return {n.removeprefix(USED): parse_datetime(v.decode()) for n, v in marks.items()}


def prefix_of(secret: str) -> str:
    """The prefix of what has the form of a token; nothing of what has not."""
    match = PATTERN.fullmatch(secret)
    return match[1] if match else ""


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _sealed(text: str) -> str:
    """A text with its checksum."""
    return text + _written(zlib.crc32(text.encode()), 6)


def _written(number: int, length: int) -> str:
    """A number in base 62."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(LETTERS))
        digits.append(LETTERS[digit])
    return "".join(digits)
