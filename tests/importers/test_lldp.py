"""LLDP and CDP: who is connected to whom, each cable once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from cmdb.errors import SourceError
from cmdb.reconciliation.observations import Ref, Rejection
from cmdb.reconciliation.statements import Subject
from importers.lldp import Lldp, LldpOptions
from importers.lldp.formats import reports
from importers.lldp.interfaces import interface
from importers.lldp.sightings import Report
from importers.reading import Document, documents
from tests.support.mutilating import borne, mutilated
from tests.support.observing import Observed, shared_data

End = tuple[str, str]


def cables(observed: Observed) -> list[frozenset[End]]:
    """Every cable as its two ends: key of the device, name of the interface."""
    found = []
    for statement in observed.statements:
        owner: dict[int, str] = {}
        for claim in statement.claims:
            if claim.type == "HAS_COMPONENT":
                source = claim.source
                owner[id(claim.target)] = source.key.removeprefix("device/")
        for claim in statement.claims:
            if claim.type == "CONNECTED_TO":
                ends = []
                for end in (claim.source, claim.target):
                    assert isinstance(end, Subject)
                    ends.append((owner[id(end)], end.attributes["name"]))
                found.append(frozenset(ends))
    return found


def cable(one: str, other: str) -> frozenset[End]:
    """``leaf01 swp1``, ``spine01 swp2``"""
    pairs = [end.split(" ", 1) for end in (one, other)]
    return frozenset((device, name) for device, name in pairs)


def device_pairs(found: list[frozenset[End]]) -> set[frozenset[str]]:
    return {frozenset(device for device, _ in ends) for ends in found}


def device(observed: Observed, key: str) -> Subject:
    [found] = [s for s in observed.subjects("ConfigurationItem") if s.key == f"device/{key}"]
    return found


def write(folder: Path, **files: Any) -> Path:
    """Files by name (``__`` is a dot); what is no text is written as JSON."""
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def neighbour(name: str, remote_port: str, **more: Any) -> dict[str, Any]:
    """A row of NAPALM's get_lldp_neighbors_detail."""
    return {"remote_system_name": name, "remote_port": remote_port, **more}


@pytest.mark.parametrize(
    ("written", "platform", "full"),
    [
        ("Gi1/0/1", "", "GigabitEthernet1/0/1"),
        ("Gig 1/0/10", "", "GigabitEthernet1/0/10"),
        ("GE1/0/1", "", "GigabitEthernet1/0/1"),
        ("GigabitEthernet1/0/1", "", "GigabitEthernet1/0/1"),
        ("Eth1/1", "", "Ethernet1/1"),
        ("Et1", "", "Ethernet1"),
        ("Fas 0/0", "", "FastEthernet0/0"),
        ("Te1/3", "cisco_ios", "TenGigabitEthernet1/3"),
        ("Te0/0/0/8", "", "TenGigE0/0/0/8"),
        ("XGE1/0/1", "hp_comware", "Ten-GigabitEthernet1/0/1"),
        ("XGE0/0/1", "huawei_vrp", "XGigabitEthernet0/0/1"),
        ("Twe1/0/1", "", "TwentyFiveGigE1/0/1"),
        ("Tw2/0/33", "", "TwoGigabitEthernet2/0/33"),
        ("Fo1/0/8", "", "FortyGigabitEthernet1/0/8"),
        ("Fo0/0/1/0", "cisco_xr", "FortyGigE0/0/1/0"),
        ("Hu1/0/30", "", "HundredGigE1/0/30"),
        ("Fou1/0/22", "", "FourHundredGigE1/0/22"),
        ("BAGG1", "", "Bridge-Aggregation1"),
        ("Po10", "", "Port-channel10"),
        ("Ma1", "", "Management1"),
        ("Mg0/RP0/CPU0/0", "", "MgmtEth0/RP0/CPU0/0"),
        ("ge-0/0/1.0", "", "ge-0/0/1"),
        ("me0.0", "", "me0"),
        ("eth0", "", "eth0"),
        ("10GE1/0/1", "", "10GE1/0/1"),
        ("Port 1", "", "Port 1"),
    ],
)
def test_abbreviated_interfaces_get_their_full_names(
    written: str, platform: str, full: str
) -> None:
    assert interface(written, platform).name == full


def test_spellings_of_one_interface_have_one_key() -> None:
    for spellings in (
        ("Te1/0/1", "TenGigabitEthernet1/0/1", "TenGigE1/0/1", "XGE1/0/1", "Ten 1/0/1"),
        ("mgmt0", "Management0"),
        ("xe-0/0/0", "xe-0/0/0.0"),
    ):
        assert len({interface(spelling).key for spelling in spellings}) == 1
    assert interface("Gi1/0/1").key != interface("Te1/0/1").key


