"""SNMP walks, each of one device: ``snmpwalk -v2c -c … -On HOST .1`` and snmpsim's ``.snmprec``.

A walk gives the device (its type, maker, model, serial number, host name, version), its interfaces
with their addresses, its power supplies, fans, modules and transceivers, a PDU's outlets, what a
blade enclosure holds, and cables to the neighbours it sees by LLDP and CDP. ARP and forwarding
tables change by the minute and name stations, not devices: `tables` counts them, and no more.

A walk does not say whom it asked, so a device goes by the name of its file, which collectors make
of its name or address. `importers.snmp.walks` says how walks are read, `importers.snmp.mibs` what.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final

from cmdb.reconciliation.observations import Item, Link, Observation
from importers.contract import Importer, Options
from importers.device_types import fitting
from importers.reading import Document
from importers.snmp import cables as snmp_cables
from importers.snmp import enclosures as snmp_enclosures
from importers.snmp import neighbours as snmp_neighbours
from importers.snmp import parts as snmp_parts
from importers.snmp.devices import host_name, maker, record_type, system
from importers.snmp.mibs import (
    ARP,
    FDB,
    IF,
    IP_ADDR,
    LLDP_LOCAL_ADDRESS,
    OUTLET,
    PRINTER,
    VLAN_FDB,
)
from importers.snmp.parts import value
from importers.snmp.walks import Walk, read
from importers.values import said, vendor

SUFFIXES: Final = (".snmprec", ".snmpwalk", ".walk")


class Snmp(Importer[Options]):
    name: ClassVar[str] = "snmp"
    title: ClassVar[str] = "SNMP walks of network devices, PDUs and hosts (snmpwalk, snmprec)"
    title_zh: ClassVar[str] = "网络设备、PDU 与主机的 SNMP 采集结果（snmpwalk、snmprec）"
    precedence: ClassVar[int] = 45
    suffixes: ClassVar[Sequence[str]] = SUFFIXES

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        for document in documents:
            yield from _device(document, read(document))


def tables(walk: Walk) -> dict[str, int]:
    """How many rows the tables have that show how much of a network a device sees."""
    return {
        "interfaces": len(walk.table(IF)),
        "arp": len(walk.table(ARP)),
        "fdb": len(walk.table(FDB)) + len(walk.table(VLAN_FDB)),
        **snmp_neighbours.tables(walk),
    }


def _device(document: Document, walk: Walk) -> Iterator[Item]:
    if not walk:
        raise document.error("says nothing of a device that is read: no system, no interfaces")
    name = document.name
    stem = next((name.removesuffix(s) for s in (*SUFFIXES, ".txt") if name.endswith(s)), name)
    type_, attributes = record_type(walk), _attributes(walk, stem)
    cables = snmp_cables.cables(walk, document.name, _own(attributes))
    links = [*_parts(walk, cables.links), *_members(walk, stem)]
    key = f"device/{stem}"
    yield Observation(type_, key, fitting(type_, attributes), links, document.name)
    for rejection in cables.rejections:
        rejection.key = key
        yield rejection


def _attributes(walk: Walk, stem: str) -> dict[str, Any]:
    """All that is known of a device, whatever its type has."""
    chassis = snmp_parts.chassis(walk)
    entity = snmp_parts.entity(chassis[0]) if chassis else {}
    name = _any(walk, "sysName", "lldpLocSysName")
    macs = {value(row, "ifPhysAddress").mac for row in walk.table(IF).values()}
    return said(
        name=name or stem,
        description=walk.scalar("sysDescr").text,
        **host_name(name),
        **{"vendor": maker(walk), **entity, **_special(walk)},
        **system(walk),
        management_ip=_management_address(walk, stem),
        chassis_mac=_chassis_mac(walk),
        mac_addresses=sorted(mac for mac in macs if mac),
    )


def _special(walk: Walk) -> dict[str, Any]:
    """What MIBs of some kinds of devices say: PDUs, UPSs, printers, filers, enclosures."""
    count = walk.scalar("rPDUIdentDeviceNumOutlets").integer or len(walk.table(OUTLET))
    printers = walk.table(PRINTER).values()
    return said(
        vendor=vendor(walk.scalar("upsIdentManufacturer").text),
        model=_any(walk, "rPDUIdentModelNumber", "upsIdentModel", "productModel"),
        serial_number=_any(walk, "rPDUIdentSerialNumber", "productSerialNum")
        or next((value(row, "prtGeneralSerialNumber").text for row in printers), ""),
        firmware_version=_any(
            walk, "rPDUIdentFirmwareRev", "upsIdentUPSSoftwareVersion", "swFirmwareVersion"
        ),
        outlet_count=count if 0 < count < 10_000 else None,
    ) | {n: v for n, v in snmp_enclosures.enclosure(walk).items() if n != "name"}


def _any(walk: Walk, *names: str) -> str:
    """The first of some scalars that the device has."""
    return next((text for name in names if (text := walk.scalar(name).text)), "")[:200]


def _management_address(walk: Walk, stem: str) -> str | None:
    """Where the device is managed: the address the walk is named after, the one LLDP tells
    neighbours, the one of a management port, or the only one there is."""
    candidates = [stem.rpartition("/")[2]]
    candidates += [snmp_parts.indexed_address(i) or "" for i in walk.table(LLDP_LOCAL_ADDRESS)][:1]
    names = snmp_parts.interface_names(walk)
    own = {
        address: names.get(value(row, "ipAdEntIfIndex").text, "").lower()
        for address, row in walk.table(IP_ADDR).items()
        if snmp_parts.is_own(address)
    }
    candidates += [a for a, n in own.items() if n.startswith(("mgmt", "management", "m-gigabit"))]
    candidates += own if len(own) == 1 else []
    return next((c for c in candidates if snmp_parts.is_own(c)), None)


def _chassis_mac(walk: Walk) -> str | None:
    """What LLDP says neighbours, if it is a MAC address; else the one of the bridge."""
    if walk.scalar("lldpLocChassisIdSubtype").integer == 4:
        return walk.scalar("lldpLocChassisId").mac
    return walk.scalar("dot1dBaseBridgeAddress").mac


def _own(attributes: dict[str, Any]) -> set[str]:
    names = [attributes[n] for n in ("hostname", "domain") if n in attributes]
    own = (".".join(names), attributes.get("chassis_mac"), attributes.get("management_ip"))
    return {name for name in own if name}


def _parts(walk: Walk, cables: dict[str, list[Link]]) -> Iterator[Link]:
    """(device)-[:HAS_COMPONENT]->(part), and the cables at its interfaces."""
    for index, part in zip(walk.table(IF), snmp_parts.interfaces(walk), strict=True):
        part.links = [*part.links, *cables.get(index, ())]
        yield Link("HAS_COMPONENT", part)
    for part in (*snmp_parts.entities(walk), *snmp_parts.outlets(walk)):
        yield Link("HAS_COMPONENT", part)
    yield from snmp_enclosures.contents(walk)


def _members(walk: Walk, stem: str) -> Iterator[Link]:
    """The other switches of a stack, and fabric extenders: chassis with serial numbers of their own."""
    first, *others = snmp_parts.chassis(walk) or [{}]
    for row in others:
        attributes = snmp_parts.entity(row)
        serial_number = attributes.get("serial_number")
        if serial_number and serial_number != value(first, "entPhysicalSerialNum").text:
            name = value(row, "entPhysicalName").text or value(row, "entPhysicalDescr").text
            named = {"name": f"{stem} {name}"[:200], **attributes}
            yield Link("CONTAINS", Observation("Switch", f"serial/{serial_number}", named))
