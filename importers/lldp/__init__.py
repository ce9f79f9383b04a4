"""Who is connected to whom, as devices say it of themselves through LLDP and CDP.

Reads ``lldpctl`` (also ``-f keyvalue``, ``-f json``, ``-f json0``), NAPALM's ``get_lldp_neighbors`` and
``get_lldp_neighbors_detail``, the output of ``show lldp neighbors [detail]``, ``show cdp neighbors
[detail]`` and their like on the platforms of ntc-templates, the same as JSON from Junos, NX-OS and EOS,
suzieq's gathered outputs, and Batfish's ``layer1_topology.json``.

Gives a device for each that reported, with its host name, chassis MAC address, management address and
system, its interfaces, and the cables between interfaces, each once::

    (leaf01)-[:HAS_COMPONENT]->(Ethernet1/1)-[:CONNECTED_TO]-(Ethernet1/3)<-[:HAS_COMPONENT]-(spine01)

Devices that were only seen are mentions. See `importers.lldp.cables` for how the reports of both
ends become one cable, and `importers.lldp.devices` for how a device is told from others.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import ClassVar

from pydantic import Field

from cmdb.reconciliation.observations import Item, Link, Observation, Ref
from importers.contract import Importer, Options
from importers.lldp.cables import End, Network, key_of, network
from importers.lldp.devices import shared_marks
from importers.lldp.formats import reports
from importers.reading import Document
from importers.values import said


class LldpOptions(Options):
    """What the documents do not say themselves."""

    platform: str = Field(default="", description="Platform of command outputs, such as cisco_ios.")
    command: str = Field(
        default="", description="Command they are of, such as show lldp neighbors."
    )
    device: str = Field(default="", description="Name of the device that was asked.")


class Lldp(Importer[LldpOptions]):
    """Cables between interfaces, from what devices see of each other."""

    name: ClassVar[str] = "lldp"
    title: ClassVar[str] = (
        "Neighbours by LLDP and CDP: lldpctl, NAPALM, switch output, layer-1 topologies"
    )
    title_zh: ClassVar[str] = "LLDP/CDP 邻居：lldpctl、NAPALM、交换机命令输出、一层拓扑"
    precedence: ClassVar[int] = 40
    together: ClassVar[bool] = True
    suffixes: ClassVar[Sequence[str]] = (".json", ".txt", ".raw", ".output", ".out", ".log", ".cli")
    options_type: ClassVar[type[Options]] = LldpOptions

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        options = self.options
        found = network(
            report
            for document in documents
            for report in reports(document, options.platform, options.command, options.device)
        )
        yield from found.rejections
        yield from _Statements(found).all()


class _Statements:
    """The statements a network makes."""

    def __init__(self, found: Network) -> None:
        self.network = found
        shared = shared_marks(found.devices)
        self._mentions = {
            identity: Observation(known.type, key_of(identity), known.attributes(shared))
            for identity, known in found.devices.items()
        }
        self._cables: dict[End, list[End]] = defaultdict(list)
        self._ends: dict[str, set[End]] = defaultdict(set)
        for cable in found.cables:
            owner, other = self._by_owner(*cable)
            self._cables[owner].append(other)
            for end in cable:
                self._ends[end.device].add(end)
        for device, ends in found.own_ends.items():
            self._ends[device].update(ends)

    def all(self) -> Iterator[Observation]:
        for identity, place in self.network.reporters.items():
            mention = self._mentions[identity]
            yield Observation(
                mention.type,
                mention.key,
                mention.attributes,
                [*self._interfaces(identity), *self._uplinks(identity)],
                place,
            )

    def _by_owner(self, one: End, other: End) -> tuple[End, End]:
        """Who states a cable, first. Of two that reported it, and of one's own, always the same."""
        if one.device == other.device:
            return max(one, other, key=_natural), min(one, other, key=_natural)
        if one.device in self.network.reporters and other.device in self.network.reporters:
            return min(one, other), max(one, other)
        return (one, other) if one.device in self.network.reporters else (other, one)

    def _interfaces(self, identity: str) -> Iterator[Link]:
        """The device's own interfaces, those first that a later one is cabled to."""
        own: dict[End, Observation] = {}
        for end in sorted(self._ends[identity], key=_natural):
            cables = [
                Link(
                    "CONNECTED_TO",
                    own[far] if far.device == identity else self._far(far),
                    {"cable_type": "shared"} if self.network.shared & {end, far} else {},
                )
                for far in sorted(self._cables[end], key=_natural)
            ]
            own[end] = Observation("NetworkInterface", "", self._attributes(end), cables)
            yield Link("HAS_COMPONENT", own[end])

    def _far(self, end: End) -> Observation:
        device = self._device(end.device)
        return Observation(
            "NetworkInterface", "", self._attributes(end), [Link("COMPONENT_OF", device)]
        )

    def _uplinks(self, identity: str) -> Iterator[Link]:
        """(access point)-[:UPLINKED_TO]->(switch), where the access point's own port is not known."""
        for near, far, end in self.network.uplinks:
            if near == identity:
                mention = self._mentions[far]
                to: Observation | Ref = self._device(far)
                if end and isinstance(to, Observation):
                    port = Observation("NetworkInterface", "", self._attributes(end))
                    to = Observation(
                        mention.type, mention.key, mention.attributes, [Link("HAS_COMPONENT", port)]
                    )
                yield Link("UPLINKED_TO", to)

    def _device(self, identity: str) -> Observation | Ref:
        return (
            Ref(key_of(identity))
            if identity in self.network.reporters
            else self._mentions[identity]
        )

    def _attributes(self, end: End) -> dict[str, str]:
        return said(name=self.network.name(end), mac_address=self.network.macs.get(end))


def _natural(end: End) -> list[tuple[bool, int, str]]:
    """Port 2 before port 10."""
    parts = re.split(r"(\d+)", f"{end.device} {end.key}")
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
