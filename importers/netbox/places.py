"""Places, tenants and contacts of a NetBox export: regions, sites, locations, racks, power, parties."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from cmdb.reconciliation.observations import Link, Observation
from importers.netbox.common import Common, contact_type, location_type
from importers.netbox.endpoints import Entry, mention
from importers.values import said


def places(common: Common) -> Iterator[Observation]:
    """Regions, sites, locations and racks, each in what contains it."""
    export = common.export
    for entry in export.all("regions"):
        inside = common.link("CONTAINED_IN", entry.entry("parent", "regions"), "Region")
        yield _place(common, "Region", entry, inside)
    for entry in export.all("sites"):
        yield _site(
            common, entry, common.link("CONTAINED_IN", entry.entry("region", "regions"), "Region")
        )
    for entry in export.all("locations"):
        yield _location(common, entry)
    for entry in export.all("racks"):
        attributes = common.attributes(
            entry, "rack", rack_units=entry.whole("u_height"), serial_number=entry.text("serial")
        )
        links = common.links(entry, common.in_place(entry))
        yield Observation("Rack", entry.key, attributes, links, entry.place)


def _place(common: Common, type_: str, entry: Entry, inside: Link | None) -> Observation:
    attributes = common.attributes(entry, "general")
    return Observation(type_, entry.key, attributes, common.links(entry, inside), entry.place)


def _site(common: Common, entry: Entry, inside: Link | None) -> Observation:
    attributes = common.attributes(
        entry,
        "general",
        address=" ".join((entry.text("physical_address") or "").split())[:1000],
        latitude=entry.number("latitude"),
        longitude=entry.number("longitude"),
    )
    return Observation("Site", entry.key, attributes, common.links(entry, inside), entry.place)


def _location(common: Common, entry: Entry) -> Observation:
    parent = entry.entry("parent", "locations")
    inside = common.in_place(entry)
    if parent and (found := mention(parent, location_type(parent))):
        inside = Link("CONTAINED_IN", found)
    type_ = location_type(entry)
    return _site(common, entry, inside) if type_ == "Site" else _place(common, type_, entry, inside)


def power(common: Common) -> Iterator[Observation]:
    """Power panels, and the feeds that come from them."""
    for entry in common.export.all("power-panels"):
        links = common.links(entry, common.in_place(entry))
        yield Observation(
            "PowerPanel", entry.key, common.attributes(entry, "hardware"), links, entry.place
        )
    for entry in common.export.all("power-feeds"):
        voltage = entry.number("voltage")
        attributes = common.attributes(entry, "hardware", voltage=abs(voltage) if voltage else None)
        links = common.links(
            entry,
            common.link("CONTAINED_IN", entry.entry("rack", "racks"), "Rack"),
            common.link("POWERED_BY", entry.entry("power_panel", "power-panels"), "PowerPanel"),
        )
        yield Observation("PowerFeed", entry.key, attributes, links, entry.place)


def rack_units(value: float | None) -> int | None:
    """A height in whole units: what takes half a unit takes one."""
    return ceil(value) if value is not None else None


def parties(common: Common) -> Iterator[Observation]:
    """Tenants and their groups as departments; contacts as people and teams; providers as suppliers."""
    export = common.export
    for entry in export.all("tenant-groups", "tenants"):
        above = entry.entry("group" if entry.table == "tenants" else "parent", "tenant-groups")
        inside = common.link("PART_OF", above, "Department")
        attributes = said(
            name=entry.text("name"), description=entry.text("description"), tags=entry.tags()
        )
        yield Observation(
            "Department", entry.key, attributes, [inside] if inside else [], entry.place
        )
    for entry in export.all("contacts", "teams"):
        yield _contact(entry)
    for entry in export.all("providers"):
        attributes = said(
            name=entry.text("name"),
            description=entry.text("description"),
            tags=entry.tags(),
            website=_website(entry.text("portal_url")),
        )
        yield Observation("Supplier", entry.key, attributes, (), entry.place)


def _contact(entry: Entry) -> Observation:
    type_, email = contact_type(entry), entry.text("email")
    attributes = said(
        name=entry.text("name"),
        description=entry.text("description"),
        tags=entry.tags(),
        phone=entry.text("phone"),
        email=email if email and email.count("@") == 1 and "." in email.split("@")[1] else None,
        job_title=entry.text("title") if type_ == "Person" else None,
    )
    return Observation(type_, entry.key, attributes, (), entry.place)


def _website(url: str | None) -> str | None:
    return url if url and url.startswith(("http://", "https://")) and " " not in url else None
