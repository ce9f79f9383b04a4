"""Executing an operation: plain fields are read at once, levels are loaded together.

graphql-core resolves field by field, and builds a path, resolve information and an error boundary for
each. Of a page of records nearly all fields only read a value; here they do just that. Whatever else
a selection has goes graphql-core's way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema, GraphQLUnionType, is_leaf_type
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path
from graphql.type import get_named_type, get_nullable_type, is_list_type, is_non_null_type
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from api.graphql.errors import told
from api.graphql.fields import FIELD, model_field_of
from api.graphql.levels import Ask, Levels, Wanted, step_of
from api.graphql.records import PAGE
from api.graphql.views import Connection, View
from cmdb.steps import Step

TYPENAME: Final = "__typename"


class Plan(NamedTuple):
    """How the fields of one selection on one type get their values.

    ``plain`` are read and are already JSON; ``read`` are read and completed; ``level`` have been loaded.
    What is left goes graphql-core's way.
    """

    plain: tuple[tuple[str, Any], ...]
    read: tuple[tuple[str, Any, Any, GraphQLField], ...]
    level: tuple[tuple[str, Any, GraphQLField], ...]
    left: dict[str, Any]
    order: tuple[str, ...]


class RecordExecutor(StrawberryGraphQLCoreExecutionContext):
    """Executes an operation over types that are made from the model."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.levels = Levels(self, self.context_value)
        self._plans: dict[tuple[str, int], tuple[Any, Plan]] = {}
        self._wanted: dict[tuple[str, int], tuple[Any, tuple[Wanted, ...]]] = {}
        self._info: Any = None

    # -- what the levels ask ------------------------------------------------------------------------------

    def type_of(self, view: View) -> GraphQLObjectType:
        """The object type of a record."""
        return self.schema.type_map[view.record.type]  # type: ignore[return-value]

    def wanted(self, type_: GraphQLObjectType, selection: Any) -> tuple[Wanted, ...]:
        """The level fields of a selection."""
        key = (type_.name, id(selection))
        if (known := self._wanted.get(key)) is None:
            fields = self.collect_subfields(type_, selection).grouped_field_set
            found = []
            for details in fields.values():
                node = details[0].node
                field = type_.fields.get(node.name.value)
                made = field and model_field_of(field)
                if field and made and made.level is not None:
                    found.append(Wanted(details, made.level, self._arguments(field, details)))
            known = self._wanted[key] = (selection, tuple(found))
        return known[1]

    def step(self, wanted: Wanted) -> Step:
        """The step that a relationship field takes; it counts only where a total is selected."""
        type_ = self.connection_type(wanted)
        fields = self.collect_subfields(type_, wanted.details).grouped_field_set.values()
        names = {details[0].node.name.value for details in fields}
        filters = self.context_value.records.filters
        return step_of(wanted.level, wanted.arguments, filters, PAGE, "totalCount" in names)

    def connection_type(self, wanted: Wanted) -> GraphQLObjectType:
        links = self.context_value.records.links(wanted.level.relationship)
        return self.schema.type_map[links.__name__]  # type: ignore[return-value]

    def selections_of_nodes(self, type_: GraphQLObjectType, selection: Any) -> Iterable[Any]:
        """What a selection on a connection selects of its records: of ``nodes``, and of ``edges``."""
        for details in self.collect_subfields(type_, selection).grouped_field_set.values():
            name = details[0].node.name.value
            if name == "nodes":
                yield details
            elif name == "edges":
                edge = get_named_type(type_.fields["edges"].type)
                below = self.collect_subfields(edge, details).grouped_field_set.values()
                yield from (each for each in below if each[0].node.name.value == "node")

    def _arguments(self, field: GraphQLField, details: Any) -> dict[str, Any]:
        node = details[0].node
        if not field.args and not node.arguments:
            return {}
        return get_argument_values(
            field, node, self.variable_values, details[0].fragment_variable_values
        )

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
        if isinstance(result, (View, Connection)):
            missing = self.levels.missing(Ask(result, return_type, field_details_list))
            if missing:
                return self._later(missing, return_type, field_details_list, path, result)
        elif return_type.is_type_of is not None:
            return super().complete_object_value(
                return_type, field_details_list, info, path, result, position_context
            )
        return self._fields(return_type, field_details_list, result, path)

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
        type_ = self.type_of(result)
        return self.complete_object_value(
            type_, field_details_list, info, path, result, position_context
        )

    async def _later(
        self, missing: list[Ask], type_: GraphQLObjectType, selection: Any, path: Path, result: Any
    ) -> Any:
        await self.levels.load(missing)
        value = self._fields(type_, selection, result, path)
        return await value if self.is_awaitable(value) else value

    def _fields(self, type_: GraphQLObjectType, selection: Any, source: Any, path: Path) -> Any:
        key = (type_.name, id(selection))
        if (known := self._plans.get(key)) is None:
            fields = self.collect_subfields(type_, selection).grouped_field_set
            known = self._plans[key] = (selection, self._plan(type_, fields))
        plan = known[1]
        values: dict[str, Any] = {name: read(source) for name, read in plan.plain}
        if len(values) == len(plan.order):
            return values
        for name, read, details, field in plan.read:
            values[name] = self._completed(type_, field, details, path, name, read, source)
        for name, details, field in plan.level:
            loaded = source.loaded
            values[name] = self._completed(
                type_, field, details, path, name, lambda _, d=details, x=loaded: x[id(d)], source
            )
        if not plan.left:
            if any(map(self.is_awaitable, values.values())):
                return self._gathered(values, plan.order)
            return values if not plan.level and not plan.read else _ordered(values, plan.order)
        left: Any = self.execute_fields(type_, source, path, plan.left, None)
        if self.is_awaitable(left) or any(map(self.is_awaitable, values.values())):
            return self._gathered(values, plan.order, left)
        return _ordered(values | left, plan.order)

    async def _gathered(
        self, values: dict[str, Any], order: tuple[str, ...], left: Any = None
    ) -> dict[str, Any]:
        found = {n: await v if self.is_awaitable(v) else v for n, v in values.items()}
        if left is not None:
            found |= await left if self.is_awaitable(left) else left
        return _ordered(found, order)

    def _completed(
        self,
        type_: GraphQLObjectType,
        field: GraphQLField,
        details: Any,
        path: Path,
        name: str,
        read: Any,
        source: Any,
    ) -> Any:
        """The completed value of a field that is read, in an error boundary of its own."""
        here = Path(path, name, type_.name)
        try:
            value = read(source)
            if value is None and not is_non_null_type(field.type):
                return None
            if isinstance(value, Connection):
                page: Any = get_named_type(field.type)
                completed = self.complete_object_value(page, details, None, here, value, None)
            else:
                info = self.build_resolve_info(field, [d.node for d in details], type_, here)
                completed = self.complete_value(field.type, details, info, here, value, None)
        except Exception as error:  # as graphql-core has it: a field's error is the field's
            self.handle_field_error(error, field.type, details, here)
            return None
        return self._guarded(completed, field, details, here)

    def _guarded(self, completed: Any, field: GraphQLField, details: Any, path: Path) -> Any:
        if not self.is_awaitable(completed):
            return completed

        async def guarded() -> Any:
            try:
                return await completed
            except Exception as error:
                self.handle_field_error(error, field.type, details, path)
                return None

        return guarded()

    def _plan(self, type_: GraphQLObjectType, fields: Any) -> Plan:
        plain: list[Any] = []
        read: list[Any] = []
        level: list[Any] = []
        left: dict[str, Any] = {}
        for name, details in fields.items():
            field_name = details[0].node.name.value
            if field_name == TYPENAME:
                plain.append((name, lambda _, title=type_.name: title))
                continue
            field = type_.fields.get(field_name)
            made = field and model_field_of(field)
            if field is None or made is None or (made.read is None and made.level is None):
                left[name] = details
            elif made.level is not None:
                level.append((name, details, field))
            elif _is_json(field):
                plain.append((name, made.read))
            else:
                read.append((name, made.read, details, field))
        return Plan(tuple(plain), tuple(read), tuple(level), left, tuple(fields))


def _is_json(field: GraphQLField) -> bool:
    """Whether values of a field need no completing: leaves, or lists of them, that may be null."""
    type_ = get_nullable_type(field.type)
    if is_list_type(type_):
        type_ = get_nullable_type(type_.of_type)
    return is_leaf_type(type_)


def _ordered(values: dict[str, Any], order: tuple[str, ...]) -> dict[str, Any]:
    return {name: values[name] for name in order if name in values}


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
