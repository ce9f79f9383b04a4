"""Until when the readings of a context may take: a context variable that both stores look at.

A context is a thread's, a task's, or a copy of one that is run in a worker thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, NamedTuple

from cmdb.errors import StoreTimeoutError


class _Deadline(NamedTuple):
    end: float
    seconds: float


_deadline: Final[ContextVar[_Deadline | None]] = ContextVar("cmdb_store_deadline", default=None)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Readings in this context take no longer; within another deadline, the earlier one holds."""
    outer, mine = _deadline.get(), _Deadline(time.monotonic() + seconds, seconds)
    token = _deadline.set(mine if outer is None else min(outer, mine))
    try:
        yield
    finally:
        _deadline.reset(token)


def passed() -> bool:
    """Whether there is a deadline, and it is over."""
    current = _deadline.get()
    return current is not None and time.monotonic() >= current.end


def timed_out() -> StoreTimeoutError:
    """What to raise then."""
    current = _deadline.get()
    seconds = current.seconds if current else 0
    return StoreTimeoutError(
        f"The store was still reading after {seconds:g} s.", "Ask for less, or raise the limit."
    )


def remaining() -> float | None:
    """Seconds left; None where there is no deadline.

    Raises
    ------
    StoreTimeoutError
        None are left.
    """
    current = _deadline.get()
    if current is None:
        return None
    left = current.end - time.monotonic()
    if left <= 0:
        raise timed_out()
    return left


def within(seconds: float) -> float:
    """So many seconds, or what is left of them; raises as `remaining`."""
    left = remaining()
    return seconds if left is None else min(seconds, left)
