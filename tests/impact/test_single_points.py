"""What takes services down alone, or in pairs: against the engine, and against networkx."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import combinations
from uuid import UUID

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impact.outages import WORDS, Outages
from impact.propagation import propagate
from impact.rules import Effect
from impact.single_points import Pairs, pairs, single_points
from impact.topology import Topology
from tests.impact.estates import estate, id_of, name_of, of, topology
from tests.impact.test_against_reference import IDS, whole_estates
from tests.support.impact_reference import Ci, Estate, Link
from tests.support.observing import shared_data

Down = dict[str, set[str]]
"""What takes down which of some services alone."""


def nodes(topology: Topology, ids: Iterable[str]) -> list[int]:
    found = [node for node in topology.find(ids) if node is not None]
    assert found or not list(ids)
    return found


def takes_down(topology: Topology, services: Sequence[str]) -> Down:
    found = single_points(topology, nodes(topology, services))
    order = [(-len(point.services), topology.id(point.node)) for point in found]
    assert order == sorted(order)
    return {topology.id(p.node): {topology.id(n) for n in p.services} for p in found}


def down(topology: Topology, failed: Sequence[int]) -> set[int]:
    """What the engine says is down."""
    outcome = propagate(topology, dict.fromkeys(failed, Effect.DOWN))
    return {n for n in outcome.nodes.tolist() if outcome.effect[n] == Effect.DOWN}


SETS = st.lists(st.sampled_from(IDS), max_size=4)


@given(whole_estates(), st.lists(SETS, max_size=5), st.lists(st.sampled_from(IDS), max_size=9))
def test_an_outage_takes_down_what_propagation_says(
    estate: Estate, failed: list[list[str]], watched: list[str]
) -> None:
    built = topology(estate)
    looked_at, outages = nodes(built, watched), [nodes(built, ids) for ids in failed]
    found = Outages(built, looked_at).down(outages)
    assert found.shape == (len(outages), len(looked_at))
    assert found.tolist() == [[n in down(built, some) for n in looked_at] for some in outages]


@given(whole_estates(), st.lists(st.sampled_from(IDS), max_size=9))
def test_single_points_and_pairs_are_all_there_are(estate: Estate, services: list[str]) -> None:
    built = topology(estate)
    alone = {id: down(built, nodes(built, [id])) for id in IDS}
    wanted = {
        id: {other for other in services if other != id and nodes(built, [other])[0] in alone[id]}
        for id in IDS
    }
    assert takes_down(built, services) == {id: lost for id, lost in wanted.items() if lost}
    for service in services[:1]:
        [node] = nodes(built, [service])
        spared = [id for id in IDS if node not in alone[id]]
        both = [p for p in combinations(spared, 2) if node in down(built, nodes(built, p))]
        found = pairs(built, node)
        assert [tuple(map(built.id, pair)) for pair in found.pairs] == sorted(
            tuple(sorted(pair)) for pair in both
        )
        assert found.complete


def test_more_outages_than_are_worked_out_together() -> None:
    _, built = of(*((f"p{n}", "FEEDS", f"s{n % 7}") for n in range(40)))
    [*suppliers] = nodes(built, [id_of(f"p{n}") for n in range(40)])
    services = nodes(built, [id_of(f"s{n}") for n in range(7)])
    outages = [[suppliers[n % 40]] for n in range(64 * WORDS + 500)]
    found = Outages(built, services).down(outages)
    assert found.nonzero()[1].tolist() == [n % 40 % 7 for n in range(len(outages))]


def test_a_service_that_is_named_twice_counts_once() -> None:
    _, built = of(("p", "FEEDS", "s"))
    [supplier, service] = nodes(built, [id_of("p"), id_of("s")])
    assert single_points(built, [service, service]) == [(supplier, [service])]


def test_what_takes_a_service_down_in_pairs() -> None:
    _, built = of(
        ("a", "RUNS_ON", "s", "rack"), ("b", "RUNS_ON", "s", "rack"), ("c", "RUNS_ON", "s", "rack"),
        ("d", "RUNS_ON", "s", "other"), ("e", "RUNS_ON", "s", "other"), ("f", "CALLS", "s"),
        ("power", "FEEDS", "a"), ("power", "FEEDS", "b"),
    )  # fmt: skip
    [service] = nodes(built, [id_of("s")])
    assert takes_down(built, [id_of("s")]) == {}
    found = pairs(built, service)
    named = [tuple(name_of(built.id(n)) for n in pair) for pair in found.pairs]
    assert named == [("c", "power"), ("d", "e")]
    assert found == Pairs(found.pairs, True, 15)


# -- against networkx -------------------------------------------------------------------------------

COUNT = 12
EDGES = st.lists(
    st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1)), max_size=3 * COUNT
)


def name(number: int) -> str:
    return str(UUID(int=number + 1))


@given(EDGES)
def test_without_groups_all_that_a_service_stands_on_takes_it_down(
    edges: list[tuple[int, int]],
) -> None:
    graph = nx.DiGraph(edges)
    graph.add_nodes_from(range(COUNT))
    plain = estate()
    plain.cis = {name(n): Ci("Server") for n in graph}
    plain.links = {Link("FEEDS", name(p), name(d)): "" for p, d in graph.edges}
    expected = {name(n): {name(m) for m in nx.descendants(graph, n)} for n in graph}
    found = takes_down(topology(plain), list(plain.cis))
    assert found == {id: lost for id, lost in expected.items() if lost}


@given(EDGES)
def test_where_any_one_provider_is_enough_dominators_take_a_service_down(
    edges: list[tuple[int, int]],
) -> None:
    """One supply, number 0; all others need one of those before them."""
    graph = nx.DiGraph((min(edge), max(edge)) for edge in edges if edge[0] != edge[1])
    graph.add_edges_from((0, n) for n in range(1, COUNT) if not graph.pred.get(n))
    plain = estate()
    plain.cis = {name(n): Ci("Server") for n in graph}
    plain.links = {Link("RUNS_ON", name(p), name(d)): "any" for p, d in graph.edges}
    above = nx.immediate_dominators(graph, 0)
    expected: Down = {}
    for node in graph:
        one = node
        while one != 0:
            one = above[one]
            expected.setdefault(name(one), set()).add(name(node))
    assert takes_down(topology(plain), list(plain.cis)) == expected


# -- networks ---------------------------------------------------------------------------------------


def unrolled(network: nx.Graph[int], core: int) -> tuple[Topology, dict[int, str], list[str]]:
    """A network of which every device must reach a core device.

    That a device is up while any neighbour is cannot be said as it stands: two neighbours would hold
    each other up when both are cut off. So there is a CI for each device and number of hops, "reaches
    the core in so many": it needs the device itself, and one of the device or its neighbours to reach the core
    in one hop less. As many hops as there are devices are enough for every path.

    Returns
    -------
    topology, devices, services
        The CIs of the devices, and what they are for: each reaches the core at all.
    """
    hops, away = len(network), nx.single_source_shortest_path_length(network, core)
    devices = {n: name(n) for n in network}
    reach = {(n, k): name((k + 1) * 1000 + n) for n in network for k in range(away[n], hops)}
    plain = estate()
    plain.cis = {id: Ci("Server") for id in (*devices.values(), *reach.values())}
    for (n, k), id in reach.items():
        plain.links[Link("FEEDS", devices[n], id)] = ""
        for near in (n, *network[n]):
            if (near, k - 1) in reach:
                plain.links[Link("RUNS_ON", reach[near, k - 1], id)] = "any"
    return topology(plain), devices, [reach[n, hops - 1] for n in network]


def cut_points(network: nx.Graph[int]) -> set[int]:
    """Devices whose failure cuts others off from a core: from one core, and for that one from another."""
    found: set[int] = set()
    cores = sorted(network, key=lambda n: -network.degree[n])[:2]
    for core, other in (cores, cores[::-1]):
        built, devices, services = unrolled(network, core)
        lost = takes_down(built, services)
        assert len(lost[devices[core]]) == len(network)
        found |= {n for n, id in devices.items() if n != core and len(lost[id]) > 1}
        assert other in devices
    return found


@given(EDGES)
def test_the_cut_points_of_a_network_are_its_articulation_points(
    edges: list[tuple[int, int]],
) -> None:
    network = nx.Graph((n, m) for n, m in edges if n != m)
    network.add_edge(0, 1)
    network = network.subgraph(nx.node_connected_component(network, 0))
    assert cut_points(network) == set(nx.articulation_points(network))


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("folder", "network", "count"),
    [
        ("topozoo", "TataNld", 13),
        ("topozoo", "Ulaknet", 7),
        ("topozoo", "Uninett2010", 10),
        ("topozoo", "Forthnet", 11),
        ("topozoo", "Dfn", 0),
        ("topozoo", "Surfnet", 5),
        ("topozoo", "Garr201201", 15),
        ("topozoo", "Cesnet201006", 11),
        ("topozoo", "Geant2012", 6),
        ("sndlib", "brain", 9),
        ("sndlib", "germany50", 0),
        ("sndlib", "ta2", 2),
        ("sndlib", "abilene", 1),
    ],
)
def test_the_cut_points_of_real_networks(folder: str, network: str, count: int) -> None:
    file = shared_data("topology-topohub") / folder / f"{network}.json"
    said = json.loads(file.read_text("utf-8"))
    graph = nx.Graph((int(edge["source"]), int(edge["target"])) for edge in said["edges"])
    found = cut_points(graph)
    assert found == set(nx.articulation_points(graph))
    assert len(found) == count
