"""Machine code for `kernels`, where numba is installed, for processes that ask much.

Making it takes as long as many answers do in numpy: some ten seconds the first time on a machine, half a
second once it is kept on disk. So it is made when so much time has gone into answers that it would have
paid, or when it is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from impact import kernels
from impact.adjacency import Adjacency
from impact.columns import Bools, Ints, Longs
from impact.rounds import Events, Losses
from impact.topology import Topology
from impact.views import View

PAYS: Final = 5.0
"""Seconds of answers in numpy after which it is made."""

Kernel: TypeAlias = Callable[..., Any]


class Compiled:
    """The kernels of one process, once they are compiled."""

    def __init__(self) -> None:
        self.reach: Kernel | None = None
        self.spread: Kernel | None = None
        self._spent = 0.0
        self._lock = Lock()

    def load(self) -> bool:
        """Let machine code answer from now on, as a process does that will ask much.

        A kernel is compiled with its first question. False where numba is not installed.
        """
        with self._lock:
            if self.spread is None:
                try:
                    import numba
                except ImportError:
                    return False
                self.reach, self.spread = (_made(numba, k) for k in (kernels.reach, kernels.spread))
        return True

    @contextmanager
    def instead(self) -> Iterator[None]:
        """Time an answer that was not compiled; where that has been much, compile."""
        begin = time.perf_counter()
        yield
        self._spent += time.perf_counter() - begin
        if self._spent > PAYS:
            self._spent = 0.0 if self.load() else float("-inf")


COMPILED: Final = Compiled()


def _made(numba: Any, kernel: Kernel) -> Kernel:
    try:
        made: Kernel = numba.njit(cache=True, nogil=True)(kernel)
    except RuntimeError:  # no folder to keep it in
        made = numba.njit(nogil=True)(kernel)
    return made


# -- questions to them ------------------------------------------------------------------------------


def reach(kernel: Kernel, topology: Topology, view: View, roots: Longs) -> Ints:
    """As `rounds.reach`."""
    room = _taken(topology)
    found: Ints = kernel(
        *_rows(topology.adjacency),
        view.active,
        topology.rows["dependent"],
        roots,
        room.seen,
        room.found,
    )
    topology.work.append(room)
    return found


def spread(
    kernel: Kernel, topology: Topology, view: View, given: Mapping[int, int], depth: int | None
) -> tuple[Events, Losses, bool]:
    """As `rounds.spread`; the events of a round come in any order."""
    room = _taken(topology)
    (nodes, rows, causes, rounds), effects, *losses, complete = kernel(
        *_rows(topology.adjacency),
        view.active,
        topology.rows["onward"],
        topology.rows["rule"],
        topology.nodes["rank"],
        view.spare,
        -1 if depth is None else depth,
        np.fromiter(given, np.int32, len(given)),
        np.fromiter(given.values(), np.uint8, len(given)),
        *room[2:],
    )
    topology.work.append(room)
    return Events(nodes, effects, rows, causes, rounds), Losses(*losses), complete


def _rows(adjacency: Adjacency) -> tuple[Any, ...]:
    """Where the kernels find the rows of a node."""
    return adjacency.first, *adjacency.late


class _Room(NamedTuple):
    """Room to work in, as `kernels.reach` and `kernels.spread` want it; zero between two questions.

    It is much more than most answers use. What is not used is never touched, so it takes no memory.
    """

    seen: Bools
    found: Ints
    nodes: Ints
    rows: Ints
    causes: Ints
    rounds: Ints
    effects: Any
    worst: Any
    newest: Ints
    lost: Longs
    groups: Ints
    ways: Ints


def _taken(topology: Topology) -> _Room:
    """Room that nobody else is using: made before, or new."""
    nodes, rows, groups = len(topology), topology.rows.count, topology.groups.count
    while topology.work:
        try:
            room: _Room = topology.work.pop()
        except IndexError:  # another thread was faster
            break
        if len(room.newest) >= nodes and len(room.ways) >= rows and len(room.groups) > groups:
            return room
    nodes, rows, groups = (size + size // 32 + 16 for size in (nodes, rows, groups))
    return _Room(
        np.zeros(nodes, np.bool_),
        np.empty(nodes, np.int32),
        np.empty(3 * nodes, np.int32),  # an effect gets worse three times at most
        np.empty(3 * nodes, np.int32),
        np.empty(3 * nodes, np.int32),
        np.empty(3 * nodes, np.int32),
        np.empty(3 * nodes, np.uint8),
        np.zeros(nodes, np.uint8),
        np.zeros(nodes, np.int32),
        np.zeros(groups, np.int64),
        np.empty(groups, np.int32),
        np.empty((rows, 2), np.int32),
    )
