"""Integrity of a whole store: what `cmdb check` looks for, through the contract alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from cmdb.audit import Audit
from cmdb.batching import batched
from cmdb.owners import owners_of
from cmdb.pending import reading
from cmdb.store.base import Finding, GraphStore
from cmdb.violations import (
    invalid_attributes,
    invalid_references,
    invalid_relationships,
    references,
)

BATCH: Final = 10_000
"""Records whose owners are looked at together: for each batch Neo4j reads all organisations."""


def check(
    store: GraphStore,
    progress: Callable[[str], None] = lambda _: None,
    audit: Audit | None = None,
) -> Iterator[Finding]:
    """Everything wrong with a store, each finding with a code, its subject and a sentence.

    Reads everything once: the store's own check, all records and relationships against the model,
    and the feed from its beginning against what is there; all as of the newest revision at its start.

    Parameters
    ----------
    progress
        Called with the name of each part as it begins.
    audit
        Follows the feed too.
    """
    progress("the store itself")
    yield from store.damage()
    progress("records")
    at = store.last_revision().number
    types: dict[str, str] = {}
    named: dict[tuple[str, str, str], str] = {}
    for record in store.scan_records(at):
        types[record.id] = record.type
        record_type = store.model.record_types.get(record.type)
        if record_type is None or record_type.abstract:
            yield Finding(
                "invalid_record", record.id, f"Its type {record.type} is not one a record can have."
            )
            continue
        for what in invalid_attributes(record_type, record.attributes):
            yield Finding("invalid_record", record.id, f"{what}.")
        for reference in references(record_type, record.attributes):
            named.setdefault(reference, record.id)
    for what, id in invalid_references(named, types, store.model):
        yield Finding("invalid_reference", id, f"{what}.")
    progress("relationships")
    links, rules = store.scan_relationships(at), store.model.relationship_types
    for code, what, subject in invalid_relationships(links, rules, types):
        yield Finding(code, subject, f"{what}.")
    progress("owners")
    yield from _owners(store, types, at)
    progress("the feed")
    yield from _feed(store, at, audit)


def _owners(store: GraphStore, ids: Iterable[str], at: int) -> Iterator[Finding]:
    for batch in batched(ids, BATCH):
        made, kept = owners_of(store.model, reading(store), batch), store._owners(batch)
        wrong = [id for id in batch if made.get(id) != kept.get(id)]
        if wrong and store.last_revision().number != at:
            return  # Somebody has written meanwhile.
        for id in wrong:
            yield Finding(
                "wrong_owner", id, "The organisation that it is kept under is not its own."
            )


def _feed(store: GraphStore, at: int, audit: Audit | None) -> Iterator[Finding]:
    previous = None
    records = links = record_images = link_images = count = 0
    for commit in store.feed(upto=at):
        revision, changes = commit
        count += 1
        if audit:
            yield from audit.follow(commit)
        if revision.number != (previous.number if previous else 0) + 1:
            yield Finding(
                "feed_gap",
                str(revision.number),
                f"It does not follow revision {previous.number if previous else 0}.",
            )
        if previous and revision.at <= previous.at:
            yield Finding(
                "feed_order", str(revision.number), "It is not later than the one before it."
            )
        previous = revision
        for change in changes.records:
            records += change.before is None
            record_images += change.before is not None
        for link in changes.relationships:
            links += (link.before is None) - (link.after is None)
            link_images += link.before is not None
    if audit:
        yield from audit.end()
    told = (records, links, record_images, link_images, count)
    held = store.statistics()
    if store.last_revision().number != at:
        return  # Somebody has written meanwhile; the counts are of different moments.
    for name, expected, actual in zip(held._fields, told, held, strict=True):
        if expected != actual:
            yield Finding(
                "feed_differs", name, f"The feed tells of {expected}; the store holds {actual}."
            )
