"""What the fields of record types stand on: a record as it was asked for, and what has been loaded for it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from cmdb.queries import AsOf, Page
from cmdb.records import Record, Relationship
from cmdb.store.base import Connected

if TYPE_CHECKING:
    from api.graphql.fetching import Fetched


def no_cursor(record: Record) -> str:
    """Of records that are no page."""
    raise TypeError(f"{record.id} is on no page")


def unmasked(_: Record) -> Collection[str]:
    """Of a store that withholds nothing."""
    return ()


class Place(NamedTuple):
    """Where records were met.

    Attributes
    ----------
    at
        The moment they were asked for; what is reached from them is asked as of the same.
    masks
        Gives the names of a record's attributes that were withheld from who asks.
    fetched
        What has come with them; None where nothing was asked to come with them.
    begins
        Whether theirs is the first page.
    cursor_of
        Gives the cursor of one record of a page.
    """

    at: AsOf = None
    masks: Callable[[Record], Collection[str]] = unmasked
    fetched: Fetched | None = None
    begins: bool = True
    cursor_of: Callable[[Record], str] = no_cursor


class View:
    """A record at a place, and what the level fields of its selection have loaded for it.

    Attributes
    ----------
    loaded
        Values of level fields by key (`levels.Levels`).
    """

    __slots__ = ("loaded", "place", "record")

    def __init__(self, record: Record, place: Place) -> None:
        self.record, self.place = record, place
        self.loaded: dict[Any, Any] = {}

    @property
    def type(self) -> str:
        """The name of the object type that it is told as."""
        return self.record.type

    @property
    def at(self) -> AsOf:
        return self.place.at

    @property
    def masked(self) -> Collection[str]:
        """Names of attributes that were withheld from who asks."""
        return self.place.masks(self.record)


class Edge(NamedTuple):
    """One record of a connection, with the relationship that leads there."""

    node: View
    relationship: Relationship | None
    connection: Connection


class Connection:
    """One page of records, all met at one place.

    Attributes
    ----------
    page
        As the store gives it. A page that follows relationships has these, too.
    views
        The records as what is loaded for them stands on; None until something needs that.
    """

    __slots__ = ("page", "place", "views")

    def __init__(self, page: Page | Connected, place: Place) -> None:
        self.page, self.place = page, place
        self.views: list[View] | None = None

    @property
    def nodes(self) -> list[View]:
        if self.views is None:
            self.views = [View(record, self.place) for record in self.page.records]
        return self.views

    @property
    def edges(self) -> list[Edge]:
        links = getattr(self.page, "relationships", ())
        return [Edge(view, link, self) for view, link in zip_longest(self.nodes, links)]

    @property
    def start_cursor(self) -> str | None:
        records = self.page.records
        return self.place.cursor_of(records[0]) if records else None

    @property
    def end_cursor(self) -> str | None:
        records = self.page.records
        return self.place.cursor_of(records[-1]) if records else None