LEAF01 = {
    "lldp": {
        "interface": [
            {
                "swp51": {
                    "via": "LLDP",
                    "chassis": {
                        "spine01.dc.example.org": {
                            "id": {"type": "mac", "value": "44:38:39:00:00:21"},
                            "descr": "Cumulus Linux version 4.3.0 running on Dell",
                            "mgmt-ip": ["10.0.0.21", "fe80::1"],
                            "capability": [
                                {"type": "Bridge", "enabled": True},
                                {"type": "Router", "enabled": True},
                            ],
                        }
                    },
                    "port": {"id": {"type": "ifname", "value": "swp1"}, "descr": "swp1"},
                }
            }
        ]
    }
}
SPINE01 = """\
lldp.swp1.via=LLDP
lldp.swp1.chassis.mac=44:38:39:00:00:11
lldp.swp1.chassis.name=leaf01
lldp.swp1.chassis.descr=Cumulus Linux version 4.3.0
 and a second line
lldp.swp1.chassis.mgmt-ip=10.0.0.11
lldp.swp1.chassis.Bridge.enabled=on
lldp.swp1.chassis.Router.enabled=off
lldp.swp1.port.ifname=swp51
lldp.eth0.100.via=LLDP
lldp.eth0.100.chassis.mac=00:50:56:00:00:01
lldp.eth0.100.port.mac=00:50:56:00:00:02
lldp.eth0.100.port.descr=the uplink of somebody
"""


def test_a_cable_that_both_ends_report_is_there_once(tmp_path: Path) -> None:
    observed = Observed("lldp", write(tmp_path, leaf01__json=LEAF01, spine01__txt=SPINE01)).sound()
    assert Counter(cables(observed)) == {
        cable("leaf01 swp51", "spine01 swp1"): 1,
        frozenset((("spine01", "eth0.100"), ("00:50:56:00:00:01", "00:50:56:00:00:02"))): 1,
    }
    assert [o.key for o in observed.observations] == ["device/leaf01", "device/spine01"]
    spine = device(observed, "spine01")
    assert (spine.type, spine.role) == ("Switch", "statement")
    assert spine.attributes == {
        "name": "spine01",
        "hostname": "spine01",
        "domain": "dc.example.org",
        "chassis_mac": "44:38:39:00:00:21",
        "management_ip": "10.0.0.21",
        "os_version": "Cumulus Linux version 4.3.0 running on Dell",
    }
    assert device(observed, "leaf01").type == "Switch"
    unnamed = device(observed, "00:50:56:00:00:01")
    assert (unnamed.type, unnamed.role) == ("Host", "mention")
    assert unnamed.attributes["chassis_mac"] == "00:50:56:00:00:01"


def test_the_far_end_of_a_cable_is_told_by_its_device(tmp_path: Path) -> None:
    observed = Observed("lldp", write(tmp_path, leaf01__json=LEAF01, spine01__txt=SPINE01))
    leaf, _ = observed.observations
    [component] = leaf.links
    assert component.name == "HAS_COMPONENT"
    assert not isinstance(component.to, Ref)
    assert component.to.attributes == {"name": "swp51"}
    [connected] = component.to.links
    assert connected.name == "CONNECTED_TO"
    assert not isinstance(connected.to, Ref)
    assert connected.to.attributes == {"name": "swp1"}
    assert [(link.name, link.to) for link in connected.to.links] == [
        ("COMPONENT_OF", Ref("device/spine01"))
    ]


def test_json0_and_the_listing_of_lldpctl_say_the_same(tmp_path: Path) -> None:
    json0 = {
        "lldp": [
            {
                "interface": [
                    {
                        "name": "eth1",
                        "chassis": [
                            {
                                "id": [{"type": "mac", "value": "52:54:00:00:00:90"}],
                                "name": [{"value": "exit01"}],
                                "descr": [{"value": "Some system"}],
                                "mgmt-ip": [{"value": "10.0.0.101"}],
                                "capability": [{"type": "Router", "enabled": True}],
                            }
                        ],
                        "port": [
                            {"id": [{"type": "ifname", "value": "swp5"}], "descr": [{"value": "x"}]}
                        ],
                    }
                ]
            }
        ]
    }
    listing = """\
-------------------------------------------------------------------------------
LLDP neighbors:
-------------------------------------------------------------------------------
Interface:    eth1, via: LLDP, RID: 2, Time: 0 day, 00:06:15
  Chassis:
    ChassisID:    mac 52:54:00:00:00:90
    SysName:      exit01
    SysDescr:     Some system
    MgmtIP:       10.0.0.101
    Capability:   Bridge, off
    Capability:   Router, on
  Port:
    PortID:       ifname swp5
    PortDescr:    x
"""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = Observed("lldp", write(tmp_path / "a", edge01__json=json0)).sound()
    other = Observed("lldp", write(tmp_path / "b", edge01__txt=listing)).sound()
    for observed in (one, other):
        assert cables(observed) == [cable("edge01 eth1", "exit01 swp5")]
        assert device(observed, "edge01").type == "Computer"
        assert device(observed, "exit01").type == "Router"
        assert device(observed, "exit01").attributes == {
            "name": "exit01",
            "hostname": "exit01",
            "chassis_mac": "52:54:00:00:00:90",
            "management_ip": "10.0.0.101",
            "os_version": "Some system",
        }


