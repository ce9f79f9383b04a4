"""Limits: what every operation, by whatever transport, goes through before, while and after it runs.

Before: its document and variables are bounded, validated, and its cost is held against the limits of who
asks. While: a deadline. After: its cost is told, its errors have codes, and it is measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from graphql import GraphQLError, OperationDefinitionNode
from strawberry.extensions import SchemaExtension

from api.graphql.costs import beyond, cost_of
from api.graphql.documents import CORRECT, STUB, Document, invalid, too_costly

if TYPE_CHECKING:
    from api.context import Context
    from api.graphql.schema import ModelSchema

VALUES: Final = 200_000
NESTING: Final = 50
"""Most values in variables, and how deep they may be nested."""
MESSAGE: Final = 500
"""Most characters of a message: some tell the value that was wrong."""


class Limited(SchemaExtension):
    """The limits of one operation."""

    def __init__(self, **_: Any) -> None:
        self.cost = 0
        self._errors: list[GraphQLError] = []
        self._document = Document(STUB)
        self._operation: OperationDefinitionNode | None = None

    @property
    def _context(self) -> Context:
        return self.execution_context.context  # type: ignore[no-any-return]

    def on_operation(self) -> Iterator[None]:
        """Lets its context be of its schema, and gives its errors their codes."""
        self._context.records = self._schema.records
        yield
        for each in self.execution_context.pre_execution_errors or ():
            coded(each)

    def on_parse(self) -> Iterator[None]:
        """Reads the document, unless it is known; what cannot be used is told instead of validated."""
        asked, schema = self.execution_context, self._schema
        settings = self._context.services.settings
        if asked.query:
            served = self._context.served
            if served is not None and not served.has(asked.query):
                self._errors = [not_served()]
            else:
                self._document = schema.documents.read(asked.query, settings.introspection)
                self._errors = self._document.errors or self._chosen()
            asked.graphql_document = STUB if self._errors else self._document.tree
            if self._errors:
                asked._provided_operation_name = None
        yield

    def on_validate(self) -> Iterator[None]:
        """Refuses what was found wrong, and what goes beyond the limits."""
        asked = self.execution_context
        asked.validation_rules = ()
        if self._operation is not None and not self._errors:
            self._errors = self._bounded(self._operation)
        if self._errors:
            asked.pre_execution_errors = self._errors
        yield

    def on_execute(self) -> Iterator[None]:
        """Bounds how long the store may read for it. What a mutation has begun is not stopped."""
        kind = self._operation.operation.value if self._operation else "query"
        self._context.begin(stoppable=kind != "mutation")
        yield

    def on_stream_result(self, result: Any) -> Iterator[None]:
        """Errors of a subscription's events have codes, too."""
        for error in getattr(result, "errors", None) or ():
            coded(error)
        yield

    def get_results(self) -> dict[str, Any]:
        """What is told beside the data."""
        return {"cost": self.cost}

    @property
    def _schema(self) -> ModelSchema:
        return self.execution_context.schema  # type: ignore[return-value]

    def _chosen(self) -> list[GraphQLError]:
        name = self.execution_context._provided_operation_name
        self._operation = self._document.operation(name)
        if self._operation is not None:
            return []
        if name is None:
            return [invalid("Several operations, or none.", "Say which: `operationName`.")]
        return [invalid(f"There is no operation {name[:100]!r} in the document.")]

    def _bounded(self, operation: OperationDefinitionNode) -> list[GraphQLError]:
        variables = self.execution_context.variables or {}
        if (refused := variables_refused(variables)) is not None:
            return [refused]
        cost = cost_of(self._schema._schema, self._document, operation, variables)
        if cost is None:
            return []
        self.cost = self._context.cost = cost.total
        refused = beyond(cost, self._context.limits)
        return [refused] if refused is not None else []


def not_served() -> GraphQLError:
    """What is said where only the operations of a folder are served, of any other."""
    return GraphQLError(
        "This server runs only operations that it was given.",
        extensions={
            "code": "operation_not_served",
            "remedy": "Ask the operator to add it to the folder `persisted_queries`.",
        },
    )


def coded(error: GraphQLError) -> None:
    """Give an error that the operation's own text or variables caused its code; cut what it repeats."""
    given = error.extensions or {}
    if "code" not in given:
        error.extensions = {"code": "invalid_query", "remedy": CORRECT, **given}
    if len(error.message) > MESSAGE:
        error.message = f"{error.message[:MESSAGE]}…"


def variables_refused(variables: Any) -> GraphQLError | None:
    """What is wrong with variables, whatever they are for: too many, too deep, or no values of JSON."""
    waiting: list[tuple[Any, int]] = [(variables, 0)]
    count = 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if count > VALUES:
            return too_costly("Too many values in the variables.", count, VALUES)
        if depth > NESTING:
            return too_costly("The variables are nested too deeply.", depth, NESTING)
        if isinstance(value, dict):
            waiting += [(each, depth + 1) for pair in value.items() for each in pair]
        elif isinstance(value, list):
            waiting += [(each, depth + 1) for each in value]
        elif isinstance(value, str) and not is_text(value):
            return invalid("A variable holds half a character (a lone surrogate).", "Send UTF-8.")
        elif isinstance(value, float) and not math.isfinite(value):
            return invalid("A variable holds a number that is none.", "Send finite numbers.")
    return None


def is_text(value: str) -> bool:
    """Whether a string is text: a lone surrogate is not."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
