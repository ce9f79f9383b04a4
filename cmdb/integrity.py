"""Integrity of a whole store: what `cmdb check` looks for, through the contract alone."""

from __future__ import annotations

import graphlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from cmdb.model_changes import invalid_attributes
from cmdb.store.base import Finding, GraphStore


def check(store: GraphStore, progress: Callable[[str], None] = lambda _: None) -> Iterator[Finding]:
    """Everything wrong with a store, each finding with a code, its subject and a sentence.

    Reads everything once: the store's own check, all records and relationships against the model,
    and the feed from its beginning against what is there.

    Parameters
    ----------
    progress
        Called with the name of each part as it begins.
    """
    progress("the store itself")
    yield from store.damage()
    progress("records")
    types: dict[str, str] = {}
    for record in store.scan_records():
        types[record.id] = record.type
        record_type = store.model.record_types.get(record.type)
        if record_type is None or record_type.abstract:
            yield Finding(
                "invalid_record", record.id, f"Its type {record.type} is not one a record can have."
            )
            continue
        for what in invalid_attributes(record_type, record.attributes):
            yield Finding("invalid_record", record.id, f"{what}.")
    progress("relationships")
    yield from _relationships(store, types)
    progress("the feed")
    yield from _feed(store)


def _relationships(store: GraphStore, types: dict[str, str]) -> Iterator[Finding]:
    ends: Counter[tuple[str, str, str]] = Counter()
    graphs: defaultdict[str, graphlib.TopologicalSorter[str]] = defaultdict(
        graphlib.TopologicalSorter
    )
    for link in store.scan_relationships():
        subject = str(link.key)
        rule = store.model.relationship_types.get(link.type)
        if rule is None:
            yield Finding("invalid_relationship", subject, "Its type is not in the model.")
            continue
        for end, id, allowed in (
            ("source", link.source, rule.sources),
            ("target", link.target, rule.targets),
        ):
            if types.get(id) not in allowed:
                yield Finding(
                    "dangling_end",
                    subject,
                    f"Its {end} is {types.get(id, 'not there')}, which {link.type} does not allow.",
                )
        for what in invalid_attributes(rule, link.attributes):
            yield Finding("invalid_relationship", subject, f"{what}.")
        for limited, end, id in (
            (rule.one_target, "source", link.source),
            (rule.one_source, "target", link.target),
        ):
            if limited:
                ends[link.type, end, id] += 1
                if ends[link.type, end, id] == 2:
                    yield Finding(
                        "cardinality", id, f"It is the {end} of more than one {link.type}."
                    )
        if rule.acyclic:
            graphs[link.type].add(link.target, link.source)
    for name, graph in graphs.items():
        try:
            graph.prepare()
        except graphlib.CycleError as error:
            yield Finding("cycle", name, f"It forms a cycle: {' -> '.join(error.args[1])}.")


def _feed(store: GraphStore) -> Iterator[Finding]:
    previous = None
    records = links = record_images = link_images = count = 0
    for revision, changes in store.feed():
        count += 1
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
    told = (records, links, record_images, link_images, count)
    held = store.statistics()
    for name, expected, actual in zip(held._fields, told, held, strict=True):
        if expected != actual:
            yield Finding(
                "feed_differs", name, f"The feed tells of {expected}; the store holds {actual}."
            )
