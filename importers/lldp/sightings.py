"""What LLDP and CDP tell, whatever wrote it down: who said that it sees whom, on which ports."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from cmdb.reconciliation.observations import Rejection
from importers.lldp.interfaces import is_like_a_port, plain
from importers.values import plain_mac, vendor

_NOTHING: Final = frozenset(
    (
        *("-", "--", "n/a", "none", "(none)", "null", "unknown", "not advertised"),
        *("not specified", "to be filled by o.e.m.", "default string", "::", "0.0.0.0"),  # noqa: S104
    )
)
_UNNAMED: Final = frozenset(("localhost", "localhost.localdomain", "switch", "router", "linux"))
"""What a device is called that nobody named: it tells none from another."""

_LETTERS: Final = {
    "lldp": {"B": "bridge", "R": "router", "W": "wlan", "T": "telephone", "S": "station"},
    "cdp": {
        "R": "router",
        "S": "bridge",
        "B": "bridge",
        "T": "wireless bridge",
        "H": "station",
        "P": "telephone",
    },
}
_CAPABILITIES: Final = {
    "bridge": "bridge",
    "switch": "bridge",
    "router": "router",
    "wlan": "wlan",
    "wlanaccesspoint": "wlan",
    "tel": "telephone",
    "telephone": "telephone",
    "phone": "telephone",
    "station": "station",
    "stationonly": "station",
    "host": "station",
    "transbridge": "wireless bridge",
}
_SYSTEMS: Final = (
    (re.compile(r"ios[ -]?xr|asr9k|\bcrs\b", re.I), "cisco_xr"),
    (re.compile(r"nx-?os|nexus|^n\d+k-", re.I), "cisco_nxos"),
    (re.compile(r"cisco ios|^(?:cisco )?ws-c|^cisco", re.I), "cisco_ios"),
    (re.compile(r"junos|juniper", re.I), "juniper_junos"),
    (re.compile(r"arista", re.I), "arista_eos"),
    (re.compile(r"comware|h3c", re.I), "hp_comware"),
    (re.compile(r"huawei|\bvrp\b", re.I), "huawei_vrp"),
)
_MAKERS: Final = {"cisco": "Cisco", "juniper": "Juniper", "arista": "Arista", "huawei": "Huawei"}
_NO_MODEL: Final = frozenset(
    ("ip phone", "linux", "vmware", "vmware esx", "vmware esxi", "mikrotik", "cisco")
)
_MAC_SHAPED: Final = re.compile(r"(?:\w{4}[.-]){2}\w{4}|(?:\w{2}[:-]){5}\w{2}")


class Port(NamedTuple):
    """A port: the name of its interface, and its MAC address if it went by that."""

    name: str
    mac: str | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """What one report says of one device.

    Attributes
    ----------
    label
        What to call it if it has no name of its own.
    capabilities
        What it says it does: bridge, router, wlan, telephone, station.
    platform
        Its system, as ntc-templates calls it.
    cut
        Whether the name may be cut off (Cisco's tables show twenty characters).
    """

    name: str = ""
    label: str = ""
    chassis_mac: str | None = None
    addresses: tuple[str, ...] = ()
    description: str = ""
    model: str = ""
    maker: str | None = None
    serial_number: str = ""
    firmware: str = ""
    capabilities: frozenset[str] = frozenset()
    platform: str = ""
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A device that another saw; without ports where only the devices are known (`uplink`)."""

    local_port: Port
    device: Device
    port: Port
    place: str
    uplink: bool = False


@dataclass(slots=True)
class Report:
    """What one device says of itself and of whom it sees.

    Attributes
    ----------
    scope
        The network it belongs to, if the source keeps several apart: names are unique within one.
    """

    device: Device
    place: str
    neighbours: list[Neighbour | Rejection] = field(default_factory=list)
    scope: str = ""


def text(value: Any) -> str:
    """A value as text; nothing for what says nothing or is no single value."""
    if isinstance(value, list):
        value = next(iter(value), "")
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    lines = str(value).strip().splitlines()
    found = " ".join(lines[0].split())[:1000] if lines else ""
    return "" if found.lower() in _NOTHING else found


def first_line(value: Any) -> str:
    """The first line of a description, which names the system; legal notices follow."""
    if isinstance(value, list):
        value = "\n".join(line for line in value if isinstance(line, str))
    lines = value.strip().splitlines() if isinstance(value, str) else []
    return re.split(r" Copyright |,? Build date", text(lines[0]) if lines else "")[0].strip()


def addresses(values: Iterable[Any]) -> tuple[str, ...]:
    """Those that reach a device from elsewhere, as they came."""
    found = []
    for value in values:
        try:
            address = ipaddress.ip_address(text(value))
        except ValueError:
            continue
        if not (address.is_unspecified or address.is_loopback or address.is_link_local):
            found.append(str(address))
    return tuple(dict.fromkeys(found))


def capabilities(value: Any, protocol: str = "lldp") -> frozenset[str]:
    """From words (``Bridge Router``), a list of them, or a protocol's letters (``B,R``, ``BR``)."""
    if isinstance(value, list):
        value = " ".join(item for item in value if isinstance(item, str))
    found: set[str | None] = set()
    for word in re.split(r"[\s,]+", value) if isinstance(value, str) else ():
        if re.fullmatch(r"[A-Z]|[BRTCWPSO]{2,4}", word):
            found |= {_LETTERS[protocol].get(letter) for letter in word}
        else:
            found.add(_CAPABILITIES.get(re.sub(r"[^a-z]", "", word.lower())))
    return frozenset(name for name in found if name)


def system(*hints: str) -> str:
    """The platform that descriptions and models speak of."""
    for hint in hints:
        for pattern, platform in _SYSTEMS:
            if hint and pattern.search(hint):
                return platform
    return ""


def maker_of(platform: str) -> str | None:
    """Who makes the devices of a platform, where it is one maker."""
    return _MAKERS.get(platform.partition("_")[0])


def port(id_: Any, description: Any = "") -> Port:
    """A port by its id; by its description where the id is a MAC address or an index."""
    name, described = plain(text(id_)), plain(text(description))
    mac = plain_mac(name) if _MAC_SHAPED.fullmatch(name) else None
    if not name or _MAC_SHAPED.fullmatch(name) or name.isdecimal():
        if described and (not name or is_like_a_port(described)):
            return Port(described, mac)
        return Port(mac or name, mac)
    return Port(name)


def device(
    *,
    name: Any = "",
    chassis: Any = "",
    managed_at: Iterable[Any] = (),
    description: Any = "",
    model: Any = "",
    maker: Any = "",
    serial_number: Any = "",
    firmware: Any = "",
    able: frozenset[str] = frozenset(),
    platform: str = "",
    cut: bool = False,
) -> Device:
    """A device from what a report has on it, each under whatever that calls it."""
    called, serial = _called(text(name), text(serial_number))
    mac, at = _chassis(text(chassis)), [*managed_at, text(chassis)]
    if not called and not mac and not addresses([text(chassis)]) and not _is_mac(text(chassis)):
        called, serial = _called(text(chassis), serial)
    if _is_mac(called):
        mac, called = mac or _chassis(called), ""
    line, what = first_line(description), re.sub(r"(?i)^cisco (?=\S)", "", text(model))
    platform = platform or system(line, text(model))
    return Device(
        name=called,
        label=text(name),
        chassis_mac=mac,
        addresses=addresses(at),
        description=line,
        model="" if what.lower() in _NO_MODEL else what,
        maker=vendor(text(maker)) or maker_of(platform),
        serial_number=serial,
        firmware=text(firmware),
        capabilities=able,
        platform=platform,
        cut=cut and len(called) >= 20,
    )


def _called(name: str, serial: str) -> tuple[str, str]:
    """A name and a serial number, of what NX-OS calls ``name(serial)``."""
    match = re.fullmatch(r"(\S+?)\(([A-Z0-9]{8,})\)", name)
    if match:
        name, serial = match[1], serial or match[2]
    return ("" if name.lower() in _UNNAMED else name), serial


def _is_mac(value: str) -> bool:
    return bool(_MAC_SHAPED.fullmatch(value))


def _chassis(value: str) -> str | None:
    return plain_mac(value) if _is_mac(value) else None
