"""The schema as text, as it is committed: what every type repeats is told once.

It is a schema that any tool reads; only descriptions are left out: of a field where an interface of the type
tells them, of the arguments of lists but those of the root fields, and of inputs.
"""

from __future__ import annotations

from typing import Any

from graphql import (
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    parse,
    print_ast,
)

from api.graphql.schema import build_schema
from schema.model import Model

HEAD = """\
# The GraphQL schema of the shipped model, written by `make docs`: the contract with other tools.
# docs/graphql.md tells the conventions.

"""


def schema_text(model: Model) -> str:
    """The schema of a model as text."""
    document = parse(build_schema(model).as_str(), no_location=True)
    shared = {
        d.name.value: {f.name.value for f in d.fields or ()}
        for d in document.definitions
        if isinstance(d, InterfaceTypeDefinitionNode)
    }
    return HEAD + "\n\n".join(print_ast(_plainer(d, shared)) for d in document.definitions) + "\n"


def _plainer(definition: Any, shared: dict[str, set[str]]) -> Any:
    if isinstance(definition, InputObjectTypeDefinitionNode):
        return _with(definition, fields=tuple(_bare(f) for f in definition.fields or ()))
    if not isinstance(definition, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
        return definition
    told = set().union(*(shared[i.name.value] for i in definition.interfaces or ()))
    root = definition.name.value in ("Query", "Mutation", "Subscription")
    fields = []
    for field in definition.fields or ():
        made = field if root else _with(field, arguments=tuple(map(_bare, field.arguments or ())))
        fields.append(_bare(made) if field.name.value in told else made)
    return _with(definition, fields=tuple(fields))


def _bare(node: FieldDefinitionNode | InputValueDefinitionNode) -> Any:
    return _with(node, description=None)


def _with(node: Any, **changed: Any) -> Any:
    """A node with other values."""
    values = {key: getattr(node, key, None) for key in node.keys if key != "loc"}
    return type(node)(**{**values, **changed})
