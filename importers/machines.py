"""A computer as it looks from inside, and its parts: what the importers of Ansible, lshw and dmidecode share.

The three tools read the same firmware tables and the same kernel, so one machine must come out alike
whichever of them looked: the same type, identities, maker, and the same names of its parts.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from cmdb.reconciliation.observations import Link, Observation
from importers.reading import Document
from importers.values import said, split_hostname

# What firmware, and the tools that read it, write where they know nothing.
_NOTHING: Final = frozenset(
    (
        *("", "na", "n/a", "none", "null", "unknown", "undefined", "other", "empty", "no dimm"),
        *("not specified", "not provided", "not available", "not defined", "not applicable"),
        *("not present", "not installed", "default string", "to be filled by o.e.m.", "oem"),
        *("<bad index>", "<out of spec>", "[removed]", "<removed>", "--", "unspecified"),
    )
)


def text(value: Any) -> str | None:
    """What firmware says, with single spaces; None where it says nothing."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return None
    plain = " ".join(str(value).split())
    return None if plain.lower() in _NOTHING else plain[:1000]


def mapping(value: Any) -> Mapping[str, Any]:
    """The value, if it is an object; else an empty one."""
    return value if isinstance(value, dict) else {}


def whole(value: Any) -> int | None:
    """A positive whole number, given as such or as text."""
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 < value < 2**63 else None


_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def system_uuid(value: Any) -> str | None:
    """A system's UUID in lower case: sysfs writes it so, dmidecode before 3.2 did not."""
    plain = value.strip().lower() if isinstance(value, str) else ""
    return plain if _UUID.fullmatch(plain) else None


def host_names(name: Any, domain: Any = None) -> dict[str, str]:
    """``hostname`` and ``domain``, the latter from the name itself or said beside it."""
    found = split_hostname(name)
    if found and "domain" not in found and isinstance(domain, str):
        found |= {k: v for k, v in split_hostname(f"x.{domain}").items() if k == "domain"}
    if found.get("domain") in ("localdomain", "na", "(none)"):
        del found["domain"]
    return found


_SUFFIXES: Final = (".txt", ".json", ".out", ".log", ".dmi", ".dmidecode", ".lshw", ".facts")


def called(document: Document) -> str:
    """A document's name without what only says its format: ``db-01.example.org`` keeps its dots."""
    name = PurePosixPath(document.name)
    return str(name.with_suffix("") if name.suffix.lower() in _SUFFIXES else name)


# ---------------------------------------------------------------------------------------- its type

# By the letters of the chassis type in the SMBIOS specification (DSP0134, 7.4.1), as dmidecode,
# Ansible and lshw write them.
_CHASSIS: Final = {
    letters: type_
    for type_, names in {
        "BladeServer": "blade",
        "Server": "rackmountchassis rackmount mainserverchassis server multisystem bladeenclosing"
        " bladeenclosure enclosure compactpci advancedtca tca",
        "Laptop": "portable laptop notebook subnotebook convertible detachable",
        "Terminal": "tablet handheld",
        "DesktopComputer": "desktop lowprofiledesktop lowprofile pizzabox minitower tower allinone"
        " spacesaving lunchbox sealedcasepc sealed minipc stickpc",
    }.items()
    for letters in names.split()
}

# Lines of servers, whatever their chassis claims: tower servers, and boards that say "Other".
_SERVERS: Final = re.compile(
    r"(?i)PowerEdge|ProLiant|ThinkSystem|ThinkServer|\bSystem x|PRIMERGY|\bUCS[BC]-|Superdome"
    r"|Synergy|FusionServer|TaiShan|KunTai|\bRH\d{4}|\bNF\d{4}|\bSYS-\d|\bSSG-\d|SuperServer|\bserver\b"
)
_BLADES: Final = re.compile(r"(?i)PowerEdge MX?\d|ProLiant BL\d|Synergy \d|\bUCSB-|Flex System")

# How the firmware of virtual machines introduces itself: maker and model together.
_VIRTUAL: Final = re.compile(
    r"(?i)^(?:QEMU|Bochs|innotek|Xen\b|Parallels|Nutanix AHV|oVirt|OpenStack|DigitalOcean"
    r"|Alibaba Cloud\b(?!.*\becs\.eb)|Tencent Cloud|BHYVE|Red Hat (?:KVM|RHEV|OpenStack)|Google Google Compute"
    r"|Microsoft(?: Corporation)? Virtual Machine|Amazon EC2 (?!.*\.metal))"
    r"|\bVMware\b|VirtualBox|\bHVM domU\b|\bKVM\b|Standard PC \("
)


def is_virtual(maker: str | None, model: str | None) -> bool:
    """Whether the firmware is a hypervisor's."""
    return bool(_VIRTUAL.search(f"{maker or ''} {model or ''}".strip()))


def machine_type(chassis: Any, model: str | None, *, virtual: bool, managed: bool = False) -> str:
    """The most specific record type that is sure.

    Parameters
    ----------
    chassis
        The chassis type of its firmware, in the words of any of the tools.
    managed
        Whether it has a management controller (IPMI), as servers do.
    """
    if virtual:
        return "VirtualMachine"
    type_ = _CHASSIS.get(re.sub(r"[^a-z]", "", str(chassis or "").lower()), "Computer")
    if type_ in ("Server", "BladeServer"):
        return "BladeServer" if _BLADES.search(model or "") else type_
    if type_ in ("Computer", "DesktopComputer") and (managed or _SERVERS.search(model or "")):
        return "BladeServer" if _BLADES.search(model or "") else "Server"
    return type_


