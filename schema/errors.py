"""The root of the product's one exception tree, and the errors of the model itself.

The whole tree is drawn in ``cmdb.errors``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class CmdbError(Exception):
    """An error a person can act on.

    Parameters
    ----------
    message
        What happened, to what.
    remedy
        What to do about it.

    Attributes
    ----------
    code
        Stable, snake_case; doors map it to exit codes, HTTP status and GraphQL types.
    """

    code = "error"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong with a declaration: where, what, and the remedy."""

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.remedy}"


class ModelError(CmdbError):
    """The model's declarations are wrong. Carries every mistake found, not just the first."""

    code = "model_invalid"

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        count = len(mistakes)
        first = str(mistakes[0]) if mistakes else ""
        more = f" (and {count - 1} more)" if count > 1 else ""
        super().__init__(f"The model has {count} mistake{'s'[: count != 1]}: {first}{more}")
        self.mistakes = tuple(mistakes)


class UnknownNameError(CmdbError):
    """A record type, relationship type or attribute was named that the model does not have."""

    code = "unknown_name"
