"""Kernels as machine code: the same answers as in numpy, again and again, in several threads."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import numpy as np
import pytest

from impact import compiled
from impact.compiled import COMPILED, Compiled
from impact.propagation import Propagation, propagate, reachable
from impact.rules import Effect
from impact.topology import Topology
from tests.impact import estates
from tests.support.impact_reference import Ci, Link

SIZE = 400


@pytest.fixture(scope="module")
def topology() -> Topology:
    estate = estates.estate()
    draw = random.Random(3)
    ids = [str(UUID(int=n + 1)) for n in range(SIZE)]
    estate.cis = {id: Ci("Server", draw.random() < 0.9) for id in ids}
    types = sorted(estates.PLAIN_RULES)
    for number, id in enumerate(ids[1:], 1):
        for _ in range(3):
            provider = ids[draw.randrange(max(0, number - 40), number)]
            estate.links[Link(draw.choice(types), provider, id)] = draw.choice(["", "", "g"])
    return estates.topology(estate)


@pytest.fixture
def machine_code() -> Iterator[None]:
    pytest.importorskip("numba")
    assert COMPILED.load()
    yield
    COMPILED.reach = COMPILED.spread = None


def test_the_same_answers(topology: Topology, request: pytest.FixtureRequest) -> None:
    draw = random.Random(5)
    asked = [
        ({n: Effect(draw.randint(1, 3)) for n in draw.sample(range(SIZE), draw.randint(0, 5))}, d)
        for d in [None, 0, 1, 2, 3] * 8
    ]
    expected = [_told(propagate(topology, roots, depth=depth)) for roots, depth in asked]
    reached = [set(reachable(topology, list(roots)).tolist()) for roots, _ in asked]
    request.getfixturevalue("machine_code")
    assert [_told(propagate(topology, roots, depth=depth)) for roots, depth in asked] == expected
    assert [set(reachable(topology, list(roots)).tolist()) for roots, _ in asked] == reached
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(lambda a: _told(propagate(topology, a[0], depth=a[1])), asked * 5)
        assert list(found) == expected * 5
    assert 1 <= len(topology.work) <= 4


def test_room_is_made_anew_when_a_topology_has_outgrown_it(topology: Topology) -> None:
    grown = topology.fork()
    with estates.looping():
        propagate(topology, {0: Effect.DOWN})
        [*_, small] = topology.work
        for number in range(SIZE // 8):
            grown.change(1, [estates.node(str(UUID(int=SIZE + 1 + number)), Ci("Server"))])
        [late] = grown.find([str(UUID(int=SIZE + 1))])
        assert late is not None
        assert propagate(grown, {late: Effect.DOWN}).nodes.tolist() == [late]
        assert grown.work is topology.work
        assert all(room is not small for room in grown.work)


def test_code_is_made_when_answers_have_taken_long(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Compiled()
    loads = []

    def load() -> bool:
        loads.append(True)
        return True

    monkeypatch.setattr(made, "load", load)
    with made.instead():
        pass
    assert not loads
    monkeypatch.setattr(compiled, "PAYS", 0.0)
    with made.instead():
        pass
    assert loads == [True]


def test_without_numba_nothing_is_made_and_it_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr(compiled, "PAYS", 0.0)
    made = Compiled()
    assert not made.load()
    with made.instead():
        pass
    monkeypatch.delitem(sys.modules, "numba")
    with made.instead():
        pass
    assert made.spread is None


def _told(outcome: Propagation) -> tuple[object, ...]:
    paths = [outcome.path(node) for node in outcome.nodes.tolist()]
    groups = np.stack([outcome.impaired, outcome.down]).tolist()
    return outcome.complete, outcome.distances.tolist(), outcome.effects.tolist(), paths, groups
