"""A computer of a GLPI inventory: what it is, its parts, what is installed, what runs on it.

``hardware`` and ``bios`` say what it is, ``operatingsystem`` its names; the other sections are lists. An
interface has one line for each of its addresses in ``networks``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from cmdb.reconciliation.observations import Item, Link, Observation
from importers import machines
from importers.container_images import image
from importers.device_types import fitting
from importers.glpi.sections import address, day, first, positive, rows, telling_serial
from importers.machines import mapping, text
from importers.reading import Document
from importers.values import mebibytes, number, plain_mac, said, vendor

_CONTAINERS: Final = frozenset(
    ["docker", "podman", "lxc", "lxd", "containerd", "systemd-nspawn", "jail", "solariszone"]
)
_MEGABYTE: Final = 10**6


def computer(
    inventory: Mapping[str, Any], content: Mapping[str, Any], document: Document
) -> Iterator[Item]:
    """The observation of the computer that a document describes."""
    hardware, bios = mapping(content.get("hardware")), mapping(content.get("bios"))
    system = mapping(content.get("operatingsystem"))
    maker, model = _made(bios)
    virtual = text(hardware.get("vmsystem")) not in (None, "Physical") or machines.is_virtual(
        maker, model
    )
    cpus, memory = _cpus(content), _memory(content)
    interfaces = _interfaces(content)
    names = machines.host_names(
        first(system.get("fqdn"), hardware.get("name")), system.get("dns_domain")
    )
    key = f"computer/{first(inventory.get('deviceid'), hardware.get('uuid'), bios.get('ssn')) or machines.called(document)}"
    chassis = hardware.get("chassis_type")
    managed = any(
        row.get("management") and plain_mac(row.get("mac")) for row in rows(content, "networks")
    )
    type_ = machines.machine_type(chassis, model, virtual=virtual, managed=managed)
    attributes = said(
        name=first(hardware.get("name")) or names.get("hostname") or key,
        **names,
        serial_number=first(bios.get("ssn"), bios.get("enclosureserial")),
        asset_number=text(bios.get("assettag")),
        system_uuid=(text(hardware.get("uuid")) or "").lower(),
        vendor=vendor(maker),
        model=model,
        bios_version=text(bios.get("bversion")),
        cpu_count=len(cpus) or None,
        core_count=machines.core_count(cpus),
        memory_mib=machines.memory_mib(memory)
        or mebibytes(f"{number(hardware.get('memory')) or 0} MiB")
        or None,
        architecture=first(system.get("arch")),
        os_name=first(system.get("full_name"), system.get("name")),
        kernel_version=text(system.get("kernel_version")),
        last_boot=_boot(system),
        mac_addresses=_macs(content),
    )
    links = [
        *machines.processors(cpus),
        *machines.memory_modules(memory),
        *_disks(content),
        *interfaces,
        *_system(system),
        *software(content),
        *_guests(content, key, attributes["name"]),
        *([] if virtual else _peripherals(content)),
    ]
    yield Observation(type_, key, fitting(type_, attributes), links, document.name)


def _made(bios: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Maker and model of the system, else of its board."""
    return first(bios.get("smanufacturer"), bios.get("mmanufacturer")), first(
        bios.get("smodel"), bios.get("mmodel")
    )


