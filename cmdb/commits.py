"""What committing is made of: the plan of a revision, and what a store's write transaction offers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from cmdb.records import Record, Relationship, RelationshipKey
from cmdb.revisions import Revision
from schema.model import Model

End = Literal["source", "target"]


@dataclass(slots=True)
class Plan:
    """The net effect of a change set, ready to be written: what a revision is made of."""

    created: list[Record] = field(default_factory=list)
    updated: list[tuple[Record, Record]] = field(default_factory=list)
    related: list[Relationship] = field(default_factory=list)
    altered: list[tuple[Relationship, Relationship]] = field(default_factory=list)
    unrelated: list[Relationship] = field(default_factory=list)
    model: str | None = None

    def __bool__(self) -> bool:
        return bool(
            self.created
            or self.updated
            or self.related
            or self.altered
            or self.unrelated
            or self.model
        )


class WriteTransaction(Protocol):
    """What a store offers inside one serialised write transaction.

    ``last`` is the newest revision, ``model`` the model applied to the store (None in an empty
    one). No other commit can come between these reads and `write`.
    """

    last: Revision | None
    model: Model | None

    def revision_of(self, change_set: str) -> int | None:
        """The revision a change set became, if it was committed before."""
        ...

    def records(self, ids: Collection[str]) -> dict[str, Record]:
        """The live records of these ids; missing ones are left out."""
        ...

    def types(self, ids: Collection[str]) -> dict[str, str]:
        """Record type by id; missing ones are left out."""
        ...

    def relationships(
        self, keys: Collection[RelationshipKey]
    ) -> dict[RelationshipKey, Relationship]:
        """The live relationships of these keys; missing ones are left out."""
        ...

    def relationships_at(
        self, end: End, ids: Collection[str], types: Collection[str]
    ) -> list[RelationshipKey]:
        """The live relationships of some types that have one of these records at an end."""
        ...

    def holders(self, record_type: str, attribute: str, values: Collection[Any]) -> list[Record]:
        """The live records of a type, subtypes included, that have one of these values."""
        ...

    def write(self, revision: Revision, plan: Plan, chained: bool = True) -> Revision:
        """Store a revision; part of the transaction.

        Parameters
        ----------
        chained
            Whether it is given a digest; gives the revision with it.
        """
        ...


class StaleError(Exception):
    """A record is not at the revision its writer expected; the store turns it into a ConflictError."""

    def __init__(self, record: str, expected: int, actual: int) -> None:
        super().__init__(record, expected, actual)
        self.record, self.expected, self.actual = record, expected, actual
