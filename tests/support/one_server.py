"""What is to be told of one server, whether lshw or dmidecode looked at it."""

from __future__ import annotations

from typing import Any, Final

SERVER: Final[dict[str, Any]] = {
    "name": "r640-01",
    "serial_number": "7DJTYZ1",
    "system_uuid": "4c4c4544-0044-4a10-8054-b7c04f595a31",
    "vendor": "Dell",
    "model": "PowerEdge R640",
    "bios_version": "2.17.1",
    "cpu_count": 1,
    "core_count": 26,
    "memory_mib": 32768,
}
MAINBOARD: Final[dict[str, Any]] = {
    "name": "Mainboard",
    "vendor": "Dell",
    "model": "0H28RR",
    "serial_number": "CN001",
}
CPU: Final[dict[str, Any]] = {
    "name": "CPU0",
    "slot": "CPU1",
    "vendor": "Intel",
    "model": "Intel(R) Xeon(R) Gold 6230R CPU @ 2.10GHz",
    "core_count": 26,
    "thread_count": 52,
}
MEMORY_MODULE: Final[dict[str, Any]] = {
    "name": "A1",
    "slot": "A1",
    "size_mib": 32768,
    "memory_type": "DDR4",
    "vendor": "Samsung",
    "part_number": "M393A4K40CB2-CVF",
    "serial_number": "3B11AA00",
}
POWER_SUPPLY: Final[dict[str, Any]] = {
    "name": "PSU1",
    "rated_power": 0.75,
    "vendor": "Dell",
    "part_number": "0KTW3MA00",
    "serial_number": "PS01",
}
