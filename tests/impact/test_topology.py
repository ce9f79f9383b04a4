"""The topology: finding, looking back, changing; what the properties do not show."""

from __future__ import annotations

import random
from itertools import pairwise
from uuid import UUID, uuid4

import numpy as np
import pytest

from impact import topology as module
from impact.elements import OPEN, UNLABELLED, Links, Nodes
from impact.topology import Topology
from tests.impact import estates
from tests.impact.estates import RULES, answer, id_of, link, links_of, node, of, reached, topology
from tests.support import impact_reference as reference
from tests.support.impact_reference import (
    AT_RISK,
    DEGRADED,
    DOWN,
    Ci,
    Estate,
    Link,
    Redundancy,
    propagate,
)

A, B, C, X = (id_of(name) for name in "abcx")
FEEDS = Link("FEEDS", A, X)


def test_ids_are_found_however_they_were_come_by() -> None:
    _, built = of(("b", "FEEDS", "x"))
    built.change(1, [node(id, Ci("Server")) for id in (C, A)])
    found = built.find([A, B, C, X, id_of("d"), id_of("y"), "no id", ""])
    assert [n is None for n in found] == [False] * 4 + [True] * 4
    assert [built.id(n) for n in found[:4] if n is not None] == [A, B, C, X]
    assert built.type(len(built) - 1) == "Server"


def test_an_empty_topology_can_grow() -> None:
    empty = topology(estates.estate())
    assert empty.find([A]) == [None]
    empty.change(1, [node(A, Ci("Server")), node(X, Ci("Server"))], [], [link(FEEDS)])
    assert answer(empty, {A: DOWN}).effects == {A: DOWN, X: DOWN}


def test_what_is_not_there_is_passed_over() -> None:
    _, built = of(("a", "FEEDS", "x"))
    built.change(1, closed=[link(Link("FEEDS", B, X)), link(Link("CALLS", A, X))])
    built.change(2, closed=[link(Link("KNOWS", A, X))], opened=[link(Link("KNOWS", A, X))])
    built.change(3, opened=[link(Link("FEEDS", A, B)), link(Link("FEEDS", B, A))])
    assert links_of(built) == {FEEDS: ""}


def test_what_holds_already_stays_as_it_is() -> None:
    _, built = of(("a", "FEEDS", "x", "left"))
    rows = built.rows.count
    built.change(1, [node(A, Ci("Server"))], [], [link(FEEDS, "left")])
    built.change(2, [], [link(FEEDS, "left")], [link(FEEDS, "left")])
    assert built.rows.count == rows
    assert built.rows["begin"].tolist() == [0]


def test_a_link_of_another_label_is_another_from_then_on() -> None:
    _, built = of(("a", "RUNS_ON", "x", "left"), ("b", "RUNS_ON", "x", "left"))
    runs_on = Link("RUNS_ON", A, X)
    built.change(1, [], [link(runs_on, "left")], [link(runs_on, "right")])
    built.change(2, [], [], [link(runs_on)])
    assert [answer(built, {A: DOWN}, view=built.as_of(n)).effects[X] for n in (0, 1, 2)] == [
        AT_RISK,
        DOWN,
        DOWN,
    ]
    assert [len(answer(built, {}, view=built.as_of(n)).groups) for n in (0, 1, 2)] == [1, 2, 1]
    assert links_of(built)[runs_on] == ""


def test_a_newer_state_is_not_set_back() -> None:
    """The feed told once more of a closing and an opening that are long past."""
    estate, _ = of(("a", "FEEDS", "x", "new"))
    built = topology(estate, since={FEEDS: 5})
    built.change(3, [], [link(FEEDS, "old")])
    built.change(4, [], [], [link(FEEDS, "older")])
    assert links_of(built) == {FEEDS: "new"}
    assert (built.rows.count, built.revision) == (1, 4)


def test_a_newer_link_is_regrouped_from_when_it_began(built_at_five: Topology) -> None:
    built_at_five.change(3, [node(X, Ci("Cluster"))])
    assert links_of(built_at_five) == {FEEDS: ""}
    built_at_five.change(7)
    seen = [answer(built_at_five, {A: DOWN}, view=built_at_five.as_of(n)) for n in (4, 5)]
    assert [len(found.groups) for found in seen] == [0, 1]
    assert [found.effects for found in seen] == [{A: DOWN}, {A: DOWN, X: DOWN}]


@pytest.fixture
def built_at_five() -> Topology:
    """A link that has held since revision 5."""
    estate, _ = of(("a", "FEEDS", "x"))
    return topology(estate, since={FEEDS: 5})


def test_the_past_is_looked_at_anew_after_a_change() -> None:
    _, built = of(("a", "POWERED_BY", "x"))
    built.change(1, [node(B, Ci("Server"))])
    assert answer(built, {A: DOWN}, view=built.as_of(0)).effects == {A: DOWN, X: DOWN}
    built.change(2, [node(C, Ci("Server"))], [], [link(Link("POWERED_BY", C, A))])
    assert answer(built, {C: DOWN}, view=built.as_of(0)).effects == {C: DOWN}
    assert answer(built, {C: DOWN}).effects == {C: DOWN, A: DOWN, X: DOWN}


def test_what_a_ci_was_can_be_told_later() -> None:
    _, built = of(("a", "FEEDS", "x"))
    built.change(9)
    assert answer(built, {A: DOWN}, view=built.as_of(5)).effects == {A: DOWN, X: DOWN}
    built.remember(A, 3, 6, False)
    assert [len(answer(built, {A: DOWN}, view=built.as_of(n)).effects) for n in (2, 3, 5, 6)] == [
        2,
        1,
        1,
        2,
    ]


