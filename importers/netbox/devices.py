"""The devices of a NetBox export: what each is, where it stands, what it is made of, what powers it."""

from __future__ import annotations

from collections.abc import Iterator

from cmdb.reconciliation.observations import Link, Observation
from importers.device_types import fitting, is_a, type_by_model, type_by_role
from importers.netbox.common import Common
from importers.netbox.components import Components
from importers.netbox.connections import Cabling
from importers.netbox.endpoints import Entry, mention
from importers.netbox.places import rack_units
from importers.values import said, split_hostname, vendor


def device_types(common: Common, components: Components) -> dict[str, str]:
    """The record type of each device, by id."""
    return {entry.id: _type(entry, components) for entry in common.export.all("devices")}


def _type(device: Entry, components: Components) -> str:
    """By its role, else by its model, else by the parts it has."""
    role = device.entry("role", "device-roles") or device.entry("device_role", "device-roles")
    names = (role.text("name"), role.text("slug"), role.text("display")) if role else ()
    maker, model = _made(device)
    known = type_by_role(*names) or type_by_model(f"{maker or ''} {model or ''}")
    if known:
        return known
    tables = components.tables_of(device)
    if "power-outlets" in tables:
        return "PDU"
    if tables & {"front-ports", "rear-ports"} and "interfaces" not in tables:
        return "PatchPanel"
    return "NetworkDevice"


def _made(device: Entry) -> tuple[str | None, str | None]:
    """Maker and model."""
    model = device.entry("device_type", "device-types")
    maker = model.entry("manufacturer", "manufacturers") if model else None
    return (maker.text("name", "display") if maker else None), (
        model.text("model", "display") if model else None
    )


def devices(
    common: Common, components: Components, cabling: Cabling, types: dict[str, str]
) -> Iterator[Observation]:
    """The devices, with their parts and cables."""
    bays = _bays(common)
    for entry in common.export.all("devices"):
        type_ = types[entry.id]
        links = common.links(entry, _inside(common, entry, types, bays))
        links += components.of(entry, cabling.links)
        for source, outlets in cabling.power(entry).items():
            if link := cabling.powering_link(source, outlets, types):
                links.append(link)
        yield Observation(
            type_, entry.key, _attributes(common, components, entry, type_), links, entry.place
        )


def _attributes(
    common: Common, components: Components, entry: Entry, type_: str
) -> dict[str, object]:
    maker, model = _made(entry)
    made, platform = (
        entry.entry("device_type", "device-types"),
        entry.entry("platform", "platforms"),
    )
    serial, asset = entry.text("serial"), entry.text("asset_tag")
    fallback = " ".join(text for text in (model or "device", serial or asset or entry.id) if text)
    attributes = common.attributes(
        entry,
        "hardware",
        **split_hostname(entry.text("name")),
        name=entry.text("name") or fallback,
        serial_number=serial,
        asset_number=asset,
        vendor=vendor(maker),
        model=model,
        part_number=made.text("part_number") if made else None,
        rack_height=rack_units(made.number("u_height")) if made else None,
        management_ip=components.primary_address(entry),
        os_name=platform.text("name", "display") if platform else None,
    )
    return fitting(type_, attributes)


def _bays(common: Common) -> dict[str, tuple[Entry, str | None]]:
    """What device each installed device is in, and the name of its bay."""
    found = {}
    for bay in common.export.all("device-bays"):
        inner, outer = bay.entry("installed_device", "devices"), bay.entry("device", "devices")
        if inner and outer and outer.loaded:
            found[inner.id] = (outer, bay.text("name"))
    return found


def _inside(
    common: Common, entry: Entry, types: dict[str, str], bays: dict[str, tuple[Entry, str | None]]
) -> Link | None:
    """(device)-[:CONTAINED_IN]->(chassis, rack, room or site): the nearest that is known."""
    outer, slot = bays.get(entry.id, (entry.entry("parent_device", "devices"), None))
    if outer and outer.loaded and outer.id != entry.id and _can_contain(types.get(outer.id, "")):
        return common.link("CONTAINED_IN", outer, types[outer.id], slot=slot)
    rack = entry.entry("rack", "racks")
    if rack is None:
        return common.in_place(entry)
    found = mention(rack, "Rack")
    if isinstance(found, Observation):  # a rack that is only mentioned is told apart by its place
        inside = common.in_place(entry)
        found.links = [inside] if inside else []
    position = entry.whole("position")
    return Link("CONTAINED_IN", found, said(rack_position=position or None)) if found else None


def _can_contain(type_: str) -> bool:
    containers = ("Computer", "NetworkDevice", "StorageDevice", "BladeChassis")
    return bool(type_) and any(is_a(type_, container) for container in containers)
