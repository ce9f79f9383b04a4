"""What an outage hits, as it is kept with the process that it concerns.

Kept are the revision, the roots and what sums it up; the rest can be had again, as the past can be read: who
asks for all affected CIs, or why one of them is affected, asks impact analysis as of that revision.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import numpy as np

from cmdb.store import GraphStore
from impact.analysis import Outage
from impact.propagation import Propagation
from impact.reports import is_service
from impact.rules import Effect
from impact.snapshots import partial
from impact.topology import Topology
from impact.views import View

MOST: Final = 50_000
"""So many affected CIs are looked at; of more it is said that the answer is not whole."""
PAGE: Final = 5_000
KEPT: Final = 4_000
"""So many services, and so many cells, are kept with a process; of more it is said how many there were."""
WORDS: Final = {effect.word: effect for effect in Effect}
UNSAID: Final = ""
"""Criticality, or organisation, of a CI that has none."""


class Cell(NamedTuple):
    """How many CIs of one organisation and criticality suffer one effect, and how many of them are services."""

    organisation: str
    criticality: str
    effect: str
    items: int
    services: int


class ServiceHit(NamedTuple):
    """A service that is hit."""

    id: str
    effect: str
    criticality: str


@dataclass(frozen=True)
class Hit:
    """What an outage hits.

    Attributes
    ----------
    revision
        The revision that was looked at.
    roots
        Id -> the effect that was given; those that were not there, or not in service, hit nothing.
    truncated
        Why the answer is not whole; empty where it is.
    cells
        Affected CIs by organisation, criticality and effect; roots included.
    services
        The worst first, then by id.
    digest
        Of all affected CIs and their effects (`digest_of`).
    """

    revision: int
    roots: Mapping[str, str]
    truncated: str
    cells: tuple[Cell, ...]
    services: tuple[ServiceHit, ...]
    digest: str

    @property
    def organisations(self) -> list[str]:
        """Ids of the organisations with an affected CI, sorted."""
        return sorted({cell.organisation for cell in self.cells} - {UNSAID})

    def counts(self) -> dict[str, int]:
        """Affected CIs by effect, the worst first."""
        found: Counter[str] = Counter()
        for cell in self.cells:
            found[cell.effect] += cell.items
        return worst_first(found)

    @property
    def impaired(self) -> list[str]:
        """Ids of the services that are degraded or down, as far as they are kept."""
        return [s.id for s in self.services[:KEPT] if WORDS[s.effect] >= Effect.DEGRADED]

    def plain(self) -> dict[str, Any]:
        """As JSON, not more than can be kept; `read` reads it back."""
        return {
            "revision": self.revision,
            "roots": dict(self.roots),
            "complete": not self.truncated,
            "truncated": self.truncated or None,
            "counts": self.counts(),
            "cells": [list(cell) for cell in self.cells[:KEPT]],
            "services": [list(service) for service in self.services[:KEPT]],
            "digest": self.digest,
            "left_out": {
                "cells": max(0, len(self.cells) - KEPT),
                "services": max(0, len(self.services) - KEPT),
            },
        }

    def same(self, kept: Mapping[str, Any] | None) -> bool:
        """Whether what was kept (`plain`) says the same, whatever revision was looked at."""
        return kept is not None and {**kept, "revision": 0} == {**self.plain(), "revision": 0}


class OfOrganisation(NamedTuple):
    """What of one organisation is hit: effect -> how many CIs, and how many of them are services; the worst first."""

    items: Mapping[str, int]
    services: Mapping[str, int]


class Summary(NamedTuple):
    """What is told of a hit.

    Attributes
    ----------
    services
        Those that are known, the worst first; ``more`` are not.
    counts
        Effect -> how many CIs, the worst first.
    organisations
        By id; empty for what has none.
    """

    revision: int
    truncated: str
    counts: Mapping[str, int]
    services: Sequence[ServiceHit]
    more: int
    organisations: Mapping[str, OfOrganisation]

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            **self._asdict(),
            "truncated": self.truncated or None,
            "services": [service._asdict() for service in self.services],
            "organisations": {id: of._asdict() for id, of in self.organisations.items()},
        }


def summary(kept: Mapping[str, Any] | None) -> Summary | None:
    """What is told of what is kept (`Hit.plain`); None where nothing is."""
    found = read(kept)
    if kept is None or found is None:
        return None
    more = kept["left_out"]["services"]
    organisations = by_organisation(found.cells)
    counts = worst_first(kept["counts"])
    return Summary(found.revision, found.truncated, counts, found.services, more, organisations)


def by_organisation(cells: Iterable[Cell]) -> dict[str, OfOrganisation]:
    """What is hit by the id of its organisation (empty for none), in the order of the cells."""
    found: dict[str, tuple[Counter[str], Counter[str]]] = {}
    for cell in cells:
        items, services = found.setdefault(cell.organisation, (Counter(), Counter()))
        items[cell.effect] += cell.items
        services[cell.effect] += cell.services
    return {id: OfOrganisation(*map(worst_first, of)) for id, of in found.items()}


def worst_first(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts by effect, the worst first; without those of nothing."""
    return {word: n for word in reversed(WORDS) if (n := counts.get(word))}


