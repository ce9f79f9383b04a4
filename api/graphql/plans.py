"""Plans: how the fields of a selection get their values, worked out once for each type that is met.

graphql-core resolves field by field. Of a page of records nearly all fields only read a value, or lead to
another page that has come along (`fetching`); a plan tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from graphql import GraphQLField, GraphQLObjectType
from graphql.execution.values import get_argument_values
from graphql.type import (
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from api.graphql.fetching import TYPENAME, Fetch, Fetching, key_of
from api.graphql.fields import Level, model_field_of
from api.graphql.levels import Wanted
from api.graphql.records import nodes_of
from api.graphql.selections import Selections
from api.graphql.views import View
from cmdb.errors import StoreBusyError
from cmdb.records import Record
from cmdb.steps import Step

if TYPE_CHECKING:
    from api.graphql.execution import RecordExecutor

Entry = TypeVar("Entry")


class Told(NamedTuple):
    """A field whose value is completed.

    Attributes
    ----------
    read
        Gives its value; None of one that is handled by what it is.
    named
        The field's type, without lists and what may be null.
    item
        The type of the items of a list.
    key
        Of a relationship field: `fetching.key_of`.
    """

    name: str
    details: Any
    field: GraphQLField
    named: Any
    nullable: bool
    read: Callable[[Any], Any] | None = None
    item: Any = None
    key: str = ""


class Plan(NamedTuple):
    """How the fields of one selection on one type get their values.

    Attributes
    ----------
    names
        Of all fields, in order.
    attributes
        Of records: for each field that tells an attribute as it is, its name; else empty.
    of_record
        Fields that take nothing but the record: name, and what gives the value, as JSON.
    links
        Relationship fields.
    nodes
        Of pages: the fields that are their records.
    plain
        Fields that are read off what they stand on, as JSON.
    told
        Others that are read.
    left
        Those that go graphql-core's way.
    viewed
        Of records: whether there are others than those of the record, and relationships.
    """

    type: GraphQLObjectType
    names: tuple[str, ...]
    attributes: tuple[str, ...]
    of_record: tuple[tuple[str, Callable[[Record], Any]], ...]
    links: tuple[Told, ...]
    nodes: tuple[Told, ...]
    plain: tuple[tuple[str, Callable[[Any], Any]], ...]
    told: tuple[Told, ...]
    left: dict[str, Any]
    viewed: bool


class ByType(dict[str, Entry]):
    """What is worked out of a selection for each type that is met, by its name."""

    def __init__(self, work: Callable[[str, Any], Entry], selection: Any) -> None:
        super().__init__()
        self._work, self.selection = work, selection

    def __missing__(self, name: str) -> Entry:
        entry = self[name] = self._work(name, self.selection)
        return entry


class Plans:
    """The plans of one operation, and what its levels are to load."""

    def __init__(self, executor: RecordExecutor) -> None:
        self._executor = executor
        self._plans: dict[int, ByType[Plan]] = {}
        self._wanted: dict[int, ByType[tuple[Wanted, ...]]] = {}
        records = executor.context_value.records
        self._record_types = records.types
        self._fetching = Fetching(
            Selections(executor.schema, executor.fragment_definitions, executor.variable_values),
            records.filters,
        )

    def of(self, selection: Any) -> ByType[Plan]:
        """The plans of a selection, by the name of the type that it stands on."""
        if (known := self._plans.get(id(selection))) is None:
            known = self._plans[id(selection)] = ByType(self._plan, selection)
        return known

    def type(self, name: str) -> GraphQLObjectType:
        """The object type of a record type.

        Raises
        ------
        StoreBusyError
            The schema is of an older model.
        """
        found = self._executor.schema.type_map.get(name)
        if found is None:
            raise StoreBusyError(
                "The model has just changed, and the schema is still being made anew.",
                "Try again in a few seconds.",
            )
        return found  # type: ignore[return-value]

    def wanted_of(self, selection: Any) -> ByType[tuple[Wanted, ...]]:
        """The level fields of a selection on records, by their type."""
        if (known := self._wanted.get(id(selection))) is None:
            known = self._wanted[id(selection)] = ByType(self._wanted_of, selection)
        return known

    def _wanted_of(self, record_type: str, selection: Any) -> tuple[Wanted, ...]:
        type_, found = self.type(record_type), []
        for details in self._executor.collect_subfields(
            type_, selection
        ).grouped_field_set.values():
            field = type_.fields.get(details[0].node.name.value)
            made = field and model_field_of(field)
            if field and made and made.level is not None:
                found.append(self._wants(field, made.level, details))
        return tuple(found)

    def _wants(self, field: GraphQLField, level: Level, details: Any) -> Wanted:
        given = self._given(field, details)
        if level.kind != "links":
            return Wanted(details, level, given, "", None, ())
        page: Any = get_named_type(field.type)
        return Wanted(
            details, level, given, key_of(level, given), page, self.selected(page, details)
        )

    def _given(self, field: GraphQLField, details: Any) -> dict[str, Any]:
        """The arguments of a field."""
        node = details[0].node
        if not field.args and not node.arguments:
            return {}
        fragment_variables = details[0].fragment_variable_values
        return get_argument_values(field, node, self._executor.variable_values, fragment_variables)

    def step(self, wanted: Wanted) -> tuple[Step, Fetch]:
        """The step that a relationship field takes, and what is read of the records there."""
        nodes = [details.node for details in wanted.details]
        return self._fetching.step(wanted.level, wanted.arguments, wanted.page, nodes)

    def selected(self, page: GraphQLObjectType, selection: Any) -> list[Any]:
        """What a selection on a page selects of its records: of ``nodes``, and of ``edges``."""
        found = []
        for details in self._executor.collect_subfields(page, selection).grouped_field_set.values():
            name = details[0].node.name.value
            if name == "nodes":
                found.append(details)
            elif name == "edges":
                edge: Any = get_named_type(page.fields["edges"].type)
                below = self._executor.collect_subfields(edge, details).grouped_field_set.values()
                found += [each for each in below if each[0].node.name.value == "node"]
        return found

    def _plan(self, type_name: str, selection: Any) -> Plan:
        type_ = self.type(type_name)
        names, attributes = [], []
        of_record: list[tuple[str, Any]] = []
        plain: list[tuple[str, Any]] = []
        links, nodes, told = [], [], []
        left: dict[str, Any] = {}
        for name, details in self._executor.collect_subfields(
            type_, selection
        ).grouped_field_set.items():
            field_name = details[0].node.name.value
            field = type_.fields.get(field_name)
            made = field and model_field_of(field)
            names.append(name)
            attributes.append((made and made.attribute) or "")
            if field_name == TYPENAME:
                of_name = of_record if type_name in self._record_types else plain
                of_name.append((name, partial(_first, type_name)))
            elif field is None or made is None or (made.read is None and made.level is None):
                left[name] = details
            elif made.attribute:
                pass  # told with all of them
            elif made.of_record is not None:
                of_record.append((name, made.of_record))
            elif made.level is None and made.read is not nodes_of and _is_json(field):
                plain.append((name, made.read))
            else:
                named, nullable = get_named_type(field.type), not is_non_null_type(field.type)
                one = Told(name, details, field, named, nullable, made.read)
                if made.read is nodes_of:
                    listed: Any = get_nullable_type(field.type)
                    nodes.append(one._replace(item=listed.of_type))
                elif made.level is None:
                    told.append(one)
                elif made.level.kind == "links":
                    key = key_of(made.level, self._given(field, details))
                    links.append(one._replace(key=key))
                else:
                    told.append(one._replace(read=partial(_loaded, id(details))))
        return Plan(
            type_,
            tuple(names),
            tuple(attributes),
            tuple(of_record),
            tuple(links),
            tuple(nodes),
            tuple(plain),
            tuple(told),
            left,
            bool(plain or told or left),
        )


def _first(value: Any, _: Any) -> Any:
    return value


def _loaded(key: int, view: View) -> Any:
    return view.loaded[key]


def _is_json(field: GraphQLField) -> bool:
    """Whether values of a field need no completing: leaves, or lists of them, that may be null."""
    type_ = get_nullable_type(field.type)
    if is_list_type(type_):
        type_ = get_nullable_type(type_.of_type)
    return is_leaf_type(type_)
