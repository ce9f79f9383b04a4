"""Inventories in GLPI's format."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cmdb.reconciliation.observations import SourceError
from importers.glpi.network import connections, neighbours
from importers.glpi.sections import rows
from tests.support.mutilating import mutilated_once
from tests.support.observing import Observed, shared_data

SERVER: dict[str, Any] = {
    "action": "inventory",
    "deviceid": "db-01-2026-01-01-00-00-00",
    "itemtype": "Computer",
    "content": {
        "hardware": {
            "name": "db-01",
            "uuid": "4C4C4544-0034-3010-8048-B6C04F503732",
            "chassis_type": "Rack Mount Chassis",
            "memory": 7800,
            "vmsystem": "Physical",
            "winprodkey": "AAAAA-BBBBB-CCCCC",
            "lastloggeduser": "alice",
        },
        "bios": {
            "smanufacturer": "Dell Inc.",
            "smodel": "PowerEdge R740",
            "ssn": "ABC1234",
            "assettag": "IT-0042",
            "bversion": "2.1",
        },
        "operatingsystem": {
            "name": "Debian",
            "full_name": "Debian GNU/Linux 12 (bookworm)",
            "version": "12",
            "arch": "x86_64",
            "kernel_version": "6.1.0",
            "fqdn": "db-01.example.org",
            "boot_time": "2026-01-01 08:00:00",
            "timezone": {"name": "CST", "offset": "+0800"},
            "ssh_key": "ssh-rsa SECRETKEY",
        },
        "cpus": [
            {
                "name": "Xeon Gold 6130",
                "manufacturer": "Intel",
                "core": 16,
                "thread": 32,
                "speed": 2100,
            },
            {
                "name": "Xeon Gold 6130",
                "manufacturer": "Intel",
                "core": 16,
                "thread": 32,
                "speed": 2100,
            },
        ],
        "memories": [
            {
                "caption": "A1",
                "capacity": 16384,
                "type": "DDR4",
                "serialnumber": "S1",
                "manufacturer": "Samsung",
            },
            {"caption": "A2", "type": "DDR4"},
        ],
        "storages": [
            {
                "name": "sda",
                "manufacturer": "ATA",
                "model": "PM883 SSD",
                "disksize": 480000,
                "serial": "D1",
            },
            {"name": "sr0", "description": "CD-ROM", "disksize": 700},
        ],
        "networks": [
            {"description": "lo", "type": "loopback", "ipaddress": "127.0.0.1"},
            {
                "description": "eno1",
                "mac": "00:1A:2B:3C:4D:5E",
                "ipaddress": "10.0.0.5",
                "ipmask": "255.255.255.0",
                "speed": "1000",
                "type": "ethernet",
                "virtualdev": False,
            },
            {
                "description": "eno1",
                "mac": "00:1A:2B:3C:4D:5E",
                "ipaddress6": "2001:db8::5",
                "ipmask6": "ffff:ffff:ffff:ffff::",
            },
            {
                "description": "eno1",
                "mac": "00:1A:2B:3C:4D:5E",
                "ipaddress6": "fe80::1",
                "ipmask6": "ffff:ffff:ffff:ffff::",
            },
            {
                "description": "docker0",
                "mac": "02:42:00:00:00:01",
                "ipaddress": "172.17.0.1",
                "virtualdev": True,
            },
        ],
        "softwares": [
            {
                "name": "bash",
                "version": "5.2",
                "arch": "amd64",
                "from": "deb",
                "publisher": "Debian",
                "install_date": "2025-02-03",
            },
            {
                "name": "bash",
                "version": "5.2",
                "arch": "amd64",
                "from": "deb",
                "publisher": "Debian",
            },
            {"name": "curl", "install_date": "yesterday"},
        ],
        "virtualmachines": [
            {
                "name": "web",
                "uuid": "AABBCCDD-0034-3010-8048-B6C04F503732",
                "vmtype": "kvm",
                "vcpu": 2,
                "memory": 4096,
            },
            {"name": "cache", "uuid": "5506c9cf948e", "vmtype": "docker", "image": "redis:7"},
        ],
        "monitors": [
            {"caption": "U2415", "manufacturer": "Dell Inc.", "serial": "CFV9N"},
            {"caption": "Panel", "serial": "00000000"},
        ],
        "printers": [
            {"name": "Office", "driver": "HP LaserJet", "serial": "MY47"},
            {"name": "PDF"},
        ],
        "licenseinfos": [{"name": "Office", "key": "LICENCE-KEY-1", "productid": "1"}],
        "envs": [{"key": "DB_PASSWORD", "val": "hunter2"}],
        "users": [{"login": "alice"}],
        "logical_volumes": [{"lv_name": "root"}, {"lv_name": "swap"}],
    },
}

SWITCH: dict[str, Any] = {
    "action": "netinventory",
    "deviceid": "foo",
    "itemtype": "NetworkEquipment",
    "content": {
        "network_device": {
            "name": "sw1.example.org",
            "manufacturer": "Cisco",
            "model": "Catalyst 9300",
            "serial": "FOC1",
            "mac": "00:23:ac:6a:01:00",
            "ips": ["127.0.0.1", "10.1.0.1"],
            "firmware": "17.3",
            "type": "Networking",
            "credentials": 4,
            "contact": "noc",
        },
        "network_ports": [
            {
                "ifname": "Gi1/0/1",
                "ifdescr": "GigabitEthernet1/0/1",
                "ifnumber": 1,
                "iftype": 6,
                "ifinternalstatus": 1,
                "ifstatus": 1,
                "ifspeed": 1000000000,
                "ifmtu": 1500,
                "ifalias": "uplink",
                "mac": "00:23:ac:6a:01:01",
                "lldp": True,
                "connections": [
                    {
                        "sysname": "n9k-2(SAL1929KJ27)",
                        "ip": "10.1.0.58",
                        "ifdescr": "Eth1/5",
                        "model": "N9K-C9372PX",
                    }
                ],
            },
            {
                "ifname": "Gi1/0/2",
                "ifnumber": 2,
                "ifinternalstatus": 2,
                "connections": [{"mac": ["00:14:4f:f2:b7:fd", "00:14:4f:f2:b7:fe"]}],
            },
            {"ifname": "Vl10", "ifdescr": "Vlan10", "ifnumber": 10, "ips": ["10.1.0.1"]},
            {
                "ifname": "odd",
                "ifnumber": 11,
                "lldp": True,
                "connections": [{"sysname": "phone-7"}, {"ifdescr": "eth0"}],
            },
        ],
        "network_components": [
            {"type": "powerSupply", "name": "PSU A", "serial": "P1", "model": "PWR-C1"},
            {"type": "port", "name": "StackPort1"},
        ],
    },
}


def observed(tmp_path: Path, inventory: Any) -> Observed:
    path = tmp_path / "inventory.json"
    path.write_text(json.dumps(inventory), encoding="utf-8")
    return Observed("glpi", path)


def parts(found: Observed, type_: str) -> list[dict[str, Any]]:
    return [subject.attributes for subject in found.subjects(type_, "part")]


def test_a_server_is_described_with_its_identities(tmp_path: Path) -> None:
    found = observed(tmp_path, SERVER).sound()
    [statement] = found.statements
    server = statement.subjects[0]
    assert (server.type, server.key) == ("Server", "computer/db-01-2026-01-01-00-00-00")
    assert {k: v for k, v in server.attributes.items() if k != "last_boot"} == {
        "name": "db-01",
        "hostname": "db-01",
        "domain": "example.org",
        "serial_number": "ABC1234",
        "asset_number": "IT-0042",
        "system_uuid": "4c4c4544-0034-3010-8048-b6c04f503732",
        "vendor": "Dell",
        "model": "PowerEdge R740",
        "bios_version": "2.1",
        "cpu_count": 2,
        "core_count": 32,
        "memory_mib": 16384,
        "architecture": "x86_64",
        "os_name": "Debian GNU/Linux 12 (bookworm)",
        "kernel_version": "6.1.0",
        "mac_addresses": ["00:1a:2b:3c:4d:5e"],
    }
    assert server.attributes["last_boot"].isoformat() == "2026-01-01T00:00:00+00:00"


def test_parts_are_those_that_are_there_with_their_addresses(tmp_path: Path) -> None:
    found = observed(tmp_path, SERVER).sound()
    assert [cpu["name"] for cpu in parts(found, "CPU")] == ["CPU0", "CPU1"]
    [module] = parts(found, "MemoryModule")
    assert (module["slot"], module["size_mib"], module["serial_number"]) == ("A1", 16384, "S1")
    [disk] = parts(found, "Disk")
    assert disk == {
        "name": "sda",
        "model": "PM883 SSD",
        "serial_number": "D1",
        "capacity_gib": 447.03,
        "media_type": "ssd",
    }
    [interface] = parts(found, "NetworkInterface")
    assert (interface["name"], interface["speed_mbps"]) == ("eno1", 1000.0)
    addresses = {
        (a.attributes["ip_address"], a.attributes["prefix_length"])
        for a in found.subjects("IPAddress")
    }
    assert addresses == {("10.0.0.5", 24), ("2001:db8::5", 64)}
    assert len(found.claims("HAS_ADDRESS")) == 2


def test_software_guests_and_peripherals_are_mentioned_once(tmp_path: Path) -> None:
    found = observed(tmp_path, SERVER).sound()
    packages = found.subjects("SoftwarePackage", "mention")
    assert [p.attributes["name"] for p in packages] == ["bash", "curl"]
    assert [str(c.attributes.get("installed_on")) for c in found.claims("HAS_INSTALLED")] == [
        "None",
        "2025-02-03",
        "None",
    ]
    [system] = found.subjects("OperatingSystem", "part")
    assert system.attributes["version"] == "12"
    [machine] = found.subjects("VirtualMachine")
    assert machine.attributes == {
        "name": "web",
        "host_name": "db-01",
        "system_uuid": "aabbccdd-0034-3010-8048-b6c04f503732",
        "cpu_count": 2,
        "memory_mib": 4096,
    }
    [container] = found.subjects("Container")
    assert container.attributes == {"name": "cache", "container_id": "5506c9cf948e"}
    assert [i.attributes["name"] for i in found.subjects("ContainerImage")] == ["redis"]
    assert len(found.claims("RUNS_ON")) == 2
    assert [m.attributes["serial_number"] for m in found.subjects("Peripheral")] == [
        "CFV9N",
        "MY47",
    ]
    assert len(rows(SERVER["content"], "logical_volumes")) == 2


def test_secrets_and_users_are_not_taken(tmp_path: Path) -> None:
    found = " ".join(observed(tmp_path, SERVER).texts())
    for secret in ("AAAAA-BBBBB", "LICENCE-KEY", "hunter2", "DB_PASSWORD", "SECRETKEY", "alice"):
        assert secret not in found


@pytest.mark.parametrize(
    ("chassis", "system", "expected"),
    [
        ("Notebook", "Physical", "Laptop"),
        ("Mini Tower", "Physical", "DesktopComputer"),
        ("Blade", "Physical", "BladeServer"),
        ("Other", "Physical", "Computer"),
        ("Other", "VMware", "VirtualMachine"),
        ("Other", "KVM", "VirtualMachine"),
    ],
)
def test_the_chassis_and_the_hypervisor_decide_the_type(
    tmp_path: Path, chassis: str, system: str, expected: str
) -> None:
    hardware = {"name": "pc", "chassis_type": chassis, "vmsystem": system}
    found = observed(tmp_path, {"deviceid": "pc-1", "content": {"hardware": hardware}}).sound()
    assert [s.subjects[0].type for s in found.statements] == [expected]


def test_two_cards_of_one_name_are_told_apart(tmp_path: Path) -> None:
    cards = [{"description": "Intel NIC", "mac": f"00:1a:2b:3c:4d:0{n}"} for n in (1, 2)]
    found = observed(tmp_path, {"content": {"hardware": {"name": "w"}, "networks": cards}}).sound()
    assert [i["name"] for i in parts(found, "NetworkInterface")] == [
        "Intel NIC",
        "Intel NIC (00:1a:2b:3c:4d:02)",
    ]


def test_a_switch_is_connected_by_what_lldp_says_and_not_by_learned_addresses(
    tmp_path: Path,
) -> None:
    found = observed(tmp_path, SWITCH)
    assert (found.unfit, found.repeated) == ([], {})
    switch = found.statement("device/FOC1").subjects[0]
    assert switch.type == "Switch"
    assert switch.attributes == {
        "name": "sw1.example.org",
        "hostname": "sw1",
        "domain": "example.org",
        "serial_number": "FOC1",
        "vendor": "Cisco",
        "model": "Catalyst 9300",
        "chassis_mac": "00:23:ac:6a:01:00",
        "management_ip": "10.1.0.1",
        "firmware_version": "17.3",
        "os_version": "17.3",
        "port_count": 4,
    }
    assert [p["name"] for p in parts(found, "NetworkInterface")] == [
        "GigabitEthernet1/0/1",
        "GigabitEthernet1/0/2",
        "Vlan10",
        "odd",
    ]
    assert parts(found, "NetworkInterface")[0] == {
        "name": "GigabitEthernet1/0/1",
        "description": "uplink",
        "mac_address": "00:23:ac:6a:01:01",
        "interface_index": 1,
        "interface_type": "ethernetCsmacd",
        "mtu": 1500,
        "enabled": True,
        "speed_mbps": 1000.0,
    }
    assert parts(found, "NetworkInterface")[1]["enabled"] is False
    assert [p["name"] for p in parts(found, "PowerSupply")] == ["PSU A"]
    [cable] = found.claims("CONNECTED_TO")
    ends = [getattr(end, "attributes", {}).get("name") for end in (cable.source, cable.target)]
    assert ends == ["GigabitEthernet1/0/1", "Ethernet1/5"]
    [neighbour] = found.subjects("Switch", "mention")
    assert (neighbour.key, neighbour.attributes) == (
        "neighbour/n9k-2",
        {
            "name": "n9k-2",
            "hostname": "n9k-2",
            "serial_number": "SAL1929KJ27",
            "vendor": "Cisco",
            "model": "N9K-C9372PX",
            "management_ip": "10.1.0.58",
        },
    )
    assert [r.reason for r in found.rejections] == [
        "the neighbour phone-7 at odd does not say its port",
        "the neighbour  at odd says neither a name nor an address",
    ]
    assert len(found.claims("HAS_ADDRESS")) == 1


def test_a_partial_inventory_is_refused(tmp_path: Path) -> None:
    found = observed(tmp_path, {**SERVER, "partial": True})
    assert found.statements == []
    assert [r.reason for r in found.rejections] == ["is a partial inventory; give a whole one"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"content": []}', '{"content": {"hardware": 1}}', "[" * 5000]
)
def test_what_is_no_inventory_is_an_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=r"other\.json"):
        Observed("glpi", path)


@pytest.mark.parametrize("inventory", [SERVER, SWITCH], ids=["computer", "switch"])
def test_mutilated_inventories_never_raise_anything_else(tmp_path: Path, inventory: Any) -> None:
    chance = random.Random(7)
    for _ in range(100):
        damaged = inventory
        for _ in range(chance.randint(1, 4)):
            damaged = mutilated_once(damaged, chance)
        try:
            observed(tmp_path, damaged)
        except SourceError:
            continue


# ------------------------------------------------------------------- the sample inventories


def sample(name: str) -> tuple[Observed, dict[str, Any]]:
    path = shared_data("inventory-glpi") / f"{name}.json"
    return Observed("glpi", path).sound(), json.loads(path.read_text(encoding="utf-8"))["content"]


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "networks", "interfaces", "software", "guests", "volumes"),
    [
        ("computer_1", 8, 2, 6, 0, 0),
        ("computer_2", 0, 0, 0, 6, 0),
        ("computer_3", 7, 2, 3033, 0, 3),
    ],
)
def test_sample_computers_have_all_they_list(
    name: str, networks: int, interfaces: int, software: int, guests: int, volumes: int
) -> None:
    found, content = sample(name)
    assert [s.subjects[0].type for s in found.statements] == ["Laptop"]
    assert len(rows(content, "networks")) == networks
    assert len(parts(found, "NetworkInterface")) == interfaces
    assert len(found.subjects("SoftwarePackage")) == software
    assert len(found.claims("RUNS_ON")) == guests
    assert len(rows(content, "logical_volumes")) == volumes


@pytest.mark.shared_data
def test_guests_of_the_second_sample_are_containers_and_a_virtual_machine() -> None:
    found, _ = sample("computer_2")
    kinds = Counter(s.type for s in found.statements[0].subjects)
    assert kinds == {"Laptop": 1, "Container": 5, "ContainerImage": 5, "VirtualMachine": 1}


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "ports", "connected", "by_lldp", "neighbour_types"),
    [
        ("networkequipment_1", 183, 5, 5, {"Switch": 3}),
        ("networkequipment_2", 475, 19, 5, {"Switch": 5}),
        ("networkequipment_5", 54, 26, 1, {"IPCamera": 1}),
    ],
)
def test_sample_network_devices_have_their_ports_and_cables(
    name: str, ports: int, connected: int, by_lldp: int, neighbour_types: dict[str, int]
) -> None:
    found, content = sample(name)
    assert [s.subjects[0].type for s in found.statements] == ["Switch"]
    assert len(parts(found, "NetworkInterface")) == ports
    listed = rows(content, "network_ports")
    assert sum(len(connections(port)) for port in listed) == connected
    assert sum(len(neighbours(port)) for port in listed) == by_lldp
    assert len(found.claims("CONNECTED_TO")) == by_lldp
    assert Counter(n.type for n in found.subjects("Hardware", "mention")) == neighbour_types


@pytest.mark.shared_data
def test_the_sample_printer_is_a_printer_with_its_address() -> None:
    found, _ = sample("printer_1")
    printer = found.statement("device/PHCVN191TG").subjects[0]
    assert (printer.type, printer.attributes) == (
        "Printer",
        {
            "name": "NPIF2BE10",
            "hostname": "npif2be10",
            "serial_number": "PHCVN191TG",
            "vendor": "HPE",
            "model": "HP LaserJet M507",
            "management_ip": "10.59.29.175",
            "firmware_version": "2409048_052887",
        },
    )
    assert len(parts(found, "NetworkInterface")) == 2
