"""Values as sources write them, made alike: what several importers need."""

from __future__ import annotations

import re
from typing import Any, Final

from cmdb.reconciliation.vendors import vendor

__all__ = ["mebibytes", "number", "plain_mac", "said", "split_hostname", "vendor"]

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
