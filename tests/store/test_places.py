"""The intervals of owners: they hold the organisations that are asked for, and no others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cmdb.store.places import NOBODY, places

IDS = [f"o{number}" for number in range(12)]


@given(st.permutations(range(1, 40)), st.frozensets(st.sampled_from(IDS)), st.booleans())
def test_spans_hold_what_is_asked_for_and_nothing_else(
    order: list[int], asked: frozenset[str], shared: bool
) -> None:
    numbers = dict(zip(IDS, order, strict=False))
    found = places(asked, shared, numbers)
    within = {n for n in (NOBODY, *numbers.values()) if any(a <= n <= b for a, b in found.spans)}
    assert within == {numbers[id] for id in asked} | ({NOBODY} if shared else set())
    assert sorted(within) == list(found.numbers)
    assert all(a <= b < c for (a, b), (c, _) in zip(found.spans, found.spans[1:], strict=False))
    others = sorted({NOBODY, *numbers.values()} - within)
    between = zip(found.spans, found.spans[1:], strict=False)
    assert all(any(b < other < c for other in others) for (_, b), (c, _) in between), "as few"


@given(st.permutations(range(1, 40)), st.frozensets(st.sampled_from(IDS)))
def test_what_is_founded_later_is_in_none(order: list[int], asked: frozenset[str]) -> None:
    numbers = dict(zip(IDS, order, strict=False))
    found = places(asked, True, numbers)
    assert not any(a <= max(numbers.values()) + 1 <= b for a, b in found.spans)
