"""Small estates: the rules of ``model/`` as plain data, and the same estate in arrays."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np

from impact import kernels
from impact.compiled import COMPILED
from impact.elements import OPEN, UNLABELLED, Link, Links, Node, Nodes
from impact.propagation import ROOT, propagate, reachable
from impact.rules import Effect, Rules
from impact.topology import Topology
from impact.views import View
from schema.loading import load_model
from tests.support.impact_reference import (
    Answer,
    Ci,
    Estate,
    Group,
    Redundancy,
    Rule,
    State,
    Step,
)
from tests.support.impact_reference import Link as PlainLink

RULES: Final = Rules(load_model([Path(__file__).parent / "model"], shipped=False))
PLAIN_RULES: Final = {
    "RUNS_ON": Rule(redundancy=Redundancy("1", labelled=True)),
    "POWERED_BY": Rule(redundancy=Redundancy("50%")),
    "COOLED_BY": Rule(soft=True, redundancy=Redundancy("2")),
    "CALLS": Rule(soft=True),
    "FEEDS": Rule(),
}
PLAIN_OWN: Final = {
    ("Cluster", "RUNS_ON"): Redundancy("2"),
    ("Cluster", "CALLS"): Redundancy("50%", labelled=True),
    ("Cluster", "FEEDS"): Redundancy("all"),
}


def estate() -> Estate:
    return Estate(PLAIN_RULES, PLAIN_OWN)


def of(*links: tuple[str, ...], **cis: Ci) -> tuple[Estate, Topology]:
    """An estate from (provider, type, dependent, label), in both forms; other CIs are servers."""
    found = estate()
    for provider, type, dependent, *label in links:
        for name in (provider, dependent):
            found.cis[id_of(name)] = cis.get(name, Ci("Server"))
        found.links[PlainLink(type, id_of(provider), id_of(dependent))] = "".join(label)
    return found, topology(found)


def id_of(name: str) -> str:
    """An id that sorts like the name, and ends in zeros."""
    return str(UUID(bytes=name.encode().ljust(16, b"\0")))


def name_of(id: str) -> str:
    return UUID(id).bytes.rstrip(b"\0").decode()


def topology(
    estate: Estate,
    revision: int = 0,
    *,
    since: Mapping[PlainLink, int] | None = None,
    ids: Sequence[str] | None = None,
    links: Sequence[PlainLink] | None = None,
) -> Topology:
    """An estate in arrays, nodes and links in an order that may be given."""
    ids = list(estate.cis) if ids is None else ids
    links = list(estate.links) if links is None else links
    place = {id: number for number, id in enumerate(ids)}
    types = ["Cluster", "Server"]
    cis = [estate.cis[id] for id in ids]
    labels = sorted({label for label in estate.links.values() if label})
    said = {place[id]: spelled(ci) for id, ci in estate.cis.items() if ci.needs}
    return Topology(
        RULES,
        Nodes(
            np.asarray([UUID(id).bytes for id in ids], "S16"),
            np.asarray([types.index(ci.type) for ci in cis], np.int16),
            types,
            np.asarray([ci.operational for ci in cis], bool),
            said,
        ),
        Links(
            np.asarray([place[link.provider] for link in links], np.int32),
            np.asarray([place[link.dependent] for link in links], np.int32),
            np.asarray([RULES.rules[link.type].code for link in links], np.int16),
            np.asarray(
                [labels.index(x) if (x := estate.links[k]) else UNLABELLED for k in links], np.int32
            ),
            labels,
            np.asarray([(since or {}).get(link, 0) for link in links], np.int32),
            np.full(len(links), OPEN, np.int32),
        ),
        revision,
    )


def spelled(ci: Ci) -> dict[str, Any]:
    """What a CI needs, as it says so itself."""
    return {
        type: {"needed": needs.needed, "group_by": "group"} if needs.labelled else needs.needed
        for type, needs in ci.needs.items()
    }


def node(id: str, ci: Ci) -> Node:
    return Node(id, ci.type, ci.operational, spelled(ci))


def link(plain: PlainLink, label: str = "") -> Link:
    return Link(plain.type, plain.provider, plain.dependent, label)


# -- answers ----------------------------------------------------------------------------------------


@contextmanager
def looping() -> Iterator[None]:
    """Let the kernels do the work, as they are written; compiled is tested by itself."""
    before = COMPILED.reach, COMPILED.spread
    COMPILED.reach, COMPILED.spread = kernels.reach, kernels.spread
    try:
        yield
    finally:
        COMPILED.reach, COMPILED.spread = before


def answer(
    topology: Topology,
    roots: Mapping[str, int],
    depth: int | None = None,
    view: View | None = None,
) -> Answer:
    """What the engine says, in the reference's words: in numpy, and the same by the kernels."""
    said = _answer(topology, roots, depth, view)
    with looping():
        assert _answer(topology, roots, depth, view) == said
    return said


