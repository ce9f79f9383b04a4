"""Who a device sees at the other ends of its cables: LLDP-MIB and CISCO-CDP-MIB, line by line.

LLDP calls a far end ``Eth1/21`` that CDP calls ``Ethernet1/21``: names of ports are written out.
`importers.snmp.cables` makes cables of the lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from importers.lldp.interfaces import interface, plain
from importers.snmp.devices import host_name
from importers.snmp.mibs import (
    BRIDGE_PORT,
    CDP,
    IF,
    LLDP_LOCAL_PORT,
    LLDP_REMOTE,
    LLDP_REMOTE_ADDRESS,
)
from importers.snmp.parts import indexed_address, interface_names, is_own, value
from importers.snmp.walks import Row, Walk

_MAC_ADDRESS, _NETWORK_ADDRESS = 4, 5
"""lldpRemChassisIdSubtype."""
_PORT_MAC: Final = 3
"""lldpRemPortIdSubtype."""


@dataclass(slots=True)
class Neighbour:
    """One line of a table of neighbours.

    Attributes
    ----------
    local
        The index of the interface it is seen at; empty if it cannot be told.
    port
        Its own port, as it calls it.
    """

    local: str
    name: str
    port: str
    type: str
    mac: str | None = None
    port_mac: str | None = None
    address: str | None = None
    serial_number: str | None = None
    vendor: str | None = None
    model: str | None = None
    host: dict[str, str] = field(default_factory=dict)


def lldp(walk: Walk) -> Iterator[Neighbour]:
    """The lines of lldpRemTable; their index is a time, the local port and a number."""
    addresses = _lldp_addresses(walk)
    ports = _LocalPorts(walk)
    for index, row in walk.table(LLDP_REMOTE).items():
        subtype = value(row, "lldpRemChassisIdSubtype").integer
        chassis = value(row, "lldpRemChassisId")
        name = value(row, "lldpRemSysName").text[:255]
        port_id = value(row, "lldpRemPortId")
        is_mac = value(row, "lldpRemPortIdSubtype").integer == _PORT_MAC
        numbers = index.split(".")
        address = addresses.get(index)
        if address is None and subtype == _NETWORK_ADDRESS:
            address = _own(type(chassis)(chassis[1:]).address)
        yield Neighbour(
            local=ports.interface(numbers[1]) if len(numbers) > 1 else "",
            name=name,
            port=(port_id.mac or "") if is_mac else _port(row),
            type=_lldp_type(row),
            mac=chassis.mac if subtype == _MAC_ADDRESS else None,
            port_mac=port_id.mac if is_mac else None,
            address=address,
            host=host_name(name),
        )


def _port(row: Row) -> str:
    """Its port. Some agents cut the name off at sixteen characters, and the description has it."""
    port, described = value(row, "lldpRemPortId").text, value(row, "lldpRemPortDesc").text
    if CUT_OFF.fullmatch(port) and described.startswith(port):
        port = described
    return _long_name(port)


CUT_OFF: Final = re.compile(r"[A-Za-z\-]{15,16}")
"""A name in full without its number: ``Ten-GigabitEther``."""


def _long_name(name: str) -> str:
    return interface(plain(name)).name


_BRIDGE, _ACCESS_POINT, _ROUTER, _TELEPHONE = 0x20, 0x10, 0x08, 0x04


_COMPUTERS: Final = re.compile(
    r"(?:gnu/)?linux\b|ubuntu|debian|centos|red hat|fedora|suse|rocky|alma|windows|vmware|freebsd",
    re.IGNORECASE,
)


def _lldp_type(row: Row) -> str:
    """The type by LldpSystemCapabilitiesMap, of what is enabled.

    Computers enable bridging and routing too, for their containers and virtual machines.
    """
    if _COMPUTERS.match(value(row, "lldpRemSysDesc").text):
        return "Computer"
    capabilities = value(row, "lldpRemSysCapEnabled")
    first = capabilities[0] if capabilities else 0
    if first & _ACCESS_POINT:
        return "AccessPoint"
    if first & _TELEPHONE:
        return "IPPhone"
    if first & _BRIDGE:
        return "Switch"
    return "Router" if first & _ROUTER else "Host"


def _lldp_addresses(walk: Walk) -> dict[str, str]:
    """The first management address of each neighbour, by its index in lldpRemTable."""
    found: dict[str, str] = {}
    for index in walk.table(LLDP_REMOTE_ADDRESS):
        numbers = index.split(".")
        address = _own(indexed_address(".".join(numbers[3:])))
        if address:
            found.setdefault(".".join(numbers[:3]), address)
    return found


def _own(address: str | None) -> str | None:
    return address if address and is_own(address) else None


class _LocalPorts:
    """Which interface a local port number of LLDP is.

    Agents number ports as they like; the local port table says their names, and where it is missing
    the number is that of a bridge port or of an interface.
    """

    def __init__(self, walk: Walk) -> None:
        self._names = {_long_name(n): index for index, n in interface_names(walk).items()}
        self._macs: dict[str, str] = {}
        for index, row in walk.table(IF).items():
            if mac := value(row, "ifPhysAddress").mac:
                self._macs[mac] = "" if mac in self._macs else index
        self._local = walk.table(LLDP_LOCAL_PORT)
        self._bridge = walk.table(BRIDGE_PORT)
        self._indices = walk.table(IF).keys()

    def interface(self, number: str) -> str:
        row = self._local.get(number, {})
        for column in ("lldpLocPortId", "lldpLocPortDesc"):
            if found := self._names.get(_long_name(value(row, column).text)):
                return found
        if found := self._macs.get(value(row, "lldpLocPortId").mac or ""):
            return found
        bridge = value(self._bridge.get(number, {}), "dot1dBasePortIfIndex").text
        return next((i for i in (bridge, number) if i in self._indices), "")


_SERIAL: Final = re.compile(r"(.+)\(([A-Z]{3}[0-9A-Z]{8})\)")
"""NX-OS says its host name with its serial number after it."""
_CDP_ROUTER, _CDP_TRANSPARENT_BRIDGE, _CDP_SWITCH, _CDP_HOST, _CDP_PHONE = (
    0x01,
    0x02,
    0x08,
    0x10,
    0x80,
)


def cdp(walk: Walk) -> Iterator[Neighbour]:
    """The lines of cdpCacheTable; their index is that of the local interface and a number."""
    for index, row in walk.table(CDP).items():
        name, serial_number = value(row, "cdpCacheDeviceId").text[:255], None
        if match := _SERIAL.fullmatch(name):
            name, serial_number = match[1], match[2]
        platform = value(row, "cdpCachePlatform").text
        known = platform.lower().startswith("cisco ")
        yield Neighbour(
            local=index.partition(".")[0],
            name=name,
            port=_long_name(value(row, "cdpCacheDevicePort").text),
            type=_cdp_type(value(row, "cdpCacheCapabilities").bits, platform),
            address=_own(value(row, "cdpCacheAddress").address),
            serial_number=serial_number,
            vendor="Cisco" if known or serial_number else None,
            model=(platform[6:] if known else platform)[:200] or None,
            host=host_name(name),
        )


def _cdp_type(bits: int, platform: str) -> str:
    """The type by the capabilities and, for wireless devices, Cisco's product names."""
    name = platform.upper().removeprefix("CISCO ")
    if name.startswith(("AIR-CT", "AIR-WLC", "C9800")):
        return "WirelessController"
    if name.startswith(("AIR-", "C91")):
        return "AccessPoint"
    if bits & _CDP_PHONE:
        return "IPPhone"
    if bits & _CDP_SWITCH:
        return "Switch"
    if bits & _CDP_ROUTER:
        return "Router"
    return "Host" if bits & _CDP_HOST or not bits else "NetworkDevice"


def tables(walk: Walk) -> dict[str, int]:
    """How many lines the tables of neighbours have."""
    return {"lldp": len(walk.table(LLDP_REMOTE)), "cdp": len(walk.table(CDP))}
