"""A network device, printer or the like of a GLPI inventory, asked over SNMP.

Connections of a port are of two kinds: what LLDP or CDP says of the device at the other end, which is a
cable; and the MAC addresses that were learned there, which may be anything behind it and are no cable.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cmdb.reconciliation.observations import Item, Link, Observation, Rejection
from importers import machines
from importers.device_types import fitting, type_by_model, type_by_role
from importers.glpi.sections import address, first, positive, rows, telling_serial
from importers.lldp.interfaces import interface, plain
from importers.machines import mapping, text
from importers.reading import Document
from importers.snmp.devices import host_name
from importers.snmp.mibs import INTERFACE_TYPES
from importers.values import plain_mac, said, vendor

_TYPES: Final = {
    "printer": "Printer",
    "networking": "NetworkDevice",
    "networkequipment": "NetworkDevice",
    "storage": "StorageArray",
    "power": "PDU",
    "phone": "IPPhone",
    "video": "VideoConferenceTerminal",
    "kvm": "KVMSwitch",
    "computer": "Computer",
}
"""Record types by what GLPI calls the type of a device, lower case."""

_PARTS: Final = {"powersupply": "PowerSupply", "fan": "Fan", "module": "LineCard"}
_UP, _DOWN = 1, 2
_NUMBERED: Final = re.compile(r"([A-Za-z][A-Za-z-]*)\s?(\d.*)")
_SERIAL: Final = re.compile(r"(.+)\(([A-Z]{3}[0-9A-Z]{8})\)")
"""NX-OS says its host name with its serial number after it."""


def network_device(
    inventory: Mapping[str, Any], content: Mapping[str, Any], document: Document
) -> Iterator[Item]:
    """The observation of the device that a document describes, and neighbours that cannot be used."""
    device = mapping(content.get("network_device"))
    type_ = _type(inventory, device)
    name, mac = text(device.get("name")), plain_mac(device.get("mac"))
    serial = telling_serial(device.get("serial"))
    key = f"device/{serial or mac or name or first(inventory.get('deviceid')) or machines.called(document)}"
    own = [link for ip in _texts(device.get("ips")) if (link := address(ip))]
    names = _host_names(name, text(device.get("model")))
    ports = Ports(content, {names.get("hostname", ""), mac or ""} - {""}, document.name)
    held = ports.addresses
    attributes = said(
        name=name or key,
        **names,
        serial_number=serial,
        vendor=vendor(text(device.get("manufacturer"))),
        model=text(device.get("model")),
        chassis_mac=mac,
        management_ip=_only(own),
        firmware_version=text(device.get("firmware")),
        os_version=text(device.get("firmware")),
        port_count=len(ports.rows) or None,
    )
    # Addresses that a port has are said there.
    apart = [link for link in own if _ip(link) not in held]
    links = [*ports.links(), *_components(content, serial), *apart]
    yield Observation(type_, key, fitting(type_, attributes), links, document.name)
    yield from ports.rejections


def _type(inventory: Mapping[str, Any], device: Mapping[str, Any]) -> str:
    """By its model among the network devices; else as GLPI says."""
    said_types = (text(device.get("type")), text(inventory.get("itemtype")))
    known = next(
        (_TYPES[t.lower()] for t in said_types if t and t.lower() in _TYPES), "NetworkDevice"
    )
    telling = type_by_model(f"{text(device.get('manufacturer'))} {text(device.get('model'))}")
    if known == "NetworkDevice":
        return telling or type_by_role(text(device.get("description"))) or known
    return telling if known == "PDU" and telling in ("PDU", "UPS") else known


def _host_names(name: str | None, model: str | None) -> dict[str, str]:
    """Of a name that somebody gave; many devices bear their model or maker as their name."""
    return {} if not name or (model and name.lower() == model.lower()) else host_name(name)


def _only(links: list[Link]) -> str | None:
    """The device's address, if it has one only: of several it cannot be told which manages it."""
    return _ip(links[0]) if len(links) == 1 else None


def _ip(link: Link) -> str:
    return str(link.to.attributes["ip_address"]) if isinstance(link.to, Observation) else ""


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]


class Ports:
    """The ports of a device.

    Attributes
    ----------
    rows
        As the inventory lists them.
    rejections
        Neighbours that do not say enough to connect anything.
    """

    def __init__(self, content: Mapping[str, Any], own: set[str], place: str) -> None:
        self.rows = rows(content, "network_ports")
        self.rejections: list[Rejection] = []
        self._own, self._place = own, place

    @property
    def addresses(self) -> set[str]:
        """All addresses that ports have."""
        return {_ip(link) for row in self.rows for link in _addresses(row)}

    def links(self) -> Iterator[Link]:
        """(device)-[:HAS_COMPONENT]->(interface)"""
        plain = [_name(row) or f"port {number}" for number, row in enumerate(self.rows, 1)]
        times = Counter(plain)
        taken: set[str] = set()
        for number, (row, name) in enumerate(zip(self.rows, plain, strict=True), 1):
            if times[name] > 1:
                index = text(row.get("ifnumber"))
                name = (
                    f"{name} ({index})"
                    if index and f"{name} ({index})" not in taken
                    else f"{name} (port {number})"
                )
            taken.add(name)
            cables = list(self._cables(row, name))
            attributes = _port(row, name)
            port = Observation("NetworkInterface", "", attributes, [*_addresses(row), *cables])
            yield Link("HAS_COMPONENT", port)

    def _cables(self, row: Mapping[str, Any], name: str) -> Iterator[Link]:
        """(interface)-[:CONNECTED_TO]->(interface of a neighbour)"""
        for neighbour in neighbours(row):
            host = first(neighbour.get("sysname"), neighbour.get("sysmac"), neighbour.get("ip"))
            port = _far_port(neighbour)
            device = _mention(neighbour)
            if device is None:
                problem = "says neither a name nor an address"
            elif port is None:
                problem = "does not say its port"
            elif {
                str(device.attributes.get("hostname")),
                str(device.attributes.get("chassis_mac")),
            } & self._own:
                problem = "is the device itself"
            else:
                far = Observation("NetworkInterface", "", port, [Link("COMPONENT_OF", device)])
                yield Link("CONNECTED_TO", far)
                continue
            what = f"the neighbour {(host or '')[:100]} at {name} {problem}"
            self.rejections.append(Rejection(self._place, what))