@pytest.mark.parametrize(
    ("description", "able", "type_"),
    [
        ("", ["bridge"], "Switch"),
        ("", ["router"], "Router"),
        ("", ["bridge", "router"], "NetworkDevice"),
        ("", ["wlan-access-point", "bridge"], "AccessPoint"),
        ("", ["telephone", "bridge"], "IPPhone"),
        ("", ["station"], "Computer"),
        ("Ubuntu 18.04.3 LTS Linux 5.0.0-36-generic #39", ["bridge", "router"], "Computer"),
        ("Juniper Networks, Inc. vmx internet router, kernel 15.1", ["bridge", "router"], "Router"),
        ("", [], "Host"),
    ],
)
def test_devices_are_of_the_type_that_they_say(
    tmp_path: Path, description: str, able: list[str], type_: str
) -> None:
    row = neighbour(
        "far", "7", remote_system_description=description, remote_system_enable_capab=able
    )
    observed = Observed("lldp", write(tmp_path, sw01__json={"Ethernet1": [row]})).sound()
    assert device(observed, "far").type == type_
    assert device(observed, "sw01").type == "NetworkDevice"


def test_a_port_that_goes_by_a_number_or_an_address_is_told_by_its_description(
    tmp_path: Path,
) -> None:
    answer = {
        "ge-0/0/0.0": [neighbour("a", "549", remote_port_description="ge-3/3/1")],
        "ge-0/0/1.0": [neighbour("b", "0011.2233.4455", remote_port_description="eth0")],
        "ge-0/0/2.0": [neighbour("c", "Gi0/1", remote_port_description="to the roof")],
        "ge-0/0/3.0": [neighbour("d", "12", remote_port_description="to the roof")],
        "ge-0/0/4.0": [
            neighbour("e", "1", remote_port_description="HUAWEI, AP Series, GE0/0/0 Interface")
        ],
    }
    observed = Observed("lldp", write(tmp_path, mx01__json=answer)).sound()
    assert set(cables(observed)) == {
        cable("mx01 ge-0/0/0", "a ge-3/3/1"),
        cable("mx01 ge-0/0/1", "b eth0"),
        cable("mx01 ge-0/0/2", "c GigabitEthernet0/1"),
        cable("mx01 ge-0/0/3", "d 12"),
        cable("mx01 ge-0/0/4", "e GigabitEthernet0/0/0"),
    }
    [eth0] = [s for s in observed.subjects("NetworkInterface") if s.attributes["name"] == "eth0"]
    assert eth0.attributes["mac_address"] == "00:11:22:33:44:55"


def test_a_devices_own_name_for_its_port_counts(tmp_path: Path) -> None:
    leaf = {"Ethernet2": [neighbour("server1", "0011.2233.4455")]}
    server = {"eth1": [neighbour("leaf", "Et2")]}
    observed = Observed("lldp", write(tmp_path, leaf__json=leaf, server1__json=server)).sound()
    assert cables(observed) == [cable("leaf Ethernet2", "server1 eth1")]
    [port] = [
        s for s in observed.statement("device/server1").subjects if s.type == "NetworkInterface"
    ]
    assert port.attributes == {"name": "eth1", "mac_address": "00:11:22:33:44:55"}


def test_one_cable_between_two_devices_needs_no_port_name_both_know(tmp_path: Path) -> None:
    leaf = {"Ethernet2": [neighbour("server1", "0011.2233.4455")]}
    server = {"eth1": [neighbour("leaf", "27")]}
    observed = Observed("lldp", write(tmp_path, leaf__json=leaf, server1__json=server)).sound()
    assert cables(observed) == [cable("leaf Ethernet2", "server1 eth1")]


def test_a_neighbour_seen_on_a_bundle_too_is_one_cable(tmp_path: Path) -> None:
    answer = {"TenGigE0/0/0/2": [neighbour("r2", "Bundle-Ether1"), neighbour("r2", "Te0/0/0/2")]}
    observed = Observed("lldp", write(tmp_path, r1__json=answer)).sound()
    assert cables(observed) == [cable("r1 TenGigE0/0/0/2", "r2 TenGigE0/0/0/2")]


def test_host_names_are_one_device_with_and_without_the_domain(tmp_path: Path) -> None:
    one = {
        "Eth1/1": [neighbour("sw9.a.example.org", "Eth1/1")],
        "Eth1/2": [neighbour("SW9", "Eth1/2")],
    }
    observed = Observed("lldp", write(tmp_path, sw01__json=one)).sound()
    assert set(cables(observed)) == {
        cable("sw01 Ethernet1/1", "sw9 Ethernet1/1"),
        cable("sw01 Ethernet1/2", "sw9 Ethernet1/2"),
    }
    assert device(observed, "sw9").attributes["domain"] == "a.example.org"


