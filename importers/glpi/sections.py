"""Sections of a GLPI inventory: lists of objects, read whatever else stands in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

from cmdb.reconciliation.observations import Link, Rejection
from importers.machines import ip_address, text

SECTIONS: Final = (
    *(
        "cpus",
        "memories",
        "storages",
        "networks",
        "softwares",
        "virtualmachines",
        "monitors",
        "printers",
    ),
    *("logical_volumes", "network_ports", "network_components", "firmwares"),
)
"""The lists that are read; ``logical_volumes`` are only counted."""


def rows(content: Mapping[str, Any], section: str) -> list[Mapping[str, Any]]:
    """The objects of a section; an agent writes a single one without the list."""
    value = content.get(section)
    if isinstance(value, dict):
        return [value]
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def malformed(content: Mapping[str, Any], place: str) -> Iterator[Rejection]:
    """What stands in the sections that are read, and is not what belongs there."""
    for section in SECTIONS:
        value = content.get(section)
        if value is not None and not isinstance(value, list | dict):
            yield Rejection(f"{place} {section}", "is not a list")
        elif isinstance(value, list):
            for number, row in enumerate(value, 1):
                if not isinstance(row, dict):
                    yield Rejection(f"{place} {section} {number}", "is not an object")


def first(*values: Any) -> str | None:
    """The first that says something."""
    return next((found for value in values if (found := text(value))), None)


def telling_serial(value: Any) -> str | None:
    """A serial number that is more than one character over and over."""
    plain = text(value)
    return plain if plain and len({c for c in plain if c.isalnum()}) > 1 else None


def positive(value: Any) -> float | None:
    """A number above zero, given as such or as text; None for others (``-1`` is "not known")."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(str(value)[:40].split()[0]) if str(value).strip() else 0
    except ValueError:
        return None
    return number if 0 < number < 1e15 else None


def address(value: Any, prefix: int | None = None) -> Link | None:
    """A link to an IP address; None for what says nothing to others (loopback, link-local)."""
    found = ip_address(value, prefix)
    return Link("HAS_ADDRESS", found) if found else None


def day(value: Any) -> str | None:
    """A date; None for what is none."""
    try:
        return date.fromisoformat(value[:10]).isoformat() if isinstance(value, str) else None
    except ValueError:
        return None
