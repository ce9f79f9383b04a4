"""What the fields of record types stand on: a record as it was asked for, and what has been loaded for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from cmdb.queries import AsOf
from cmdb.records import Record, Relationship

if TYPE_CHECKING:
    from api.graphql.fetching import Fetched


class View:
    """A record as of a moment, and what the level fields of its selection have loaded for it.

    Attributes
    ----------
    at
        The moment it was asked for; what is reached from it is asked as of the same.
    fetched
        What has come with it; None where nothing was asked to come with it.
    loaded
        Values of level fields by key (`levels.Levels`).
    """

    __slots__ = ("_masks", "at", "fetched", "loaded", "record")

    def __init__(
        self,
        record: Record,
        at: AsOf = None,
        masks: Callable[[Record], Collection[str]] = lambda _: (),
        fetched: Fetched | None = None,
    ) -> None:
        self.record, self.at, self.fetched, self._masks = record, at, fetched, masks
        self.loaded: dict[Any, Any] = {}

    @property
    def masked(self) -> Collection[str]:
        """Names of attributes that were withheld from who asks."""
        return self._masks(self.record)


class Edge(NamedTuple):
    """One record of a connection, with the relationship that leads there."""

    node: View
    relationship: Relationship | None
    connection: Connection


class Connection:
    """One page of records.

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
    settled
        What is selected below has come with it, or is being loaded for who asked.
    """

    __slots__ = ("_links", "begins", "cursor", "cursor_of", "nodes", "settled", "total")

    def __init__(
        self,
        nodes: Sequence[View],
        cursor: str | None,
        total: int | None,
        begins: bool,
        cursor_of: Any,
        links: Sequence[Relationship | None] = (),
    ) -> None:
        self.nodes, self._links = nodes, links
        self.cursor, self.total, self.begins, self.cursor_of = cursor, total, begins, cursor_of
        self.settled = False

    @property
    def edges(self) -> list[Edge]:
        return [Edge(view, link, self) for view, link in zip_longest(self.nodes, self._links)]

    @property
    def start_cursor(self) -> str | None:
        return self.cursor_of(self.nodes[0].record) if self.nodes else None

    @property
    def end_cursor(self) -> str | None:
        return self.cursor_of(self.nodes[-1].record) if self.nodes else None
