"""Scans by nmap, as XML: ``nmap -sS -sV -O -oX scan.xml 10.1.0.0/16``.

Gives every host that is up, with its addresses, name, best guess of its operating system and the
services behind its open ports. nmap lists hosts that did not answer as well; they are nothing that
was found. What scripts print is not read: it holds banners, certificates and guessed passwords.

A scanner sees addresses, and addresses are leased: where nmap saw the MAC address (on its own
segment), the host goes by that. A MAC address that answers for several addresses is a router's or a
firewall's, and tells nothing of the hosts behind it.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple
from xml.etree.ElementTree import Element

from cmdb.reconciliation.observations import Item, Link, Observation, Rejection
from importers.contract import Importer, Options
from importers.device_types import fitting
from importers.reading import Document
from importers.values import plain_mac, said, split_hostname, vendor

ACCURACY: Final = 95
"""Least percentage at which a guess of nmap decides the type of a host."""

_TYPES: Final[Mapping[str, str]] = {
    "firewall": "Firewall",
    "load balancer": "LoadBalancer",
    "power-device": "PDU",
    "print server": "Printer",
    "printer": "Printer",
    "router": "Router",
    "storage-misc": "StorageArray",
    "switch": "Switch",
    "VoIP phone": "IPPhone",
    "WAP": "AccessPoint",
    "webcam": "IPCamera",
}
"""Record types by nmap's device types (https://nmap.org/book/osdetect-device-types.html); general
purpose systems, and those that may be anything, stay hosts. nmap's power devices are UPSs too, but
mostly PDUs."""


class Nmap(Importer[Options]):
    name: ClassVar[str] = "nmap"
    title: ClassVar[str] = "Hosts and open ports found by nmap (XML, -oX)"
    title_zh: ClassVar[str] = "nmap 扫描到的主机与开放端口（XML，-oX）"
    precedence: ClassVar[int] = 20
    suffixes: ClassVar[Sequence[str]] = (".xml",)

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        for document in documents:
            root = _root(document)
            shared = _shared_macs(root)
            for number, host in enumerate(root.findall("host"), 1):
                if is_up(host):
                    yield _host(host, shared, f"{document.name} host {number}")


class Counts(NamedTuple):
    """How much a scan found.

    Attributes
    ----------
    hosts
        All that were scanned and are listed.
    up
        Of them, those that answered.
    open_ports
        Ports that are open for certain.
    """

    hosts: int
    up: int
    open_ports: int


def counts(document: Document) -> Counts:
    """What a scan holds; the importer gives the hosts that are up, and their open ports."""
    hosts = _root(document).findall("host")
    up = [host for host in hosts if is_up(host)]
    return Counts(len(hosts), len(up), sum(len(_open_ports(host)) for host in up))


def is_up(host: Element) -> bool:
    """Whether a host answered."""
    status = host.find("status")
    return status is not None and status.get("state") == "up"


def _root(document: Document) -> Element:
    root = document.xml()
    if root.tag != "nmaprun":
        raise document.error("is no XML output of nmap: its root is not nmaprun")
    return root


def _shared_macs(root: Element) -> frozenset[str]:
    """MAC addresses that answered for several hosts."""
    seen = Counter(_mac(host) for host in root.findall("host") if is_up(host))
    return frozenset(mac for mac, count in seen.items() if mac and count > 1)


def _mac(host: Element) -> str | None:
    found = (a.get("addr") for a in host.findall("address") if a.get("addrtype") == "mac")
    return next((mac for address in found if (mac := plain_mac(address))), None)


def _host(host: Element, shared: frozenset[str], place: str) -> Item:
    """A host with its services, or why it cannot be told from others."""
    address, mac = _address(host), _mac(host)
    mac = None if mac in shared else mac
    if mac is None and address is None:
        return Rejection(place, "the host has neither a MAC nor an IP address")
    type_, system, found = _system(host)
    attributes = said(
        **_name(host),
        management_ip=address,
        chassis_mac=mac,
        mac_addresses=[mac] if mac else None,
        vendor=_vendor(host) if mac else None,
        os_name=system,
        description=found,
    )
    attributes.setdefault("name", attributes.get("hostname") or address or mac)
    services = [Link("EXPOSES", service) for service in _services(host)]
    return Observation(type_, f"host/{mac or address}", fitting(type_, attributes), services, place)


def _address(host: Element) -> str | None:
    """Its IPv4 address, else its IPv6 address."""
    by_kind = {a.get("addrtype"): a.get("addr") for a in host.findall("address")}
    for kind in ("ipv4", "ipv6"):
        try:
            return str(ipaddress.ip_address(by_kind.get(kind) or ""))
        except ValueError:
            continue
    return None


def _vendor(host: Element) -> str | None:
    """The maker of its network card, by the MAC address: most often the machine's too."""
    found = (a.get("vendor") for a in host.findall("address") if a.get("addrtype") == "mac")
    return vendor(next(found, None))


def _name(host: Element) -> dict[str, str]:
    """The name DNS gives, else the one the user of nmap asked for."""
    names = host.findall("hostnames/hostname")
    for kind in ("PTR", "user"):
        for name in names:
            if name.get("type") == kind and (found := split_hostname(name.get("name"))):
                return found
    return {}


def _system(host: Element) -> tuple[str, str | None, str | None]:
    """The record type, the operating system, and in words how sure nmap is of that."""
    matches = [(_percent(m), m.get("name") or "") for m in host.findall("os/osmatch")]
    best, name = max(matches, key=lambda match: match[0], default=(0, ""))
    # Up to version 5 the classes stand beside the matches, later within them.
    classes = [(_percent(c), c.get("type") or "") for c in host.iterfind("os//osclass")]
    sure = {kind for accuracy, kind in classes if accuracy >= ACCURACY}
    type_ = _TYPES.get(next(iter(sure)), "Host") if len(sure) == 1 else "Host"
    return type_, name[:500] or None, f"nmap: {name} (accuracy {best}%)" if name else None


def _percent(element: Element) -> int:
    text = element.get("accuracy") or ""
    return int(text) if text.isdecimal() and len(text) < 4 else 0


def _open_ports(host: Element) -> list[Element]:
    """Ports that are open; those that may be filtered as well are no finding."""
    ports = host.findall("ports/port")
    return [p for p in ports if (s := p.find("state")) is not None and s.get("state") == "open"]


def _services(host: Element) -> Iterator[Observation]:
    """(host)-[:EXPOSES]->(service), each port once."""
    seen = set()
    for port in _open_ports(host):
        number, transport = _number(port), (port.get("protocol") or "").lower()[:20]
        if number is None or (number, transport) in seen:
            continue
        seen.add((number, transport))
        attributes = {"port": number, "transport": transport, **_service(port)}
        attributes.setdefault("name", f"{number}/{transport}")
        yield Observation("NetworkService", attributes=said(**attributes))


def _number(port: Element) -> int | None:
    text = port.get("portid") or ""
    return int(text) if text.isdecimal() and len(text) <= 5 and int(text) <= 65535 else None


def _service(port: Element) -> dict[str, Any]:
    service = port.find("service")
    if service is None:
        return {}
    name = service.get("name") or ""
    if name and service.get("tunnel") == "ssl" and not name.endswith("s"):
        name = f"ssl/{name}"
    return said(
        name=name[:200], product=_short(service, "product"), version=_short(service, "version")
    )


def _short(service: Element, attribute: str) -> str | None:
    return (service.get(attribute) or "")[:500] or None
