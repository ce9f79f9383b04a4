"""How a count stands: what was found, what is different, and what of that is settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.counting import FOUND, MISSING, Difference, Scope, difference, unexplained
from lifecycle.items import Item, items
from lifecycle.people import Directory
from schema.model import STATE_ATTRIBUTE


@dataclass
class Report:
    """How a count stands.

    Attributes
    ----------
    results
        How many devices were found, are missing, are misplaced.
    unknown
        Number -> who read it when, and how it was explained.
    unsettled
        How many differences and unknown numbers are open.
    """

    count: Record
    results: Counter[str]
    differences: list[Difference]
    unknown: Mapping[str, Mapping[str, Any]]
    unsettled: int


def report(store: GraphStore, count: str, directory: Directory) -> Report:
    """How a count stands. While it is open, what is expected and not read yet shows as missing."""
    process = store.record(count)
    results: Counter[str] = Counter()
    found: list[Difference] = []
    read: set[str] = set()
    for page in items(store, count):
        for item in page:
            read.add(item.record.id)
            results[item.details["result"]] += 1
            if item.details["result"] != FOUND:
                found.append(difference(item, count))
    if process.attributes.get(STATE_ATTRIBUTE) == "open":
        expected = Scope(store, process, directory).expected()
        waiting = [r for page in expected for r in page if r.id not in read]
        results += Counter({MISSING: len(waiting)})
        found += [Difference(record, MISSING, (), {}, "") for record in waiting]
    unsettled = sum(not d.settled for d in found) + len(unexplained(process))
    return Report(
        process, results, found, process.attributes.get("unknown_numbers") or {}, unsettled
    )


def open_items(store: GraphStore, count: str) -> Iterator[list[Item]]:
    """The differences of a count that nothing has settled, in pages."""
    for page in items(store, count):
        yield [
            i for i in page if i.details.get("result") != FOUND and not difference(i, count).settled
        ]
