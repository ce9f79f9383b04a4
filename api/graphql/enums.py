"""Enums of the model: an attribute's name means one kind of value everywhere, so each has one type."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import strawberry

from api.graphql.naming import pascal
from schema.basics import Label
from schema.model import Model, RecordType, RelationshipType

RESERVED = ("true", "false", "null")


class Enums:
    """The enum types of a model, by name of the attribute."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @cached_property
    def _values(self) -> Mapping[str, Mapping[str, Label]]:
        found: dict[str, dict[str, Label]] = {}
        owners: list[RecordType | RelationshipType] = [*self._model.record_types.values()]
        owners += self._model.relationship_types.values()
        for owner in owners:
            for attribute in owner.attributes.values():
                if attribute.values:
                    found.setdefault(attribute.name, {}).update(attribute.values)
        return found

    @cached_property
    def types(self) -> Mapping[str, Any]:
        """The type of each enum attribute."""
        return {name: self._type(name, values) for name, values in self._values.items()}

    def _type(self, attribute: str, values: Mapping[str, Label]) -> Any:
        name = f"{pascal(attribute)}Value"
        members = {
            f"{value}_" if value in RESERVED else value: strawberry.enum_value(
                value, description=f"{label.en} · {label.zh}"
            )
            for value, label in values.items()
        }
        made = enum.Enum(name, members)  # type: ignore[misc]
        return strawberry.enum(made, name=name, description=f"Values of `{attribute}`.")
