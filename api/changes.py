"""What a revision changed of the records that a filter describes, as somebody sees it: for subscriptions and
webhooks.

The filter is evaluated by the store, as of the revision and as of the one before. So a record that comes to
match enters, and one that no longer does leaves, whatever the reason: a value, a relationship, or that it
came into reach of who asks. Looked at are the records that the revision changed; where the filter asks for
related records, also those at the ends of relationships that it changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final, NamedTuple

from cmdb.errors import QueryError
from cmdb.ids import new_id
from cmdb.queries import PAGE_LIMIT, Query
from cmdb.records import Record, same_values
from cmdb.revisions import Commit
from cmdb.store import GraphStore
from cmdb.store.base import MASK
from schema.model import ROOT, Model

BATCH: Final = 1_000


class Kind(StrEnum):
    """What happened to a record, as a filter has it."""

    CREATED = "created"
    CHANGED = "changed"
    ENTERED = "entered"
    LEFT = "left"


class Change(NamedTuple):
    """One record that a revision changed.

    Attributes
    ----------
    at
        The revision.
    before, after
        As who asks sees it; None where it was not there, or is not seen.
    """

    id: str
    kind: Kind
    before: Record | None
    after: Record | None
    at: int

    @property
    def record(self) -> Record:
        """As it is now, or was last."""
        found = self.after or self.before
        assert found is not None
        return found


class AttributeChange(NamedTuple):
    """One attribute before and after, as JSON."""

    attribute: str
    before: Any
    after: Any


class Watched:
    """The records that somebody watches.

    Parameters
    ----------
    type
        Record type, subtypes included.
    where
        A filter as every door takes it.
    organisation
        Only records of it, and of those below it.
    """

    def __init__(
        self,
        type: str = ROOT,
        where: Mapping[str, Any] | None = None,
        organisation: str | None = None,
    ) -> None:
        self.query = Query(type, where or None, organisation=organisation, first=PAGE_LIMIT)

    def check(self, store: GraphStore) -> None:
        """Refuse what cannot be asked.

        Raises
        ------
        QueryError, UnknownNameError, NotAllowedError
        """
        store.find(replace(self._among([new_id()]), first=1))

    def changes(self, store: GraphStore, commit: Commit) -> Iterator[Change]:
        """What a revision changed, by id. Two statements for every thousand records that it changed, and
        two more where some came or went.

        Parameters
        ----------
        store
            As it is seen by who asks.
        commit
            Of the store itself: it tells only which ids to look at.
        """
        created = {c.id for c in commit.changes.records if c.before is None}
        touched = sorted(self.touched(store.model, commit))
        for start in range(0, len(touched), BATCH):
            ids = touched[start : start + BATCH]
            yield from self._looked_at(store, ids, created, commit.revision.number)

    def _looked_at(
        self, store: GraphStore, ids: Sequence[str], created: set[str], number: int
    ) -> Iterator[Change]:
        query = self._among(ids)
        after = {r.id: r for r in store.find(replace(query, as_of=number)).records}
        earlier = replace(query, as_of=number - 1)
        before = {r.id: r for r in store.find(earlier).records} if number > 1 else {}
        came = after.keys() - before.keys() - created
        went = before.keys() - after.keys()
        was = store.get(sorted(came), number - 1) if came else {}
        is_ = store.get(sorted(went), number) if went else {}
        for id in ids:
            if id in after:
                kind = Kind.CREATED if id in created else Kind.ENTERED
                kind = Kind.CHANGED if id in before else kind
                yield Change(id, kind, before.get(id) or was.get(id), after[id], number)
            elif id in before:
                yield Change(id, Kind.LEFT, before[id], is_.get(id), number)

    def touched(self, model: Model, commit: Commit) -> set[str]:
        """The ids that a revision gives to look at; of types that the model no longer has, none."""
        kinds = model.record_type(self.query.type).concrete
        changed = {
            change.id
            for change in commit.changes.records
            if any(image is not None and image.type in kinds for image in change)
        }
        if _names_relationships(self.query.where):
            links = (c.key for c in commit.changes.relationships)
            changed |= {end for key in links for end in (key.source, key.target)}
        return changed

    def _among(self, ids: Sequence[str]) -> Query:
        where: dict[str, Any] = {"id": {"in": list(ids)}}
        if self.query.where:
            where = {"and": [where, dict(self.query.where)]}
        return replace(self.query, where=where)


def attribute_changes(model: Model, change: Change) -> list[AttributeChange]:
    """What differs, by attribute; sensitive values are hidden, and what the product keeps for itself is left
    out. Nothing of a record that is no longer seen."""
    if change.kind is Kind.LEFT and change.after is None:
        return []
    old = change.before.attributes if change.before else {}
    new = change.after.attributes if change.after else {}
    told_old, told_new = model.to_json(old), model.to_json(new)
    found = []
    for name in sorted(old.keys() | new.keys()):
        if same_values(old.get(name), new.get(name)) or name in model.managed:
            continue
        hidden = name in model.sensitive
        sides = [MASK if hidden and name in t else t.get(name) for t in (told_old, told_new)]
        found.append(AttributeChange(name, *sides))
    return found


def check_revision(store: GraphStore, after: int) -> None:
    """Refuse a revision that is not there yet.

    Raises
    ------
    QueryError
    """
    if not 0 <= after <= store.last_revision().number:
        raise QueryError(f"There is no revision {after}.", "Give the last one that you received.")


def _names_relationships(where: Any) -> bool:
    """Whether a filter asks for related records: their names are in capitals."""
    if isinstance(where, Mapping):
        return any(str(name).isupper() or _names_relationships(v) for name, v in where.items())
    return isinstance(where, list | tuple) and any(map(_names_relationships, where))
