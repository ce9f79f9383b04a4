"""The text of ``dmidecode``: one computer as its firmware describes it (SMBIOS, DSP0134).

Gives the machine with its serial number, UUID, maker, model and BIOS version, and its parts: main
board, CPUs in their sockets, memory modules in their slots, power supplies. The words of a table
that dmidecode prints are read here rather than by a library: jc counts a structure with two
headings (on-board devices) twice, and answers text of another kind with its own bare errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final, NamedTuple

from pydantic import Field

from cmdb.reconciliation.observations import Item, Link, Observation
from importers import machines
from importers.contract import Importer, Options
from importers.machines import text
from importers.reading import Document
from importers.values import mebibytes, number, said, vendor

BIOS, SYSTEM, BOARD, CHASSIS, PROCESSOR = 0, 1, 2, 3, 4
MEMORY_ARRAY, MEMORY_DEVICE, IPMI, POWER_SUPPLY = 16, 17, 38, 39

# `dmidecode -q` leaves the handles out; then only the heading says the type.
_HEADINGS: Final = {
    "BIOS Information": BIOS,
    "System Information": SYSTEM,
    "Base Board Information": BOARD,
    "Chassis Information": CHASSIS,
    "Processor Information": PROCESSOR,
    "Physical Memory Array": MEMORY_ARRAY,
    "Memory Device": MEMORY_DEVICE,
    "IPMI Device Information": IPMI,
    "System Power Supply": POWER_SUPPLY,
}
_HANDLE: Final = re.compile(r"Handle (0x[0-9A-Fa-f]+), DMI type (\d{1,3}), \d+ bytes")
_EMPTY: Final = ("no module installed", "not installed")


class Structure(NamedTuple):
    """One structure of the table: its handle ("" if it was left out), DMI type and plain values."""

    handle: str
    type: int
    values: dict[str, str]

    def said(self, name: str) -> str | None:
        """A value that says something."""
        return text(self.values.get(name))


def structures(content: str) -> list[Structure]:
    """The structures of a table, in its order; lists of flags in them are left out."""
    found: list[Structure] = []
    fresh = True
    for line in content.splitlines():
        if not line.strip():
            fresh = True
        elif match := _HANDLE.match(line):
            found.append(Structure(match[1], int(match[2]), {}))
            fresh = False
        elif line[0] != "\t":
            if fresh and line.strip() in _HEADINGS:
                found.append(Structure("", _HEADINGS[line.strip()], {}))
            fresh = False
        elif found and line[1:2] != "\t":
            name, colon, value = line.partition(":")
            if colon and value.strip():
                found[-1].values.setdefault(name.strip(), value.strip())
    return found


class DmidecodeOptions(Options):
    """How to call what has no file name."""

    name: str = Field("", description="What to call the machine on standard input.")


class Dmidecode(Importer[DmidecodeOptions]):
    name: ClassVar[str] = "dmidecode"
    title: ClassVar[str] = "Text of dmidecode: a computer and its parts by its firmware"
    title_zh: ClassVar[str] = "dmidecode 文本输出：按固件记录的计算机及其部件"
    precedence: ClassVar[int] = 55
    options_type: ClassVar[type[Options]] = DmidecodeOptions

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        for document in documents:
            table = _table(document)
            name = machines.called(document)
            if document.place == "standard input":
                name = self.options.name or name
            yield _machine(name, table, document.name)


def _table(document: Document) -> list[Structure]:
    """The structures of a document, which must say what machine it is."""
    content = document.text()
    table = structures(content)
    if not table and re.search(r"dmidecode|SMBIOS|/dev/mem", content[:2000]):
        raise document.error(
            "holds no table: dmidecode found none, or was not run as root", "Run dmidecode as root."
        )
    if not table:
        raise document.error("is not the text of dmidecode")
    if not _first(table, SYSTEM).values:
        raise document.error(
            "does not say which system it is (there is no System Information)",
            "Run dmidecode without -t, or with -t system too.",
        )
    return table


def _first(table: Sequence[Structure], type_: int) -> Structure:
    return next((s for s in table if s.type == type_), Structure("", type_, {}))


def _machine(name: str, table: Sequence[Structure], place: str) -> Observation:
    system, bios = _first(table, SYSTEM), _first(table, BIOS)
    maker, model = system.said("Manufacturer"), system.said("Product Name")
    virtual = machines.is_virtual(maker, model)
    cpus = processors(table, virtual=virtual)
    memory = memory_slots(table)
    type_ = machines.machine_type(
        _first(table, CHASSIS).values.get("Type"),
        model,
        virtual=virtual,
        managed=any(s.type == IPMI for s in table),
    )
    attributes = said(
        name=name,
        serial_number=system.said("Serial Number"),
        system_uuid=machines.system_uuid(system.values.get("UUID")),
        vendor=vendor(maker),
        model=model,
        bios_version=bios.said("Version"),
        cpu_count=len(cpus) or None,
        core_count=machines.core_count(cpus),
        memory_mib=machines.memory_mib(memory),
    )
    parts = [
        *(() if virtual else _board(table)),
        *machines.processors(cpus),
        *machines.memory_modules(memory),
        *_supplies(table),
    ]
    return Observation(type_, f"machine/{name}", attributes, parts, place)


def processors(table: Sequence[Structure], *, virtual: bool) -> list[dict[str, Any]]:
    """What is said of the CPU in each socket that holds one.

    A hypervisor lists every socket a virtual machine may ever have, as populated and disabled.
    """
    sockets = [s for s in table if s.type == PROCESSOR]
    slots = machines.places([s.said("Socket Designation") for s in sockets])
    return [
        _processor(socket, slot)
        for socket, slot in zip(sockets, slots, strict=True)
        if _is_present(socket, virtual=virtual)
    ]


def _is_present(socket: Structure, *, virtual: bool) -> bool:
    status = socket.values.get("Status", "Populated")
    if virtual and "Disabled" in status:
        return False
    kind = socket.values.get("Type", "")
    return status.startswith("Populated") and "Video" not in kind and "DSP" not in kind


def _processor(socket: Structure, slot: str | None) -> dict[str, Any]:
    return said(
        slot=slot,
        vendor=vendor(socket.said("Manufacturer")),
        model=socket.said("Version"),
        serial_number=socket.said("Serial Number"),
        part_number=socket.said("Part Number"),
        core_count=machines.whole(socket.values.get("Core Count")),
        thread_count=machines.whole(socket.values.get("Thread Count")),
        clock_mhz=number(socket.said("Current Speed")),
    )


def memory_slots(table: Sequence[Structure]) -> list[dict[str, Any] | None]:
    """What is said of the module in each slot for memory; None for an empty slot.

    Slots for firmware (flash, NVRAM) are left out.
    """
    other = {
        s.handle
        for s in table
        if s.type == MEMORY_ARRAY and s.values.get("Use", "System Memory") != "System Memory"
    }
    devices = [
        s for s in table if s.type == MEMORY_DEVICE and s.values.get("Array Handle") not in other
    ]
    slots = machines.places([s.said("Locator") for s in devices])
    return [_module(device, slot) for device, slot in zip(devices, slots, strict=True)]


def _module(device: Structure, slot: str | None) -> dict[str, Any] | None:
    size = device.values.get("Size", "").lower()
    if not size or size in _EMPTY or mebibytes(size) == 0:
        return None
    return said(
        slot=slot,
        size_mib=mebibytes(size),
        memory_type=device.said("Type"),
        vendor=vendor(device.said("Manufacturer")),
        part_number=device.said("Part Number"),
        serial_number=device.said("Serial Number"),
    )


def _board(table: Sequence[Structure]) -> Iterator[Link]:
    """The main board: the first that is no riser, no interconnect, and has a name or a number."""
    for board in table:
        kind = board.said("Type") or "Motherboard"
        if board.type != BOARD or kind not in ("Motherboard", "Server Blade"):
            continue
        model, serial = board.said("Product Name"), board.said("Serial Number")
        if model or serial:
            maker = vendor(board.said("Manufacturer"))
            yield machines.part(
                "Mainboard", name="Mainboard", vendor=maker, model=model, serial_number=serial
            )
            return


def _supplies(table: Sequence[Structure]) -> Iterator[Link]:
    supplies = [s for s in table if s.type == POWER_SUPPLY]
    slots = machines.places([s.said("Location") for s in supplies])
    for position, (supply, slot) in enumerate(zip(supplies, slots, strict=True), 1):
        if supply.values.get("Status", "").startswith("Not Present"):
            continue
        watts = number(supply.said("Max Power Capacity"))
        yield machines.power_supply(
            position,
            supply.said("Name"),
            slot,
            int(watts) if watts else None,
            vendor=vendor(supply.said("Manufacturer")),
            part_number=supply.said("Model Part Number"),
            serial_number=supply.said("Serial Number"),
        )
