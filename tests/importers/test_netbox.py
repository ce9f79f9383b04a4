"""Exports of NetBox and Nautobot."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cmdb.reconciliation.observations import Ref, SourceError
from cmdb.reconciliation.statements import Claim, Subject
from importers.netbox.common import Common
from importers.netbox.components import Components
from importers.netbox.connections import Cabling
from importers.netbox.endpoints import Export, table_by_file
from importers.reading import documents
from tests.support.mutilating import mutilated_once
from tests.support.nautobot_dump import write_api_files
from tests.support.observing import Observed, shared_data

Tables = dict[str, list[dict[str, Any]]]


def brief(path: str, id_: int, **more: Any) -> dict[str, Any]:
    return {"id": id_, "url": f"https://netbox.example/api/{path}/{id_}/", "display": "?", **more}


def choice(value: str) -> dict[str, str]:
    return {"value": value, "label": value.title()}


def device(id_: int, name: str | None, role: str, type_: int, **more: Any) -> dict[str, Any]:
    roles = {"server": 1, "pdu": 2, "patch-panel": 3, "access-switch": 4, "odd": 5}
    return {
        **brief("dcim/devices", id_, name=name),
        "role": brief("dcim/device-roles", roles[role], name=role, slug=role),
        "device_type": brief("dcim/device-types", type_),
        "status": choice("active"),
        "site": brief("dcim/sites", 1, name="Site A"),
        "rack": brief("dcim/racks", 1, name="R1"),
        "position": 10.0,
        "custom_fields": {"root_password": "custom-secret"},
        "config_context": {"snmp": "context-secret"},
        "comments": "password: comment-secret",
        **more,
    }


def part(path: str, id_: int, holder: int, name: str, **more: Any) -> dict[str, Any]:
    return {
        **brief(f"dcim/{path}", id_, name=name),
        "device": brief("dcim/devices", holder),
        **more,
    }


def cable(id_: int, a: tuple[str, int], b: tuple[str, int], **more: Any) -> dict[str, Any]:
    sides = {
        f"{side}_terminations": [{"object_type": f"dcim.{kind}", "object_id": end, "object": {}}]
        for side, (kind, end) in (("a", a), ("b", b))
    }
    connected = {"status": choice("connected"), "type": "cat6", "label": f"C{id_}"}
    return {**brief("dcim/cables", id_), **sides, **connected, **more}


def netbox_4() -> Tables:
    """A server and a switch, joined through two patch panels; a PDU on a feed; a machine in a cluster."""
    maker = {"manufacturer": brief("dcim/manufacturers", 1, name="Dell Inc.")}
    return {
        "dcim/regions": [
            brief("dcim/regions", 1, name="North"),
            brief("dcim/regions", 2, name="City", parent=brief("dcim/regions", 1)),
        ],
        "dcim/sites": [
            {
                **brief("dcim/sites", 1, name="Site A"),
                "region": brief("dcim/regions", 2),
                "status": choice("active"),
                "latitude": "31.2",
                "longitude": 121.5,
                "physical_address": "1 Road\nCity",
                "tenant": brief("tenancy/tenants", 1, name="IT"),
            }
        ],
        "dcim/locations": [
            {**brief("dcim/locations", 1, name="Building 1"), "site": brief("dcim/sites", 1)},
            {
                **brief("dcim/locations", 2, name="Hall 2"),
                "site": brief("dcim/sites", 1),
                "parent": brief("dcim/locations", 1),
            },
        ],
        "dcim/racks": [
            {
                **brief("dcim/racks", 1, name="R1"),
                "location": brief("dcim/locations", 2),
                "u_height": 42,
                "serial": "RS1",
                "status": choice("reserved"),
            }
        ],
        "dcim/device-types": [
            {
                **brief("dcim/device-types", 1, model="PowerEdge R650"),
                **maker,
                "u_height": 1.0,
                "part_number": "PN1",
            },
            {**brief("dcim/device-types", 2, model="Panel 24"), **maker, "u_height": 0.5},
        ],
        "dcim/platforms": [brief("dcim/platforms", 1, name="Debian 12")],
        "dcim/devices": [
            device(
                1,
                "db-01.example.org",
                "server",
                1,
                serial="SN1",
                asset_tag="A1",
                platform=brief("dcim/platforms", 1),
                primary_ip=brief("ipam/ip-addresses", 1, address="10.0.0.5/24"),
                cluster=brief("virtualization/clusters", 1),
            ),
            device(
                2,
                "sw-01",
                "access-switch",
                2,
                status=choice("staged"),
                tags=[brief("extras/tags", 1, name="core")],
            ),
            device(3, "pp-1", "patch-panel", 2),
            device(4, "pp-2", "patch-panel", 2),
            device(5, "pdu-1", "pdu", 2, status=choice("something else")),
            device(6, None, "odd", 2, serial="SN6", rack=None),
        ],
        "dcim/interfaces": [
            part(
                "interfaces",
                1,
                1,
                "eno1",
                type=choice("1000base-t"),
                enabled=True,
                mtu=1500,
                mac_address="00:1A:2B:3C:4D:5E",
                speed=1000000,
                untagged_vlan=brief("ipam/vlans", 1),
            ),
            part("interfaces", 2, 2, "Gi1/0/1", type=choice("1000base-t"), enabled=False),
            part("interfaces", 3, 1, "eno2"),
            part("interfaces", 4, 2, "Gi1/0/2"),
            part("interfaces", 5, 2, "Gi1/0/3"),
        ],
        "dcim/rear-ports": [
            part("rear-ports", 1, 3, "1", positions=2),
            part("rear-ports", 2, 4, "1", positions=2),
        ],
        "dcim/front-ports": [
            part(
                "front-ports",
                1,
                3,
                "1",
                rear_port=brief("dcim/rear-ports", 1),
                rear_port_position=1,
            ),
            part(
                "front-ports",
                2,
                3,
                "2",
                rear_port=brief("dcim/rear-ports", 1),
                rear_port_position=2,
            ),
            part(
                "front-ports",
                3,
                4,
                "1",
                rear_port=brief("dcim/rear-ports", 2),
                rear_port_position=1,
            ),
            part(
                "front-ports",
                4,
                4,
                "2",
                rear_port=brief("dcim/rear-ports", 2),
                rear_port_position=2,
            ),
        ],
        "dcim/power-ports": [
            part("power-ports", 1, 1, "PSU1"),
            part("power-ports", 2, 1, "PSU2"),
            part("power-ports", 3, 5, "Inlet"),
        ],
        "dcim/power-outlets": [
            part("power-outlets", 1, 5, "1"),
            part("power-outlets", 2, 5, "2"),
        ],
        "dcim/power-panels": [
            {**brief("dcim/power-panels", 1, name="Panel P"), "site": brief("dcim/sites", 1)}
        ],
        "dcim/power-feeds": [
            {
                **brief("dcim/power-feeds", 1, name="Feed A"),
                "power_panel": brief("dcim/power-panels", 1),
                "rack": brief("dcim/racks", 1),
                "voltage": 230,
                "status": choice("active"),
            }
        ],
        "dcim/module-bays": [part("module-bays", 1, 1, "PSU bay 1")],
        "dcim/module-types": [{**brief("dcim/module-types", 1, model="PSU 800W"), **maker}],
        "dcim/modules": [
            {
                **brief("dcim/modules", 1),
                "device": brief("dcim/devices", 1),
                "module_bay": brief("dcim/module-bays", 1),
                "module_type": brief("dcim/module-types", 1),
                "serial": "M1",
            }
        ],
        "dcim/inventory-items": [
            part("inventory-items", 1, 2, "SFP", serial="T1", part_id="SFP-10G-SR"),
            part("inventory-items", 2, 2, "SFP", serial="T2", part_id="SFP-10G-SR"),
        ],
        "dcim/cables": [
            cable(1, ("interface", 1), ("frontport", 1)),
            cable(2, ("rearport", 1), ("rearport", 2), type="smf", label="T"),
            cable(3, ("frontport", 3), ("interface", 2)),
            cable(4, ("interface", 3), ("interface", 4), label="direct"),
            cable(5, ("interface", 5), ("frontport", 4)),
            cable(6, ("powerport", 1), ("poweroutlet", 1), type="power", label=""),
            cable(7, ("powerport", 2), ("poweroutlet", 2), type="power", label=""),
            cable(8, ("powerfeed", 1), ("powerport", 3), type="power", label=""),
        ],
        "ipam/vrfs": [brief("ipam/vrfs", 1, name="prod", rd="65000:1")],
        "ipam/vlans": [
            {
                **brief("ipam/vlans", 1, name="servers"),
                "vid": 100,
                "site": brief("dcim/sites", 1, name="Site A"),
                "status": choice("active"),
            }
        ],
        "ipam/prefixes": [
            {
                **brief("ipam/prefixes", 1),
                "prefix": "10.0.0.0/24",
                "vrf": brief("ipam/vrfs", 1),
                "vlan": brief("ipam/vlans", 1),
            }
        ],
        "ipam/ip-addresses": [
            {
                **brief("ipam/ip-addresses", 1),
                "address": "10.0.0.5/24",
                "vrf": brief("ipam/vrfs", 1),
                "status": choice("active"),
                "dns_name": "DB-01.example.org.",
                "assigned_object_type": "dcim.interface",
                "assigned_object_id": 1,
            },
            {
                **brief("ipam/ip-addresses", 2),
                "address": "2001:db8::9/64",
                "status": choice("reserved"),
                "assigned_object_type": "virtualization.vminterface",
                "assigned_object_id": 1,
            },
        ],
        "circuits/providers": [brief("circuits/providers", 1, name="Telecom")],
        "circuits/circuits": [
            {
                **brief("circuits/circuits", 1, cid="CID-1"),
                "provider": brief("circuits/providers", 1),
                "commit_rate": 100000,
                "install_date": "2024-05-06",
                "status": choice("active"),
            }
        ],
        "tenancy/tenants": [brief("tenancy/tenants", 1, name="IT")],
        "tenancy/contacts": [
            brief("tenancy/contacts", 1, name="Li Wei", email="li@example.org", title="Engineer"),
            brief("tenancy/contacts", 2, name="NOC"),
        ],
        "tenancy/contact-assignments": [
            {
                **brief("tenancy/contact-assignments", 1),
                "object_type": "dcim.device",
                "object_id": 1,
                "contact": brief("tenancy/contacts", 2),
            }
        ],
        "virtualization/clusters": [
            {**brief("virtualization/clusters", 1, name="vs-1"), "status": choice("active")}
        ],
        "virtualization/virtual-machines": [
            {
                **brief("virtualization/virtual-machines", 1, name="web-01"),
                "cluster": brief("virtualization/clusters", 1),
                "vcpus": 4.0,
                "memory": 8192,
                "status": choice("offline"),
                "primary_ip": brief("ipam/ip-addresses", 2),
            }
        ],
        "virtualization/interfaces": [
            {
                **brief("virtualization/interfaces", 1, name="eth0"),
                "virtual_machine": brief("virtualization/virtual-machines", 1),
            }
        ],
        "users/tokens": [{**brief("users/tokens", 1), "key": "0123456789abcdef-token"}],
    }


def write(folder: Path, tables: Any) -> Path:
    for endpoint, rows in tables.items():
        path = folder / f"{endpoint}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(rows), encoding="utf-8")
    return folder


def observed(folder: Path, tables: Any) -> Observed:
    return Observed("netbox", write(folder, tables))


def named(end: Subject | Ref) -> str:
    return end.key if isinstance(end, Ref) else str(end.attributes["name"])


def ends(claims: list[Claim]) -> list[tuple[str, str]]:
    return [(named(claim.source), named(claim.target)) for claim in claims]


def test_places_contain_each_other(tmp_path: Path) -> None:
    found = observed(tmp_path, netbox_4()).sound()
    assert {
        s.subjects[0].key: s.subjects[0].type
        for s in found.statements
        if s.key.startswith(("loc", "site", "reg", "rack"))
    } == {
        "regions/1": "Region",
        "regions/2": "Region",
        "sites/1": "Site",
        "locations/1": "Building",
        "locations/2": "Room",
        "racks/1": "Rack",
    }
    assert found.statement("sites/1").subjects[0].attributes == {
        "name": "Site A",
        "lifecycle_state": "in_use",
        "address": "1 Road City",
        "latitude": 31.2,
        "longitude": 121.5,
    }
    assert found.statement("racks/1").subjects[0].attributes == {
        "name": "R1",
        "rack_units": 42,
        "serial_number": "RS1",
    }
    assert ends(found.claims("CONTAINS"))[:5] == [
        ("regions/1", "City"),
        ("regions/2", "Site A"),
        ("sites/1", "Building 1"),
        ("locations/1", "Hall 2"),
        ("locations/2", "R1"),
    ]
    [organisation] = found.statement("sites/1").references
    assert (organisation.attribute, organisation.target) == ("organisation", Ref("tenants/1"))


def test_devices_are_what_their_roles_and_parts_say(tmp_path: Path) -> None:
    found = observed(tmp_path, netbox_4()).sound()
    types = {s.key: s.subjects[0].type for s in found.statements if s.key.startswith("devices/")}
    assert types == {
        "devices/1": "Server",
        "devices/2": "Switch",
        "devices/3": "PatchPanel",
        "devices/4": "PatchPanel",
        "devices/5": "PDU",
        "devices/6": "NetworkDevice",
    }
    server = found.statement("devices/1")
    assert server.subjects[0].attributes == {
        "name": "db-01.example.org",
        "hostname": "db-01",
        "domain": "example.org",
        "serial_number": "SN1",
        "asset_number": "A1",
        "vendor": "Dell",
        "model": "PowerEdge R650",
        "part_number": "PN1",
        "rack_height": 1,
        "management_ip": "10.0.0.5",
        "os_name": "Debian 12",
        "lifecycle_state": "in_use",
    }
    [inside] = [c for c in server.claims if c.type == "CONTAINS"]
    assert (inside.source, inside.attributes) == (Ref("racks/1"), {"rack_position": 10})
    [operated] = [c for c in server.claims if c.type == "OPERATED_BY"]
    assert operated.target == Ref("contacts/2")
    switch = found.statement("devices/2").subjects[0].attributes
    assert (switch["lifecycle_state"], switch["tags"], switch["rack_height"]) == (
        "in_stock",
        ["core"],
        1,
    )
    assert "lifecycle_state" not in found.statement("devices/5").subjects[0].attributes
    assert found.statement("devices/6").subjects[0].attributes["name"] == "Panel 24 SN6"
    assert ends([c for c in found.statement("devices/6").claims if c.type == "CONTAINS"]) == [
        ("sites/1", "Panel 24 SN6")
    ]


def test_parts_carry_what_is_known_of_them(tmp_path: Path) -> None:
    found = observed(tmp_path, netbox_4()).sound()
    server = found.statement("devices/1")
    [eno1] = [s for s in server.subjects if s.attributes["name"] == "eno1"]
    assert eno1.attributes == {
        "name": "eno1",
        "mac_address": "00:1a:2b:3c:4d:5e",
        "speed_mbps": 1000.0,
        "interface_type": "1000base-t",
        "enabled": True,
        "mtu": 1500,
    }
    assert [c.target for c in server.claims if c.type == "HAS_ADDRESS"] == [Ref("ip-addresses/1")]
    assert [c.target for c in server.claims if c.type == "IN_NETWORK"] == [Ref("vlans/1")]
    [supply] = [s for s in server.subjects if s.type == "PowerSupply"]
    assert supply.attributes == {
        "name": "PSU bay 1",
        "slot": "PSU bay 1",
        "serial_number": "M1",
        "vendor": "Dell",
        "model": "PSU 800W",
    }
    transceivers = found.subjects("Transceiver", "part")
    assert [t.attributes["name"] for t in transceivers] == ["SFP (T1)", "SFP (T2)"]
    ports = [
        s.attributes["name"] for s in found.statement("devices/3").subjects if s.role == "part"
    ]
    assert ports == ["1", "2", "1 (rear)"]


def test_cables_are_followed_through_two_patch_panels(tmp_path: Path) -> None:
    found = observed(tmp_path, netbox_4()).sound()
    cables = {
        frozenset(pair): c.attributes
        for pair, c in zip(
            ends(found.claims("CONNECTED_TO")), found.claims("CONNECTED_TO"), strict=True
        )
    }
    assert len(found.claims("CONNECTED_TO")) == 6
    assert cables[frozenset(("eno1", "Gi1/0/1"))] == {
        "cable_label": "C1 / T / C3",
        "cable_type": "cat6 / smf",
        "cable_status": "connected",
        "cable_path": "pp-1: 1 > pp-1: 1 (rear) > pp-2: 1 (rear) > pp-2: 1",
    }
    assert cables[frozenset(("eno2", "Gi1/0/2"))] == {
        "cable_label": "direct",
        "cable_type": "cat6",
        "cable_status": "connected",
    }


def test_a_path_that_ends_in_a_panel_leads_to_its_last_port(tmp_path: Path) -> None:
    found = observed(tmp_path, netbox_4()).sound()
    [claim] = [c for c in found.claims("CONNECTED_TO") if "Gi1/0/3" in ends([c])[0]]
    assert set(ends([claim])[0]) == {"Gi1/0/3", "2"}
    assert claim.attributes["cable_path"] == "pp-2: 2 > pp-2: 1 (rear) > pp-1: 1 (rear)"
    panels = [
        s for s in found.statements if s.key == "devices/3" and any(c is claim for c in s.claims)
    ]
    assert panels, "it is the port of the far panel"


def test_power_is_taken_from_outlets_and_feeds(tmp_path: Path) -> None:
    found = observed(tmp_path, netbox_4()).sound()
    powered = [(named(c.source), named(c.target), c.attributes) for c in found.claims("POWERED_BY")]
    assert powered == [
        ("Feed A", "power-panels/1", {}),
        ("db-01.example.org", "devices/5", {"outlet": "1, 2"}),
        ("pdu-1", "power-feeds/1", {}),
    ]
    feed = found.statement("power-feeds/1").subjects[0]
    assert feed.attributes == {"name": "Feed A", "voltage": 230.0, "lifecycle_state": "in_use"}


def test_a_planned_power_cable_powers_nothing_yet(tmp_path: Path) -> None:
    tables = netbox_4()
    for row in tables["dcim/cables"][5:7]:
        row["status"] = choice("planned")
    found = observed(tmp_path, tables).sound()
    assert "db-01.example.org" not in [named(c.source) for c in found.claims("POWERED_BY")]
    assert [c.attributes["cable_status"] for c in found.claims("CONNECTED_TO")].count(
        "planned"
    ) == 2


def test_networks_circuits_and_virtual_machines(tmp_path: Path) -> None:
    found = observed(tmp_path, netbox_4()).sound()
    assert found.statement("prefixes/1").subjects[0].attributes == {
        "name": "10.0.0.0/24",
        "network": "10.0.0.0/24",
        "vrf_name": "prod",
    }
    assert [c.target for c in found.statement("prefixes/1").claims] == [
        Ref("vrfs/1"),
        Ref("vlans/1"),
    ]
    assert found.statement("vlans/1").subjects[0].attributes == {
        "name": "servers",
        "vlan_id": 100,
        "vlan_group": "Site A",
        "lifecycle_state": "in_use",
    }
    address = found.statement("ip-addresses/1")
    assert address.subjects[0].attributes == {
        "name": "10.0.0.5",
        "ip_address": "10.0.0.5",
        "prefix_length": 24,
        "vrf_name": "prod",
        "lifecycle_state": "in_use",
    }
    assert [s.attributes["fqdn"] for s in address.subjects[1:]] == ["db-01.example.org"]
    circuit = found.statement("circuits/1")
    assert circuit.subjects[0].attributes["bandwidth_mbps"] == 100.0
    assert ends(circuit.claims) == [("CID-1", "providers/1")]
    machine = found.statement("virtual-machines/1")
    assert machine.subjects[0].attributes == {
        "name": "web-01",
        "hostname": "web-01",
        "lifecycle_state": "suspended",
        "cpu_count": 4,
        "memory_mib": 8192,
        "management_ip": "2001:db8::9",
    }
    assert ends([c for c in machine.claims if c.type == "RUNS_ON"]) == [("web-01", "clusters/1")]
    assert ends(found.statement("clusters/1").claims) == [("vs-1", "devices/1")]
    assert {s.type for s in found.subjects("Party", "statement")} == {
        "Department",
        "Person",
        "Team",
        "Supplier",
    }


def test_custom_fields_contexts_comments_and_tokens_are_not_taken(tmp_path: Path) -> None:
    texts = " ".join(observed(tmp_path, netbox_4()).texts())
    for secret in ("custom-secret", "context-secret", "comment-secret", "0123456789abcdef"):
        assert secret not in texts


def test_pages_of_an_endpoint_are_read_whatever_they_are_called(tmp_path: Path) -> None:
    rows = netbox_4()["dcim/regions"]
    for number, row in enumerate(rows):
        page = {"count": 2, "next": None, "previous": None, "results": [row]}
        (tmp_path / f"answer-{number}.json").write_text(json.dumps(page), encoding="utf-8")
    found = Observed("netbox", tmp_path).sound()
    assert [s.key for s in found.statements] == ["regions/1", "regions/2"]


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("dcim-devices.json", "devices"),
        ("dcim/devices.json", "devices"),
        ("devices.json", "devices"),
        ("dcim_devices_2.json", "devices"),
        ("api/dcim/devices/page-2.json", "devices"),
        ("virtualization/interfaces.json", "vm-interfaces"),
        ("interfaces.json", "interfaces"),
        ("rack-roles.json", None),
        ("users-tokens.json", None),
    ],
)
def test_endpoints_are_told_by_file_names(name: str, table: str | None) -> None:
    assert table_by_file(name) == table


def test_references_to_what_is_not_in_the_export_are_mentions(tmp_path: Path) -> None:
    found = observed(tmp_path, {"dcim/devices": netbox_4()["dcim/devices"][:1]}).sound()
    mentions = {
        (s.type, s.key, s.attributes["name"]) for s in found.subjects("Facility", "mention")
    }
    assert mentions == {("Rack", "racks/1", "R1"), ("Site", "sites/1", "Site A")}
    assert ends(found.claims("CONTAINS")) == [("Site A", "R1"), ("R1", "db-01.example.org")]


def test_nautobot_2_names_its_statuses_and_roles_elsewhere(tmp_path: Path) -> None:
    tables = {
        "extras/statuses": [{"id": "s1", "name": "Active"}],
        "extras/roles": [{"id": "r1", "name": "Firewall"}],
        "dcim/location-types": [
            {"id": "t1", "name": "Region"},
            {"id": "t2", "name": "Data Center"},
        ],
        "dcim/locations": [
            {"id": "l1", "name": "EU", "location_type": {"id": "t1"}, "status": {"id": "s1"}},
            {"id": "l2", "name": "DC1", "location_type": {"id": "t2"}, "parent": {"id": "l1"}},
        ],
        "dcim/devices": [
            {
                "id": "d1",
                "name": "x1",
                "status": {"id": "s1", "url": "http://n/api/extras/statuses/s1/"},
                "role": {"id": "r1", "url": "http://n/api/extras/roles/r1/"},
                "location": {"id": "l2", "url": "http://n/api/dcim/locations/l2/"},
            }
        ],
        "dcim/interfaces": [{"id": "i1", "name": "eth1", "device": {"id": "d1"}}],
        "ipam/ip-addresses": [{"id": "a1", "address": "10.0.0.1/24", "interfaces": [{"id": "i1"}]}],
    }
    found = observed(tmp_path, tables).sound()
    assert {s.key: s.subjects[0].type for s in found.statements} == {
        "locations/l1": "Region",
        "locations/l2": "Site",
        "devices/d1": "Firewall",
        "ip-addresses/a1": "IPAddress",
    }
    assert found.statement("devices/d1").subjects[0].attributes["lifecycle_state"] == "in_use"
    assert ends(found.claims("CONTAINS")) == [("locations/l1", "DC1"), ("locations/l2", "x1")]
    assert [c.target for c in found.claims("HAS_ADDRESS")] == [Ref("ip-addresses/a1")]


def test_blades_are_in_the_bays_of_their_chassis(tmp_path: Path) -> None:
    chassis = {"id": 1, "name": "c7000", "role": {"id": 1, "name": "Blade chassis"}}
    blade = {
        "id": 2,
        "name": "b1",
        "role": {"id": 2, "name": "Blade"},
        "rack": {"id": 9, "name": "R"},
    }
    bay = {"id": 1, "name": "Bay 3", "device": {"id": 1}, "installed_device": {"id": 2}}
    found = observed(
        tmp_path, {"dcim/devices": [chassis, blade], "dcim/device-bays": [bay]}
    ).sound()
    [inside] = [c for c in found.statement("devices/2").claims if c.type == "CONTAINS"]
    assert (inside.source, inside.attributes) == (Ref("devices/1"), {"slot": "Bay 3"})
    assert [s.subjects[0].type for s in found.statements] == ["BladeChassis", "BladeServer"]


def test_cables_are_known_from_their_ends_where_they_are_not_exported(tmp_path: Path) -> None:
    tables = netbox_4()
    tables["dcim/cables"] = []
    for index, side in ((0, "A"), (1, "B")):
        tables["dcim/interfaces"][index] |= {
            "cable": brief("dcim/cables", 9, label="L"),
            "cable_end": side,
        }
    found = observed(tmp_path, tables).sound()
    [claim] = found.claims("CONNECTED_TO")
    assert set(ends([claim])[0]) == {"eno1", "Gi1/0/1"}
    assert claim.attributes == {"cable_label": "L"}


def test_cables_that_join_nothing_are_rejected_and_those_between_panels_kept(
    tmp_path: Path,
) -> None:
    tables = netbox_4()
    tables["dcim/cables"] = [
        cable(1, ("interface", 1), ("interface", 1)),
        cable(2, ("interface", 1), ("interface", 999)),
        {**cable(3, ("interface", 2), ("interface", 3)), "b_terminations": []},
        cable(4, ("rearport", 1), ("rearport", 2)),
    ]
    found = observed(tmp_path, tables)
    assert (found.unfit, found.repeated) == ([], {})
    assert [(r.place, r.reason) for r in found.rejections] == [
        ("dcim/cables.json object 3", "the cable is not connected at both ends"),
        ("dcim/cables.json object 1", "its path leads back to where it starts"),
        ("dcim/cables.json object 2", "it does not join two things that are in the export"),
    ]
    assert ends(found.claims("CONNECTED_TO")) == [("1 (rear)", "1 (rear)")]


def test_loops_of_patch_cables_end(tmp_path: Path) -> None:
    tables = netbox_4()
    tables["dcim/cables"] = [
        cable(1, ("interface", 1), ("frontport", 1)),
        cable(2, ("rearport", 1), ("rearport", 2)),
        cable(3, ("frontport", 3), ("frontport", 2)),
    ]
    found = observed(tmp_path, tables).sound()
    assert len(found.claims("CONNECTED_TO")) == 1


def test_objects_that_cannot_be_used_are_rejected_alone(tmp_path: Path) -> None:
    tables: Any = {
        "dcim/sites": [{"id": 1, "name": "A"}, {"name": "no id"}, {"id": 3}, 7],
        "ipam/prefixes": [{"id": 1, "prefix": "10.0.0.300/8"}],
        "ipam/ip-addresses": [{"id": 1, "address": "x"}],
        "ipam/vlans": [{"id": 1, "name": "v", "vid": 5000}],
        "dcim/interfaces": [{"id": 1, "name": "e", "device": {"id": 5}}],
        "status": {"netbox-version": "4.1"},
    }
    found = observed(tmp_path, tables)
    assert [s.key for s in found.statements] == ["sites/1"]
    assert sorted((r.place, r.reason) for r in found.rejections) == [
        (
            "dcim/interfaces.json object 1",
            "1 interfaces belong to devices/5, which is not in the export",
        ),
        ("dcim/sites.json object 2", "has no id"),
        ("dcim/sites.json object 3", "has no name"),
        ("dcim/sites.json object 4", "is not an object"),
        ("ipam/ip-addresses.json object 1", "has an address that is none"),
        ("ipam/prefixes.json object 1", "has a prefix that is no network"),
        ("ipam/vlans.json object 1", "has no VLAN number from 1 to 4094"),
        ("status.json", "is neither a list of objects nor an object with results"),
    ]


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "3", '{"a": 1}', "[" * 5000, '[{"id": 1}]'])
def test_what_is_no_export_is_an_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=r"other\.json"):
        Observed("netbox", tmp_path)


def test_mutilated_exports_never_raise_anything_else(tmp_path: Path) -> None:
    chance = random.Random(11)
    for _ in range(80):
        tables: Any = netbox_4()
        for _ in range(chance.randint(1, 12)):
            tables = mutilated_once(tables, chance)
        try:
            observed(tmp_path, tables)
        except SourceError:
            continue


# ------------------------------------------------------------------------- the demonstration data


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nautobot")
    write_api_files(shared_data("nautobot-demo") / "nautobot_1.5.16.sql.gz", folder)
    return folder


@pytest.mark.shared_data
def test_everything_in_the_demonstration_data_is_taken(demo: Path) -> None:
    found = Observed("netbox", demo).sound()
    assert Counter(s.subjects[0].type for s in found.statements) == {
        "Region": 241,
        "Site": 7,
        "Room": 1,
        "Rack": 28,
        "Switch": 34,
        "Router": 14,
        "IPAddress": 1205,
        "Subnet": 118,
        "VLAN": 50,
        "VRF": 3,
        "Circuit": 14,
        "Supplier": 16,
        "Department": 7,
        "VirtualisationCluster": 1,
        "VirtualMachine": 2,
    }


@pytest.mark.shared_data
def test_devices_of_the_demonstration_data_are_named_addressed_and_placed(demo: Path) -> None:
    found = Observed("netbox", demo).sound()
    devices = [s for s in found.statements if s.key.startswith("devices/")]
    assert len(devices) == 48
    assert len({s.subjects[0].attributes["name"] for s in devices}) == 48
    # 48 in racks and 32 with a primary address: their description has the two the other way round.
    assert sum("management_ip" in s.subjects[0].attributes for s in devices) == 32
    inside = [c.source for s in devices for c in s.claims if c.type == "CONTAINS"]
    racks = [place for place in inside if isinstance(place, Ref) and place.key.startswith("racks/")]
    assert (len(inside), len(racks)) == (48, 48)
    parts = Counter(s.type for d in devices for s in d.subjects if s.role == "part")
    assert parts["NetworkInterface"] == 1647
    assert parts["Transceiver"] + parts["LineCard"] + parts["Disk"] == 30
    assert (parts["ConsolePort"], parts["PowerPort"]) == (36, 72)
    assert len(found.claims("HAS_ADDRESS")) == 229


@pytest.mark.shared_data
def test_cables_of_the_demonstration_data_are_connections(demo: Path) -> None:
    found = Observed("netbox", demo).sound()
    states = Counter(c.attributes["cable_status"] for c in found.claims("CONNECTED_TO"))
    assert states == {"connected": 88, "planned": 3}
    to_circuits = [
        c
        for c in found.claims("CONNECTED_TO")
        if {type(c.source), type(c.target)} == {Subject, Ref}
    ]
    assert len(to_circuits) == 14
    export = Export()
    for document in documents([str(demo)], (".json",)):
        assert list(export.read(document)) == []
    components = Components(Common(export))
    pairs = set()
    for path in Cabling(components).paths:
        holders = []
        for end in (path.near, path.far):
            entry = export.get(*end)
            holder = components.holder(entry) if entry else None
            holders.append(holder.id if holder else None)
        pairs.add(frozenset(holders))
    assert len(pairs) == 73
    assert len(list(export.all("circuit-terminations"))) == 16


@pytest.mark.shared_data
def test_tokens_and_contexts_of_the_demonstration_data_are_not_taken(demo: Path) -> None:
    for text in Observed("netbox", demo).texts():
        assert not any(c * 12 in text for c in "1an2")
        assert "0123456789abcdef" not in text
        assert "hidden-community" not in text
