"""Until when the readings of a context may take: a context variable that both stores look at.

A context is a thread's, a task's, or a copy of one that is run in a worker thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from threading import Lock, Thread
from typing import Final

from cmdb.errors import StoreTimeoutError


class Deadline:
    """Until when readings may take; it may be cancelled before, from any thread.

    Parameters
    ----------
    seconds
        From now on.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._cancelled = False
        self._stops: set[Callable[[], object]] = set()
        self._lock = Lock()

    @property
    def left(self) -> float:
        """Seconds left; none or less when it is over."""
        return -1.0 if self._cancelled else self._end - time.monotonic()

    def cancel(self) -> None:
        """It is over now: what is being read for it ends. This does not wait until it has."""
        with self._lock:
            self._cancelled = True
            stops, self._stops = self._stops, set()
        for stop in stops:
            Thread(target=stop, name="cancelling", daemon=True).start()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Readings in this context are within it; it may be held in several contexts."""
        token = _held.set((*_held.get(), self))
        try:
            yield
        finally:
            _held.reset(token)

    @contextmanager
    def stopping(self, stop: Callable[[], object]) -> Iterator[None]:
        """Meanwhile, to cancel is also to call something, in a thread of its own.

        Raises
        ------
        StoreTimeoutError
            It was cancelled before.
        """
        with self._lock:
            if self._cancelled:
                raise self.error()
            self._stops.add(stop)
        try:
            yield
        finally:
            with self._lock:
                self._stops.discard(stop)

    def error(self) -> StoreTimeoutError:
        """What is said when it is over."""
        if self._cancelled:
            return StoreTimeoutError("The reading was cancelled.", "Ask again.")
        return StoreTimeoutError(
            f"The store was still reading after {self.seconds:g} s.",
            "Ask for less, or raise the limit.",
        )


_held: Final[ContextVar[tuple[Deadline, ...]]] = ContextVar("cmdb_store_deadlines", default=())


@contextmanager
def deadline(seconds: float) -> Iterator[Deadline]:
    """Readings in this context take no longer; within another deadline, the earlier one holds."""
    made = Deadline(seconds)
    with made.held():
        yield made


def current() -> Deadline | None:
    """The deadline of this context that is over first."""
    return min(_held.get(), key=lambda held: held.left, default=None)


@contextmanager
def stopping(stop: Callable[[], object]) -> Iterator[None]:
    """Meanwhile, to cancel any deadline of this context is also to call something; raises as `remaining`."""
    with ExitStack() as registered:
        for held in _held.get():
            registered.enter_context(held.stopping(stop))
        yield


def passed() -> bool:
    """Whether there is a deadline, and it is over."""
    return any(held.left <= 0 for held in _held.get())


def timed_out() -> StoreTimeoutError:
    """What to raise then."""
    return (current() or Deadline(0)).error()


def remaining() -> float | None:
    """Seconds left; None where there is no deadline.

    Raises
    ------
    StoreTimeoutError
        None are left.
    """
    first = current()
    if first is None:
        return None
    if (left := first.left) <= 0:
        raise first.error()
    return left


def within(seconds: float) -> float:
    """So many seconds, or what is left of them; raises as `remaining`."""
    left = remaining()
    return seconds if left is None else min(seconds, left)