def test_the_newest_revision_is_what_holds_now() -> None:
    _, built = of(("a", "FEEDS", "x"))
    built.change(3, closed=[link(FEEDS)])
    assert built.as_of(3) is built.live
    assert built.as_of(99) is built.live
    assert [built.as_of(n) is built.as_of(n) for n in (0, 1, 2)] == [True] * 3


def test_a_fork_that_is_gone_leaves_nothing() -> None:
    estate, built = of(("a", "POWERED_BY", "x"), ("b", "POWERED_BY", "x"))
    for number in range(3):
        fork = built.fork()
        fork.change(
            1 + number,
            [node(id_of(f"f{number}"), Ci("Server")), node(B, Ci("Server", operational=False))],
            [link(Link("POWERED_BY", A, X))],
            [link(Link("POWERED_BY", id_of(f"f{number}"), X)), link(FEEDS)],
        )
        assert len(links_of(fork)) == len(estate.links) + 1
        del fork
        new = id_of(f"n{number}")
        estate.cis[new] = Ci("Server")
        estate.links[Link("POWERED_BY", new, X)] = ""
        built.change(1 + number, [node(new, Ci("Server"))], [], [link(Link("POWERED_BY", new, X))])
        assert links_of(built) == estate.links
        assert answer(built, {A: DOWN, B: DOWN}) == propagate(estate, {A: DOWN, B: DOWN})


def test_a_fork_of_a_fork() -> None:
    _, built = of(("a", "FEEDS", "x"))
    first = built.fork()
    first.change(1, [node(B, Ci("Server"))], [], [link(Link("FEEDS", B, X))])
    second = first.fork()
    del first
    built.change(1, [node(C, Ci("Server"))], [], [link(Link("FEEDS", C, A))])
    assert links_of(second) == {FEEDS: "", Link("FEEDS", B, X): ""}
    assert links_of(built) == {FEEDS: "", Link("FEEDS", C, A): ""}


def test_much_in_the_tail_is_a_reason_to_build_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TAIL", 1)
    _, built = of(("a", "FEEDS", "x"))
    built.change(1, [node(B, Ci("Server"))], [], [link(Link("FEEDS", B, X))])
    assert not built.crowded
    built.change(2, [], [], [link(Link("FEEDS", B, A))])
    assert built.crowded


def test_many_rounds_of_many(shape: Estate) -> None:
    """Large enough for every way of sorting and counting; nodes and rows in the tail among them."""
    order = random.Random(4)
    ids, links = list(shape.cis), list(shape.links)
    order.shuffle(ids)
    order.shuffle(links)
    whole = topology(shape, ids=ids, links=links)
    late = set(order.sample(ids, 300))
    first = [k for k in links if not {k.provider, k.dependent} & late]
    kept = set(order.sample(first, len(first) - 2_000))
    part = Estate(
        shape.rules,
        shape.own,
        {id: ci for id, ci in shape.cis.items() if id not in late},
        {k: label for k, label in shape.links.items() if k in kept},
    )
    grown = topology(part)
    opened = [link(k, label) for k, label in shape.links.items() if k not in kept]
    order.shuffle(opened)
    grown.change(1, [node(id, shape.cis[id]) for id in late], [], opened)
    for some in (ids[:30], sorted(ids)[:3_000]):
        roots = {id: DOWN if number % 3 else DEGRADED for number, id in enumerate(some)}
        expected = propagate(shape, roots)
        assert len(expected.effects) > 2 * len(some)
        assert answer(whole, roots) == expected
        assert answer(grown, roots) == expected
        for built in (whole, grown):
            found = reached(built, [n for n in built.find(some) if n is not None])
            assert found == reference.reachable(shape, some)


@pytest.fixture(scope="module")
def shape() -> Estate:
    """9,000 CIs in layers, each with a few providers in the layer below."""
    rng, estate = random.Random(3), estates.estate()
    layers = [[str(UUID(int=rng.getrandbits(128))) for _ in range(1_500)] for _ in range(6)]
    for layer in layers:
        for id in layer:
            own = {"RUNS_ON": Redundancy("all")} if rng.random() < 0.05 else {}
            type = rng.choice(["Server", "Server", "Cluster"])
            estate.cis[id] = Ci(type, rng.random() < 0.95, own)
    for below, above in pairwise(layers):
        for id in above:
            for _ in range(rng.randrange(1, 5)):
                found = Link(rng.choice(sorted(estate.rules)), rng.choice(below), id)
                estate.links[found] = rng.choice(["", "a", "b"])
    return estate


def test_it_is_small() -> None:
    """At most 250 bytes a CI with 2.6 links each."""
    count, per = 20_000, 52_000
    rng = np.random.default_rng(1)
    provider, dependent = (rng.integers(0, count, per).astype(np.int32) for _ in range(2))
    built = Topology(
        RULES,
        Nodes(
            np.asarray([uuid4().bytes for _ in range(count)], "S16"),
            np.zeros(count, np.int16),
            ["Server"],
            np.ones(count, bool),
            {},
        ),
        Links(
            provider,
            dependent,
            rule=rng.integers(0, len(RULES.by_code), per).astype(np.int16),
            label=np.full(per, UNLABELLED, np.int32),
            labels=[],
            begin=np.zeros(per, np.int32),
            end=np.full(per, OPEN, np.int32),
        ),
        1,
    )
    assert built.nbytes <= 250 * count
