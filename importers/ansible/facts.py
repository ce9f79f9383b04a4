"""Ansible's facts of one host as an observation.

The facts are those of the modules ``ansible.builtin.setup`` (Linux and other Unix systems,
lib/ansible/module_utils/facts) and ``ansible.windows.setup``. What is taken is named here; the rest,
the environment, host keys and the kernel's command line among it, is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cmdb.reconciliation.observations import Link, Observation
from importers import machines
from importers.machines import mapping, text, whole
from importers.values import plain_mac, said, vendor

# `virtualization_type` of what shares its host's kernel, and so shows its host's firmware.
_CONTAINERS: Final = frozenset(
    (
        *("docker", "container", "containerd", "lxc", "podman", "openvz", "linux_vserver", "jail"),
        *("systemd-nspawn", "zone", "workload_partition", "rkt"),
    )
)
_TYPES: Final = {
    "ether": "ethernet",
    "bonding": "bond",
    "bridge": "bridge",
    "infiniband": "infiniband",
}
_PART_LIMIT: Final = 4096
_SPEED_UNKNOWN: Final = 2**31


class Facts:
    """Facts by their names without ``ansible_``, whichever way they were written."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts

    def get(self, name: str) -> Any:
        value = self._facts.get(f"ansible_{name}")
        return self._facts.get(name) if value is None else value

    def text(self, name: str) -> str | None:
        return text(self.get(name))

    def mapping(self, name: str) -> Mapping[str, Any]:
        return mapping(self.get(name))


def are_facts(value: Any) -> bool:
    """Whether an object says what system a host runs, or what machine it is."""
    if not isinstance(value, Mapping):
        return False
    telling = ("hostname", "nodename", "fqdn", "architecture", "distribution", "product_name")
    return any(f"ansible_{name}" in value for name in telling) or (
        "interfaces" in value and any(name in value for name in telling)
    )


def own_name(value: Mapping[str, Any]) -> str | None:
    """What a host calls itself, where Ansible's name for it is not known."""
    facts = Facts(value)
    return next((n for f in ("fqdn", "nodename", "hostname") if (n := facts.text(f))), None)


def key_of(name: str) -> str:
    """What a host is called in this source, by Ansible's name for it."""
    return f"host/{name}"


def host(name: str, value: Mapping[str, Any], groups: Sequence[str], place: str) -> Observation:
    """The host, from its facts.

    Parameters
    ----------
    name
        Ansible's name for it, which the inventory gives it.
    groups
        Of the inventory, as its tags.
    """
    facts, key = Facts(value), key_of(name)
    interfaces = list(_interfaces(facts))
    if _is_container(facts):
        # Nothing of the firmware: it is the host's, and would make the two one machine.
        parts = [link for _, link in interfaces]
        return Observation("Container", key, said(name=name, tags=[*groups]), parts, place)
    maker, model = facts.text("system_vendor"), facts.text("product_name")
    virtual = facts.get("virtualization_role") == "guest" or machines.is_virtual(maker, model)
    cpus = _processors(facts)
    address = machines.ip_address(facts.mapping("default_ipv4").get("address"))
    attributes = said(
        name=name,
        **_names(facts),
        system_uuid=machines.system_uuid(facts.get("product_uuid")),
        serial_number=facts.text("product_serial"),
        vendor=vendor(maker),
        model=model,
        bios_version=facts.text("bios_version"),
        cpu_count=whole(facts.get("processor_count")),
        core_count=machines.core_count(cpus),
        memory_mib=whole(facts.get("memtotal_mb")),
        architecture=_architecture(facts),
        kernel_version=facts.text("kernel"),
        os_name=_os_name(facts),
        last_boot=_last_boot(facts),
        management_ip=address.attributes["ip_address"] if address else None,
        mac_addresses=sorted({mac for mac, _ in interfaces if mac}),
        tags=[*groups],
    )
    parts = [
        *(() if virtual else _board(facts)),
        *machines.processors(cpus),
        *_disks(facts, virtual=virtual),
        *(link for _, link in interfaces),
        *_operating_system(facts),
    ]
    type_ = machines.machine_type(facts.get("form_factor"), model, virtual=virtual)
    return Observation(type_, key, attributes, parts, place)


def _is_container(facts: Facts) -> bool:
    kind = str(facts.get("virtualization_type")).lower()
    return facts.get("virtualization_role") == "guest" and kind in _CONTAINERS


def _names(facts: Facts) -> dict[str, str]:
    """Its own names; the resolver's (``fqdn``) only gives the domain of the same host."""
    own = machines.host_names(facts.text("nodename") or facts.text("hostname"))
    if "domain" in own or not own:
        return own
    resolved = machines.host_names(facts.text("fqdn"))
    if resolved.get("hostname") == own["hostname"] and "domain" in resolved:
        return resolved
    return machines.host_names(own["hostname"], facts.text("domain"))


def _architecture(facts: Facts) -> str | None:
    said_ = (facts.text("architecture") or "").lower()
    return {"64-bit": "x86_64", "amd64": "x86_64", "32-bit": "i686"}.get(said_, said_) or None


def _os_name(facts: Facts) -> str | None:
    name, version = facts.text("distribution"), facts.text("distribution_version")
    if not name or not version or facts.get("os_family") == "Windows":
        return name
    return f"{name} {version}"


