"""Walks by SNMP: every form they are written in, and what becomes of what they say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cmdb.errors import SourceError
from cmdb.reconciliation.observations import Link, Observation, Rejection
from importers.reading import documents
from importers.snmp import tables
from importers.snmp.walks import Value, Walk, read
from tests.support.observing import Observed, shared_data

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "discovery" / "snmp"

NUMERIC = """\
.1.3.6.1.2.1.1.1.0 = STRING: "Cisco IOS Software, C3560 Software, Version 15.0(2)SE8, RELEASE (fc1)
Technical Support: http://www.example.com/a = b
Compiled by nobody"
.1.3.6.1.2.1.1.2.0 = OID: .1.3.6.1.4.1.9.1.617
.1.3.6.1.2.1.1.5.0 = STRING: "sw-access-3.corp.example"
.1.3.6.1.2.1.1.7.0 = INTEGER: 6
.1.3.6.1.2.1.2.2.1.2.1 = STRING: "Vlan10"
.1.3.6.1.2.1.2.2.1.2.10101 = STRING: "GigabitEthernet0/1"
.1.3.6.1.2.1.2.2.1.2.10102 = STRING: "GigabitEthernet0/2"
.1.3.6.1.2.1.2.2.1.3.1 = INTEGER: 53
.1.3.6.1.2.1.2.2.1.3.10101 = INTEGER: 6
.1.3.6.1.2.1.2.2.1.3.10102 = INTEGER: 6
.1.3.6.1.2.1.2.2.1.4.10101 = INTEGER: 1500
.1.3.6.1.2.1.2.2.1.5.10101 = Gauge32: 4294967295
.1.3.6.1.2.1.2.2.1.5.10102 = Gauge32: 10000000
.1.3.6.1.2.1.2.2.1.6.10101 = Hex-STRING: 00 1A 2B 03 04 05
.1.3.6.1.2.1.2.2.1.7.10101 = INTEGER: 1
.1.3.6.1.2.1.2.2.1.7.10102 = INTEGER: 2
.1.3.6.1.2.1.2.2.1.8.10101 = INTEGER: 1
.1.3.6.1.2.1.2.2.1.8.10102 = INTEGER: 2
.1.3.6.1.2.1.4.20.1.2.10.1.0.3 = INTEGER: 1
.1.3.6.1.2.1.4.20.1.2.127.0.0.1 = INTEGER: 1
.1.3.6.1.2.1.4.20.1.3.10.1.0.3 = IpAddress: 255.255.255.0
.1.3.6.1.2.1.4.20.1.3.127.0.0.1 = IpAddress: 255.0.0.0
.1.3.6.1.2.1.17.1.1.0 = Hex-STRING: 00 1A 2B 03 04 00
.1.3.6.1.2.1.31.1.1.1.1.1 = STRING: "Vl10"
.1.3.6.1.2.1.31.1.1.1.1.10101 = STRING: "Gi0/1"
.1.3.6.1.2.1.31.1.1.1.1.10102 = STRING: "Gi0/2"
.1.3.6.1.2.1.31.1.1.1.15.10101 = Gauge32: 10000
.1.3.6.1.2.1.31.1.1.1.18.10101 = STRING: "to \\"core\\""
.1.3.6.1.2.1.31.1.1.1.18.10102 = ""
"""

NAMED = """\
SNMPv2-MIB::sysDescr.0 = STRING: Cisco IOS Software, C3560 Software, Version 15.0(2)SE8, RELEASE (fc1)
Technical Support: http://www.example.com/a = b
Compiled by nobody
SNMPv2-MIB::sysObjectID.0 = OID: SNMPv2-SMI::enterprises.9.1.617
DISMAN-EVENT-MIB::sysUpTimeInstance = Timeticks: (201) 0:00:02.01
SNMPv2-MIB::sysName.0 = STRING: sw-access-3.corp.example
SNMPv2-MIB::sysServices.0 = INTEGER: 6
IF-MIB::ifDescr[1] = STRING: Vlan10
IF-MIB::ifDescr[10101] = STRING: GigabitEthernet0/1
IF-MIB::ifDescr[10102] = STRING: GigabitEthernet0/2
IF-MIB::ifType[1] = INTEGER: propVirtual(53)
IF-MIB::ifType[10101] = INTEGER: ethernetCsmacd(6)
IF-MIB::ifType[10102] = INTEGER: ethernetCsmacd(6)
IF-MIB::ifMtu[10101] = INTEGER: 1500
IF-MIB::ifSpeed.10101 = Gauge32: 4294967295
IF-MIB::ifSpeed.10102 = Gauge32: 10000000
IF-MIB::ifPhysAddress.10101 = STRING: 0:1a:2b:3:4:5
IF-MIB::ifAdminStatus.10101 = INTEGER: up(1)
IF-MIB::ifAdminStatus.10102 = INTEGER: down(2)
IF-MIB::ifOperStatus.10101 = INTEGER: up(1)
IF-MIB::ifOperStatus.10102 = INTEGER: down(2)
IP-MIB::ipAdEntIfIndex[10.1.0.3] = INTEGER: 1
IP-MIB::ipAdEntIfIndex[127.0.0.1] = INTEGER: 1
IP-MIB::ipAdEntNetMask[10.1.0.3] = IpAddress: 255.255.255.0
IP-MIB::ipAdEntNetMask[127.0.0.1] = IpAddress: 255.0.0.0
BRIDGE-MIB::dot1dBaseBridgeAddress.0 = STRING: 0:1a:2b:3:4:0
IF-MIB::ifName.1 = STRING: Vl10
IF-MIB::ifName.10101 = STRING: Gi0/1
IF-MIB::ifName.10102 = STRING: Gi0/2
IF-MIB::ifHighSpeed.10101 = Gauge32: 10000
IF-MIB::ifAlias.10101 = STRING: to "core"
IF-MIB::ifAlias.10102 = STRING:
"""

CISCO = b"Cisco IOS Software, C3560 Software, Version 15.0(2)SE8, RELEASE (fc1)\nTechnical Support: http://www.example.com/a = b\nCompiled by nobody"
RECORDS = f"""\
# a comment
1.3.6.1.2.1.1.1.0|4x|{CISCO.hex()}
1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.9.1.617
1.3.6.1.2.1.1.3.0|67:numeric|rate=100
1.3.6.1.2.1.1.5.0|4:writecache|value=sw-access-3.corp.example
1.3.6.1.2.1.1.7.0|2|6
1.3.6.1.2.1.2.2.1.2.1|4|Vlan10
1.3.6.1.2.1.2.2.1.2.10101|4|GigabitEthernet0/1
1.3.6.1.2.1.2.2.1.2.10102|4|GigabitEthernet0/2
1.3.6.1.2.1.2.2.1.3.1|2|53
1.3.6.1.2.1.2.2.1.3.10101|2|6
1.3.6.1.2.1.2.2.1.3.10102|2|6
1.3.6.1.2.1.2.2.1.4.10101|2|1500
1.3.6.1.2.1.2.2.1.5.10101|66|4294967295
1.3.6.1.2.1.2.2.1.5.10102|66|10000000
1.3.6.1.2.1.2.2.1.6.10101|4x|001a2b030405
1.3.6.1.2.1.2.2.1.7.10101|2|1
1.3.6.1.2.1.2.2.1.7.10102|2|2
1.3.6.1.2.1.2.2.1.8.10101|2|1
1.3.6.1.2.1.2.2.1.8.10102|2|2
1.3.6.1.2.1.4.20.1.2.10.1.0.3|2|1
1.3.6.1.2.1.4.20.1.2.127.0.0.1|2|1
1.3.6.1.2.1.4.20.1.3.10.1.0.3|64x|ffffff00
1.3.6.1.2.1.4.20.1.3.127.0.0.1|64|255.0.0.0
1.3.6.1.2.1.17.1.1.0|4x|001a2b030400
1.3.6.1.2.1.31.1.1.1.1.1|4|Vl10
1.3.6.1.2.1.31.1.1.1.1.10101|4|Gi0/1
1.3.6.1.2.1.31.1.1.1.1.10102|4|Gi0/2
1.3.6.1.2.1.31.1.1.1.15.10101|66|10000
1.3.6.1.2.1.31.1.1.1.18.10101|4|to "core"
1.3.6.1.2.1.31.1.1.1.18.10102|4|
"""

SYSTEM = """\
1.3.6.1.2.1.1.5.0|4|core-1
1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.9.1.1
1.3.6.1.2.1.1.7.0|2|2
1.3.6.1.2.1.2.2.1.2.1|4|Ethernet1/1
1.3.6.1.2.1.2.2.1.2.2|4|Ethernet1/2
"""


def observed(folder: Path, text: str, name: str = "sw3.snmprec") -> Observed:
    path = folder / name
    path.write_text(text)
    return Observed("snmp", path)


def walk(folder: Path, text: str) -> Walk:
    path = folder / "counted.snmprec"
    path.write_text(text)
    return read(documents([str(path)])[0])


def parts(of: Observed, type_: str) -> dict[str, Observation]:
    """The parts of the only device, by name."""
    [device] = of.observations
    found = [link.to for link in device.links if link.name == "HAS_COMPONENT"]
    return {
        p.attributes["name"]: p for p in found if isinstance(p, Observation) and p.type == type_
    }


def cables(of: Observed) -> list[tuple[str, str, str, Any]]:
    """Local port, neighbour's key, its port, attributes of the cable."""
    found = []
    for name, part in parts(of, "NetworkInterface").items():
        for link in part.links:
            if link.name == "CONNECTED_TO" and isinstance(link.to, Observation):
                [component] = link.to.links
                assert component.name == "COMPONENT_OF"
                assert isinstance(component.to, Observation)
                found.append(
                    (name, component.to.key, link.to.attributes["name"], dict(link.attributes))
                )
    return found


