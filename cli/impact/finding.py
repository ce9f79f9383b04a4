"""How an answer is found: level by level, or from the whole topology."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from rich.text import Text

from cli import output
from cmdb.store import GraphStore
from impact.analysis import Outage
from impact.rules import Effect
from impact.snapshots import FETCHED, Snapshot, partial, standing
from impact.topology import Topology
from impact.views import View


class Finder:
    """Chooses how to find an answer: level by level, or from the whole topology."""

    def __init__(self, graph: GraphStore, verbose: bool, *, whole: bool = False) -> None:
        self._graph, self._verbose, self._whole = graph, verbose, whole
        self._snapshot: Snapshot | None = None

    def outage(self, roots: Mapping[str, Effect], at: int | None, depth: int | None) -> Outage:
        topology, revision, view = self.topology(roots, at, depth)
        return Outage(topology, roots, at=revision, view=view, depth=depth)

    def topology(
        self, roots: Mapping[str, Effect], at: int | None, depth: int | None
    ) -> tuple[Topology, int, View]:
        """What it takes to say what follows from an outage; the revision, and the moment in it."""
        revision = self._graph.last_revision().number if at is None else at
        began = time.perf_counter()
        if not self._whole:
            topology = partial(self._graph, roots, as_of=revision, depth=depth, most=FETCHED)
            if topology is not None:
                self.say(f"level by level: {len(topology):,} CIs fetched", began)
                return topology, revision, topology.live
            self._whole = True
        topology, view = self.whole(at)
        return topology, revision, view

    def standing(self, ids: Sequence[str], at: int | None, depth: int | None = None) -> Topology:
        began = time.perf_counter()
        topology = standing(self._graph, ids, as_of=at, depth=depth)
        self.say(f"level by level: {len(topology):,} CIs fetched", began)
        return topology

    def whole(self, at: int | None) -> tuple[Topology, View]:
        began = time.perf_counter()
        self._snapshot = self._snapshot or Snapshot(self._graph)
        found = self._snapshot.at(at)
        self.say(f"the whole topology: {len(found[0]):,} CIs", began)
        return found

    def say(self, what: str, began: float) -> None:
        if self._verbose:
            seconds = time.perf_counter() - began
            output.console(stderr=True).print(Text(f"{what} in {seconds:.2f} s"), style="dim")
