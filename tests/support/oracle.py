"""A plain in-memory store: what every store must agree with. It knows nothing of how they work.

History is kept the naive way: a whole copy of the graph for each revision.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Key = tuple[str, str, str]


class State(NamedTuple):
    """The graph at one revision: id -> (type, attributes), key -> attributes."""

    records: dict[str, tuple[str, dict[str, Any]]]
    links: dict[Key, dict[str, Any]]


class Oracle:
    """Applies changes that are known to be valid, and answers about any revision."""

    def __init__(self) -> None:
        self.states: list[State] = [State({}, {}), State({}, {})]

    @property
    def revision(self) -> int:
        return len(self.states) - 1

    @property
    def now(self) -> State:
        return self.states[-1]

    def apply(self, change: Callable[[State], None]) -> bool:
        """A new revision, unless the change changes nothing."""
        state = copy.deepcopy(self.now)
        change(state)
        if state == self.now:
            return False
        self.states.append(state)
        return True

    def made_at(self, revision: int, what: Callable[[State], Any]) -> int:
        """The revision that made something what it is at a revision."""
        value, made = what(self.states[revision]), revision
        while made > 1 and what(self.states[made - 1]) == value:
            made -= 1
        return made

    def difference(self, earlier: int, later: int) -> tuple[set[str], set[Key]]:
        """What differs between two revisions."""
        old, new = self.states[earlier], self.states[later]
        records = {
            id
            for id in old.records.keys() | new.records.keys()
            if old.records.get(id) != new.records.get(id)
        }
        links = {
            key
            for key in old.links.keys() | new.links.keys()
            if old.links.get(key) != new.links.get(key)
        }
        return records, links

    def touched(self, id: str) -> list[int]:
        """The revisions that changed a record or one of its relationships, newest first."""
        found = []
        for number in range(2, len(self.states)):
            records, links = self.difference(number - 1, number)
            if id in records or any(id in (key[0], key[2]) for key in links):
                found.append(number)
        return found[::-1]


def holds(filter_: Mapping[str, Any], attributes: Mapping[str, Any]) -> bool:
    """Whether attributes satisfy a filter, by the book: two-valued, entry by entry."""
    return all(_entry(key, value, attributes) for key, value in filter_.items())


def _entry(key: str, value: Any, attributes: Mapping[str, Any]) -> bool:
    if key == "and":
        return all(holds(part, attributes) for part in value)
    if key == "or":
        return any(holds(part, attributes) for part in value)
    if key == "not":
        return not holds(value, attributes)
    have = attributes.get(key)
    return all(_operator(operator, have, operand) for operator, operand in value.items())


def _operator(operator: str, have: Any, operand: Any) -> bool:
    if operator == "null":
        return bool((have is None) == operand)
    if operator == "ne":
        return bool(have != operand)
    if have is None:
        return False
    if isinstance(have, list):
        return operand in have
    tests: dict[str, Callable[[], bool]] = {
        "eq": lambda: bool(have == operand),
        "in": lambda: have in operand,
        "lt": lambda: bool(have < operand),
        "lte": lambda: bool(have <= operand),
        "gt": lambda: bool(have > operand),
        "gte": lambda: bool(have >= operand),
        "contains": lambda: operand in have,
        "prefix": lambda: bool(have.startswith(operand)),
    }
    return tests[operator]()
