"""The topology of a store, column by column: for what reckons with all of it at once.

Both stores read it some records at a time, each time as of the one revision that the stream is of: so
it is whole, whatever is committed meanwhile, and holds nothing between two blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from cmdb.commits import End

OPEN: Final = 2**31 - 1
"""The end of an interval that has none yet."""

Row: TypeAlias = tuple[Any, ...]
"""Number, id, type, state, redundancy as JSON, begin, until of a record; source, target, type, group,
begin, until of a relationship."""


class NodeBlock(NamedTuple):
    """Some records.

    Attributes
    ----------
    numbers
        What relationships name them by; they hold within one answer.
    types, states
        Record types and lifecycle states; None of what has none.
    begin, until
        The intervals of revisions [begin, until) in which they were so; `OPEN` where they are.
    needs
        By position in the block, what a record says itself of the redundancy that it needs.
    """

    numbers: list[int]
    ids: list[str]
    types: list[str]
    states: list[str | None]
    begin: list[int]
    until: list[int]
    needs: dict[int, Mapping[str, Any]]


class LinkBlock(NamedTuple):
    """Some relationships.

    Attributes
    ----------
    sources, targets
        Numbers of records.
    groups
        The redundancy groups that they name, or None.
    begin, until
        The intervals of revisions [begin, until) in which they were so; `OPEN` where they are.
    """

    sources: list[int]
    targets: list[int]
    types: list[str]
    groups: list[str | None]
    begin: list[int]
    until: list[int]


class Topology(NamedTuple):
    """Blocks as of a revision: records before the relationships that name them."""

    revision: int
    blocks: Iterator[NodeBlock | LinkBlock]


def sides(ends: Mapping[str, End], providers: bool) -> Iterator[tuple[End, End, list[str]]]:
    """Near end, far end and relationship types at which a record is the provider, or the dependent."""
    ways: tuple[tuple[End, End], ...] = (("source", "target"), ("target", "source"))
    for provider, dependent in ways:
        near, far = (provider, dependent) if providers else (dependent, provider)
        yield near, far, sorted(name for name, end in ends.items() if end == provider)


def joined(live: Sequence[Row], images: Sequence[Row]) -> Sequence[Row]:
    """All rows; those that differ in nothing but their intervals, which meet, are one."""
    if not images:
        return live
    numbers = {image[0] for image in images}
    rows = [row for row in live if row[0] not in numbers]
    meeting = [*images, *(row for row in live if row[0] in numbers)]
    begins: dict[tuple[Row, int], int] = {}
    for row in sorted(meeting, key=itemgetter(-2)):
        same, begin = row[:-2], row[-2]
        begins[same, row[-1]] = begins.pop((same, begin), begin)
    rows += ((*same, begin, until) for (same, until), begin in begins.items())
    return rows


def node_block(rows: Sequence[Row]) -> NodeBlock:
    numbers, ids, types, states, needs, begin, until = _columns(rows, 7)
    said = {place: orjson.loads(text) for place, text in enumerate(needs) if text}
    said = {place: value for place, value in said.items() if isinstance(value, dict)}
    return NodeBlock(numbers, ids, types, states, begin, until, said)


def link_block(rows: Sequence[Row]) -> LinkBlock:
    return LinkBlock(*_columns(rows, 6))


def _columns(rows: Sequence[Row], count: int) -> list[list[Any]]:
    return [list(map(itemgetter(column), rows)) for column in range(count)]
