"""What every NetBox object has: a status, a tenant, tags, contacts, a place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Final

from cmdb.reconciliation.observations import Link, Observation, Ref
from importers.netbox.endpoints import CONTENT_TYPES, Entry, Export, mention
from importers.values import said

_GENERAL: Final = {
    "planned": "planned",
    "planning": "planned",
    "staging": "planned",
    "provisioning": "planned",
    "reserved": "planned",
    "active": "in_use",
    "container": "in_use",
    "p2p": "in_use",
    "deprecated": "out_of_service",
    "offline": "out_of_service",
    "maintenance": "out_of_service",
    "decommissioning": "out_of_service",
    "deprovisioning": "out_of_service",
    "decommissioned": "retired",
    "retired": "retired",
}
_HARDWARE: Final = {
    "planned": "planned",
    "staged": "in_stock",
    "staging": "in_stock",
    "inventory": "in_stock",
    "active": "in_use",
    "offline": "in_repair",
    "failed": "in_repair",
    "maintenance": "in_repair",
    "decommissioning": "idle",
    "decommissioned": "idle",
    "retired": "idle",
}
_SOFTWARE: Final = {
    "planned": "planned",
    "staged": "in_test",
    "staging": "in_test",
    "active": "in_use",
    "offline": "suspended",
    "failed": "suspended",
    "paused": "suspended",
    "maintenance": "suspended",
    "decommissioning": "suspended",
    "decommissioned": "retired",
    "retired": "retired",
}
_ADDRESS: Final = {"active": "in_use", "reserved": "reserved"}

STATES: Final[Mapping[str, Mapping[str, str]]] = {
    "general": _GENERAL,
    # A rack that is available or reserved stands there; only what else is said of it is a state.
    "rack": {k: v for k, v in _GENERAL.items() if k != "reserved"},
    "hardware": _HARDWARE,
    "software": _SOFTWARE,
    "address": _ADDRESS,
}
"""States of our state machines by the slugs of statuses of NetBox 4 and Nautobot 2. A status that is
not here (users make their own) says nothing."""

LOCATION_TYPES: Final = (
    (
        "Region",
        (
            "region",
            "country",
            "continent",
            "province",
            "state",
            "city",
            "market",
            "区域",
            "省",
            "市",
        ),
    ),
    (
        "Site",
        (
            "site",
            "campus",
            "data center",
            "data centre",
            "datacenter",
            "pop",
            "branch",
            "站点",
            "园区",
        ),
    ),
    ("Substation", ("substation", "变电站")),
    ("Building", ("building", "tower", "楼宇", "大楼", "号楼")),
    ("Floor", ("floor", "level", "storey", "楼层", "层")),
)
"""Record types by words in the name of a Nautobot location type, or of a NetBox location."""


def location_type(location: Entry) -> str:
    """The record type of a location: as its type says (Nautobot) or its own name (NetBox)."""
    kind = location.entry("location_type", "location-types")
    if kind is not None:
        return _by_words(kind.text("name", "display") or "", LOCATION_TYPES) or "Room"
    return _by_words(location.text("name") or "", LOCATION_TYPES[3:]) or "Room"


def _by_words(name: str, table: Iterable[tuple[str, Iterable[str]]]) -> str | None:
    text = f" {name.lower().replace('-', ' ').replace('_', ' ')} "
    for type_, words in table:
        if any((f" {word}" in text) if word.isascii() else word in text for word in words):
            return type_
    return None


class Common:
    """Answers about any object of an export; what it must look up twice, it keeps."""

    def __init__(self, export: Export) -> None:
        self.export = export

    def attributes(self, entry: Entry, machine: str, **more: Any) -> dict[str, Any]:
        """What all objects have, and more."""
        status = entry.choice("status") or ""
        attributes = said(
            name=entry.text("name"),
            description=entry.text("description"),
            tags=entry.tags(),
            lifecycle_state=STATES[machine].get(status),
        )
        return attributes | said(**more)

    def links(self, entry: Entry, *more: Link | None) -> list[Link]:
        """Its tenant, its contacts, and more."""
        links = [link for link in more if link]
        if tenant := self.link("organisation", entry.entry("tenant", "tenants"), "Department"):
            links.append(tenant)
        return links + self._contacts.get((entry.table, entry.id), [])

    def link(self, name: str, to: Entry | None, type_: str, **attributes: Any) -> Link | None:
        """A link to what a reference means."""
        found = mention(to, type_)
        return Link(name, found, said(**attributes)) if found else None

    def place(self, entry: Entry) -> Observation | Ref | None:
        """The smallest place that an object is said to be in: its location, else its site."""
        location = entry.entry("location", "locations")
        if location and (found := mention(location, location_type(location))):
            return found
        return mention(entry.entry("site", "sites"), "Site")

    def in_place(self, entry: Entry) -> Link | None:
        """(entry)-[:CONTAINED_IN]->(place)"""
        place = self.place(entry)
        return Link("CONTAINED_IN", place) if place else None

    @cached_property
    def _contacts(self) -> dict[tuple[str, str], list[Link]]:
        """(thing)-[:OPERATED_BY]->(contact), by thing."""
        found: dict[tuple[str, str], dict[str, Link]] = defaultdict(dict)
        for entry in self.export.all("contact-assignments", "contact-associations"):
            kind = entry.text("object_type", "content_type", "associated_object_type") or ""
            table = CONTENT_TYPES.get(kind)
            thing = entry.text("object_id", "associated_object_id")
            contact = entry.entry("contact", "contacts") or entry.entry("team", "teams")
            to = mention(contact, contact_type(contact)) if contact else None
            if table and thing and contact and to:
                found[table, thing].setdefault(contact.key, Link("OPERATED_BY", to))
        return {thing: list(links.values()) for thing, links in found.items()}


_TEAM_WORDS: Final = (
    (
        "team",
        (
            "team",
            "noc",
            "soc",
            "group",
            "desk",
            "support",
            "operations",
            "ops",
            "班",
            "组",
            "中心",
            "部",
        ),
    ),
)


def contact_type(contact: Entry) -> str:
    """Whether a contact is a team or, as most are, a person; NetBox keeps both in one table."""
    if contact.table == "teams" or _by_words(contact.text("name") or "", _TEAM_WORDS):
        return "Team"
    return "Person"