def test_host_names_in_two_domains_are_two_devices(tmp_path: Path) -> None:
    two = {
        "Eth1/1": [neighbour("sw9.a.example.org", "Eth1/1", remote_chassis_id="0000.0000.0a01")],
        "Eth1/2": [neighbour("sw9.b.example.org", "Eth1/1", remote_chassis_id="0000.0000.0a01")],
    }
    observed = Observed("lldp", write(tmp_path, sw01__json=two)).sound()
    assert {s.key for s in observed.subjects("NetworkDevice", "mention")} == {
        "device/sw9.a.example.org",
        "device/sw9.b.example.org",
    }
    for domain in ("a", "b"):
        attributes = device(observed, f"sw9.{domain}.example.org").attributes
        assert attributes == {
            "name": "sw9",
            "hostname": "sw9",
            "domain": f"{domain}.example.org",
        }, "a MAC address that two devices show tells none of them"


def test_a_nameless_neighbour_is_known_by_its_chassis(tmp_path: Path) -> None:
    answer = {
        "Eth1/1": [neighbour("sw2", "Eth1/1", remote_chassis_id="00:1c:73:00:00:01")],
        "Eth1/2": [neighbour("", "Eth1/2", remote_chassis_id="001c.7300.0001")],
        "Eth1/3": [neighbour("localhost", "Eth1/3")],
        "Eth1/4": [neighbour("sw4", "")],
    }
    observed = Observed("lldp", write(tmp_path, sw1__json=answer))
    assert set(cables(observed)) == {
        cable("sw1 Ethernet1/1", "sw2 Ethernet1/1"),
        cable("sw1 Ethernet1/2", "sw2 Ethernet1/2"),
    }
    assert observed.rejections == [
        Rejection(
            "sw1.json Eth1/3",
            "the neighbour gives neither a name nor an address that would tell it from others",
        ),
        Rejection("sw1.json Eth1/4", "the neighbour does not say which of its ports this is"),
    ]


def test_a_management_segment_is_kept_as_a_tree(tmp_path: Path) -> None:
    """Four on a segment see three each; three adjacencies join them, and hub has the most cables."""
    names = ("a", "b", "c", "hub")
    for name in names:
        others = [other for other in names if other != name]
        answer = {"mgmt0": [neighbour(other, "mgmt0") for other in others]}
        if name == "hub":
            answer |= {f"Eth1/{i}": [neighbour(o, "Eth1/1")] for i, o in enumerate(others, 1)}
        write(tmp_path, **{f"{name}__json": answer})
    observed = Observed("lldp", tmp_path).sound()
    assert Counter(cables(observed)) == Counter(
        [cable("hub mgmt0", f"{other} mgmt0") for other in "abc"]
        + [cable(f"hub Ethernet1/{i}", f"{other} Ethernet1/1") for i, other in enumerate("abc", 1)]
    )
    kinds = Counter(claim.attributes.get("cable_type") for claim in observed.claims("CONNECTED_TO"))
    assert kinds == {"shared": 3, None: 3}


TOPOLOGY = {
    "edges": [
        {
            "node1": {"hostname": "as1core1", "interfaceName": "GigabitEthernet0/0"},
            "node2": {"hostname": "Host1", "interfaceName": "eth0"},
        },
        {
            "node1": {"hostname": "host1", "interfaceName": "eth0"},
            "node2": {"hostname": "as1core1", "interfaceName": "GigabitEthernet0/0"},
        },
        {
            "node1": {"hostname": "as1core1", "interfaceName": "GigabitEthernet0/2"},
            "node2": {"hostname": "as1core1", "interfaceName": "GigabitEthernet0/1"},
        },
    ]
}


def test_a_layer_1_topology_is_a_list_of_cables(tmp_path: Path) -> None:
    observed = Observed("lldp", write(tmp_path, layer1_topology__json=TOPOLOGY)).sound()
    assert Counter(cables(observed)) == {
        cable("as1core1 GigabitEthernet0/0", "host1 eth0"): 1,
        cable("as1core1 GigabitEthernet0/1", "as1core1 GigabitEthernet0/2"): 1,
    }
    assert {(o.type, o.key) for o in observed.observations} == {
        ("NetworkDevice", "device/as1core1"),
        ("Host", "device/host1"),
    }
    core = observed.statement("device/as1core1")
    own = [s for s in core.subjects if s.type == "NetworkInterface" and s.role == "part"]
    assert [s.attributes["name"] for s in own] == [f"GigabitEthernet0/{i}" for i in range(3)], (
        "both ends of a cable from a switch to itself are its parts"
    )


def test_an_interface_cannot_be_cabled_to_itself(tmp_path: Path) -> None:
    same = {"hostname": "sw1", "interfaceName": "Ethernet1"}
    topology = {"edges": [{"node1": same, "node2": same}, {"node1": same}, 7]}
    observed = Observed("lldp", write(tmp_path, t__json=topology))
    assert cables(observed) == []
    assert [(r.place, r.reason) for r in observed.rejections] == [
        ("t.json edge 2", "it does not name a host and an interface at both ends"),
        ("t.json edge 3", "it does not name a host and an interface at both ends"),
        ("t.json edge 1", "Ethernet1: the interface sees itself; a cable has two ends"),
    ]


