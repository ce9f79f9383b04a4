"""Values that look like an identity and are none: what makers, installers and scrubbers leave behind.

Collected from the outputs of dmidecode and lshw on real machines (the Linux Hardware Project's
collection among them), and from the lists that OCS Inventory, GLPI and Snipe-IT keep for the same
reason.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final

_WORDS: Final = frozenset(
    [
        "none",
        "null",
        "nil",
        "n/a",
        "na",
        "nan",
        "unknown",
        "undefined",
        "unspecified",
        "default",
        "empty",
        "invalid",
        "test",
        "dummy",
        "oem",
        "o.e.m.",
        "serial",
        "sn",
        "s/n",
        "asset",
        "tag",
        "number",
        "xxx",
        "xx",
        "tbd",
        "todo",
        "pending",
        "missing",
        "无",
        "暂无",
        "未知",
        "不详",
        "未填",
        "待定",
        "空",
        "其他",
        "localhost",
        "localhost.localdomain",
        "localhost4",
        "localhost6",
        "ip6-localhost",
        "debian",
        "ubuntu",
        "raspberrypi",
        "openwrt",
        "router",
        "switch",
        "bogon",
    ]
)
_PHRASES: Final = frozenset(
    (
        "to be filled by o.e.m.",
        "to be filled by o.e.m",
        "to be filled by oem",
        "not specified",
        "not available",
        "not applicable",
        "not provided",
        "not set",
        "not present",
        "no asset information",
        "no asset tag",
        "no serial",
        "no enclosure",
        "default string",
        "system serial number",
        "system product name",
        "chassis serial number",
        "base board serial number",
        "board serial number",
        "serial number",
        "asset tag",
        "asset-1234567890",
        "asset tag to be filled by o.e.m.",
        "type1productconfigid",
        "oem_serial",
        "sernum0",
        "ssn12345678901234567",
        "mb-1234567890",
        "system_serial",
        "no dimm",
        "empty slot",
        "03000200-0400-0500-0006-000700080009",
        "00020003-0004-0005-0006-000700080009",
        "12345678-1234-5678-90ab-cddeefaabbcc",
        "fefefefe-fefe-fefe-fefe-fefefefefefe",
        "4c4c4544-0000-2010-8020-80c04f202020",
    )
)
_COUNTING: Final = (
    frozenset("0123456789"[:n] for n in range(3, 11))
    | frozenset("1234567890"[:n] for n in range(3, 11))
    | {"1234567890abcdef", "0123456789abcdef"}
)
_BEGINNINGS: Final = frozenset(("", "0", "1"))
_UNTELLING: Final = ("0", "127.", "169.254.", "22", "23")
"""How IPv4 addresses begin that have to be looked at."""
MOST_SEPARATORS: Final = 4
_PUNCTUATION: Final = re.compile(r"[\s.:_\-/*#?'\"]+")


def is_placeholder(value: str) -> bool:
    """Whether a text value of an identifying attribute identifies nothing.

    Empty, a placeholder phrase, one character over and over (whatever the separators:
    ``00:00:00:00:00:00``), or digits that only count up.
    """
    text = value.strip().lower()
    if text in _PHRASES or text in _WORDS:
        return True
    if text[:1] not in _BEGINNINGS and len(set(text)) > MOST_SEPARATORS:
        return False  # neither counts up nor repeats one character: by far the most frequent
    bare = _PUNCTUATION.sub("", text)
    return len(set(bare)) <= 1 or bare in _COUNTING


def is_telling_address(value: str) -> bool:
    """Whether an IP address can tell one host from another: no loopback, link-local or empty one."""
    if ":" not in value and not value.startswith(_UNTELLING):
        return True
    address = ipaddress.ip_address(value)
    return not (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
    )


def is_telling(kind: str, value: Any) -> bool:
    """Whether a canonical value of an attribute kind can take part in identification."""
    if kind == "ip_address":
        return is_telling_address(value)
    if kind == "reference":
        return True
    return not (isinstance(value, str) and is_placeholder(value))
