"""Ansible facts of any number of hosts: the sample of the examples, with what tells machines apart varied."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Final

SAMPLE: Final = (
    Path(__file__).parent.parent / "examples" / "discovery" / "ansible" / "facts" / "web-07"
)
DISKS_GIB: Final = (128, 256, 512, 1_024)
SECTORS_A_GIB: Final = 2**21
SITES: Final = ("web", "app", "db", "mq", "log")


def write(folder: Path, count: int, changed_every: int = 0) -> Path:
    """One file for each host, named as it is; one in `changed_every` has changed, none if it is 0."""
    folder.mkdir(parents=True, exist_ok=True)
    sample = SAMPLE.read_text(encoding="utf-8")
    for number in range(count):
        touched = bool(changed_every) and number % changed_every == 0
        facts = _facts(sample, number, touched)
        (folder / name(number)).write_text(facts, encoding="utf-8")
    return folder


def name(number: int) -> str:
    return f"{SITES[number % len(SITES)]}-{number:06d}"


def _facts(sample: str, number: int, touched: bool) -> str:
    """The sample's facts with other words for the same things; what has changed has a larger disk."""
    high, low = divmod(number, 250)
    hexed = f"{number:06x}"
    mac = f"{hexed[:2]}:{hexed[2:4]}:{hexed[4:]}"
    disk = DISKS_GIB[number % 3] * (2 if touched else 1)
    replaced = {
        "web-07": name(number),
        "192.0.2.107": f"10.{64 + high // 250}.{high % 250}.{low + 2}",
        "2001:db8::107": f"2001:db8::{hexed[:2]}:{hexed[2:]}",
        "fe80::200:5eff:fe10:7": f"fe80::200:5eff:{hexed[:2]}:{hexed[2:]}",
        "02:00:5e:10:00:07": f"02:00:00:{mac}",
        "02:00:5e:20:00:01": f"02:00:01:{mac}",
        "02:00:5e:20:00:02": f"02:00:02:{mac}",
        "4c4c4544-0044-4a10-8054-b7c04f595a31": str(uuid.uuid5(uuid.NAMESPACE_OID, hexed)),
        "7DJTYZ1": f"7D{number:06d}",
        "536870912": str(disk * SECTORS_A_GIB),
        '"256.00 GB"': f'"{disk}.00 GB"',
    }
    for old, new in replaced.items():
        sample = sample.replace(old, new)
    return sample
