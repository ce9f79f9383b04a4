"""The cause of an outage, found from its alarms: against trying every CI."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impact.propagation import propagate as engine
from impact.root_cause import TRIED, root_causes
from impact.rules import Effect
from impact.topology import Topology
from tests.impact.estates import id_of, name_of, of, topology
from tests.impact.test_against_reference import IDS, whole_estates
from tests.support.impact_reference import DEGRADED, Estate, propagate

SOME = st.lists(st.sampled_from(IDS), max_size=5)
EFFECTS = st.sampled_from([Effect.DOWN, Effect.DOWN, Effect.DEGRADED])


class Cause(NamedTuple):
    """A candidate, by ids."""

    id: str
    explained: list[str]
    unexplained: list[str]
    contradicted: list[str]
    silent: int


def nodes(topology: Topology, ids: list[str]) -> list[int]:
    return [node for node in topology.find(ids) if node is not None]


def found(
    topology: Topology,
    alarms: list[str],
    good: list[str] | None = None,
    effect: Effect = Effect.DOWN,
    first: int = 10,
) -> list[Cause]:
    """What the search finds."""
    given = nodes(topology, alarms), nodes(topology, good or [])
    causes = root_causes(topology, *given, effect=effect, first=first)
    assert causes.complete

    def ids(found: list[int]) -> list[str]:
        return [topology.id(n) for n in found]

    return [
        Cause(
            topology.id(c.node), ids(c.explained), ids(c.unexplained), ids(c.contradicted), c.silent
        )
        for c in causes.causes
    ]


def tried(estate: Estate, alarms: list[str], good: list[str], effect: int) -> list[Cause]:
    """Every CI tried, the best first."""
    alarms, good = list(dict.fromkeys(alarms)), list(dict.fromkeys(good))
    ranked = []
    for id in estate.cis:
        answer = propagate(estate, {id: effect})
        impaired = {ci for ci, worst in answer.effects.items() if worst >= DEGRADED}
        cause = Cause(
            id,
            [ci for ci in alarms if ci in impaired],
            [ci for ci in alarms if ci not in impaired],
            [ci for ci in good if ci in impaired],
            len(impaired - {id, *alarms}),
        )
        if cause.explained:
            away = sum(answer.paths[ci][0].distance for ci in cause.explained)
            worth = len(cause.explained) - len(cause.contradicted)
            ranked.append((-worth, cause.silent, away, id, cause))
    return [cause for *_, cause in sorted(ranked)]


@given(whole_estates(), SOME, SOME, EFFECTS, st.integers(1, 9))
def test_the_ranking_is_that_of_trying_every_ci(
    estate: Estate, alarms: list[str], good: list[str], effect: Effect, first: int
) -> None:
    expected = tried(estate, alarms, good, effect)[:first]
    assert found(topology(estate), alarms, good, effect, first) == expected


@given(whole_estates(), st.sampled_from(IDS), EFFECTS)
def test_the_true_cause_explains_all_alarms(estate: Estate, cause: str, effect: Effect) -> None:
    built = topology(estate)
    [node] = nodes(built, [cause])
    outcome = engine(built, {node: effect})
    alarms = [built.id(n) for n in outcome.nodes.tolist() if outcome.effect[n] >= Effect.DEGRADED]
    causes = found(built, alarms, effect=effect, first=len(IDS))
    assert cause in {c.id for c in causes if not c.unexplained and not c.silent}
    assert not causes[0].unexplained
    assert causes[0].silent == 0


SWITCHES = [
    ("switch 1", "FEEDS", "a"), ("switch 1", "FEEDS", "b"), ("switch 1", "FEEDS", "c"),
    ("switch 2", "FEEDS", "b"), ("switch 2", "FEEDS", "c"),
    ("power", "FEEDS", "switch 1"), ("power", "FEEDS", "switch 2"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("alarms", "good", "best"),
    [
        ("abc", "", "switch 1"),
        ("bc", "", "switch 2"),  # it would have been silent of nothing
        ("bc", "a", "switch 2"),
        ("a", "bc", "a"),
        ("a", "", "a"),
        ("abc", "d", "switch 1"),
    ],
)
def test_the_cause_that_a_person_would_name(alarms: str, good: str, best: str) -> None:
    _, built = of(*SWITCHES, ("other", "FEEDS", "d"))
    causes = found(built, [id_of(x) for x in alarms], [id_of(x) for x in good])
    assert name_of(causes[0].id) == best


def test_what_is_well_contradicts() -> None:
    _, built = of(*SWITCHES)
    causes = {
        name_of(c.id): c
        for c in found(built, [id_of("b"), id_of("c")], [id_of("a"), id_of("a"), id_of("switch 2")])
    }
    assert list(causes) == ["b", "c", "switch 2", "switch 1", "power"]
    assert causes["power"].contradicted == [id_of("a"), id_of("switch 2")]
    assert causes["switch 1"].contradicted == [id_of("a")]
    assert causes["switch 2"].contradicted == [id_of("switch 2")]
    assert causes["b"].unexplained == [id_of("c")]


def test_too_many_candidates_are_said_to_be() -> None:
    _, built = of(*((f"p{n}", "FEEDS", "s") for n in range(TRIED + 1)))
    causes = root_causes(built, nodes(built, [id_of("s")]), first=TRIED + 2)
    assert (len(causes.causes), causes.complete, causes.tried) == (TRIED, False, TRIED)
