"""Which devices there are in what LLDP and CDP tell: the same one under all its names, and its type.

Reports call a device by its host name, with its domain or without, or only by a MAC address. Host
names are taken for the same without the domain, unless the reports know the name in two domains.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from importers.device_types import fitting, is_a, type_by_model
from importers.lldp.sightings import Device
from importers.values import said, split_hostname

_COMPUTERS: Final = re.compile(
    r"(?:gnu/)?linux\b|ubuntu|debian|centos|red hat|fedora|suse|rocky|alma|windows|vmware|freebsd|darwin",
    re.I,
)
_PHONE: Final = re.compile(
    r"\bphone\b|^sep[0-9a-f]{12}(?:\.|$)", re.I
)  # Cisco names phones by their MAC
_ACCESS_POINT: Final = re.compile(
    r"\bap software\b|\bhuawei ap\b|\baccess point\b|^air-(?!ct)", re.I
)
_DOING: Final = {
    frozenset(("bridge",)): "Switch",
    frozenset(("router",)): "Router",
    frozenset(("bridge", "router")): "NetworkDevice",
    frozenset(("station",)): "Computer",
    frozenset(("wireless bridge",)): "NetworkDevice",
}


class Identities:
    """Tells devices apart, given all that was seen of all of them."""

    def __init__(self, seen: Iterable[tuple[str, Device]]) -> None:
        self._domains: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._named: dict[tuple[str, str], set[str]] = defaultdict(set)
        everything = list(seen)
        for scope, device in everything:
            host, domain = host_and_domain(device)
            if host and domain:
                self._domains[scope, host].add(domain)
        for scope, device in everything:
            name = self._name(scope, device)
            if name:
                for mark in (device.chassis_mac, *device.addresses):
                    if mark:
                        self._named[scope, mark].add(name)

    def of(self, scope: str, device: Device) -> str:
        """What a device is called in this source; empty for one that nothing tells from others."""
        marks = [mark for mark in (device.chassis_mac, *device.addresses) if mark]
        name = self._name(scope, device)
        if not name:
            known = (self._named[scope, mark] for mark in marks if (scope, mark) in self._named)
            name = next((next(iter(names)) for names in known if len(names) == 1), "")
        name = name or next(iter(marks), "")
        return f"{scope}/{name}" if scope and name else name

    def _name(self, scope: str, device: Device) -> str:
        host, domain = host_and_domain(device)
        if not host:
            return device.name.lower()
        several = len(self._domains[scope, host]) > 1
        return f"{host}.{domain}" if several and domain else host


def host_and_domain(device: Device) -> tuple[str, str]:
    """The host name, if it has one; a name that may be cut off has no domain."""
    parts = split_hostname(device.name)
    return parts.get("hostname", ""), "" if device.cut else parts.get("domain", "")


@dataclass(slots=True)
class Known:
    """A device with everything that was said of it.

    Attributes
    ----------
    own
        What reports of its own say.
    seen
        What its neighbours say.
    network_ports
        Whether its interfaces are called as only those of network devices are.
    """

    identity: str
    own: list[Device] = field(default_factory=list)
    seen: list[Device] = field(default_factory=list)
    network_ports: bool = False

    @property
    def all(self) -> list[Device]:
        return self.own + self.seen

    @property
    def platform(self) -> str:
        """Its system: what asked it knows better than what its description looks like."""
        return next((d.platform for d in self.all if d.platform not in ("", "network")), "")

    @property
    def type(self) -> str:
        words = [hint for d in self.all for hint in (d.description, d.model) if hint]
        doing = frozenset[str]().union(*(d.capabilities for d in self.all))
        if "telephone" in doing or any(
            _PHONE.search(w) for w in (*words, *(d.name for d in self.all))
        ):
            return "IPPhone"
        if any(_ACCESS_POINT.search(w) for w in words):
            return "AccessPoint"
        if any(_COMPUTERS.match(w) for w in words):
            return "Computer"
        if "wlan" in doing and "station" not in doing:
            return "AccessPoint"
        return type_by_model(*words) or _DOING.get(doing) or self._by_system()

    def _by_system(self) -> str:
        systems = {device.platform for device in self.all} - {""}
        if systems - {"linux"} or self.network_ports:
            return "NetworkDevice"
        return "Computer" if systems else "Host"

    def attributes(self, shared: frozenset[str]) -> dict[str, Any]:
        """Attributes of its type; marks that several devices show are nobody's."""
        names = [host_and_domain(d) for d in self.all if not (d.cut and "." not in d.name)]
        domains = {domain for _, domain in names if domain}
        mac = _only(d.chassis_mac for d in self.all if d.chassis_mac not in shared)
        if self.platform == "cisco_nxos":
            mac = None  # NX-OS says the address of the port as that of the chassis
        system = next((d.description for d in self.all if d.description), "")
        hostname = next((host for host, _ in names if host), "")
        everything = said(
            name=hostname or next((d.name or d.label for d in self.all if d.name or d.label), mac),
            hostname=hostname,
            domain=_only(domains),
            chassis_mac=mac,
            mac_addresses=[mac] if mac else [],
            management_ip=self._managed_at(shared),
            **_system(self.type, system),
            model=_only(d.model for d in self.all),
            vendor=_only(d.maker for d in self.all),
            serial_number=_only(d.serial_number for d in self.all),
            firmware_version=_only(d.firmware for d in self.all),
        )
        return fitting(self.type, everything)

    def _managed_at(self, shared: frozenset[str]) -> str | None:
        """Where it was asked; else the address most neighbours say, IPv4 before IPv6."""
        own = [a for d in self.own for a in d.addresses if a not in shared]
        said_ = Counter(a for d in self.seen for a in d.addresses if a not in shared)
        ranked = sorted(said_, key=lambda a: (":" in a, -said_[a], a))
        return next(iter(own + ranked), None)


def _system(type_: str, description: str) -> dict[str, str]:
    """What a description says of the system; lldpd writes ``Ubuntu 18.04 LTS Linux 4.15.0-70 #79 …``."""
    if is_a(type_, "NetworkDevice"):
        return {"os_version": description}
    match = re.match(r"(.+?) Linux (\d\S+)", description)
    return {"os_name": match[1], "kernel_version": match[2]} if match else {"os_name": description}


def _only(values: Iterable[str | None]) -> str | None:
    """The value all agree on. A switch that shows a MAC address for every port shows none of its own."""
    found = {value for value in values if value}
    return found.pop() if len(found) == 1 else None


def shared_marks(devices: Mapping[str, Known]) -> frozenset[str]:
    """MAC and management addresses that more than one device of the source shows."""
    owners: dict[str, set[str]] = defaultdict(set)
    for identity, known in devices.items():
        for device in known.all:
            for mark in (device.chassis_mac, *device.addresses):
                if mark:
                    owners[mark].add(identity.rpartition("/")[2])
    return frozenset(mark for mark, names in owners.items() if len(names) > 1)
