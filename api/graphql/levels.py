"""What level fields give, loaded for all records of a level of a selection together.

A page comes with what its relationship fields lead to (`fetching`). What has not come with it, at whatever
depth, is loaded before its records are completed, breadth first: what a level of the selection asks of all
of its records goes to the store together. Completing them then waits for nothing. Lists that become known
in the same turn of the event loop are loaded together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from api.graphql.fetching import Fetch, Fetched
from api.graphql.views import Connection, Place, View
from cmdb.queries import AsOf
from cmdb.records import Record, listed
from cmdb.steps import Step, parse_step
from cmdb.store.base import Connected

if TYPE_CHECKING:
    from graphql import GraphQLObjectType

    from api.context import Context
    from api.graphql.plans import Plans


class Ask(NamedTuple):
    """A record for which something of its selection is yet to be loaded."""

    view: View
    selection: Any


class Wanted(NamedTuple):
    """A level field of a selection.

    Attributes
    ----------
    details
        Its own selection.
    key
        Tells a relationship field and its arguments (`fetching.key_of`).
    page
        The type of its connection; None of a field that gives no page.
    nodes
        What it selects of the records of that page: of ``nodes``, and of ``edges``.
    """

    details: Any
    level: Any
    arguments: Mapping[str, Any]
    key: str
    page: GraphQLObjectType | None
    nodes: Sequence[Any]


class Levels:
    """What the selections of one operation ask for, level by level."""

    def __init__(self, plans: Plans, context: Context) -> None:
        self.plans, self.context = plans, context
        self._waiting: list[Ask] = []
        self._turn: asyncio.Future[None] | None = None

    def missing(self, page: Connection, selections: Sequence[Any]) -> list[Ask]:
        """The records, of a page and of those that have come with it, for which something is yet to be
        loaded."""
        return [] if _whole(page) else self.missing_of(page.nodes, selections)

    def missing_of(self, views: Sequence[View], selections: Sequence[Any]) -> list[Ask]:
        """Likewise, of some records."""
        found: list[Ask] = []
        waiting = [(views, selection) for selection in selections]
        while waiting:
            views, selection = waiting.pop()
            wanted_of = self.plans.wanted_of(selection)
            for view in views:
                short = False
                for wanted in wanted_of[view.type]:
                    if id(wanted.details) in view.loaded:
                        continue
                    page = self.near(view.record, view.place, wanted.key)
                    if page is None:
                        short = True
                        continue
                    view.loaded[id(wanted.details)] = page
                    if not _whole(page):
                        waiting += [(page.nodes, each) for each in wanted.nodes]
                if short:
                    found.append(Ask(view, selection))
        return found

    def near(self, record: Record, place: Place, key: str) -> Connection | None:
        """The page of a relationship that has come with a record; None where none has."""
        fetched = place.fetched
        if fetched is None:
            return None
        known = fetched.places.get(key)
        if known is None:
            if key not in fetched.fetch.below:
                return None
            known = fetched.places[key] = self._place(fetched, place.at, key)
        index, there = known
        page = fetched.pages.get((record.id, index))
        if page is None:
            total = 0 if fetched.fetch.steps[index].query.total else None
            page = Connected([], [], None, total)
        return Connection(page, there)

    def _place(self, fetched: Fetched, at: AsOf, key: str) -> tuple[int, Place]:
        """Where the records are met that a relationship leads to, and the index of its step."""
        index, fetch = fetched.fetch.below[key]
        below = next((p.below for (_, i), p in fetched.pages.items() if i == index), {})
        return index, self.place(fetched.fetch.steps[index], Fetched(fetch, below), at)

    def place(self, step: Step, fetched: Fetched, at: AsOf) -> Place:
        """Where records are met that a step leads to."""
        cursors = Cursors(parse_step, self.context.store.model, step, at is not None)
        begins = step.query.after is None
        return self.context.place(at)._replace(fetched=fetched, begins=begins, cursor_of=cursors)

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
            near: dict[AsOf, _Near] = {}
            others: dict[int, tuple[Wanted, list[View]]] = {}
            for view, selection in asks:
                for wanted in self.plans.wanted_of(selection)[view.type]:
                    if id(wanted.details) in view.loaded:
                        continue
                    if wanted.level.kind in ("links", "reference"):
                        if view.at not in near:
                            near[view.at] = _Near(self, view.at)
                        near[view.at].add(view, wanted)
                    else:
                        entry = others.setdefault(id(wanted.details), (wanted, []))
                        entry[1].append(view)
            below: list[Ask] = []
            for group in near.values():
                below += await group.load()
            for wanted, views in others.values():
                values = await wanted.level.load(self.context, views, wanted.arguments)
                for view, value in zip(views, values, strict=True):
                    view.loaded[id(wanted.details)] = value
            asks = below


class _Near:
    """The relationships and references that records follow, as of one moment."""

    def __init__(self, levels: Levels, at: AsOf) -> None:
        self.levels, self.context, self.at = levels, levels.context, at
        self.steps: dict[int, tuple[Step, Fetch]] = {}
        self.following: list[tuple[View, Wanted]] = []
        self.referring: list[tuple[View, Wanted]] = []
        self.referred: set[str] = set()

    def add(self, view: View, wanted: Wanted) -> None:
        level = wanted.level
        if level.kind == "reference":
            self.referring.append((view, wanted))
            value = view.record.attributes.get(level.attribute)
            self.referred.update(listed(value))
            return
        self.following.append((view, wanted))
        if id(wanted.details) not in self.steps:
            self.steps[id(wanted.details)] = self.levels.plans.step(wanted)

    def fetch(self) -> Fetch:
        """What is read of the records, by the fields that want it."""
        below = {str(key): (n, fetch) for n, (key, (_, fetch)) in enumerate(self.steps.items())}
        steps = tuple(step for step, _ in self.steps.values())
        return Fetch(None, steps, below, total=False, whole=False)

    async def load(self) -> list[Ask]:
        """Load them; gives what is yet to be loaded of the records there."""
        levels, store, fetch = self.levels, self.context.store, self.fetch()
        ids = list({view.record.id for view, _ in self.following})
        found, records = await self.context.call(
            lambda: (
                store.connections(ids, fetch.steps, self.at) if fetch.steps else {},
                store.get(self.referred, self.at) if self.referred else {},
            )
        )
        # As if it had come with the records that follow it.
        fetched = Fetched(fetch, found)
        place = self.context.place(self.at)._replace(fetched=fetched)
        below: list[Ask] = []
        for view, wanted in self.following:
            connection = levels.near(view.record, place, str(id(wanted.details)))
            assert connection is not None
            view.loaded[id(wanted.details)] = connection
            below += levels.missing(connection, wanted.nodes)
        for view, wanted in self.referring:
            below += levels.missing_of(self._refer(view, wanted, records), [wanted.details])
        return below

    def _refer(self, view: View, wanted: Wanted, records: Mapping[str, Any]) -> list[View]:
        level = wanted.level
        ids = listed(view.record.attributes.get(level.attribute))
        views = [self.context.view(records[id], self.at) for id in ids if id in records]
        view.loaded[id(wanted.details)] = views if level.many else views[0] if views else None
        return views


def _whole(page: Connection) -> bool:
    """Whether all that is selected of the records of a page has come with it."""
    fetched = page.place.fetched
    return not page.page.records or (fetched is not None and fetched.fetch.whole)


class Cursors:
    """Gives the cursors of a page's records; the question is looked at when the first is asked for."""

    def __init__(self, parse: Callable[..., Any], *question: Any) -> None:
        self._parse, self._asked = parse, question

    @cached_property
    def _question(self) -> Any:
        parsed = self._parse(*self._asked)
        return getattr(parsed, "query", parsed)

    def __call__(self, record: Any) -> str:
        return self._question.cursor(record)  # type: ignore[no-any-return]
