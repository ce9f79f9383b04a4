"""Parts of the devices and virtual machines of a NetBox export: interfaces, ports, modules, inventory.

NetBox lets a front port and a rear port of a panel, or two inventory items of a device, have the same
name; here the parts of one device differ by their names, so the later kinds are told apart in brackets.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from ipaddress import ip_interface
from typing import Any, Final

from cmdb.reconciliation.observations import Link, Observation, Ref, Rejection
from importers.device_types import is_a
from importers.netbox.common import Common
from importers.netbox.endpoints import CONTENT_TYPES, Entry, mention
from importers.values import plain_mac, said, split_hostname, vendor

Place = tuple[str, str]
"""A table and the id of an object in it."""

PART_TYPES: Final[Mapping[str, str | None]] = {
    "interfaces": "NetworkInterface",
    "vm-interfaces": "NetworkInterface",
    "front-ports": "PatchPort",
    "rear-ports": "PatchPort",
    "console-ports": "ConsolePort",
    "console-server-ports": "ConsolePort",
    "power-ports": "PowerPort",
    "power-outlets": "PowerOutlet",
    "modules": None,
    "inventory-items": None,
}
"""Record types of parts by table; None where what is said of each decides."""

_QUALIFIERS: Final = {
    "rear-ports": "rear",
    "console-server-ports": "server",
    "modules": "module",
}

_ITEM_TYPES: Final = tuple(
    (type_, re.compile(pattern, re.I))
    for type_, pattern in (
        (
            "LineCard",
            r"network module|line ?card|supervisor|\bnim\b|carrier card|routing engine|板卡",
        ),
        ("Transceiver", r"\bq?sfp|\bxfp|\bgbic|\bcfp|transceiver|optic|光模块"),
        ("PowerSupply", r"power supply|\bpsu|\bpwr|\bps\d?\b|电源"),
        ("Fan", r"\bfans?\b|风扇"),
        ("MemoryModule", r"dimm|memory|\bram\b|内存"),
        ("Disk", r"\bssd|\bhdd|\bnvme|\bdisk|hard drive|硬盘"),
        ("GPU", r"\bgpu|graphics"),
        ("CPU", r"\bcpu|processor|xeon|epyc|处理器"),
        ("DiskController", r"raid|storage controller|\bhba\b"),
        ("NetworkCard", r"\bnic\b|network (card|adapter)|网卡"),
        ("Mainboard", r"mother ?board|main ?board|system board|主板"),
    )
)
"""Types of modules and inventory items by words in their role, name and model."""


class Components:
    """The parts of all devices and virtual machines of an export."""

    def __init__(self, common: Common) -> None:
        self.common, self.export = common, common.export

    def holder(self, part: Entry) -> Entry | None:
        """The device or virtual machine a part belongs to."""
        return part.entry("device", "devices") or part.entry("virtual_machine", "virtual-machines")

    def type_of(self, part: Entry) -> str:
        """The record type of a part."""
        if known := PART_TYPES.get(part.table):
            return known
        role, model = part.entry("role", "roles"), part.entry("module_type", "module-types")
        texts = (role.text("name") if role else "", part.text("name", "part_id"))
        words = (*texts, model.text("model", "display") if model else "", part.text("description"))
        for text in words:
            for type_, pattern in _ITEM_TYPES:
                if text and pattern.search(text):
                    return type_
        return "Module"

    def name_of(self, part: Entry) -> str:
        """A part's name, different from those of the other parts of its kind on the device."""
        return self._names.get((part.table, part.id)) or _plain_name(part) or part.id

    def of(self, holder: Entry, cables: Mapping[Place, list[Link]] | None = None) -> list[Link]:
        """(holder)-[:HAS_COMPONENT]->(part), each with its addresses, VLANs and cables."""
        found = []
        for part in self._parts.get((holder.table, holder.id), ()):
            links = self._links(part) + (cables or {}).get((part.table, part.id), [])
            observation = Observation(self.type_of(part), "", self._attributes(part), links)
            found.append(Link("HAS_COMPONENT", observation))
        return found

    def tables_of(self, holder: Entry) -> set[str]:
        """Which kinds of parts a device has."""
        return {part.table for part in self._parts.get((holder.table, holder.id), ())}

    def far(self, part: Entry) -> Observation | None:
        """A part of another device, to link to."""
        holder = self.holder(part)
        to = _holder_mention(holder)
        name = self.name_of(part)
        if to is None or not name:
            return None
        return Observation(self.type_of(part), "", {"name": name}, [Link("COMPONENT_OF", to)])

    def primary_address(self, holder: Entry) -> str | None:
        """The address a device or virtual machine is managed by."""
        for field in ("primary_ip", "primary_ip4", "primary_ip6"):
            if entry := holder.entry(field, "ip-addresses"):
                text = entry.text("address", "host", "display") or ""
                try:
                    return str(ip_interface(text).ip)
                except ValueError:
                    continue
        return None

    def strays(self) -> Iterator[Rejection]:
        """Parts whose device is not in the export: they cannot be kept."""
        lost: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        for part in self.export.all(*PART_TYPES):
            holder = self.holder(part)
            if holder is None or not holder.loaded:
                lost[part.table, holder.key if holder else "nothing"].append(part)
        for (table, key), parts in lost.items():
            what = f"{len(parts)} {table} belong to {key}, which is not in the export"
            yield Rejection(parts[0].place, what, parts[0].key)

    def _attributes(self, part: Entry) -> dict[str, Any]:
        type_, speed = self.type_of(part), part.number("speed")
        attributes = said(
            name=self.name_of(part), description=part.text("description"), tags=part.tags()
        )
        if type_ == "NetworkInterface":
            primary = part.fields.get("primary_mac_address")
            mac = primary.get("mac_address") if isinstance(primary, Mapping) else None
            enabled = part.fields.get("enabled")
            return attributes | said(
                mac_address=plain_mac(part.text("mac_address") or mac),
                speed_mbps=speed / 1000 if speed else None,
                interface_type=part.choice("type"),
                enabled=enabled if isinstance(enabled, bool) else None,
                mtu=part.whole("mtu"),
            )
        if part.table in ("modules", "inventory-items"):
            return attributes | _item_attributes(part)
        return attributes

    def _links(self, part: Entry) -> list[Link]:
        """(interface)-[:HAS_ADDRESS]->(address), (interface)-[:IN_NETWORK]->(vlan)"""
        addresses = self._addresses.get((part.table, part.id), {})
        links = [Link("HAS_ADDRESS", Ref(key)) for key in addresses]
        if part.table in ("interfaces", "vm-interfaces"):
            untagged = part.entry("untagged_vlan", "vlans")
            vlans = ([untagged] if untagged else []) + part.entries("tagged_vlans", "vlans")
            keys = dict.fromkeys(vlan.key for vlan in vlans if vlan.loaded)
            links += [Link("IN_NETWORK", Ref(key)) for key in keys]
        return links

    @cached_property
    def _parts(self) -> dict[Place, list[Entry]]:
        found: dict[Place, list[Entry]] = defaultdict(list)
        for part in self.export.all(*PART_TYPES):
            holder = self.holder(part)
            if holder is not None and holder.loaded:
                found[holder.table, holder.id].append(part)
        return found

    @cached_property
    def _names(self) -> dict[Place, str]:
        groups: dict[tuple[Any, str, str], list[Entry]] = defaultdict(list)
        for holder, parts in self._parts.items():
            for part in parts:
                groups[holder, self.type_of(part), _plain_name(part) or part.id].append(part)
        return {
            place: name
            for (_, _, name), group in groups.items()
            for place, name in _apart(name, group)
        }

    @cached_property
    def _addresses(self) -> dict[Place, dict[str, None]]:
        """Keys of the addresses of each interface, however the version of the API says it."""
        found: dict[Place, dict[str, None]] = defaultdict(dict)
        for address in self.export.all("ip-addresses"):
            table = CONTENT_TYPES.get(address.text("assigned_object_type") or "")
            id_ = address.text("assigned_object_id")
            if table and id_:
                found[table, id_][address.key] = None
            for field, table in (("interfaces", "interfaces"), ("vm_interfaces", "vm-interfaces")):
                for interface in address.entries(field, table):
                    found[interface.table, interface.id][address.key] = None
        for interface in self.export.all("interfaces", "vm-interfaces"):
            for address in interface.entries("ip_addresses", "ip-addresses"):
                if address.loaded:
                    found[interface.table, interface.id][address.key] = None
        for pair in self.export.all("ip-address-to-interface"):
            given = pair.entry("ip_address", "ip-addresses")
            bearer = pair.entry("interface", "interfaces") or pair.entry(
                "vm_interface", "vm-interfaces"
            )
            if given and given.loaded and bearer:
                found[bearer.table, bearer.id][given.key] = None
        return found


