"""The firmware tables of a machine that is not there (SMBIOS 3.2, DSP0134), as bytes."""

from __future__ import annotations

import struct
from typing import Final
from uuid import UUID

NAME: Final = "yx-web-01"
DOMAIN: Final = "yx.example.org"
SERIAL: Final = "ITSN21100735"
SYSTEM_UUID: Final = UUID("6f0d1b52-8c3e-4a17-9b64-2f58d0c7a913")
VENDOR: Final = "Inspur"
MODEL: Final = "NF5280M6"
BOARD_SERIAL: Final = "ITBD21100981"
BIOS_VERSION: Final = "06.08.04"
ADDRESS: Final = "192.0.2.10"
RACK_MOUNT: Final = 23
_NONE: Final = 0xFFFF


def _structure(type_: int, handle: int, body: bytes, *texts: str) -> bytes:
    """A structure: its header, its formatted part and its texts, which that numbers from 1."""
    strings = b"".join(text.encode() + b"\0" for text in texts) + b"\0"
    head = struct.pack("<BBH", type_, 4 + len(body), handle)
    return head + body + (strings if texts else b"\0\0")


def table() -> bytes:
    """BIOS, system, board, chassis, a processor, and one of two slots for memory filled."""
    bios = struct.pack("<BBHBBQHBBBB", 1, 2, 0xF000, 3, 255, 0x08, 0x0803, 6, 8, 255, 255)
    system = struct.pack("<BBBB16sBBB", 1, 2, 0, 3, SYSTEM_UUID.bytes_le, 6, 0, 0)
    board = struct.pack("<BBBBBBBHBB", 1, 2, 0, 3, 0, 9, 0, 0x0300, 10, 0)
    chassis = struct.pack("<BBBBBBBBBIBBBBB", 1, RACK_MOUNT, 0, 2, 0, 3, 3, 3, 3, 0, 2, 2, 0, 0, 0)
    processor = struct.pack(
        "<BBBBQBBHHHBBHHHBBBBBBHHHHH",
        *(1, 3, 0xB3, 2, 0x0FEBFBFF000606A6, 3, 0x8C, 100, 4000, 2000, 0x41, 0x3C),
        *(_NONE, _NONE, _NONE, 4, 0, 0, 28, 28, 56, 0xFC, 0xB3, 28, 28, 56),
    )
    array = struct.pack("<BBBIHHQ", 3, 3, 6, 0x80000000, 0xFFFE, 2, 2**41)
    return b"".join(
        [
            _structure(0, 0x0000, bios, "American Megatrends Inc.", BIOS_VERSION, "03/15/2022"),
            _structure(1, 0x0100, system, VENDOR, MODEL, SERIAL),
            _structure(2, 0x0200, board, VENDOR, "YZMB-01642-101", BOARD_SERIAL),
            _structure(3, 0x0300, chassis, VENDOR, SERIAL),
            _structure(
                *(4, 0x0400, processor, "CPU0", "Intel(R) Corporation"),
                *("Intel(R) Xeon(R) Gold 6330 CPU @ 2.00GHz", "CPU0-SN-77120"),
            ),
            _structure(16, 0x1000, array),
            _module(0x1100, "CPU0_C0D0", 32768),
            _module(0x1101, "CPU0_C1D0", 0),
            _structure(127, 0x7F00, b""),
        ]
    )


def _module(handle: int, slot: str, mebibytes: int) -> bytes:
    sizes = (0x1000, 0xFFFE, 72, 64, min(mebibytes, 0x7FFF), 9, 0)
    rest = (1, 2, 26, 0x80, 3200, 3, 4, 0, 5, 2, mebibytes, 3200, 1200, 1200, 1200)
    body = struct.pack("<HHHHHBBBBBHHBBBBBIHHHH", *sizes, *rest)
    filled = ("Samsung", "039AC2F1", "M393A4K40DB3-CWE") if mebibytes else ("NO DIMM",) * 3
    return _structure(17, handle, body, slot, "NODE 1", *filled)


def entry_point(address: int = 0x20) -> bytes:
    """The 64-bit entry point, for a table at an address."""
    found = struct.pack("<5sBBBBBBBIQ", b"_SM3_", 0, 24, 3, 2, 0, 1, 0, len(table()), address)
    return found[:5] + bytes([-sum(found) % 256]) + found[6:]


def dump() -> bytes:
    """As ``dmidecode --dump-bin`` writes it, and ``--from-dump`` reads it."""
    return entry_point().ljust(32, b"\0") + table()


def kernel_files() -> dict[str, str]:
    """What Linux shows of it below /sys/class/dmi/id."""
    return {
        "bios_date": "03/15/2022",
        "bios_vendor": "American Megatrends Inc.",
        "bios_version": BIOS_VERSION,
        "board_name": "YZMB-01642-101",
        "board_serial": BOARD_SERIAL,
        "board_vendor": VENDOR,
        "chassis_type": str(RACK_MOUNT),
        "chassis_vendor": VENDOR,
        "product_name": MODEL,
        "product_serial": SERIAL,
        "product_uuid": str(SYSTEM_UUID),
        "sys_vendor": VENDOR,
    }
