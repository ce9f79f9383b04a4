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
Columns: TypeAlias = list[list[Any]]
"""Rows, column by column."""


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


def joined(live: Columns, images: Sequence[Row]) -> Columns:
    """All rows; those that differ in nothing but their intervals, which meet, are one."""
    if not images:
        return live
    rows = list(zip(*live, strict=True))
    numbers = {image[0] for image in images}
    meeting = [*images, *(row for row in rows if row[0] in numbers)]
    rows = [row for row in rows if row[0] not in numbers]
    begins: dict[tuple[Row, int], int] = {}
    for row in sorted(meeting, key=itemgetter(-2)):
        same, begin = row[:-2], row[-2]
        begins[same, row[-1]] = begins.pop((same, begin), begin)
    rows += ((*same, begin, until) for (same, until), begin in begins.items())
    return columns(rows, len(live))


def columns(rows: Sequence[Row], count: int) -> Columns:
    """Rows of so many values, column by column."""
    return [list(map(itemgetter(column), rows)) for column in range(count)]


def node_block(found: Columns) -> NodeBlock:
    numbers, ids, types, states, needs, begin, until = found
    said = {place: orjson.loads(text) for place, text in enumerate(needs) if text}
    said = {place: value for place, value in said.items() if isinstance(value, dict)}
    return NodeBlock(numbers, ids, types, states, begin, until, said)


def link_block(found: Columns) -> LinkBlock:
    return LinkBlock(*found)
