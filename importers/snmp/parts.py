"""Parts of a device: interfaces with their addresses, physical entities, outlets of a PDU.

`interface_names` decides what interfaces are called, for the neighbours too.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any, Final

from cmdb.reconciliation.observations import Link, Observation
from importers.snmp.mibs import (
    ENTITY,
    IF,
    IF_X,
    INTERFACE_TYPES,
    IP_ADDR,
    IP_ADDRESS,
    OUTLET,
)
from importers.snmp.walks import Row, Value, Walk
from importers.values import said, vendor

_EMPTY: Final = Value()
_NAME: Final = re.compile(r"([A-Za-z][A-Za-z\-]*)\s?(\d.*)?")


def value(row: Row, column: str) -> Value:
    """A cell, empty where the row has none."""
    return row.get(column, _EMPTY)


def interface_names(walk: Walk) -> dict[str, str]:
    """What each interface is called, by its index: different names, the long form where both are said."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    extended = walk.table(IF_X)
    for index, row in walk.table(IF).items():
        short, long = value(extended.get(index, {}), "ifName").text, value(row, "ifDescr").text
        name = _longer(short, long)[:200] or f"interface {index}"[:200]
        found[index] = name if name not in taken else f"{name} ({index})"
        taken.add(found[index])
    return found


def _longer(short: str, long: str) -> str:
    """``GigabitEthernet0/1`` for ``Gi0/1`` and ``GigabitEthernet0/1``; else the shorter of the two.

    ifName is what the device's own commands call the interface, abbreviated by some makers; ifDescr
    is its full name with those, and the name of a driver with others.
    """
    abbreviated, full = _NAME.fullmatch(short), _NAME.fullmatch(long)
    if abbreviated is None or full is None or abbreviated[2] != full[2]:
        return short or long
    return long if full[1].lower().startswith(abbreviated[1].lower()) else short


def interfaces(walk: Walk) -> Iterator[Observation]:
    """Every row of ifTable as a part, with its addresses."""
    names, held = interface_names(walk), _addresses(walk)
    extended = walk.table(IF_X)
    for index, row in walk.table(IF).items():
        links = [Link("HAS_ADDRESS", address) for address in held.get(index, ())]
        attributes = _interface(index, names[index], row, extended.get(index, {}))
        yield Observation("NetworkInterface", attributes=attributes, links=links)


def _interface(index: str, name: str, row: Row, extended: Row) -> dict[str, Any]:
    alias = value(extended, "ifAlias").text
    kind, admin = value(row, "ifType").integer, value(row, "ifAdminStatus").integer
    mtu = value(row, "ifMtu").integer
    return said(
        name=name,
        description=alias if alias not in (name, f"{name} Interface") else None,
        mac_address=value(row, "ifPhysAddress").mac,
        interface_index=int(index) if index.isdecimal() and len(index) < 11 else None,
        interface_type=INTERFACE_TYPES.get(kind, str(kind)) if kind is not None else None,
        mtu=mtu if mtu is not None and 0 <= mtu < 2**31 else None,
        enabled=admin == 1 if admin in (1, 2) else None,
        speed_mbps=_speed(row, extended),
    )


def _speed(row: Row, extended: Row) -> float | None:
    """In Mbit/s, of interfaces that are up: what a port without a link says is no speed of it.

    ifSpeed ends at 32 bits and then holds its highest value, or a few less; ifHighSpeed goes on.
    """
    if value(row, "ifOperStatus").integer != 1:
        return None
    high, low = value(extended, "ifHighSpeed").integer, value(row, "ifSpeed").integer
    if high and high > 0:
        return high
    return low / 1e6 if low and 0 < low < 2**32 - 2 else None


def _addresses(walk: Walk) -> dict[str, list[Observation]]:
    """Addresses by the index of their interface: ipAddrTable, then what only ipAddressTable has."""
    found: dict[str, dict[str, int | None]] = {}
    for index, row in walk.table(IP_ADDR).items():
        mask = value(row, "ipAdEntNetMask").address
        found.setdefault(value(row, "ipAdEntIfIndex").text, {})[index] = _prefix(mask)
    for index, row in walk.table(IP_ADDRESS).items():
        address, kind = indexed_address(index), value(row, "ipAddressType").integer
        if address and kind in (None, 1):  # unicast: broadcast addresses are listed too
            last = value(row, "ipAddressPrefix").text.split(".")[-1]
            prefix = int(last) if last.isdecimal() and 0 < int(last) <= 128 else None
            found.setdefault(value(row, "ipAddressIfIndex").text, {}).setdefault(address, prefix)
    return {
        index: [_address(a, prefix) for a, prefix in held.items() if is_own(a)]
        for index, held in found.items()
    }