def read(kept: Mapping[str, Any] | None) -> Hit | None:
    """What `Hit.plain` made; None where nothing is kept."""
    if kept is None:
        return None
    return Hit(
        kept["revision"],
        dict(kept["roots"]),
        kept["truncated"] or "",
        tuple(Cell(*cell) for cell in kept["cells"]),
        tuple(ServiceHit(*service) for service in kept["services"]),
        kept["digest"],
    )


def hit(
    store: GraphStore,
    roots: Mapping[str, Effect],
    at: int,
    seen: tuple[Topology, View] | None = None,
) -> Hit:
    """What an outage hits, as of a revision.

    Parameters
    ----------
    roots
        Id -> the effect it is given.
    seen
        The topology at that revision, where it is at hand; else as much is fetched as is needed, one
        statement a level.

    Costs with what is affected: propagation, and a statement for some thousands of the affected.
    """
    topology, view = seen or (partial(store, roots, as_of=at), None)
    assert topology is not None, "no limit was set"
    outage = Outage(topology, roots, at=at, view=view, together=False)
    told = outage.affected[:MOST]
    truncated = outage.truncated
    if len(outage.affected) > len(told):
        truncated = f"size: the {MOST} worst of {len(outage.affected)} affected CIs were looked at"
    items: Counter[tuple[str, str, str]] = Counter()
    of_services: Counter[tuple[str, str, str]] = Counter()
    services = []
    for begin in range(0, len(told), PAGE):
        part = told[begin : begin + PAGE]
        records = store.get([one.id for one in part], at)
        for one in part:
            attributes = records[one.id].attributes if one.id in records else {}
            criticality = str(attributes.get("criticality") or UNSAID)
            key = (str(attributes.get("organisation") or UNSAID), criticality, one.effect)
            items[key] += 1
            if is_service(store.model, one.type):
                of_services[key] += 1
                services.append(ServiceHit(one.id, one.effect, criticality))
    cells = tuple(Cell(*key, items[key], of_services[key]) for key in sorted(items))
    services.sort(key=lambda service: (-WORDS[service.effect], service.id))
    given = {id: effect.word for id, effect in sorted(roots.items())}
    digest = digest_of(topology, outage.outcome)
    return Hit(at, given, truncated, cells, tuple(services), digest)


def digest_of(topology: Topology, outcome: Propagation) -> str:
    """A digest of which CIs are affected and how: the same for the same, however it was found out."""
    nodes = topology.in_order(outcome.nodes.astype(np.int64))
    ids, effects = topology.nodes["id"].take(nodes), outcome.effect.take(nodes)
    return blake2b(ids.tobytes() + effects.tobytes(), digest_size=16).hexdigest()
