"""Records that a subject could be, and whether they agree with it by a rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from cmdb.reconciliation.vendors import vendor
from cmdb.records import Record
from schema.model import IdentificationRule


class Candidates:
    """Records that could be meant, found by value: those of the store, and those about to be made.

    Attributes
    ----------
    by_value
        (attribute, value) -> ids.
    """

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.by_value: defaultdict[tuple[str, Any], list[str]] = defaultdict(list)
        self._below: defaultdict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, record: Record, attributes: Iterable[str]) -> None:
        """A record that may be found by some of its attributes."""
        new = record.id not in self.records
        self.records[record.id] = record
        for name in attributes:
            value = record.attributes.get(name)
            if value is None or type(value) is list or type(value) is dict:
                continue
            found = self.by_value[name, value]
            if new or record.id not in found:
                found.append(record.id)

    def put_below(self, parent: str, relationship: str, record: Record) -> None:
        """A record that stands at the other end of a parent's relationship."""
        self.records.setdefault(record.id, record)
        found = self._below[parent, relationship]
        if record.id not in found:
            found.append(record.id)

    def holding(self, attribute: str, value: Any) -> list[Record]:
        return [self.records[id] for id in self.by_value.get((attribute, value), ())]

    def below(self, parent: str, relationship: str) -> list[Record]:
        return [self.records[id] for id in self._below.get((parent, relationship), ())]


def agree(
    rule: IdentificationRule, one: Mapping[str, Any], other: Mapping[str, Any]
) -> bool | None:
    """Whether two have the same values by a rule.

    None where one of them has not got them, or where only what need not be there differs: that
    neither finds a record nor rules one out.
    """
    for name in rule.attributes:
        if name not in one or name not in other:
            return None
    for name in rule.attributes:
        if not _same(one[name], other[name]):
            return False
    both = (name for name in rule.agreeing if name in one and name in other)
    return True if all(_alike(name, one[name], other[name]) for name in both) else None


def _alike(attribute: str, one: Any, other: Any) -> bool:
    """Whether two values of an attribute do not differ; makers have many ways to write their names."""
    return _same(one, other) or (attribute == "vendor" and vendor(one) == vendor(other))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one == other or one.casefold() == other.casefold()
    return bool(one == other)