def indexed_address(index: str) -> str | None:
    """The address in an index of InetAddressType, length and octets: ``1.4.10.0.0.1``."""
    kind, _, rest = index.partition(".")
    length, _, octets = rest.partition(".")
    numbers = [int(n) for n in octets.split(".") if n.isdecimal() and int(n) < 256]
    if (kind, length, len(numbers)) not in (("1", "4", 4), ("2", "16", 16)):
        return None
    return str(ipaddress.ip_address(bytes(numbers)))


def _prefix(mask: str | None) -> int | None:
    try:
        return ipaddress.ip_network(f"0.0.0.0/{mask}").prefixlen if mask else None
    except ValueError:
        return None


def is_own(address: str) -> bool:
    """Whether an address is one that a device has in a network, not within itself or on one link."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (
        parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast
    )


def _address(address: str, prefix: int | None) -> Observation:
    attributes = said(ip_address=address, prefix_length=prefix)
    return Observation("IPAddress", f"address/{address}", attributes)


_CHASSIS, _STACK = 3, 11
_CLASSES: Final = {6: "PowerSupply", 7: "Fan", 9: "LineCard", 10: "Transceiver", 12: "CPU"}
"""entPhysicalClass of parts that are kept; containers, sensors and backplanes are not."""


def chassis(walk: Walk) -> list[Row]:
    """The chassis of a device, the first one first: several in a stack."""
    rows = walk.table(ENTITY).values()
    found = [row for row in rows if value(row, "entPhysicalClass").integer == _CHASSIS]
    return found or [row for row in rows if value(row, "entPhysicalClass").integer == _STACK][:1]


def entity(row: Row) -> dict[str, Any]:
    """Maker, model, firmware and serial number of a physical entity."""
    model = value(row, "entPhysicalModelName").text
    return said(
        serial_number=value(row, "entPhysicalSerialNum").text[:200],
        vendor=vendor(value(row, "entPhysicalMfgName").text[:200]),
        model=model[:200] if model.isprintable() else None,
    )


def entities(walk: Walk) -> Iterator[Observation]:
    """Power supplies, fans, modules, transceivers and processors as parts.

    A serial number belongs to the first entity that says it: agents repeat the chassis' number at
    the modules fixed in it, and a power supply's at its fans.
    """
    serials = {s for row in chassis(walk) if (s := value(row, "entPhysicalSerialNum").text)}
    taken: set[tuple[str, str]] = set()
    for index, row in walk.table(ENTITY).items():
        attributes = entity(row)
        if attributes.get("serial_number") in serials:
            del attributes["serial_number"]
        type_ = _CLASSES.get(value(row, "entPhysicalClass").integer or 0)
        if type_ is None or not _is_part(type_, row, attributes):
            continue
        serials.add(attributes.get("serial_number", ""))
        name = _entity_name(type_, row) or f"entity {index}"
        name = name if (type_, name) not in taken else f"{name} ({index})"
        taken.add((type_, name))
        yield Observation(type_, attributes={"name": name, **attributes})


def _is_part(type_: str, row: Row, attributes: dict[str, Any]) -> bool:
    """Ports are parts where something is plugged in, modules where they are not fixed or virtual."""
    if type_ == "Transceiver":
        return "serial_number" in attributes
    if type_ == "LineCard":
        return "serial_number" in attributes or (
            value(row, "entPhysicalIsFRU").integer == 1 and "model" in attributes
        )
    return True


def _entity_name(type_: str, row: Row) -> str:
    """Its name; a transceiver is called after its port, as the port itself is."""
    name = value(row, "entPhysicalName").text or value(row, "entPhysicalDescr").text
    name = name[:200]
    return f"{name} transceiver" if name and type_ == "Transceiver" else name


def outlets(walk: Walk) -> Iterator[Observation]:
    """The outlets of a PDU by their number: what people call them changes, and may repeat."""
    taken: set[str] = set()
    for index, row in walk.table(OUTLET).items():
        state = value(row, "rPDUOutletStatusOutletState").integer
        name = value(row, "rPDUOutletStatusOutletName").text[:200] or f"Outlet {index}"
        name = name if name not in taken else f"{name} ({index})"
        taken.add(name)
        attributes = said(
            name=name,
            slot=index,
            outlet_number=int(index) if index.isdecimal() and len(index) < 11 else None,
            power_on=state == 1 if state in (1, 2) else None,
        )
        yield Observation("PowerOutlet", attributes=attributes)
