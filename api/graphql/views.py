"""What the fields of record types stand on: a record as it was asked for, and what has been loaded for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from cmdb.queries import AsOf
from cmdb.records import Record, Relationship


class View:
    """A record as of a moment, and what the level fields of its selection have loaded for it.

    Attributes
    ----------
    at
        The moment it was asked for; what is reached from it is asked as of the same.
    masked
        Names of attributes that were withheld from who asks.
    loaded
        Values of level fields by key (`levels.Levels`).
    """

    __slots__ = ("at", "loaded", "masked", "record")

    def __init__(self, record: Record, at: AsOf = None, masked: Sequence[str] = ()) -> None:
        self.record, self.at, self.masked = record, at, masked
        self.loaded: dict[Any, Any] = {}


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
        All that is selected below has been loaded.
    """

    __slots__ = ("begins", "cursor", "cursor_of", "edges", "loaded", "settled", "total")

    def __init__(
        self,
        pairs: Sequence[tuple[View, Relationship | None]],
        cursor: str | None,
        total: int | None,
        begins: bool,
        cursor_of: Any,
        settled: bool = False,
    ) -> None:
        self.edges = [Edge(view, relationship, self) for view, relationship in pairs]
        self.cursor, self.total, self.begins, self.cursor_of = cursor, total, begins, cursor_of
        self.settled = settled
        self.loaded: dict[Any, Any] = {}

    @property
    def nodes(self) -> list[View]:
        return [edge.node for edge in self.edges]

    @property
    def start_cursor(self) -> str | None:
        return self.cursor_of(self.edges[0].node.record) if self.edges else None

    @property
    def end_cursor(self) -> str | None:
        return self.cursor_of(self.edges[-1].node.record) if self.edges else None
