"""What can be reached, and what is affected, in memory: against others over the same graph.

Roots are looked for from which so many CIs can be reached as are asked for. The plain question is put
to all of them; each is timed in turns with `impact.propagation.reachable`. Then the power fails in so
many cells as it takes, and all that impact analysis says of it, effects, groups, distances and paths
(one of them written out), is timed against the plain question from the same roots. All by machine code.
"""

from __future__ import annotations

import subprocess
import time
from bisect import bisect_left
from collections.abc import Callable
from typing import Final

import numpy as np

from bench import rivals
from bench.layers import layered
from bench.measuring import Figure, Report, side_by_side
from impact.compiled import COMPILED
from impact.propagation import propagate, reachable
from impact.rules import Effect, Rules
from impact.topology import Topology
from schema.loading import load_model
from tests.support.neo4j_library import Neo4jUnavailableError
from tests.support.neo4j_server import Neo4jServer

NEO4J_BOUND: Final = 50.0
BOUNDS: Final = {"networkx": 5.0, "rustworkx": 1.0, "scipy": 0.5}
EFFECTS_BOUND: Final = 4.0
BYTES_BOUND: Final = 250.0
TARGETS: Final = (10, 3_000, 15_000)
"""CIs to be reached, beside a third of the estate."""
BOUNDED_FROM: Final = 3_000
CANDIDATES: Final = 600
LARGEST: Final = 1_000_000
"""The largest graph that is given to others than array engines."""
EXTREME: Final = 10_000_000
"""The size at which the array engine is measured alone, when it is for long."""
SECONDS: Final = 4.0
"""How long a comparison may take, about."""
STORE: Final = "memory"


def measure(report: Report, server: Callable[..., Neo4jServer] | None, size: int) -> None:
    """The figures of one size.

    Parameters
    ----------
    server
        Makes a server, with ``apoc=True`` one with APOC; without any, Neo4j is left out.
    """
    if not COMPILED.load():
        report.console.print("numba is not installed: all in numpy", markup=False)
    topology = layered(Rules(load_model([])), size)
    report.add(
        Figure(
            "impact, a CI in memory", STORE, size, topology.nbytes / len(topology), "bytes",
            bound=("at most", BYTES_BOUND),
        )
    )  # fmt: skip
    roots = _roots(topology, size)
    for name in rivals.LIBRARIES:
        if size <= LARGEST or name == "scipy":
            _compare_library(report, topology, size, roots, name)
    if server is not None and size <= LARGEST:
        _compare_neo4j(report, server, topology, size, roots)
    for target in sorted({*TARGETS[1:], size // 3}):
        if target <= size // 3:
            _effects(report, topology, size, target)


def _roots(topology: Topology, size: int) -> dict[int, int]:
    """For each number of CIs to be reached the root that comes closest to it.

    The first nodes are those of the highest cells, from which most can be reached: of them more are
    tried.
    """
    providers = np.unique(topology.rows["provider"][topology.live.active])
    random = np.random.default_rng(7)
    drawn = len(providers) ** random.random(CANDIDATES)
    nodes = providers[np.unique(drawn.astype(np.int64))].tolist()
    counts = np.asarray([len(reachable(topology, [node])) - 1 for node in nodes])
    targets = [target for target in (*TARGETS, size // 3) if target <= size // 3]
    return {
        target: nodes[int(np.abs(np.log(np.maximum(counts, 1) / target)).argmin())]
        for target in sorted(targets)
    }


def _edges(topology: Topology) -> rivals.Edges:
    """What holds, each edge once."""
    held = topology.live.active
    ends = (topology.rows[name][held].astype(np.int64) for name in ("provider", "dependent"))
    provider, dependent = ends
    found = np.unique(provider * len(topology) + dependent)
    return (found // len(topology)).astype(np.int32), (found % len(topology)).astype(np.int32)


# -- the plain question -----------------------------------------------------------------------------


def _compare_library(
    report: Report, topology: Topology, size: int, roots: dict[int, int], name: str
) -> None:
    try:
        search = rivals.LIBRARIES[name](len(topology), _edges(topology))
    except (OSError, ImportError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
        report.console.print(f"no comparison with {name}: {said}", markup=False)
        return
    for target, root in roots.items():
        bound = BOUNDS[name] if target >= BOUNDED_FROM else None
        _compare(report, topology, size, root, search, name, bound)


def _compare_neo4j(
    report: Report,
    server: Callable[..., Neo4jServer],
    topology: Topology,
    size: int,
    roots: dict[int, int],
) -> None:
    try:
        running = server(apoc=True)
    except Neo4jUnavailableError as error:
        report.console.print(f"no comparison with APOC: {error}", markup=False)
        running = server()
    with rivals.cypher(running, len(topology), _edges(topology)) as cypher:
        for target, root in roots.items():
            for how, bound in (("collect", NEO4J_BOUND), ("count", None)):
                best = cypher.best(root, how)
                if best is None:
                    said = f"Neo4j has no answer in {rivals.PATIENCE:.0f} s with {target:,} reached"
                    report.console.print(said, markup=False)
                    continue
                form, search = best
                against = f"Neo4j, {form}" + (", only counted" if how == "count" else "")
                kept = bound if target >= BOUNDED_FROM else None
                _compare(report, topology, size, root, search, against, kept)


def _compare(
    report: Report,
    topology: Topology,
    size: int,
    root: int,
    search: rivals.Search,
    against: str,
    bound: float | None,
) -> None:
    count = len(reachable(topology, [root])) - 1
    begin = time.perf_counter()
    if (found := search(root)) != count:
        raise RuntimeError(f"{against} reaches {found} CIs, not {count}")
    turns = _turns(time.perf_counter() - begin)
    ours, theirs = side_by_side(lambda n: reachable(topology, [n]), search, [root] * turns)
    report.add(
        Figure(
            f"impact, {count:,} CIs reached", STORE, size, ours * 1e3, "ms", theirs * 1e3, against,
            theirs / ours, None if bound is None else ("at least", bound),
        )
    )  # fmt: skip


def _turns(seconds: float) -> int:
    """How often something is done that takes so long."""
    return max(3, min(101, int(SECONDS / seconds)))


# -- all of the answer ------------------------------------------------------------------------------


def power_feeds(topology: Topology, most: int) -> list[int]:
    """So many feeds whose failure affects about so many CIs, from the lowest cells upwards."""
    names = [kind.type for kind in topology.kinds]
    feed = topology.nodes["kind"] == names.index("PowerFeed")
    feeds: list[int] = np.flatnonzero(feed)[::-1].tolist()

    def affected(count: int) -> int:
        return len(propagate(topology, dict.fromkeys(feeds[:count], Effect.DOWN)).nodes)

    return feeds[: max(1, bisect_left(range(len(feeds)), most, key=affected))]


def _effects(report: Report, topology: Topology, size: int, target: int) -> None:
    feeds = power_feeds(topology, target)
    given = dict.fromkeys(feeds, Effect.DOWN)
    begin = time.perf_counter()
    nodes = propagate(topology, given).nodes
    count, last = len(nodes), int(nodes[-1])
    turns = _turns(time.perf_counter() - begin)

    def analyse(_: int) -> object:
        return propagate(topology, given).path(last)

    whole, plain = side_by_side(analyse, lambda _: reachable(topology, feeds), range(turns))
    report.add(
        Figure(
            f"impact, {count:,} CIs affected, with effects, groups and paths", STORE, size,
            whole * 1e3, "ms", plain * 1e3, "reached only", whole / plain,
            ("at most", EFFECTS_BOUND) if target >= BOUNDED_FROM else None,
        )
    )  # fmt: skip