def _last_boot(facts: Facts) -> str | None:
    """When Windows started. Elsewhere there is only the time since, which differs from run to run."""
    started = str(facts.get("lastboot"))
    pattern = r"\d{4}-[01]\d-[0-3]\d [0-2]\d:[0-5]\d:[0-5]\dZ"
    return started if re.fullmatch(pattern, started, re.ASCII) else None


def _processors(facts: Facts) -> list[dict[str, Any]]:
    """What is said of the CPUs; all are said to be alike."""
    count = whole(facts.get("processor_count"))
    if count is None or count > _PART_LIMIT:
        return []
    vcpus, threads = whole(facts.get("processor_vcpus")), facts.get("processor_threads_per_core")
    cores = whole(facts.get("processor_cores"))
    if vcpus and (threads := whole(threads)):  # Xen says all cores of all sockets as of each one
        cores = vcpus // threads // count
    lines = facts.get("processor")  # of /proc/cpuinfo: a number, the maker, the model; again
    words = [w for w in lines[:3] if isinstance(w, str)] if isinstance(lines, list) else []
    named = [w for w in words if not w.isdigit()]
    cpu = said(
        vendor=vendor(named[0]) if len(named) > 1 else None,
        model=text(named[-1]) if named else None,
        core_count=cores or None,
        thread_count=(vcpus // count or None) if vcpus else None,
    )
    return [cpu] * count


def _board(facts: Facts) -> Iterator[Link]:
    model, serial = facts.text("board_name"), facts.text("board_serial")
    if model or serial:
        maker = vendor(facts.text("board_vendor"))
        yield machines.part(
            "Mainboard", name="Mainboard", vendor=maker, model=model, serial_number=serial
        )


def _disks(facts: Facts, *, virtual: bool) -> Iterator[Link]:
    devices = facts.mapping("devices")
    for name in sorted(filter(machines.is_disk, devices)):
        disk = mapping(devices[name])
        sectors, size = whole(disk.get("sectors")), whole(disk.get("sectorsize")) or 512
        if disk.get("removable") == "1" or not sectors:
            continue
        yield machines.part(
            "Disk",
            name=name,
            serial_number=text(disk.get("serial")),
            vendor=vendor(machines.disk_maker(disk.get("vendor"))),
            model=text(disk.get("model")),
            capacity_gib=machines.gibibytes(sectors * size),
            media_type=None if virtual or "vd" in name else _medium(name, disk),
        )


def _medium(name: str, disk: Mapping[str, Any]) -> str | None:
    if name.startswith("nvme"):
        return "nvme"
    return {"1": "hdd", "0": "ssd"}.get(str(disk.get("rotational")))


def _interfaces(facts: Facts) -> Iterator[tuple[str | None, Link]]:
    """The host's own interfaces by their names, each with the address that is its hardware's."""
    listed = facts.get("interfaces")
    found: dict[str, Mapping[str, Any]] = {}
    for entry in listed[:_PART_LIMIT] if isinstance(listed, list) else ():
        if isinstance(entry, str):
            found[entry] = facts.mapping(re.sub(r"[-:]", "_", entry))
        else:  # Windows lists the interfaces themselves
            name = text(mapping(entry).get("connection_name"))
            found |= {name: mapping(entry)} if name else {}
    for name in sorted(found):
        link = _interface(name, found[name])
        if link is not None:
            yield link


def _interface(name: str, said_: Mapping[str, Any]) -> tuple[str | None, Link] | None:
    mac = plain_mac(said_.get("perm_macaddress")) or plain_mac(said_.get("macaddress"))
    kind = _TYPES.get(str(said_.get("type", "ether")))
    if kind is None or not machines.is_interface(name) or not (mac or kind == "infiniband"):
        return None
    if kind == "ethernet" and machines.is_vlan(name):
        kind = "vlan"
    speed = whole(said_.get("speed"))
    attributes = said(
        name=name,
        mac_address=mac,
        speed_mbps=speed if speed and speed < _SPEED_UNKNOWN else None,
        mtu=whole(said_.get("mtu")),
        interface_type=kind,
    )
    links = list(_addresses(said_))
    link = Link("HAS_COMPONENT", Observation("NetworkInterface", "", attributes, links))
    return (mac if kind == "ethernet" else None), link


def _addresses(interface: Mapping[str, Any]) -> Iterator[Link]:
    seen: set[str] = set()
    for name in ("ipv4", "ipv4_secondaries", "ipv6"):
        value = interface.get(name)
        for entry in value if isinstance(value, list) else [value]:
            found = machines.ip_address(mapping(entry).get("address"), mapping(entry).get("prefix"))
            if found and found.key not in seen:
                seen.add(found.key)
                yield Link("HAS_ADDRESS", found)


def _operating_system(facts: Facts) -> Iterator[Link]:
    """The system, by its name without the version, so that an upgrade does not make another of it."""
    name = facts.text("distribution")
    if name:
        version, kernel = facts.text("distribution_version"), facts.text("kernel")
        attributes = said(name=name, version=version, kernel_version=kernel)
        yield Link("HAS_INSTALLED", Observation("OperatingSystem", "", attributes))