def mention(of: Observed, key: str) -> Observation:
    found = [
        component.to
        for part in parts(of, "NetworkInterface").values()
        for link in part.links
        if isinstance(link.to, Observation)
        for component in link.to.links
        if isinstance(component.to, Observation) and component.to.key == key
    ]
    assert all(other == found[0] for other in found)
    return found[0]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (NUMERIC, "sw3.snmpwalk"),
        (NUMERIC.replace("\n.1.3.6", "\niso.3.6").replace(".1.3", "iso.3", 1), "sw3.walk"),
        (NAMED, "sw3.txt"),
        (NAMED.replace("-MIB::", "-MIB::").replace("SNMPv2-MIB::", ""), "sw3.txt"),
        (NUMERIC.replace("\n", "\r\n"), "sw3.txt"),
        (RECORDS, "sw3.snmprec"),
    ],
    ids=["-On", "iso", "names", "names without module", "Windows", "snmprec"],
)
def test_a_switch_is_the_same_however_its_walk_is_written(
    text: str, name: str, tmp_path: Path
) -> None:
    of = observed(tmp_path, text, name).sound()
    [device] = of.observations
    assert (device.type, device.key, device.place) == ("Switch", "device/sw3", name)
    assert " ".join(device.attributes["description"].split()) == " ".join(CISCO.decode().split())
    assert {n: v for n, v in device.attributes.items() if n != "description"} == {
        "name": "sw-access-3.corp.example",
        "hostname": "sw-access-3",
        "domain": "corp.example",
        "vendor": "Cisco",
        "os_version": "15.0(2)SE8",
        "management_ip": "10.1.0.3",
        "chassis_mac": "00:1a:2b:03:04:00",
    }
    address = Observation(
        "IPAddress", "address/10.1.0.3", {"ip_address": "10.1.0.3", "prefix_length": 24}
    )
    assert parts(of, "NetworkInterface") == {
        "Vlan10": Observation(
            "NetworkInterface",
            attributes={"name": "Vlan10", "interface_index": 1, "interface_type": "propVirtual"},
            links=[Link("HAS_ADDRESS", address)],
        ),
        "GigabitEthernet0/1": Observation(
            "NetworkInterface",
            attributes={
                "name": "GigabitEthernet0/1",
                "description": 'to "core"',
                "mac_address": "00:1a:2b:03:04:05",
                "interface_index": 10101,
                "interface_type": "ethernetCsmacd",
                "mtu": 1500,
                "enabled": True,
                "speed_mbps": 10000,
            },
            links=[],
        ),
        "GigabitEthernet0/2": Observation(
            "NetworkInterface",
            attributes={
                "name": "GigabitEthernet0/2",
                "interface_index": 10102,
                "interface_type": "ethernetCsmacd",
                "enabled": False,
            },
            links=[],
        ),
    }


