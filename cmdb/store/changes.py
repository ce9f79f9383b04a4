"""Building `Changes` from what a store read: shared by the stores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from cmdb.queries import Count
from cmdb.records import Record, Relationship, RelationshipKey
from cmdb.revisions import Changes, RecordChange, RelationshipChange

Side = Literal["before", "after"]


def gathered(
    elements: Iterable[tuple[Side, Record | Relationship]], model: str | None = None
) -> Changes:
    """The changes of one revision, from the elements that ended and that began with it."""
    records: dict[str, dict[str, Any]] = {}
    links: dict[RelationshipKey, dict[str, Any]] = {}
    for side, element in elements:
        if isinstance(element, Record):
            records.setdefault(element.id, {})[side] = element
        else:
            links.setdefault(element.key, {})[side] = element
    return Changes(
        [RecordChange(c.get("before"), c.get("after")) for _, c in sorted(records.items())],
        [RelationshipChange(c.get("before"), c.get("after")) for _, c in sorted(links.items())],
        model,
    )


def net_changes(
    records_before: Mapping[str, Record],
    records_after: Mapping[str, Record],
    links_before: Mapping[RelationshipKey, Relationship],
    links_after: Mapping[RelationshipKey, Relationship],
) -> Changes:
    """What differs between two states; what is equal but for its revision is left out."""
    records = []
    for id in sorted(records_before.keys() | records_after.keys()):
        old, new = records_before.get(id), records_after.get(id)
        if old is None or new is None or old.attributes != new.attributes:
            records.append(RecordChange(old, new))
    links = []
    for key in sorted(links_before.keys() | links_after.keys()):
        was, now = links_before.get(key), links_after.get(key)
        if was is None or now is None or was.attributes != now.attributes:
            links.append(RelationshipChange(was, now))
    return Changes(records, links)


def sort_counts(counts: Iterable[Count]) -> list[Count]:
    """Most first, then by value; no value last."""
    return sorted(counts, key=lambda c: (-c.count, [(v is None, str(v)) for v in c.values]))
