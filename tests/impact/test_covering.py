"""Few causes of many alarms: against a plain greedy search that asks the engine about each CI."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from impact.covering import Alarm, Cause, Proof, causes
from impact.propagation import propagate
from impact.rules import Effect
from impact.topology import Topology
from tests.impact.estates import id_of, name_of, of, topology
from tests.impact.test_against_reference import IDS, whole_estates
from tests.support.impact_reference import Ci, Estate

PROOF = Proof(3, 0.5)


def impaired(built: Topology, node: int, effect: Effect = Effect.DOWN) -> set[int]:
    outcome = propagate(built, {node: effect})
    return {n for n in outcome.nodes.tolist() if outcome.effect[n] >= Effect.DEGRADED}


def proven(built: Topology, node: int, explained: set[int], proof: Proof) -> bool:
    """Whether enough of one type gave an alarm, and most of that type that fail with a node."""
    some = Counter(built.type(n) for n in explained)
    every = Counter(built.type(n) for n in impaired(built, node) if n != node)
    return any(n >= proof.least and n >= proof.share * every[t] for t, n in some.items())


def plainly(built: Topology, alarms: Sequence[Alarm], proof: Proof) -> list[Cause]:
    gave = {alarm.node: alarm.effect for alarm in alarms}
    place = {alarm.node: number for number, alarm in enumerate(alarms)}
    left, found = set(place), list[Cause]()
    every = {n: impaired(built, n, gave.get(n, Effect.DOWN)) for n in range(len(built)) if gave}
    while True:
        options = []
        for node, hit in every.items():
            explained = hit & left
            least = 2 if node in gave else max(2, proof.least)
            if len(explained) >= least and any(alarms[place[n]].new for n in explained):
                options.append((-len(explained), node not in gave, built.id(node), explained))
        for *_, explained in sorted(options, key=lambda option: option[:3]):
            equal = [n for n in every if every[n] & left == explained]
            equal = [n for n in equal if n in gave or proven(built, n, explained, proof)]
            equal = [n for n in equal if n in gave] or equal
            if equal:
                best = min(equal, key=lambda n: (len(every[n]), built.id(n)))
                told = tuple(sorted(place[n] for n in explained))
                found.append(Cause(best, best not in gave, told))
                left -= explained
                break
        else:
            return found


@given(
    whole_estates(),
    st.dictionaries(
        st.sampled_from(IDS),
        st.tuples(st.sampled_from([Effect.DOWN, Effect.DOWN, Effect.DEGRADED]), st.booleans()),
        max_size=8,
    ),
    st.builds(Proof, st.integers(1, 4), st.sampled_from([0.0, 0.3, 0.5, 1.0])),
)
def test_the_causes_are_those_of_a_plain_search(
    estate: Estate, gave: Mapping[str, tuple[Effect, bool]], proof: Proof
) -> None:
    built = topology(estate)
    alarms = [
        Alarm(node, *said)
        for node, said in zip(built.find(gave), gave.values(), strict=True)
        if node is not None
    ]
    assert causes(built, alarms, proof) == plainly(built, alarms, proof)


def named(built: Topology, given: str, proof: Proof = PROOF) -> list[tuple[str, bool, str]]:
    """Causes of alarms of CIs with names of one letter: their name, whether silent, what they explain."""
    alarms = [Alarm(node) for node in built.find(map(id_of, given)) if node is not None]
    return [
        (name_of(built.id(c.node)), c.silent, "".join(sorted(given[n] for n in c.explained)))
        for c in causes(built, alarms, proof)
    ]


def test_the_switch_that_says_nothing_is_found_and_not_what_stands_above_it() -> None:
    below = [("s", "FEEDS", x) for x in "abcdef"]
    _, built = of(("u", "FEEDS", "s"), ("u", "FEEDS", "t"), ("t", "FEEDS", "g"), *below)
    assert named(built, "abcdef") == [("s", True, "abcdef")]
    assert named(built, "abc") == [("s", True, "abc")]
    assert named(built, "ab") == []  # of six
    assert named(built, "abcdefg") == [("u", True, "abcdefg")]
    assert named(built, "abcdefs") == [("s", False, "abcdefs")]


def test_of_two_that_are_enough_each_alone_none_is_blamed() -> None:
    pairs = [(s, "RUNS_ON", x, "g") for x in "abcd" for s in "st"]
    _, built = of(*pairs)
    assert named(built, "abcd") == []
    assert named(built, "abcds") == []
    _, built = of(*pairs, ("p", "FEEDS", "s"), ("p", "FEEDS", "t"))
    assert named(built, "abcd") == [("p", True, "abcd")]


def test_what_is_not_in_service_explains_nothing() -> None:
    _, built = of(*(("s", "FEEDS", x) for x in "abc"), s=Ci("Server", operational=False))
    assert named(built, "abc") == []
