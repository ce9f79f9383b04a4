"""Filters and orders, typed from the model, and how they become questions of `cmdb.queries`.

``{cpuCount: {gte: 8}, runsOn: {name: {prefix: "esx"}}}`` is the filter
``{"cpu_count": {"gte": 8}, "RUNS_ON": {"name": {"prefix": "esx"}}}``.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import strawberry
from strawberry.types.lazy_type import LazyType

from api.graphql.enums import Enums
from api.graphql.fields import input_field, make_type
from api.graphql.naming import attribute_field, camel
from api.graphql.scalars import OF_KIND
from cmdb.queries import Sort
from schema.attributes import Attribute
from schema.kinds import KINDS, Kind
from schema.model import Model, RecordType, RelationshipType


@strawberry.enum(description="Which way round.")
class Direction(enum.Enum):
    ASC = "asc"
    DESC = "desc"


class Entry(NamedTuple):
    """What a field of a filter stands for: a name of the model, and the type that it leads to."""

    name: str
    leads_to: str | None = None


class Filters:
    """The filter and order inputs of a model.

    A filter of a type takes the attributes and relationships of its subtypes, too: what leads to a
    `ConfigurationItem` can ask for servers with eight cores.
    """

    def __init__(self, model: Model, enums: Enums) -> None:
        self.model, self.enums, self.ends = model, enums, ends_of(model, some=True)
        self._comparisons: dict[str, Any] = {}
        self._where: dict[str, Any] = {}
        self._order: dict[str, Any] = {}
        self._entries: dict[str, dict[str, Entry]] = {}

    # -- types ----------------------------------------------------------------------------------------

    def where(self, record_type: str) -> Any:
        """The filter input of a record type, made when it is first asked for."""
        if record_type not in self._where:
            self._where[record_type] = None
            self._where[record_type] = self._make_where(self.model.record_types[record_type])
        return self._where[record_type] or self._lazy(record_type)

    def order(self, record_type: str) -> Any:
        """The order input of a record type."""
        if record_type not in self._order:
            fields = [
                input_field(attribute_field(a.name), Direction)
                for a in self.model.record_types[record_type].attributes.values()
                if not a.many and a.kind.name != "json" and a.name not in self.model.sensitive
            ]
            fields += [input_field("id", Direction), input_field("revision", Direction)]
            self._order[record_type] = make_type(
                f"{record_type}Order",
                fields,
                input_=True,
                description="One attribute and its direction; give a list to sort by several.",
            )
        return self._order[record_type]

    def comparison(self, attribute: Attribute) -> Any:
        """The input that compares an attribute."""
        kind, many = attribute.kind, attribute.many
        value = self.enums.types.get(attribute.name, OF_KIND[kind.name])
        shown = {"text": "String", "string": "String", "reference": "ID"}.get(kind.name)
        name = shown or getattr(value, "__name__", kind.name.title())
        prefix = "Sensitive" if attribute.name in self.model.sensitive else ""
        return self._comparison(f"{prefix}{'ListOf' if many else ''}{name}", kind, value, many)

    def _comparison(self, name: str, kind: Kind, value: Any, many: bool) -> Any:
        title = f"{name[:1].upper()}{name[1:]}Filter"
        if title not in self._comparisons:
            operators: dict[str, Any] = {"null": bool}
            if kind.name == "json":
                pass
            elif many:
                operators["contains"] = value
            else:
                operators |= {"eq": value, "ne": value}
                if not name.startswith("Sensitive"):
                    operators["in"] = list[value]
                    ordered = kind.ordered and kind.name != "enum"
                    operators |= dict.fromkeys(("lt", "lte", "gt", "gte"), value) if ordered else {}
                    textual = kind.textual and kind.name != "enum"
                    operators |= dict.fromkeys(("contains", "prefix"), str) if textual else {}
            self._comparisons[title] = make_type(
                title, [input_field(n, t) for n, t in operators.items()], input_=True
            )
        return self._comparisons[title]

    def _make_where(self, record_type: RecordType) -> Any:
        entries: dict[str, Entry] = {"id": Entry("id"), "revision": Entry("revision")}
        fields = [
            input_field("id", self._comparison("ID", KINDS["reference"], strawberry.ID, False)),
            input_field(
                "revision", self._comparison("Int64", KINDS["integer"], OF_KIND["integer"], False)
            ),
        ]
        for attribute in self.model.attributes_below(record_type.name).values():
            if attribute.name in self.model.secret:
                continue
            entries[attribute_field(attribute.name)] = Entry(attribute.name)
            fields.append(input_field(attribute_field(attribute.name), self.comparison(attribute)))
        for name, (relationship, far) in self.ends[record_type.name].items():
            entries[name] = Entry(relationship, far)
            fields.append(input_field(name, self._lazy(far), "At least one such record is there."))
        own = self._lazy(record_type.name)
        fields += [input_field("and", list[own]), input_field("or", list[own])]  # type: ignore[valid-type]
        fields.append(input_field("not", own))
        self._entries[record_type.name] = entries
        return make_type(
            f"{record_type.name}Where",
            fields,
            input_=True,
            description="All that is given must hold.",
        )

    def _lazy(self, record_type: str) -> Any:
        """A filter input that is made when the schema is, whatever leads to it."""
        return Lazy(f"{record_type}Where", self, lambda: self.where(record_type))

    # -- values ---------------------------------------------------------------------------------------

    def read(self, record_type: str, where: Mapping[str, Any] | None) -> dict[str, Any]:
        """A given filter as `cmdb.queries` has it."""
        if not where:
            return {}
        self.where(record_type)
        entries = self._entries[record_type]
        read: dict[str, Any] = {}
        for key, value in where.items():
            if value is None:
                continue
            if key in ("and", "or"):
                read[key] = [self.read(record_type, each) for each in value]
            elif key == "not":
                read[key] = self.read(record_type, value)
            elif (entry := entries[key]).leads_to is not None:
                read[entry.name] = self.read(entry.leads_to, value)
            else:
                read[entry.name] = {k: _plain(v) for k, v in value.items() if v is not None}
        return read

    def sort(self, record_type: str, order: Sequence[Mapping[str, Any]] | None) -> tuple[Sort, ...]:
        """A given order as `cmdb.queries` has it."""
        names = {
            attribute_field(name): name for name in self.model.record_types[record_type].attributes
        }
        return tuple(
            Sort(names.get(key, key), _plain(direction) == "desc")
            for entry in order or ()
            for key, direction in entry.items()
            if direction is not None
        )


class Lazy(LazyType):  # type: ignore[type-arg]
    """A type that is made when it is needed: types of a model lead to each other in circles."""

    def __init__(self, name: str, owner: object, make: Any) -> None:
        super().__init__(name, __name__)
        object.__setattr__(self, "owner", owner)
        object.__setattr__(self, "make", make)

    def resolve_type(self) -> Any:
        return self.make()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.type_name)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Lazy)
            and other.type_name == self.type_name
            and other.owner is self.owner  # type: ignore[attr-defined]
        )


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    return [_plain(v) for v in value] if isinstance(value, list) else value


def ends_of(model: Model, *, some: bool = False) -> dict[str, dict[str, tuple[str, str]]]:
    """The relationships of each record type, abstract ones included: GraphQL name -> (relationship or
    inverse name, far type).

    Parameters
    ----------
    some
        Not only those at whose end all records of the type can stand, but also those for some of them.
    """
    ends: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in model.record_types}
    for relationship_type in model.relationship_types.values():
        for name, near, far in _directions(relationship_type):
            leads_to = common_type(model, far)
            for record_type in model.record_types.values():
                if record_type.concrete & near and (some or record_type.concrete <= near):
                    ends[record_type.name][camel(name)] = (name, leads_to)
    return ends


def _directions(
    relationship_type: RelationshipType,
) -> list[tuple[str, frozenset[str], tuple[str, ...]]]:
    return [
        (relationship_type.name, relationship_type.sources, relationship_type.target),
        (relationship_type.inverse, relationship_type.targets, relationship_type.source),
    ]


def common_type(model: Model, names: Sequence[str]) -> str:
    """The nearest type that all of these are of."""
    lines = [model.record_types[name].ancestors for name in names]
    shared = [one for one in lines[0] if all(one in line for line in lines)]
    return shared[-1]