def test_a_real_walk_of_net_snmp_gives_a_computer() -> None:
    of = Observed("snmp", EXAMPLE / "app-07.snmpwalk").sound()
    [device] = of.observations
    description = "Linux app-07 6.1.0-18-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 x86_64"
    assert (device.type, device.key) == ("Computer", "device/app-07")
    assert device.attributes == {
        "name": "app-07.corp.example",
        "hostname": "app-07",
        "domain": "corp.example",
        "description": description,
        "os_name": "Linux",
        "kernel_version": "6.1.0-18-amd64",
        "architecture": "x86_64",
        "management_ip": "10.20.7.7",
        "mac_addresses": ["02:00:5e:10:00:07", "0a:63:5c:1f:45:13", "f2:63:81:2c:e8:3d"],
    }
    held = {
        name: [link.to.attributes for link in part.links if isinstance(link.to, Observation)]
        for name, part in parts(of, "NetworkInterface").items()
    }
    assert held == {
        "lo": [],
        "ifb0": [],
        "ifb1": [],
        "eth0": [
            {"ip_address": "10.20.7.7", "prefix_length": 24},
            {"ip_address": "fd00::2", "prefix_length": 64},
        ],
    }


def test_a_folder_is_part_of_what_a_device_is_called_and_an_address_is_its_management_address(
    tmp_path: Path,
) -> None:
    (tmp_path / "north").mkdir()
    (tmp_path / "north" / "10.9.8.7.snmprec").write_text(SYSTEM)
    (tmp_path / "notes.txt").write_text("not looked at in a folder")
    [device] = Observed("snmp", tmp_path).sound().observations
    assert device.key == "device/north/10.9.8.7"
    assert device.attributes["management_ip"] == "10.9.8.7"


def test_neighbours_by_lldp_are_cabled_to_their_ports(tmp_path: Path) -> None:
    row = "1.0.8802.1.1.2.1.4.1.1"
    text = (
        SYSTEM
        + f"""\
1.0.8802.1.1.2.1.3.7.1.2.7|2|5
1.0.8802.1.1.2.1.3.7.1.3.7|4|Eth1/2
{row}.4.0.1.1|2|4
{row}.5.0.1.1|4x|001a2b0a0b0c
{row}.6.0.1.1|2|5
{row}.7.0.1.1|4|Gi0/3
{row}.9.0.1.1|4|access-7.corp.example
{row}.12.0.1.1|4x|2800
{row}.4.0.7.2|2|4
{row}.5.0.7.2|4x|001a2b0a0b0d
{row}.6.0.7.2|2|3
{row}.7.0.7.2|4x|001a2b0a0b0e
{row}.9.0.7.2|4|NIC of a machine without a name
{row}.10.0.7.2|4|Ubuntu 22.04.3 LTS Linux 5.15.0
{row}.12.0.7.2|4x|2800
1.0.8802.1.1.2.1.4.2.1.4.0.1.1.1.4.10.5.5.7|2|1
"""
    )
    of = observed(tmp_path, text).sound()
    assert cables(of) == [
        ("Ethernet1/1", "neighbour/access-7.corp.example", "GigabitEthernet0/3", {}),
        ("Ethernet1/2", "neighbour/00:1a:2b:0a:0b:0d", "00:1a:2b:0a:0b:0e", {}),
    ]
    assert mention(of, "neighbour/access-7.corp.example") == Observation(
        "Switch",
        "neighbour/access-7.corp.example",
        {
            "name": "access-7.corp.example",
            "hostname": "access-7",
            "domain": "corp.example",
            "chassis_mac": "00:1a:2b:0a:0b:0c",
            "management_ip": "10.5.5.7",
        },
    )
    assert mention(of, "neighbour/00:1a:2b:0a:0b:0d") == Observation(
        "Host",
        "neighbour/00:1a:2b:0a:0b:0d",
        {
            "name": "NIC of a machine without a name",
            "chassis_mac": "00:1a:2b:0a:0b:0d",
            "mac_addresses": ["00:1a:2b:0a:0b:0d"],
        },
    )


