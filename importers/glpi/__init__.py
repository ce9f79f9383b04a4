"""Inventories in GLPI's format: ``glpi-agent --json``, and what its network inventory task writes.

One document holds one computer, network device, printer or other device that was inventoried
(https://github.com/glpi-project/inventory_format). Computers are keyed by the agent's ``deviceid``;
what is inventoried over SNMP by its serial number, MAC address or name, since its ``deviceid`` is
that of the agent that asked. A partial inventory tells nothing of what it leaves out, so it is refused.

A computer gives its parts, addresses, system, software, guests and peripherals (`importers.glpi.computers`);
a network device its ports and the neighbours that LLDP and CDP say (`importers.glpi.network`). Licence
keys, users, environment variables, SSH keys and remote access are not taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from cmdb.reconciliation.observations import Item, Rejection
from importers.contract import Importer, Options
from importers.glpi.computers import computer
from importers.glpi.network import network_device
from importers.glpi.sections import malformed
from importers.reading import Document


class Glpi(Importer[Options]):
    """Reads one inventory a document."""

    name: ClassVar[str] = "glpi"
    title: ClassVar[str] = (
        "GLPI inventories of computers, network devices and printers (glpi-agent --json)"
    )
    title_zh: ClassVar[str] = "GLPI 代理的计算机、网络设备与打印机盘点（glpi-agent --json）"
    precedence: ClassVar[int] = 50
    suffixes: ClassVar[Sequence[str]] = (".json",)

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        for document in documents:
            inventory = document.json()
            content = inventory.get("content") if isinstance(inventory, dict) else None
            if not isinstance(content, dict) or not _is_inventory(inventory, content):
                raise document.error("is not an inventory in GLPI's format")
            if inventory.get("partial") is True:
                yield Rejection(document.name, "is a partial inventory; give a whole one")
                continue
            what = network_device if isinstance(content.get("network_device"), dict) else computer
            made, *rejections = what(inventory, content, document)
            for item in (*malformed(content, document.name), *rejections):
                item.key = made.key
                yield item
            yield made


def _is_inventory(inventory: dict[str, Any], content: dict[str, Any]) -> bool:
    """Whether it says whose inventory it is, and something of it."""
    sections = ("hardware", "bios", "network_device", "operatingsystem")
    return any(isinstance(content.get(section), dict) for section in sections)