def connections(port: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All connections of a port: neighbours and learned addresses."""
    return rows(port, "connections")


def neighbours(port: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those connections of a port that LLDP or CDP tells of."""
    if port.get("lldp") not in (True, 1, "1", "true"):
        return []
    return connections(port)


def _name(row: Mapping[str, Any]) -> str | None:
    """The name in full: ``GigabitEthernet1/0/1`` where ifName is ``Gi1/0/1``; else ifName as it is."""
    short, full = text(row.get("ifname")), text(row.get("ifdescr"))
    abbreviated, whole = _NUMBERED.fullmatch(short or ""), _NUMBERED.fullmatch(full or "")
    if (
        abbreviated
        and whole
        and abbreviated[2] == whole[2]
        and whole[1].lower().startswith(abbreviated[1].lower())
    ):
        return full
    name = short or full
    return interface(plain(name)).name if name else None


def _port(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    kind, admin, alias = (
        _integer(row.get("iftype")),
        _integer(row.get("ifinternalstatus")),
        text(row.get("ifalias")),
    )
    speed = positive(row.get("ifspeed")) if _integer(row.get("ifstatus")) == _UP else None
    return said(
        name=name,
        description=alias if alias != name else None,
        mac_address=plain_mac(row.get("mac")),
        interface_index=_integer(row.get("ifnumber")),
        interface_type=INTERFACE_TYPES.get(kind, str(kind)) if kind is not None else None,
        mtu=machines.whole(row.get("ifmtu")),
        enabled=admin == _UP if admin in (_UP, _DOWN) else None,
        speed_mbps=speed / 1e6 if speed else None,
    )


def _integer(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    return (
        value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
        else None
    )


def _addresses(row: Mapping[str, Any]) -> list[Link]:
    """(interface)-[:HAS_ADDRESS]->(address)"""
    found: dict[str, Link] = {}
    for value in [*_texts(row.get("ip")), *_texts(row.get("ips"))]:
        if link := address(value):
            found.setdefault(_ip(link), link)
    return list(found.values())


def _mention(neighbour: Mapping[str, Any]) -> Observation | None:
    """The device at the other end, by what it says of itself; the same key wherever it is seen."""
    name, serial = text(neighbour.get("sysname")), None
    if name and (match := _SERIAL.fullmatch(name)):
        name, serial = match[1], match[2]
    mac, described = plain_mac(neighbour.get("sysmac")), text(neighbour.get("sysdescr"))
    link = address(neighbour.get("ip"))
    seen_at = _ip(link) if link else None
    own = name or mac or seen_at
    if own is None:
        return None
    model = text(neighbour.get("model"))
    made_by_cisco = bool(serial) or (model or "").lower().startswith("cisco ")
    attributes = said(
        name=name,
        **_host_names(name, text(neighbour.get("model"))),
        serial_number=serial,
        vendor="Cisco" if made_by_cisco else None,
        model=re.sub(r"(?i)^cisco ", "", model) if model else None,
        chassis_mac=mac,
        management_ip=seen_at,
    )
    type_ = type_by_model(model, described) or "Host"
    return Observation(type_, f"neighbour/{own.lower()}", fitting(type_, attributes))


def _far_port(neighbour: Mapping[str, Any]) -> dict[str, Any] | None:
    """The port at the other end."""
    name = plain(first(neighbour.get("ifdescr"), neighbour.get("ifname")) or "")
    if not name:
        return None
    return said(name=interface(name).name, mac_address=plain_mac(neighbour.get("mac")))


def _components(content: Mapping[str, Any], device_serial: str | None) -> Iterator[Link]:
    """Power supplies, fans, and modules that can be taken out; further chassis of a stack as modules."""
    given = rows(content, "network_components")
    chassis = [
        row for row in given if row.get("type") == "chassis" and telling_serial(row.get("serial"))
    ]
    taken: set[tuple[str, str]] = set()
    for row in given:
        type_ = _PARTS.get(str(row.get("type")).lower())
        name, serial = (
            first(row.get("name"), row.get("description")),
            telling_serial(row.get("serial")),
        )
        if row in chassis and len(chassis) > 1:
            type_, name = "Module", f"chassis {name}"
        if (
            type_ is None
            or name is None
            or (type_ == "LineCard" and serial in (None, device_serial))
        ):
            continue
        if (type_, name) in taken:
            name = f"{name} ({first(row.get('index')) or len(taken)})"
        taken.add((type_, name))
        yield machines.part(
            type_,
            name=name,
            serial_number=serial if serial != device_serial else None,
            vendor=vendor(text(row.get("manufacturer"))),
            model=text(row.get("model")),
        )
