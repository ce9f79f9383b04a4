"""What impact analysis should answer, in plain lines that can be checked by eye. Slow."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import NamedTuple

NONE, AT_RISK, DEGRADED, DOWN = range(4)


class Redundancy(NamedTuple):
    """How many members of a group are needed; whether the relationship's label says which group."""

    needed: str
    labelled: bool = False


class Rule(NamedTuple):
    """How failure travels along a relationship type."""

    soft: bool = False
    redundancy: Redundancy | None = None


class Ci(NamedTuple):
    type: str
    operational: bool = True
    needs: Mapping[str, Redundancy] = {}


class Link(NamedTuple):
    type: str
    provider: str
    dependent: str


class Group(NamedTuple):
    dependent: str
    type: str
    label: str


class State(NamedTuple):
    """Of a group."""

    members: int
    needed: int
    short: bool
    left: int
    healthy: int

    @property
    def margin(self) -> int:
        return self.healthy - self.needed

    @property
    def effect(self) -> int:
        if self.left < self.needed:
            return DOWN
        if self.healthy < self.needed:
            return DEGRADED
        return AT_RISK if self.healthy < self.members else NONE


class Step(NamedTuple):
    """A CI got an effect in a round: from a provider by a relationship type, or as a root."""

    ci: str
    effect: int
    distance: int
    provider: str = ""
    type: str = ""


class Answer(NamedTuple):
    effects: dict[str, int]
    paths: dict[str, list[Step]]
    groups: dict[Group, State]
    complete: bool


@dataclass
class Estate:
    """Rules by relationship type, and by (CI type, relationship type); CIs; links with their labels."""

    rules: Mapping[str, Rule]
    own: Mapping[tuple[str, str], Redundancy]
    cis: dict[str, Ci] = field(default_factory=dict)
    links: dict[Link, str] = field(default_factory=dict)

    def copy(self) -> Estate:
        return Estate(self.rules, self.own, dict(self.cis), dict(self.links))

    def group(self, link: Link) -> Group | None:
        """The group that the provider of a link is a member of."""
        ci, label = self.cis[link.dependent], self.links[link]
        redundancy = self.redundancy(ci, link.type)
        if redundancy is None or (redundancy.labelled and not label):
            return None
        return Group(link.dependent, link.type, label if redundancy.labelled else "")

    def redundancy(self, ci: Ci, type: str) -> Redundancy | None:
        """The CI's own word, its type's, the relationship type's."""
        said = ci.needs.get(type) or self.own.get((ci.type, type))
        return said or self.rules[type].redundancy

    def active(self) -> list[Link]:
        """The links that failure can come along."""
        return [link for link in self.links if self.cis[link.provider].operational]

    def groups(self, effects: Mapping[str, int]) -> dict[Group, State]:
        """All groups that have a member, as they are with some effects."""
        members: dict[Group, set[str]] = {}
        for link in self.active():
            if (group := self.group(link)) is not None:
                members.setdefault(group, set()).add(link.provider)
        return {g: self.state(g, found, effects) for g, found in members.items()}

    def state(self, group: Group, members: set[str], effects: Mapping[str, int]) -> State:
        redundancy = self.redundancy(self.cis[group.dependent], group.type)
        assert redundancy is not None
        total = len(members)
        if redundancy.needed == "all":
            needed = total
        elif redundancy.needed.endswith("%"):
            needed = ceil(Fraction(redundancy.needed[:-1]) * total / 100)
        else:
            needed = int(redundancy.needed)
        left = sum(effects.get(m, NONE) != DOWN for m in members)
        healthy = sum(effects.get(m, NONE) < DEGRADED for m in members)
        return State(total, min(needed, total), needed > total, left, healthy)

    def given(self, link: Link, effects: Mapping[str, int], state: State | None) -> int:
        """What a link gives its dependent; its group as a whole if there is one."""
        effect = state.effect if state else effects.get(link.provider, NONE)
        if effect == AT_RISK and state is None:
            return NONE
        return max(effect - 1, NONE) if self.rules[link.type].soft else effect


def made(state: State | None, effect: int, before: int) -> bool:
    """Whether what a link gives is so because its provider has changed; in a group it must count."""
    if state is None:
        return effect > before
    least = DOWN if state.effect == DOWN else DEGRADED
    return effect >= least > before


def propagate(estate: Estate, roots: Mapping[str, int], depth: int | None = None) -> Answer:
    """Round by round: each from what was true at the end of the one before, until nothing changes."""
    before: dict[str, int] = {}
    effects = {ci: effect for ci, effect in roots.items() if effect}
    paths = {ci: [Step(ci, effect, 0)] for ci, effect in effects.items()}
    distance, complete = 0, True
    while True:
        best: dict[str, tuple[int, str, str]] = {}
        groups = estate.groups(effects)
        for link in estate.active():
            group = estate.group(link)
            state = groups[group] if group else None
            effect = estate.given(link, effects, state)
            changed = effects.get(link.provider, NONE), before.get(link.provider, NONE)
            if effect > effects.get(link.dependent, NONE) and made(state, *changed):
                reason = (-effect, link.provider, link.type)
                best[link.dependent] = min(reason, best.get(link.dependent, reason))
        if not best or distance == depth:
            complete = not best
            break
        distance, before = distance + 1, dict(effects)
        effects.update((ci, -worst) for ci, (worst, _, _) in best.items())
        paths |= {
            ci: [Step(ci, -worst, distance, provider, type), *paths[provider]]
            for ci, (worst, provider, type) in best.items()
        }
    return Answer(effects, paths, estate.groups(effects), complete)


def reachable(estate: Estate, roots: Collection[str]) -> set[str]:
    """All that failure could get to, whatever the rules say."""
    found, new = set[str](), set(roots)
    while new:
        found |= new
        new = {link.dependent for link in estate.active() if link.provider in found} - found
    return found
