"""What many outages impair, in pairs: against the engine."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impact import spreading
from impact.propagation import propagate
from impact.rules import Effect
from impact.spreading import Spreading
from impact.topology import Topology
from tests.impact.estates import id_of, of, topology
from tests.impact.test_against_reference import IDS, whole_estates
from tests.support.impact_reference import Estate

SETS = st.lists(st.sampled_from(IDS), max_size=4)


def nodes(topology: Topology, ids: Iterable[str]) -> list[int]:
    return [node for node in topology.find(ids) if node is not None]


@given(
    whole_estates(),
    st.lists(st.tuples(SETS, SETS), max_size=5),
    st.lists(st.sampled_from(IDS), max_size=9, unique=True),
    st.sampled_from([1, 2, spreading.TOGETHER]),
)
def test_an_outage_impairs_what_propagation_says(
    estate: Estate, failed: list[tuple[list[str], list[str]]], watched: list[str], together: int
) -> None:
    built = topology(estate)
    looked_at = nodes(built, watched)
    down, degraded = ([nodes(built, some[n]) for some in failed] for n in (0, 1))
    expected = []
    for number, (stopped, lamed) in enumerate(zip(down, degraded, strict=True)):
        given = dict.fromkeys(lamed, Effect.DEGRADED) | dict.fromkeys(stopped, Effect.DOWN)
        effect = propagate(built, given).effect
        expected += [(number, n) for n, w in enumerate(looked_at) if effect[w] >= Effect.DEGRADED]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spreading, "TOGETHER", together)
        found = Spreading(built, looked_at).impaired(down, degraded)
        assert list(zip(*(part.tolist() for part in found), strict=True)) == expected


def test_no_outage_and_nothing_watched() -> None:
    _, built = of(("a", "FEEDS", "b"))
    [a, b] = nodes(built, map(id_of, "ab"))
    assert [len(part) for part in Spreading(built, []).impaired([[a]])] == [0, 0]
    assert [len(part) for part in Spreading(built, [b]).impaired([])] == [0, 0]
    found = Spreading(built, [b]).impaired([[a], [], [b]])
    assert [part.tolist() for part in found] == [[0, 2], [0, 0]]
