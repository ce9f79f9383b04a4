"""The answers of NetBox's and Nautobot's REST API as tables: which endpoint gives what.

Both exist in several versions that differ in where things are: the objects of an endpoint refer to
others as ``{"id": 1, "url": …, "name": …}`` (NetBox), ``{"id": …, "url": …}`` (Nautobot 2), or a bare
id. `Entry` hides that: what a reference means is looked up among all objects of the export.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_interface, ip_network
from typing import Any, Final, Literal

from cmdb.reconciliation.observations import Observation, Ref, Rejection
from importers.reading import Document
from importers.values import said

APPS: Final[Mapping[str, Sequence[str]]] = {
    "dcim": [
        "regions",
        "sites",
        "locations",
        "location-types",
        "racks",
        "manufacturers",
        "device-types",
        "device-roles",
        "platforms",
        "devices",
        "module-types",
        "module-bays",
        "modules",
        "interfaces",
        "front-ports",
        "rear-ports",
        "console-ports",
        "console-server-ports",
        "power-ports",
        "power-outlets",
        "power-panels",
        "power-feeds",
        "device-bays",
        "inventory-items",
        "cables",
    ],
    "virtualization": ["clusters", "virtual-machines", "interfaces"],
    "ipam": ["vrfs", "vlan-groups", "vlans", "prefixes", "ip-addresses", "ip-address-to-interface"],
    "circuits": ["providers", "circuits", "circuit-terminations"],
    "tenancy": ["tenant-groups", "tenants", "contacts", "contact-assignments"],
    "extras": ["statuses", "roles", "contacts", "teams", "contact-associations"],
}
"""The endpoints that are read, by the first part of their path."""

CONTENT_TYPES: Final = {
    "dcim.region": "regions",
    "dcim.site": "sites",
    "dcim.location": "locations",
    "dcim.rack": "racks",
    "dcim.device": "devices",
    "dcim.interface": "interfaces",
    "dcim.frontport": "front-ports",
    "dcim.rearport": "rear-ports",
    "dcim.consoleport": "console-ports",
    "dcim.consoleserverport": "console-server-ports",
    "dcim.powerport": "power-ports",
    "dcim.poweroutlet": "power-outlets",
    "dcim.powerfeed": "power-feeds",
    "dcim.powerpanel": "power-panels",
    "circuits.circuit": "circuits",
    "circuits.circuittermination": "circuit-terminations",
    "circuits.provider": "providers",
    "virtualization.cluster": "clusters",
    "virtualization.virtualmachine": "virtual-machines",
    "virtualization.vminterface": "vm-interfaces",
    "tenancy.tenant": "tenants",
}
"""How the API names the kind of object that a cable, an address or a contact is assigned to."""

_UNNAMED: Final = {
    "devices": None,
    "modules": None,
    "cables": None,
    "circuit-terminations": None,
    "contact-assignments": None,
    "contact-associations": None,
    "ip-address-to-interface": None,
    "circuits": "cid",
    "device-types": "model",
    "module-types": "model",
    "prefixes": "prefix",
    "ip-addresses": "address",
}
"""Endpoints whose objects need no name, or bear it in another field."""

_URL: Final = re.compile(r"/api/([a-z]+)/([a-z-]+)/([^/?]+)/?(?:\?.*)?$")
_PAGE: Final = re.compile(r"(?:[/.-](?:page[/.-]?)?\d+)+$")
_IN_APP: Final = re.compile(rf"(?:.*[/.-])?(?P<app>{'|'.join(APPS)})[/.-](?P<endpoint>[a-z-]+)")
_ALONE: Final = re.compile(r"(?:.*/)?(?P<endpoint>[a-z-]+)")


def table_of(app: str | None, endpoint: str) -> str | None:
    """What a path's table is called here; None for what is not read."""
    if endpoint == "vm-interfaces" or (app == "virtualization" and endpoint == "interfaces"):
        return "vm-interfaces"
    if app is None:
        return endpoint if any(endpoint in names for names in APPS.values()) else None
    return endpoint if endpoint in APPS.get(app, ()) else None


@lru_cache(maxsize=1024)
def table_by_file(name: str) -> str | None:
    """The table that a file's path names: ``dcim/devices.json``, ``dcim-devices-2.json``."""
    path = _PAGE.sub("", name.lower().removesuffix(".json").replace("_", "-"))
    if match := _IN_APP.fullmatch(path):
        return table_of(match["app"], match["endpoint"])
    match = _ALONE.fullmatch(path)
    return table_of(None, match["endpoint"]) if match else None


