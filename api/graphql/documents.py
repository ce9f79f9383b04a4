"""Documents: parsed and validated once, within bounds that are looked at before either.

Validating compares fields that share a name pair by pair, so what makes that costly is bounded first.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    Node,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

CHARACTERS: Final = 100_000
TOKENS: Final = 8_000
COMMENTS: Final = 1_000
DEFINITIONS: Final = 50
REPEATED: Final = 200
DIRECTIVES: Final = 200
"""Most characters, tokens, comments, operations and fragments, repeated fields and directives of a document."""
ERRORS: Final = 10
"""Most mistakes that are told of one document: looking for what was meant takes time."""
KEPT: Final = 500_000
"""Characters of documents that are kept."""

STUB: Final = parse("{ __typename }")
"""Stands for a document that cannot be used."""
ASK_LESS: Final = "Ask for less at once, or in several requests."
CORRECT: Final = "Correct the operation; the schema says what there is."


def invalid(message: str, remedy: str = CORRECT) -> GraphQLError:
    """What is told of an operation that cannot be understood."""
    return GraphQLError(message, extensions={"code": "invalid_query", "remedy": remedy})


def too_costly(message: str, cost: int, limit: float, remedy: str = ASK_LESS) -> GraphQLError:
    """What is told of an operation that asks for too much."""
    return GraphQLError(
        message,
        extensions={"code": "too_costly", "remedy": remedy, "cost": cost, "limit": limit},
    )


class Document:
    """A document as it was read.

    Attributes
    ----------
    tree
        Parsed; a stub, if it cannot be used.
    errors
        Why it cannot be used.
    """

    def __init__(self, tree: DocumentNode, errors: Sequence[GraphQLError] = ()) -> None:
        self.tree, self.errors = tree, list(errors)
        definitions = tree.definitions
        self.operations = [d for d in definitions if isinstance(d, OperationDefinitionNode)]
        self.fragments = {
            d.name.value: d for d in definitions if isinstance(d, FragmentDefinitionNode)
        }

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """The operation of that name; without one, the only one there is."""
        if name is None:
            return self.operations[0] if len(self.operations) == 1 else None
        return next((o for o in self.operations if o.name and o.name.value == name), None)


class Documents:
    """The documents of a schema that were asked last. Only usable ones are kept."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self._kept: OrderedDict[tuple[str, bool], Document] = OrderedDict()
        self._size, self._lock = 0, Lock()

    def read(self, text: str, introspection: bool = True) -> Document:
        """A document, parsed and validated.

        Parameters
        ----------
        introspection
            Whether it may ask for the schema.
        """
        key = (text, introspection)
        with self._lock:
            if (known := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return known
        read = self._read(text, introspection)
        if not read.errors:
            self._keep(key, read)
        return read

    def _keep(self, key: tuple[str, bool], document: Document) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = document
                self._size += len(key[0])
            while self._size > KEPT:
                (text, _), _ = self._kept.popitem(last=False)
                self._size -= len(text)

    def _read(self, text: str, introspection: bool) -> Document:
        if len(text) > CHARACTERS:
            return _refused("characters", len(text), CHARACTERS)
        try:
            tree = parse(text, max_lexical_tokens=TOKENS, max_comments=COMMENTS)
        except GraphQLError as error:
            return Document(STUB, [error])
        for what, count, limit in _sizes(tree):
            if count > limit:
                return _refused(what, count, limit)
        rules = [*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule]
        if not introspection:
            rules.append(NoSchemaIntrospectionCustomRule)
        errors = validate(self.schema, tree, rules, max_errors=ERRORS)
        return Document(STUB, errors) if errors else Document(tree)


def _refused(what: str, count: int, limit: int) -> Document:
    message = f"A document of {count} {what}; {limit} are the most."
    return Document(STUB, [too_costly(message, count, limit)])


def _sizes(tree: DocumentNode) -> list[tuple[str, int, int]]:
    """How much there is of what makes validating costly: what, how much, and the limit."""
    repeated = directives = 0
    waiting: list[Any] = list(tree.definitions)
    while waiting:
        node: Node = waiting.pop()
        directives += len(getattr(node, "directives", None) or ())
        selection: SelectionSetNode | None = getattr(node, "selection_set", None)
        if selection is not None:
            names = Counter(
                (n.alias or n.name).value for n in selection.selections if isinstance(n, FieldNode)
            )
            repeated += names.total() - len(names)
            waiting.extend(selection.selections)
    return [
        ("definitions", len(tree.definitions), DEFINITIONS),
        ("repeated fields", repeated, REPEATED),
        ("directives", directives, DIRECTIVES),
    ]