def _plain_name(part: Entry) -> str | None:
    """The name a part has in NetBox; a module is called by the bay it is in."""
    if part.table != "modules":
        return part.text("name")
    bay, model = part.entry("module_bay", "module-bays"), part.entry("module_type", "module-types")
    name = bay.text("name", "display") if bay else None
    return name or (model.text("model", "display") if model else None)


def _apart(name: str, group: list[Entry]) -> Iterator[tuple[Place, str]]:
    """Names that tell parts of one name apart; what is alone, or the plainest kind, keeps its own."""
    qualifiers = [
        _QUALIFIERS.get(part.table) or part.text("serial", "asset_tag") or part.id for part in group
    ]
    times = Counter(qualifiers)
    kept = next(
        (part for part in group if part.table not in (*_QUALIFIERS, "inventory-items")), None
    )
    for part, qualifier in zip(group, qualifiers, strict=True):
        if len(group) == 1 or part is kept:
            yield (part.table, part.id), name
        else:
            telling = qualifier if times[qualifier] == 1 else part.id
            yield (part.table, part.id), f"{name} ({telling})"


def _item_attributes(part: Entry) -> dict[str, Any]:
    model = part.entry("module_type", "module-types")
    maker = (model or part).entry("manufacturer", "manufacturers")
    bay = part.entry("module_bay", "module-bays")
    return said(
        serial_number=part.text("serial"),
        vendor=vendor(maker.text("name", "display")) if maker else None,
        model=model.text("model", "display") if model else None,
        part_number=model.text("part_number") if model else part.text("part_id"),
        slot=bay.text("name", "display") if bay else None,
    )


def _holder_mention(holder: Entry | None) -> Observation | Ref | None:
    if holder is None or holder.loaded:
        return mention(holder, "Host")
    name = holder.text("name", "display")
    attributes = said(name=name, **split_hostname(name))
    return Observation("Host", holder.key, attributes) if name else None


def can_power(type_: str) -> bool:
    """Whether (device)-[:POWERED_BY]->(one of this type) may be."""
    powering = (
        "UPS",
        "PDU",
        "PowerPanel",
        "TransferSwitch",
        "Generator",
        "BatteryBank",
        "BladeChassis",
    )
    return any(is_a(type_, each) for each in powering)
