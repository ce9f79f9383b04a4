"""Each rule of propagation by an example small enough to work out in the head."""

from __future__ import annotations

import numpy as np
import pytest

from impact.propagation import ROOT, propagate, reachable
from impact.rules import Effect
from tests.impact.estates import answer, id_of, name_of, node, of
from tests.support.impact_reference import (
    AT_RISK,
    DEGRADED,
    DOWN,
    NONE,
    Answer,
    Ci,
    Group,
    Redundancy,
    State,
    Step,
)
from tests.support.impact_reference import propagate as reference

THREE = [("a", "FEEDS", "x"), ("b", "FEEDS", "x"), ("c", "FEEDS", "x")]


def ask(*links: tuple[str, ...], depth: int | None = None, **given: Ci | int) -> Answer:
    """The engine's answer, in names; the reference says the same."""
    cis = {name: ci for name, ci in given.items() if isinstance(ci, Ci)}
    roots = {id_of(name): effect for name, effect in given.items() if isinstance(effect, int)}
    estate, topology = of(*links, **cis)
    found = answer(topology, roots, depth)
    assert found == reference(estate, roots, depth)
    return Answer(
        {name_of(id): effect for id, effect in found.effects.items()},
        {
            name_of(id): [
                step._replace(
                    ci=name_of(step.ci), provider=step.provider and name_of(step.provider)
                )
                for step in path
            ]
            for id, path in found.paths.items()
        },
        {g._replace(dependent=name_of(g.dependent)): state for g, state in found.groups.items()},
        found.complete,
    )


def effect(*links: tuple[str, ...], **given: Ci | int) -> int:
    """What happens to x."""
    return ask(*links, depth=None, **given).effects.get("x", NONE)


# -- single providers -------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [DEGRADED, DOWN])
def test_hard_passes_on_as_it_is(given: int) -> None:
    assert effect(("a", "FEEDS", "x"), a=given) == given


@pytest.mark.parametrize(("given", "passed"), [(DEGRADED, AT_RISK), (DOWN, DEGRADED)])
def test_soft_lowers_by_one_step(given: int, passed: int) -> None:
    assert effect(("a", "CALLS", "x"), a=given) == passed


def test_what_is_at_risk_passes_nothing_on() -> None:
    links = [("a", "CALLS", "b"), ("b", "FEEDS", "x"), ("b", "POWERED_BY", "y")]
    assert ask(*links, a=DEGRADED).effects == {"a": DEGRADED, "b": AT_RISK}
    assert ask(*links, b=AT_RISK).effects == {"b": AT_RISK}


def test_nothing_is_given_to_a_root_of_no_effect() -> None:
    assert ask(("a", "FEEDS", "x"), a=NONE) == Answer({}, {}, {}, True)


def test_what_is_not_operational_is_nobodys_provider_but_may_be_affected() -> None:
    out = Ci("Server", operational=False)
    links = [("a", "FEEDS", "b"), ("b", "FEEDS", "x")]
    assert ask(*links, b=out, a=DOWN).effects == {"a": DOWN, "b": DOWN}


def test_the_worst_of_several_providers_counts() -> None:
    links = [("a", "CALLS", "x"), ("b", "FEEDS", "x"), ("c", "CALLS", "x")]
    found = ask(*links, a=DOWN, b=DOWN, c=DEGRADED)
    assert found.effects["x"] == DOWN
    assert found.paths["x"] == [Step("x", DOWN, 1, "b", "FEEDS"), Step("b", DOWN, 0)]


def test_of_equals_the_provider_with_the_lowest_id_explains_and_then_the_first_rule() -> None:
    links = [("b", "FEEDS", "x"), ("a", "RUNS_ON", "x"), ("a", "FEEDS", "x")]
    assert ask(*links, a=DOWN, b=DOWN).paths["x"][0] == Step("x", DOWN, 1, "a", "FEEDS")


