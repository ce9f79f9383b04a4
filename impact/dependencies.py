"""What a CI stands on: the other way round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from impact.analysis import cut_off
from impact.topology import Topology
from impact.views import View


class Dependency(NamedTuple):
    """A CI that another one stands on, directly or not.

    Attributes
    ----------
    distance
        Relationships between them, by the shortest way.
    by
        The CI next to it on that way, and the relationship type.
    """

    id: str
    type: str
    distance: int
    by: str
    relationship: str


class Dependencies(NamedTuple):
    """All that some CIs stand on, the closest first; ``truncated`` says why it is not all."""

    found: list[Dependency]
    unknown: list[str]
    truncated: str


def dependencies(
    topology: Topology,
    ids: Sequence[str],
    *,
    view: View | None = None,
    depth: int | None = None,
) -> Dependencies:
    """What some CIs stand on: whose failure could reach them, whatever the rules make of it.

    O(rows into what is found).
    """
    view = view or topology.live
    places = dict(zip(ids, topology.find(ids), strict=True))
    frontier = sorted({node for node in places.values() if node is not None})
    seen, found, distance = set(frontier), [], 0
    truncated = ""
    while frontier:
        level: dict[int, tuple[str, int]] = {}
        for node in frontier:
            rows = topology.rows_into(node)
            for row in rows[view.active[rows]].tolist():
                provider = int(topology.rows["provider"][row])
                if provider not in seen:
                    level.setdefault(provider, (topology.id(node), row))
        if level and distance == depth:
            truncated = cut_off(depth)
            break
        distance += 1
        seen |= level.keys()
        new = [
            Dependency(
                topology.id(node), topology.type(node), distance, by, topology.link(row).type
            )
            for node, (by, row) in level.items()
        ]
        found += sorted(new, key=lambda d: d.id)
        frontier = sorted(level)
    unknown = [id for id, node in places.items() if node is None]
    return Dependencies(found, unknown, truncated)
