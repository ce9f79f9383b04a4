"""What an operation may cost, worked out from its document and variables before it runs.

The unit is a record that may be touched. A page of ``first: 50`` may touch 50 records, and whatever is
asked below it is asked 50 times. A field may be dearer, or have a page of another size: `ModelField.cost` and
`ModelField.page` say so where it is made. What stands in lists of arguments counts, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
)
from graphql.execution.values import get_variable_values
from graphql.type import (
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_introspection_type,
    is_list_type,
)

from api.access.roles import Limits
from api.graphql.documents import Document, too_costly
from api.graphql.fields import model_field_of
from api.graphql.records import PAGE
from api.graphql.selections import Selections

MANY: Final = 10
"""Records of a list that has no pages."""
WHERE: Final = 5
"""What a filter adds."""
FIELDS: Final = 5_000
"""Most fields of an operation, fragments written out."""
INTROSPECTION: Final = 500


class Cost(NamedTuple):
    """What an operation may cost, and its shape."""

    total: int
    depth: int
    aliases: int
    page: int
    roots: int
    fields: int


class Costs:
    """Works out the cost of one operation."""

    def __init__(self, schema: GraphQLSchema, document: Document, variables: Any) -> None:
        self.schema, self.selections = schema, Selections(schema, document.fragments, variables)
        self.total = self.depth = self.aliases = self.page = self.fields = 0

    def of(self, operation: OperationDefinitionNode) -> Cost:
        """The cost of an operation that is valid."""
        root = self.schema.get_root_type(operation.operation)
        assert root is not None
        self._walk(root, operation.selection_set, 1, None, 1)
        roots = sum(1 for _ in self.selections.fields(root, operation.selection_set))
        return Cost(self.total, self.depth, self.aliases, self.page, roots, self.fields)

    def _walk(
        self, type_: Any, selection: SelectionSetNode, parents: int, page: int | None, depth: int
    ) -> None:
        self.depth = max(self.depth, depth)
        for owner, node in self.selections.fields(type_, selection):
            self.fields += 1
            if self.fields > FIELDS:
                return
            if node.alias and node.alias.value != node.name.value:
                self.aliases += 1
            field = self.schema.get_field(owner, node.name.value)
            if field is not None:
                self._field(field, node, parents, page, depth)

    def _field(
        self, field: GraphQLField, node: FieldNode, parents: int, page: int | None, depth: int
    ) -> None:
        named, listed = get_named_type(field.type), is_list_type(get_nullable_type(field.type))
        if is_introspection_type(named):
            # How deep that goes is bounded by validation.
            self.total += INTROSPECTION if is_composite_type(named) else 0
            return
        made = model_field_of(field)
        asks = made is not None and (made.level is not None or made.resolve is not None)
        try:
            given = self.selections.arguments(field, node) if node.arguments else {}
        except GraphQLError:
            given = {}  # the field will say so itself, and ask nothing
        cost = made.cost if made is not None and made.cost is not None else int(asks)
        cost += WHERE * bool(given.get("where")) + _items(given)
        if "first" in field.args:
            first = given.get("first")
            if isinstance(first, int) and any(
                a.name.value == "first" for a in node.arguments or ()
            ):
                self.page = max(self.page, first)
            page = max(1, first) if isinstance(first, int) else (made and made.page) or PAGE
            cost += page
        elif asks:
            page = MANY if listed else None
            cost += MANY if listed else 0
        self.total += parents * cost
        if node.selection_set is not None:
            below = parents * (page or MANY) if listed else parents
            self._walk(named, node.selection_set, below, None if listed else page, depth + 1)


def cost_of(
    schema: GraphQLSchema,
    document: Document,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
) -> Cost | None:
    """The cost of an operation; None if its variables are wrong, so that it will not be run."""
    read = get_variable_values(
        schema, operation.variable_definitions or (), dict(variables), max_errors=1
    )
    if isinstance(read, list):
        return None
    return Costs(schema, document, read).of(operation)


def beyond(cost: Cost, limits: Limits) -> GraphQLError | None:
    """What is said of an operation that goes beyond the limits of who asks."""
    for what, asked, limit in (
        ("fields", cost.fields, FIELDS),
        ("levels", cost.depth, limits.depth),
        ("aliases", cost.aliases, limits.aliases),
        ("fields at the root", cost.roots, limits.aliases),
        ("records in one page", cost.page, limits.page),
    ):
        if asked > limit:
            message = f"The operation has {asked} {what}; you may have {limit}."
            return too_costly(message, asked, limit)
    if cost.total > limits.cost:
        return too_costly(
            f"The operation may touch {cost.total} records; you may touch {limits.cost}.",
            cost.total,
            limits.cost,
            "Ask for smaller pages (`first`), above all of the outer levels, or for fewer levels.",
        )
    return None


def _items(value: Any) -> int:
    """How many items stand in lists, at any depth."""
    waiting, count = [value], 0
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            count += len(one)
            waiting.extend(one)
        elif isinstance(one, Mapping):
            waiting.extend(one.values())
    return count
