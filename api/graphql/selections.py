"""Reading what an operation selects off its document: by types, with directives and fragments as they count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
)
from graphql.execution.values import VariableValues, get_argument_values
from graphql.type import get_named_type


class Selections:
    """The selections of one operation.

    Parameters
    ----------
    fragments
        By name.
    variables
        Coerced.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: VariableValues,
    ) -> None:
        self.schema, self._fragments, self._variables = schema, fragments, variables

    @classmethod
    def of(cls, info: Any) -> Selections:
        """Those of the operation that a field is resolved for."""
        return cls(info.schema, info.fragments, VariableValues({}, info.variable_values))

    def fields(
        self, type_: Any, selection: SelectionSetNode | None, seen: set[str] | None = None
    ) -> Iterator[tuple[Any, FieldNode]]:
        """The fields of a selection with the types they are of; each fragment once, as it is executed."""
        seen = set() if seen is None else seen
        for node in selection.selections if selection is not None else ():
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                yield type_, node
            elif isinstance(node, InlineFragmentNode):
                yield from self.fields(self._on(node, type_), node.selection_set, seen)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                fragment = self._fragments[node.name.value]
                yield from self.fields(self._on(fragment, type_), fragment.selection_set, seen)

    def arguments(self, field: GraphQLField, node: FieldNode) -> dict[str, Any]:
        """The coerced arguments of a field.

        Raises
        ------
        GraphQLError
            One is wrong; the field will say so itself, and ask nothing.
        """
        if not field.args and not node.arguments:
            return {}
        return get_argument_values(field, node, self._variables)

    def _on(self, node: Any, type_: Any) -> Any:
        condition = node.type_condition
        return self.schema.type_map[condition.name.value] if condition else type_

    def _included(self, node: Any) -> bool:
        for directive in node.directives or ():
            name = directive.name.value
            if name in ("skip", "include"):
                definition = self.schema.get_directive(name)
                assert definition is not None
                try:
                    given = get_argument_values(definition, directive, self._variables)
                except GraphQLError:
                    continue
                if given.get("if") is (name == "skip"):
                    return False
        return True


def selects(info: Any, name: str) -> bool:
    """Whether a field's own selection has a field of that name, whatever fragments it stands in."""
    selections, type_ = Selections.of(info), get_named_type(info.return_type)
    return any(
        node.name.value == name
        for field in info.field_nodes
        for _, node in selections.fields(type_, field.selection_set)
    )


def selects_below(info: Any, name: str) -> bool:
    """Whether a field of that name is selected anywhere below a field."""
    selections, seen = Selections.of(info), set[str]()
    waiting = [(get_named_type(info.return_type), field) for field in info.field_nodes]
    while waiting:
        type_, field = waiting.pop()
        for owner, node in selections.fields(type_, field.selection_set, seen):
            if node.name.value == name:
                return True
            below = selections.schema.get_field(owner, node.name.value)
            if below is not None and node.selection_set is not None:
                waiting.append((get_named_type(below.type), node))
    return False