# --------------------------------------------------------------------------------------- its parts


def part(type_: str, **attributes: Any) -> Link:
    """A part of the machine, told apart by its name or slot."""
    return Link("HAS_COMPONENT", Observation(type_, attributes=said(**attributes)))


def places(slots: Sequence[str | None]) -> list[str | None]:
    """Slots that are different: where firmware calls several the same, they are numbered.

    All there are must be given, the empty ones too, so that every tool numbers alike.
    """
    often, seen = Counter(slots), Counter[str | None]()
    found: list[str | None] = []
    for slot in slots:
        seen[slot] += 1
        found.append(f"{slot} #{seen[slot]}" if slot and often[slot] > 1 else slot)
    return found


def processors(sockets: Iterable[Mapping[str, Any]]) -> list[Link]:
    """CPUs, named CPU0, CPU1, … in the order of the sockets that hold one: a kernel sees no others."""
    return [part("CPU", name=f"CPU{n}", **socket) for n, socket in enumerate(sockets)]


def core_count(sockets: Sequence[Mapping[str, Any]]) -> int | None:
    """Of all sockets; None unless each says."""
    cores = [socket.get("core_count") for socket in sockets]
    return sum(c for c in cores if c) if cores and all(cores) else None


def memory_modules(slots: Iterable[Mapping[str, Any] | None]) -> list[Link]:
    """Memory modules, named like their slots, or by their position if those say nothing.

    Parameters
    ----------
    slots
        All there are; None for an empty one.
    """
    return [
        part("MemoryModule", name=module.get("slot") or f"DIMM #{position}", **module)
        for position, module in enumerate(slots, 1)
        if module is not None
    ]


def memory_mib(slots: Iterable[Mapping[str, Any] | None]) -> int | None:
    """Installed in all slots; None if that is not said."""
    return sum(m.get("size_mib", 0) for m in slots if m is not None) or None


_PLACE_OF_SUPPLY: Final = re.compile(r"(?i)(?:power supply|psu?|bay|slot)[ #]*\d+")


def power_supply(
    position: int,
    name: str | None,
    slot: str | None,
    watts: int | None,
    **attributes: Any,
) -> Link:
    """A power supply, named PSU1, PSU2, … by its position in the firmware's table.

    Some firmware calls it what it is ("PWR SPLY,750W,RDNT"), some where it is ("Power Supply 2").
    """
    if name and _PLACE_OF_SUPPLY.fullmatch(name):
        slot, name = slot or name, None
    power = watts / 1000 if watts and watts < 0x8000 else None
    return part(
        "PowerSupply", name=f"PSU{position}", slot=slot, model=name, rated_power=power, **attributes
    )


_DISK: Final = re.compile(
    r"(?:(?:s|h|v|xv)d[a-z]{1,3}|nvme\d+n\d+|mmcblk\d+|dasd[a-z]{1,3}|pmem\d+|a?da\d+)", re.ASCII
)


def is_disk(name: str) -> bool:
    """Whether a kernel's block device is a disk: no loop, RAM or optical one, no mapping, no array."""
    return bool(_DISK.fullmatch(name))


def disk_maker(value: Any) -> str | None:
    """A disk's maker; the name of a bus or a bare PCI number is none."""
    plain = text(value)
    return None if plain is None or re.fullmatch(r"(?i)ATA|NVMe|USB|0x[0-9a-f]+", plain) else plain


def gibibytes(size: int | None) -> float | None:
    """Bytes as GiB."""
    return round(size / 2**30, 2) if size else None


_NOISE: Final = re.compile(
    r"(?:lo\d*|veth.*|docker\d+|docker_gwbridge|br-[0-9a-f]{12}|cali.*|cni.*|podman\d+|flannel.*"
    r"|vxlan\.calico|tunl\d+|kube-.*|nodelocaldns|virbr\d+(?:-nic)?|vnet\d+|tap.*|lxc.*|lxdbr\d+"
    r"|ifb\d+|dummy\d+|sit\d+|gre\d+|gretap\d+|erspan\d+|ip6.*|ip_vti\d+|teql\d+|nlmon\d+|cilium.*"
    r"|weave|datapath|ovs-system|br-int|genev_sys.*|vxlan_sys.*|fw(?:br|ln|pr)\d+.*|q(?:br|vb|vo)-?.*)"
)


def is_interface(name: str) -> bool:
    """Whether a network interface is the machine's own: no loopback, none made for a container."""
    return bool(name) and not _NOISE.fullmatch(name)


def is_vlan(name: str) -> bool:
    """Whether an interface is named like a VLAN on another one: ``bond0.120``, ``vlan120``."""
    return bool(re.fullmatch(r".+\.\d{1,4}|vlan\d{1,4}", name, re.ASCII))


def ip_address(value: Any, prefix: Any = None) -> Observation | None:
    """An interface's IP address; None for what says nothing to others (loopback, link-local)."""
    try:
        found = ipaddress.ip_address(value.partition("%")[0] if isinstance(value, str) else "")
    except ValueError:
        return None
    if found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast:
        return None
    length = whole(prefix)
    if length is not None and length > found.max_prefixlen:
        length = None
    attributes = said(ip_address=str(found), prefix_length=length)
    return Observation("IPAddress", f"address/{found}", attributes)
