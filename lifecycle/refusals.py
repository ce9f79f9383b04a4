"""Why something is refused: told to people, and to programs by code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cmdb.errors import CmdbError, ConflictError, Interference


class Refusal(NamedTuple):
    """One reason why one record does not go through a transition or a step.

    Attributes
    ----------
    subject, name
        Id and name of the record.
    code
        The guard that refuses; or ``state``, ``role``, ``required``, ``step``.
    override
        The role that may set it aside, with a reason; None where nobody may.
    detail
        What programs want to know: of a guard by impact, who would go down.
    since
        What others changed since that was decided or planned, where that is why.
    """

    subject: str
    name: str
    code: str
    message: str
    override: str | None = None
    detail: Mapping[str, Any] = {}
    since: Sequence[Interference] = ()


class RefusedError(CmdbError):
    """Guards or requirements refuse it. Nothing was stored.

    Attributes
    ----------
    refusals
        Each with its reason.
    """

    code = "refused"

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        first = refusals[0]
        more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
        remedy = "Nothing was stored."
        if first.override:
            remedy = (
                f"Nothing was stored. A {first.override} may override {first.code} with a reason."
            )
        super().__init__(f"{first.name}: {first.message}{more}".rstrip(".") + ".", remedy)
        self.refusals = tuple(refusals)


class OutdatedError(ConflictError):
    """What was planned meets what others have changed since. Nothing was stored.

    Attributes
    ----------
    refusals
        One for each thing that is otherwise, with who changed it; ``interferences`` are those of the first.
    """

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        first, since = refusals[0], refusals[0].since
        revisions = [each.revision for each in since]
        super().__init__(first.subject, min(revisions) - 1, max(revisions), since)
        more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
        self.message = f"{first.name}: {first.message}{more}."
        self.remedy = "Nothing was stored. Look at it again, and plan it anew."
        if first.override:
            self.remedy = f"Nothing was stored. Look at it again; a {first.override} may override {first.code} with a reason."
        self.refusals = tuple(refusals)


class NotAllowedError(CmdbError):
    """This person may not do that."""

    code = "not_allowed"


class RequestError(CmdbError):
    """What was asked for makes no sense: no such step, vote, type of order."""

    code = "invalid_request"
