"""Object types and interfaces, one for each record type, and their connections."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final, NamedTuple, TypeVar

import strawberry

from api.graphql.enums import Enums
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.filters import Filters, Lazy, common_type, ends_of
from api.graphql.naming import attribute_field, described, pascal
from api.graphql.scalars import JSON, OF_KIND, Int64
from api.graphql.views import Connection, Edge, View
from cmdb.records import Record
from schema.attributes import Attribute
from schema.model import Model, RecordType

T = TypeVar("T")

PAGE: Final = 50
"""Records of a page where none is asked for."""
TOTAL: Final = 10
"""What counting all that match costs, in records."""


class Links(NamedTuple):
    """A level field: the records at the other end of a relationship."""

    relationship: str
    far: str
    kind: str = "links"


class Reference(NamedTuple):
    """A level field: the record, or records, that a reference names."""

    attribute: str
    many: bool
    kind: str = "reference"


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


class Records:
    """The types of a model's records.

    Parameters
    ----------
    shared
        Further fields of a record type, such as the history of every record: they belong to other modules.

    Attributes
    ----------
    results
        The types that mutations answer with (`api.graphql.mutations.results`), set by the schema.
    """

    def __init__(
        self, model: Model, shared: Callable[[Records, str], list[ModelField]] = lambda *_: []
    ) -> None:
        self.model, self.shared = model, shared
        self.enums = Enums(model)
        self.ends = ends_of(model)
        self.filters = Filters(model, self.enums)
        self.types: dict[str, type] = {}
        self.interfaces: dict[str, type] = {}
        self.results: Any = None
        self._once: dict[str, Any] = {}
        self._connections: dict[str, type] = {}
        self._links: dict[str, type] = {}
        self._arguments: dict[str, list[Any]] = {}
        for name in model.record_types:
            self._record(name)

    def connection(self, record_type: str) -> type:
        """The type of a page of records of a type."""
        if record_type not in self._connections:
            edge = make_type(f"{record_type}Edge", [_node(self.lazy(record_type)), _cursor()])
            self._connections[record_type] = _connection(
                f"{record_type}Connection", edge, self.lazy(record_type)
            )
        return self._connections[record_type]

    def links(self, name: str) -> type:
        """The type of a page of records at the other end of a relationship, by name or inverse name."""
        relationship_type, direction = self.model.direction(name)
        far = relationship_type.target if direction == "out" else relationship_type.source
        if name not in self._links:
            node = self.lazy(common_type(self.model, far))
            fields = [_node(node), _cursor(), _revision()]
            fields += [
                self._attribute(attribute, _of_relationship(attribute))
                for attribute in relationship_type.attributes.values()
                if not attribute.managed
            ]
            edge = make_type(f"{pascal(name)}LinkEdge", fields)
            self._links[name] = _connection(f"{pascal(name)}LinkConnection", edge, node)
        return self._links[name]

    def lazy(self, record_type: str) -> Any:
        """What a field that leads to records of a type is of: an interface, if the type has subtypes."""
        return Lazy(
            record_type, self, lambda: self.interfaces.get(record_type) or self.types[record_type]
        )

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What several modules need, and only one of it may be in a schema: made when it is first asked for."""
        if name not in self._once:
            self._once[name] = make()
        found: T = self._once[name]
        return found

    def page_arguments(self, record_type: str) -> list[Any]:
        """The arguments of a list of records."""
        if record_type not in self._arguments:
            self._arguments[record_type] = self._page_arguments(record_type)
        return self._arguments[record_type]

    def _page_arguments(self, record_type: str) -> list[Any]:
        return [
            argument("first", int | None, f"Most records of the page; {PAGE} unless given."),
            argument("after", str | None, "Go on behind this cursor."),
            argument("where", self.filters._lazy(record_type) | None),
            argument("orderBy", list[self.filters.order(record_type)] | None),  # type: ignore[misc]
        ]

    def _record(self, name: str) -> None:
        """Make the type of a record type, after those above it.

        A concrete type with subtypes is two: ``Computer``, and the interface ``AnyComputer`` that it and
        its subtypes implement.
        """
        if name in self.types or name in self.interfaces:
            return
        record_type = self.model.record_types[name]
        above: tuple[type, ...] = ()
        if record_type.parent:
            self._record(record_type.parent)
            above = (self.interfaces[record_type.parent],)
        fields, text = self._fields(record_type), described(record_type)
        if any(t.parent == name for t in self.model.record_types.values()):
            title = name if record_type.abstract else f"Any{name}"
            made = make_type(title, fields, bases=above, description=text, interface=True)
            self.interfaces[name] = made
            above, fields = (made,), []
        if not record_type.abstract:
            self.types[name] = make_type(name, fields, bases=above, description=text)

    def _fields(self, record_type: RecordType) -> list[ModelField]:
        """What a type has beside what it inherits."""
        parent = self.model.record_types[record_type.parent] if record_type.parent else None
        fields = [] if parent else _system_fields(self.model)
        fields += self.shared(self, record_type.name)
        fields += [
            self._of_record(attribute)
            for attribute in record_type.attributes.values()
            if attribute.name not in self.model.secret
            and (parent is None or attribute.name not in parent.attributes)
        ]
        inherited = self.ends[parent.name] if parent else {}
        for field, (relationship, far) in self.ends[record_type.name].items():
            if field not in inherited:
                fields.append(self._relationship(field, relationship, far))
        return fields

    def _of_record(self, attribute: Attribute) -> ModelField:
        of_record = _reader(attribute)
        made = self._attribute(attribute, lambda view: of_record(view.record))
        if made.level is None:
            made.of_record = of_record
            made.attribute = attribute.name if attribute.kind.plain else ""
        return made

    def _attribute(self, attribute: Attribute, read: Callable[[Any], Any]) -> ModelField:
        name, label = attribute_field(attribute.name), attribute.label
        text = f"{label.en} · {label.zh}"
        if attribute.description is not None:
            text += f"\n{attribute.description.en} {attribute.description.zh}"
        if attribute.kind.name == "reference" and attribute.to is not None:
            far = self.lazy(attribute.to)
            level = Reference(attribute.name, attribute.many)
            needs = (attribute.name,)
            return model_field(name, _listed(far, attribute.many), text, level=level, needs=needs)
        value = self.enums.types.get(attribute.name, OF_KIND[attribute.kind.name])
        type_ = _listed(value, attribute.many)
        return model_field(name, type_, text, read=read, needs=(attribute.name,))

    def _relationship(self, field: str, relationship: str, far: str) -> ModelField:
        relationship_type, direction = self.model.direction(relationship)
        out = direction == "out"
        label = relationship_type.label if out else relationship_type.inverse_label
        only_one = relationship_type.one_target if out else relationship_type.one_source
        return model_field(
            field,
            self.links(relationship),
            f"{relationship}: {label.en} · {label.zh}",
            level=Links(relationship, far),
            arguments=self.page_arguments(far),
            page=1 if only_one else None,
        )


