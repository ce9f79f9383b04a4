"""Passwords: which may be used, and how they are kept (argon2id).

A password is compared as the same text however it was typed (Unicode NFKC). What cannot be right costs the
same time as what is wrong.
"""

from __future__ import annotations

import secrets
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from threading import BoundedSemaphore
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.access.errors import PasswordError

SHORTEST: Final = 12
LONGEST: Final = 1024
DISTINCT: Final = 5
"""Different characters that a password has at least."""
AT_ONCE: Final = 4
"""Passwords that one process hashes at the same time: each takes `Hashing.memory_kib`."""
_hashing = BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True)
class Hashing:
    """Parameters of argon2id. Hashes of other ones still count, and are made anew at the next sign-in."""

    time_cost: int = 3
    memory_kib: int = 64 * 1024
    parallelism: int = 1


class Passwords:
    """Hashes passwords, and compares them."""

    def __init__(self, hashing: Hashing | None = None) -> None:
        chosen = hashing or Hashing()
        self._hasher = PasswordHasher(chosen.time_cost, chosen.memory_kib, chosen.parallelism)

    def hash(self, password: str) -> str:
        """The hash to keep."""
        with _hashing:
            return self._hasher.hash(_canonical(password))

    def fits(self, kept: str | None, password: str) -> bool:
        """Whether it is the password of a hash; without one it is not, after the same time."""
        plain = _canonical(password[:LONGEST])
        with _hashing:
            try:
                self._hasher.verify(kept or self._nobodys, plain)
            except (VerificationError, InvalidHashError):
                return False
        return kept is not None and len(password) <= LONGEST

    def outdated(self, kept: str) -> bool:
        """Whether a hash was made with other parameters."""
        return self._hasher.check_needs_rehash(kept)

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(secrets.token_urlsafe())


def check_password(password: str, login_name: str) -> None:
    """Refuse what is easily guessed.

    Raises
    ------
    PasswordError
    """
    plain = _canonical(password)
    if not SHORTEST <= len(plain) <= LONGEST:
        raise PasswordError(
            "The password is too short or too long.",
            f"Take {SHORTEST} to {LONGEST} characters: several words are best.",
        )
    if len(set(plain)) < DISTINCT or login_name.casefold() in plain.casefold():
        raise PasswordError(
            "The password is easily guessed.",
            "It holds the user name, or few different characters: take another one.",
        )


def _canonical(password: str) -> str:
    try:
        password.encode()
    except UnicodeEncodeError:
        raise PasswordError("The password is no text.", "Take letters, digits, signs.") from None
    return unicodedata.normalize("NFKC", password)
