"""The text of dmidecode: one machine and its parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmdb.reconciliation.observations import SourceError
from importers import dmidecode
from importers.reading import Document
from importers.registry import make
from tests.support.mutilating import borne
from tests.support.observing import Observed, shared_data, written
from tests.support.one_server import CPU, MAINBOARD, MEMORY_MODULE, POWER_SUPPLY, SERVER

MACHINE = """\
# dmidecode 3.4
Getting SMBIOS data from sysfs.
SMBIOS 3.2.0 present.

Handle 0x0000, DMI type 0, 24 bytes
BIOS Information
\tVendor: Dell Inc.
\tVersion: 2.17.1
\tCharacteristics:
\t\tPCI is supported
\t\tVersion: 9.9.9

Handle 0x0100, DMI type 1, 27 bytes
System Information
\tManufacturer: Dell Inc.
\tProduct Name: PowerEdge  R640
\tSerial Number: 7DJTYZ1
\tUUID: 4C4C4544-0044-4A10-8054-B7C04F595A31

Handle 0x0200, DMI type 2, 8 bytes
Base Board Information
\tManufacturer: Dell Inc.
\tProduct Name: Not Specified
\tType: Interconnect Board

Handle 0x0201, DMI type 2, 8 bytes
Base Board Information
\tManufacturer: Dell Inc.
\tProduct Name: 0H28RR
\tSerial Number: CN001
\tType: Motherboard

Handle 0x0300, DMI type 3, 22 bytes
Chassis Information
\tType: Rack Mount Chassis

Handle 0x0400, DMI type 4, 48 bytes
Processor Information
\tSocket Designation: CPU1
\tType: Central Processor
\tManufacturer: Intel
\tVersion:  Intel(R) Xeon(R)  Gold 6230R CPU @ 2.10GHz
\tCurrent Speed: 2100 MHz
\tStatus: Populated, Idle
\tCore Count: 26
\tThread Count: 52

Handle 0x0401, DMI type 4, 48 bytes
Processor Information
\tSocket Designation: CPU2
\tType: <OUT OF SPEC>
\tStatus: Unpopulated

Handle 0x1000, DMI type 16, 23 bytes
Physical Memory Array
\tUse: System Memory

Handle 0x1001, DMI type 16, 23 bytes
Physical Memory Array
\tUse: Flash Memory

Handle 0x1100, DMI type 17, 84 bytes
Memory Device
\tArray Handle: 0x1000
\tSize: 32 GB
\tLocator: A1
\tType: DDR4
\tManufacturer: Samsung
\tSerial Number: 3B11AA00
\tPart Number: M393A4K40CB2-CVF

Handle 0x1101, DMI type 17, 84 bytes
Memory Device
\tArray Handle: 0x1000
\tSize: No Module Installed
\tLocator: A2

Handle 0x1102, DMI type 17, 84 bytes
Memory Device
\tArray Handle: 0x1001
\tSize: 16 MB
\tLocator: SYSTEM ROM

Handle 0x2700, DMI type 39, 22 bytes
System Power Supply
\tLocation: Not Specified
\tName: Power Supply 1
\tManufacturer: DELL
\tSerial Number: PS01
\tModel Part Number: 0KTW3MA00
\tMax Power Capacity: 750 W
\tStatus: Present, Unknown

Handle 0x2701, DMI type 39, 22 bytes
System Power Supply
\tName: To be filled by O.E.M.
\tStatus: Not Present

