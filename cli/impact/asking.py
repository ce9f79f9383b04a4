"""What the commands of impact analysis ask, and what they are answered.

Each is a function of a store; of a server they are asked in another way (`cli.remote`), and answered alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import NamedTuple

from cli.impact.finding import Finder
from cli.impact.hypotheses import changed
from cli.impact.options import stale
from cmdb.queries import Query
from cmdb.store import GraphStore
from impact import reports
from impact.analysis import Affected, Outage
from impact.dependencies import Dependency, dependencies
from impact.differences import Difference, compare
from impact.root_cause import root_causes
from impact.rules import Effect
from impact.single_points import pairs as pairs_of
from impact.single_points import single_points
from impact.topology import Topology
from impact.windows import Window, united


@dataclass(frozen=True)
class Asked:
    """An outage.

    Attributes
    ----------
    at, versus
        Revisions; None for now, and for no comparison.
    without, with_
        Relationships that would not be there, and would: ``A TYPE B``.
    record_type, service_only
        Of what is told one by one.
    first
        How many of these are told with their paths; None for all.
    """

    roots: Mapping[str, Effect]
    at: int | None = None
    versus: int | None = None
    without: Sequence[str] = ()
    with_: Sequence[str] = ()
    depth: int | None = None
    record_type: str = ""
    service_only: bool = False
    first: int | None = None
    verbose: bool = False


class Answer(NamedTuple):
    """An outage, told.

    Attributes
    ----------
    only
        What is told one by one.
    hidden
        How many more CIs are affected that who asks may not see, by organisation.
    """

    outage: Outage
    told: reports.Report
    only: list[Affected]
    difference: Difference | None = None
    hidden: Mapping[str, int] = {}


@singledispatch
def answer(graph: GraphStore, asked: Asked) -> Answer:
    """What an outage hits."""
    changes = [*asked.without, *asked.with_]
    finder = Finder(graph, asked.verbose, whole=bool(changes))
    now = finder.outage(asked.roots, asked.at, asked.depth)
    outage, dependents = now, set[str]()
    if changes:
        fork, dependents = changed(graph, finder, asked.at, asked.without, asked.with_)
        outage = Outage(fork, asked.roots, at=now.at, depth=asked.depth)
    told = reports.report(outage, graph, stale(graph), now.at)
    only = reports.only(graph.model, outage.affected, asked.record_type, asked.service_only)
    difference = None
    if asked.versus is not None:
        then = finder.outage(asked.roots, asked.versus, asked.depth)
        difference = compare(then, outage)
    elif changes:
        difference = compare(now, outage, dependents)
    return Answer(outage, told, only, difference)


# -- several outages at once ------------------------------------------------------------------------------


class Together(NamedTuple):
    """Several outages in one window, told; and how many more CIs break that may not be seen."""

    window: Window
    told: reports.Report
    hidden: Mapping[str, int] = {}


@singledispatch
def together(
    graph: GraphStore,
    outages: Sequence[Mapping[str, Effect]],
    at: int | None,
    depth: int | None,
    verbose: bool,
) -> Together:
    """What outages break only together."""
    roots = united(outages)
    topology, now, view = Finder(graph, verbose).topology(roots, at, depth)
    found = Window(topology, outages, at=now, view=view, depth=depth)
    return Together(found, reports.report(found.together, graph, stale(graph), now))


# -- what CIs stand on ------------------------------------------------------------------------------------


class Standing(NamedTuple):
    """All that some CIs stand on, the closest first; and how many more of them may not be seen."""

    revision: int
    found: Sequence[Dependency]
    truncated: str
    hidden: Mapping[str, int] = {}


@singledispatch
def standing(
    graph: GraphStore, ids: Sequence[str], at: int | None, depth: int | None, verbose: bool
) -> Standing:
    """What CIs stand on."""
    topology = Finder(graph, verbose).standing(ids, at, depth)
    found = dependencies(topology, ids, depth=depth)
    return Standing(topology.revision, found.found, found.truncated)


# -- single points of failure -----------------------------------------------------------------------------


class Point(NamedTuple):
    """A CI that takes services down alone; of ``number`` of them those that may be seen."""

    id: str
    type: str
    services: Sequence[str]
    number: int


class Pairs(NamedTuple):
    """Pairs of CIs that take a service down only together."""

    service: str
    pairs: Sequence[tuple[str, str]]
    complete: bool
    tried: int


class Points(NamedTuple):
    """Single points of failure of some services, those that take down most first."""

    revision: int
    services: Sequence[str]
    found: Sequence[Point]
    pairs: Sequence[Pairs]
    hidden: Mapping[str, int] = {}


@singledispatch
def points(
    graph: GraphStore, services: Sequence[str], at: int | None, pairs: bool, verbose: bool
) -> Points:
    """What takes services down alone: some, or all if none is named."""
    finder = Finder(graph, verbose)
    if services:
        topology = finder.standing(services, at)
        view = topology.live
    else:
        services = every_service(graph, at)
        topology, view = finder.whole(at)
    nodes = [node for node in topology.find(services) if node is not None]
    found = single_points(topology, nodes, view)
    together = [(n, pairs_of(topology, n, view)) for n in nodes] if pairs else []
    id = topology.id
    return Points(
        topology.revision if at is None else at,
        services,
        [Point(id(p.node), topology.type(p.node), _ids(topology, p.services), len(p.services)) for p in found],
        [Pairs(id(n), [(id(a), id(b)) for a, b in t.pairs], t.complete, t.tried) for n, t in together],
    )  # fmt: skip


def every_service(graph: GraphStore, at: int | None) -> list[str]:
    """Ids of all services."""
    found: list[str] = []
    after = None
    while True:
        page = graph.find(Query(reports.SERVICE, first=10_000, after=after, as_of=at))
        found += [record.id for record in page.records]
        after = page.cursor
        if after is None:
            return found


# -- root causes ------------------------------------------------------------------------------------------


class Cause(NamedTuple):
    """A CI whose failure could be behind alarms: as `impact.root_cause.Cause`, by ids."""

    id: str
    type: str
    explained: Sequence[str]
    unexplained: Sequence[str]
    contradicted: Sequence[str]
    silent: int


class Causes(NamedTuple):
    """Candidates, the best first."""

    revision: int
    found: Sequence[Cause]
    complete: bool
    tried: int
    hidden: Mapping[str, int] = {}


@singledispatch
def causes(
    graph: GraphStore,
    alarms: Sequence[str],
    good: Sequence[str],
    effect: Effect,
    at: int | None,
    first: int,
    verbose: bool,
) -> Causes:
    """Which CI's failure would explain alarms best."""
    topology, view = Finder(graph, verbose).whole(at)
    places, healthy = ([n for n in topology.find(ids) if n is not None] for ids in (alarms, good))
    result = root_causes(topology, places, healthy, view=view, effect=effect, first=first)
    found = [
        Cause(
            topology.id(c.node),
            topology.type(c.node),
            _ids(topology, c.explained),
            _ids(topology, c.unexplained),
            _ids(topology, c.contradicted),
            c.silent,
        )
        for c in result.causes
    ]
    return Causes(topology.revision if at is None else at, found, result.complete, result.tried)


def _ids(topology: Topology, nodes: Iterable[int]) -> list[str]:
    return [topology.id(node) for node in nodes]
