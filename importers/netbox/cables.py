"""Following the cables of a NetBox export through patch panels, from one end to the other.

What is reported is who is connected with whom: one CONNECTED_TO for each path between two interfaces
(or power ports, console ports, feeds, circuits), however many patch cables and panel ports lie between;
``cable_path`` names the panel ports passed. A path that ends in a panel, because nothing is plugged in
further on or because it cannot be told which of several fibres it takes, is a connection with the last
panel port reached. Cables between panels that no path uses are connections between their ports. So
every cable is in exactly the connections that use it, and none is lost.

A cable may have several terminations on each side: one with many joins it with each of them; as many
with as many join pairwise, in the order they are listed.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from functools import cached_property
from typing import Final, NamedTuple

from cmdb.reconciliation.observations import Rejection
from importers.netbox.components import PART_TYPES, Place
from importers.netbox.endpoints import CONTENT_TYPES, Entry, Export, items, table_by_url

PANEL_PORTS: Final = ("front-ports", "rear-ports")
_ENDS: Final = (
    *(t for t in PART_TYPES if t != "inventory-items"),
    "power-feeds",
    "circuit-terminations",
)


class Cable(NamedTuple):
    """A cable with the terminations of its two sides."""

    id: str
    label: str | None
    type: str | None
    status: str | None
    sides: tuple[tuple[Place, ...], tuple[Place, ...]]
    place: str

    def rejected(self, reason: str) -> Rejection:
        return Rejection(self.place, reason, f"cables/{self.id}")

    def across(self, end: Place) -> list[Place]:
        """Where the cable leads to from one of its terminations."""
        found: list[Place] = []
        for near, far in (self.sides, self.sides[::-1]):
            for index, own in enumerate(near):
                if own == end:
                    found += [far[index]] if len(near) == len(far) else far
        return found


class Path(NamedTuple):
    """Two ends, the cables between them, and the panel ports passed on the way."""

    near: Place
    far: Place
    cables: tuple[Cable, ...]
    ports: tuple[Place, ...]


class Trace(NamedTuple):
    """How far a path has been followed: the port just reached, and the positions still to be taken."""

    at: Place
    positions: tuple[int, ...]
    cables: tuple[Cable, ...]
    ports: tuple[Place, ...] = ()
    ended: bool = False


class Panels:
    """Which front port of a panel leads to which rear port, at which position of it."""

    def __init__(self, export: Export) -> None:
        self._export = export
        self._rears: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self._fronts: dict[tuple[str, int], str] = {}
        for front in export.all("front-ports"):
            for rear, position in _rears_of(front):
                self._rears[front.id].append((rear, position))
                self._fronts[rear, position] = front.id

    def through(
        self, port: Place, positions: tuple[int, ...]
    ) -> list[tuple[Place, tuple[int, ...]]]:
        """The ports on the other side of a panel, with the positions to be taken further on."""
        table, id_ = port
        if table == "front-ports":
            return [
                (("rear-ports", rear), (*positions, position) if self._many(rear) else positions)
                for rear, position in self._rears.get(id_, ())
            ]
        if self._many(id_):
            if not positions:
                return []
            position, positions = positions[-1], positions[:-1]
        else:
            position = 1
        front = self._fronts.get((id_, position))
        return [(("front-ports", front), positions)] if front else []

    def _many(self, rear: str) -> bool:
        entry = self._export.get("rear-ports", rear)
        return entry is not None and (entry.whole("positions") or 1) > 1


def _rears_of(front: Entry) -> Iterator[tuple[str, int]]:
    """Rear ports of a front port: one until NetBox 4.4, a list from 4.5 on."""
    if rear := front.entry("rear_port", "rear-ports"):
        yield rear.id, front.whole("rear_port_position") or 1
    for mapping in items(front.fields.get("rear_ports")):
        if isinstance(mapping, dict):
            given = Entry(front.export, "rear-ports", "", mapping, front.place, loaded=False)
            if rear := given.entry("rear_port", "rear-ports"):
                yield rear.id, given.whole("rear_port_position") or 1


class Paths:
    """The paths that the cables of an export make, and what cannot be used of them.

    Attributes
    ----------
    rejections
        Filled while the paths are followed.
    """

    def __init__(self, export: Export) -> None:
        self.export = export
        self.rejections: list[Rejection] = []
        self._panels = Panels(export)
        self._briefs: dict[Place, Entry] = {}

    def entry(self, end: Place) -> Entry | None:
        """What is at an end: the object itself, else what its cable says of it."""
        return self.export.get(*end) or self._briefs.get(end)

    @cached_property
    def all(self) -> list[Path]:
        """All paths, each once."""
        seen: set[tuple[Place, Place]] = set()
        found: list[Path] = []
        for path in self._all_paths():
            pair = (min(path.near, path.far), max(path.near, path.far))
            if pair in seen:
                continue
            if path.near == path.far:
                what = "its path leads back to where it starts"
                self.rejections.append(path.cables[0].rejected(what))
            else:
                found.append(path)
            seen.add(pair)
        return found

    def _all_paths(self) -> Iterator[Path]:
        used: set[str] = set()
        for cable in self.cables:
            for end in (*cable.sides[0], *cable.sides[1]):
                if end[0] not in PANEL_PORTS:
                    for path in self._follow(end, cable):
                        used.update(each.id for each in path.cables)
                        yield path
        for cable in self.cables:
            if cable.id not in used:
                for near in cable.sides[0]:
                    for far in cable.across(near):
                        yield Path(near, far, (cable,), ())

    def _follow(self, origin: Place, cable: Cable) -> Iterator[Path]:
        """The paths from one end of a cable that is not a panel port."""
        visited: set[tuple[Place, tuple[int, ...]]] = set()
        todo = deque(Trace(far, (), (cable,)) for far in cable.across(origin))
        while todo:
            trace = todo.popleft()
            if (trace.at, trace.positions) in visited:
                continue
            visited.add((trace.at, trace.positions))
            through = trace.at[0] in PANEL_PORTS and not trace.ended
            further = list(self._further(trace)) if through else []
            todo.extend(further)
            if not further:
                yield Path(origin, trace.at, trace.cables, trace.ports)

    def _further(self, trace: Trace) -> Iterator[Trace]:
        """The next ports through the panel and its cable; the far side of the panel where it ends."""
        passed = (*trace.ports, trace.at)
        for port, positions in self._panels.through(trace.at, trace.positions):
            cables = [c for c in self._by_end.get(port, ()) if c not in trace.cables]
            if not cables:
                yield Trace(port, positions, trace.cables, passed, ended=True)
            for cable in cables:
                for far in cable.across(port):
                    yield Trace(far, positions, (*trace.cables, cable), (*passed, port))

    @cached_property
    def _by_end(self) -> dict[Place, list[Cable]]:
        found: dict[Place, list[Cable]] = defaultdict(list)
        for cable in self.cables:
            for end in {*cable.sides[0], *cable.sides[1]}:
                found[end].append(cable)
        return found

    @cached_property
    def cables(self) -> list[Cable]:
        """The cables of the export; without them, what the terminations say of theirs."""
        found = []
        for entry in self.export.all("cables"):
            sides = (tuple(self._side(entry, "a")), tuple(self._side(entry, "b")))
            label, type_ = entry.text("label"), entry.choice("type")
            cable = Cable(entry.id, label, type_, entry.choice("status"), sides, entry.place)
            if all(sides):
                found.append(cable)
            else:
                what = "the cable is not connected at both ends"
                self.rejections.append(cable.rejected(what))
        known = {entry.id for entry in self.export.all("cables")}
        return found + [cable for cable in self._told_by_ends() if cable.id not in known]

    def _side(self, cable: Entry, side: str) -> Iterator[Place]:
        """Terminations of a side: a list from NetBox 3.3 on, else one; Nautobot has one."""
        listed = items(cable.fields.get(f"{side}_terminations"))
        name = f"termination_{side}"
        one = {
            "object_type": cable.fields.get(f"{name}_type"),
            "object_id": cable.fields.get(f"{name}_id"),
            "object": cable.fields.get(name),
        }
        for each in listed or [one]:
            if isinstance(each, dict):
                given = Entry(self.export, "cables", "", each, cable.place, loaded=False)
                table = CONTENT_TYPES.get(given.text("object_type") or "")
                brief = each.get("object")
                id_ = given.text("object_id")
                if isinstance(brief, dict):
                    table = table or table_by_url(brief.get("url")) or None
                    id_ = id_ or Entry(self.export, "", "", brief, cable.place, loaded=False).text(
                        "id"
                    )
                if table in _ENDS and id_:
                    if isinstance(brief, dict):
                        entry = Entry(self.export, table, id_, brief, cable.place, loaded=False)
                        self._briefs[table, id_] = entry
                    yield table, id_

    def _told_by_ends(self) -> Iterator[Cable]:
        """Cables that are only named by what is plugged in at both of their ends."""
        ends: dict[str, tuple[list[Place], list[Place]]] = defaultdict(lambda: ([], []))
        cables: dict[str, Entry] = {}
        for end in self.export.all(*_ENDS):
            if (cable := end.entry("cable", "cables")) and not cable.loaded:
                sides, side = ends[cable.id], end.text("cable_end")
                second = side == "B" if side else bool(sides[0])
                sides[second].append((end.table, end.id))
                cables.setdefault(cable.id, cable)
        for id_, (near, far) in ends.items():
            if near and far:
                label = cables[id_].text("label")
                yield Cable(id_, label, None, None, (tuple(near), tuple(far)), cables[id_].place)