def test_a_path_is_as_it_was_when_it_happened() -> None:
    """x is degraded at once by a; what takes it down comes later, over b and c."""
    links = [("a", "CALLS", "x"), ("a", "FEEDS", "b"), ("b", "FEEDS", "c"), ("c", "FEEDS", "x")]
    links += [("x", "FEEDS", "y")]
    found = ask(*links, a=DOWN)
    assert [(s.ci, s.effect, s.distance) for s in found.paths["y"]] == [
        ("y", DOWN, 4),
        ("x", DOWN, 3),
        ("c", DOWN, 2),
        ("b", DOWN, 1),
        ("a", DOWN, 0),
    ]
    assert ask(*links, a=DOWN, depth=2).effects == {
        "a": DOWN, "b": DOWN, "c": DOWN, "x": DEGRADED, "y": DEGRADED
    }  # fmt: skip


def test_a_root_may_get_worse_than_it_was_given() -> None:
    found = ask(("a", "FEEDS", "b"), ("b", "FEEDS", "x"), a=DOWN, x=DEGRADED)
    assert found.effects["x"] == DOWN
    assert [step.ci for step in found.paths["x"]] == ["x", "b", "a"]


def test_a_root_is_as_bad_as_it_was_given() -> None:
    found = ask(("a", "FEEDS", "x"), a=DEGRADED, x=DOWN)
    assert found.paths["x"] == [Step("x", DOWN, 0)]


def test_those_that_depend_on_each_other() -> None:
    links = [("x", "FEEDS", "y"), ("y", "FEEDS", "x"), ("a", "FEEDS", "y")]
    assert ask(*links).effects == {}
    assert ask(*links, a=DEGRADED).effects == {"a": DEGRADED, "y": DEGRADED, "x": DEGRADED}
    assert [s.ci for s in ask(*links, a=DOWN).paths["x"]] == ["x", "y", "a"]


def test_one_that_depends_on_itself() -> None:
    assert ask(("x", "FEEDS", "x"), ("x", "POWERED_BY", "x"), x=DEGRADED).effects == {"x": DEGRADED}


# -- groups -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected", "margin"),
    [
        ({}, NONE, 1),
        ({"a": AT_RISK}, NONE, 1),
        ({"a": DEGRADED}, AT_RISK, 0),
        ({"a": DOWN}, AT_RISK, 0),
        ({"a": DOWN, "b": DEGRADED}, DEGRADED, -1),
        ({"a": DEGRADED, "b": DEGRADED, "c": DEGRADED}, DEGRADED, -2),
        ({"a": DOWN, "b": DOWN}, DOWN, -1),
    ],
)
def test_two_of_three(given: dict[str, int], expected: int, margin: int) -> None:
    two = Ci("Server", needs={"FEEDS": Redundancy("2")})
    found = ask(*THREE, depth=None, x=two, **given)
    assert found.effects.get("x", NONE) == expected
    state = found.groups[Group("x", "FEEDS", "")]
    assert (state.members, state.needed, state.short, state.margin) == (3, 2, False, margin)
    assert state.left == 3 - sum(effect == DOWN for effect in given.values())


def test_a_share_is_rounded_up() -> None:
    links = [(name, "POWERED_BY", "x") for name in "abc"]
    assert effect(*links, a=DOWN) == AT_RISK
    assert effect(*links, a=DOWN, b=DOWN) == DOWN


def test_a_type_needs_what_it_says() -> None:
    cluster = Ci("Cluster")
    assert effect(*THREE, a=DOWN, x=cluster) == DOWN  # all
    assert effect(("a", "RUNS_ON", "x"), ("b", "RUNS_ON", "x"), a=DOWN) == DOWN  # in no group
    links = [(name, "RUNS_ON", "x") for name in "abc"]
    assert effect(*links, a=DOWN, x=cluster) == AT_RISK  # two, whatever their labels


def test_a_ci_needs_what_it_says_before_what_its_type_says() -> None:
    own = Ci("Cluster", needs={"FEEDS": Redundancy("1")})
    assert effect(*THREE, a=DOWN, b=DOWN, x=own) == AT_RISK


def test_labels_tell_groups_apart_and_without_one_a_provider_is_single() -> None:
    links = [("a", "RUNS_ON", "x", "left"), ("b", "RUNS_ON", "x", "left")]
    links += [("c", "RUNS_ON", "x", "right"), ("d", "RUNS_ON", "x", "right")]
    single = ("e", "RUNS_ON", "x")
    assert effect(*links, single, a=DOWN, c=DOWN) == AT_RISK
    assert effect(*links, single, a=DOWN, b=DOWN) == DOWN
    assert effect(*links, single, e=DOWN) == DOWN


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"a": DOWN}, NONE),
        ({"a": DOWN, "b": DEGRADED}, AT_RISK),
        ({"a": DOWN, "b": DOWN}, DEGRADED),
    ],
)
def test_a_soft_group_gives_one_step_less(given: dict[str, int], expected: int) -> None:
    links = [(name, "COOLED_BY", "x") for name in "abc"]
    assert effect(*links, **given) == expected