def test_a_computer_that_bridges_for_its_containers_is_no_switch(tmp_path: Path) -> None:
    row = "1.0.8802.1.1.2.1.4.1.1"
    of = observed(
        tmp_path,
        SYSTEM
        + f"""\
{row}.4.0.2.1|2|4
{row}.5.0.2.1|4x|001a2b0a0b0c
{row}.7.0.2.1|4|eth0
{row}.9.0.2.1|4|db-7.corp.example
{row}.10.0.2.1|4|Debian GNU/Linux 12 (bookworm) Linux 6.1.0-18-amd64
{row}.12.0.2.1|4x|2800
""",
    ).sound()
    assert cables(of) == [("Ethernet1/2", "neighbour/db-7.corp.example", "eth0", {})]
    assert mention(of, "neighbour/db-7.corp.example") == Observation(
        "Computer",
        "neighbour/db-7.corp.example",
        {
            "name": "db-7.corp.example",
            "hostname": "db-7",
            "domain": "corp.example",
            "mac_addresses": ["00:1a:2b:0a:0b:0c"],
        },
    )


def test_a_cable_that_lldp_and_cdp_both_see_is_said_once(tmp_path: Path) -> None:
    lldp, cdp = "1.0.8802.1.1.2.1.4.1.1", "1.3.6.1.4.1.9.9.23.1.2.1.1"
    text = SYSTEM
    for local, mac in (("1", "0a1100000021"), ("2", "0a1100000022")):  # NX-OS says the ports' MACs
        text += f"""\
{lldp}.4.0.{local}.0|2|4
{lldp}.5.0.{local}.0|4x|{mac}
{lldp}.6.0.{local}.0|2|7
{lldp}.7.0.{local}.0|4x|{f"Eth1/2{local}".encode().hex()}000000000000000000
{lldp}.9.0.{local}.0|4|core-2
{lldp}.12.0.{local}.0|4x|20
{cdp}.4.{local}.55|4x|0a000002
{cdp}.6.{local}.55|4|core-2(SSI12340ABC)
{cdp}.7.{local}.55|4|Ethernet1/2{local}
{cdp}.8.{local}.55|4|N5K-C5548UP
{cdp}.9.{local}.55|4x|00000229
"""
    of = observed(tmp_path, text).sound()
    assert cables(of) == [
        ("Ethernet1/1", "neighbour/core-2", "Ethernet1/21", {}),
        ("Ethernet1/2", "neighbour/core-2", "Ethernet1/22", {}),
    ]
    assert mention(of, "neighbour/core-2").type == "Switch"
    assert mention(of, "neighbour/core-2").attributes == {
        "name": "core-2",
        "hostname": "core-2",
        "management_ip": "10.0.0.2",
        "serial_number": "SSI12340ABC",
        "vendor": "Cisco",
        "model": "N5K-C5548UP",
    }


def test_several_neighbours_at_one_port_share_it(tmp_path: Path) -> None:
    cdp = "1.3.6.1.4.1.9.9.23.1.2.1.1"
    text = SYSTEM
    for number, platform in (("7", "cisco AIR-CAP1602I-C-K9"), ("8", "AIR-CT5520-K9")):
        text += f"""\
{cdp}.6.1.{number}|4|ap-{number}
{cdp}.7.1.{number}|4|GigabitEthernet0
{cdp}.8.1.{number}|4|{platform}
{cdp}.9.1.{number}|4x|00000026
"""
    of = observed(tmp_path, text).sound()
    assert cables(of) == [
        ("Ethernet1/1", "neighbour/ap-7", "GigabitEthernet0", {"cable_type": "shared"}),
        ("Ethernet1/1", "neighbour/ap-8", "GigabitEthernet0", {"cable_type": "shared"}),
    ]
    assert mention(of, "neighbour/ap-7").type == "AccessPoint"
    assert mention(of, "neighbour/ap-7").attributes["model"] == "AIR-CAP1602I-C-K9"
    assert mention(of, "neighbour/ap-8").type == "WirelessController"


def test_neighbours_that_say_too_little_are_rejected_one_by_one(tmp_path: Path) -> None:
    row = "1.0.8802.1.1.2.1.4.1.1"
    text = SYSTEM
    for number, (local, name, port) in enumerate(
        (
            ("1", "sw-1", ""),
            ("1", "sw-2", "Ten-GigabitEther"),
            ("9", "sw-3", "Gi0/1"),
            ("1", "core-1", "Gi0/1"),
            ("1", "H3C", "Gi0/1"),
        )
    ):
        text += f"{row}.7.0.{local}.{number}|4|{port}\n{row}.9.0.{local}.{number}|4|{name}\n"
    of = observed(tmp_path, text)
    assert of.unfit == []
    assert cables(of) == []
    assert [(r.place, r.reason) for r in of.rejections] == [
        ("sw3.snmprec", "neighbour sw-1 does not say its port"),
        (
            "sw3.snmprec",
            "neighbour sw-2 calls its port 'Ten-GigabitEther', which the agent has cut off",
        ),
        ("sw3.snmprec", "neighbour sw-3 is seen at a port that is no interface of the device"),
        ("sw3.snmprec", "neighbour core-1 is the device itself"),
        ("sw3.snmprec", "neighbour H3C says neither a name nor an address"),
    ]


