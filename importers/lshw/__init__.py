"""The output of ``lshw -json``: one computer as its firmware and its kernel describe it.

Gives the machine with its host name, serial number, UUID, maker, model and BIOS version, and its
parts: main board, CPUs, memory modules, disks and their controllers, network interfaces with their
addresses, graphics, power supplies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final

import orjson
from pydantic import Field

from cmdb.reconciliation.observations import Item, Observation, Rejection, SourceError
from importers import machines
from importers.contract import Importer, Options
from importers.lshw.parts import (
    Node,
    board,
    device,
    interface_name,
    memory_slots,
    processors,
    supplies,
    system_memory,
    tree,
)
from importers.machines import mapping, text
from importers.reading import Document
from importers.values import plain_mac, said, vendor


class LshwOptions(Options):
    """How to call what has no file name."""

    name: str = Field("", description="What to call the machine on standard input.")


class Lshw(Importer[LshwOptions]):
    name: ClassVar[str] = "lshw"
    title: ClassVar[str] = "JSON of lshw: a computer and its parts"
    title_zh: ClassVar[str] = "lshw JSON 输出：计算机及其部件"
    precedence: ClassVar[int] = 55
    options_type: ClassVar[type[Options]] = LshwOptions

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        for document in documents:
            name = machines.called(document)
            if document.place == "standard input":
                name = self.options.name or name
            wrong: list[Rejection] = []
            nodes = tree(_json(document), document.name, wrong)
            root = next((n for n in nodes if _is_machine(n)), None)
            if root is None:
                raise document.error(
                    "is not the JSON of lshw, or leaves out the machine itself",
                    "Run `lshw -json` without -class.",
                )
            machine = _machine(name, root, nodes, document.name)
            for rejection in wrong:
                rejection.key = machine.key
                yield rejection
            yield machine


_COMMA: Final = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*(?:[\]}]|\Z))')


def _json(document: Document) -> Any:
    """Its JSON, also as old versions wrote it: commas before closing brackets, several roots in a row."""
    try:
        return document.json()
    except SourceError as error:
        content = _COMMA.sub(lambda match: match[1] or "", document.text()).strip()
        if content.startswith("{"):
            content = f"[{content}]"
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError:
            raise error from None


def _is_machine(node: Node) -> bool:
    """A root that is a computer; lshw as a user, and old versions, say little of it."""
    if node.parent or not isinstance(node.said.get("id"), str):
        return False
    return node.kind == "system" or any(child.get("id") == "core" for child in node.children)


def _machine(name: str, root: Node, nodes: Sequence[Node], place: str) -> Observation:
    setup = mapping(root.said.get("configuration"))
    maker, model = root.text("vendor"), _model(root, setup)
    firmware = next((n for n in nodes if n.id == "firmware"), Node({}, {}))
    virtual = machines.is_virtual(maker, model) or "virtualmachine" in mapping(
        firmware.said.get("capabilities")
    )
    cpus, memory = processors(nodes, virtual=virtual), memory_slots(nodes)
    interfaces = [n for n in nodes if n.kind == "network" and interface_name(n)]
    names = {} if root.said["id"] == "computer" else machines.host_names(root.said["id"])
    attributes = said(
        name=names.get("hostname") or name,
        **names,
        serial_number=root.text("serial"),
        system_uuid=_uuid(root, setup),
        vendor=vendor(maker),
        model=model,
        bios_version=firmware.text("version"),
        cpu_count=len(cpus) or None,
        core_count=machines.core_count(cpus),
        memory_mib=machines.memory_mib(memory) or system_memory(nodes),
        mac_addresses=sorted({m for n in interfaces if (m := plain_mac(n.said.get("serial")))}),
    )
    parts = [
        *(() if virtual else board(nodes)),
        *machines.processors(cpus),
        *machines.memory_modules(memory),
        *(link for node in nodes for link in device(node)),
        *supplies(nodes),
    ]
    chassis = setup.get("chassis") or root.said.get("description")
    type_ = machines.machine_type(chassis, model, virtual=virtual)
    return Observation(type_, f"machine/{name}", attributes, parts, place)


def _model(root: Node, setup: Any) -> str | None:
    """The model; lshw writes the maker's order number behind it."""
    model, sku = root.text("product"), text(setup.get("sku"))
    return text(model.removesuffix(f" ({sku})")) if model and sku else model


def _uuid(root: Node, setup: Any) -> str | None:
    """The system's UUID as the kernel and dmidecode write it.

    Before B.02.19 lshw wrote it in upper case, and its first three fields byte by byte as they are
    stored: little-endian since SMBIOS 2.6. Since then it writes lower case, and the right order.
    """
    said_ = setup.get("uuid")
    uuid = machines.system_uuid(said_)
    if uuid is None or said_ == uuid or said_ != said_.upper() or _smbios(root) < (2, 6):
        return uuid
    fields = uuid.split("-")
    return "-".join([*(bytes.fromhex(f)[::-1].hex() for f in fields[:3]), *fields[3:]])


def _smbios(root: Node) -> tuple[int, int]:
    for name in mapping(root.said.get("capabilities")):
        if match := re.match(r"smbios-(\d{1,3})\.(\d{1,3})", str(name)):
            return int(match[1]), int(match[2])
    return 0, 0
