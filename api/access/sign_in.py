"""Signing in: credentials in, an account out. Passwords now; other ways are other implementations of `SignIn`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from api.access.accounts import ACTIVE, Accounts
from api.access.audit import DONE, Audit
from api.access.errors import PasswordChangeRequiredError, UnauthenticatedError
from api.access.throttle import Throttle
from cmdb.records import Record
from schema.errors import CmdbError
from schema.model import STATE_ATTRIBUTE

SIGN_IN: Final = "sign_in"


@dataclass(frozen=True)
class Credentials:
    """What somebody shows to sign in. ``new_password`` is what the password shown is to be replaced by."""

    name: str
    password: str
    new_password: str | None = None

    def __repr__(self) -> str:
        return "Credentials(…)"


class SignIn(Protocol):
    """A way to sign in."""

    def account(self, credentials: Credentials, address: str) -> str:
        """Id of the account that the credentials are of.

        Raises
        ------
        UnauthenticatedError
            They are of none; it is not said why.
        ThrottledError
        """


def wrong() -> UnauthenticatedError:
    return UnauthenticatedError(
        "That user name and password do not sign in.",
        "Try again; an administrator sets another password, or unlocks the account.",
    )


def usable(accounts: Accounts, account: Record) -> bool:
    """Whether somebody may come in by an account: it is active, and so is the person it is of."""
    person = account.attributes.get("person")
    if account.attributes[STATE_ATTRIBUTE] != ACTIVE:
        return False
    if person is None:
        return True
    types = accounts.store.model.record_types
    return any(
        types[owner.type].operational(owner.attributes.get(STATE_ATTRIBUTE))
        for owner in accounts.store.get([person]).values()
    )


class PasswordSignIn:
    """Signs in by user name and password."""

    def __init__(self, accounts: Accounts, throttle: Throttle, audit: Audit) -> None:
        self._accounts, self._throttle, self._audit = accounts, throttle, audit

    def account(self, credentials: Credentials, address: str) -> str:
        """As of `SignIn`.

        Raises
        ------
        UnauthenticatedError, ThrottledError
        PasswordChangeRequiredError
            The password is good once, and no other one is given.
        PasswordError
            The new one may not be used.
        """
        found = self._accounts.find(credentials.name)
        who = (
            found.attributes["login_name"] if found else ""
        )  # what is no user name may be a password
        result = DONE
        try:
            return self._checked(found, credentials, address)
        except CmdbError as error:
            result = error.code
            raise
        finally:
            self._audit.note(who, SIGN_IN, result, address=address)

    def _checked(self, found: Record | None, credentials: Credentials, address: str) -> str:
        name = found.attributes["login_name"] if found else credentials.name
        self._throttle.attempt(name, address)
        kept = found.attributes.get("password_hash") if found else None
        fits = self._accounts.passwords.fits(kept, credentials.password)
        if found is None or not fits or not usable(self._accounts, found):
            raise wrong()
        until = found.attributes.get("one_time_until")
        if until is not None and until <= self._accounts.clock():
            raise wrong()
        self._throttle.succeeded(name, address)
        self._renew(found, kept or "", credentials, once=until is not None)
        return found.id

    def _renew(self, found: Record, kept: str, credentials: Credentials, *, once: bool) -> None:
        """Set the new password, if there is one; keep the old one by the parameters of now."""
        if credentials.new_password is not None:
            if credentials.new_password == credentials.password:
                raise PasswordChangeRequiredError
            who = found.attributes["login_name"]
            self._accounts.set_password(who, found.id, credentials.new_password)
        elif once:
            raise PasswordChangeRequiredError
        elif self._accounts.passwords.outdated(kept):
            self._accounts.rehash(found, credentials.password)