def test_a_name_that_several_devices_bear_is_told_apart_by_their_addresses(tmp_path: Path) -> None:
    row = "1.0.8802.1.1.2.1.4.1.1"
    text = SYSTEM
    for local in ("1", "2"):
        text += f"""\
{row}.4.0.{local}.0|2|4
{row}.5.0.{local}.0|4x|001a2b0a0b0{local}
{row}.7.0.{local}.0|4|Gi0/1
{row}.9.0.{local}.0|4|office-switch
1.0.8802.1.1.2.1.4.2.1.4.0.{local}.0.1.4.10.5.5.{local}|2|1
"""
    of = observed(tmp_path, text).sound()
    assert [cable[1] for cable in cables(of)] == [
        "neighbour/00:1a:2b:0a:0b:01",
        "neighbour/00:1a:2b:0a:0b:02",
    ]
    assert mention(of, "neighbour/00:1a:2b:0a:0b:01").attributes == {
        "name": "office-switch",
        "chassis_mac": "00:1a:2b:0a:0b:01",
        "mac_addresses": ["00:1a:2b:0a:0b:01"],
        "management_ip": "10.5.5.1",
    }


def test_physical_entities_are_parts_and_a_serial_number_belongs_to_one(tmp_path: Path) -> None:
    row = "1.3.6.1.2.1.47.1.1.1.1"
    entities = {  # class, name, serial number, model, field-replaceable
        "1": ("3", "Chassis", "CH1", "WS-C3750G", "1"),
        "2": ("3", "Switch 2", "CH2", "WS-C3750G", "1"),
        "3": ("5", "Bay", "", "", "2"),
        "4": ("6", "PSU 1", "PS1", "PWR-1", "1"),
        "5": ("7", "PSU 1 fan", "PS1", "", "2"),
        "6": ("7", "PSU 1 fan", "PS1", "", "2"),
        "7": ("9", "Fixed module", "CH1", "WS-C3750G", "2"),
        "8": ("9", "Line card", "LC1", "X-4", "1"),
        "9": ("10", "GigabitEthernet1/0/1", "", "", "2"),
        "10": ("10", "GigabitEthernet1/0/2", "SFP1  ", "GLC-LH", "1"),
        "11": ("8", "Sensor", "", "", "2"),
    }
    text = SYSTEM
    for column, position in ((5, 0), (7, 1), (11, 2), (13, 3), (16, 4)):
        text += "".join(f"{row}.{column}.{i}|4|{e[position]}\n" for i, e in entities.items())
    of = observed(tmp_path, text).sound()
    [device] = of.observations
    assert (device.attributes["serial_number"], device.attributes["model"]) == ("CH1", "WS-C3750G")
    kept = [
        (link.name, link.to.type, dict(link.to.attributes))
        for link in device.links
        if isinstance(link.to, Observation) and link.to.type != "NetworkInterface"
    ]
    assert kept == [
        (
            "HAS_COMPONENT",
            "PowerSupply",
            {"name": "PSU 1", "serial_number": "PS1", "model": "PWR-1"},
        ),
        ("HAS_COMPONENT", "Fan", {"name": "PSU 1 fan"}),
        ("HAS_COMPONENT", "Fan", {"name": "PSU 1 fan (6)"}),
        (
            "HAS_COMPONENT",
            "LineCard",
            {"name": "Line card", "serial_number": "LC1", "model": "X-4"},
        ),
        (
            "HAS_COMPONENT",
            "Transceiver",
            {
                "name": "GigabitEthernet1/0/2 transceiver",
                "serial_number": "SFP1",
                "model": "GLC-LH",
            },
        ),
        (
            "CONTAINS",
            "Switch",
            {"name": "sw3 Switch 2", "serial_number": "CH2", "model": "WS-C3750G"},
        ),
    ]


def test_a_pdu_has_outlets_that_are_on_or_off(tmp_path: Path) -> None:
    pdu, outlet = "1.3.6.1.4.1.318.1.1.12.1", "1.3.6.1.4.1.318.1.1.12.3.5.1.1"
    of = observed(
        tmp_path,
        f"""\
1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.318.1.3.4.6
1.3.6.1.2.1.1.5.0|4|pdu-a
{pdu}.3.0|4|v6.7.2
{pdu}.5.0|4|AP8641
{pdu}.6.0|4|5A0000E00001
{pdu}.8.0|2|3
{outlet}.2.1|4|web-01
{outlet}.2.2|4|web-01
{outlet}.2.3|4|Outlet 3
{outlet}.4.1|2|1
{outlet}.4.2|2|2
""",
    ).sound()
    [device] = of.observations
    assert device.type == "PDU"
    assert device.attributes == {
        "name": "pdu-a",
        "vendor": "APC",
        "model": "AP8641",
        "serial_number": "5A0000E00001",
        "firmware_version": "v6.7.2",
        "outlet_count": 3,
    }
    assert [part.attributes for part in parts(of, "PowerOutlet").values()] == [
        {"name": "web-01", "slot": "1", "outlet_number": 1, "power_on": True},
        {"name": "web-01 (2)", "slot": "2", "outlet_number": 2, "power_on": False},
        {"name": "Outlet 3", "slot": "3", "outlet_number": 3},
    ]