IOS = """\
Capability codes:
    (R) Router, (B) Bridge, (T) Telephone, (C) DOCSIS Cable Device
    (W) WLAN Access Point, (P) Repeater, (S) Station, (O) Other

Device ID           Local Intf     Hold-time  Capability      Port ID
spine1              Gi0/0          120        B,R             Ethernet1/1
a-rather-long-name.eGi0/1          120        B               Gi1/0/24

Total entries displayed: 2
"""


@pytest.mark.parametrize(
    ("path", "content", "options"),
    [
        ("cisco_ios_show_lldp_neighbors_leaf1.raw", IOS, {}),
        ("leaf1_ios_show_lldp_neighbors.txt", IOS, {}),
        ("cisco_ios/leaf1/show_lldp_neighbors.txt", IOS, {}),
        ("ios/log.txt", "leaf1#show lldp neighbors\n" + IOS + "leaf1#exit\n", {}),
        (
            "x.txt",
            IOS,
            {"platform": "cisco_ios", "command": "show lldp neighbors", "device": "leaf1"},
        ),
    ],
)
def test_names_prompts_and_options_say_what_an_output_is_of(
    tmp_path: Path, path: str, content: str, options: dict[str, str]
) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    observed = Observed("lldp", tmp_path, **options).sound()
    assert set(cables(observed)) == {
        cable("leaf1 GigabitEthernet0/0", "spine1 Ethernet1/1"),
        cable("leaf1 GigabitEthernet0/1", "a-rather-long-name GigabitEthernet1/0/24"),
    }
    assert device(observed, "leaf1").attributes == {
        "name": "leaf1",
        "hostname": "leaf1",
        "vendor": "Cisco",
    }
    assert "domain" not in device(observed, "a-rather-long-name").attributes, "it was cut off"


def test_an_output_of_an_unnamed_device_claims_no_host_name(tmp_path: Path) -> None:
    observed = Observed("lldp", write(tmp_path, cisco_ios_show_lldp_neighbors2__raw=IOS)).sound()
    [statement] = observed.observations
    assert statement.key == "device/cisco_ios_show_lldp_neighbors2"
    assert statement.attributes == {"name": "cisco_ios_show_lldp_neighbors2", "vendor": "Cisco"}


def test_a_log_of_several_commands_is_read_in_pieces(tmp_path: Path) -> None:
    log = f"""\
leaf1#show clock
10:00:00.000 UTC
leaf1#show lldp neighbors
{IOS}
leaf1#show version
Cisco IOS Software, whatever
"""
    observed = Observed("lldp", write(tmp_path, session__log=log), platform="cisco_ios").sound()
    assert len(cables(observed)) == 2
    assert [o.key for o in observed.observations] == ["device/leaf1"]


def test_access_points_hang_on_the_switch_that_their_controller_names(tmp_path: Path) -> None:
    output = """\
Number of neighbors: 1

AP Name      AP IP      Neighbor Name         Neighbor IP   Neighbor Port
--------------------------------------------------------------------------
AP-HALL-1    10.0.8.1   sw7.example.org       10.0.9.7      Te1/0/1
"""
    path = write(tmp_path, cisco_ios_show_ap_cdp_neighbors__txt=output)
    observed = Observed("lldp", path).sound()
    [uplink] = observed.claims("UPLINKED_TO")
    assert (uplink.source.key, uplink.target.key) == ("device/ap-hall-1", "device/sw7")
    assert [(o.type, o.attributes) for o in observed.observations] == [
        ("AccessPoint", {"name": "ap-hall-1", "hostname": "ap-hall-1", "management_ip": "10.0.8.1"})
    ]
    [port] = observed.subjects("NetworkInterface")
    assert port.attributes == {"name": "TenGigabitEthernet1/0/1"}
    assert cables(observed) == []


def test_nxos_serial_numbers_stand_behind_the_name(tmp_path: Path) -> None:
    answer = {
        "TABLE_cdp_neighbor_brief_info": {
            "ROW_cdp_neighbor_brief_info": {
                "device_id": "spine01(9WTLX6IZ9YW)",
                "intf_id": "Ethernet1/1",
                "platform_id": "N9K-C9300v",
                "port_id": "Ethernet1/4",
            }
        }
    }
    observed = Observed("lldp", write(tmp_path, leaf01__json=answer)).sound()
    assert cables(observed) == [cable("leaf01 Ethernet1/1", "spine01 Ethernet1/4")]
    assert device(observed, "spine01").type == "Switch"
    assert device(observed, "spine01").attributes == {
        "name": "spine01",
        "hostname": "spine01",
        "serial_number": "9WTLX6IZ9YW",
        "model": "N9K-C9300v",
        "vendor": "Cisco",
    }


