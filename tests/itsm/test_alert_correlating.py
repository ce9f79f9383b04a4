"""Correlation: which alerts are one incident, on small estates, and what holds on any."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from impact.covering import Proof
from impact.propagation import propagate
from impact.rules import Effect
from impact.topology import Topology
from itsm.alerts.correlating import Group, Standing, Waiting, groups
from tests.impact.estates import id_of, name_of, of, topology
from tests.impact.test_against_reference import IDS, whole_estates
from tests.support.impact_reference import Estate

PROOF = Proof(3, 0.5)
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
DOWN, DEGRADED = Effect.DOWN, Effect.DEGRADED
Told = tuple[tuple[str, ...], str | None, str, bool]
"""Incidents, causes, CIs, whether it may be opened now."""


def standing(id: str, roots: str, age: int = 5, *, lately: bool = True) -> Standing:
    given = {id_of(name): DOWN for name in roots}
    return Standing(id, START - timedelta(minutes=age), given, lately)


def told(
    built: Topology,
    waiting: str,
    *open_: Standing,
    ready: str = "",
    overdue: str = "",
    concerned: Mapping[str, Collection[str]] = {},
) -> set[Told]:
    """The groups of CIs with names of one letter."""
    cis = [Waiting(id_of(name), DOWN, name in ready, name in overdue) for name in waiting]
    known = {id_of(name): ids for name, ids in concerned.items()}
    found = groups(built, built.live, cis, open_, known, PROOF)
    return {
        (
            tuple(group.incidents),
            None if group.roots is None else "".join(map(name_of, group.roots)),
            "".join(sorted(map(name_of, group.cis))),
            group.ready,
        )
        for group in found
    }


SITE = of(
    *(("s", "FEEDS", x) for x in "abcd"),
    *(("t", "FEEDS", x) for x in "efgh"),
    ("u", "FEEDS", "s"),
    ("u", "FEEDS", "t"),
    ("v", "FEEDS", "w"),
)[1]
"""(u)-[:FEEDS]->(s | t), (s)-[:FEEDS]->(a … d), (t)-[:FEEDS]->(e … h), (v)-[:FEEDS]->(w)."""
SPARE = of(*((s, "RUNS_ON", x, "g") for x in "abc" for s in "st"), ("p", "FEEDS", "s"))[1]
"""(s | t)-[:RUNS_ON]->(a | b | c): one of them is enough; (p)-[:FEEDS]->(s)."""


def test_alarms_with_one_cause_are_one_and_others_stand_alone() -> None:
    assert told(SITE, "abcds") == {((), "s", "abcds", True)}
    assert told(SITE, "abcd") == {((), "s", "abcd", True)}  # which says nothing itself
    assert told(SITE, "abcw") == {((), "s", "abc", True), ((), "w", "w", False)}
    assert told(SITE, "abcw", ready="w") == {((), "s", "abc", True), ((), "w", "w", True)}
    assert told(SITE, "ab") == {((), "a", "a", False), ((), "b", "b", False)}
    assert told(SITE, "abcdefgh") == {((), "u", "abcdefgh", True)}


def test_what_may_have_a_cause_in_common_with_what_comes_waits_on() -> None:
    assert told(SITE, "aefw", ready="aw") == {
        *(((), x, x, False) for x in "aef"),  # u may be the cause
        ((), "w", "w", True),
    }
    assert told(SITE, "aefw", ready="aefw") == {((), x, x, True) for x in "aefw"}
    assert told(SITE, "aefw", ready="aew", overdue="a") == {
        *(((), x, x, False) for x in "ef"),
        *(((), x, x, True) for x in "aw"),
    }
    assert told(SITE, "aew", ready="a") == {
        ((), "a", "a", True),
        *(((), x, x, False) for x in "ew"),
    }


def test_what_comes_later_joins_what_explains_it() -> None:
    open_ = standing("I1", "s")
    assert told(SITE, "aw", open_) == {(("I1",), None, "a", True), ((), "w", "w", False)}
    assert told(SITE, "s", open_) == {(("I1",), None, "s", True)}
    old = standing("I1", "s", 500, lately=False)
    assert told(SITE, "a", old) == {(("I1",), None, "a", True)}
    assert told(SITE, "e", open_, concerned={"e": ["I1"]}) == {(("I1",), None, "e", True)}


def test_of_several_that_explain_it_the_oldest_gets_it() -> None:
    both = standing("young", "u", 1), standing("old", "s", 9)
    assert told(SITE, "a", *both) == {(("old",), None, "a", True)}


def test_a_better_cause_takes_the_incidents_in() -> None:
    open_ = [standing("I1", "a", 9), standing("I2", "b", 5)]
    assert told(SITE, "s", *open_) == {(("I1", "I2"), "s", "s", True)}
    assert told(SITE, "cd", *open_) == {(("I1", "I2"), "s", "cd", True)}
    assert told(SITE, "d", *open_) == {(("I1", "I2"), "s", "d", True)}  # three of four
    switches = [standing("I1", "s", 9), standing("I2", "t", 5)]
    assert told(SITE, "u", *switches) == {(("I1", "I2"), "u", "u", True)}
    assert told(SITE, "uw", *switches, standing("I3", "v")) == {
        (("I1", "I2"), "u", "u", True),
        (("I3",), None, "w", True),
    }


def test_what_joins_an_incident_that_is_taken_in_goes_on_with_it() -> None:
    assert told(SITE, "as", standing("I1", "a")) == {(("I1",), "s", "as", True)}


def test_what_people_opened_or_what_is_long_ago_is_not_taken_in() -> None:
    people = standing("I1", "a", lately=False)
    assert told(SITE, "s", people) == {((), "s", "s", False)}
    assert told(SITE, "s", people, ready="s") == {((), "s", "s", True)}


def test_of_two_that_are_enough_each_alone_none_explains_anything() -> None:
    apart = {((), "a", "a", False), ((), "b", "b", False), ((), "s", "s", False)}
    assert told(SPARE, "abs") == apart
    assert told(SPARE, "a", standing("I1", "s")) == {((), "a", "a", False)}


def test_two_that_are_each_others_spare_explain_together() -> None:
    assert told(SPARE, "abcst") == {((), "st", "abcst", True)}
    assert told(SPARE, "abt", standing("I1", "s")) == {(("I1",), "st", "abt", True)}
    both = [standing("I1", "s", 9), standing("I2", "t", 5)]
    assert told(SPARE, "ab", *both) == {(("I1", "I2"), "st", "ab", True)}
    assert told(SPARE, "st", standing("I1", "a", 9)) == {(("I1",), "st", "st", True)}
    assert told(SPARE, "abcpt") == {((), "pt", "abcpt", True)}


def test_what_people_opened_is_joined_but_not_merged() -> None:
    both = [standing("I1", "s", 9, lately=False), standing("I2", "t", 5, lately=False)]
    assert told(SPARE, "a", *both) == {(("I1",), "s", "a", True)}
    mixed = [standing("I1", "s", 9, lately=False), standing("I2", "t", 5)]
    assert told(SPARE, "a", *mixed) == {((), "a", "a", False)}


def test_what_has_no_place_in_the_topology_stands_alone() -> None:
    assert told(SITE, "az") == {((), "a", "a", False), ((), "z", "z", False)}


def test_what_only_works_badly_takes_down_nothing_that_needs_it() -> None:
    _, built = of(("s", "CALLS", "a"), ("s", "CALLS", "b"))  # softly
    for effect, count in ((DOWN, 1), (DEGRADED, 3)):
        waiting = [
            Waiting(id_of("s"), effect, False),
            *(Waiting(id_of(x), DOWN, False) for x in "ab"),
        ]
        assert len(groups(built, built.live, waiting, [], {}, PROOF)) == count


def impaired(built: Topology, roots: Mapping[str, Effect]) -> set[str]:
    nodes = zip(built.find(roots), roots.values(), strict=True)
    outcome = propagate(built, {node: effect for node, effect in nodes if node is not None})
    return {built.id(n) for n in outcome.nodes.tolist() if outcome.effect[n] >= Effect.DEGRADED}


@given(
    whole_estates(),
    st.dictionaries(
        st.sampled_from(IDS), st.tuples(st.sampled_from([DOWN, DOWN, DEGRADED]), st.booleans())
    ),
    st.lists(
        st.dictionaries(
            st.sampled_from(IDS), st.sampled_from([DOWN, DEGRADED]), min_size=1, max_size=2
        ),
        max_size=3,
    ),
)
def test_on_any_estate(
    estate: Estate, said: dict[str, tuple[Effect, bool]], roots: list[dict[str, Effect]]
) -> None:
    built = topology(estate)
    waiting = [Waiting(ci, *what) for ci, what in said.items()]
    open_ = [
        Standing(f"I{n}", START + timedelta(minutes=n), given, True)
        for n, given in enumerate(roots)
    ]
    found = groups(built, built.live, waiting, open_, {}, PROOF)
    # each alert is in one group, each incident in one at most
    assert sorted(ci for group in found for ci in group.cis) == sorted(said)
    taken = [id for group in found for id in group.incidents]
    assert len(taken) == len({*taken})
    by_id = {one.id: one for one in open_}
    units: list[Mapping[str, Effect]] = []
    for group in found:
        causes = group.roots if group.roots is not None else by_id[group.incidents[0]].roots
        units.append(causes)
        # all that is in a group is explained by its causes, or by what is, or is one
        inside: list[Mapping[str, Effect]] = [{ci: said[ci][0]} for ci in group.cis]
        inside += [by_id[id].roots for id in group.incidents]
        explained = dict(causes)
        while new := [i for i in inside if {*i} <= impaired(built, explained) | {*explained}]:
            inside = [i for i in inside if i not in new]
            for some in new:
                explained |= {ci: max(e, explained.get(ci, e)) for ci, e in some.items()}
        assert inside == []
        # and what is not ready is one alert that has not waited long enough, or waits with such ones
        if not group.ready:
            assert len(group.cis) == 1
            assert not all(ready for _, ready in said.values())
    # what stands beside others is not explained by them, alone or together
    rest = [one.roots for one in open_ if one.id not in taken]
    for n, causes in enumerate(units):
        others: dict[str, Effect] = {}
        for other in (*units[:n], *units[n + 1 :], *rest):
            for ci, effect in other.items():
                others[ci] = max(effect, others.get(ci, Effect.NONE))
        group = found[n]
        if not group.incidents:
            assert not {*causes} <= impaired(built, others)


def test_the_order_of_alerts_makes_no_difference() -> None:
    cis = [Waiting(id_of(name), DOWN, False) for name in "wabcdst"]
    one = groups(SITE, SITE.live, cis, [], {}, PROOF)
    other = groups(SITE, SITE.live, cis[::-1], [], {}, PROOF)
    assert sorted(map(str, one)) == sorted(map(str, other))
    assert isinstance(one[0], Group)