def test_an_enclosure_contains_its_blades_and_switches_and_no_empty_bays(tmp_path: Path) -> None:
    rack = "1.3.6.1.4.1.232.22.2"
    of = observed(
        tmp_path,
        f"""\
1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.11.5.7.1.2
1.3.6.1.2.1.1.5.0|4|oa-1
{rack}.3.1.1.1.3.1|4|BladeSystem c7000
{rack}.3.1.1.1.7.1|4|ENC1
{rack}.4.1.1.1.4.1|4|ESX-01
{rack}.4.1.1.1.8.1|2|4
{rack}.4.1.1.1.12.1|2|3
{rack}.4.1.1.1.16.1|4|BL1   |
{rack}.4.1.1.1.12.2|2|2
{rack}.4.1.1.1.16.2|4|Unknown
{rack}.5.1.1.1.5.1|4|PS1
{rack}.5.1.1.1.11.1|2|2
{rack}.5.1.1.1.16.1|2|3
{rack}.6.1.1.1.6.1|4|8/24c SAN Switch
{rack}.6.1.1.1.7.1|4|NC1
{rack}.6.1.1.1.12.1|2|3
{rack}.6.1.1.1.13.1|2|3
""".replace("BL1   |", "BL1   "),
    ).sound()
    [device] = of.observations
    assert (device.type, device.attributes) == (
        "BladeChassis",
        {"name": "oa-1", "vendor": "HPE", "model": "BladeSystem c7000", "serial_number": "ENC1"},
    )
    assert list(device.links) == [
        Link(
            "CONTAINS",
            Observation(
                "BladeServer",
                "serial/BL1",
                {"hostname": "esx-01", "serial_number": "BL1", "vendor": "HPE"},
            ),
            {"slot": "4"},
        ),
        Link(
            "CONTAINS",
            Observation(
                "FibreChannelSwitch",
                "serial/NC1",
                {
                    "name": "8/24c SAN Switch",
                    "serial_number": "NC1",
                    "vendor": "HPE",
                    "model": "8/24c SAN Switch",
                },
            ),
            {"slot": "3"},
        ),
        Link(
            "HAS_COMPONENT",
            Observation(
                "PowerSupply",
                attributes={
                    "name": "Power supply 2",
                    "slot": "2",
                    "serial_number": "PS1",
                    "vendor": "HPE",
                },
            ),
        ),
    ]


@pytest.mark.parametrize(
    ("product", "services", "extra", "type_", "vendor"),
    [
        ("9.1.1", "6", "", "Switch", "Cisco"),
        ("9.1.1", "78", "", "Router", "Cisco"),
        ("25506.1.578", "78", "1.3.6.1.2.1.17.1.2.0|2|28\n", "Switch", "H3C"),
        ("9.1.1", "4", "", "Router", "Cisco"),
        ("12356.101.1.1", "78", "", "Firewall", "Fortinet"),
        ("1588.2.1.1.1", "79", "", "FibreChannelSwitch", "Brocade"),
        ("8072.3.2.10", "72", "", "Computer", None),
        ("6876.4.1", "72", "", "Server", "VMware"),
        ("1248.1.1.2.1.3.5.69", "72", "", "Printer", "Epson"),
        ("1248.4.1", "72", "", "Host", "Epson"),
        ("8741.1", "78", "", "Firewall", "SonicWall"),
        ("8741.4", "72", "", "Host", "SonicWall"),
        ("311.1.1.3.1.2", "76", "", "Server", "Microsoft"),
        ("99999.1", "72", "1.3.6.1.2.1.43.5.1.1.17.1|4|PRN1\n", "Printer", None),
        ("534.1", "72", "1.3.6.1.2.1.33.1.1.2.0|4|9PX\n", "UPS", "Eaton"),
        ("2011.2.1", "64", "", "NetworkDevice", "Huawei"),
        ("99999.1", "72", "", "Host", None),
        ("99999.1", "", "", "Host", None),
    ],
)
def test_the_type_is_what_the_device_says_it_is(
    product: str, services: str, extra: str, type_: str, vendor: str | None, tmp_path: Path
) -> None:
    of = observed(
        tmp_path,
        f"1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.{product}\n1.3.6.1.2.1.1.7.0|2|{services}\n{extra}",
    ).sound()
    [device] = of.observations
    assert (device.type, device.attributes.get("vendor")) == (type_, vendor)


def test_arp_and_forwarding_tables_are_counted_and_become_nothing(tmp_path: Path) -> None:
    text = (
        SYSTEM
        + """\
1.3.6.1.2.1.4.22.1.2.1.10.0.0.9|4x|001a2b0c0d0e
1.3.6.1.2.1.17.4.3.1.1.0.26.43.12.13.14|4x|001a2b0c0d0e
1.3.6.1.2.1.17.4.3.1.2.0.26.43.12.13.14|2|1
1.3.6.1.2.1.17.7.1.2.2.1.2.10.0.26.43.12.13.15|2|1
"""
    )
    assert tables(walk(tmp_path, text)) == {
        "interfaces": 2,
        "arp": 1,
        "fdb": 2,
        "lldp": 0,
        "cdp": 0,
    }
    of = observed(tmp_path, text).sound()
    assert Counter(s.type for st in of.statements for s in st.subjects) == {
        "Switch": 1,
        "NetworkInterface": 2,
    }


