"""Accounts of people and tools: made, given roles and passwords, locked and closed.

These are the product's own operations: they write what no hand may. A door asks first whether its principal
may `administer` (`GuardedStore.as_product`), save for one's own password.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from api.access.errors import AccountError
from api.access.passwords import Passwords, check_password
from cmdb.change_sets import Create, Operation, Relate, Unrelate, Update
from cmdb.errors import NotFoundError
from cmdb.ids import new_id
from cmdb.queries import Query, Sort
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.deciding import Deciding, Decision
from lifecycle.people import HAS_ROLE, ROLE_NAMES
from schema.model import ORGANISATION_ATTRIBUTE, STATE_ATTRIBUTE

ACCOUNT: Final = "Account"
FIRST: Final = "admin"
"""User name of the first administrator."""
ADMINISTRATOR: Final = "administrator"
EVERYWHERE: Final = "roles_everywhere"
ACTIVE, LOCKED, CLOSED = "active", "locked", "closed"
ONE_TIME_DAYS: Final = 7
"""How long a password that is good once can wait."""
PAGE: Final = 1_000
NAME: Final = re.compile(r"[\w][\w.@+-]{0,99}")

Kind = Literal["person", "tool"]


def canonical_name(text: str) -> str:
    """A user name as it is kept: the same however it was typed.

    Raises
    ------
    AccountError
    """
    name = unicodedata.normalize("NFKC", text).strip().casefold()
    if NAME.fullmatch(name) is None:
        raise AccountError(
            f"{text[:100]!r} is no user name.",
            "It begins with a letter or digit, has no spaces, and at most 100 characters.",
        )
    return name


def now() -> datetime:
    return datetime.now(UTC)


class Accounts:
    """The accounts of a store.

    Parameters
    ----------
    passwords
        How passwords are hashed.
    clock
        Tells the time.
    """

    def __init__(
        self,
        store: GraphStore,
        passwords: Passwords | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self.store, self.clock = store, clock
        self.passwords = passwords or Passwords()
        self._deciding = Deciding(store, clock)

    # -- finding --------------------------------------------------------------------------------------

    def find(self, login_name: str) -> Record | None:
        """The account of a user name, whatever its state. One statement."""
        try:
            name = canonical_name(login_name)
        except AccountError:
            return None
        return next(iter(self.store.holders("login_name", [name])), None)

    def get(self, login_name: str) -> Record:
        """Likewise.

        Raises
        ------
        NotFoundError
        """
        found = self.find(login_name)
        if found is None:
            raise NotFoundError(
                f"There is no account {login_name!r}.", "`cmdb account list` lists them."
            )
        return found

    def all(self) -> list[Record]:
        """All accounts, closed ones too, by user name."""
        found: list[Record] = []
        after: str | None = ""
        while after is not None:
            query = Query(ACCOUNT, sort=[Sort("login_name")], first=PAGE, after=after or None)
            page = self.store.find(query)
            found += page.records
            after = page.cursor
        return found

    # -- making and ending ------------------------------------------------------------------------------

    def create(
        self,
        actor: str,
        login_name: str,
        kind: Kind = "person",
        *,
        person: str | None = None,
        organisation: str | None = None,
        roles_everywhere: Collection[str] = (),
    ) -> str:
        """Make an account, without a password; gives its id.

        Parameters
        ----------
        person
            Id of the person it belongs to: it has their roles, and the user name that processes know
            them by.
        organisation
            Whose administrators look after it; that of the person, unless given.

        Raises
        ------
        AccountError
            There is such an account, or the person goes by another user name or has one.
        InvalidChangeError
        """
        name, id = canonical_name(login_name), new_id()
        if kind == "tool" and person is not None:
            raise AccountError("A tool's account is nobody's.", "Leave the person out.")

        def work() -> Decision:
            if self.find(name) is not None:
                raise AccountError(f"There is an account {name} already.", "Choose another name.")
            said: dict[str, Any] = {
                "name": name,
                "login_name": name,
                "account_kind": kind,
                ORGANISATION_ATTRIBUTE: organisation,
                EVERYWHERE: sorted(roles_everywhere) or None,
                "sessions_valid_from": self.clock(),
            }
            operations: list[Operation] = []
            if person is not None:
                owner = self.store.record(person)
                operations += self._belonging(owner, name)
                said["person"] = person
                said[ORGANISATION_ATTRIBUTE] = organisation or owner.attributes.get(
                    ORGANISATION_ATTRIBUTE
                )
            given = {n: value for n, value in said.items() if value is not None}
            operations.insert(0, Create(ACCOUNT, given, id))
            return Decision(operations, f"account {name} made")

        self._deciding.decide(actor, work)
        return id

    def _belonging(self, person: Record, name: str) -> list[Operation]:
        """What lets processes know a person by their account's user name."""
        if "Person" not in self.store.model.record_types[person.type].ancestors:
            raise AccountError(f"{person.name} is a {person.type}.", "Name a person.")
        if self.store.find(Query(ACCOUNT, {"person": {"eq": person.id}}, first=1)).records:
            raise AccountError(f"{person.name} has an account already.", "One is enough.")
        known = person.attributes.get("username")
        if known == name:
            return []
        if known is not None:
            raise AccountError(
                f"{person.name} is known as {known}.", "Give the account that user name."
            )
        return [Update(person.id, {"username": name})]

    def lock(self, actor: str, account: str, reason: str = "") -> None:
        """Let nobody in by it; its sessions end."""
        self._move(actor, account, LOCKED, reason)

    def unlock(self, actor: str, account: str, reason: str = "") -> None:
        """Let its owner in again."""
        self._move(actor, account, ACTIVE, reason)

    def close(self, actor: str, account: str, reason: str = "") -> None:
        """End it for good: its password, sessions and tokens are good for nothing any more."""
        self._move(actor, account, CLOSED, reason, {"password_hash": None, "one_time_until": None})

    def _move(
        self, actor: str, account: str, state: str, reason: str, more: Mapping[str, Any] = {}
    ) -> None:
        def work() -> Decision:
            record = self.store.record(account)
            if record.attributes[STATE_ATTRIBUTE] == state:
                return Decision([], "")
            if record.attributes[STATE_ATTRIBUTE] == CLOSED:
                raise AccountError(f"{record.name} is closed.", "Make another account.")
            said = {STATE_ATTRIBUTE: state, "sessions_valid_from": self.clock(), **more}
            text = f"account {record.name} is {state}"
            return Decision([Update(account, said)], f"{text}: {reason}" if reason else text)

        self._deciding.decide(actor, work)

    def end_sessions(self, actor: str, account: str) -> None:
        """Let nobody go on with a session that began before now."""
        self._set(actor, account, {"sessions_valid_from": self.clock()}, "sessions ended")

    # -- passwords ------------------------------------------------------------------------------------

    def set_password(self, actor: str, account: str, password: str) -> None:
        """Give an account a password; all its sessions end.

        Raises
        ------
        PasswordError
        AccountError
            It is a tool's, or closed.
        """
        record = self._owned(account)
        check_password(password, record.attributes["login_name"])
        self._keep(actor, account, password, None, "password set")

    def one_time_password(self, actor: str, account: str) -> str:
        """Give an account a password that is good once, to set another one; all its sessions end."""
        self._owned(account)
        password = secrets.token_urlsafe(18)
        until = self.clock() + timedelta(days=ONE_TIME_DAYS)
        self._keep(actor, account, password, until, "password set that is good once")
        return password

    def _keep(
        self, actor: str, account: str, password: str, until: datetime | None, what: str
    ) -> None:
        said = {
            "password_hash": self.passwords.hash(password),
            "one_time_until": until,
            "sessions_valid_from": self.clock(),
        }
        self._set(actor, account, said, what)

    def rehash(self, account: Record, password: str) -> None:
        """Keep the same password by the parameters of now."""
        said = {"password_hash": self.passwords.hash(password)}
        self._set(account.attributes["login_name"], account.id, said, "password hashed anew")

    def _owned(self, account: str) -> Record:
        record = self.store.record(account)
        if record.attributes["account_kind"] != "person":
            raise AccountError(f"{record.name} is a tool's.", "It takes access tokens.")
        if record.attributes[STATE_ATTRIBUTE] == CLOSED:
            raise AccountError(f"{record.name} is closed.", "Make another account.")
        return record

    def _set(self, actor: str, account: str, said: Mapping[str, Any], what: str) -> None:
        def work() -> Decision:
            record = self.store.record(account)
            return Decision([Update(account, said)], f"account {record.name}: {what}")

        self._deciding.decide(actor, work)

    # -- roles ----------------------------------------------------------------------------------------

    def roles(self, account: Record) -> dict[str | None, list[str]]:
        """Organisation -> roles that an account has there, its own and its person's; None: everywhere."""
        found: dict[str | None, set[str]] = {}
        if everywhere := account.attributes.get(EVERYWHERE):
            found[None] = {*everywhere}
        holders = [account.id, *filter(None, [account.attributes.get("person")])]
        for near in self.store.neighbours(holders, [HAS_ROLE], "out"):
            there = found.setdefault(near.record.id, set())
            there.update(near.relationship.attributes.get(ROLE_NAMES, ()))
        return {at: sorted(names) for at, names in found.items()}

    def give_role(
        self, actor: str, account: str, roles: Collection[str], organisation: str | None
    ) -> None:
        """Give roles in an organisation and all below it; None: everywhere. A person's account gives them
        to the person, so that processes know of them.

        Raises
        ------
        InvalidChangeError
            There is no such role.
        """
        self._change_roles(actor, account, organisation, lambda held: held | {*roles}, roles)

    def take_role(
        self, actor: str, account: str, roles: Collection[str], organisation: str | None
    ) -> None:
        """Take roles in an organisation, or those that hold everywhere."""
        self._change_roles(actor, account, organisation, lambda held: held - {*roles}, roles)

    def _change_roles(
        self,
        actor: str,
        account: str,
        organisation: str | None,
        change: Callable[[set[str]], set[str]],
        roles: Collection[str],
    ) -> None:
        def work() -> Decision:
            record = self.store.record(account)
            reason = f"roles of {record.name}: {', '.join(sorted(roles))}"
            if organisation is None:
                held = {*record.attributes.get(EVERYWHERE, ())}
                new = sorted(change(held))
                said = {EVERYWHERE: new or None}
                return Decision([Update(account, said)] if new != sorted(held) else [], reason)
            holder = record.attributes.get("person") or account
            held = self._held(holder, organisation)
            new = sorted(change(held))
            if new == sorted(held):
                return Decision([], "")
            operation: Operation = Unrelate(holder, HAS_ROLE, organisation)
            if new:
                operation = Relate(holder, HAS_ROLE, organisation, {ROLE_NAMES: new})
            return Decision([operation], reason)

        self._deciding.decide(actor, work)

    def _held(self, holder: str, organisation: str) -> set[str]:
        for near in self.store.neighbours([holder], [HAS_ROLE], "out"):
            if near.record.id == organisation:
                return {*near.relationship.attributes.get(ROLE_NAMES, ())}
        return set()


def first_administrator(store: GraphStore, passwords: Passwords | None = None) -> str | None:
    """Make the account that may make all others, where there is none; gives its password, good once.

    The password is told nowhere else. None where there are accounts already, or the model has none.
    """
    accounts = Accounts(store, passwords)
    if ACCOUNT not in store.model.record_types or store.find(Query(ACCOUNT, first=1)).records:
        return None
    id = accounts.create("cmdb", FIRST, roles_everywhere=[ADMINISTRATOR])
    return accounts.one_time_password("cmdb", id)