def reached(topology: Topology, roots: Sequence[int], view: View | None = None) -> set[str]:
    """What the engine says can be reached, both ways."""
    said = reachable(topology, roots, view).tolist()
    with looping():
        found = reachable(topology, roots, view).tolist()
    assert len(said) == len(found) == len({*found})
    assert {*said} == {*found}
    return {topology.id(node) for node in said}


def _answer(
    topology: Topology, roots: Mapping[str, int], depth: int | None, view: View | None
) -> Answer:
    view = view or topology.live
    places = dict(zip(roots, topology.find(roots), strict=True))
    given = {n: Effect(roots[id]) for id, n in places.items() if n is not None}
    outcome = propagate(topology, given, view=view, depth=depth)
    nodes = outcome.nodes.tolist()
    in_order = [(d, topology.id(n)) for d, n in zip(outcome.distances, nodes, strict=True)]
    assert in_order == sorted(in_order)
    effects = {topology.id(n): e for n, e in zip(nodes, outcome.effects.tolist(), strict=True)}
    assert {topology.id(int(n)) for n in np.flatnonzero(outcome.effect)} == effects.keys()
    paths = {}
    for n, distance, row in zip(
        nodes, outcome.distances.tolist(), outcome.rows.tolist(), strict=True
    ):
        steps = outcome.path(n)
        assert (steps[0].distance, steps[0].row) == (distance, row)
        paths[topology.id(n)] = [
            Step(topology.id(s.node), s.effect, s.distance, *_reason(topology, s.row))
            for s in steps
        ]
    groups = {}
    for number, members in enumerate(view.members.tolist()):
        if members:
            groups[group(topology, number)] = State(
                members,
                int(view.needed[number]),
                bool(view.short[number]),
                members - int(outcome.down[number]),
                members - int(outcome.impaired[number]),
            )
    return Answer(effects, paths, groups, outcome.complete)


def group(topology: Topology, number: int) -> Group:
    columns = topology.groups
    label = int(columns["label"][number])
    return Group(
        topology.id(columns["dependent"][number]),
        RULES.by_code[columns["rule"][number]].type,
        "" if label == UNLABELLED else topology.labels[label],
    )


def _reason(topology: Topology, row: int) -> tuple[str, str]:
    if row == ROOT:
        return "", ""
    link = topology.link(row)
    return link.provider, link.type


def links_of(topology: Topology) -> dict[PlainLink, str]:
    """The links that hold; each is there once."""
    found = list(topology.open_links())
    links = {PlainLink(link.type, link.provider, link.dependent): link.label for link in found}
    assert len(links) == len(found)
    return links


def cis_of(topology: Topology) -> dict[str, tuple[str, bool]]:
    return {
        topology.id(n): (topology.type(n), bool(topology.nodes["operational"][n]))
        for n in range(len(topology))
    }


def known(estate: Estate, roots: Mapping[str, int]) -> dict[str, int]:
    """The roots that there are."""
    return {id: effect for id, effect in roots.items() if id in estate.cis}


def names(ids: Collection[str]) -> list[str]:
    return sorted(map(name_of, ids))
