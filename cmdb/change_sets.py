"""The one way to write: a change set, committed as one revision or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple

from cmdb.ids import new_id
from cmdb.records import Record

CHANGE_SET_LIMIT: Final = 200_000
"""Most operations in one change set: it is checked, and committed, in memory."""


class Create(NamedTuple):
    """A new record. Give `id` (see `cmdb.ids.new_id`) to relate it in the same change set."""

    type: str
    attributes: Mapping[str, Any]
    id: str


class Update(NamedTuple):
    """New values for some attributes of a record; None removes one.

    A change of ``lifecycle_state`` is a *transition*: the type's state machine must allow it.
    ``expected_revision`` is the record's revision the writer has seen: if it has another by now,
    the whole change set fails with a `ConflictError`. Without it, only the attributes named here
    are written over.

    ``type`` is another record type, for what turns out to be something else: attributes that the new
    type lacks are dropped; its state, relationships and what refers to it must fit the new type.
    """

    id: str
    attributes: Mapping[str, Any]
    expected_revision: int | None = None
    type: str | None = None


class Relate(NamedTuple):
    """(source)-[:type]->(target), new or with these attributes from now on."""

    source: str
    type: str
    target: str
    attributes: Mapping[str, Any] = {}


class Unrelate(NamedTuple):
    """Close a relationship; its interval stays in the history."""

    source: str
    type: str
    target: str


Operation = Create | Update | Relate | Unrelate


@dataclass(frozen=True)
class ChangeSet:
    """Operations that belong together, with who wants them and why.

    Attributes
    ----------
    operations
        Applied in order; only their net effect is recorded.
    actor
        The person or tool that answers for it.
    source
        Where the facts come from (``manual``, an importer's name …).
    reason
        The order, change, incident or import run behind it, or a sentence.
    effective_on
        The day from which it holds in the real world, where that differs; used by ledgers and
        reports, never by as-of reads.
    id
        Committing the same id again commits nothing and returns the revision it became.
    based_on
        The newest revision its writer has seen of the whole store: if there is a newer one, nothing
        is committed. For writers that decided by what was *not* there.
    managed
        Whether it may write managed attributes, and gives canonical values: only the product's own
        parts say so.
    process
        Whether it is the outcome of a process (`lifecycle`), which has looked at the guards: it may take
        governed transitions, and write what is frozen or managed. What it sets counts as set by hand.
    known
        Records by id, as its writer has read them at `based_on`: as nobody has committed since, they are not
        read again.
    """

    operations: Sequence[Operation]
    actor: str
    source: str = "manual"
    reason: str = ""
    effective_on: date | None = None
    id: str = field(default_factory=new_id)
    based_on: int | None = None
    managed: bool = False
    process: bool = False
    known: Mapping[str, Record] = field(default_factory=dict)