def test_communities_in_a_walk_are_never_taken(tmp_path: Path) -> None:
    text = SYSTEM + "1.3.6.1.6.3.18.1.1.1.2.3|4|s3cret-c0mmunity\n"
    of = observed(tmp_path, text).sound()
    assert not any("s3cret" in text for text in of.texts())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing of this kind\nat all",
        '{"json": true}',
        "<nmaprun/>",
        "1.3.6.1.2.1.99.1.0|4|of a MIB that is not read\n",
        ".1.3.6.1.2.1.1.5.0 = No Such Object available on this agent at this OID\n",
        "Timeout: No Response from 10.0.0.1",
        "\x00\x01\x02" * 1000,
    ],
)
def test_what_is_no_walk_is_refused_in_one_sentence(text: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as refused:
        observed(tmp_path, text)
    assert str(refused.value).count("\n") <= 1


def test_a_line_that_never_ends_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="never ends"):
        observed(tmp_path, "1.3.6.1.2.1.1.5.0|4|" + "x" * 3_000_000)


def test_mutilated_walks_give_observations_or_one_clear_error(tmp_path: Path) -> None:
    extra = (
        "\n1.0.8802.1.1.2.1.4.1.1.7|4|x\n1.0.8802.1.1.2.1.4.1.1.7.1|4|x\n"
        "1.3.6.1.2.1.4.34.1.3.1.4.10|2|x\n1.3.6.1.2.1.4.20.1.2.999.1|2|1\n"
        "1.3.6.1.2.1.2.2.1.2.9.9|4|odd\n1.3.6.1.2.1.2.2.1.6.9.9|4x|zz\n"
        "1.3.6.1.2.1.4.20.1.3.10.0.0.1|4|300.1\n1.3.6.1.4.1.9.9.23.1.2.1.1.4.1.1|4x|0a\n"
    )
    for text, name in ((NUMERIC, "a.snmpwalk"), (NAMED, "a.txt"), (RECORDS + extra, "a.snmprec")):
        wrong = [text[:cut] for cut in range(0, len(text), 97)]
        for old, new in (("6", "x"), ("1", "-99999999999999999999999"), ("=", ""), ("|", "||")):
            wrong += [text.replace(old, new), text.replace(f" {old}", f" {new}")]
        wrong += ["\n".join(reversed(text.splitlines())), text.replace("STRING", "INTEGER")]
        for one in wrong:
            try:
                of = observed(tmp_path, one, name)
            except SourceError:
                continue
            assert all(isinstance(item, Rejection) for item in of.rejections)


def test_texts_and_numbers_beyond_measure_do_not_make_a_device_unfit(tmp_path: Path) -> None:
    text = "".join(
        f"{line.rpartition('|')[0]}|{'9' * 18 if '|2|' in line or '|66|' in line else 'x' * 5000}\n"
        for line in (RECORDS + "1.3.6.1.2.1.47.1.1.1.1.5.1|4|3\n").splitlines()
        if "|4|" in line or "|2|" in line or "|66|" in line
    )
    of = observed(tmp_path, text).sound()
    assert len(parts(of, "NetworkInterface")) == 3


@pytest.mark.parametrize(
    ("octets", "mac"),
    [
        (b"\x00\x1a\x2b\x03\x04\x05", "00:1a:2b:03:04:05"),
        (b"0:1a:2b:3:4:5", "00:1a:2b:03:04:05"),
        (b"001a.2b03.0405", "00:1a:2b:03:04:05"),
        (b"\x00" * 6, None),
        (b"69376", None),
        (b"", None),
        (b"\x10\x00" * 4, None),  # a world-wide name of Fibre Channel
    ],
)
def test_a_mac_address_is_six_octets_or_their_text(octets: bytes, mac: str | None) -> None:
    assert Value(octets).mac == mac


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"Eth1/21\x00\x00\x00", "Eth1/21"),
        ("汇聚机房".encode("gb18030"), "汇聚机房"),
        ("汇聚机房".encode(), "汇聚机房"),
        (b"a\x00b", ""),
        (b"\xff\xfe\xff", ""),
    ],
)
def test_text_is_utf_8_or_the_national_standard_and_loses_its_padding(
    octets: bytes, text: str
) -> None:
    assert Value(octets).text == text


