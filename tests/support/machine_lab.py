"""The machine of `machine_lab.sh` and what real tools say of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support import firmware

SCRIPT: Final = Path(__file__).with_name("machine_lab.sh")
TOOLS: Final = (
    "ansible", "dmidecode", "ip", "lshw", "nmap", "nsenter", "snmpd", "snmpwalk", "unshare",
)  # fmt: skip
PACKAGES: Final = "ansible-core dmidecode iproute2 lshw nmap snmp snmpd util-linux"


@dataclass(frozen=True)
class Lab:
    """Files and folders that the tools wrote, by importer."""

    outputs: dict[str, Path]


def lacking(reason: str) -> None:
    """Skip a test, or fail it where the tools are required."""
    if os.environ.get("CMDB_REQUIRE_TOOLS") == "1":
        pytest.fail(f"{reason} CMDB_REQUIRE_TOOLS=1 makes this a failure.", pytrace=False)
    pytest.skip(reason)


def require(*tools: str) -> None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [tool for tool in tools if shutil.which(tool, path=path) is None]
    if missing:
        lacking(f"Not installed: {', '.join(missing)} (Debian: {PACKAGES}).")


def look_at_machine(folder: Path, port: int) -> Lab:
    """Make the machine in a folder, let every tool look at it, and take it down again.

    Everything runs in namespaces of its own: mounts, network and host name outside stay as they are.
    """
    require(*TOOLS)
    for name, content in {
        "tables/DMI": firmware.table(),
        "tables/smbios_entry_point": firmware.entry_point(0),
        **{f"id/{k}": f"{v}\n".encode() for k, v in firmware.kernel_files().items()},
    }.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    isolated = ["unshare", "--mount", "--net", "--uts"]
    if subprocess.run([*isolated, "true"], check=False, capture_output=True).returncode:
        lacking("Namespaces of mounts, networks and host names cannot be made here (not root?).")
    arguments = [firmware.NAME, firmware.DOMAIN, firmware.ADDRESS, str(port)]
    done = subprocess.run(
        [*isolated, "sh", str(SCRIPT), str(folder), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
    )
    if done.returncode:
        lacking(f"The machine could not be made here: {done.stderr.strip()[-300:]}")
    out = folder / "out"
    return Lab(
        {
            "lshw": out / f"{firmware.NAME}.json",
            "dmidecode": out / f"{firmware.NAME}.dmidecode",
            "ansible": out / "ansible",
            "nmap": out / "scan.xml",
            "snmp": out / f"{firmware.NAME}.walk",
        }
    )
