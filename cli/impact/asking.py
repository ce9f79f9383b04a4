"""What `cmdb impact` asks, and what it is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import NamedTuple

from cli.impact.finding import Finder
from cli.impact.hypotheses import changed
from cli.impact.options import stale
from cmdb.store import GraphStore
from impact import reports
from impact.analysis import Affected, Outage
from impact.differences import Difference, compare
from impact.rules import Effect


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