def _boot(system: Mapping[str, Any]) -> str | None:
    """When it was booted; the time zone is said beside."""
    offset = text(mapping(system.get("timezone")).get("offset"))
    try:
        found = datetime.strptime(f"{system.get('boot_time')} {offset}", "%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        return None
    return found.isoformat()


def _cpus(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        said(
            vendor=vendor(text(row.get("manufacturer"))),
            model=text(row.get("name")),
            core_count=machines.whole(row.get("core")),
            thread_count=machines.whole(row.get("thread")),
            clock_mhz=positive(row.get("speed")),
        )
        for row in rows(content, "cpus")
    ]


def _memory(content: Mapping[str, Any]) -> list[dict[str, Any] | None]:
    """Memory modules by their slots; None for an empty slot."""
    given = rows(content, "memories")
    slots = machines.places([text(row.get("caption")) for row in given])
    return [_module(row, slot) for row, slot in zip(given, slots, strict=True)]


def _module(row: Mapping[str, Any], slot: str | None) -> dict[str, Any] | None:
    size = positive(row.get("capacity"))
    if size is None:
        return None
    return said(
        slot=slot,
        size_mib=int(size),
        memory_type=text(row.get("type")),
        vendor=vendor(text(row.get("manufacturer"))),
        part_number=text(row.get("model")),
        serial_number=text(row.get("serialnumber")),
    )


def _disks(content: Mapping[str, Any]) -> Iterator[Link]:
    """Disks: storages that have a size and are not optical."""
    names: set[str] = set()
    for row in rows(content, "storages"):
        kind = f"{row.get('type')} {row.get('description')} {row.get('name')} {row.get('interface')}".lower()
        size, name = positive(row.get("disksize")), first(row.get("name"), row.get("model"))
        if (
            name is None
            or name in names
            or size is None
            or any(w in kind for w in ("cd", "dvd", "floppy"))
        ):
            continue
        names.add(name)
        yield machines.part(
            "Disk",
            name=name,
            vendor=vendor(machines.disk_maker(row.get("manufacturer"))),
            model=text(row.get("model")),
            serial_number=first(row.get("serial"), row.get("serialnumber")),
            capacity_gib=machines.gibibytes(int(size * _MEGABYTE)),
            media_type=_medium(f"{kind} {row.get('model')}".lower()),
        )


def _medium(kind: str) -> str | None:
    return next((medium for medium in ("nvme", "ssd", "hdd") if medium in kind), None)


def _interfaces(content: Mapping[str, Any]) -> Iterator[Link]:
    """Interfaces, each once, with all its addresses."""
    given: dict[str, list[Mapping[str, Any]]] = {}
    macs: dict[str, str | None] = {}
    for row in rows(content, "networks"):
        name, mac = text(row.get("description")), plain_mac(row.get("mac"))
        if name is None or not machines.is_interface(name) or row.get("type") == "loopback":
            continue
        if mac and macs.setdefault(name, mac) != mac:  # two cards that Windows calls the same
            name = f"{name} ({mac})"
        if mac or not row.get("management"):  # a management controller that is not there has none
            given.setdefault(name, []).append(row)
    for name, lines in given.items():
        yield _interface(name, lines)


def _interface(name: str, lines: list[Mapping[str, Any]]) -> Link:
    addresses: dict[str, Link] = {}
    for row in lines:
        for suffix in ("", "6"):
            values = row.get(f"ipaddress{suffix}")
            for value in values if isinstance(values, list) else [values]:
                if found := address(value, _prefix(row.get(f"ipmask{suffix}"))):
                    addresses.setdefault(str(value), found)
    kind = first(*(row.get("type") for row in lines))
    link = machines.part(
        "NetworkInterface",
        name=name,
        mac_address=next((m for row in lines if (m := plain_mac(row.get("mac")))), None),
        model=first(*(row.get("model") for row in lines)),
        speed_mbps=next((s for row in lines if (s := positive(row.get("speed")))), None),
        interface_type="wireless" if kind == "wifi" else kind,
    )
    if isinstance(link.to, Observation):
        link.to.links = list(addresses.values())
    return link


def _prefix(mask: Any) -> int | None:
    """The length of a mask: ``255.255.255.0``, ``ffff:ffff::``."""
    try:
        bits = f"{int(ipaddress.ip_address(mask if isinstance(mask, str) else '')):b}"
    except ValueError:
        return None
    return bits.count("1") if "01" not in bits and len(bits) in (32, 128) else None


def _macs(content: Mapping[str, Any]) -> list[str]:
    """Of the cards that are no mere software."""
    given = (
        row for row in rows(content, "networks") if row.get("virtualdev") not in (True, 1, "1")
    )
    return sorted({mac for row in given if (mac := plain_mac(row.get("mac")))})


def _system(system: Mapping[str, Any]) -> Iterator[Link]:
    """(computer)-[:HAS_INSTALLED]->(operating system)"""
    if name := first(system.get("full_name"), system.get("name")):
        attributes = said(
            name=name,
            version=text(system.get("version")),
            kernel_version=text(system.get("kernel_version")),
        )
        installed = said(installed_on=day(system.get("install_date")))
        yield Link("HAS_INSTALLED", Observation("OperatingSystem", "", attributes), installed)


def software(content: Mapping[str, Any]) -> Iterator[Link]:
    """(computer)-[:HAS_INSTALLED]->(software package), each once."""
    taken: set[str] = set()
    for row in rows(content, "softwares"):
        attributes = said(
            name=text(row.get("name")),
            version=text(row.get("version")),
            architecture=text(row.get("arch")),
            vendor=text(row.get("publisher")),
            package_manager=text(row.get("from")),
        )
        key = "software/" + "/".join(
            attributes.get(n, "")
            for n in ("package_manager", "name", "version", "architecture", "vendor")
        )
        if "name" in attributes and key not in taken:
            taken.add(key)
            installed = said(installed_on=day(row.get("install_date")))
            yield Link("HAS_INSTALLED", Observation("SoftwarePackage", key, attributes), installed)


def _guests(content: Mapping[str, Any], key: str, host: str) -> Iterator[Link]:
    """(virtual machine or container)-[:RUNS_ON]->(computer)"""
    taken: set[str] = set()
    for row in rows(content, "virtualmachines"):
        name, uuid = text(row.get("name")), text(row.get("uuid"))
        own = f"{key}/guest/{uuid or name}"
        if (name is None and uuid is None) or own in taken:
            continue
        taken.add(own)
        kinds = {str(row.get(field) or "").lower() for field in ("vmtype", "subsystem")}
        picture = image(row.get("image"))
        if picture or kinds & _CONTAINERS:
            attributes = said(name=name, container_id=(uuid or "").lower())
            uses = [Link("USES_IMAGE", picture)] if picture else []
            yield Link("RUNS", Observation("Container", own, attributes, uses))
        else:
            memory = positive(row.get("memory"))
            attributes = said(
                name=name,
                host_name=host,
                system_uuid=machines.system_uuid(row.get("uuid")),
                cpu_count=machines.whole(row.get("vcpu")),
                memory_mib=int(memory) if memory else None,
            )
            yield Link("RUNS", Observation("VirtualMachine", own, attributes))


def _peripherals(content: Mapping[str, Any]) -> Iterator[Link]:
    """(computer)-[:HAS_PERIPHERAL]->(monitor or printer), of those that say their serial number."""
    taken: set[str] = set()
    for section, type_ in (("monitors", "Monitor"), ("printers", "Printer")):
        for row in rows(content, section):
            serial = first(telling_serial(row.get("serial")), telling_serial(row.get("altserial")))
            model = (
                first(row.get("caption"), row.get("name"))
                if type_ == "Monitor"
                else text(row.get("driver"))
            )
            maker = vendor(text(row.get("manufacturer")))
            key = f"{type_.lower()}/{maker or ''}/{serial}"
            if serial and key not in taken:
                taken.add(key)
                name = first(row.get("name"), row.get("caption"), serial)
                attributes = said(name=name, serial_number=serial, vendor=maker, model=model)
                yield Link("HAS_PERIPHERAL", Observation(type_, key, attributes))