def test_what_a_poller_gathered_is_kept_apart_by_namespace(tmp_path: Path) -> None:
    def gathered(namespace: str, hostname: str, **more: Any) -> str:
        answer = {
            "lldpNeighbors": [
                {"port": "Ethernet1", "neighborDevice": "spine1", "neighborPort": "Ethernet2"}
            ]
        }
        entry = {
            "status": 0,
            "cmd": "show lldp neighbors | json",
            "devtype": "eos",
            "namespace": namespace,
            "hostname": hostname,
            "address": "10.0.0.9",
            "data": json.dumps(answer),
        }
        return json.dumps([entry | more])

    content = "".join(
        (
            gathered("dc1", "leaf1"),
            gathered("dc2", "leaf1", address="poller.example.org:9007"),
            gathered("dc1", "leaf2", status=255),
            gathered("dc1", "leaf3", data=""),
            gathered("dc1", "leaf4", data="{cut"),
            gathered("dc1", "leaf5", cmd="show version | json", data="anything"),
        )
    )
    observed = Observed("lldp", write(tmp_path, lldp__output=content))
    assert set(cables(observed)) == {
        cable("dc1/leaf1 Ethernet1", "dc1/spine1 Ethernet2"),
        cable("dc2/leaf1 Ethernet1", "dc2/spine1 Ethernet2"),
    }
    assert [o.key for o in observed.observations] == ["device/dc1/leaf1", "device/dc2/leaf1"]
    assert device(observed, "dc1/leaf1").attributes == {
        "name": "leaf1",
        "hostname": "leaf1",
        "management_ip": "10.0.0.9",
        "vendor": "Arista",
    }
    assert "management_ip" not in device(observed, "dc2/leaf1").attributes
    assert observed.rejections == [
        Rejection("lldp.output leaf2", "its command failed when it was gathered"),
        Rejection("lldp.output leaf4", "its output cannot be read: it is not JSON, or is cut off"),
    ]


