"""Several outages in one window, against the plain reference: all together, each alone, all but one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from impact.rules import Effect
from impact.windows import Window
from tests.impact.estates import topology
from tests.impact.test_against_reference import ROOTS, whole_estates
from tests.support.impact_reference import Answer, Estate, propagate


@given(whole_estates(), st.lists(ROOTS, min_size=2, max_size=4), st.none() | st.integers(0, 3))
def test_a_window(estate: Estate, outages: list[dict[str, int]], depth: int | None) -> None:
    given_ = [{id: Effect(effect) for id, effect in outage.items()} for outage in outages]
    window = Window(topology(estate), given_, at=0, depth=depth)

    def united(some: list[dict[str, int]]) -> Answer:
        ids = {id for outage in some for id in outage}
        roots = {id: max(outage.get(id, 0) for outage in some) for id in ids}
        return propagate(estate, roots, depth)

    together, alone = united(outages), [united([outage]) for outage in outages]
    rest = [united([*outages[:n], *outages[n + 1 :]]) for n in range(len(outages))]
    expected = {}
    for id, effect in together.effects.items():
        worst = max(answer.effects.get(id, 0) for answer in alone)
        if effect > worst:
            spared = [n for n, other in enumerate(rest) if other.effects.get(id, 0) < effect]
            expected[id] = Effect(worst).word, Effect(effect).word, tuple(spared)
    assert {one.id: one[2:] for one in window.broken} == expected
    tipped = {
        (group.dependent, group.type, group.label)
        for group, state in together.groups.items()
        if state.healthy < state.needed
        and all(answer.groups[group].healthy >= state.needed for answer in alone)
    }
    assert {(g.dependent, g.type, g.label) for g in window.tipped} == tipped
