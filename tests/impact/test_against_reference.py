"""The engine says what the plain reference says, however the topology came to be what it is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from impact.topology import Topology
from tests.impact import estates
from tests.impact.estates import PLAIN_RULES, answer, cis_of, known, links_of, reached, topology
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

IDS = [str(UUID(int=n << 8 * (n % 9))) for n in range(9)]
"""Some end in zeros."""
NEEDED = ["1", "2", "3", "34%", "50%", "100%", "all"]

CIS = st.builds(
    Ci,
    st.sampled_from(["Server", "Server", "Cluster"]),
    st.sampled_from([True, True, True, False]),
    st.dictionaries(
        st.sampled_from(sorted(PLAIN_RULES)),
        st.builds(Redundancy, st.sampled_from(NEEDED), st.booleans()),
        max_size=1,
    ),
)
LINKS = st.builds(
    Link, st.sampled_from(sorted(PLAIN_RULES)), st.sampled_from(IDS), st.sampled_from(IDS)
)
LABELS = st.sampled_from(["", "", "a", "b"])
ROOTS = st.dictionaries(
    st.sampled_from(IDS), st.sampled_from([AT_RISK, DEGRADED, DOWN, DOWN]), min_size=1, max_size=3
)


ALL = st.fixed_dictionaries(dict.fromkeys(IDS, CIS))


@st.composite
def whole_estates(draw: st.DrawFn, cis: st.SearchStrategy[dict[str, Ci]] = ALL) -> Estate:
    estate = estates.estate()
    estate.cis = draw(cis)
    found = draw(st.dictionaries(LINKS, LABELS, max_size=30))
    ids = estate.cis.keys()
    estate.links = {k: v for k, v in found.items() if {k.provider, k.dependent} <= ids}
    return estate


@given(whole_estates(), ROOTS, st.none() | st.integers(0, 4), st.randoms(use_true_random=False))
def test_one_moment(
    estate: Estate, roots: dict[str, int], depth: int | None, order: random.Random
) -> None:
    expected = propagate(estate, roots, depth)
    ids, links = list(estate.cis), list(estate.links)
    order.shuffle(ids)
    order.shuffle(links)
    assert answer(topology(estate, ids=ids, links=links), roots, depth) == expected


@given(whole_estates(), ROOTS)
def test_a_path_leads_back_to_a_root_and_comes_to_no_ci_twice(
    estate: Estate, roots: dict[str, int]
) -> None:
    for ci, path in answer(topology(estate), roots).paths.items():
        assert path[0].ci == ci
        assert path[-1].ci in roots
        assert [step.distance for step in path] == list(range(len(path)))[::-1]
        assert [step.provider for step in path[:-1]] == [step.ci for step in path[1:]]
        assert len({step.ci for step in path}) == len(path)
        assert [step.effect for step in path] == sorted(step.effect for step in path)


@given(whole_estates(), ROOTS)
def test_all_that_is_affected_could_be_reached(estate: Estate, roots: dict[str, int]) -> None:
    built = topology(estate)
    found = reached(built, [n for n in built.find(roots) if n is not None])
    assert found == reference.reachable(estate, roots)
    assert propagate(estate, roots).effects.keys() <= found


# -- changes ----------------------------------------------------------------------------------------


class Change(NamedTuple):
    """What one revision changes; a link of no label is closed."""

    cis: dict[str, Ci]
    links: dict[Link, str | None]


CHANGES = st.lists(
    st.builds(
        Change,
        st.dictionaries(st.sampled_from(IDS), CIS, max_size=2),
        st.dictionaries(LINKS, st.none() | LABELS, max_size=6),
    ),
    min_size=1,
    max_size=6,
)
BEGINNINGS = whole_estates(st.dictionaries(st.sampled_from(IDS), CIS))


def changed(estate: Estate, change: Change) -> Estate:
    after = estate.copy()
    after.cis |= change.cis
    for link, label in change.links.items():
        after.links.pop(link, None)
        if label is not None:
            after.links[link] = label
    return after


def take_up(topology: Topology, revision: int, before: Estate, change: Change) -> None:
    """As the feed tells it: an altered link is closed as it was, and opened as it is."""
    topology.change(
        revision,
        [estates.node(id, ci) for id, ci in change.cis.items()],
        [estates.link(link, before.links.get(link, "")) for link in change.links],
        [estates.link(k, label) for k, label in change.links.items() if label is not None],
    )


def history(estate: Estate, changes: list[Change]) -> list[Estate]:
    """All states, the first included. Links of CIs that are not there yet are taken out of the changes."""
    states = [estate]
    for number, (cis, links) in enumerate(changes):
        there = states[-1].cis.keys() | cis.keys()
        links = {k: v for k, v in links.items() if {k.provider, k.dependent} <= there}
        changes[number] = Change(cis, links)
        states.append(changed(states[-1], changes[number]))
    return states


def replay(topology: Topology, states: Sequence[Estate], changes: Sequence[Change]) -> None:
    """Take up the changes that a topology's revision lacks, whatever it holds."""
    for revision in range(topology.revision + 1, len(states)):
        take_up(topology, revision, states[revision - 1], changes[revision - 1])


