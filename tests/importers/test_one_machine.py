"""One machine, looked at by real tools from inside and outside, is one record, whoever looks first.

The firmware is synthetic, the tools are not: they run in namespaces in which the kernel shows that
firmware, the machine has a name and a network card, and a neighbour scans it.
"""

from __future__ import annotations

import itertools
import json
import shutil
import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.main import run
from cmdb.integrity import check
from cmdb.queries import Query
from cmdb.reconciliation.duplicates import merge
from cmdb.reconciliation.precedence import provenance_of
from cmdb.reconciliation.runs import Run, Summary
from cmdb.reconciliation.tasks import open_tasks
from cmdb.records import Record
from cmdb.store import GraphStore, create_store, open_store
from importers.reading import documents
from importers.registry import make, portions
from tests.support import firmware
from tests.support.machine_lab import Lab, look_at_machine, require
from tests.support.observing import Observed, shipped_model

pytestmark = pytest.mark.slow

FIRMWARE = {"dmidecode"}
"""What knows serial number and UUID alone."""
INSIDE = {"ansible", "lshw"}
"""What knows those and the name: whoever comes first joins the others."""
OUTSIDE = {"nmap", "snmp"}
"""What knows name and address alone."""
ORDERS = list(itertools.permutations(sorted(FIRMWARE | INSIDE | OUTSIDE)))


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """What the tools say of the machine."""
    # not where other tests have their files, if that is below /dev: the machine has one of its own
    with tempfile.TemporaryDirectory(prefix="cmdb-lab-", dir="/var/tmp") as folder:
        yield look_at_machine(Path(folder), free_port())


def report(store: GraphStore, lab: Lab, importer: str) -> Summary:
    """Import what a tool said."""
    made = make(importer, {})
    found = documents([str(lab.outputs[importer])], made.suffixes)
    run = Run(
        store, importer, actor="tester", importer=importer, precedence=made.precedence, apply=True
    )
    return run.run(portions(made, found))


def machines(store: GraphStore) -> list[Record]:
    """Everything that could be the machine."""
    kinds = ("Computer", "Host", "NetworkDevice", "VirtualMachine", "Container")
    return [record for kind in kinds for record in store.find(Query(kind)).records]


def sources_of(record: Record) -> set[str]:
    return set(provenance_of(record.attributes))


def needs_a_person(order: tuple[str, ...]) -> bool:
    """Whether somebody who knows only the firmware and somebody who knows only the name both came
    before those who know both."""
    first = min(order.index(name) for name in INSIDE)
    before = set(order[:first])
    return bool(before & FIRMWARE) and bool(before & OUTSIDE)


# -- what the tools say ------------------------------------------------------------------------------------


def test_dmidecode_reads_the_synthetic_firmware(tmp_path: Path) -> None:
    require("dmidecode")
    (tmp_path / "dump.bin").write_bytes(firmware.dump())
    path = tmp_path / "yx-web-01.txt"
    with path.open("wb") as stream:
        words = ["--from-dump", str(tmp_path / "dump.bin")]
        subprocess.run(["dmidecode", *words], check=True, stdout=stream)
    [statement] = Observed("dmidecode", path).sound().statements
    machine = statement.subjects[0]
    assert machine.type == "Server"
    assert machine.attributes == {
        "name": firmware.NAME,
        "serial_number": firmware.SERIAL,
        "system_uuid": str(firmware.SYSTEM_UUID),
        "vendor": firmware.VENDOR,
        "model": firmware.MODEL,
        "bios_version": firmware.BIOS_VERSION,
        "cpu_count": 1,
        "core_count": 28,
        "memory_mib": 32768,
    }
    assert Counter(s.type for s in statement.subjects[1:]) == {
        "Mainboard": 1, "CPU": 1, "MemoryModule": 1,
    }  # fmt: skip


@pytest.mark.parametrize("importer", sorted(FIRMWARE | INSIDE))
def test_tools_on_the_machine_agree_on_its_identity(lab: Lab, importer: str) -> None:
    [statement] = Observed(importer, lab.outputs[importer]).sound().statements
    machine = statement.subjects[0]
    assert machine.type == "Server"
    expected = {
        "serial_number": firmware.SERIAL,
        "system_uuid": str(firmware.SYSTEM_UUID),
        "vendor": firmware.VENDOR,
        "model": firmware.MODEL,
        "bios_version": firmware.BIOS_VERSION,
    }
    assert expected.items() <= machine.attributes.items()
    assert machine.attributes.get("hostname", firmware.NAME) == firmware.NAME
    assert ("hostname" in machine.attributes) == (importer in INSIDE)


@pytest.mark.parametrize(("importer", "type_"), [("nmap", "Host"), ("snmp", "Computer")])
def test_who_looks_from_outside_sees_name_and_address(lab: Lab, importer: str, type_: str) -> None:
    [statement] = Observed(importer, lab.outputs[importer]).sound().statements
    machine = statement.subjects[0]
    assert machine.type == type_
    assert machine.attributes["hostname"] == firmware.NAME
    assert machine.attributes["management_ip"] == firmware.ADDRESS
    assert not {"serial_number", "system_uuid"} & machine.attributes.keys()


