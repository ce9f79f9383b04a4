"""Owners as stores keep them: numbers that ascend, so that a scope is a few intervals.

An organisation's number is given once, and is greater than those given before. What is founded together
has numbers that follow one another, and so a part of the tree has most often few intervals. One that is
founded later lies in none of them, whoever looked at the organisations before that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from cmdb import owners
from cmdb.queries import Owned

NOBODY: Final = 0
ASKED: Final = -1
WORDS: Final = {owners.NOBODY: NOBODY, owners.ASKED: ASKED}
"""What stands for no organisation (`cmdb.owners`), as it is kept."""
LAST: Final = 2**62
MOST: Final = 8
"""Intervals that are written into a statement; more are a list."""
SCOPES: Final = 64
"""Whose places a store remembers."""


class Places(NamedTuple):
    """The numbers of owners: themselves, ascending; and as few spans, both ends included, in which no
    other organisation's lies."""

    numbers: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


EVERYWHERE: Final = Places((), ((NOBODY, LAST),))


def places(
    organisations: frozenset[str] | None, shared: bool, numbers: Mapping[str, int]
) -> Places:
    """The numbers of owners.

    Parameters
    ----------
    organisations, shared
        As of `cmdb.queries.Owned`.
    numbers
        Of all organisations.
    """
    if organisations is None:
        return EVERYWHERE if shared else Places((), ((NOBODY + 1, LAST),))
    held = [NOBODY] if shared else []
    spans: list[list[int]] = [[NOBODY, NOBODY]] if shared else []
    open_ = shared
    for number, id in sorted((number, id) for id, number in numbers.items()):
        if id not in organisations:
            open_ = False
            continue
        held.append(number)
        if open_:
            spans[-1][1] = number
        else:
            spans.append([number, number])
            open_ = True
    return Places(tuple(held), tuple((low, high) for low, high in spans))


def kept(named: Iterable[str], numbers: Mapping[str, int]) -> dict[str, int]:
    """Owners as they are kept; what names an organisation that has no number is asked.

    Parameters
    ----------
    numbers
        Of the organisations among them.
    """
    return {owner: numbers.get(owner, ASKED) for owner in named} | WORDS


def told(numbers: Mapping[str, int]) -> dict[int, str]:
    """Owners by what is kept of them.

    Parameters
    ----------
    numbers
        Of organisations.
    """
    return {number: owner for owner, number in {**numbers, **WORDS}.items()}


class Known:
    """The places of the scopes that a store has met, each worked out once.

    Parameters
    ----------
    numbers
        Reads the numbers of all organisations.
    """

    def __init__(self, numbers: Callable[[], Mapping[str, int]]) -> None:
        @lru_cache(SCOPES)
        def found(organisations: frozenset[str] | None, shared: bool, at: int) -> Places:
            known = {} if organisations is None else numbers()
            return places(organisations, shared, known)

        self._found = found

    def __call__(self, owned: Owned) -> Places:
        return self._found(owned.organisations, owned.shared, owned.at)
