"""What holds at one moment of a topology."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from impact.columns import Bools, Columns, Ints, Longs

if TYPE_CHECKING:
    from impact.topology import Topology


class View:
    """A mask over the rows of a topology, and how many members each of its groups has.

    Attributes
    ----------
    active
        Whether each row holds: its interval does, and its provider serves others.
    inactive
        How many rows do not.
    members, needed
        Of each group, and how many of them it needs.
    spare
        How many of them may fail before it has fewer than it needs.
    short
        Whether it has fewer members than it needs; then it needs all it has.
    """

    def __init__(self, topology: Topology, active: Bools) -> None:
        self.inactive = len(active) - int(np.count_nonzero(active))
        group = topology.rows["group"][active]
        count = topology.groups.count
        members = np.bincount(group[group >= 0], minlength=count).astype(np.int32)
        spare, short = _counted(topology, np.arange(count), members)
        self._rows = Columns(active=active)
        self._groups = Columns(members=members, spare=spare, short=short)

    @property
    def active(self) -> Bools:
        return self._rows["active"]

    @property
    def members(self) -> Ints:
        return self._groups["members"]

    @property
    def spare(self) -> Ints:
        return self._groups["spare"]

    @property
    def needed(self) -> Ints:
        return self.members - self.spare

    @property
    def short(self) -> Bools:
        return self._groups["short"]

    @property
    def nbytes(self) -> int:
        return self._rows.nbytes + self._groups.nbytes

    def fork(self) -> View:
        """The same view, for a fork of the topology."""
        fork = object.__new__(View)
        fork.inactive = self.inactive
        fork._rows, fork._groups = self._rows.fork(), self._groups.fork()
        return fork

    def follow(self, topology: Topology, rows: Longs) -> None:
        """Keep up with a topology that has changed some rows, or has got more of them."""
        while self._groups.count < topology.groups.count:
            self._groups.append(members=0, spare=0, short=False)
        while self._rows.count < topology.rows.count:
            self._rows.append(active=False)
            self.inactive += 1
        rows = np.unique(rows)
        active = topology.holds(rows)
        changed = self.active[rows] != active
        rows, active = rows[changed], active[changed]
        if not len(rows):
            return
        self._rows.set("active", rows, active)
        self.inactive += len(rows) - 2 * int(np.count_nonzero(active))
        group = topology.rows["group"][rows]
        touched, member = np.unique(group[group >= 0], return_inverse=True)
        members = self.members[touched]
        np.add.at(members, member, np.where(active, 1, -1)[group >= 0])
        spare, short = _counted(topology, touched, members)
        for name, values in (("members", members), ("spare", spare), ("short", short)):
            self._groups.set(name, touched, values)


def _counted(topology: Topology, groups: NDArray[np.integer], members: Ints) -> tuple[Ints, Bools]:
    """Of groups with so many members: how many may fail, and whether they are too few already."""
    needed = np.zeros(len(groups), np.int64)
    codes = topology.groups["redundancy"][groups]
    for code in np.flatnonzero(np.bincount(codes)):
        which = codes == code
        needed[which] = topology.redundancies[int(code)].of(members[which])
    return np.maximum(members - needed, 0).astype(np.int32), needed > members
