"""Cables of a walked device: which neighbour is which device, and what connects to it.

A neighbour is mentioned with all that LLDP and CDP say of it, and its port as a part. Both report
the same cable: it is said once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cmdb.reconciliation.observations import Link, Observation, Rejection
from importers.device_types import fitting
from importers.snmp.neighbours import CUT_OFF, Neighbour, cdp, lldp
from importers.snmp.parts import interface_names
from importers.snmp.walks import Walk
from importers.values import said


@dataclass(slots=True)
class Cables:
    """The cables of one device.

    Attributes
    ----------
    links
        By the index of the interface they are at.
    rejections
        Neighbours that do not say enough to connect anything.
    """

    links: dict[str, list[Link]] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)


def cables(walk: Walk, place: str, own: set[str]) -> Cables:
    """A cable to each neighbour's port, said once.

    Parameters
    ----------
    own
        Host name and addresses of the device itself, which may see itself through a loop.
    """
    found, names = Cables(), interface_names(walk)
    said_already: set[tuple[str, str, str]] = set()
    keyed = _keyed([*lldp(walk), *cdp(walk)])
    mentions = {key: _mention(key, of) for key, of in _groups(keyed).items() if key}
    seen_at: dict[str, set[str]] = {}
    for key, neighbour in keyed:
        seen_at.setdefault(neighbour.local, set()).add(key)
    for key, neighbour in keyed:
        if problem := _problem(neighbour, key, own, names):
            found.rejections.append(Rejection(place, problem))
        elif (cable := (neighbour.local, key, neighbour.port.lower())) not in said_already:
            said_already.add(cable)
            link = _link(neighbour, mentions[key], len(seen_at[neighbour.local]) > 1)
            found.links.setdefault(neighbour.local, []).append(link)
    return found


def _problem(neighbour: Neighbour, key: str, own: set[str], names: dict[str, str]) -> str:
    """Why a line connects nothing; empty if it does."""
    called = f"neighbour {(neighbour.name or key or '(without a name)')[:100]}"
    if not key:
        return f"{called} says neither a name nor an address"
    if neighbour.local not in names:
        return f"{called} is seen at a port that is no interface of the device"
    if key in own:
        return f"{called} is the device itself"
    if not neighbour.port:
        return f"{called} does not say its port"
    if CUT_OFF.fullmatch(neighbour.port):
        return f"{called} calls its port {neighbour.port!r}, which the agent has cut off"
    return ""


def _keyed(neighbours: list[Neighbour]) -> list[tuple[str, Neighbour]]:
    """Neighbours with what tells each from the others: its host name, else its MAC or IP address.

    A host name seen with several MAC addresses is one device if it has one management address:
    NX-OS says the address of the port as that of the chassis. Else several devices bear that name.
    """
    macs: dict[str, set[str]] = {}
    addresses: dict[str, set[str]] = {}
    for neighbour in neighbours:
        if neighbour.host and neighbour.mac:
            macs.setdefault(_full(neighbour), set()).add(neighbour.mac)
            addresses.setdefault(_full(neighbour), set()).add(neighbour.address or "")
    ambiguous = {n for n in macs if len(macs[n]) > 1 and len(addresses[n]) > 1}
    keyed = []
    for neighbour in neighbours:
        if _full(neighbour) in ambiguous:
            neighbour.host = {}
        keyed.append((_full(neighbour) or neighbour.mac or neighbour.address or "", neighbour))
    return keyed


def _full(neighbour: Neighbour) -> str:
    return ".".join(neighbour.host.values())


def _groups(keyed: list[tuple[str, Neighbour]]) -> dict[str, list[Neighbour]]:
    found: dict[str, list[Neighbour]] = {}
    for key, neighbour in keyed:
        found.setdefault(key, []).append(neighbour)
    return found


def _mention(key: str, said_of_it: list[Neighbour]) -> Observation:
    """A device, by all that the lines of it say."""
    types = [n.type for n in said_of_it]
    type_ = next((t for t in types if t not in ("Host", "NetworkDevice")), types[0])
    macs = {n.mac for n in said_of_it if n.mac}
    serial_number = _first(n.serial_number for n in said_of_it)
    if type_ == "Computer" and key in macs:
        type_ = "Host"  # which, unlike a computer, a MAC address alone can identify
    attributes = said(
        name=said_of_it[0].name[:200] or key,
        **said_of_it[0].host,
        # NX-OS, which says its serial number, says the MAC address of the port, not of the chassis.
        chassis_mac=next(iter(macs)) if len(macs) == 1 and not serial_number else None,
        mac_addresses=sorted(macs),
        management_ip=_address(said_of_it),
        serial_number=serial_number,
        vendor=_first(n.vendor for n in said_of_it),
        model=_first(n.model for n in said_of_it),
    )
    return Observation(type_, f"neighbour/{key}", fitting(type_, attributes))


def _address(said_of_it: list[Neighbour]) -> str | None:
    """The management address LLDP says; else the one CDP says at every port."""
    if address := _first(n.address for n in said_of_it if n.mac):
        return address
    addresses = {n.address for n in said_of_it if n.address}
    return addresses.pop() if len(addresses) == 1 else None


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value), None)


def _link(neighbour: Neighbour, device: Observation, shared: bool) -> Link:
    """(interface)-[:CONNECTED_TO]->(the neighbour's interface)

    Several neighbours at one port stand behind something that passes their frames on unseen.
    """
    attributes = said(name=neighbour.port[:200], mac_address=neighbour.port_mac)
    port = Observation(
        "NetworkInterface", attributes=attributes, links=[Link("COMPONENT_OF", device)]
    )
    return Link("CONNECTED_TO", port, {"cable_type": "shared"} if shared else {})
