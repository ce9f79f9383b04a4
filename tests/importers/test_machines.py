"""One machine, seen by three tools: their output, of the same firmware, is among the examples."""

from __future__ import annotations

from pathlib import Path

from tests.support.observing import Observed

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "discovery"


def test_ansible_lshw_and_dmidecode_say_the_same_of_one_machine() -> None:
    facts = Observed("ansible", EXAMPLES / "ansible" / "facts").sound().statements
    listing = Observed("lshw", EXAMPLES / "lshw").sound().statements
    table = Observed("dmidecode", EXAMPLES / "dmidecode").sound().statements
    [ansible], [lshw], [dmidecode] = facts, listing, table
    seen = [s.subjects[0] for s in (ansible, lshw, dmidecode)]
    assert {machine.type for machine in seen} == {"Server"}
    common = ("name", "serial_number", "system_uuid", "vendor", "model", "bios_version")
    for name in (*common, "cpu_count", "core_count"):
        assert len({machine.attributes[name] for machine in seen}) == 1, name
    for name in ("hostname", "domain", "mac_addresses"):
        assert seen[0].attributes[name] == seen[1].attributes[name], name


def test_their_parts_have_the_same_names() -> None:
    names = {}
    for importer, path in (
        ("ansible", "ansible/facts"),
        ("lshw", "lshw"),
        ("dmidecode", "dmidecode"),
    ):
        observed = Observed(importer, EXAMPLES / path)
        names[importer] = {
            type_: sorted(
                (s.attributes["name"], s.attributes.get("serial_number"), s.attributes.get("model"))
                for s in observed.subjects(type_)
            )
            for type_ in (
                "Mainboard",
                "CPU",
                "MemoryModule",
                "PowerSupply",
                "Disk",
                "NetworkInterface",
            )
        }
    for type_ in ("Mainboard", "CPU"):
        assert names["ansible"][type_] == names["lshw"][type_] == names["dmidecode"][type_] != []
    for type_ in ("MemoryModule", "PowerSupply"):
        assert names["lshw"][type_] == names["dmidecode"][type_] != []
    for type_ in ("Disk", "NetworkInterface"):
        assert [n[0] for n in names["ansible"][type_]] == [n[0] for n in names["lshw"][type_]] != []


def test_the_example_of_hosts_that_failed_gives_reasons_and_no_hosts() -> None:
    observed = Observed("ansible", EXAMPLES / "ansible" / "failed.txt")
    assert observed.statements == []
    assert [r.reason.partition(": ")[0] for r in observed.rejections] == ["gone-01", "web-08"]


def test_the_example_inventory_gives_the_example_host_its_tags() -> None:
    inventory = EXAMPLES / "ansible" / "inventory.ini"
    observed = Observed("ansible", EXAMPLES / "ansible" / "facts", inventory=str(inventory)).sound()
    assert observed.statements[0].subjects[0].attributes["tags"] == ["prod", "web"]
