"""Working values out anew from what sources said: after precedence changed, or a source was withdrawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from cmdb.change_sets import ChangeSet, Create, Operation, Update
from cmdb.reconciliation.links import Links
from cmdb.reconciliation.planning import Entry, RecordPlanner
from cmdb.reconciliation.precedence import Precedence, provenance_of
from cmdb.reconciliation.withdrawing import withdrawals
from cmdb.records import RelationshipKey
from cmdb.store import GraphStore
from schema.model import PROVENANCE

BATCH = 2_000

Planned = tuple[list[Operation], list[Entry]]


def recompute(store: GraphStore, precedence: Precedence) -> Iterator[Planned]:
    """What changes when each value, and each place that only one can have, is that of the source that
    counts most by a precedence.

    Reads every record and relationship once; yields change sets of at most a few thousand operations.
    """
    planner = RecordPlanner(store.model, "", precedence, {})
    operations: list[Operation] = []
    entries: list[Entry] = []
    around: list[str] = []
    for record in store.scan_records():
        before = provenance_of(record.attributes)
        record_type = store.model.record_types[record.type]
        if before:
            changes, provenance = planner.outcome(record, record_type, {}, before)
            if changes:
                attributes = {n: value for n, (value, _) in changes.items()}
                if provenance != before:
                    attributes[PROVENANCE] = provenance
                entry = Entry("updated", record.type, record.name, record.id)
                entry.differences = planner.differences(record, changes)
                operations.append(Update(record.id, attributes, record.revision))
                entries.append(entry)
            if any("standby" in claim for claim in before.values()):
                around.append(record.id)
        if len(operations) >= BATCH:
            yield operations, entries
            operations, entries = [], []
    if operations:
        yield operations, entries
    contested = (
        link.key for link in store.scan_relationships() if len(provenance_of(link.attributes)) > 1
    )
    yield from _settled(store, precedence, around, contested)


def _settled(
    store: GraphStore,
    precedence: Precedence,
    around: Sequence[str],
    contested: Iterable[RelationshipKey],
) -> Iterator[Planned]:
    """Relationships anew: what stands by at records, and those that several sources claim."""
    done: set[RelationshipKey] = set()
    left = chain[str | RelationshipKey](around, contested)
    while batch := list(islice(left, BATCH)):
        links = Links(store, "", precedence, {})
        links.load(
            [(key, "s") for key in batch if isinstance(key, RelationshipKey)],
            [id_ for id_ in batch if isinstance(id_, str)],
        )
        links.resolve((links.stood.keys() | links.live.keys() & {*batch}) - done)
        done |= links.in_force.keys()
        changes: dict[str, Create | Update] = {}
        links.stand_by(changes)
        steps, entries = links.steps()
        yield [*changes.values(), *(step.operation for step in steps)], entries


def withdraw(store: GraphStore, source: str, precedence: Precedence) -> Iterator[Planned]:
    """What changes when a source no longer reports anything; reads every record once."""
    names: dict[str, str] = {}
    ids = [r.id for r in store.scan_records() if source in provenance_of(r.attributes)]
    for start in range(0, len(ids), BATCH):
        yield withdrawals(store, source, ids[start : start + BATCH], precedence, names)


def apply(
    store: GraphStore,
    planned: Iterator[Planned],
    *,
    actor: str,
    source: str,
    reason: str,
    report: Callable[[Entry], None],
    dry_run: bool,
) -> list[int]:
    """Commit what was planned, a change set at a time; gives the revisions made.

    Raises
    ------
    ConflictError
        Somebody changed one of the records meanwhile. Do it again: what was done stays done.
    """
    revisions: list[int] = []
    for operations, entries in planned:
        if operations and not dry_run:
            change = ChangeSet(operations, actor, source, reason, managed=True)
            done = store.commit(change)
            if done.committed:
                revisions.append(done.revision)
        for entry in entries:
            report(entry)
    return revisions