def test_a_short_group_needs_all_it_has() -> None:
    found = ask(("a", "COOLED_BY", "x"), a=DOWN)
    assert found.effects["x"] == DEGRADED  # down, but for softness
    assert found.groups == {Group("x", "COOLED_BY", ""): State(1, 1, True, 0, 0)}


def test_what_is_not_operational_is_no_member() -> None:
    found = ask(*[(name, "COOLED_BY", "x") for name in "abc"], c=Ci("Server", operational=False))
    assert found.groups == {Group("x", "COOLED_BY", ""): State(2, 2, False, 2, 2)}


def test_a_group_is_explained_by_a_member_that_counts() -> None:
    """a is degraded in the same round, and has the lower id; but it is b that takes x down."""
    links = [("a", "POWERED_BY", "x"), ("b", "POWERED_BY", "x"), ("c", "POWERED_BY", "x")]
    found = ask(*links, a=DEGRADED, b=DOWN, c=DOWN)
    assert found.paths["x"][0] == Step("x", DOWN, 1, "b", "POWERED_BY")


def test_a_group_is_explained_by_the_member_that_tipped_it() -> None:
    links = [("a", "POWERED_BY", "x"), ("r", "FEEDS", "c"), ("c", "POWERED_BY", "x")]
    found = ask(*links, a=DOWN, r=DOWN)
    assert [step.ci for step in found.paths["x"]] == ["x", "c", "r"]


# -- the engine's own words -------------------------------------------------------------------------


def test_depth_is_enough_if_nothing_more_would_follow() -> None:
    links = [("a", "FEEDS", "b"), ("b", "FEEDS", "x")]
    assert ask(*links, depth=2, a=DOWN).complete
    cut = ask(*links, depth=1, a=DOWN)
    assert (cut.effects, cut.complete) == ({"a": DOWN, "b": DOWN}, False)
    assert not ask(*links, depth=0, a=DOWN).complete


def test_nodes_come_by_distance_and_then_by_id() -> None:
    _, topology = of(("b", "FEEDS", "a"), ("b", "FEEDS", "x"), ("c", "FEEDS", "d"))
    b, c = topology.find([id_of("b"), id_of("c")])
    assert b is not None
    assert c is not None
    outcome = propagate(topology, {c: Effect.DOWN, b: Effect.DOWN})
    assert [name_of(topology.id(n)) for n in outcome.nodes] == ["b", "c", "a", "d", "x"]
    assert outcome.distances.tolist() == [0, 0, 1, 1, 1]
    assert outcome.rows.tolist()[:2] == [ROOT, ROOT]
    assert [topology.link(row).dependent for row in outcome.rows[2:]] == [
        id_of(name) for name in "adx"
    ]
    [x] = topology.find([id_of("x")])
    assert x is not None
    assert [step.node for step in outcome.path(x)] == [x, b]


def test_what_is_not_affected_has_no_path() -> None:
    _, topology = of(("a", "FEEDS", "x"), ("x", "CALLS", "y"))
    [x] = topology.find([id_of("x")])
    assert x is not None
    for number in range(len(topology)):
        steps = propagate(topology, {x: Effect.AT_RISK}).path(number)
        assert bool(steps) == (number == x)


def test_reachable_asks_for_no_effect() -> None:
    _, topology = of(
        ("a", "CALLS", "b"), ("b", "CALLS", "c"), ("c", "CALLS", "a"), ("d", "CALLS", "a")
    )
    [a] = topology.find([id_of("a")])
    assert a is not None
    found = reachable(topology, [a, a])
    assert [name_of(topology.id(n)) for n in found] == ["a", "b", "c"]
    topology.change(1, [node(id_of("b"), Ci("Server", operational=False))])
    assert [name_of(topology.id(n)) for n in reachable(topology, [a])] == ["a", "b"]
    assert len(reachable(topology, np.empty(0, np.int64))) == 0
