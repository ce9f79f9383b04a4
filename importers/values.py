"""Values as sources write them, made alike: what several importers need."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import yaml

_VENDORS: Final = """
Dell: [dell inc., dell inc, dell computer corporation, dell emc, dell technologies, 戴尔]
HPE: [hp, hewlett-packard, hewlett packard, hewlett packard enterprise, "hewlett-packard company", 惠普]
Lenovo: [lenovo group limited, ibm/lenovo, 联想]
IBM: [international business machines, ibm corp., ibm corporation]
Huawei: [huawei technologies co., "huawei technologies co., ltd.", "huawei technologies co., ltd", 华为]
H3C: [new h3c, hangzhou h3c technologies, "new h3c technologies co., ltd.", "hangzhou h3c technologies co., ltd.", hangzhou h3c tech. co., 新华三]
Inspur: [inspur electronic information industry co., 浪潮]
Sugon: [dawning, 曙光]
ZTE: [zte corporation, 中兴]
Cisco: [cisco systems, "cisco systems, inc.", "cisco systems inc", cisco systems inc., 思科]
Juniper: [juniper networks, "juniper networks, inc."]
Arista: [arista networks]
Supermicro: [super micro computer, "super micro computer, inc.", super micro]
QCT: [quanta computer inc, quanta cloud technology inc., quanta]
Intel: [intel corporation, intel corp., intel(r) corporation, genuineintel]
AMD: [advanced micro devices, "advanced micro devices [amd]", "advanced micro devices, inc.", authenticamd]
Samsung: [samsung electronics]
Micron: [micron technology]
"SK hynix": [hynix, hynix semiconductor, sk hynix inc., hyundai]
Seagate: [seagate technology]
"Western Digital": [wdc, western digital corporation]
APC: [american power conversion, apc by schneider electric, schneider electric (apc)]
VMware: ["vmware, inc.", vmware inc.]
QEMU: [qemu corporation]
Microsoft: [microsoft corporation]
Google: [google inc., google llc]
Amazon: [amazon ec2, amazon.com]
"""


@lru_cache(maxsize=1)
def _vendor_names() -> dict[str, str]:
    found: dict[str, str] = {}
    for name, others in yaml.safe_load(_VENDORS).items():
        found |= {other.lower(): name for other in (*others, name)}
    return found


def vendor(value: Any) -> str | None:
    """A maker's usual short name; one that is not known stays as it is."""
    text = " ".join(str(value).split()) if value else ""
    return _vendor_names().get(text.lower(), text) or None


_HOST = re.compile(r"[^\s/:@]+")


def split_hostname(value: Any) -> dict[str, str]:
    """``hostname`` (its first label, lower case) and, where there is one, ``domain``.

    Addresses and what no host can be called give nothing.
    """
    text = str(value or "").strip().rstrip(".").lower()
    if not text or not _HOST.fullmatch(text) or re.fullmatch(r"[\d.]+|[0-9a-f:]+:[0-9a-f:]*", text):
        return {}
    host, _, domain = text.partition(".")
    return {"hostname": host, "domain": domain} if domain else {"hostname": host}


def number(value: Any) -> float | None:
    """The first number in a text such as ``2400 MHz``; None where there is none."""
    match = re.search(r"-?\d+(?:\.\d+)?", str(value)) if value is not None else None
    return float(match[0]) if match else None


_UNITS: Final = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def mebibytes(value: Any) -> int | None:
    """A size such as ``16 GB``, ``16384 MiB`` or ``16GiB`` in MiB (memory sizes are powers of two)."""
    match = re.fullmatch(
        r"\s*(\d+(?:\.\d+)?)\s*([bkmgtp]?)i?b?(?:ytes)?\s*", str(value or ""), re.I
    )
    if match is None:
        return None
    return round(float(match[1]) * 1024.0 ** (_UNITS[match[2].lower()] - 2))


def plain_mac(value: Any) -> str | None:
    """A MAC address that can tell an interface from another, as ``00:1a:…``; else None."""
    digits = re.sub(r"[^0-9a-f]", "", str(value or "").lower())
    if len(digits) != 12 or len(set(digits)) == 1:
        return None
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def said(**attributes: Any) -> dict[str, Any]:
    """Attributes that have a value."""
    return {name: v for name, v in attributes.items() if v is not None and v != "" and v != []}
