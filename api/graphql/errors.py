"""Errors in GraphQL: what a program needs stands in ``extensions``; what is a defect is not told.

A query's errors come in ``errors``. A mutation answers with its expected errors as types
(`api.graphql.mutations`); only what no caller could expect comes here.
"""

from __future__ import annotations

import logging
from typing import Any

from graphql import GraphQLError

from schema.errors import CmdbError

logger = logging.getLogger(__name__)


def told(error: Exception, request_id: str) -> GraphQLError:
    """What is told of an error that a resolver raised.

    Parameters
    ----------
    request_id
        Under which the server logs what it does not tell.
    """
    if isinstance(error, GraphQLError):
        original = error.original_error
        if original is None or isinstance(original, GraphQLError):
            return error
        inner = told(original, request_id)
        return GraphQLError(
            inner.message, error.nodes, path=error.path, extensions=inner.extensions
        )
    if isinstance(error, CmdbError):
        return GraphQLError(error.message, extensions=extensions(error))
    logger.error("A defect.", exc_info=error, extra={"request_id": request_id})
    return GraphQLError(
        "Something went wrong in the server; this was logged.",
        extensions={"code": "internal", "remedy": "Report it.", "requestId": request_id},
    )


def extensions(error: CmdbError) -> dict[str, Any]:
    """The code of an error, and what to do."""
    return {"code": error.code, "remedy": error.remedy}