def _listed(type_: Any, many: bool) -> Any:
    return (list[type_] | None) if many else (type_ | None)


def _reader(attribute: Attribute) -> Callable[[Record], Any]:
    name, write = attribute.name, _writer(attribute)
    if write is None:
        return lambda record: record.attributes.get(name)
    return lambda record: None if (value := record.attributes.get(name)) is None else write(value)


def _of_relationship(attribute: Attribute) -> Callable[[Edge], Any]:
    name, write = attribute.name, _writer(attribute)

    def read(edge: Edge) -> Any:
        value = edge.relationship.attributes.get(name) if edge.relationship else None
        return write(value) if write is not None and value is not None else value

    return read


def _writer(attribute: Attribute) -> Callable[[Any], Any] | None:
    """How a value becomes JSON; None where it already is."""
    if attribute.kind.plain:
        return None
    one = attribute.kind.to_json
    return (lambda values: [one(value) for value in values]) if attribute.many else one


def _system_fields(model: Model) -> list[ModelField]:
    return [
        _of_any("id", strawberry.ID, lambda record: record.id),
        _of_any("type", str, lambda record: record.type, "Name of its record type."),
        _of_any(
            "revision",
            Int64,
            lambda record: record.revision,
            "The revision that made it what it is here; give it back as `expectedRevision`.",
        ),
        _of_any(
            "attributes",
            JSON,
            lambda record: model.to_json(record.attributes),
            "All its attributes by their names in the model: for tools that work on any type.",
            needs=None,
        ),
        model_field(
            "maskedAttributes",
            list[str],
            "Attributes that it has and that you may not read.",
            read=lambda view: list(view.masked),
        ),
    ]


def _of_any(
    name: str,
    type_: Any,
    of_record: Callable[[Record], Any],
    text: str | None = None,
    needs: Collection[str] | None = (),
) -> ModelField:
    """A field of records of any type."""
    made = model_field(name, type_, text, read=lambda view: of_record(view.record), needs=needs)
    made.of_record = of_record
    return made


def nodes_of(connection: Connection) -> list[View]:
    """What the field ``nodes`` of a page gives."""
    return connection.nodes


def _node(type_: Any) -> ModelField:
    return model_field("node", type_, read=lambda edge: edge.node)


def _cursor() -> ModelField:
    return model_field(
        "cursor", str, read=lambda edge: edge.connection.place.cursor_of(edge.node.record), needs=()
    )


def _revision() -> ModelField:
    return model_field(
        "relationshipRevision",
        Int64,
        "The revision from which on the relationship is as it is here.",
        read=lambda edge: edge.relationship.revision,
        needs=(),
    )


def _page_info(connection: Connection) -> PageInfo:
    return PageInfo(
        has_next_page=connection.page.cursor is not None,
        has_previous_page=not connection.place.begins,
        start_cursor=connection.start_cursor,
        end_cursor=connection.end_cursor,
    )


def _connection(name: str, edge: type, node: Any) -> type:
    return make_type(
        name,
        [
            model_field("edges", list[edge], read=lambda connection: connection.edges),  # type: ignore[valid-type]
            model_field("nodes", list[node], read=nodes_of),
            model_field("pageInfo", PageInfo, read=_page_info),
            model_field(
                "totalCount",
                Int64,
                "All that match, on this page or not.",
                read=lambda connection: connection.page.total,
                cost=TOTAL,
                level=None,
            ),
        ],
    )


def connection_type(name: str, node: Any, more: list[ModelField]) -> type:
    """The type of a page of records whose edges tell more than the records themselves."""
    edge = make_type(f"{name}Edge", [_node(node), _cursor(), *more])
    return _connection(f"{name}Connection", edge, node)
