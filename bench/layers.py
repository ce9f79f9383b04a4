"""The estate of `bench.estate` in arrays at once, as impact analysis sees it: for sizes no store need hold.

One cell is taken from there and laid out side by side, as often as it takes. What a cell uses of the
one above it is linked to that one, and which devices are in use is drawn anew for each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.estate import CELL, operations
from cmdb.change_sets import Create, Relate
from impact.elements import OPEN, UNLABELLED, Links, Nodes
from impact.rules import Rules
from impact.topology import Topology
from schema.model import STATE_ATTRIBUTE

SEED = 1


class Cell(NamedTuple):
    """One cell: its record types, which of them serve others, and its links by place.

    Attributes
    ----------
    drawn
        Records that are devices: their state differs from cell to cell.
    upward
        Links to the cell above.
    called
        Those of them whose provider is any of the applications there.
    """

    types: list[str]
    operational: NDArray[np.bool_]
    drawn: NDArray[np.bool_]
    applications: NDArray[np.int64]
    provider: NDArray[np.int64]
    dependent: NDArray[np.int64]
    rule: NDArray[np.int16]
    label: NDArray[np.int32]
    labels: list[str]
    upward: NDArray[np.bool_]
    called: NDArray[np.bool_]


def layered(rules: Rules, size: int) -> Topology:
    """A topology of about a size."""
    cell = _cell(rules)
    count = max(1, round(size / len(cell.types)))
    random = np.random.default_rng(SEED)
    above = _above(count)
    length = len(cell.types)
    names = sorted(set(cell.types))
    operational = np.tile(cell.operational, (count, 1))
    share = cell.operational[cell.drawn].mean()
    operational[:, cell.drawn] = random.random((count, int(cell.drawn.sum()))) < share
    nodes = Nodes(
        _ids(count * length),
        np.tile(np.asarray([names.index(name) for name in cell.types], np.int16), count),
        names,
        operational.reshape(-1),
        {},
    )
    provider = np.tile(cell.provider, (count, 1))
    drawn = random.integers(len(cell.applications), size=(count - 1, int(cell.called.sum())))
    provider[1:, cell.called] = cell.applications[drawn]
    own = np.arange(count)[:, None]
    provider += np.where(cell.upward, above[:, None], own) * length
    dependent = cell.dependent + own * length
    links = Links(
        provider.astype(np.int32).reshape(-1),
        dependent.astype(np.int32).reshape(-1),
        np.tile(cell.rule, count),
        np.tile(cell.label, count),
        cell.labels,
        np.zeros(provider.size, np.int32),
        np.full(provider.size, OPEN, np.int32),
    )
    return Topology(rules, nodes, links, 0)


def _above(count: int) -> NDArray[np.int64]:
    """The cell above each, by number; the first has none, and is its own."""
    fan_out = 3
    while 1 + fan_out + fan_out**2 + fan_out**3 < count:
        fan_out += 1
    return np.maximum(np.arange(count) - 1, 0) // fan_out


def _ids(count: int) -> NDArray[np.bytes_]:
    words = np.empty((count, 2), ">u8")
    words[:, 0], words[:, 1] = 0x019A << 48, np.arange(count)
    return words.view("S16")[:, 0]


def _cell(rules: Rules) -> Cell:
    made = list(operations(CELL))
    creates = [o for o in made if isinstance(o, Create)]
    places = {create.id: place for place, create in enumerate(creates)}
    types = [create.type for create in creates]
    operational = [rules.operational(c.type, c.attributes.get(STATE_ATTRIBUTE)) for c in creates]
    devices = {type for type, serves in zip(types, operational, strict=True) if not serves}
    labels: dict[str, int] = {}
    rows, accessing = [], set()
    for o in made:
        if not isinstance(o, Relate) or o.type not in rules.rules:
            continue
        again = o.type == "ACCESSES" and o.source in accessing
        if o.type == "ACCESSES":
            accessing.add(o.source)
        source, target = places[o.source], places[o.target]
        ends = (source, target) if rules.ends[o.type] == "source" else (target, source)
        name = o.attributes.get("group")
        number = UNLABELLED if name is None else labels.setdefault(name, len(labels))
        call = o.type == "CALLS"
        rows.append((*ends, rules.rules[o.type].code, number, call or again, call))
    provider, dependent, rule, label, upward, called = zip(*rows, strict=True)
    return Cell(
        types,
        np.asarray(operational),
        np.asarray([type in devices for type in types]),
        np.flatnonzero(np.asarray(types) == "Application"),
        np.asarray(provider),
        np.asarray(dependent),
        np.asarray(rule, np.int16),
        np.asarray(label, np.int32),
        list(labels),
        np.asarray(upward),
        np.asarray(called),
    )
