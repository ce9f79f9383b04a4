"""Single points of failure: CIs, and pairs of them, that take services down alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, islice
from typing import Final, NamedTuple

import numpy as np

from impact.outages import Outages
from impact.reports import is_service
from impact.topology import Topology
from impact.views import View

CHUNK: Final = 65_536
PAIR_LIMIT: Final = 2_000_000
"""Pairs that are tried for one service."""


class SinglePoint(NamedTuple):
    """A CI, and the services that it takes down when it alone fails."""

    node: int
    services: list[int]


class Pairs(NamedTuple):
    """Pairs that take a service down together, neither of them alone."""

    pairs: list[tuple[int, int]]
    complete: bool
    tried: int


def single_points(
    topology: Topology, services: Sequence[int], view: View | None = None
) -> list[SinglePoint]:
    """Which single CIs take down which of some services; those that take down most first.

    A service does not count as a single point of itself. Costs one bit for each pair of a CI and a
    round, a few dozen words at a time.
    """
    services = list(dict.fromkeys(services))
    outages = Outages(topology, services, view)
    found = []
    for start in range(0, len(outages.nodes), CHUNK):
        nodes = [int(n) for n in outages.nodes[start : start + CHUNK]]
        down = outages.down([[n] for n in nodes])
        for number in np.flatnonzero(down.any(axis=1)):
            node = nodes[number]
            lost = [
                services[i] for i in np.flatnonzero(down[number]).tolist() if services[i] != node
            ]
            if lost:
                found.append(SinglePoint(node, lost))
    return sorted(found, key=lambda point: (-len(point.services), topology.id(point.node)))


def services(topology: Topology) -> list[int]:
    """All services of a topology. O(nodes)."""
    serving = [is_service(topology.rules.model, kind.type) for kind in topology.kinds]
    return np.flatnonzero(np.asarray(serving, bool).take(topology.nodes["kind"])).tolist()


def pairs(topology: Topology, service: int, view: View | None = None) -> Pairs:
    """Which pairs of CIs take a service down together.

    Neither is a single point itself. All pairs of what it stands on are tried, up to a limit.
    """
    outages = Outages(topology, [service], view)
    nodes = [int(n) for n in outages.nodes if n != service]
    alone = outages.down([[n] for n in nodes])[:, 0] if nodes else np.empty(0, bool)
    nodes = [n for n, single in zip(nodes, alone, strict=True) if not single]
    wanted = len(nodes) * (len(nodes) - 1) // 2
    found: list[tuple[int, int]] = []
    for some in _chunks(islice(combinations(nodes, 2), PAIR_LIMIT)):
        down = outages.down(some)[:, 0]
        found += [some[i] for i in np.flatnonzero(down).tolist()]
    found.sort(key=lambda pair: sorted(map(topology.id, pair)))
    return Pairs(found, wanted <= PAIR_LIMIT, min(wanted, PAIR_LIMIT))


def _chunks(found: Iterator[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    while some := list(islice(found, CHUNK)):
        yield some
