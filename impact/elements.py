"""What a topology is made of: CIs and links, one by one or column by column."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from impact.columns import Bools, Ints

OPEN: Final = 2**31 - 1
"""The end of an interval that has none yet."""
SINGLE: Final = -1
"""The group of a row that is in none."""
UNLABELLED: Final = -1
"""The label of a row that names no group."""


class Node(NamedTuple):
    """One configuration item.

    Attributes
    ----------
    operational
        Whether it serves others.
    needs
        What it says itself of the redundancy it needs, by relationship type.
    """

    id: str
    type: str
    operational: bool = True
    needs: Mapping[str, Any] | None = None


class Link(NamedTuple):
    """One relationship with an impact rule; ``label`` is the group that it names."""

    type: str
    provider: str
    dependent: str
    label: str = ""


class Nodes(NamedTuple):
    """Configuration items, column by column: ids of 16 bytes, indexes into ``type_names``.

    ``needs`` has an entry for each that says something of the redundancy it needs.
    """

    ids: NDArray[np.bytes_]
    types: NDArray[np.int16]
    type_names: Sequence[str]
    operational: Bools
    needs: Mapping[int, Mapping[str, Any]]


class Links(NamedTuple):
    """Relationships with an impact rule, column by column.

    Attributes
    ----------
    provider, dependent
        Places in `Nodes`.
    rule
        Codes of rules.
    label
        Indexes into ``labels``, or `UNLABELLED`.
    begin, end
        Intervals of revisions [begin, end); `OPEN` where one holds.
    """

    provider: Ints
    dependent: Ints
    rule: NDArray[np.int16]
    label: Ints
    labels: Sequence[str]
    begin: Ints
    end: Ints


class Kind(NamedTuple):
    """What decides on a CI's redundancy groups: its type, and what it says itself, as JSON."""

    type: str
    needs: str = ""

    @classmethod
    def of(cls, type: str, needs: Mapping[str, Any] | None) -> Kind:
        return cls(type, json.dumps(needs, sort_keys=True) if needs else "")
