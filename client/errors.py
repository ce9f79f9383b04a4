"""What a server answers that is not what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schema.errors import CmdbError


class ServerError(CmdbError):
    """The server refused, with a code of its own.

    Attributes
    ----------
    code
        The server's: ``not_found``, ``conflict``, ``invalid_change`` …
    details
        What it told besides: problems, interferences, refusals.
    """

    code = "server_error"

    def __init__(
        self, code: str, message: str, remedy: str = "", details: Mapping[str, Any] = {}
    ) -> None:
        super().__init__(message, remedy)
        self.code = code
        self.details = details


class UnreachableError(CmdbError):
    """The server did not answer."""

    code = "store_unavailable"