# LLDP remote, CDP, ifTable, ARP and forwarding entries; record type; cables; rejected neighbours
WALKS = {
    "network/switch/cisco-n5000-uk9": ((11, 5, 61, 533, 0), "Switch", 10, 1),
    "network/switch/cisco-n5000": ((9, 5, 61, 513, 0), "Switch", 8, 1),
    "network/switch/cisco-c3750": ((0, 125, 19, 9, 15), "Switch", 125, 0),
    "network/switch/cisco-c3560": ((0, 9, 57, 15, 0), "Switch", 9, 0),
    "network/switch/h3c-e528-1": ((1, 0, 31, 1, 2), "Switch", 1, 0),
    "network/switch/bdcom-s5612": ((0, 0, 26, 27, 721), "Switch", 0, 0),
    "network/switch/brocade-ds-5100b": ((0, 0, 46, 1, 0), "FibreChannelSwitch", 0, 0),
    "storage/netapp-fas3270": ((0, 0, 15, 10, 0), "StorageArray", 0, 0),
    "bmc/hp-onboard-administrator": ((0, 0, 15, 4, 0), "BladeChassis", 0, 0),
    "UPS/apc-7902b": ((0, 0, 2, 1, 0), "PDU", 0, 0),
    "UPS/apc-8641": ((0, 0, 2, 1, 0), "PDU", 0, 0),
    "UPS/apc-8932": ((0, 0, 2, 1, 0), "PDU", 0, 0),
}


packed = pytest.mark.filterwarnings(
    # Document.open leaves the file under a decompressor to the garbage collector.
    "ignore:unclosed file:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


def _walk_file(name: str) -> Path:
    [found] = (shared_data("snmp-snmpsim-data") / name).parent.glob(f"{Path(name).name}.snmprec*")
    return found


@packed
@pytest.mark.shared_data
@pytest.mark.parametrize("name", WALKS)
def test_real_walks_give_what_they_hold(name: str) -> None:
    held, type_, connected, rejected = WALKS[name]
    path = _walk_file(name)
    found = tables(read(documents([str(path)])[0]))
    assert tuple(found[n] for n in ("lldp", "cdp", "interfaces", "arp", "fdb")) == held
    of = Observed("snmp", path)
    assert of.unfit == []
    assert of.repeated == {}
    [device] = of.observations
    assert device.type == type_
    assert len(parts(of, "NetworkInterface")) == held[2]
    assert len(of.claims("CONNECTED_TO")) == connected
    assert [r.reason for r in of.rejections] == [
        "neighbour H3C calls its port 'Ten-GigabitEther', which the agent has cut off"
    ] * rejected


@packed
@pytest.mark.shared_data
def test_all_real_walks_together_are_twelve_devices() -> None:
    of = Observed("snmp", shared_data("snmp-snmpsim-data"))
    assert of.unfit == []
    assert of.repeated == {}
    assert {device.key for device in of.observations} == {f"device/{name}" for name in WALKS}
    names = Counter(str(device.attributes["name"])[:6] for device in of.observations)
    assert names == {"DUMSYS": 9, "pwr-dc": 3}


@packed
@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("UPS/apc-7902b", ("pwr-dc01-pdu-rack01-01", "AP7902B", 16, 16)),
        ("UPS/apc-8641", ("pwr-dc01-pdu-rack1-01", "AP8641", 24, 24)),
        ("UPS/apc-8932", ("pwr-dc01-pdu-rack3-01", "AP8932", 24, 24)),
    ],
)
def test_the_real_pdus_have_their_outlets(name: str, expected: tuple[str, str, int, int]) -> None:
    of = Observed("snmp", _walk_file(name)).sound()
    [device] = of.observations
    outlets = parts(of, "PowerOutlet")
    said = tuple(device.attributes[n] for n in ("name", "model", "outlet_count"))
    assert (*said, len(outlets)) == expected
    assert device.attributes["vendor"] == "APC"
    assert sorted(p.attributes["outlet_number"] for p in outlets.values()) == list(
        range(1, expected[3] + 1)
    )


@packed
@pytest.mark.shared_data
def test_two_real_walks_of_one_switch_agree_on_who_it_is() -> None:
    """cisco-n5000 and cisco-n5000-uk9 were taken of the same chassis, under scrubbed names."""
    first, second = (
        Observed("snmp", _walk_file(f"network/switch/{name}")).observations[0].attributes
        for name in ("cisco-n5000", "cisco-n5000-uk9")
    )
    for attribute in ("serial_number", "model", "chassis_mac", "management_ip"):
        assert first[attribute] == second[attribute]
    assert first["name"] != second["name"]


@packed
@pytest.mark.shared_data
def test_the_real_nexus_sees_each_cable_once_by_lldp_and_cdp() -> None:
    of = Observed("snmp", _walk_file("network/switch/cisco-n5000"))
    ports = [(local, far, port) for local, far, port, _ in cables(of)]
    assert ports == [
        ("mgmt0", "neighbour/nwpu-ca-5548-02", "mgmt0"),
        ("Ethernet1/1", "neighbour/h3c-1", "Ten-GigabitEthernet1/0/49"),
        ("Ethernet1/2", "neighbour/h3c-2", "Ten-GigabitEthernet1/0/49"),
        ("Ethernet1/19", "neighbour/ac:16:2d:92:7d:21", "17"),
        ("Ethernet1/21", "neighbour/nwpu-ca-5548-02", "Ethernet1/21"),
        ("Ethernet1/22", "neighbour/nwpu-ca-5548-02", "Ethernet1/22"),
        ("Ethernet1/23", "neighbour/nwpu-ucs-fi-a", "Ethernet1/25"),
        ("Ethernet1/24", "neighbour/nwpu-ucs-fi-b", "Ethernet1/25"),
    ]
    assert "chassis_mac" not in mention(of, "neighbour/nwpu-ca-5548-02").attributes
    assert mention(of, "neighbour/nwpu-ca-5548-02").attributes["serial_number"] == "SSI183706KA"