def test_no_community_leaves_the_walk(lab: Lab) -> None:
    for importer in lab.outputs:
        texts = Observed(importer, lab.outputs[importer]).texts()
        assert not any("lab-community" in text for text in texts)


# -- whoever looks first -----------------------------------------------------------------------------------


def test_both_ways_are_among_the_orders() -> None:
    assert len(ORDERS) == 120
    assert 0 < sum(map(needs_a_person, ORDERS)) < 60


@pytest.mark.parametrize("first", sorted(FIRMWARE | INSIDE | OUTSIDE))
def test_in_whatever_order_they_come_it_is_one_server(lab: Lab, first: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty.db"
    create_store(f"sqlite:///{empty}", shipped_model()).close()
    for number, order in enumerate(order for order in ORDERS if order[0] == first):
        shutil.copy(empty, tmp_path / f"{number}.db")
        with open_store(f"sqlite:///{tmp_path}/{number}.db") as store:
            for importer in order:
                report(store, lab, importer)
            if needs_a_person(order):
                merge_the_two(store, order, swapped=number % 2 == 1)
            else:
                assert_one_server(store, order)
            for importer in order:  # what waited for the person goes in now
                report(store, lab, importer)
            assert_one_server(store, order)
            before = store.last_revision().number
            for importer in order:
                report(store, lab, importer)
            assert store.last_revision().number == before, order
            assert list(check(store)) == [], order


def merge_the_two(store: GraphStore, order: tuple[str, ...], *, swapped: bool) -> None:
    """The record of the firmware and the one of the name, which somebody was found to fit both."""
    found = machines(store)
    assert len(found) == 2, order
    tasks = open_tasks(store)
    assert tasks, order
    for task in tasks:
        assert {c.id for c in task.candidates} == {r.id for r in found}, order
    one, other = reversed(found) if swapped else found
    merge(store, one, other, actor="tester")
    assert open_tasks(store) == [], order
    assert [record.type for record in machines(store)] == ["Server"], order


def assert_one_server(store: GraphStore, order: tuple[str, ...]) -> None:
    [machine] = machines(store)
    assert machine.type == "Server", order
    assert sources_of(machine) == set(order), order
    expected = {
        "hostname": firmware.NAME,
        "domain": firmware.DOMAIN,
        "serial_number": firmware.SERIAL,
        "system_uuid": str(firmware.SYSTEM_UUID),
        "management_ip": firmware.ADDRESS,
        "vendor": firmware.VENDOR,
        "model": firmware.MODEL,
    }
    assert expected.items() <= machine.attributes.items(), order
    assert open_tasks(store) == [], order
    parts = Counter(
        (near.record.type, near.record.name)
        for near in store.neighbours([machine.id], ["HAS_COMPONENT", "EXPOSES", "HAS_INSTALLED"])
    )
    once = {
        ("CPU", "CPU0"),
        ("Mainboard", "Mainboard"),
        ("MemoryModule", "CPU0_C0D0"),
        ("NetworkInterface", "ens1f0"),
    }
    assert {part: count for part, count in parts.items() if count > 1} == {}, order
    assert once <= parts.keys(), order
    [service] = store.find(Query("NetworkService")).records
    assert service.attributes["port"] == 8080, order
    [address] = store.find(Query("IPAddress")).records
    assert address.attributes["ip_address"] == firmware.ADDRESS, order


# -- through the command -----------------------------------------------------------------------------------


def test_a_person_makes_one_of_two_with_the_command(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/cmdb.db"
    monkeypatch.setenv("CMDB_STORE", url)
    monkeypatch.setenv("CMDB_ACTOR", "tester")

    def cmdb(*words: str) -> str:
        capsys.readouterr()
        assert run(list(words)) == 0
        return capsys.readouterr().out

    cmdb("init")
    for importer in ("dmidecode", "nmap", "lshw"):
        cmdb("import", importer, str(lab.outputs[importer]), "--apply")
    [task] = json.loads(cmdb("duplicates", "--json"))
    assert (task["source"], task["key"]) == ("lshw", f"machine/{firmware.NAME}")
    by_type = {candidate["type"]: candidate["id"] for candidate in task["candidates"]}
    assert by_type.keys() == {"Server", "Host"}
    shown = cmdb("duplicates")
    assert str(firmware.SYSTEM_UUID) in shown.replace("\n", "")
    cmdb("merge", by_type["Server"], by_type["Host"], "--reason", "seen in the rack")
    assert json.loads(cmdb("duplicates", "--json")) == []
    for importer in ("snmp", "ansible", "dmidecode", "nmap", "lshw"):
        cmdb("import", importer, str(lab.outputs[importer]), "--apply")
    assert json.loads(cmdb("duplicates", "--json")) == []
    with open_store(url) as store:
        assert_one_server(store, ("ansible", "dmidecode", "lshw", "nmap", "snmp"))
        assert list(check(store)) == []
