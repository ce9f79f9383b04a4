"""What the fields of record types stand on: a record as it was asked for, and what has been loaded for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from cmdb.queries import AsOf
from cmdb.records import Record, Relationship

if TYPE_CHECKING:
    from api.graphql.fetching import Fetched


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
    """

    at: AsOf = None
    masks: Callable[[Record], Collection[str]] = lambda _: ()
    fetched: Fetched | None = None


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

    Parameters
    ----------
    links
        The relationships that lead to the records, one for each, or none at all.

    Attributes
    ----------
    cursor
        Continues after the last one; None if there are no more.
    begins
        Whether it is the first page.
    cursor_of
        Gives the cursor of one record of the page.
    views
        The records as what is loaded for them stands on; None until something needs that.
    """

    __slots__ = (
        "begins", "cursor", "cursor_of", "links", "place", "records", "total", "views",
    )  # fmt: skip

    def __init__(
        self,
        records: Sequence[Record],
        place: Place,
        cursor: str | None,
        total: int | None,
        begins: bool,
        cursor_of: Any,
        links: Sequence[Relationship | None] = (),
    ) -> None:
        self.records, self.place, self.links = records, place, links
        self.cursor, self.total, self.begins, self.cursor_of = cursor, total, begins, cursor_of
        self.views: list[View] | None = None

    @property
    def nodes(self) -> list[View]:
        if self.views is None:
            self.views = [View(record, self.place) for record in self.records]
        return self.views

    @property
    def edges(self) -> list[Edge]:
        return [Edge(view, link, self) for view, link in zip_longest(self.nodes, self.links)]

    @property
    def start_cursor(self) -> str | None:
        return self.cursor_of(self.records[0]) if self.records else None

    @property
    def end_cursor(self) -> str | None:
        return self.cursor_of(self.records[-1]) if self.records else None