def test_napalms_answers_for_many_devices_stand_under_their_names(tmp_path: Path) -> None:
    answers = {
        "leaf1": {"get_lldp_neighbors": {"Ethernet1": [{"hostname": "leaf2", "port": "Et1"}]}},
        "leaf2": {"get_lldp_neighbors": {"Ethernet1": [{"hostname": "leaf1", "port": "Et1"}]}},
    }
    observed = Observed("lldp", write(tmp_path, all__json=answers)).sound()
    assert cables(observed) == [cable("leaf1 Ethernet1", "leaf2 Ethernet1")]
    assert [o.key for o in observed.observations] == ["device/leaf1", "device/leaf2"]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.json", "", "is empty"),
        ("a.json", "{", "is not JSON, or is cut off, after line 1"),
        ("a.json", "[" * 100_000, "is nested too deep"),
        ("a.json", '{"hello": "world"}', "holds none of the answers"),
        ("a.json", '[{"hello": "world"}]', "is a list of something else"),
        ("a.json", "[1, 2]", "is a list of something else"),
        ("a.txt", "Dear reader", "neither its name nor an option says of which platform"),
        ("cisco_ios.txt", "Dear reader", "neither its name nor an option says of which command"),
        (
            "cisco_ios_show_lldp_neighbors.raw",
            "Dear reader\n",
            "it is not what 'show lldp neighbors' prints",
        ),
        (
            "cisco_ios_show_cdp_table.raw",
            "Dear reader",
            "ntc-templates knows no 'show cdp table' of cisco_ios",
        ),
    ],
)
def test_another_format_is_refused_with_a_sentence(
    tmp_path: Path, name: str, content: str, what: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(SourceError) as caught:
        Observed("lldp", tmp_path)
    assert what in str(caught.value)
    assert name in str(caught.value)


SHAPES: dict[str, Any] = {
    "lldpctl": LEAF01,
    "topology": {"edges": TOPOLOGY["edges"][:1]},
    "napalm": {"Et1": [neighbour("a", "Et1", remote_system_enable_capab=["bridge"])]},
    "eos": {
        "lldpNeighbors": {
            "Ethernet1": {
                "lldpNeighborInfo": [
                    {
                        "systemName": "a",
                        "systemCapabilities": {"bridge": True},
                        "managementAddresses": [{"address": "10.0.0.1"}],
                        "neighborInterfaceInfo": {"interfaceId": '"Ethernet1"'},
                    }
                ]
            }
        }
    },
    "nxos": {
        "TABLE_nbor": {"ROW_nbor": [{"chassis_id": "a", "l_port_id": "Eth1/1", "port_id": "x1"}]}
    },
    "junos": {
        "lldp-neighbors-information": [
            {
                "lldp-neighbor-information": [
                    {
                        "lldp-local-interface": [{"data": "xe-0/0/0"}],
                        "lldp-remote-port-id": [{"data": "Ethernet1/4"}],
                        "lldp-remote-system-name": [{"data": "a"}],
                        "lldp-system-description": [
                            {"lldp-remote-system-description": [{"data": "NX-OS"}]}
                        ],
                    }
                ]
            }
        ]
    },
    "suzieq": [
        {
            "cmd": "show lldp neighbors | json",
            "hostname": "a",
            "data": "{}",
            "devtype": "eos",
            "status": 0,
        }
    ],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_wrong_types_anywhere_only_cost_what_they_are_of(shape: str) -> None:
    whole = json.dumps(SHAPES[shape])
    for mutation in mutilated(SHAPES[shape]):
        borne(Lldp(LldpOptions()), "sw1.json", json.dumps(mutation).encode())
    for end in range(1, len(whole)):
        document = Document("sw1.json", "sw1.json", None, whole[:end].encode())
        with pytest.raises(SourceError):
            list(reports(document))


@pytest.mark.parametrize("content", [SPINE01, IOS])
def test_outputs_that_are_cut_off_do_no_harm(content: str) -> None:
    for end in range(0, len(content), 7):
        name = "cisco_ios_show_lldp_neighbors_sw1.txt"
        borne(Lldp(LldpOptions()), name, content[:end].encode())


def test_standard_input_must_be_told_whose_it_is() -> None:
    document = Document("standard input", "stdin", None, SPINE01.encode())
    with pytest.raises(SourceError, match="which device it is of"):
        list(reports(document))
    [report] = reports(document, name="spine01")
    assert isinstance(report, Report)
    assert report.device.name == "spine01"


def test_secrets_in_descriptions_are_left_out(tmp_path: Path) -> None:
    row = neighbour("a", "Et1", remote_system_description="box snmp-community=wr1te-me")
    observed = Observed("lldp", write(tmp_path, sw1__json={"Et1": [row]})).sound()
    assert not any("wr1te-me" in text for text in observed.texts())


def _truth(folder: Path) -> list[dict[str, Any]]:
    [document] = yaml.safe_load_all((folder / "expected" / "lldp.yml").read_text())
    rows: list[dict[str, Any]] = json.loads(document["tests"][0]["output"])
    return rows


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("network", "reporting", "rows", "data", "management", "pairs"),
    [("nxos", 9, 44, 18, 7, 17), ("junos", 7, 20, 10, 0, 10)],
)
def test_suzieqs_fabrics_have_the_cables_that_are_known(
    network: str, reporting: int, rows: int, data: int, management: int, pairs: int
) -> None:
    folder = shared_data("lldp-suzieq") / network
    observed = Observed("lldp", folder).sound()
    found, truth = cables(observed), _truth(folder)
    assert len(truth) == rows
    assert Counter(found) == Counter(
        {
            cable(
                f"{network}/{row['hostname']} {row['ifname']}",
                f"{network}/{row['peerHostname']} {row['peerIfname']}",
            )
            for row in truth
        }
    )
    on_mgmt0 = [ends for ends in found if {name for _, name in ends} == {"mgmt0"}]
    assert (len(found) - len(on_mgmt0), len(on_mgmt0)) == (data, management)
    assert len(device_pairs(found)) == pairs
    assert len(observed.observations) == reporting == len({row["hostname"] for row in truth})
    assert observed.subjects("NetworkDevice", "mention") == []


@pytest.mark.shared_data
@pytest.mark.parametrize(("network", "hosts"), [("nxos", 14), ("junos", 12), ("dual-bgp", 14)])
def test_suzieqs_servers_without_an_agent_say_nothing(network: str, hosts: int) -> None:
    content, at, entries = (shared_data("lldp-suzieq") / network / "lldp.output").read_text(), 0, []
    while content[at:].strip():
        value, at = json.JSONDecoder().raw_decode(content, at)
        entries += value
    assert len({entry["hostname"] for entry in entries}) == hosts
    silent = {entry["hostname"] for entry in entries if not entry["data"]}
    observed = Observed("lldp", shared_data("lldp-suzieq") / network)
    reporting = {o.attributes["hostname"] for o in observed.observations}
    assert reporting == {entry["hostname"] for entry in entries} - silent


@pytest.mark.shared_data
def test_a_cumulus_fabric_has_cables_from_a_switch_to_itself() -> None:
    folder = shared_data("lldp-suzieq") / "dual-bgp"
    observed = Observed("lldp", folder).sound()
    found = cables(observed)
    assert (len(found), len(set(found)), len(device_pairs(found))) == (22, 22, 20)
    assert {ends for ends in found if len({device for device, _ in ends}) == 1} == {
        cable("dual-bgp/exit01 swp3", "dual-bgp/exit01 swp4"),
        cable("dual-bgp/exit02 swp3", "dual-bgp/exit02 swp4"),
    }
    by_type = Counter(o.type for o in observed.observations)
    assert by_type == {"Switch": 9, "Computer": 1}, "nine switches, and edge01 by its lldpctl"
    [file] = documents([str(folder / "lldp.output")])
    rows = {r.device.name: len(r.neighbours) for r in reports(file) if isinstance(r, Report)}
    assert sum(n for name, n in rows.items() if name != "edge01") == 42
    assert rows["edge01"] == 2
    assert {s.key.partition("/")[0] for s in observed.subjects("Switch")} == {"device"}
    assert observed.subjects("Switch", "mention") == []


@pytest.mark.shared_data
def test_networks_of_one_folder_are_kept_apart() -> None:
    observed = Observed("lldp", shared_data("lldp-suzieq")).sound()
    assert len(cables(observed)) == 25 + 10 + 22 + 17
    assert len(observed.observations) == 9 + 7 + 10 + 8


def _raw() -> list[tuple[str, Path, Document]]:
    """ntc-templates' outputs: platform, file, and the document as a run over the folder has it."""
    folder = shared_data("lldp-ntc-templates")
    found = list(documents([str(folder)], [".raw"]))
    return [(d.name.split("/")[0], folder / d.name, d) for d in found]


@pytest.mark.shared_data
def test_outputs_of_switches_hold_the_neighbours_that_are_known() -> None:
    files: Counter[str] = Counter()
    records: Counter[str] = Counter()
    for platform, path, document in _raw():
        found = [r for r in reports(document) if isinstance(r, Report)]
        count = sum(len(report.neighbours) for report in found)
        assert count == len(yaml.safe_load(path.with_suffix(".yml").read_text())["parsed_sample"])
        files[platform] += 1
        records[platform] += count
    assert files == {
        "cisco_ios": 19,
        "cisco_nxos": 10,
        "cisco_xr": 3,
        "arista_eos": 3,
        "huawei_vrp": 7,
        "hp_comware": 4,
        "juniper_junos": 2,
    }
    assert records == {
        "cisco_ios": 81,
        "cisco_nxos": 49,
        "cisco_xr": 31,
        "arista_eos": 30,
        "huawei_vrp": 19,
        "hp_comware": 13,
        "juniper_junos": 6,
    }
    assert (files.total(), records.total()) == (48, 229)


@pytest.mark.shared_data
def test_outputs_of_switches_become_cables() -> None:
    """Of 229: 4 access points without a port of their own, a line twice, and what says too little."""
    total, uplinks = 0, 0
    reasons: Counter[str] = Counter()
    for _, path, _ in _raw():
        observed = Observed("lldp", path)
        assert observed.unfit == []
        assert observed.repeated == {}
        total += len(cables(observed))
        uplinks += len(observed.claims("UPLINKED_TO"))
        reasons.update(rejection.reason for rejection in observed.rejections)
    assert (total, uplinks) == (209, 4)
    assert reasons == {
        "the neighbour gives neither a name nor an address that would tell it from others": 7,
        "it does not say on which interface the neighbour is seen": 8,
    }


@pytest.mark.shared_data
def test_napalms_answers_hold_the_neighbours_that_are_known() -> None:
    """Two of 162 are the bundles of ports that are seen as well."""
    folder = shared_data("lldp-napalm")
    paths = sorted(folder.rglob("expected_result.json"))
    assert len(paths) == 35
    records = found = 0
    for path in paths:
        [document] = documents([str(path)])
        records += sum(len(r.neighbours) for r in reports(document) if isinstance(r, Report))
        found += len(cables(Observed("lldp", path, device="asked").sound()))
    assert (records, found) == (162, 160)


@pytest.mark.shared_data
def test_lldpctl_of_servers_names_the_switches_they_hang_on() -> None:
    observed = Observed("lldp", shared_data("hw-netbox-agent") / "lldp").sound()
    assert {(o.type, o.key) for o in observed.observations} == {
        ("Computer", f"device/{name}") for name in ("223", "cumulus", "dedibox1", "dedibox2", "qfx")
    }
    assert set(cables(observed)) == {
        cable("cumulus eno1", "toto-chassis swp46"),
        cable("cumulus eno2d1", "e4:f0:04:b6:4e:32 swp46"),
        cable("dedibox1 enp1s0f0", "s120-f3-2 RJ-9"),
        cable("dedibox2 eno1", "s35-b12 GigabitEthernet1/0/29"),
        cable("qfx eth0", "sw-filer-f06 xe-0/0/1"),
        cable("qfx eth1", "sw-filer-f05 xe-0/0/1"),
    }
    assert device(observed, "sw-filer-f06").attributes["management_ip"] == "10.192.192.116"
    for subject in observed.subjects("NetworkDevice"):
        assert "serial_number" not in subject.attributes, "only a placeholder is there"


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("file", "edges", "links", "nodes"),
    [
        ("example_layer1_topology.json", 40, 20, 15),
        ("aristaevpn/layer1_topology.json", 34, 34, 14),
        ("sonic/layer1_topology.json", 6, 6, 6),
    ],
)
def test_batfishs_topologies_have_the_links_that_are_known(
    file: str, edges: int, links: int, nodes: int
) -> None:
    path = shared_data("l1-batfish") / file
    assert len(json.loads(path.read_text())["edges"]) == edges
    observed = Observed("lldp", path).sound()
    found = cables(observed)
    assert (len(found), len(set(found)), len(observed.observations)) == (links, links, nodes)
    assert observed.subjects("ConfigurationItem", "mention") == list(
        observed.subjects("NetworkInterface", "mention")
    )
