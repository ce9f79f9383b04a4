"""One statement for each level of a selection, whatever the number of records.

Before the records of a list are completed, everything below them is loaded breadth first: what a level
of the selection asks of all of its records goes to the store together. Completing them then waits for
nothing. Lists that become known in the same turn of the event loop are loaded together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from api.graphql.views import Connection, View
from cmdb.queries import AsOf, Query
from cmdb.steps import Step, parse_step

if TYPE_CHECKING:
    from graphql import GraphQLObjectType

    from api.context import Context
    from api.graphql.execution import RecordExecutor


class Ask(NamedTuple):
    """A record, or a page of records, with what is selected of it."""

    subject: Any
    type: GraphQLObjectType
    selection: Any


class Wanted(NamedTuple):
    """A level field of a selection: its own selection, how it is loaded, and its arguments."""

    details: Any
    level: Any
    arguments: Mapping[str, Any]


class Levels:
    """What the selections of one operation ask for, level by level."""

    def __init__(self, executor: RecordExecutor, context: Context) -> None:
        self.executor, self.context = executor, context
        self._waiting: list[Ask] = []
        self._turn: asyncio.Future[None] | None = None

    def missing(self, ask: Ask) -> list[Ask]:
        """The records of a value for which something of its selection is yet to be loaded."""
        if isinstance(ask.subject, Connection) and ask.subject.settled:
            return []
        return [
            record
            for record in self.records(ask)
            if any(
                id(wanted.details) not in record.subject.loaded
                for wanted in self.executor.wanted(record.type, record.selection)
            )
        ]

    def records(self, ask: Ask) -> Iterable[Ask]:
        """A record itself; a page, and the records of it, as far as they are selected."""
        yield ask
        if isinstance(ask.subject, View):
            return
        for selection in self.executor.selections_of_nodes(ask.type, ask.selection):
            for view in ask.subject.nodes:
                yield Ask(view, self.executor.type_of(view), selection)

    def load(self, asks: Sequence[Ask]) -> asyncio.Future[None]:
        """Load what is asked, with all that asks in this turn of the event loop."""
        self._waiting.extend(asks)
        if self._turn is None:
            loop = asyncio.get_running_loop()
            self._turn = loop.create_future()
            loop.call_soon(self._begin)
        return self._turn

    def _begin(self) -> None:
        turn, asks = self._turn, self._waiting
        self._turn, self._waiting = None, []
        assert turn is not None

        async def run() -> None:
            try:
                await self._load(asks)
            except BaseException as error:
                if not turn.done():
                    turn.set_exception(error)
                    turn.exception()  # whoever waits is told; that nobody does is no fault
                if not isinstance(error, Exception):
                    raise
            else:
                if not turn.done():
                    turn.set_result(None)

        self.context.spawn(run())

    async def _load(self, asks: Sequence[Ask]) -> None:
        while asks:
            links: dict[AsOf, _Links] = {}
            others: dict[int, tuple[Wanted, list[Any]]] = {}
            for ask in asks:
                for wanted in self.executor.wanted(ask.type, ask.selection):
                    if id(wanted.details) in ask.subject.loaded:
                        continue
                    if wanted.level.kind in ("links", "reference"):
                        at = ask.subject.at
                        if at not in links:
                            links[at] = _Links(self, at)
                        links[at].add(ask.subject, wanted)
                    else:
                        entry = others.setdefault(id(wanted.details), (wanted, []))
                        entry[1].append(ask.subject)
            below: list[Ask] = []
            for group in links.values():
                below += await group.load()
            for wanted, subjects in others.values():
                values = await wanted.level.load(self.context, subjects, wanted.arguments)
                for subject, value in zip(subjects, values, strict=True):
                    subject.loaded[id(wanted.details)] = value
            asks = below


class _Links:
    """The relationships and references that one level follows, as of one moment."""

    def __init__(self, levels: Levels, at: AsOf) -> None:
        self.levels, self.context, self.at = levels, levels.context, at
        self.steps: dict[int, Step] = {}
        self.following: list[tuple[View, Wanted]] = []
        self.referring: list[tuple[View, Wanted]] = []
        self.referred: set[str] = set()

    def add(self, view: View, wanted: Wanted) -> None:
        level = wanted.level
        if level.kind == "reference":
            self.referring.append((view, wanted))
            value = view.record.attributes.get(level.attribute)
            self.referred.update(_ids(value))
            return
        self.following.append((view, wanted))
        if id(wanted.details) not in self.steps:
            self.steps[id(wanted.details)] = self.levels.executor.step(wanted)

    async def load(self) -> list[Ask]:
        store, steps = self.context.store, list(self.steps.values())
        ids = list({view.record.id for view, _ in self.following})
        found, records = await self.context.call(
            lambda: (
                store.connections(ids, steps, self.at) if steps else {},
                store.get(self.referred, self.at) if self.referred else {},
            )
        )
        index = {key: number for number, key in enumerate(self.steps)}
        below: list[Ask] = []
        for view, wanted in self.following:
            number = index[id(wanted.details)]
            page = found.get((view.record.id, number))
            connection = self._connection(page, steps[number])
            view.loaded[id(wanted.details)] = connection
            below += self._below(connection, wanted)
        for view, wanted in self.referring:
            below += self._refer(view, wanted, records)
        return below

    def _connection(self, page: Any, step: Step) -> Connection:
        cursor_of = Cursors(
            partial(parse_step, self.context.store.model, step, self.at is not None)
        )
        begins = step.query.after is None
        if page is None:
            total = 0 if step.query.total else None
            return Connection((), None, total, begins, cursor_of, settled=True)
        view = self.context.view
        pairs = [(view(near.record, self.at), near.relationship) for near in page.neighbours]
        return Connection(pairs, page.cursor, page.total, begins, cursor_of, settled=True)

    def _below(self, connection: Connection, wanted: Wanted) -> Iterable[Ask]:
        type_ = self.levels.executor.connection_type(wanted)
        return self.levels.records(Ask(connection, type_, wanted.details))

    def _refer(self, view: View, wanted: Wanted, records: Mapping[str, Any]) -> list[Ask]:
        level = wanted.level
        ids = _ids(view.record.attributes.get(level.attribute))
        views = [self.context.view(records[id], self.at) for id in ids if id in records]
        view.loaded[id(wanted.details)] = views if level.many else views[0] if views else None
        type_of = self.levels.executor.type_of
        return [Ask(each, type_of(each), wanted.details) for each in views]


def _ids(value: Any) -> list[str]:
    """What a reference names: none, one, or several."""
    return value if isinstance(value, list) else [] if value is None else [value]


class Cursors:
    """Gives the cursors of a page's records; the question is looked at when the first is asked for."""

    def __init__(self, parse: Any) -> None:
        self._parse = parse

    @cached_property
    def _question(self) -> Any:
        parsed = self._parse()
        return getattr(parsed, "query", parsed)

    def __call__(self, record: Any) -> str:
        return self._question.cursor(record)  # type: ignore[no-any-return]


def step_of(level: Any, arguments: Mapping[str, Any], filters: Any, page: int, total: bool) -> Step:
    """The step that a relationship field with these arguments takes."""
    first = arguments.get("first")
    query = Query(
        level.far,
        filters.read(level.far, arguments.get("where")) or None,
        sort=filters.sort(level.far, arguments.get("orderBy")),
        first=page if first is None else first,
        after=arguments.get("after"),
        total=total,
    )
    return Step(level.relationship, query)
