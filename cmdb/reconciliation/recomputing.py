"""Working values out anew from what sources said: after precedence changed, or a source was withdrawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cmdb.change_sets import ChangeSet, Operation, Update
from cmdb.reconciliation.links import Links
from cmdb.reconciliation.planning import Entry, RecordPlanner
from cmdb.reconciliation.precedence import Precedence, provenance_of
from cmdb.reconciliation.runs import withdrawals
from cmdb.records import Record, RelationshipKey
from cmdb.store import GraphStore
from schema.model import PROVENANCE

BATCH = 2_000

Planned = tuple[list[Operation], list[Entry]]


def recompute(store: GraphStore, precedence: Precedence) -> Iterator[Planned]:
    """What changes when each value is that of the source that counts most by a precedence.

    Reads every record once; yields change sets of at most a few thousand operations.
    """
    planner = RecordPlanner(store.model, "", precedence, {})
    operations: list[Operation] = []
    entries: list[Entry] = []
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
                done, lines = _swapped(store, record, precedence)
                operations += done
                entries += lines
        if len(operations) >= BATCH:
            yield operations, entries
            operations, entries = [], []
    if operations:
        yield operations, entries


def _swapped(store: GraphStore, record: Record, precedence: Precedence) -> Planned:
    """Relationships that stand by at a record and now count more than the one in force."""
    operations: list[Operation] = []
    entries: list[Entry] = []
    for source, claim in provenance_of(record.attributes).items():
        links = Links(store.model, source, precedence)
        links.add_live(near.relationship for near in store.neighbours([record.id]))
        for type_, waiting in claim.get("standby", {}).items():
            for source_id, target_id, said in waiting:
                key = RelationshipKey(source_id, type_, target_id)
                end = said.get("by", "s")[:1]
                links.claim(key, end, said.get("values", {}), 0)
        if any(links.after[key] is None for key in links.after):
            after = dict(provenance_of(record.attributes))
            after[source] = {n: v for n, v in claim.items() if n != "standby"}
            for other, key, said in links.standby.get(record.id, ()):
                theirs = {"standby": {key.type: [[key.source, key.target, said]]}}
                after[other] = {**after.get(other, {}), **theirs}
            operations.append(Update(record.id, {PROVENANCE: after}))
            for key, operation, _ in links.changed():
                action = "unrelated" if links.after[key] is None else "related"
                entries.append(Entry(action, key.type, " ".join(key), key.source))  # type: ignore[arg-type]
                operations.append(operation)
            break
    return operations, entries


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
