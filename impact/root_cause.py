"""Root cause: which single CI's failure explains a set of alarms best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from impact.columns import Longs
from impact.outages import Words, backwards
from impact.propagation import Propagation, propagate
from impact.rules import Effect
from impact.topology import Topology
from impact.views import View

TRIED: Final = 5_000
"""Candidates whose impact is worked out at most, the most promising first."""


class Cause(NamedTuple):
    """A candidate cause.

    Attributes
    ----------
    explained, unexplained
        Alarms that its impact predicts, and those it does not.
    contradicted
        CIs known to be good that it would have impaired.
    silent
        How many others it impairs that gave no alarm.
    """

    node: int
    explained: list[int]
    unexplained: list[int]
    contradicted: list[int]
    silent: int
    outcome: Propagation


class Causes(NamedTuple):
    """Candidates, best first; ``complete`` unless there were too many to try."""

    causes: list[Cause]
    complete: bool
    tried: int


def root_causes(
    topology: Topology,
    alarms: Sequence[int],
    good: Sequence[int] = (),
    *,
    view: View | None = None,
    effect: Effect = Effect.DOWN,
    first: int = 10,
) -> Causes:
    """Rank the CIs whose failure could be behind some alarms.

    The best explains most alarms, less those known to be good that it contradicts; of equals the one
    that impairs fewest others, then the one closest to the alarms, then by id. An alarm is explained
    where the CI is predicted to be degraded or down.

    Parameters
    ----------
    effect
        What is supposed to have happened to the cause.
    first
        How many to give.

    How many alarms a CI could explain at most is known from one search backwards for all alarms
    together; only those that could still be among the best are worked out.
    """
    view = view or topology.live
    alarms, good = list(dict.fromkeys(alarms)), list(dict.fromkeys(good))
    bound = _popcount(backwards(topology, alarms, view))
    candidates = topology.in_order(np.flatnonzero(bound))
    order = np.argsort(-bound[candidates], kind="stable")
    found: list[tuple[tuple[int, int, int, str], Cause]] = []
    tried = 0
    for node in candidates[order]:
        if len(found) >= first and -int(bound[node]) > found[first - 1][0][0]:
            break
        if tried == TRIED:
            return Causes([cause for _, cause in found[:first]], False, tried)
        tried += 1
        cause, far = _tried(topology, int(node), alarms, good, view, effect)
        key = (
            len(cause.contradicted) - len(cause.explained),
            cause.silent,
            far,
            topology.id(int(node)),
        )
        if cause.explained:
            found.append((key, cause))
            found.sort(key=lambda pair: pair[0])
            del found[first:]
    return Causes([cause for _, cause in found], True, tried)


def _tried(
    topology: Topology,
    node: int,
    alarms: Sequence[int],
    good: Sequence[int],
    view: View,
    effect: Effect,
) -> tuple[Cause, int]:
    """A candidate, and how far its alarms are from it."""
    outcome = propagate(topology, {node: effect}, view=view)
    impaired = outcome.effect >= Effect.DEGRADED
    explained = [n for n in alarms if impaired[n]]
    distances: Mapping[int, int] = dict(
        zip(outcome.nodes.tolist(), outcome.distances.tolist(), strict=True)
    )
    cause = Cause(
        node,
        explained,
        [n for n in alarms if not impaired[n]],
        [n for n in good if impaired[n]],
        int(impaired.sum()) - len({*explained, node} if impaired[node] else explained),
        outcome,
    )
    return cause, sum(distances[n] for n in explained)


def _popcount(words: Words) -> Longs:
    counts: Longs = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    return counts
