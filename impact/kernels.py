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
    roots: Longs,
    seen: Bools,
    found: Ints,
) -> Ints:
    """Every node that can be reached, by breadth.

    Parameters
    ----------
    seen, found
        Room for work, one entry a node; the first false throughout, and left so.
    """
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
                dependent = np.uint64(dependents[np.uint64(row)])
                if active[np.uint64(row)] and not seen[dependent]:
                    seen[dependent] = True
                    found[known] = dependent
                    known += 1
    reached = found[:known].copy()
    if known > len(seen) >> 4:  # all of it is sooner done
        seen[:] = False
    else:
        for node in reached:
            seen[node] = False
    return reached


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
    roots: Ints,
    given: NDArray[np.uint8],
    nodes: Ints,
    rows: Ints,
    causes: Ints,
    round_of: Ints,
    effects: NDArray[np.uint8],
    worst: NDArray[np.uint8],
    newest: Ints,
    lost: Longs,
    groups: Ints,
    ways: Ints,
) -> tuple[Any, ...]:
    """What follows when some roots are given effects, round after round, ``depth`` rounds at most.

    A round has four passes, none of which has to guess much: what changed is marked; of its rows in no
    group those are kept that pass on something worse, of the others what their groups lose is counted;
    of these, then, those are kept that pass on something worse; of all kept for each dependent the best.

    Parameters
    ----------
    onward, rules, rank
        What `Adjacency.onward` takes apart of each row, and its rule; what ascends with a node's id.
    depth
        -1: as many as it takes.
    nodes, rows, causes, round_of, effects
        Room for events: node, row, the event it followed from and round of each; its effect and, above
        it, whether the node was neither degraded nor down before.
    worst, newest, lost, groups, ways
        Room for work, zero where it is read before it is written, and left so: for each node its effect,
        and one more than its newest event; for each group, from 1, how many members it has
        lost, above 32 bits those that are down; for each group and one more; for each row a pair, those
        kept from the front, those in groups from the back.

    Returns
    -------
    tuple
        Nodes, rows, causes and rounds of the events, and their effects; the groups that lost members,
        and how many were impaired, and went down; whether that was all.
    """
    begin, end, rounds, complete = 0, len(roots), 0, True
    for event in range(end):
        nodes[event], rows[event] = roots[event], -1
        causes[event], round_of[event] = -1, 0
        effects[event] = given[event]
    count: Any = end
    touched: Any = 0
    while begin < end:
        for event in range(begin, end):
            at = np.uint64(event)
            hit = np.uint64(nodes[at])
            now = np.int64(effects[at])
            effects[at] = now | np.int64(worst[hit] < 2) << 2
            worst[hit] = now
            newest[hit] = event + 1
        kept: Any = 0
        joint: Any = len(ways)
        for event in range(begin, end):
            what = np.int64(effects[np.uint64(event)])
            now = what & 3
            if now < 2:
                continue
            node = nodes[np.uint64(event)]
            loss = np.int64(now == 3) << 32 | what >> 2
            what |= event << 3
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
                    if not active[np.uint64(row)]:
                        continue
                    word = onward[np.uint64(row)]
                    group = np.uint64((word & 0xFFFFFFFF) >> 1)
                    if group:
                        had = lost[group]
                        lost[group] = had + loss
                        groups[touched] = group
                        touched += np.int64(had == 0)
                        joint -= 1
                        ways[np.uint64(joint), 0] = row
                        ways[np.uint64(joint), 1] = what
                    else:
                        passed: Any = now - (word & 1)
                        ways[np.uint64(kept), 0] = row
                        ways[np.uint64(kept), 1] = event << 3 | passed
                        kept += np.int64(passed > worst[np.uint64(word >> 32)])
        for way in range(joint, len(ways)):
            along = np.uint64(ways[way, 0])
            what = np.int64(ways[way, 1])
            word = onward[along]
            group = np.uint64((word & 0xFFFFFFFF) >> 1)
            had, may = lost[group], spare[group - np.uint64(1)]
            gone, short = np.int64(had >> 32 > may), np.int64(had & 0xFFFFFFFF > may)
            counts = np.int64(what & 3 == 3) if gone else what >> 2 & 1
            passed = (1 + short + gone) * counts - (word & 1)
            ways[np.uint64(kept), 0] = along
            ways[np.uint64(kept), 1] = what & ~7 | max(passed, 0)
            kept += np.int64(passed > worst[np.uint64(word >> 32)])
        for way in range(kept):
            along = np.uint64(ways[way, 0])
            passed = np.int64(ways[way, 1] & 7)
            cause = np.uint64(ways[way, 1] >> 3)
            dependent = np.uint64(onward[along] >> 32)
            at = np.uint64(np.int64(newest[dependent]) - 1)
            if newest[dependent] > end:
                now = np.int64(effects[at])
                if passed < now:
                    continue
                if passed == now:
                    node, rival = nodes[cause], nodes[np.uint64(causes[at])]
                    if rank[np.uint64(node)] > rank[np.uint64(rival)]:
                        continue
                    if node == rival and rules[along] >= rules[np.uint64(rows[at])]:
                        continue
            else:
                at = np.uint64(count)
                count += 1
                newest[dependent] = count
                nodes[at], round_of[at] = dependent, rounds + 1
            effects[at] = passed
            rows[at], causes[at] = along, cause
        if rounds == depth:
            complete = count == end
            for event in range(end, count):
                newest[nodes[event]] = 0
            count = end
            break
        begin, end = end, count
        rounds += 1
    if count > len(worst) >> 4:  # all of it is sooner done
        worst[:] = 0
        newest[:] = 0
    else:
        for event in range(count):
            worst[nodes[event]] = newest[nodes[event]] = 0
    found = (
        nodes[:count].copy(),
        rows[:count].copy(),
        causes[:count].copy(),
        round_of[:count].copy(),
    )
    became = effects[:count] & 3
    losses = np.empty((touched, 2), np.int32)
    for place in range(touched):
        group = np.uint64(groups[place])
        losses[place, 0], losses[place, 1] = lost[group] & 0xFFFFFFFF, lost[group] >> 32
        lost[group] = 0
    return found, became, groups[:touched] - 1, losses, complete
