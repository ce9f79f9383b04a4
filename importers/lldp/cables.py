"""Cables in what LLDP and CDP tell: each once, whichever ends reported it.

- An end may be named differently by its own device and by the neighbour (``Gi1/0/1``, a MAC address,
  an index): the device's own name for it counts.
- A neighbour on a bundle of ports is seen once more under the bundle: the cable is at the port.
- Management interfaces on a shared segment all see each other. That is no cable for each pair: as many
  adjacencies are kept as join the segment, those of its best-connected device first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from cmdb.reconciliation.observations import Rejection
from importers.lldp.devices import Identities, Known
from importers.lldp.interfaces import Interface, interface
from importers.lldp.sightings import Neighbour, Port, Report


class End(NamedTuple):
    """An interface of a device: the device's identity and the interface's key."""

    device: str
    key: str


class Sight(NamedTuple):
    """One end sees another."""

    near: End
    far: End
    place: str


@dataclass(slots=True)
class Network:
    """What all reports together tell.

    Attributes
    ----------
    reporters
        Devices that spoke for themselves, and where, in the order of the reports.
    own_ends
        The interfaces a device itself reported neighbours on.
    ports
        What an end was called, and whether its own device called it so.
    macs
        MAC addresses of ends that a neighbour told by them.
    shared
        Ends that see several others: something between them passes their frames on unseen.
    uplinks
        Devices known to hang on a port of another, without a port of their own.
    """

    devices: dict[str, Known] = field(default_factory=dict)
    reporters: dict[str, str] = field(default_factory=dict)
    own_ends: dict[str, dict[End, None]] = field(default_factory=lambda: defaultdict(dict))
    cables: list[tuple[End, End]] = field(default_factory=list)
    shared: frozenset[End] = frozenset()
    uplinks: dict[tuple[str, str, End | None], None] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)
    macs: dict[End, str] = field(default_factory=dict)
    ports: dict[End, list[tuple[bool, Port]]] = field(default_factory=lambda: defaultdict(list))

    def name(self, end: End) -> str:
        """The interface's full name: as it was written in full, by its own device before others."""
        platform = self.devices[end.device].platform
        written = [(own, interface(port.name, platform)) for own, port in self.ports[end]]
        best = max(written, key=lambda w: (w[1].exact, w[0], w[1].name))
        return best[1].name

    def interface(self, end: End) -> Interface:
        return interface(self.ports[end][0][1].name)


def key_of(identity: str) -> str:
    """What a device is called in this source."""
    return f"device/{identity}"


def network(reports: Iterable[Report | Rejection]) -> Network:
    """Everything that reports tell, put together."""
    everything, found = list(reports), Network()
    usable = [report for report in everything if isinstance(report, Report)]
    found.rejections += [item for item in everything if isinstance(item, Rejection)]
    identities = Identities(
        (report.scope, device)
        for report in usable
        for device in (
            report.device,
            *(n.device for n in report.neighbours if isinstance(n, Neighbour)),
        )
    )
    sights = [sight for report in usable for sight in _sights(found, identities, report)]
    cables = _without_bundles(found, _cables(found, _by_own_names(found, sights)))
    seeing = Counter(end for cable in cables for end in cable)
    found.shared = frozenset(end for end, count in seeing.items() if count > 1)
    found.cables = _without_meshes(found, cables)
    return found


def _sights(network: Network, identities: Identities, report: Report) -> Iterator[Sight]:
    near = identities.of(report.scope, report.device) or report.device.label
    known = network.devices.setdefault(near, Known(near))
    known.own.append(report.device)
    network.reporters.setdefault(near, report.place)
    for neighbour in report.neighbours:
        if isinstance(neighbour, Rejection):
            neighbour.key = key_of(near)
            network.rejections.append(neighbour)
            continue
        far = identities.of(report.scope, neighbour.device)
        problem = _problem(neighbour, far)
        if far:
            network.devices.setdefault(far, Known(far)).seen.append(neighbour.device)
        if problem:
            network.rejections.append(Rejection(neighbour.place, problem, key_of(near)))
        elif neighbour.uplink:
            end = _end(network, far, neighbour.port, own=False) if neighbour.port.name else None
            network.uplinks[near, far, end] = None
        else:
            here = _end(network, near, neighbour.local_port, own=True)
            network.own_ends[near][here] = None
            yield Sight(here, _end(network, far, neighbour.port, own=False), neighbour.place)


