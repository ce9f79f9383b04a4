"""What the paths of a NetBox export mean: connections between ends, and what powers what.

A path is reported once, at one of its ends: that of a device before that of a feed or a circuit.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import Final

from cmdb.reconciliation.observations import Link, Observation, Ref, Rejection
from importers.netbox.cables import Path, Paths
from importers.netbox.components import Components, Place, can_power
from importers.netbox.endpoints import Entry
from importers.values import said

_LONGEST: Final = 900
"""Characters of a joined text: below what an attribute takes."""


class Cabling:
    """The connections that the cables of an export make."""

    def __init__(self, components: Components) -> None:
        self.components = components
        self._paths = Paths(components.export)

    @property
    def rejections(self) -> list[Rejection]:
        """Cables that connect nothing, once `links` has been asked for."""
        return self._paths.rejections

    @property
    def paths(self) -> list[Path]:
        """All paths, each once."""
        return self._paths.all

    def of(self, owner: Entry) -> list[Link]:
        """(feed or circuit)-[:CONNECTED_TO]->(end), of the paths that are reported there."""
        return self.links.get((owner.table, owner.id), [])

    @cached_property
    def links(self) -> dict[Place, list[Link]]:
        """Links to be said of each part, feed or circuit: each path at one of its ends."""
        found: dict[Place, list[Link]] = defaultdict(list)
        for path in self.paths:
            near, far = self._owner(path.near), self._owner(path.far)
            if far is not None and (
                near is None or (_rank(far), path.far) < (_rank(near), path.near)
            ):
                near, far, path = far, near, path._replace(near=path.far, far=path.near)
            to = self._observation(path.far)
            if near is None or to is None:
                what = "it does not join two things that are in the export"
                self.rejections.append(path.cables[0].rejected(what))
            else:
                found[near].append(Link("CONNECTED_TO", to, self._attributes(path)))
        return found

    def power(self, device: Entry) -> dict[Place, list[str]]:
        """What powers a device by its power cables: other devices and feeds, with their outlets."""
        return self._power.get(device.id, {})

    def powering_link(
        self, source: Place, outlets: list[str], types: dict[str, str]
    ) -> Link | None:
        """(device)-[:POWERED_BY]->(pdu or feed), if that is something that powers."""
        table, id_ = source
        if table == "devices" and not can_power(types.get(id_, "Host")):
            return None
        outlet = ", ".join(dict.fromkeys(outlets))[:_LONGEST]
        return Link("POWERED_BY", Ref(f"{table}/{id_}"), said(outlet=outlet))

    @cached_property
    def _power(self) -> dict[str, dict[Place, list[str]]]:
        found: dict[str, dict[Place, list[str]]] = defaultdict(lambda: defaultdict(list))
        for path in self.paths:
            if any(cable.status in ("planned", "decommissioning") for cable in path.cables):
                continue
            for port, source in ((path.near, path.far), (path.far, path.near)):
                if port[0] == "power-ports" and source[0] in ("power-outlets", "power-feeds"):
                    self._powers(found, port, source)
        return found

    def _powers(self, found: dict[str, dict[Place, list[str]]], port: Place, source: Place) -> None:
        consumer, feed = self._paths.entry(port), self._paths.entry(source)
        device = self.components.holder(consumer) if consumer else None
        provider = feed
        if feed and feed.table == "power-outlets":
            provider = self.components.holder(feed)
        if device and provider and feed and provider.loaded and device.key != provider.key:
            names = found[device.id][provider.table, provider.id]
            if feed.table == "power-outlets":
                names.append(self.components.name_of(feed))

    def _owner(self, end: Place) -> Place | None:
        """What a path may be reported at: the loaded part, feed or circuit at its end."""
        entry = self._paths.entry(end)
        if entry is None:
            return None
        if end[0] == "circuit-terminations":
            circuit = entry.entry("circuit", "circuits")
            return (circuit.table, circuit.id) if circuit and circuit.loaded else None
        if end[0] == "power-feeds":
            return end if entry.loaded else None
        holder = self.components.holder(entry)
        return end if entry.loaded and holder and holder.loaded else None

    def _observation(self, end: Place) -> Observation | Ref | None:
        """The far end of a path."""
        if end[0] in ("circuit-terminations", "power-feeds"):
            owner = self._owner(end)
            return Ref(f"{owner[0]}/{owner[1]}") if owner else None
        entry = self._paths.entry(end)
        return self.components.far(entry) if entry else None

    def _attributes(self, path: Path) -> dict[str, str]:
        """Of a connection: its cables in order, and the panel ports they pass."""
        labels = " / ".join(cable.label for cable in path.cables if cable.label)
        types = " / ".join(dict.fromkeys(cable.type for cable in path.cables if cable.type))
        states = " / ".join(dict.fromkeys(cable.status for cable in path.cables if cable.status))
        ports = " > ".join(self._called(port) for port in path.ports)
        texts = {
            "cable_label": labels,
            "cable_type": types,
            "cable_status": states,
            "cable_path": ports,
        }
        return {name: text[:_LONGEST] for name, text in texts.items() if text}

    def _called(self, port: Place) -> str:
        entry = self._paths.entry(port)
        if entry is None:
            return port[1]
        holder = self.components.holder(entry)
        panel = holder.text("name", "display") if holder else None
        return f"{panel or '?'}: {self.components.name_of(entry)}"


def _rank(owner: Place) -> int:
    """Devices report their cables before feeds and circuits do."""
    return {"power-feeds": 1, "circuits": 2}.get(owner[0], 0)
