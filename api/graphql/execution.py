"""Executing an operation: records are completed by plans, what stands below them is loaded together.

graphql-core builds a path, resolve information and an error boundary for each field. Of a page of records
nearly all fields only read a value (`plans`); here they do just that. Whatever else a selection has goes
graphql-core's way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from graphql import GraphQLObjectType, GraphQLSchema, GraphQLUnionType
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from api.graphql.errors import told
from api.graphql.fields import FIELD, model_field_of
from api.graphql.levels import Ask, Levels
from api.graphql.plans import Plan, Plans, Told
from api.graphql.views import Connection, Edge, Place, View
from cmdb.records import Record

Trail = tuple[Any, str | int, str | None]
"""A path: what is above, a key or an index, and the name of the type; made a `Path` where it is needed."""


class RecordExecutor(StrawberryGraphQLCoreExecutionContext):
    """Executes an operation over types that are made from the model."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plans = Plans(self)
        self.levels = Levels(self._plans, self.context_value)

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
            missing = self.levels.missing_of([result], [field_details_list])
        elif isinstance(result, Connection):
            missing = self.levels.missing(
                result, self._plans.selected(return_type, field_details_list)
            )
        elif return_type.is_type_of is not None:
            return super().complete_object_value(
                return_type, field_details_list, info, path, result, position_context
            )
        plan = self._plans.of(field_details_list)[return_type.name]
        if missing:
            return self._later(missing, plan, path, result)
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
        type_ = self._plans.type(result.type)
        return self.complete_object_value(
            type_, field_details_list, info, path, result, position_context
        )

    async def _later(self, missing: Sequence[Ask], plan: Plan, path: Path, result: Any) -> Any:
        await self.levels.load(missing)
        value = self._fields(plan, result, path)
        return await value if self.is_awaitable(value) else value

    def _fields(self, plan: Plan, source: Any, trail: Trail) -> Any:
        """The completed fields of a selection on a value for which all levels are loaded."""
        if isinstance(source, View):
            return self._record(plan, source.record, source.place, source, trail)
        values = dict.fromkeys(plan.names)
        for name, read in plan.plain:
            values[name] = read(source)
        waiting = False
        for field in plan.nodes:
            value = values[field.name] = self._nodes(plan.type.name, field, source, trail)
            waiting = waiting or value.__class__ is not list
        return self._others(plan, values, source, trail, waiting)

    def _record(
        self, plan: Plan, record: Record, place: Place, view: View | None, trail: Trail
    ) -> Any:
        """The completed fields of a selection on a record for which all levels are loaded.

        Parameters
        ----------
        view
            Where it is there already: most records need none.
        """
        told = map(record.attributes.get, plan.attributes)
        values = dict(zip(plan.names, told, strict=True))
        for name, read in plan.of_record:
            values[name] = read(record)
        waiting = False
        for link in plan.links:
            page = view.loaded.get(id(link.details)) if view is not None else None
            if page is None:
                page = self.levels.near(record, place, link.key)
            value = values[link.name] = self._page(plan.type.name, link, page, trail)
            waiting = waiting or self.is_awaitable(value)
        if plan.viewed:
            view = view or View(record, place)
            for name, read in plan.plain:
                values[name] = read(view)
        return self._others(plan, values, view, trail, waiting)

    def _others(
        self, plan: Plan, values: dict[str, Any], source: Any, trail: Trail, waiting: bool
    ) -> Any:
        """Values with those of the fields that are completed one by one."""
        for field in plan.told:
            value = values[field.name] = self._completed(plan.type, field, source, trail)
            waiting = waiting or self.is_awaitable(value)
        if plan.left:
            path = path_of(trail)
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

    def _completed(self, type_: GraphQLObjectType, told: Told, source: Any, trail: Trail) -> Any:
        """The completed value of a field that is read, in an error boundary of its own."""
        field, details = told.field, told.details
        here = path_of((trail, told.name, type_.name))
        try:
            assert told.read is not None
            value = told.read(source)
            if value is None and told.nullable:
                return None
            if isinstance(source, Edge) and isinstance(value, View):
                completed = self._fields(told.below[value.type], value, here)
            else:
                info = self.build_resolve_info(field, [d.node for d in details], type_, here)
                completed = self.complete_value(field.type, details, info, here, value, None)
        except Exception as error:  # as graphql-core has it: a field's error is the field's
            self.handle_field_error(error, field.type, details, here)
            return None
        return self._guarded(completed, field.type, details, here)

    def _page(self, owner: str, link: Told, page: Connection | None, trail: Trail) -> Any:
        """The completed page of a relationship, for which all levels are loaded."""
        here = (trail, link.name, owner)
        try:
            assert page is not None
            completed = self._fields(link.below[link.named], page, here)
            if completed.__class__ is dict:
                return completed
        except Exception as error:
            self.handle_field_error(error, link.field.type, link.details, path_of(here))
            return None
        return self._guarded(completed, link.field.type, link.details, here)

    def _nodes(self, owner: str, told: Told, connection: Connection, trail: Trail) -> Any:
        """The completed records of a page for which all levels are loaded."""
        above, plans = (trail, told.name, owner), told.below
        place, views = connection.place, connection.views
        found, waiting, view = [], False, None
        for index, record in enumerate(connection.page.records):
            here = (above, index, None)
            try:
                if views is not None:
                    view = views[index]
                value = self._record(plans[record.type], record, place, view, here)
                if value.__class__ is not dict:
                    value, waiting = self._guarded(value, told.item, told.details, here), True
            except Exception as error:
                self.handle_field_error(error, told.item, told.details, path_of(here))
                value = None
            found.append(value)
        return self._all(found) if waiting else found

    async def _all(self, items: list[Any]) -> list[Any]:
        async def one(item: Any) -> Any:
            return await item if self.is_awaitable(item) else item

        return list(await asyncio.gather(*map(one, items)))

    def _guarded(self, completed: Any, type_: Any, details: Any, trail: Trail) -> Any:
        if not self.is_awaitable(completed):
            return completed

        async def guarded() -> Any:
            try:
                return await completed
            except Exception as error:
                self.handle_field_error(error, type_, details, path_of(trail))
                return None

        return guarded()


def path_of(trail: Trail) -> Path:
    """A trail as graphql-core has it."""
    if isinstance(trail, Path):
        return trail
    above, key, type_name = trail
    return Path(None if above is None else path_of(above), key, type_name)


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