def _problem(neighbour: Neighbour, far: str) -> str:
    if not far:
        return "the neighbour gives neither a name nor an address that would tell it from others"
    if neighbour.uplink:
        return ""
    if not neighbour.local_port.name:
        return "it does not say on which interface the neighbour is seen"
    return "" if neighbour.port.name else "the neighbour does not say which of its ports this is"


def _end(network: Network, device: str, port: Port, *, own: bool) -> End:
    found = interface(port.name)
    end = End(device, found.key)
    network.ports[end].append((own, port))
    if port.mac:
        network.macs.setdefault(end, port.mac)
    if found.is_of_network_device:
        network.devices[device].network_ports = True
    return end


def _by_own_names(network: Network, sights: list[Sight]) -> list[Sight]:
    """Far ends under the names their own devices have for them."""
    seen_from: dict[End, set[End]] = defaultdict(set)
    between: dict[tuple[str, str], set[tuple[End, End]]] = defaultdict(set)
    for near, far, _ in sights:
        seen_from[far].add(near)
        between[near.device, far.device].add((near, far))
    return [
        Sight(near, _own_name(network, near, far, seen_from, between), at)
        for near, far, at in sights
    ]


def _own_name(
    network: Network,
    near: End,
    far: End,
    seen_from: dict[End, set[End]],
    between: dict[tuple[str, str], set[tuple[End, End]]],
) -> End:
    if far.device == near.device or far in network.own_ends.get(far.device, {}):
        return far
    candidates = {end for end in seen_from[near] if end.device == far.device}
    there, back = between[near.device, far.device], between[far.device, near.device]
    if not candidates and len(there) == len(back) == 1:
        # There is one cable between the two, and neither knows the other's name for its port.
        candidates = {end for end, to in back if to not in network.own_ends[near.device]}
    if len(candidates) != 1:
        return far
    own = candidates.pop()
    if far in network.macs:
        network.macs.setdefault(own, network.macs[far])
    return own


def _cables(network: Network, sights: list[Sight]) -> list[tuple[End, End]]:
    found: dict[tuple[End, End], None] = {}
    for near, far, place in sights:
        if near == far:
            reason = "the interface sees itself; a cable has two ends"
            what = f"{network.name(near)}: {reason}"
            network.rejections.append(Rejection(place, what, key_of(near.device)))
        else:
            found[min(near, far), max(near, far)] = None
    return list(found)


def _without_bundles(network: Network, cables: list[tuple[End, End]]) -> list[tuple[End, End]]:
    """Without those at a bundle, where the same end also has one at a port of the same device."""
    at_ports = {
        (one, other.device)
        for cable in cables
        for one, other in (cable, cable[::-1])
        if not network.interface(other).is_aggregate
    }
    return [
        (a, b)
        for a, b in cables
        if not (network.interface(b).is_aggregate and (a, b.device) in at_ports)
        and not (network.interface(a).is_aggregate and (b, a.device) in at_ports)
    ]


def _without_meshes(network: Network, cables: list[tuple[End, End]]) -> list[tuple[End, End]]:
    """Between management interfaces, as many as join each segment: a tree of it."""
    managing = [c for c in cables if all(network.interface(end).is_management for end in c)]
    others = [c for c in cables if not all(network.interface(end).is_management for end in c)]
    degree = Counter(device for cable in others for device in {end.device for end in cable})
    managing.sort(key=lambda cable: sorted((-degree[end.device], end) for end in cable))
    segment: dict[End, End] = {}

    def root(end: End) -> End:
        while (above := segment.get(end, end)) != end:
            segment[end] = segment.get(above, above)
            end = above
        return end

    for a, b in managing:
        if root(a) != root(b):
            segment[root(a)] = root(b)
            others.append((a, b))
    return others
