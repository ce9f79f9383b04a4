"""Correlation: which alerts are one incident, and what its cause is. Pure: CIs and a topology in, groups out.

1. An alert goes to an open incident that concerns its CI, or whose causes impair it.
2. Of the others, and of the causes of incidents that alerts have made lately, few CIs are found that explain most
   (`impact.covering`): each is the cause of one incident. One that explains the causes of open incidents takes
   these in: the oldest of them stays.
3. What none explains alone, but several causes do together, as two switches do that were one another's spare,
   is one incident with these.
4. What is left stands alone: it is an incident of its own once it has waited for others long enough. Where
   several have a CI in common that may be the cause, and more are coming, they wait on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np

from impact.covering import Alarm, Proof, causes
from impact.elements import SINGLE
from impact.propagation import Propagation, propagate
from impact.rules import Effect
from impact.spreading import Spreading
from impact.topology import Topology
from impact.views import View

LAST: Final = 2**62
TOGETHER: Final = 16
"""So many causes at most are said to have something done together."""


class Waiting(NamedTuple):
    """A CI with alerts that are in no incident.

    Attributes
    ----------
    effect
        The worst that they say of it.
    ready
        Whether one of them has waited for others long enough.
    overdue
        Whether it has waited so long that it does not, whatever comes.
    """

    ci: str
    effect: Effect
    ready: bool
    overdue: bool = False


class Standing(NamedTuple):
    """An open incident.

    Attributes
    ----------
    roots
        Its causes, with what has happened to them.
    lately
        Whether alerts have made it, so lately that a better cause may take it in.
    """

    id: str
    began: datetime
    roots: Mapping[str, Effect]
    lately: bool


@dataclass
class Group:
    """Alerts that are one incident.

    Attributes
    ----------
    incidents
        Open ones that it is; the first stays, the others are merged into it. Without any it is a new one.
    roots
        The causes; None where those of the incident stay as they are.
    cis
        The CIs whose alerts come to it.
    silent
        Whether the cause has given no alarm itself.
    ready
        Whether it may be opened now.
    """

    incidents: list[str] = field(default_factory=list)
    roots: dict[str, Effect] | None = None
    cis: list[str] = field(default_factory=list)
    silent: bool = False
    ready: bool = True


def groups(
    topology: Topology,
    view: View,
    waiting: Sequence[Waiting],
    standing: Iterable[Standing],
    concerned: Mapping[str, Collection[str]],
    proof: Proof,
) -> list[Group]:
    """Which alerts are one incident; those that still wait are in a group that is not ready.

    Parameters
    ----------
    waiting
        Each CI once.
    concerned
        Id of a CI -> the open incidents that concern it.
    """
    return _Correlation(topology, view, waiting, standing, proof).groups(concerned)


class _Correlation:
    def __init__(
        self,
        topology: Topology,
        view: View,
        waiting: Sequence[Waiting],
        standing: Iterable[Standing],
        proof: Proof,
    ) -> None:
        self.topology, self.view, self.proof = topology, view, proof
        self.waiting = {one.ci: one for one in sorted(waiting)}
        self.standing = sorted(standing, key=lambda one: (one.began, one.id))
        self.age = {one.id: age for age, one in enumerate(self.standing)}
        self._guesses: dict[frozenset[int], list[int]] = {}
        ids = {*self.waiting, *(ci for one in self.standing for ci in one.roots)}
        found = topology.find(sorted(ids))
        self.nodes = {
            ci: node for ci, node in zip(sorted(ids), found, strict=True) if node is not None
        }

    def groups(self, concerned: Mapping[str, Collection[str]]) -> list[Group]:
        joined = self._joined(concerned)
        left = [one for one in self.waiting.values() if one.ci not in joined]
        units = self._covered(left)
        taken = {id for unit in units for id in unit.incidents}
        alone = {ci for unit in units for ci in unit.cis}
        rest = [one for one in left if one.ci not in alone]
        held = self._held(rest)
        units += [
            Group(roots={one.ci: one.effect}, cis=[one.ci], ready=one.ready and one.ci not in held)
            for one in rest
        ]
        standing = [Group([s.id], dict(s.roots)) for s in self.standing if s.id not in taken]
        made = self._together(units, standing) if left else []
        into: dict[str, Group] = {}
        for ci, id in joined.items():
            into.setdefault(id, Group([id])).cis.append(ci)
        for unit in made:  # what joins an incident that is taken in goes where that goes
            for id in unit.incidents:
                if id in into:
                    unit.cis += into.pop(id).cis
        return [*into.values(), *made]

    def _node(self, ci: str) -> int | None:
        if ci not in self.nodes and (found := self.topology.find([ci])[0]) is not None:
            self.nodes[ci] = found
        return self.nodes.get(ci)

    # -- 1: open incidents ----------------------------------------------------------------------------

    def _joined(self, concerned: Mapping[str, Collection[str]]) -> dict[str, str]:
        """CI -> the open incident that it goes to: the oldest of those that have it, or explain it."""
        found = {
            ci: min(ids, key=lambda id: self.age[id])
            for ci in self.waiting
            if (ids := [id for id in concerned.get(ci, ()) if id in self.age])
        }
        left = [ci for ci in self.waiting if ci not in found and ci in self.nodes]
        if left and self.standing:
            spreading = Spreading(self.topology, [self.nodes[ci] for ci in left], self.view)
            pairs = spreading.impaired(
                [self._nodes(one.roots, Effect.DOWN) for one in self.standing],
                [self._nodes(one.roots, Effect.DEGRADED) for one in self.standing],
            )
            for age, place in zip(*(part.tolist() for part in pairs), strict=True):
                found.setdefault(left[place], self.standing[age].id)
        return found

    def _nodes(self, roots: Mapping[str, Effect], effect: Effect) -> list[int]:
        return [self.nodes[ci] for ci, e in roots.items() if e is effect and ci in self.nodes]

    # -- 2: causes ------------------------------------------------------------------------------------

    def _covered(self, left: Sequence[Waiting]) -> list[Group]:
        """Groups with one cause that explains several alarms."""
        new = [one for one in left if one.ci in self.nodes]
        alarms = [Alarm(self.nodes[one.ci], _alarming(one.effect)) for one in new]
        cis, mine = [one.ci for one in new], {one.ci for one in new}
        known = {*mine}
        for one in self.standing:
            for ci, effect in one.roots.items() if one.lately else ():
                if ci in self.nodes and ci not in known:
                    known.add(ci)
                    cis.append(ci)
                    alarms.append(Alarm(self.nodes[ci], _alarming(effect), new=False))
        effects = {alarm.node: alarm.effect for alarm in alarms}
        found = []
        for cause in causes(self.topology, alarms, self.proof, self.view) if new else ():
            explained = {cis[place] for place in cause.explained}
            id = self.topology.id(cause.node)
            taken = [s.id for s in self.standing if s.lately and explained >= s.roots.keys()]
            own = sorted(explained & mine)
            effect = effects.get(cause.node, Effect.DOWN)
            found.append(Group(taken, {id: effect}, own, cause.silent))
        return found

    def _held(self, rest: Sequence[Waiting]) -> set[str]:
        """Of what stands alone, what waits on: with others that have come only now it has a CI in common that
        would be their cause, if more came."""
        rest = [one for one in rest if one.ci in self.nodes]
        if all(one.ready for one in rest) or not any(one.ready for one in rest):
            return set()
        alarms = [Alarm(self.nodes[one.ci], _alarming(one.effect)) for one in rest]
        held: set[str] = set()
        for cause in causes(self.topology, alarms, self.proof._replace(share=0.0), self.view):
            below = [rest[place] for place in cause.explained]
            if not all(one.ready for one in below):
                held |= {one.ci for one in below if not one.overdue}
        return held

    # -- 3: causes together ---------------------------------------------------------------------------

    def _together(self, units: list[Group], standing: list[Group]) -> list[Group]:
        """The groups, joined where several causes do together what none does alone; of open incidents
        only those to which something comes."""
        every = [*units, *standing]
        fixed = {id(o) for o in standing if not self._lately(o)}
        alive = {id(unit): unit for unit in every}
        suspects = self._suspects(every)
        order = sorted(
            (unit for unit in every if id(unit) in suspects and id(unit) not in fixed),
            key=lambda u: (len(u.incidents), len(u.cis), min(u.roots or {""})),
        )
        changed: set[int] = {id(unit) for unit in units}
        for unit in order:
            if id(unit) not in alive:
                continue
            others = {key: u for key, u in alive.items() if u is not unit}
            with_it = self._explaining(unit, suspects[id(unit)], others)
            if not with_it:
                continue
            kept = [u for u in with_it if id(u) in fixed]
            if kept and (unit.incidents or len(kept) < len(with_it)):
                continue  # what people have opened is not merged with others
            with_it.sort(
                key=lambda u: ([self.age[id] for id in u.incidents] or [LAST], min(u.roots or {""}))
            )
            into = kept[0] if kept else with_it[0]
            for other in [] if kept else with_it[1:]:
                into.incidents += other.incidents
                into.roots = {**(into.roots or {}), **(other.roots or {})}
                into.cis += other.cis
                into.silent &= other.silent
                into.ready |= other.ready
                del alive[id(other)]
            into.incidents = sorted({*into.incidents, *unit.incidents}, key=lambda n: self.age[n])
            into.cis += unit.cis
            into.ready = True
            del alive[id(unit)]
            changed.add(id(into))
        return [unit for unit in alive.values() if id(unit) in changed]

    def _lately(self, unit: Group) -> bool:
        return all(self.standing[self.age[id]].lately for id in unit.incidents)

    def _suspects(self, units: Sequence[Group]) -> dict[int, frozenset[int]]:
        """Those whose causes all causes together impair by what comes to them from outside; and what by.

        That may be what they have done themselves, where CIs depend on each other in a circle.
        """
        outcome = propagate(self.topology, self._roots(units), view=self.view)
        found = {}
        for unit in units:
            by = [self._impaired_by(ci, outcome) for ci in unit.roots or ()]
            if by and all(by):
                found[id(unit)] = frozenset[int]().union(*by)
        return found

    def _impaired_by(self, ci: str, outcome: Propagation) -> frozenset[int]:
        """The providers that impair a CI directly."""
        node = self._node(ci)
        if node is None:
            return frozenset()
        rows = self.topology.rows
        near = self.topology.rows_into(node)
        near = near[self.view.active[near]]
        provider, group, soft = (rows[name][near] for name in ("provider", "group", "soft"))
        effect = outcome.effect[provider]
        passing = np.where(soft, effect >= Effect.DOWN, effect >= Effect.DEGRADED)
        grouped = np.flatnonzero(group != SINGLE)
        lost = np.where(
            soft[grouped], outcome.down[group[grouped]], outcome.impaired[group[grouped]]
        )
        passing[grouped] &= lost > self.view.spare[group[grouped]]
        return frozenset(provider[passing].tolist())

    def _explaining(
        self, unit: Group, by: frozenset[int], others: Mapping[int, Group]
    ) -> list[Group]:
        """Some of the others that together impair all causes of a unit; none, where they do not.

        What the same providers impair is first thought to have the same causes.
        """
        wanted = [node for ci in unit.roots or () if (node := self._node(ci)) is not None]
        guess = [others[key] for key in self._guesses.get(by, ()) if key in others]
        if guess and self._impair(guess, wanted):
            return guess
        above = self._above(wanted)
        near = [o for o in others.values() if above & {self._node(ci) for ci in o.roots or ()}]
        if len(near) > TOGETHER or not self._impair(near, wanted):
            return []
        for other in sorted(near, key=lambda o: (bool(o.incidents), min(o.roots or {""}))):
            without = [o for o in near if o is not other]
            if self._impair(without, wanted):
                near = without
        self._guesses[by] = [id(o) for o in near]
        return near

    def _above(self, nodes: Iterable[int]) -> set[int | None]:
        """What some nodes stand on, they included."""
        found: set[int | None] = set(nodes)
        frontier = list(nodes)
        while frontier:
            near = self.topology.rows_into(frontier.pop())
            near = near[self.view.active[near]]
            new = {*self.topology.rows["provider"][near].tolist()} - found
            found |= new
            frontier += new
        return found

    def _impair(self, units: Sequence[Group], wanted: Sequence[int]) -> bool:
        roots = self._roots(units)
        if not roots:
            return False
        effect = propagate(self.topology, roots, view=self.view).effect
        return all(effect[node] >= Effect.DEGRADED for node in wanted)

    def _roots(self, units: Iterable[Group]) -> dict[int, Effect]:
        found: dict[int, Effect] = {}
        for unit in units:
            for ci, effect in (unit.roots or {}).items():
                if (node := self._node(ci)) is not None:
                    found[node] = max(effect, found.get(node, Effect.NONE))
        return found


def _alarming(effect: Effect) -> Effect:
    return max(effect, Effect.DEGRADED)