Handle 0x7F00, DMI type 127, 4 bytes
End Of Table
"""


def seen(content: str, tmp_path: Path, name: str = "r640-01.txt") -> Observed:
    return Observed("dmidecode", written(tmp_path / name, content))


def test_a_machine_is_told_with_its_identities_and_what_is_in_it(tmp_path: Path) -> None:
    [statement] = seen(MACHINE, tmp_path).sound().statements
    machine, *parts = statement.subjects
    assert (machine.type, machine.key) == ("Server", "machine/r640-01")
    assert machine.attributes == SERVER
    assert [(part.type, part.role, part.attributes) for part in parts] == [
        ("Mainboard", "part", MAINBOARD),
        ("CPU", "part", CPU | {"clock_mhz": 2100}),
        ("MemoryModule", "part", MEMORY_MODULE),
        ("PowerSupply", "part", POWER_SUPPLY | {"slot": "Power Supply 1"}),
    ]
    assert {claim.type for claim in statement.claims} == {"HAS_COMPONENT"}


@pytest.mark.parametrize(
    ("chassis", "model", "managed", "type_"),
    [
        ("Blade", "ProLiant BL460c Gen10", True, "BladeServer"),
        ("Multi-system", "PowerEdge M630", True, "BladeServer"),
        ("Multi-system", "ProLiant m710x Server Cartridge", True, "Server"),
        ("Main Server Chassis", "System", False, "Server"),
        ("Tower", "PowerEdge T340", False, "Server"),
        ("Tower", "OptiPlex 7090", False, "DesktopComputer"),
        ("Other", "X11SSE", True, "Server"),
        ("Other", "X11SSE", False, "Computer"),
        ("Notebook", "ThinkPad T480s", False, "Laptop"),
        ("Tablet", "Latitude 7320", False, "Terminal"),
        ("Other", "VMware Virtual Platform", False, "VirtualMachine"),
        ("Other", "Standard PC (Q35 + ICH9, 2009)", False, "VirtualMachine"),
    ],
)
def test_the_type_follows_the_chassis_and_what_is_known_of_the_model(
    chassis: str, model: str, managed: bool, type_: str, tmp_path: Path
) -> None:
    content = MACHINE.replace("Rack Mount Chassis", chassis).replace("PowerEdge  R640", model)
    if managed:
        content += "\nHandle 0x2600, DMI type 38, 18 bytes\nIPMI Device Information\n\tInterface Type: KCS\n"
    [statement] = seen(content, tmp_path).sound().statements
    assert statement.subjects[0].type == type_


def test_slots_that_firmware_calls_the_same_are_numbered(tmp_path: Path) -> None:
    module = "\nHandle 0x11{0}, DMI type 17, 84 bytes\nMemory Device\n\tSize: 8192 MB\n\tLocator: DIMM0\n"
    content = MACHINE + "".join(module.format(n) for n in ("10", "11"))
    modules = seen(content, tmp_path).sound().subjects("MemoryModule")
    assert [m.attributes["slot"] for m in modules] == ["A1", "DIMM0 #1", "DIMM0 #2"]


def test_output_without_handles_is_read_by_its_headings(tmp_path: Path) -> None:
    quiet = "\n".join(line for line in MACHINE.splitlines() if not line.startswith("Handle"))
    [statement] = seen(quiet, tmp_path).sound().statements
    assert statement.subjects[0].attributes["serial_number"] == "7DJTYZ1"
    assert [s.type for s in statement.subjects[1:]][:3] == ["Mainboard", "CPU", "MemoryModule"]


def test_files_of_one_name_in_different_folders_are_different_machines(tmp_path: Path) -> None:
    for name in ("a.example.org", "b.example.org"):
        written(tmp_path / name / "dmidecode.txt", MACHINE)
    assert [s.key for s in Observed("dmidecode", tmp_path).sound().statements] == [
        "machine/a.example.org/dmidecode",
        "machine/b.example.org/dmidecode",
    ]


def test_a_host_name_as_file_name_keeps_its_last_label(tmp_path: Path) -> None:
    [statement] = seen(MACHINE, tmp_path, "db-01.corp.example").statements
    assert statement.key == "machine/db-01.corp.example"


def test_standard_input_is_called_as_the_option_says() -> None:
    document = Document("standard input", "stdin", None, MACHINE.encode())
    [item] = make("dmidecode", {"name": "db-01"}).observe([document])
    assert getattr(item, "key", "") == "machine/db-01"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is not the text of dmidecode"),
        ('{"id": "core"}', "is not the text of dmidecode"),
        ("# dmidecode 3.4\nScanning /dev/mem for entry point.\n", "was not run as root"),
        ("Handle 0x0400, DMI type 4, 48 bytes\nProcessor Information\n", "which system it is"),
    ],
)
def test_what_is_no_machine_is_refused_in_one_sentence(
    content: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=problem):
        seen(content, tmp_path)


def test_text_cut_or_mangled_anywhere_never_gives_another_error() -> None:
    importer = make("dmidecode", {})
    lines = MACHINE.splitlines(keepends=True)
    mangled = [MACHINE[:n] for n in range(0, len(MACHINE), 7)]
    mangled += ["".join(lines[:n] + lines[n + 1 :]) for n in range(len(lines))]
    mangled += [MACHINE.replace(": ", odd) for odd in (":", ": \x00", ": -1", ": 9" * 40, "")]
    mangled += [MACHINE.replace("\t", ""), MACHINE.replace("\n", "\r\n"), "\n".join(lines)]
    for content in mangled:
        borne(importer, "m.txt", content.encode())


# ----------------------------------------------------------------------------------- real machines


def counts(path: Path) -> tuple[int, int, int, int]:
    """Handles, CPUs, memory modules, slots for them."""
    table = dmidecode.structures(path.read_text("utf-8"))
    slots = dmidecode.memory_slots(table)
    return (
        len({structure.handle for structure in table}),
        len(dmidecode.processors(table, virtual=False)),
        sum(slot is not None for slot in slots),
        len(slots),
    )


NETBOX_AGENT = {
    "Dell_DSS7500": ("Server", 57, 2, 12, 12),
    "Dell_PowerEdge_M630": ("BladeServer", 67, 2, 8, 24),
    "HP_BL460c_Gen10": ("BladeServer", 173, 2, 4, 16),
    "HP_BL460c_Gen9": ("BladeServer", 184, 2, 6, 16),
    "HP_DL380p_Gen8": ("Server", 184, 2, 10, 24),
    "HP_ProLiant_BL460c_Gen10_Graphics_Exp": ("BladeServer", 175, 2, 4, 16),
    "HP_ProLiant_m710x": ("Server", 93, 1, 4, 4),
    "HP_SL4540_Gen8": ("Server", 141, 2, 8, 12),
    "QCT_X10E-9N": ("Server", 37, 1, 2, 4),
    "SM_SSG-6028R": ("Server", 86, 1, 4, 16),
    "SM_SYS-6018R": ("Server", 70, 2, 4, 8),
    "SYS-5039MS-H12TRF-OS012.txt": ("Server", 32, 1, 2, 4),
    "unknown.txt": ("DesktopComputer", 44, 1, 4, 4),
}
LINUX_HARDWARE = {
    "102E11A0DB9A": ("PowerEdge R740", 80, 2, 16, 24),
    "63158205C37A": ("PowerEdge R740", 76, 2, 2, 24),
    "34DAF9822B89": ("PowerEdge R640", 84, 2, 12, 24),
    "0895878555EA": ("ProLiant DL380 Gen10", 266, 2, 24, 24),
    "AD4000C49F0A": ("ProLiant DL380 Gen10", 229, 2, 4, 24),
    "777124CB43C9": ("Superdome2 16s x86", 713, 8, 96, 192),
    "13107E8A13EF": ("SYS-2049U-TR4", 643, 4, 24, 48),
    "3D69F97FC8FB": ("UCSC-C240-M4L", 86, 2, 8, 24),
}


@pytest.mark.shared_data
def test_thirteen_machines_of_a_provider_have_the_parts_that_were_counted() -> None:
    folder = shared_data("hw-netbox-agent") / "dmidecode"
    observed = Observed("dmidecode", folder).sound()
    assert {p.name: counts(p) for p in folder.iterdir()} == {
        name: (handles, cpus, modules, slots)
        for name, (_, handles, cpus, modules, slots) in NETBOX_AGENT.items()
    }
    for name, (type_, _, cpus, modules, _) in NETBOX_AGENT.items():
        statement = observed.statement(f"machine/{name.removesuffix('.txt')}")
        assert statement.subjects[0].type == type_, name
        assert statement.subjects[0].attributes["cpu_count"] == cpus, name
        found = [s.type for s in statement.subjects]
        assert (found.count("CPU"), found.count("MemoryModule")) == (cpus, modules), name
    assert len(observed.subjects("PowerSupply")) == 2 + 2 + 4 + 2 + 2 + 2


@pytest.mark.shared_data
def test_a_scrubbed_serial_number_is_said_as_it_is_for_six_models() -> None:
    observed = Observed("dmidecode", shared_data("hw-netbox-agent") / "dmidecode")
    machines = [s.subjects[0].attributes for s in observed.statements]
    scrubbed = [m for m in machines if m.get("serial_number") == "4242"]
    assert len(scrubbed) == len({m["model"] for m in scrubbed}) == 6
    assert len({m["system_uuid"] for m in machines if "system_uuid" in m}) == 12


@pytest.mark.shared_data
def test_eight_servers_with_scrubbed_serials_have_no_serial_number_at_all() -> None:
    folder = shared_data("hw-linuxhw-dmi")
    paths = [p for p in folder.rglob("*") if p.is_file() and p.name != "LICENSE"]
    assert {p.name: counts(p) for p in paths} == {
        name: row[1:] for name, row in LINUX_HARDWARE.items()
    }
    for path in paths:
        [statement] = Observed("dmidecode", path).sound().statements
        machine = statement.subjects[0]
        assert (machine.type, machine.attributes["model"]) == (
            "Server",
            LINUX_HARDWARE[path.name][0],
        )
        for subject in statement.subjects:
            assert not {"serial_number", "system_uuid"} & subject.attributes.keys()


@pytest.mark.shared_data
def test_a_virtual_machine_has_one_processor_though_its_hypervisor_lists_sockets_for_128() -> None:
    path = shared_data("cmd-jc") / "centos-7.7" / "dmidecode.out"
    assert counts(path) == (620, 128, 1, 128)
    [statement] = Observed("dmidecode", path).sound().statements
    machine = statement.subjects[0]
    assert machine.type == "VirtualMachine"
    assert machine.attributes["system_uuid"] == "28fd4d56-3389-e2f8-6474-0159923b580e"
    assert (machine.attributes["cpu_count"], machine.attributes["memory_mib"]) == (1, 4096)
    assert [s.type for s in statement.subjects] == ["VirtualMachine", "CPU", "MemoryModule"]
