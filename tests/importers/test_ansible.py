"""Facts of Ansible: hosts in every shape they are written in."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from cmdb.reconciliation.observations import SourceError
from importers.ansible import facts as ansible_facts
from importers.registry import make
from tests.support.mutilating import borne, mutilated
from tests.support.observing import Observed, written

FACTS: dict[str, Any] = {
    "ansible_hostname": "db-01",
    "ansible_nodename": "db-01",
    "ansible_fqdn": "db-01.corp.example",
    "ansible_domain": "corp.example",
    "ansible_form_factor": "Rack Mount Chassis",
    "ansible_system_vendor": "Dell Inc.",
    "ansible_product_name": "PowerEdge R640",
    "ansible_product_serial": "7DJTYZ1",
    "ansible_product_uuid": "4C4C4544-0044-4A10-8054-B7C04F595A31",
    "ansible_bios_version": "2.17.1",
    "ansible_board_name": "0H28RR",
    "ansible_board_vendor": "Dell Inc.",
    "ansible_board_serial": "NA",
    "ansible_processor": ["0", "GenuineIntel", "Intel(R) Xeon(R) Gold 6230R CPU @ 2.10GHz", "1"],
    "ansible_processor_count": 2,
    "ansible_processor_cores": 26,
    "ansible_processor_threads_per_core": 2,
    "ansible_processor_vcpus": 104,
    "ansible_memtotal_mb": 385412,
    "ansible_architecture": "x86_64",
    "ansible_kernel": "5.14.0-427.el9.x86_64",
    "ansible_distribution": "RedHat",
    "ansible_distribution_version": "9.4",
    "ansible_virtualization_role": "host",
    "ansible_virtualization_type": "kvm",
    "ansible_uptime_seconds": 12841,
    "ansible_default_ipv4": {"address": "192.0.2.11", "interface": "bond0"},
    "ansible_interfaces": ["lo", "eno1", "bond0", "bond0.120", "br-lan", "docker0", "vethc0ffee1"],
    "ansible_lo": {"device": "lo", "type": "loopback", "ipv4": {"address": "127.0.0.1"}},
    "ansible_eno1": {
        "device": "eno1",
        "type": "ether",
        "macaddress": "02:00:5e:10:00:0f",
        "perm_macaddress": "02:00:5e:10:00:01",
        "speed": 25000,
        "mtu": 9000,
    },
    "ansible_bond0": {
        "device": "bond0",
        "type": "bonding",
        "macaddress": "02:00:5e:10:00:0f",
        "speed": -1,
        "ipv4": {"address": "192.0.2.11", "prefix": "24"},
        "ipv4_secondaries": [{"address": "192.0.2.12", "prefix": "32"}],
        "ipv6": [
            {"address": "2001:db8::11", "prefix": "64", "scope": "global"},
            {"address": "fe80::5eff:fe10:f", "prefix": "64", "scope": "link"},
        ],
    },
    "ansible_bond0.120": {"type": "ether", "macaddress": "02:00:5e:10:00:0f"},
    "ansible_br_lan": {"type": "bridge", "macaddress": "02:00:5e:10:00:0e"},
    "ansible_docker0": {
        "type": "bridge",
        "macaddress": "02:42:00:00:00:01",
        "ipv4": {"address": "172.17.0.1", "prefix": "16"},
    },
    "ansible_vethc0ffee1": {"type": "ether", "macaddress": "02:00:5e:10:00:77"},
    "ansible_devices": {
        "sda": {
            "vendor": "ATA",
            "model": "MTFDDAK480TDS",
            "serial": "1952A0001",
            "sectors": 937703088,
            "sectorsize": "512",
            "rotational": "0",
            "removable": "0",
            "size": "447.13 GB",
        },
        "nvme0n1": {"model": "PM1733", "sectors": 468843606, "sectorsize": "4096"},
        "sdb": {"vendor": "Virtual", "sectors": 1024, "removable": "1"},
        "sr0": {"sectors": 2097151, "removable": "1"},
        "loop0": {"sectors": 8},
        "dm-0": {"sectors": 8},
    },
    "ansible_env": {"DB_PASSWORD": "hunter2"},
    "ansible_cmdline": {"rd.luks.key": "hunter2"},
    "ansible_ssh_host_key_rsa_public": "AAAAB3hunter2",
    "ansible_local": {"app": {"token": "hunter2"}},
    "ansible_user_id": "hunter2",
}
RESULT = {"ansible_facts": FACTS, "changed": False}


def test_a_host_is_told_with_its_identities_and_its_system(tmp_path: Path) -> None:
    path = written(tmp_path / "db-01.corp.example", RESULT)
    [statement] = Observed("ansible", path).sound().statements
    host = statement.subjects[0]
    assert (host.type, host.key) == ("Server", "host/db-01.corp.example")
    assert host.attributes == {
        "name": "db-01.corp.example",
        "hostname": "db-01",
        "domain": "corp.example",
        "system_uuid": "4c4c4544-0044-4a10-8054-b7c04f595a31",
        "serial_number": "7DJTYZ1",
        "vendor": "Dell",
        "model": "PowerEdge R640",
        "bios_version": "2.17.1",
        "cpu_count": 2,
        "core_count": 52,
        "memory_mib": 385412,
        "architecture": "x86_64",
        "kernel_version": "5.14.0-427.el9.x86_64",
        "os_name": "RedHat 9.4",
        "management_ip": "192.0.2.11",
        "mac_addresses": ["02:00:5e:10:00:01"],
    }


def test_parts_and_addresses_are_the_hosts_own(tmp_path: Path) -> None:
    [statement] = Observed("ansible", written(tmp_path / "db-01", RESULT)).sound().statements
    cpu = {
        "vendor": "Intel",
        "model": "Intel(R) Xeon(R) Gold 6230R CPU @ 2.10GHz",
        "core_count": 26,
        "thread_count": 52,
    }
    assert [(s.type, s.role, s.attributes) for s in statement.subjects[1:]] == [
        ("Mainboard", "part", {"name": "Mainboard", "vendor": "Dell", "model": "0H28RR"}),
        ("CPU", "part", {"name": "CPU0", **cpu}),
        ("CPU", "part", {"name": "CPU1", **cpu}),
        (
            "Disk",
            "part",
            {
                "name": "nvme0n1",
                "model": "PM1733",
                "capacity_gib": 1788.5,
                "media_type": "nvme",
            },
        ),
        (
            "Disk",
            "part",
            {
                "name": "sda",
                "model": "MTFDDAK480TDS",
                "serial_number": "1952A0001",
                "capacity_gib": 447.13,
                "media_type": "ssd",
            },
        ),
        (
            "NetworkInterface",
            "part",
            {"name": "bond0", "mac_address": "02:00:5e:10:00:0f", "interface_type": "bond"},
        ),
        (
            "IPAddress",
            "mention",
            {"ip_address": "192.0.2.11", "prefix_length": 24},
        ),
        (
            "IPAddress",
            "mention",
            {"ip_address": "192.0.2.12", "prefix_length": 32},
        ),
        (
            "IPAddress",
            "mention",
            {"ip_address": "2001:db8::11", "prefix_length": 64},
        ),
        (
            "NetworkInterface",
            "part",
            {"name": "bond0.120", "mac_address": "02:00:5e:10:00:0f", "interface_type": "vlan"},
        ),
        (
            "NetworkInterface",
            "part",
            {"name": "br-lan", "mac_address": "02:00:5e:10:00:0e", "interface_type": "bridge"},
        ),
        (
            "NetworkInterface",
            "part",
            {
                "name": "eno1",
                "mac_address": "02:00:5e:10:00:01",
                "speed_mbps": 25000,
                "mtu": 9000,
                "interface_type": "ethernet",
            },
        ),
        (
            "OperatingSystem",
            "part",
            {"name": "RedHat", "version": "9.4", "kernel_version": "5.14.0-427.el9.x86_64"},
        ),
    ]
    assert {c.type for c in statement.claims} == {"HAS_COMPONENT", "HAS_ADDRESS", "HAS_INSTALLED"}


def test_secrets_in_the_facts_are_never_taken(tmp_path: Path) -> None:
    observed = Observed("ansible", written(tmp_path / "db-01", RESULT))
    assert not [text for text in observed.texts() if "hunter2" in text]


PRINTED = f"""\
[WARNING]: Invalid characters were found in group names but not replaced
\x1b[0;32mdb-01 | SUCCESS => {json.dumps(RESULT, indent=4)}\x1b[0m
gone-01 | UNREACHABLE! => {{
    "changed": false,
    "msg": "Invalid/incorrect password: hunter2",
    "unreachable": true
}}
bad-01 | FAILED! => {{
    "ansible_facts": {{
        "discovered_interpreter_python": "/usr/bin/python3"
    }},
    "msg": "MODULE FAILURE"
}}
db-02 | SUCCESS => {json.dumps(RESULT)}
gone-02 | UNREACHABLE!: Failed to connect to the host via ssh
"""
UNPREFIXED = {name.removeprefix("ansible_"): value for name, value in FACTS.items()}


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("db-01", RESULT, "host/db-01"),
        ("db-01.json", FACTS, "host/db-01"),
        ("db-01", UNPREFIXED, "host/db-01"),
        ("db-01", {"ansible_facts": UNPREFIXED}, "host/db-01"),
        ("s1_db-01", {"__payload__": json.dumps(FACTS)}, "host/db-01"),
        ("hosts.json", {"db-01": RESULT}, "host/db-01"),
        ("hosts.json", {"db-01": FACTS}, "host/db-01"),
        ("hosts.json", [FACTS], "host/db-01.corp.example"),
        ("hosts.json", [{"inventory_hostname": "db-01", **RESULT}], "host/db-01"),
        ("run.json", {"plays": [{"tasks": [{"hosts": {"db-01": RESULT}}] * 2}]}, "host/db-01"),
        ("printed.txt", f"db-01 | SUCCESS => {json.dumps(RESULT)}\n", "host/db-01"),
        ("printed.txt", f"db-01 | SUCCESS => {json.dumps(RESULT, indent=4)}\r\n", "host/db-01"),
    ],
)
def test_every_shape_says_the_same_of_a_host(
    name: str, content: Any, key: str, tmp_path: Path
) -> None:
    [statement] = Observed("ansible", written(tmp_path / name, content)).sound().statements
    assert statement.key == key
    assert statement.subjects[0].attributes["serial_number"] == "7DJTYZ1"
    assert len(statement.subjects) == 14


def test_what_ansible_prints_gives_the_hosts_and_why_others_are_missing(tmp_path: Path) -> None:
    observed = Observed("ansible", written(tmp_path / "setup.txt", PRINTED))
    assert [s.key for s in observed.statements] == ["host/db-01", "host/db-02"]
    lines = [number for number, line in enumerate(PRINTED.splitlines(), 1) if " | " in line]
    assert [(r.place, r.reason) for r in observed.rejections] == [
        (
            f"setup.txt line {lines[1]}",
            "gone-01: the host could not be reached: Invalid/incorrect password: (secret removed)",
        ),
        (f"setup.txt line {lines[2]}", "bad-01: the facts could not be gathered: MODULE FAILURE"),
        (
            f"setup.txt line {lines[4]}",
            "gone-02: the host could not be reached: Failed to connect to the host via ssh",
        ),
    ]
    assert not [text for text in observed.texts() if "hunter2" in text]


def test_a_host_that_failed_has_a_file_in_the_folder_too(tmp_path: Path) -> None:
    written(tmp_path / "gone-01", {"changed": False, "msg": "timed out", "unreachable": True})
    written(tmp_path / "bad-01", {"ansible_facts": {}, "changed": False, "msg": "no python"})
    written(tmp_path / "db-01", RESULT)
    observed = Observed("ansible", tmp_path)
    assert [s.key for s in observed.statements] == ["host/db-01"]
    assert [(r.place, r.reason) for r in observed.rejections] == [
        ("bad-01", "bad-01: the facts could not be gathered: no python"),
        ("gone-01", "gone-01: the host could not be reached: timed out"),
    ]


@pytest.mark.parametrize(
    ("changes", "type_"),
    [
        ({"ansible_form_factor": "Laptop", "ansible_product_name": "ThinkPad"}, "Laptop"),
        ({"ansible_form_factor": "Desktop", "ansible_product_name": "OptiPlex"}, "DesktopComputer"),
        ({"ansible_form_factor": "NA", "ansible_product_name": "NA"}, "Computer"),
        ({"ansible_form_factor": "Blade", "ansible_product_name": "X"}, "BladeServer"),
        ({"ansible_virtualization_role": "guest"}, "VirtualMachine"),
        ({"ansible_product_name": "KVM", "ansible_system_vendor": "Red Hat"}, "VirtualMachine"),
    ],
)
def test_the_type_is_as_special_as_the_facts_are(
    changes: dict[str, str], type_: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "db-01", FACTS | changes)
    assert Observed("ansible", path).sound().statements[0].subjects[0].type == type_


def test_a_container_is_not_taken_for_the_machine_whose_firmware_it_sees(tmp_path: Path) -> None:
    changes = {"ansible_virtualization_role": "guest", "ansible_virtualization_type": "lxc"}
    path = written(tmp_path / "ct-01", FACTS | changes)
    [statement] = Observed("ansible", path).sound().statements
    container = statement.subjects[0]
    assert (container.type, container.attributes) == ("Container", {"name": "ct-01"})
    assert {s.type for s in statement.subjects[1:]} == {"NetworkInterface", "IPAddress"}


def test_windows_lists_its_interfaces_and_says_when_it_started(tmp_path: Path) -> None:
    facts = {
        "ansible_hostname": "WIN-01",
        "ansible_domain": "corp.example",
        "ansible_os_family": "Windows",
        "ansible_distribution": "Microsoft Windows Server 2019 Standard",
        "ansible_distribution_version": "10.0.17763.0",
        "ansible_architecture": "64-bit",
        "ansible_lastboot": "2026-03-01 08:00:00Z",
        "ansible_interfaces": [
            {
                "connection_name": "Ethernet0",
                "macaddress": "02:00:5E:10:00:31",
                "ipv4": {"address": "192.0.2.31", "prefix": "24"},
            }
        ],
    }
    [statement] = Observed("ansible", written(tmp_path / "win-01", facts)).sound().statements
    host, interface, address, system = statement.subjects
    assert host.attributes["last_boot"].isoformat() == "2026-03-01T08:00:00+00:00"
    assert (host.attributes["hostname"], host.attributes["domain"]) == ("win-01", "corp.example")
    assert host.attributes["os_name"] == "Microsoft Windows Server 2019 Standard"
    assert host.attributes["architecture"] == "x86_64"
    assert interface.attributes["name"] == "Ethernet0"
    assert address.attributes["prefix_length"] == 24
    assert system.attributes["version"] == "10.0.17763.0"


def test_cores_of_a_xen_guest_are_not_counted_once_for_each_of_them(tmp_path: Path) -> None:
    counts = {"count": 4, "cores": 4, "threads_per_core": 1, "vcpus": 4}
    facts = FACTS | {f"ansible_processor_{name}": count for name, count in counts.items()}
    [statement] = Observed("ansible", written(tmp_path / "xen-01", facts)).sound().statements
    assert statement.subjects[0].attributes["core_count"] == 4


# -------------------------------------------------------------------------------------- inventories

INI = """\
# who is where
lonely ansible_password=hunter2
[web]
db-01 ansible_host=192.0.2.11 ansible_password=hunter2
web-[01:03:2].corp.example:2222
[db]
db-01
db-[a:b]
[prod:children]
web
[site:children]
prod
[prod:vars]
db_password=hunter2
"""
YAML = """\
all:
  vars:
    secret: !vault |
      $ANSIBLE_VAULT;1.1;AES256
      6162
  children:
    site:
      children:
        prod:
          children:
            web:
              hosts:
                db-01: {ansible_password: hunter2}
                web-[01:03:2].corp.example:
            db: {hosts: {db-01: , "db-[a:b]": }}
"""
LISTED = {
    "_meta": {"hostvars": {"db-01": {"ansible_password": "hunter2"}}},
    "all": {"children": ["ungrouped", "site", "db"]},
    "site": {"children": ["prod"]},
    "prod": {"children": ["web", "site"]},
    "web": {"hosts": ["db-01", "web-01.corp.example", "web-03.corp.example"]},
    "db": {"hosts": ["db-01", "db-a", "db-b"]},
}


@pytest.mark.parametrize("content", [INI, YAML, LISTED], ids=["ini", "yaml", "list"])
def test_groups_of_an_inventory_become_tags(content: Any, tmp_path: Path) -> None:
    inventory = written(tmp_path / "inventory", content)
    hosts = dict.fromkeys(("db-01", "web-03.corp.example", "db-b", "other"), FACTS)
    path = written(tmp_path / "hosts.json", hosts)
    observed = Observed("ansible", path, inventory=str(inventory)).sound()
    tags = {s.key: s.subjects[0].attributes.get("tags") for s in observed.statements}
    site = ["prod", "site"]
    assert tags["host/db-01"] == ["db", *site, "web"]
    assert tags["host/web-03.corp.example"] == [*site, "web"]
    assert tags["host/db-b"] in (["db"], ["db", *site])  # below prod only in the YAML
    assert tags["host/other"] is None
    assert not [text for text in observed.texts() if "hunter2" in text]


@pytest.mark.parametrize("name", ["inventory.ini", "hosts.yml", "list.json"])
def test_an_inventory_among_the_facts_is_named_as_such(name: str, tmp_path: Path) -> None:
    content = {"inventory.ini": INI, "hosts.yml": "web:\n  hosts:\n    a:\n", "list.json": LISTED}
    observed = Observed("ansible", written(tmp_path / name, content[name]))
    assert [(r.place, r.reason) for r in observed.rejections] == [
        (name, "is an inventory, which holds no facts: name it with the option inventory")
    ]
    assert observed.statements == []


@pytest.mark.parametrize("content", ["", "[", "7", "a: [1", '{"a": 1}', "<xml/>"])
def test_what_is_no_inventory_is_refused(content: str, tmp_path: Path) -> None:
    path = written(tmp_path / "db-01", RESULT)
    inventory = written(tmp_path / "inventory", content)
    with pytest.raises(SourceError):
        Observed("ansible", path, inventory=str(inventory))
    with pytest.raises(SourceError, match="is a folder"):
        Observed("ansible", path, inventory=str(tmp_path))


# ------------------------------------------------------------------------------------ hostile input


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[{",
        "nothing",
        '{"a": 1}',
        "web-01 | CHANGED | rc=0",
        '{"__payload__": "{"}',
        "<xml/>",
    ],
)
def test_what_ansible_does_not_write_is_refused(content: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        Observed("ansible", written(tmp_path / "db-01", content))


def test_a_host_whose_print_is_cut_off_is_rejected(tmp_path: Path) -> None:
    observed = Observed("ansible", written(tmp_path / "setup.txt", PRINTED[:2000]))
    assert [(r.place, r.reason) for r in observed.rejections] == [
        ("setup.txt line 2", "what is printed of db-01 is cut off, or is no JSON")
    ]


def test_wrong_types_anywhere_never_give_another_error() -> None:
    importer = make("ansible", {})
    many = {"a": {"ansible_facts": {"ansible_fqdn": "a"}}}
    for value in (*mutilated(RESULT), *mutilated(many)):
        borne(importer, "db-01", json.dumps(value).encode())


def test_wrong_types_in_plays_and_inventories_never_give_another_error(tmp_path: Path) -> None:
    facts = {"plays": [{"tasks": [{"hosts": {"a": {"unreachable": True, "msg": "b"}}}]}]}
    for value in (*mutilated(facts), *mutilated(LISTED)):
        inventory = written(tmp_path / "inventory", value)
        for options in ({}, {"inventory": str(inventory)}):
            borne(make("ansible", options), "a", json.dumps(value).encode())


def test_interpreting_the_facts_of_a_host_takes_less_than_half_a_millisecond() -> None:
    best = min(_seconds() for _ in range(5))
    assert best < 0.5e-3


def _seconds() -> float:
    start = time.process_time()
    for _ in range(50):
        ansible_facts.host("db-01", FACTS, [], "db-01")
    return (time.process_time() - start) / 50
