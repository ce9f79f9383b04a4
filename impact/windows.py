"""Several planned outages in one window: what only their combination breaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from impact.analysis import Outage
from impact.propagation import Propagation, propagate
from impact.rules import Effect
from impact.topology import Topology
from impact.views import View


class Broken(NamedTuple):
    """A CI that fares worse when all of the outages are in one window than in each by itself.

    Attributes
    ----------
    alone
        The worst that any one outage does to it.
    together
        What they do to it together.
    spared_by
        The outages, by number, each of which would only have to be moved to another window for it to
        fare better.
    """

    id: str
    type: str
    alone: str
    together: str
    spared_by: tuple[int, ...]


class Window:
    """Outages that are planned for the same time.

    Parameters
    ----------
    outages
        Of each one, id -> the effect that a CI is given.
    at
        The revision that is looked at.

    Attributes
    ----------
    together
        All of them as one outage.
    counts
        Of each by itself, how many CIs it affects, by effect.
    broken
        What only their combination breaks, in the order of ``together.affected``.
    tipped
        The redundancy groups that have fewer members than they need only then.
    """

    def __init__(
        self,
        topology: Topology,
        outages: Sequence[Mapping[str, Effect]],
        *,
        at: int,
        view: View | None = None,
        depth: int | None = None,
    ) -> None:
        self.outages = outages

        def spread(some: Sequence[Mapping[str, Effect]]) -> Propagation:
            found = zip(given := united(some), topology.find(given), strict=True)
            nodes = {node: given[id] for id, node in found if node is not None}
            return propagate(topology, nodes, view=view, depth=depth)

        self.together = Outage(topology, united(outages), at=at, view=view, depth=depth)
        alone = [spread([outage]) for outage in outages]
        rest = [spread([*outages[:n], *outages[n + 1 :]]) for n in range(len(outages))]
        self.counts = [outcome.counts() for outcome in alone]
        self.broken = list(self._broken(alone, rest))
        lost = np.max([outcome.impaired for outcome in alone], axis=0)
        spare = self.together.view.spare
        tipped = np.flatnonzero((self.together.outcome.impaired > spare) & (lost <= spare))
        self.tipped = [self.together.group(group) for group in tipped.tolist()]

    def _broken(self, alone: list[Propagation], rest: list[Propagation]) -> Iterator[Broken]:
        worst = np.max([outcome.effect for outcome in alone], axis=0)
        together = self.together.outcome.effect
        only = {self.together.topology.id(n): n for n in np.flatnonzero(together > worst).tolist()}
        for one in self.together.affected:
            if (node := only.get(one.id)) is not None:
                spared = [n for n, less in enumerate(rest) if less.effect[node] < together[node]]
                before = Effect(int(worst[node])).word
                yield Broken(one.id, one.type, before, one.effect, tuple(spared))


def united(outages: Sequence[Mapping[str, Effect]]) -> dict[str, Effect]:
    """Several outages as one: of several effects of a CI the worst."""
    given: dict[str, Effect] = {}
    for outage in outages:
        for id, effect in outage.items():
            given[id] = max(effect, given.get(id, Effect.NONE))
    return given
