"""Revisions: what a committed change set became, and the feed that tells of them in order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from cmdb.records import Record, Relationship, RelationshipKey


class Revision(NamedTuple):
    """One commit. Numbers begin at 1 and have no gaps; instants only grow.

    ``change_set`` is the id of the change set it came from; the fields behind it are the change set's.

    ``digest`` is the SHA-256 of this revision with all it changed, and of the digest before it
    (`cmdb.store.chain`). Who has noted it down can tell, later, whether anything up to here was changed
    past the product: `cmdb check --audit`. It does not tell who did, nor keep anybody who may write to
    the database from making the whole chain anew: that shows only against a digest noted elsewhere. None
    where a release without digests wrote the revision.
    """

    number: int
    change_set: str
    at: datetime
    actor: str
    source: str
    reason: str
    effective_on: date | None = None
    digest: str | None = None


class RecordChange(NamedTuple):
    """One record before and after; ``before`` is None for a new one. Records never vanish.

    In a comparison whose later end comes before its earlier one, ``after`` may be None.
    """

    before: Record | None
    after: Record | None

    @property
    def id(self) -> str:
        return (self.after or self.before).id  # type: ignore[union-attr]


class RelationshipChange(NamedTuple):
    """One relationship before and after: None before it is made, None after it is closed."""

    before: Relationship | None
    after: Relationship | None

    @property
    def key(self) -> RelationshipKey:
        return (self.after or self.before).key  # type: ignore[union-attr]


class Changes(NamedTuple):
    """What differs between two states of the graph.

    ``records`` are sorted by id, ``relationships`` by key. ``model`` is the document of the model
    that was applied, if one was.
    """

    records: Sequence[RecordChange]
    relationships: Sequence[RelationshipChange]
    model: str | None = None


class Commit(NamedTuple):
    """A revision and what it changed: one entry of the feed, or of one record's history."""

    revision: Revision
    changes: Changes


class CommitResult(NamedTuple):
    """What committing a change set gave.

    ``committed`` is False where nothing would have changed, or the change set was committed
    before: then no revision was made, and ``revision`` is the current one, or the earlier one.
    """

    revision: int
    committed: bool
