"""Logical networks, circuits and virtual machines of a NetBox export."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface, ip_network

from cmdb.reconciliation.observations import Link, Observation
from importers.device_types import is_a
from importers.netbox.common import Common
from importers.netbox.components import Components
from importers.netbox.connections import Cabling
from importers.netbox.endpoints import Entry
from importers.values import split_hostname


def networks(common: Common) -> Iterator[Observation]:
    """VRFs, VLANs, prefixes and addresses."""
    export = common.export
    for entry in export.all("vrfs"):
        attributes = common.attributes(entry, "general", route_distinguisher=entry.text("rd"))
        yield Observation("VRF", entry.key, attributes, common.links(entry), entry.place)
    for entry in export.all("vlans"):
        group = entry.entry("group", "vlan-groups") or entry.entry("vlan_group", "vlan-groups")
        group = group or entry.entry("site", "sites") or entry.entry("location", "locations")
        attributes = common.attributes(
            entry,
            "general",
            vlan_id=entry.whole("vid"),
            vlan_group=group.text("name", "display") if group else None,
        )
        yield Observation("VLAN", entry.key, attributes, common.links(entry), entry.place)
    for entry in export.all("prefixes"):
        yield _prefix(common, entry)
    for entry in export.all("ip-addresses"):
        yield _address(common, entry)


def _vrf(entry: Entry) -> Entry | None:
    """Its VRF; Nautobot 2 lists several, and the first is taken."""
    return entry.entry("vrf", "vrfs") or next(iter(entry.entries("vrfs", "vrfs")), None)


def _prefix(common: Common, entry: Entry) -> Observation:
    vrf, network = _vrf(entry), str(ip_network(entry.text("prefix") or ""))
    attributes = common.attributes(
        entry, "general", name=network, network=network, vrf_name=vrf.text("name") if vrf else None
    )
    links = common.links(
        entry,
        common.link("IN_NETWORK", vrf, "VRF"),
        common.link("IN_NETWORK", entry.entry("vlan", "vlans"), "VLAN"),
    )
    return Observation("Subnet", entry.key, attributes, links, entry.place)


def _address(common: Common, entry: Entry) -> Observation:
    vrf, address = _vrf(entry), ip_interface(entry.text("address") or "")
    attributes = common.attributes(
        entry,
        "address",
        name=str(address.ip),
        ip_address=str(address.ip),
        prefix_length=address.network.prefixlen,
        vrf_name=vrf.text("name") if vrf else None,
    )
    name = (entry.text("dns_name") or "").rstrip(".").lower()
    resolved = None
    if name:  # (domain name)-[:RESOLVES_TO]->(address)
        known = Observation("DomainName", f"dns/{name}", {"name": name, "fqdn": name})
        resolved = Link("RESOLVED_FROM", known)
    links = common.links(entry, common.link("IN_NETWORK", vrf, "VRF"), resolved)
    return Observation("IPAddress", entry.key, attributes, links, entry.place)


def circuits(common: Common, cabling: Cabling) -> Iterator[Observation]:
    """Circuits, with those of their cables that lead to no device."""
    for entry in common.export.all("circuits"):
        rate = entry.number("commit_rate")
        attributes = common.attributes(
            entry,
            "general",
            name=entry.text("cid"),
            circuit_number=entry.text("cid"),
            bandwidth_mbps=rate / 1000 if rate else None,
            commissioned_on=(entry.text("install_date") or "")[:10],
        )
        links = common.links(
            entry, common.link("SUPPLIED_BY", entry.entry("provider", "providers"), "Supplier")
        )
        links += cabling.of(entry)
        yield Observation("Circuit", entry.key, attributes, links, entry.place)


def virtual_machines(
    common: Common, components: Components, types: dict[str, str]
) -> Iterator[Observation]:
    """Clusters on the devices that carry them, and virtual machines.

    Parameters
    ----------
    types
        Record types of the devices, by id.
    """
    hosts: dict[str, list[Entry]] = {}
    for device in common.export.all("devices"):
        for cluster in _clusters(device):
            hosts.setdefault(cluster.id, []).append(device)
    for entry in common.export.all("clusters"):
        carried = [_runs_on(device, types, common) for device in hosts.get(entry.id, [])]
        attributes = common.attributes(entry, "software")
        links = common.links(entry, *carried)
        yield Observation("VirtualisationCluster", entry.key, attributes, links, entry.place)
    for entry in common.export.all("virtual-machines"):
        yield _virtual_machine(common, components, types, entry)


def _clusters(device: Entry) -> list[Entry]:
    one = device.entry("cluster", "clusters")
    return [one] if one else device.entries("clusters", "clusters")


def _runs_on(device: Entry | None, types: dict[str, str], common: Common) -> Link | None:
    """(cluster or virtual machine)-[:RUNS_ON]->(device), if it is one that can carry them."""
    type_ = types.get(device.id, "") if device else ""
    if not type_ or not (is_a(type_, "Computer") or is_a(type_, "NetworkDevice")):
        return None
    return common.link("RUNS_ON", device, type_)


def _virtual_machine(
    common: Common, components: Components, types: dict[str, str], entry: Entry
) -> Observation:
    device, platform = entry.entry("device", "devices"), entry.entry("platform", "platforms")
    attributes = common.attributes(
        entry,
        "software",
        **split_hostname(entry.text("name")),
        cpu_count=entry.whole("vcpus"),
        memory_mib=entry.whole("memory"),
        management_ip=components.primary_address(entry),
        os_name=platform.text("name", "display") if platform else None,
        host_name=device.text("name") if device else None,
    )
    links = common.links(
        entry,
        common.link("RUNS_ON", entry.entry("cluster", "clusters"), "VirtualisationCluster"),
        _runs_on(device, types, common),
    )
    links += components.of(entry)
    return Observation("VirtualMachine", entry.key, attributes, links, entry.place)
