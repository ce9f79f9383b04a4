"""Executing an operation: plain fields are read at once, levels are loaded together.

graphql-core resolves field by field, and builds a path, resolve information and an error boundary for
each. Of a page of records nearly all fields only read a value; here they do just that. Whatever else
a selection has goes graphql-core's way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema, GraphQLUnionType, is_leaf_type
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path
from graphql.type import get_named_type, get_nullable_type, is_list_type, is_non_null_type
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from api.graphql.errors import told
from api.graphql.fetching import TYPENAME, Fetch, Fetching, key_of
from api.graphql.fields import FIELD, Level, model_field_of
from api.graphql.levels import Ask, Levels, Wanted
from api.graphql.selections import Selections
from api.graphql.views import Connection, Edge, View
from cmdb.errors import StoreBusyError
from cmdb.steps import Step

Entry = TypeVar("Entry")


class Told(NamedTuple):
    """How a field gets its value: ``read`` gives it, and it is completed; without ``read`` it goes
    graphql-core's way.

    Attributes
    ----------
    named
        The field's type, without lists and what may be null.
    """

    name: str
    read: Callable[[Any], Any] | None
    details: Any = None
    field: Any = None
    named: Any = None
    nullable: bool = True


class Plan(NamedTuple):
    """How the fields of one selection on one type get their values.

    Attributes
    ----------
    names
        Of all fields, in order.
    attributes
        For each field that tells an attribute of a record as it is, its name; else empty.
    plain
        Fields whose values are read, and are JSON then.
    told
        Those that are completed.
    left
        Those that go graphql-core's way.
    """

    type: GraphQLObjectType
    names: tuple[str, ...]
    attributes: tuple[str, ...]
    plain: tuple[tuple[str, Callable[[Any], Any]], ...]
    told: tuple[Told, ...]
    left: dict[str, Any]


class ByType(dict[str, Entry]):
    """What is worked out of a selection for each type that is met, by its name."""

    def __init__(self, work: Callable[[str, Any], Entry], selection: Any) -> None:
        super().__init__()
        self._work, self.selection = work, selection

    def __missing__(self, name: str) -> Entry:
        entry = self[name] = self._work(name, self.selection)
        return entry


class RecordExecutor(StrawberryGraphQLCoreExecutionContext):
    """Executes an operation over types that are made from the model."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.levels = Levels(self, self.context_value)
        self._plans: dict[int, ByType[Plan]] = {}
        self._wanted: dict[int, ByType[tuple[Wanted, ...]]] = {}
        selections = Selections(self.schema, self.fragment_definitions, self.variable_values)
        self._fetching = Fetching(selections, self.context_value.records.filters)

    # -- what the levels ask ------------------------------------------------------------------------------

    def _type(self, name: str) -> GraphQLObjectType:
        """The object type of a record type.

        Raises
        ------
        StoreBusyError
            The schema is of an older model.
        """
        found = self.schema.type_map.get(name)
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
        type_, found = self._type(record_type), []
        for details in self.collect_subfields(type_, selection).grouped_field_set.values():
            field = type_.fields.get(details[0].node.name.value)
            made = field and model_field_of(field)
            if field and made and made.level is not None:
                found.append(self._wants(field, made.level, details))
        return tuple(found)

    def _wants(self, field: GraphQLField, level: Level, details: Any) -> Wanted:
        given, node = {}, details[0].node
        if field.args or node.arguments:
            variables = self.variable_values, details[0].fragment_variable_values
            given = get_argument_values(field, node, *variables)
        if level.kind != "links":
            return Wanted(details, level, given, "", None, ())
        page: Any = get_named_type(field.type)
        return Wanted(
            details, level, given, key_of(level, given), page, self._selected(page, details)
        )

    def step(self, wanted: Wanted) -> tuple[Step, Fetch]:
        """The step that a relationship field takes, and what is read of the records there."""
        nodes = [details.node for details in wanted.details]
        return self._fetching.step(wanted.level, wanted.arguments, wanted.page, nodes)

    def _selected(self, page: GraphQLObjectType, selection: Any) -> list[Any]:
        """What a selection on a page selects of its records: of ``nodes``, and of ``edges``."""
        found = []
        for details in self.collect_subfields(page, selection).grouped_field_set.values():
            name = details[0].node.name.value
            if name == "nodes":
                found.append(details)
            elif name == "edges":
                edge: Any = get_named_type(page.fields["edges"].type)
                below = self.collect_subfields(edge, details).grouped_field_set.values()
                found += [each for each in below if each[0].node.name.value == "node"]
        return found

    def handle_field_error(
        self, raw_error: Exception, return_type: Any, field_details_list: Any, path: Path
    ) -> None:
        error = told(raw_error, self.context_value.request_id)
        super().handle_field_error(error, return_type, field_details_list, path)

    # -- executing --------------------------------------------------------------------------------------

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: Any,
        info: Any,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        missing: Sequence[Ask] = ()
        if isinstance(result, View):
            missing = self.levels.missing([result], [field_details_list])
        elif isinstance(result, Connection):
            if not result.settled:
                selections = self._selected(return_type, field_details_list)
                missing = self.levels.missing(result.nodes, selections)
        elif return_type.is_type_of is not None:
            return super().complete_object_value(
                return_type, field_details_list, info, path, result, position_context
            )
        if missing:
            plan = self._plans_of(field_details_list)[return_type.name]
            return self._later(missing, plan, path, result)
        plan = self._plans_of(field_details_list)[return_type.name]
        return self._fields(plan, result, path)

    def complete_abstract_value(
        self,
        return_type: Any,
        field_details_list: Any,
        info: Any,
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        if not isinstance(result, View):
            return super().complete_abstract_value(
                return_type, field_details_list, info, path, result, position_context
            )
        type_ = self._type(result.record.type)
        return self.complete_object_value(
            type_, field_details_list, info, path, result, position_context
        )

    async def _later(self, missing: Sequence[Ask], plan: Plan, path: Path, result: Any) -> Any:
        await self.levels.load(missing)
        value = self._fields(plan, result, path)
        return await value if self.is_awaitable(value) else value

    def _plans_of(self, selection: Any) -> ByType[Plan]:
        if (known := self._plans.get(id(selection))) is None:
            known = self._plans[id(selection)] = ByType(self._plan, selection)
        return known

    def _fields(self, plan: Plan, source: Any, path: Path) -> Any:
        """The completed fields of a selection on a value for which all levels are loaded."""
        values = _plain(plan, source)
        waiting = False
        for field in plan.told:
            value = values[field.name] = self._completed(plan.type, field, path, source)
            waiting = waiting or self.is_awaitable(value)
        if plan.left:
            left: Any = self.execute_fields(plan.type, source, path, plan.left, None)
            if self.is_awaitable(left):
                return self._gathered(values, left)
            values |= left
        return self._gathered(values) if waiting else values

    async def _gathered(self, values: dict[str, Any], left: Any = None) -> dict[str, Any]:
        waiting = {name: value for name, value in values.items() if self.is_awaitable(value)}
        found = await asyncio.gather(*waiting.values(), *([] if left is None else [left]))
        values |= dict(zip(waiting, found, strict=False))
        return values if left is None else values | found[-1]

    def _completed(self, type_: GraphQLObjectType, told: Told, path: Path, source: Any) -> Any:
        """The completed value of a field that is read, in an error boundary of its own."""
        name, read, details, field, named, nullable = told
        here = Path(path, name, type_.name)
        try:
            assert read is not None
            value = read(source)
            if value is None and nullable:
                return None
            if isinstance(value, Connection) and value.settled:
                completed = self._fields(self._plans_of(details)[named.name], value, here)
            elif isinstance(source, Connection) and isinstance(value, list):
                completed = self._items(told, here, value)
            elif isinstance(source, Edge) and isinstance(value, View):
                plan = self._plans_of(details)[value.record.type]
                completed = self._fields(plan, value, here)
            else:
                info = self.build_resolve_info(field, [d.node for d in details], type_, here)
                completed = self.complete_value(field.type, details, info, here, value, None)
        except Exception as error:  # as graphql-core has it: a field's error is the field's
            self.handle_field_error(error, field.type, details, here)
            return None
        return self._guarded(completed, field.type, details, here)

    def _items(self, told: Told, path: Path, items: list[Any]) -> Any:
        """The completed records, or edges, of a page for which all levels are loaded."""
        details, item_type = told.details, get_nullable_type(told.field.type).of_type
        plans, found, waiting = self._plans_of(details), [], False
        for index, item in enumerate(items):
            try:
                plan = plans[item.record.type if isinstance(item, View) else told.named.name]
                if not plan.told and not plan.left:
                    found.append(_plain(plan, item))
                    continue
                here = Path(path, index, None)
                value = self._fields(plan, item, here)
                if self.is_awaitable(value):
                    value, waiting = self._guarded(value, item_type, details, here), True
            except Exception as error:
                self.handle_field_error(error, item_type, details, Path(path, index, None))
                value = None
            found.append(value)
        return self._all(found) if waiting else found

    async def _all(self, items: list[Any]) -> list[Any]:
        async def one(item: Any) -> Any:
            return await item if self.is_awaitable(item) else item

        return list(await asyncio.gather(*map(one, items)))

    def _guarded(self, completed: Any, type_: Any, details: Any, path: Path) -> Any:
        if not self.is_awaitable(completed):
            return completed

        async def guarded() -> Any:
            try:
                return await completed
            except Exception as error:
                self.handle_field_error(error, type_, details, path)
                return None

        return guarded()

    def _plan(self, type_name: str, selection: Any) -> Plan:
        type_ = self._type(type_name)
        names, attributes = [], []
        plain: list[tuple[str, Any]] = []
        told: list[Told] = []
        left: dict[str, Any] = {}
        for name, details in self.collect_subfields(type_, selection).grouped_field_set.items():
            field_name = details[0].node.name.value
            field = type_.fields.get(field_name)
            made = field and model_field_of(field)
            names.append(name)
            attributes.append((made and made.attribute) or "")
            if field_name == TYPENAME:
                plain.append((name, partial(_first, type_name)))
            elif field is None or made is None or (made.read is None and made.level is None):
                left[name] = details
            elif made.attribute:
                pass
            elif made.level is None and _is_json(field):
                plain.append((name, made.read))
            else:
                read = made.read if made.level is None else partial(_loaded, id(details))
                named, nullable = get_named_type(field.type), not is_non_null_type(field.type)
                told.append(Told(name, read, details, field, named, nullable))
        return Plan(type_, tuple(names), tuple(attributes), tuple(plain), tuple(told), left)


def _plain(plan: Plan, source: Any) -> dict[str, Any]:
    """The fields whose values are read, and places in order for the others."""
    if isinstance(source, View):
        values = dict(
            zip(plan.names, map(source.record.attributes.get, plan.attributes), strict=True)
        )
    else:
        values = dict.fromkeys(plan.names)
    for name, read in plan.plain:
        values[name] = read(source)
    return values


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


def bind(schema: GraphQLSchema) -> None:
    """Let values be told by what they are, not by their Python class, and fields have resolvers of their own."""
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLUnionType):
            type_.resolve_type = lambda value, *_: value.graphql_type
        if isinstance(type_, GraphQLObjectType):
            if type_.is_type_of is not None and FIELD in type_.extensions:
                type_.is_type_of = None
            for field in type_.fields.values():
                made = model_field_of(field)
                if made is None or made.resolve is None:
                    continue
                if type_ is schema.subscription_type:
                    field.subscribe, field.resolve = made.resolve, lambda event, *_, **__: event
                else:
                    field.resolve = made.resolve
