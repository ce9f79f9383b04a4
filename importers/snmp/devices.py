"""What kind of device answers: its maker and record type, from what it says of itself.

sysObjectID begins with the maker's number (IANA private enterprise numbers); below it makers number
their products (CISCO-PRODUCTS-MIB, PowerNet-MIB, PAN-PRODUCTS-MIB and so on), not only those of one
type (Epson's projectors are beside its printers). Where that says nothing of the type, the MIBs a
device has and the layers it serves (sysServices, RFC 3418) do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from importers.snmp.mibs import ENCLOSURE, OUTLET, PRINTER
from importers.snmp.walks import Walk
from importers.values import split_hostname, vendor

_ENTERPRISES: Final[Mapping[int, str]] = {
    2: "IBM",
    9: "Cisco",
    11: "HPE",
    42: "Oracle",
    43: "3Com",
    171: "D-Link",
    207: "Allied Telesis",
    232: "HPE",
    236: "Samsung",
    253: "Xerox",
    311: "Microsoft",
    318: "APC",
    367: "Ricoh",
    368: "Axis",
    476: "Vertiv",
    534: "Eaton",
    641: "Lexmark",
    674: "Dell",
    789: "NetApp",
    890: "Zyxel",
    1139: "Dell",
    1248: "Epson",
    1347: "Kyocera",
    1588: "Brocade",
    1602: "Canon",
    1916: "Extreme Networks",
    1991: "Brocade",
    2011: "Huawei",
    2435: "Brother",
    2620: "Check Point",
    2636: "Juniper",
    3320: "BDCOM",
    3375: "F5",
    3807: "FiberHome",
    3902: "ZTE",
    4526: "Netgear",
    4881: "Ruijie",
    5651: "Maipu",
    5951: "Citrix",
    6027: "Dell",
    6339: "DCN",
    6486: "Alcatel-Lucent",
    6574: "Synology",
    6876: "VMware",
    8741: "SonicWall",
    10876: "Supermicro",
    11863: "TP-Link",
    12356: "Fortinet",
    14179: "Cisco",
    14331: "Topsec",
    14823: "Aruba",
    14988: "MikroTik",
    19046: "Lenovo",
    19746: "Dell",
    22610: "A10 Networks",
    24681: "QNAP",
    25053: "Ruckus",
    25461: "Palo Alto Networks",
    25506: "H3C",
    28557: "Hillstone",
    30065: "Arista",
    31648: "DPtech",
    33049: "Mellanox",
    40482: "Pure Storage",
    41112: "Ubiquiti",
    47196: "HPE",
}

_PRODUCTS: Final[Mapping[str, str]] = {
    "9.1.1069": "WirelessController",
    "11.2.3.9.1": "Printer",
    "11.5.7.1.2": "BladeChassis",
    "311.1.1.3.1.1": "Computer",
    "311.1.1.3.1.2": "Server",
    "311.1.1.3.1.3": "Server",
    "318.1.3.2": "UPS",
    "318.1.3.4": "PDU",
    "318.1.3.27": "UPS",
    "641.1": "Printer",
    "641.2": "Printer",
    "789.2": "StorageArray",
    "1248.1": "Printer",
    "1347.41": "Printer",
    "1588.2.1.1": "FibreChannelSwitch",
    "1602.4": "Printer",
    "2435.2.3.9.1": "Printer",
    "2620.1": "Firewall",
    "3375.2.1.3.4": "LoadBalancer",
    "6574": "StorageArray",
    "6876.4.1": "Server",
    "8072.3.2": "Computer",
    "8741.1": "Firewall",
    "12356.101": "Firewall",
    "14179.1.1.4.3": "WirelessController",
    "14823.1.1": "WirelessController",
    "14823.1.2": "AccessPoint",
    "19746.3": "BackupAppliance",
    "22610.1.3": "LoadBalancer",
    "24681": "StorageArray",
    "25461.2.3": "Firewall",
    "28557.1": "Firewall",
}
"""Record types by the part of sysObjectID below ``enterprises``; the longest that fits counts.

Only what a device of that type is known to answer: what else the maker makes is told by its MIBs."""

_PREFIX: Final = "1.3.6.1.4.1."
_DATALINK, _INTERNET, _APPLICATIONS = 2, 4, 64


def maker(walk: Walk) -> str | None:
    """The maker, by its enterprise number; the agent of Net-SNMP runs on anybody's machine."""
    number = _product(walk).partition(".")[0]
    return vendor(_ENTERPRISES.get(int(number))) if number.isdecimal() else None


def record_type(walk: Walk) -> str:
    """The record type; `NetworkDevice` or `Host` where nothing tells."""
    if walk.table(OUTLET):
        return "PDU"
    if walk.table(ENCLOSURE):
        return "BladeChassis"
    if walk.scalar("upsIdentModel"):
        return "UPS"
    parts = _product(walk).split(".")
    for length in range(len(parts), 0, -1):
        if found := _PRODUCTS.get(".".join(parts[:length])):
            return found
    if walk.table(PRINTER):
        return "Printer"
    return _by_layers(walk)


def _by_layers(walk: Walk) -> str:
    """What forwards frames is a switch, whether or not it routes; what only routes is a router.

    Many routers claim the datalink layer too (78), so it counts only of devices that have nothing
    above the internet layer, or that say they bridge ports.
    """
    services = walk.scalar("sysServices").integer or 0
    bridges = bool(walk.scalar("dot1dBaseNumPorts").integer)
    if services & _DATALINK and (bridges or not services & _APPLICATIONS):
        return "Switch"
    if services & _INTERNET:
        return "Router"
    known = _product(walk).partition(".")[0]
    return "NetworkDevice" if services & _DATALINK or known in ("9", "2011", "25506") else "Host"


def _product(walk: Walk) -> str:
    oid = walk.scalar("sysObjectID").text.lstrip(".")
    return oid.removeprefix(_PREFIX) if oid.startswith(_PREFIX) else ""


_VERSION: Final = re.compile(r"\b(?:Version|Release|Rel\.?)[ :]\s*v?([^\s,;]+)", re.IGNORECASE)


def system(walk: Walk) -> dict[str, Any]:
    """What sysDescr says of the software: a version, or a Unix kernel in the form of ``uname -a``."""
    text = walk.scalar("sysDescr").text
    words = [word[:200] for word in text.split()]
    if len(words) > 3 and words[0] in ("Linux", "FreeBSD", "SunOS", "Darwin", "AIX", "NetBSD"):
        machine = words[-1] if re.fullmatch(r"[a-z]\w{2,9}", words[-1]) else None
        return {"os_name": words[0], "kernel_version": words[2], "architecture": machine}
    match = _VERSION.search(text)
    return {"os_version": match[1][:200]} if match else {}


_FACTORY_NAMES: Final = frozenset(
    [
        "h3c",
        "hp",
        "hpe",
        "huawei",
        "quidway",
        "sysname",
        "switch",
        "router",
        "ruijie",
        "zxr10",
        "procurve",
        "cisco",
        "mikrotik",
    ]
)
"""Host names that makers set: many devices bear them, so they tell none from another."""


def host_name(name: str) -> dict[str, str]:
    """``hostname`` and ``domain`` of a system name that somebody gave."""
    host = split_hostname(name)
    return host if host.get("hostname") not in _FACTORY_NAMES else {}
