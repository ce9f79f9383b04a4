"""The JSON of lshw: one machine and its parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cmdb.reconciliation.observations import SourceError
from importers.lshw.parts import tree
from importers.registry import make
from tests.support.mutilating import borne, mutilated
from tests.support.observing import Observed, shared_data, written
from tests.support.one_server import CPU, MAINBOARD, MEMORY_MODULE, POWER_SUPPLY, SERVER

CORE: dict[str, Any] = {
    "id": "core",
    "class": "bus",
    "product": "0H28RR",
    "vendor": "Dell Inc.",
    "serial": "CN001",
    "children": [
        {"id": "firmware", "class": "memory", "version": "2.17.1", "size": 65536},
        {
            "id": "cpu:0",
            "class": "processor",
            "product": "Intel(R) Xeon(R) Gold 6230R CPU @ 2.10GHz",
            "vendor": "Intel Corp.",
            "version": "6.85.7",
            "slot": "CPU1",
            "disabled": True,
            "configuration": {"cores": "26", "threads": "52"},
        },
        {
            "id": "cpu:1",
            "class": "processor",
            "description": "CPU [empty]",
            "product": "Xeon",
            "slot": "CPU2",
        },
        {
            "id": "memory",
            "class": "memory",
            "description": "System Memory",
            "size": 34359738368,
            "children": [
                {
                    "id": "bank:0",
                    "class": "memory",
                    "description": "DIMM DDR4 Synchronous 2933 MHz (0.3 ns)",
                    "slot": "A1",
                    "size": 34359738368,
                    "vendor": "Samsung",
                    "product": "M393A4K40CB2-CVF",
                    "serial": "3B11AA00",
                },
                {
                    "id": "bank:1",
                    "class": "memory",
                    "description": "DIMM [empty]",
                    "slot": "A2",
                    "serial": "Not Specified",
                },
            ],
        },
        {
            "id": "memory:1",
            "class": "memory",
            "description": "Flash Memory",
            "children": [{"id": "bank:0", "class": "memory", "size": 16777216}],
        },
        {
            "id": "pci:0",
            "class": "bridge",
            "children": [
                {
                    "id": "raid",
                    "class": "storage",
                    "businfo": "pci@0000:18:00.0",
                    "vendor": "Broadcom / LSI",
                    "product": "MegaRAID SAS-3 3108",
                    "logicalname": "scsi0",
                    "children": [
                        {
                            "id": "disk:0",
                            "class": "disk",
                            "vendor": "Seagate",
                            "product": "ST4000NM0035",
                            "serial": "ZC11AAAA",
                            "logicalname": "/dev/sda",
                            "size": 4000787030016,
                            "capabilities": {"7200rpm": "7200 rotations per minute"},
                        },
                        {
                            "id": "cdrom",
                            "class": "disk",
                            "logicalname": ["/dev/cdrom", "/dev/sr0"],
                            "capabilities": {"removable": "support is removable"},
                        },
                    ],
                },
                {
                    "id": "nvme",
                    "class": "storage",
                    "businfo": "pci@0000:3b:00.0",
                    "vendor": "Samsung Electronics",
                    "product": "PM1733",
                    "serial": "S4YNNE0N",
                    "logicalname": "/dev/nvme0",
                    "children": [
                        {
                            "id": "namespace:0",
                            "class": "disk",
                            "logicalname": ["hwmon1", "/dev/nvme0n1"],
                            "size": 1920383410176,
                        }
                    ],
                },
                {
                    "id": "network:0",
                    "class": "network",
                    "businfo": "pci@0000:19:00.0",
                    "vendor": "Intel Corporation",
                    "product": "Ethernet Controller X710",
                    "logicalname": "eno1",
                    "serial": "02:00:5e:10:00:01",
                    "size": 10000000000,
                    "configuration": {"ip": "192.0.2.11", "driver": "i40e"},
                    "capabilities": {"ethernet": True},
                },
                {
                    "id": "network:1",
                    "class": "network",
                    "businfo": "pci@0000:5e:00.0",
                    "vendor": "Mellanox Technologies",
                    "product": "MT27800",
                },
                {
                    "id": "display",
                    "class": "display",
                    "businfo": "pci@0000:03:00.0",
                    "vendor": "Matrox",
                    "product": "G200eW3",
                },
            ],
        },
    ],
}
MACHINE: dict[str, Any] = {
    "id": "r640-01.Corp.example",
    "class": "system",
    "description": "Rack Mount Chassis",
    "product": "PowerEdge R640 (SKU=0716;ModelName=PowerEdge R640)",
    "vendor": "Dell Inc.",
    "serial": "7DJTYZ1",
    "configuration": {
        "chassis": "rackmount",
        "sku": "SKU=0716;ModelName=PowerEdge R640",
        "uuid": "4c4c4544-0044-4a10-8054-b7c04f595a31",
        "administrator_password": "enabled",
    },
    "capabilities": {"smbios-3.2.0": "SMBIOS version 3.2.0"},
    "children": [
        CORE,
        {
            "id": "power",
            "class": "power",
            "description": "PWR SPLY,750W",
            "product": "0KTW3MA00",
            "vendor": "DELL",
            "serial": "PS01",
            "capacity": 750,
        },
        {"id": "network:0", "class": "network", "logicalname": "vethc0ffee1", "serial": "02:1"},
        {
            "id": "network:1",
            "class": "network",
            "logicalname": "bond0.120",
            "serial": "02:00:5e:10:00:01",
            "capabilities": {"ethernet": True, "logical": "Logical interface"},
        },
    ],
}


def seen(value: Any, tmp_path: Path) -> Observed:
    return Observed("lshw", written(tmp_path / "r640-01.json", value))


def test_a_machine_is_told_with_its_identities(tmp_path: Path) -> None:
    [statement] = seen([MACHINE], tmp_path).sound().statements
    machine = statement.subjects[0]
    assert (machine.type, machine.key) == ("Server", "machine/r640-01")
    assert machine.attributes == SERVER | {
        "hostname": "r640-01",
        "domain": "corp.example",
        "mac_addresses": ["02:00:5e:10:00:01"],
    }


def test_parts_are_what_is_there_and_not_what_could_be(tmp_path: Path) -> None:
    [statement] = seen(MACHINE, tmp_path).sound().statements
    assert [(part.type, part.attributes) for part in statement.subjects[1:]] == [
        ("Mainboard", MAINBOARD),
        ("CPU", CPU),
        ("MemoryModule", MEMORY_MODULE),
        (
            "DiskController",
            {
                "name": "pci@0000:18:00.0",
                "slot": "pci@0000:18:00.0",
                "vendor": "Broadcom / LSI",
                "model": "MegaRAID SAS-3 3108",
            },
        ),
        (
            "Disk",
            {
                "name": "sda",
                "vendor": "Seagate",
                "model": "ST4000NM0035",
                "serial_number": "ZC11AAAA",
                "capacity_gib": 3726.02,
                "media_type": "hdd",
            },
        ),
        (
            "Disk",
            {
                "name": "nvme0n1",
                "vendor": "Samsung",
                "model": "PM1733",
                "serial_number": "S4YNNE0N",
                "capacity_gib": 1788.5,
                "media_type": "nvme",
            },
        ),
        (
            "NetworkInterface",
            {
                "name": "eno1",
                "vendor": "Intel",
                "model": "Ethernet Controller X710",
                "mac_address": "02:00:5e:10:00:01",
                "speed_mbps": 10000,
                "interface_type": "ethernet",
            },
        ),
        ("IPAddress", {"ip_address": "192.0.2.11"}),
        (
            "NetworkCard",
            {
                "name": "pci@0000:5e:00.0",
                "slot": "pci@0000:5e:00.0",
                "vendor": "Mellanox Technologies",
                "model": "MT27800",
            },
        ),
        (
            "GPU",
            {
                "name": "pci@0000:03:00.0",
                "slot": "pci@0000:03:00.0",
                "vendor": "Matrox",
                "model": "G200eW3",
            },
        ),
        (
            "NetworkInterface",
            {
                "name": "bond0.120",
                "mac_address": "02:00:5e:10:00:01",
                "interface_type": "vlan",
            },
        ),
        ("PowerSupply", POWER_SUPPLY | {"model": "PWR SPLY,750W"}),
    ]
    assert {(c.type, c.attributes == {}) for c in statement.claims} == {
        ("HAS_COMPONENT", True),
        ("HAS_ADDRESS", True),
    }


@pytest.mark.parametrize(
    ("written", "smbios", "meant"),
    [
        ("4C4C4544-0044-4A10-8054-B7C04F595A31", "smbios-3.2", "44454c4c-4400-104a-8054-b7c04f595a31"),
        ("44454C4C-4400-104A-8054-B7C04F595A31", "smbios-2.8", "4c4c4544-0044-4a10-8054-b7c04f595a31"),
        ("564DA6D2-1706-6343-DC2D-9959B533A7B3", "smbios-2.4", "564da6d2-1706-6343-dc2d-9959b533a7b3"),
        ("4c4c4544-0044-4a10-8054-b7c04f595a31", "smbios-2.8", "4c4c4544-0044-4a10-8054-b7c04f595a31"),
    ],
)  # fmt: skip
def test_the_uuid_of_old_versions_is_put_into_the_order_of_the_kernel(
    written: str, smbios: str, meant: str, tmp_path: Path
) -> None:
    value = MACHINE | {"configuration": {"uuid": written}, "capabilities": {smbios: True}}
    [statement] = seen(value, tmp_path).sound().statements
    assert statement.subjects[0].attributes["system_uuid"] == meant


def test_sanitized_output_names_nothing(tmp_path: Path) -> None:
    value = MACHINE | {
        "id": "computer",
        "serial": "[REMOVED]",
        "configuration": {"uuid": "[REMOVED]"},
    }
    [statement] = seen(value, tmp_path).sound().statements
    machine = statement.subjects[0].attributes
    assert machine["name"] == "r640-01"
    assert not {"hostname", "serial_number", "system_uuid"} & machine.keys()


def test_the_json_of_old_versions_is_read_in_spite_of_its_commas(tmp_path: Path) -> None:
    content = json.dumps(MACHINE)
    for text in (f"{content},\n", f"[{content},]", content[:-1] + ",}", f"{content},\n{{}},\n"):
        [statement] = seen(text, tmp_path).sound().statements
        assert statement.subjects[0].attributes["serial_number"] == "7DJTYZ1"
    comma_in_text = seen(content[:-1].replace("CN001", "A,]B") + ",}", tmp_path)
    assert comma_in_text.subjects("Mainboard")[0].attributes["serial_number"] == "A,]B"


def test_what_is_no_machine_is_refused(tmp_path: Path) -> None:
    for value in ("", "{", "[]", "{}", "7", [CORE], {"id": "network", "class": "network"}):
        with pytest.raises(SourceError, match=r"is not (the )?JSON"):
            seen(value, tmp_path)


def test_something_that_is_no_node_is_rejected_and_the_rest_goes_in(tmp_path: Path) -> None:
    observed = seen(MACHINE | {"children": [CORE, "text"]}, tmp_path)
    assert [r.reason for r in observed.rejections] == [
        "something below 'r640-01.Corp.example' is no object"
    ]
    assert len(observed.subjects("CPU")) == 1


def test_wrong_types_anywhere_never_give_another_error() -> None:
    importer = make("lshw", {})
    for value in mutilated(MACHINE):
        borne(importer, "m.json", json.dumps(value).encode())


def test_nesting_beyond_measure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        seen('{"id":"x","class":"system","children":[' * 100_000, tmp_path)


# ----------------------------------------------------------------------------------- real machines


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "processors", "memories", "networks", "type_", "parts"),
    [
        ("v1", 1, 5, 1, "Computer", {"CPU": 1, "MemoryModule": 3, "NetworkInterface": 1}),
        ("v2", 0, 13, 2, "Server", {"CPU": 0, "MemoryModule": 4, "NetworkInterface": 2}),
        ("no_memory_bank_size", 0, 12, 0, "Server", {"MemoryModule": 4, "NetworkInterface": 0}),
        ("arm64", 1, 1, 1, "Computer", {"CPU": 1, "MemoryModule": 0, "NetworkInterface": 1}),
    ],
)
def test_nodes_are_counted_as_lshw_writes_them_and_parts_as_they_are_there(
    name: str, processors: int, memories: int, networks: int, type_: str, parts: dict[str, int]
) -> None:
    path = shared_data("hw-lshw-ironic") / f"lshw_json_output_{name}.json"
    # The memory of a machine as lshw counts it: arrays, their banks, empty or not, and firmware.
    kinds = [node.kind for node in tree(json.loads(path.read_text("utf-8")), path.name, [])]
    counted = (kinds.count("processor"), kinds.count("memory"), kinds.count("network"))
    assert counted == (processors, memories, networks)
    observed = Observed("lshw", path).sound()
    assert observed.statements[0].subjects[0].type == type_
    assert {part: len(observed.subjects(part)) for part in parts} == parts


@pytest.mark.shared_data
def test_the_memory_of_a_machine_is_that_of_its_modules_or_else_of_its_arrays() -> None:
    sizes = [
        statement.subjects[0].attributes["memory_mib"]
        for statement in Observed(
            "lshw", *sorted(shared_data("hw-lshw-ironic").glob("*.json"))
        ).statements
    ]  # arm64, no_memory_bank_size, v1, v2
    assert sizes == [3952, 65536, 4096, 65536]
