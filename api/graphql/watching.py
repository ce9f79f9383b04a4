"""What is measured and noted of GraphQL: every operation, every mutation, every refusal.

Names, outcomes and revisions; no variables and no values.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from graphql import GraphQLError
from strawberry.extensions import SchemaExtension

from api.access.audit import DONE, REFUSALS
from api.context import Context
from schema.errors import CmdbError

INVALID: Final = "invalid_query"
OK: Final = "ok"


class Operations(SchemaExtension):
    """Measures operations, and notes what of queries was refused."""

    def on_operation(self) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        context: Context = self.execution_context.context
        type_, errors = self._type(), self._errors()
        codes = [code_of(error) for error in errors]
        outcome = (codes or [context.outcome or OK])[0]
        seconds = time.perf_counter() - begun
        context.services.metrics.operation(type_, outcome, seconds, context.cost)
        if type_ != "mutation" and context.services.audit is not None:
            for error, code in zip(errors, codes, strict=True):
                if code in REFUSALS:
                    subject = ".".join(str(p) for p in error.path or () if isinstance(p, str))
                    context.services.audit.note(
                        context.principal, type_, code, subject=subject, seldom=True
                    )

    def _type(self) -> str:
        try:
            return self.execution_context.operation_type.name.lower()
        except (RuntimeError, StopIteration):  # what was sent is no operation
            return "query"

    def _errors(self) -> list[GraphQLError]:
        found = self.execution_context
        result = getattr(found, "result", None)
        return list(getattr(result, "errors", None) or found.pre_execution_errors or ())


def code_of(error: Exception) -> str:
    """The code that an error is told by."""
    if isinstance(error, CmdbError):
        return error.code
    if isinstance(error, GraphQLError):
        inner = error.original_error
        if inner is not None and not isinstance(inner, GraphQLError):
            return code_of(inner)
        return str((error.extensions or {}).get("code", INVALID))
    return "internal"


def audited(resolve: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The resolver of a mutation that is noted, with the revision it made or the code of its error."""

    async def resolved(source: Any, info: Any, /, **given: Any) -> Any:
        context: Context = info.context
        result, detail = DONE, ""
        try:
            answer = await resolve(source, info, **given)
            result = _result(answer)
            revision = getattr(answer, "revision", None)
            detail = f"revision {revision}" if isinstance(revision, int) else ""
            return answer
        except Exception as error:
            result = code_of(error)
            raise
        finally:
            if result != DONE:
                context.outcome = context.outcome or result
            if context.services.audit is not None:
                context.services.audit.note(
                    context.principal, "mutation", result, subject=info.field_name, detail=detail
                )

    return resolved


def _result(answer: Any) -> str:
    error = getattr(answer, "error", None)
    return error.code if isinstance(error, CmdbError) else DONE
