"""Fields made from the model: how each gets its value, beside Strawberry's own resolvers.

A *plain* field reads its value off what it stands on. A *level* field is loaded for all records of
one level of a selection together (`levels`). Any other has a resolver, as Strawberry has it.
"""

from __future__ import annotations

import keyword
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, Protocol

import strawberry
from graphql import GraphQLField
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField
from strawberry.types.unset import UNSET

from cmdb.records import Record

FIELD: Final = "strawberry-definition"
"""Under which a field of the schema names what it was made from."""

Arguments = Mapping[str, Any]
"""Coerced argument values by GraphQL name."""


class Level(Protocol):
    """How a level field is loaded."""

    @property
    def kind(self) -> str: ...


class ModelField(StrawberryField):
    """A field of a type that is made from the model.

    Attributes
    ----------
    read
        Of a plain field: gives its value. A value of a leaf type must be as JSON has it.
    level
        Of a level field: how it is loaded.
    resolve
        Of any other: a resolver in graphql-core's form, given coerced arguments as they are.
    cost
        What asking for it adds, beside the records it gives (`api.graphql.costs`); by default 1 if
        something is loaded for it, else nothing.
    page
        Of a field with an argument ``first``: how many it gives where none is asked for.
    needs
        Of a field of records, or of relationships: the names of the attributes that it takes; None for
        all of them.
    attribute
        Of a field of records that tells an attribute just as it is: its name.
    of_record
        Of a field of records that takes nothing but the record: gives its value, as `read`.
    """

    read: Callable[[Any], Any] | None = None
    level: Level | None = None
    resolve: Callable[..., Any] | None = None
    cost: int | None = None
    page: int | None = None
    needs: Collection[str] | None = None
    attribute: str = ""
    of_record: Callable[[Record], Any] | None = None
    _type: Any = None

    def resolve_type(self, *, type_definition: Any = None) -> Any:
        """The field's type. A model has some ten thousand fields and few types: each is worked out once."""
        if self._type is None:
            assert self.type_annotation is not None
            self._type = self.type_annotation.resolve()
        return self._type

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        if self.read is not None:
            return self.read(source)
        return super().get_result(source, info, args, kwargs)


def model_field_of(field: GraphQLField) -> ModelField | None:
    """The field that a field of the schema was made from."""
    made = field.extensions.get(FIELD)
    return made if isinstance(made, ModelField) else None


def python_name(name: str) -> str:
    """A name that Python takes: ``in`` and ``as`` are its own words."""
    return f"{name}_" if keyword.iskeyword(name) else name


@cache
def annotation(type_: Any) -> StrawberryAnnotation:
    """The annotation of a type: one for all fields that have it, since it remembers what it resolves to."""
    return StrawberryAnnotation(type_)


def model_field(
    name: str,
    type_: Any,
    description: str | None = None,
    *,
    read: Callable[[Any], Any] | None = None,
    level: Level | None = None,
    resolve: Callable[..., Any] | None = None,
    arguments: Sequence[StrawberryArgument] = (),
    cost: int | None = None,
    page: int | None = None,
    needs: Collection[str] | None = None,
) -> ModelField:
    """A field of that GraphQL name."""
    field = ModelField(
        python_name=python_name(name),
        graphql_name=name,
        type_annotation=annotation(type_),
        description=description,
    )
    field.read, field.level, field.resolve = read, level, resolve
    field.cost, field.page, field.needs = cost, page, needs
    if arguments:
        field.arguments = list(arguments)
    return field


def argument(
    name: str, type_: Any, description: str | None = None, default: Any = UNSET
) -> StrawberryArgument:
    """An argument of that GraphQL name; without a default it may be left out if its type may be null."""
    return StrawberryArgument(
        python_name=name,
        graphql_name=name,
        type_annotation=annotation(type_),
        description=description,
        default=default,
    )


def input_field(name: str, type_: Any, description: str | None = None) -> ModelField:
    """An optional field of an input type."""
    return ModelField(
        python_name=python_name(name),
        graphql_name=name,
        type_annotation=annotation(type_ | None),
        default=UNSET,
        description=description,
    )


def make_type(
    name: str,
    fields: Iterable[StrawberryField],
    *,
    bases: tuple[type, ...] = (),
    description: str | None = None,
    interface: bool = False,
    input_: bool = False,
    one_of: bool = False,
) -> type:
    """A Strawberry type of that name; what its bases have it has, too."""
    namespace: dict[str, Any] = {"__annotations__": {}, "__module__": __name__}
    for field in fields:
        namespace[field.python_name] = field
        assert field.type_annotation is not None
        namespace["__annotations__"][field.python_name] = field.type_annotation.raw_annotation
    made = types.new_class(name, bases, {}, lambda body: body.update(namespace))
    if input_:
        return strawberry.input(made, name=name, description=description, one_of=one_of)
    return strawberry.type(made, name=name, description=description, is_interface=interface)
