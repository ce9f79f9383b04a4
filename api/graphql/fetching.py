"""What selections on records ask of the store: which attributes, and where to go on to.

Both go with the question for a page, so that what a level asks comes with the level above it: from Neo4j all
of it in one statement. It may be more than is executed (what is selected of one type is read of all), never
less, but for what goes beyond `STEPS`: that is loaded when it is come to (`levels`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from graphql import FieldNode, GraphQLError, SelectionSetNode
from graphql.type import get_named_type

from api.graphql.fields import model_field_of
from api.graphql.filters import Filters
from api.graphql.records import PAGE
from api.graphql.selections import Selections
from cmdb.queries import Query
from cmdb.steps import Step
from cmdb.store.base import Connected

if TYPE_CHECKING:
    from api.graphql.views import Place

STEPS: Final = 20
"""Most steps that go with one question: each is a part of a statement that the store has to plan."""
TYPENAME: Final = "__typename"


class Fetch(NamedTuple):
    """What is read of the records of a page.

    Attributes
    ----------
    attributes
        Their names; None: all.
    below
        By what tells a relationship field and its arguments (`key_of`): the index of its step, and what
        is read of the records there.
    whole
        Whether no field of these records, nor of those below, needs anything else to be loaded.
    """

    attributes: frozenset[str] | None
    steps: tuple[Step, ...]
    below: Mapping[str, tuple[int, Fetch]]
    total: bool
    whole: bool

    def of(self, query: Query) -> Query:
        """A question with all this."""
        return replace(query, attributes=self.attributes, steps=self.steps, total=self.total)


class Fetched:
    """What has come with the records of a page, as of `cmdb.queries.Page.below`.

    Attributes
    ----------
    places
        Where the records at the other ends are met, by the key of the field (`key_of`).
    """

    __slots__ = ("fetch", "pages", "places")

    def __init__(self, fetch: Fetch, pages: Mapping[tuple[str, int], Connected]) -> None:
        self.fetch, self.pages = fetch, pages
        self.places: dict[str, tuple[int, Place]] = {}


@dataclass
class _Wish:
    """What all selections on the records of a page want, as it is gathered."""

    attributes: set[str] | None = field(default_factory=set)
    relationship: set[str] | None = field(default_factory=set)
    only_records: bool = True
    total: bool = False
    whole: bool = True
    links: dict[str, tuple[Any, Mapping[str, Any], _Wish]] = field(default_factory=dict)


class Fetching:
    """Reads what one operation asks of the store off its selections."""

    def __init__(self, selections: Selections, filters: Filters) -> None:
        self.selections, self.filters = selections, filters
        self._steps = 0

    @classmethod
    def of(cls, info: Any) -> Fetching:
        """Of the operation that a field is resolved for."""
        return cls(Selections.of(info), info.context.records.filters)

    def page(self, type_: Any, fields: Iterable[FieldNode]) -> Fetch:
        """What is read of a page that fields select.

        Parameters
        ----------
        type_
            The type of the connection.

        Raises
        ------
        QueryError
        """
        return self._fetch(self._wish(type_, fields))

    def step(
        self, level: Any, arguments: Mapping[str, Any], type_: Any, fields: Iterable[FieldNode]
    ) -> tuple[Step, Fetch]:
        """The step that a relationship field takes, and what is read of the records there.

        Raises
        ------
        QueryError
        """
        return self._step(level, arguments, self._wish(type_, fields))

    # -- gathering ----------------------------------------------------------------------------------------

    def _wish(self, type_: Any, fields: Iterable[FieldNode]) -> _Wish:
        self._steps, wish = 0, _Wish()
        for node in fields:
            self._page(type_, node.selection_set, wish)
        return wish

    def _page(self, type_: Any, selection: SelectionSetNode | None, wish: _Wish) -> None:
        for owner, node in self.selections.fields(type_, selection):
            name = node.name.value
            wish.total |= name == "totalCount"
            if name == "nodes":
                self._records(get_named_type(owner.fields[name].type), node.selection_set, wish)
            elif name == "edges":
                self._edges(get_named_type(owner.fields[name].type), node.selection_set, wish)

    def _edges(self, type_: Any, selection: SelectionSetNode | None, wish: _Wish) -> None:
        for owner, node in self.selections.fields(type_, selection):
            name = node.name.value
            if name == "node":
                self._records(get_named_type(owner.fields[name].type), node.selection_set, wish)
            elif name != TYPENAME:
                wish.only_records &= name == "cursor"
                wish.relationship = _with(wish.relationship, model_field_of(owner.fields[name]))

    def _records(self, type_: Any, selection: SelectionSetNode | None, wish: _Wish) -> None:
        for owner, node in self.selections.fields(type_, selection):
            if node.name.value == TYPENAME:
                continue
            asked = owner.fields[node.name.value]
            made = model_field_of(asked)
            level = made.level if made is not None else None
            if level is not None and level.kind == "links":
                self._link(level, asked, node, wish)
            else:
                wish.whole &= level is None
                wish.attributes = _with(wish.attributes, made)

    def _link(self, level: Any, asked: Any, node: FieldNode, wish: _Wish) -> None:
        try:
            arguments = self.selections.arguments(asked, node)
        except GraphQLError:
            wish.whole = False
            return
        key = key_of(level, arguments)
        if key not in wish.links:
            if self._steps == STEPS:
                wish.whole = False
                return
            self._steps += 1
            wish.links[key] = (level, arguments, _Wish())
        self._page(get_named_type(asked.type), node.selection_set, wish.links[key][2])

    # -- asking -------------------------------------------------------------------------------------------

    def _fetch(self, wish: _Wish) -> Fetch:
        steps, below = [], {}
        for index, (key, link) in enumerate(wish.links.items()):
            step, fetch = self._step(*link)
            steps.append(step)
            below[key] = (index, fetch)
        attributes = None if wish.attributes is None else frozenset(wish.attributes)
        whole = wish.whole and all(fetch.whole for _, fetch in below.values())
        return Fetch(attributes, tuple(steps), below, wish.total, whole)

    def _step(self, level: Any, arguments: Mapping[str, Any], wish: _Wish) -> tuple[Step, Fetch]:
        first, filters = arguments.get("first"), self.filters
        fetch = self._fetch(wish)
        query = Query(
            level.far,
            filters.read(level.far, arguments.get("where")) or None,
            sort=filters.sort(level.far, arguments.get("orderBy")),
            first=PAGE if first is None else first,
            after=arguments.get("after"),
        )
        relationship = wish.relationship, wish.only_records
        return Step(level.relationship, fetch.of(query), *relationship), fetch


def key_of(level: Any, arguments: Mapping[str, Any]) -> str:
    """The same for the same relationship with the same arguments."""
    return f"{level.relationship} {arguments!r}"


def _with(attributes: set[str] | None, made: Any) -> set[str] | None:
    """Attributes, and those that a field takes: None for all, as soon as one takes all."""
    needs = made and made.needs
    return None if attributes is None or needs is None else attributes.union(needs)
