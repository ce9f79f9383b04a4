"""What the fields of record types stand on: a record as it was asked for, and what has been loaded for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
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

    __slots__ = ("begins", "cursor", "cursor_of", "loaded", "nodes", "pairs", "settled", "total")

    def __init__(
        self,
        pairs: Sequence[tuple[View, Relationship | None]],
        cursor: str | None,
        total: int | None,
        begins: bool,
        cursor_of: Any,
    ) -> None:
        self.pairs, self.nodes = pairs, [view for view, _ in pairs]
        self.cursor, self.total, self.begins, self.cursor_of = cursor, total, begins, cursor_of
        self.settled = False
        self.loaded: dict[Any, Any] = {}

    @property
    def edges(self) -> list[Edge]:
        return [Edge(view, relationship, self) for view, relationship in self.pairs]

    @property
    def start_cursor(self) -> str | None:
        return self.cursor_of(self.nodes[0].record) if self.nodes else None

    @property
    def end_cursor(self) -> str | None:
        return self.cursor_of(self.nodes[-1].record) if self.nodes else None
