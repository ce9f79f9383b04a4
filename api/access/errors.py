"""Why somebody is not let in, or an account, a password or a token is not made so."""

from __future__ import annotations

import math

from schema.errors import CmdbError


class UnauthenticatedError(CmdbError):
    """Nobody knows who asks. It never says what of a sign-in was wrong."""

    code = "unauthenticated"
    noted = False
    """Whether it stands in the audit already."""


class ThrottledError(CmdbError):
    """Too many sign-ins failed, or too many tokens were bad.

    Attributes
    ----------
    retry_after
        Whole seconds until the next attempt is looked at.
    """

    code = "throttled"
    noted = False
    """As of `UnauthenticatedError`."""

    def __init__(self, seconds: float) -> None:
        self.retry_after = max(1, math.ceil(seconds))
        super().__init__(
            "Too many sign-ins failed.", f"Try again in {self.retry_after} seconds, not before."
        )


class PasswordChangeRequiredError(CmdbError):
    """The password is right, but good only to set another one."""

    code = "password_change_required"

    def __init__(self) -> None:
        super().__init__(
            "This password is good once, to set one of your own.",
            "Sign in with it again, and with a new_password.",
        )


class PasswordError(CmdbError):
    """A password that may not be used."""

    code = "password_refused"


class AccountError(CmdbError):
    """An account or token is not made, or not changed, as was asked."""

    code = "account_refused"
