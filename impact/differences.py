"""Two outages compared: of two moments, or with the graph as it is and as it might be."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from impact.analysis import GroupState, Outage
from impact.rules import Effect


class Change(NamedTuple):
    """What is otherwise for one CI."""

    id: str
    type: str
    before: str
    after: str


class GroupChange(NamedTuple):
    """A redundancy group that has another margin; None where it loses no member, or is not there."""

    before: GroupState | None
    after: GroupState | None

    @property
    def group(self) -> GroupState:
        """As it is in the second outage, or else in the first."""
        found = self.after or self.before
        assert found is not None
        return found


class Difference(NamedTuple):
    """Two outages compared.

    Attributes
    ----------
    worse, better
        CIs that fare worse in the second, and better.
    unchanged
        How many are affected in both alike.
    groups
        Redundancy groups whose margin differs, those with the least left to lose first.
    """

    worse: list[Change]
    better: list[Change]
    unchanged: int
    groups: list[GroupChange]


def compare(before: Outage, after: Outage, dependents: Collection[str] = ()) -> Difference:
    """What an outage does that another does not.

    Parameters
    ----------
    dependents
        CIs all of whose groups are compared, even if they lose no member: those whose links are
        otherwise.
    """
    was = {a.id: a for a in before.affected}
    now = {a.id: a for a in after.affected}
    worse, better, same = [], [], 0
    for id in sorted(was.keys() | now.keys()):
        one, other = (side[id].effect if id in side else "none" for side in (was, now))
        change = Change(id, (now.get(id) or was[id]).type, one, other)
        order = Effect[other.upper()] - Effect[one.upper()]
        if order > 0:
            worse.append(change)
        elif order < 0:
            better.append(change)
        else:
            same += 1
    return Difference(worse, better, same, _groups(before, after, dependents))


def _groups(before: Outage, after: Outage, dependents: Collection[str]) -> list[GroupChange]:
    sides = []
    for outage in (before, after):
        told = [*outage.touched(), *(g for id in dependents for g in outage.groups_of(id))]
        sides.append({(group.dependent, group.type, group.label): group for group in told})
    was, now = sides
    changes = [GroupChange(was.get(key), now.get(key)) for key in was.keys() | now.keys()]
    margins = [[side and side.margin for side in change] for change in changes]
    found = [c for c, (one, other) in zip(changes, margins, strict=True) if one != other]
    return sorted(
        found, key=lambda c: (c.group.margin, c.group.dependent, c.group.type, c.group.label)
    )
