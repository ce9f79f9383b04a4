"""Answers: what an outage does, in ids and words, each with its reason and with what is not known."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np

from impact.columns import Bools
from impact.elements import Link
from impact.propagation import Propagation, propagate, reachable
from impact.rules import Effect
from impact.topology import Topology
from impact.views import View

GIVEN: Final = ""
"""The relationship type of a step that needs none: the effect was given."""


class GroupState(NamedTuple):
    """How a redundancy group fares.

    Attributes
    ----------
    dependent, type, label
        Whose it is, by which relationship type, and the name that tells it from others.
    total, left, healthy, needed
        Members; of them not down; of them neither down nor degraded; how many are needed.
    short
        It was short of members before: it needs more than it has.
    """

    dependent: str
    type: str
    label: str
    total: int
    left: int
    healthy: int
    needed: int
    short: bool
    effect: str

    @property
    def margin(self) -> int:
        """How many more members may be lost; negative where too many are."""
        return self.healthy - self.needed


class Reason(NamedTuple):
    """One step of an explaining path.

    Attributes
    ----------
    id, effect, distance
        The CI, the effect it had then, and its distance from a root.
    type, provider
        The relationship that failure came along, and from whom; empty for what was given.
    soft
        The effect was lowered by one step on the way.
    group
        The group that was tipped, as it is in the end.
    """

    id: str
    effect: str
    distance: int
    type: str
    provider: str
    soft: bool
    group: GroupState | None


class Affected(NamedTuple):
    """An affected CI; ``together`` where no single one of the roots would have done this to it."""

    id: str
    type: str
    effect: str
    distance: int
    together: bool


class Outage:
    """What follows when some CIs fail.

    Parameters
    ----------
    roots
        Id -> the effect it is given.
    at
        The revision that was looked at.
    together
        Whether it is worked out what only several roots together do; it costs with each of them.

    Attributes
    ----------
    affected
        The worst first, then the closest, then by id; roots included.
    unknown
        Roots that were not there.
    idle
        Roots whose state is not operational: nobody depends on them.
    truncated
        Why the answer is not whole; empty where it is.
    """

    def __init__(
        self,
        topology: Topology,
        roots: Mapping[str, Effect],
        *,
        at: int,
        view: View | None = None,
        depth: int | None = None,
        together: bool = True,
    ) -> None:
        self.topology, self.view, self.at = topology, view or topology.live, at
        self.roots = dict(roots)
        places = dict(zip(roots, topology.find(roots), strict=True))
        self.unknown = [id for id, place in places.items() if place is None]
        self._roots = {place: roots[id] for id, place in places.items() if place is not None}
        operational = topology.nodes["operational"]
        self.idle = [id for id, n in places.items() if n is not None and not operational[n]]
        self.outcome = propagate(topology, self._roots, view=self.view, depth=depth)
        self.truncated = "" if self.outcome.complete else cut_off(depth)
        self._together = self._only_together(depth) if together else None
        self.affected = self._affected()

    def _only_together(self, depth: int | None) -> Bools:
        """Nodes on which the roots together do more than each of them alone."""
        topology, view = self.topology, self.view
        if len(self._roots) < 2:
            return np.zeros(len(topology), bool)
        reached = [reachable(topology, [root], view) for root in self._roots]
        shared = np.bincount(np.concatenate(reached), minlength=len(topology)) > 1
        alone = np.zeros(len(topology), np.uint8)
        for (root, effect), nodes in zip(self._roots.items(), reached, strict=True):
            if shared.take(nodes).any():  # else it has to do with none of the others
                one = propagate(topology, {root: effect}, view=view, depth=depth)
                np.maximum(alone, one.effect, out=alone)
        return shared & (self.outcome.effect > alone)

    def _affected(self) -> list[Affected]:
        outcome, topology = self.outcome, self.topology
        order = np.lexsort((outcome.distances, -outcome.effects.astype(np.int8)))
        return [
            Affected(
                topology.id(node),
                topology.type(node),
                Effect(effect).word,
                distance,
                self._together is not None and bool(self._together[node]),
            )
            for node, effect, distance in zip(
                outcome.nodes[order].tolist(),
                outcome.effects[order].tolist(),
                outcome.distances[order].tolist(),
                strict=True,
            )
        ]

    def type(self, id: str) -> str:
        """The record type of a CI."""
        [node] = self.topology.find([id])
        return "" if node is None else self.topology.type(node)

    def links_among(self, ids: Collection[str]) -> Iterator[tuple[Link, int | None]]:
        """The links that hold between some CIs, and the group that each makes its provider part of."""
        topology = self.topology
        nodes = {node for node in topology.find(ids) if node is not None}
        for node in sorted(nodes):
            for row in topology.rows_into(node).tolist():
                if self.view.active[row] and int(topology.rows["provider"][row]) in nodes:
                    group = int(topology.rows["group"][row])
                    yield topology.link(row), group if group >= 0 else None

    def effect(self, id: str) -> Effect:
        """What happens to a CI."""
        [node] = self.topology.find([id])
        return Effect.NONE if node is None else Effect(int(self.outcome.effect[node]))

    def why(self, id: str) -> list[Reason]:
        """Why a CI is affected, from it back to a root; nothing where it is not."""
        [node] = self.topology.find([id])
        if node is None or not self.outcome.effect[node]:
            return []
        return [self._reason(*step) for step in self.outcome.path(node)]

    def _reason(self, node: int, effect: Effect, distance: int, row: int) -> Reason:
        id = self.topology.id(node)
        if row < 0:
            return Reason(id, effect.word, distance, GIVEN, "", False, None)
        link, group = self.topology.link(row), int(self.topology.rows["group"][row])
        soft = self.topology.rules.rules[link.type].soft
        state = self.group(group) if group >= 0 else None
        return Reason(id, effect.word, distance, link.type, link.provider, soft, state)

    # -- groups -----------------------------------------------------------------------------------

    def group(self, group: int) -> GroupState:
        """How a group is in the end."""
        return group_state(self.topology, self.view, group, self.outcome)

    def groups_of(self, id: str) -> list[GroupState]:
        """How the groups are that a CI's providers form, whether they have lost a member or not."""
        [node] = self.topology.find([id])
        if node is None:
            return []
        rows = self.topology.rows_into(node)
        groups = np.unique(
            self.topology.rows["group"].take(rows.compress(self.view.active.take(rows)))
        )
        return [self.group(group) for group in groups.tolist() if group >= 0]

    def touched(self) -> list[GroupState]:
        """All groups that have lost a member, those with the least left to lose first."""
        found = [self.group(int(g)) for g in np.flatnonzero(self.outcome.impaired)]
        return sorted(found, key=lambda g: (g.margin, g.dependent, g.type, g.label))

    def counts(self) -> dict[str, int]:
        """Affected CIs by effect, the worst first."""
        return self.outcome.counts()


def group_state(
    topology: Topology, view: View, group: int, outcome: Propagation | None = None
) -> GroupState:
    """A group, as it is when nothing has failed, or after an outage."""
    columns = {name: int(topology.groups[name][group]) for name in ("dependent", "rule", "label")}
    total, spare = int(view.members[group]), int(view.spare[group])
    down = int(outcome.down[group]) if outcome else 0
    impaired = int(outcome.impaired[group]) if outcome else 0
    left, healthy, needed = total - down, total - impaired, total - spare
    effect = Effect.NONE
    if impaired:
        effect = Effect.AT_RISK
        if left < needed:
            effect = Effect.DOWN
        elif healthy < needed:
            effect = Effect.DEGRADED
        if topology.rules.by_code[columns["rule"]].soft:
            effect = Effect(effect - 1)
    label = columns["label"]
    return GroupState(
        topology.id(columns["dependent"]),
        topology.rules.by_code[columns["rule"]].type,
        topology.labels[label] if label >= 0 else "",
        total,
        left,
        healthy,
        needed,
        bool(view.short[group]),
        effect.word,
    )


def cut_off(depth: int | None) -> str:
    """Why an answer is not whole."""
    return f"depth: no further than {depth} {'step' if depth == 1 else 'steps'}"
