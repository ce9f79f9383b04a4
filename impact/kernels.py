"""Searches over the arrays of a topology as plain loops: what `compiled` makes machine code of.

They know nothing but numpy, and run as they are too, if slowly. What a node's rows are is the same in
both: the sorted ones, from ``first[node]`` to ``first[node + 1]``, then those that came later, found by
bisection in ``late_providers`` where ``late`` says that the node has some.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from impact.columns import Bools, Ints, Longs


def reach(
    first: Ints,
    late_providers: Ints,
    late_rows: Longs,
    late: Bools,
    active: Bools,
    dependents: Ints,
    count: int,
    roots: Longs,
) -> Ints:
    """Of so many nodes every one that can be reached, by breadth."""
    seen = np.zeros(count, np.bool_)
    found = np.empty(count, np.int32)
    known = 0
    for root in roots:
        if not seen[root]:
            seen[root] = True
            found[known] = root
            known += 1
    place = 0
    while place < known:
        node = found[place]
        place += 1
        begin: Any = 0
        waiting = 0
        if node < len(late) and late[node]:
            begin = np.searchsorted(late_providers, node)
            waiting = np.searchsorted(late_providers, node, "right") - begin
        for part in range(waiting + 1):
            low, high = np.int64(0), np.int64(0)
            if part > 0:
                low = np.int64(late_rows[begin + part - 1])
                high = low + 1
            elif node < len(first) - 1:
                low, high = np.int64(first[node]), np.int64(first[node + 1])
            for row in range(low, high):
                dependent = dependents[row]
                if active[row] and not seen[dependent]:
                    seen[dependent] = True
                    found[known] = dependent
                    known += 1
    return found[:known].copy()


def spread(
    first: Ints,
    late_providers: Ints,
    late_rows: Longs,
    late: Bools,
    active: Bools,
    onward: Longs,
    rules: NDArray[np.int16],
    rank: Longs,
    spare: Ints,
    depth: int,
    count: int,
    events: Ints,
    effects: NDArray[np.uint8],
    state: Ints,
    lost: Longs,
    groups: Ints,
    ways: Ints,
) -> tuple[Any, ...]:
    """What follows from the first so many events, round after round, ``depth`` rounds at most.

    A round has three passes, none of which has to guess much: all rows of what changed are noted, and
    what their groups lose is counted; of those the ones are kept that pass on something worse; of those
    for each dependent the best.

    Parameters
    ----------
    onward, rules, rank
        What `Adjacency.onward` takes apart of each row, and its rule; what ascends with a node's id.
    depth
        -1: as many as it takes.
    events, effects
        Room for events: node, row, the event it followed from and round, and effects; those given are
        in it.
    state, lost, groups, ways
        Room for work, zero where it is read before it is written, and left so: for each node its effect
        and, above it, one more than its newest event; for each group and one more how many members it
        has lost, above 32 bits those that are down; for each group and one more; for each row and one
        more a pair.

    Returns
    -------
    tuple
        How many events there are; the groups that lost members, and how many were impaired, and went
        down; whether that was all.
    """
    begin, end, rounds, complete = 0, count, 0, True
    touched: Any = 0
    while begin < end:
        many: Any = 0
        for event in range(begin, end):
            node = events[0, event]
            now = np.int64(effects[event])
            fresh = np.int64((state[node] & 3) < 2)
            state[node] = (event + 1) << 2 | now
            if now < 2:
                continue
            loss = np.int64(now == 3) << 32 | fresh
            begin_late: Any = 0
            waiting = 0
            if node < len(late) and late[node]:
                begin_late = np.searchsorted(late_providers, node)
                waiting = np.searchsorted(late_providers, node, "right") - begin_late
            for part in range(waiting + 1):
                low, high = np.int64(0), np.int64(0)
                if part > 0:
                    low = np.int64(late_rows[begin_late + part - 1])
                    high = low + 1
                elif node < len(first) - 1:
                    low, high = np.int64(first[node]), np.int64(first[node + 1])
                for row in range(low, high):
                    holds = np.int64(active[row])
                    ways[many, 0] = row
                    ways[many, 1] = event << 3 | fresh << 2 | now
                    many += holds
                    # a row in no group counts in the place behind all groups, which is that of -1
                    group = np.int64(((onward[row] & 0xFFFFFFFF) >> 1) - 1)
                    groups[touched] = group
                    touched += holds & np.int64(lost[group] == 0)
                    lost[group] += holds * loss
        kept: Any = 0
        for way in range(many):
            row = int(ways[way, 0])
            what = np.int64(ways[way, 1])
            word = onward[row]
            group = np.int64(((word & 0xFFFFFFFF) >> 1) - 1)
            now = what & 3
            gone = np.int64((lost[group] >> 32) > spare[group])
            short = np.int64((lost[group] & 0xFFFFFFFF) > spare[group])
            counts = np.int64(now == 3) if gone else what >> 2 & 1
            passed: Any = now if group < 0 else (1 + short + gone) * counts
            passed -= word & 1
            ways[kept, 0] = row
            ways[kept, 1] = what & ~7 | max(passed, 0)
            kept += np.int64(passed > (state[word >> 32] & 3))
        for way in range(kept):
            row = int(ways[way, 0])
            passed = np.int64(ways[way, 1] & 7)
            event = int(ways[way, 1] >> 3)
            dependent = onward[row] >> 32
            known = np.int64(state[dependent])
            other = (known >> 2) - 1
            if other >= end:
                if passed < effects[other]:
                    continue
                if passed == effects[other]:
                    node, rival = events[0, event], events[0, events[2, other]]
                    if rank[node] > rank[rival]:
                        continue
                    if node == rival and rules[row] >= rules[events[1, other]]:
                        continue
            else:
                other = np.int64(count)
                count += 1
                state[dependent] = (other + 1) << 2 | (known & 3)
                events[0, other] = dependent
                events[3, other] = rounds + 1
            effects[other] = passed
            events[1, other] = row
            events[2, other] = event
        if rounds == depth:
            complete = count == end
            for event in range(end, count):
                state[events[0, event]] = 0
            count = end
            break
        begin, end = end, count
        rounds += 1
    for event in range(count):
        state[events[0, event]] = 0
    losses = np.zeros((touched, 2), np.int32)
    for place in range(touched):
        group = np.int64(groups[place])
        losses[place, 0] = lost[group] & 0xFFFFFFFF
        losses[place, 1] = lost[group] >> 32
        lost[group] = 0
    return count, groups[:touched].copy(), losses, complete