def table_by_url(url: Any) -> str | Literal[False] | None:
    """The table of an object's own address; None for one that is not read, False for no address."""
    match = _URL.search(url) if isinstance(url, str) else None
    return table_of(match[1], match[2]) if match else False


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """An object of the API: one that was read, or what another one says of it in passing.

    Attributes
    ----------
    loaded
        Whether the object itself is in the export.
    """

    export: Export
    table: str
    id: str
    fields: Mapping[str, Any]
    place: str
    loaded: bool = True

    @property
    def key(self) -> str:
        return f"{self.table}/{self.id}"

    def text(self, *names: str) -> str | None:
        """The first of some fields that is a text or a number."""
        for name in names:
            value = self.fields.get(name)
            plain = isinstance(value, str | int | float) and not isinstance(value, bool)
            if plain and (text := str(value).strip()):
                return text
        return None

    def number(self, name: str) -> float | None:
        text = self.text(name)
        try:
            value = float(text) if text else None
        except ValueError:
            return None
        return value if value is not None and abs(value) < 1e15 else None

    def whole(self, name: str) -> int | None:
        value = self.number(name)
        return int(value) if value is not None else None

    def choice(self, name: str, table: str = "statuses") -> str | None:
        """The value of a field that takes one of several: ``{"value": "active", "label": …}``."""
        value = self.fields.get(name)
        if isinstance(value, Mapping):
            plain = Entry(self.export, table, "", value, self.place, False).text(
                "value", "slug", "name"
            )
            if plain is None and (entry := self.entry(name, table)):
                plain = entry.text("slug", "name")
        else:
            plain = self.text(name)
        return plain.lower() if plain else None

    def entry(self, name: str, table: str) -> Entry | None:
        """The object that a field refers to."""
        return self.export.meant(self.fields.get(name), table, self.place)

    def entries(self, name: str, table: str) -> list[Entry]:
        """The objects that a field lists."""
        found = (
            self.export.meant(value, table, self.place) for value in items(self.fields.get(name))
        )
        return [entry for entry in found if entry]

    def tags(self) -> list[str]:
        """The names of its tags."""
        names = (
            tag.get("name") if isinstance(tag, Mapping) else tag
            for tag in items(self.fields.get("tags"))
        )
        return [name for name in names if isinstance(name, str) and name]


class Export:
    """Everything of one export, by table and id."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, Entry]] = {}
        self.recognised = 0

    def read(self, document: Document) -> Iterator[Rejection]:
        """Take in a file; what it holds that cannot be used is rejected."""
        content = document.json()
        rows = content.get("results") if isinstance(content, dict) else content
        if not isinstance(rows, list):
            yield Rejection(
                document.name, "is neither a list of objects nor an object with results"
            )
            return
        by_file = table_by_file(document.name)
        for number, row in enumerate(rows, 1):
            place = f"{document.name} object {number}"
            table = table_by_url(row.get("url")) if isinstance(row, dict) else False
            table = by_file if table is False else table
            self.recognised += bool(table)
            if not isinstance(row, dict):
                yield Rejection(place, "is not an object")
            elif isinstance(table, str) and (complaint := self._add(table, row, place)):
                yield complaint

    def _add(self, table: str, row: Mapping[str, Any], place: str) -> Rejection | None:
        entry = Entry(self, table, _id(row.get("id")) or "", row, place)
        if not entry.id:
            return Rejection(place, "has no id")
        name = _UNNAMED.get(table, "name")
        if name and not entry.text(name):
            return Rejection(place, f"has no {name}", entry.key)
        if table in _CHECKS and (complaint := _CHECKS[table](entry)):
            return Rejection(place, complaint, entry.key)
        self._tables.setdefault(table, {})[entry.id] = entry
        return None

    def all(self, *tables: str) -> Iterator[Entry]:
        """The objects of some tables, in the order they were read."""
        for table in tables:
            yield from self._tables.get(table, {}).values()

    def get(self, table: str, id_: str) -> Entry | None:
        return self._tables.get(table, {}).get(id_)

    def meant(self, value: Any, table: str, place: str) -> Entry | None:
        """The object a reference means: the one in the export, else what the reference says of it."""
        brief = value if isinstance(value, Mapping) else {}
        found = table_by_url(brief.get("url"))
        table = found if isinstance(found, str) else table
        id_ = _id(brief.get("id") if brief else value)
        if id_ is None:
            return None
        return self.get(table, id_) or Entry(self, table, id_, brief, place, loaded=False)


def mention(entry: Entry | None, type_: str, name: str = "name") -> Observation | Ref | None:
    """What to link to for a reference: the object's statement, else what is known of it by name."""
    if entry is None or entry.loaded:
        return Ref(entry.key) if entry else None
    called = entry.text(name, "display")
    return Observation(type_, entry.key, said(name=called)) if called else None


def items(value: Any) -> list[Any]:
    """A list; empty for anything else."""
    return value if isinstance(value, list) else []


def _id(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value) or None


def _check_address(entry: Entry) -> str | None:
    try:
        ip_interface(entry.text("address") or "")
    except ValueError:
        return "has an address that is none"
    return None


def _check_prefix(entry: Entry) -> str | None:
    try:
        ip_network(entry.text("prefix") or "")
    except ValueError:
        return "has a prefix that is no network"
    return None


def _check_vlan(entry: Entry) -> str | None:
    vid = entry.whole("vid")
    return None if vid is not None and 1 <= vid <= 4094 else "has no VLAN number from 1 to 4094"


_CHECKS: Final = {
    "ip-addresses": _check_address,
    "prefixes": _check_prefix,
    "vlans": _check_vlan,
}