def same(topology: Topology, estate: Estate, roots: dict[str, int]) -> None:
    """A topology holds an estate and answers as it does."""
    assert links_of(topology) == estate.links
    assert cis_of(topology) == {id: (ci.type, ci.operational) for id, ci in estate.cis.items()}
    roots = known(estate, roots)
    assert answer(topology, roots) == propagate(estate, roots)


@given(BEGINNINGS, CHANGES, ROOTS)
def test_a_changed_topology_is_one_built_afresh(
    estate: Estate, changes: list[Change], roots: dict[str, int]
) -> None:
    states = history(estate, changes)
    grown = topology(estate)
    for revision in range(1, len(states)):
        take_up(grown, revision, states[revision - 1], changes[revision - 1])
        same(grown, states[revision], roots)


@given(BEGINNINGS, CHANGES, ROOTS)
def test_any_earlier_revision_can_be_looked_at(
    estate: Estate, changes: list[Change], roots: dict[str, int]
) -> None:
    states = history(estate, changes)
    grown = topology(estate)
    replay(grown, states, changes)
    for revision, state in enumerate(states):
        then = known(state, roots)
        assert answer(grown, then, view=grown.as_of(revision)) == propagate(state, then)


@given(BEGINNINGS, CHANGES, ROOTS, st.data())
def test_changes_may_be_taken_up_again(
    estate: Estate, changes: list[Change], roots: dict[str, int], data: st.DataObject
) -> None:
    states = history(estate, changes)
    grown = topology(estate)
    replay(grown, states, changes)
    rows = grown.rows.count
    take_up(grown, len(changes), states[-2], changes[-1])
    assert grown.rows.count == rows
    grown.revision = data.draw(st.integers(0, len(changes)), label="again from")
    replay(grown, states, changes)
    same(grown, states[-1], roots)


@given(BEGINNINGS, CHANGES, ROOTS, st.data())
def test_changes_may_be_taken_up_by_a_state_that_has_some_of_them(
    estate: Estate, changes: list[Change], roots: dict[str, int], data: st.DataObject
) -> None:
    """A store is read while it is written to, and the feed replayed from before the reading."""
    states = history(estate, changes)
    read = data.draw(st.integers(0, len(changes)), label="read at")
    said = data.draw(st.integers(0, read), label="thought to be")
    since: dict[Link, int] = {}
    for revision in range(1, read + 1):
        for link in changes[revision - 1].links:
            if states[revision].links.get(link) != states[revision - 1].links.get(link):
                since[link] = revision
    grown = topology(states[read], said, since=since)
    replay(grown, states, changes)
    same(grown, states[-1], roots)


@given(BEGINNINGS, CHANGES, CHANGES, CHANGES, ROOTS)
def test_forks_know_nothing_of_each_other(
    estate: Estate,
    changes: list[Change],
    here: list[Change],
    there: list[Change],
    roots: dict[str, int],
) -> None:
    states = history(estate, changes)
    original = topology(estate)
    replay(original, states, changes)
    fork = original.fork()
    after_here = history(states[-1], here)
    after_there = history(states[-1], there)
    for at in range(max(len(here), len(there))):
        for one, more, after in ((original, here, after_here), (fork, there, after_there)):
            if at < len(more):
                take_up(one, len(states) + at, after[at], more[at])
        same(original, after_here[min(at + 1, len(here))], roots)
        same(fork, after_there[min(at + 1, len(there))], roots)
    then = known(states[-1], roots)
    for one in (original, fork):
        assert answer(one, then, view=one.as_of(len(changes))) == propagate(states[-1], then)
