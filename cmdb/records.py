"""What a store keeps: records and the relationships between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from schema.model import PROVENANCE


def same_values(one: Any, other: Any) -> bool:
    """Whether two values are the same to the letter: 1, 1.0 and true are not, in JSON values."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same_values(one[k], other[k]) for k in one)
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same_values, one, other))
    return bool(one == other)


def listed(value: Any) -> list[Any]:
    """An attribute's values: of a list its items, otherwise the one there is, if any."""
    return value if isinstance(value, list) else [] if value is None else [value]


class Record(NamedTuple):
    """A typed node as it was from one revision on.

    Attributes
    ----------
    id
        UUIDv7.
    type
        Name of its concrete record type.
    revision
        The revision that made it what it is here.
    attributes
        Canonical values by attribute name; what has no value is absent.
    """

    id: str
    type: str
    revision: int
    attributes: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.attributes.get("name", self.id))


class RelationshipKey(NamedTuple):
    """What identifies a relationship: there is at most one of a type from one record to another."""

    source: str
    type: str
    target: str

    def __str__(self) -> str:
        return " ".join(self)


class Relationship(NamedTuple):
    """A relationship as it was from one revision on: (source)-[:type]->(target)."""

    source: str
    type: str
    target: str
    revision: int
    attributes: Mapping[str, Any]

    @property
    def key(self) -> RelationshipKey:
        return RelationshipKey(self.source, self.type, self.target)

    @property
    def said(self) -> dict[str, Any]:
        """Its attributes, less which source said what of it."""
        return {n: v for n, v in self.attributes.items() if n != PROVENANCE}
