"""The tree that ``lshw -json`` writes, and the parts of a machine in it.

Written from lshw B.02.17 to B.02.19: src/core/dmi.cc for what becomes of the firmware's tables,
network.cc, scsi.cc and nvme.cc for what the kernel says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cmdb.reconciliation.observations import Link, Observation, Rejection
from importers import machines
from importers.machines import mapping, text, whole
from importers.values import plain_mac, said, vendor


class Node(NamedTuple):
    """One object of the tree, and the one it hangs on ({} for a root)."""

    said: dict[str, Any]
    parent: dict[str, Any]

    @property
    def id(self) -> str:
        """Without its number: ``bank`` for ``bank:3``."""
        return str(self.said.get("id", "")).partition(":")[0]

    @property
    def kind(self) -> Any:
        """lshw's class."""
        return self.said.get("class")

    @property
    def children(self) -> list[dict[str, Any]]:
        """The objects that hang on this one."""
        children = self.said.get("children")
        return [c for c in children if isinstance(c, dict)] if isinstance(children, list) else []

    @property
    def names(self) -> list[str]:
        """What the kernel calls it."""
        names = self.said.get("logicalname")
        return [n for n in (names if isinstance(names, list) else [names]) if isinstance(n, str)]

    def text(self, name: str) -> str | None:
        return text(self.said.get(name))


def tree(roots: Any, place: str, wrong: list[Rejection]) -> list[Node]:
    """All nodes, each before its children, in lshw's order; what is no node goes to ``wrong``."""
    found: list[Node] = []
    waiting: list[tuple[Any, dict[str, Any]]] = [
        (root, {}) for root in reversed(roots if isinstance(roots, list) else [roots])
    ]
    while waiting:
        node, parent = waiting.pop()
        if not isinstance(node, dict):
            wrong.append(Rejection(place, f"something below {parent.get('id')!r} is no object"))
            continue
        found.append(Node(node, parent))
        children = node.get("children") or []
        if not isinstance(children, list):
            wrong.append(Rejection(place, f"the children of {node.get('id')!r} are no list"))
            continue
        waiting.extend((child, node) for child in reversed(children))
    return found


def processors(nodes: Sequence[Node], *, virtual: bool) -> list[dict[str, Any]]:
    """What is said of each CPU there is.

    A hypervisor lists every socket a virtual machine may ever have, as disabled; of a real one that
    only means that it idles.
    """
    sockets = [n for n in nodes if n.kind == "processor" and n.id == "cpu"]
    slots = machines.places([n.text("slot") for n in sockets])
    return [
        _processor(socket, slot)
        for socket, slot in zip(sockets, slots, strict=True)
        if "[empty]" not in str(socket.said.get("description"))
        and not (virtual and socket.said.get("disabled") is True)
    ]


def _processor(socket: Node, slot: str | None) -> dict[str, Any]:
    setup = mapping(socket.said.get("configuration"))
    # The firmware's name of the model is the version, until the kernel's takes the product's place.
    version = socket.text("version")
    model = version if version and " " in version else socket.text("product")
    return said(
        slot=slot,
        vendor=vendor(socket.text("vendor")),
        model=model,
        serial_number=socket.text("serial"),
        core_count=whole(setup.get("cores")),
        thread_count=whole(setup.get("threads")),
    )


def memory_slots(nodes: Sequence[Node]) -> list[dict[str, Any] | None]:
    """What is said of the module in each slot for memory; None for an empty slot."""
    banks = [n for n in nodes if n.kind == "memory" and n.id == "bank" and _is_for_memory(n)]
    slots = machines.places([n.text("slot") for n in banks])
    return [_module(bank, slot) for bank, slot in zip(banks, slots, strict=True)]


def _is_for_memory(bank: Node) -> bool:
    """Not for firmware: the array a bank hangs on says so."""
    return not re.match(r"(?:Flash|Video|Cache) Memory|NVRAM", str(bank.parent.get("description")))


def _module(bank: Node, slot: str | None) -> dict[str, Any] | None:
    size = whole(bank.said.get("size"))
    description = str(bank.said.get("description", ""))
    known = bank.text("serial") or bank.text("product")
    if size is None and ("[empty]" in description or not known):
        return None
    kind = re.search(r"\b(?:LP)?DDR\d?\b|\bSDRAM\b|\bDRAM\b", description)
    return said(
        slot=slot,
        size_mib=size // 2**20 if size else None,
        memory_type=kind[0] if kind else None,
        vendor=vendor(bank.text("vendor")),
        part_number=bank.text("product"),
        serial_number=bank.text("serial"),
    )


def system_memory(nodes: Sequence[Node]) -> int | None:
    """Of what the modules' sizes are not known."""
    arrays = [n for n in nodes if n.kind == "memory" and n.id == "memory"]
    return sum((whole(n.said.get("size")) or 0) // 2**20 for n in arrays) or None


def board(nodes: Sequence[Node]) -> Iterator[Link]:
    for node in nodes:
        model, serial = node.text("product"), node.text("serial")
        if node.id == "core" and (model or serial):
            maker = vendor(node.text("vendor"))
            yield machines.part(
                "Mainboard", name="Mainboard", vendor=maker, model=model, serial_number=serial
            )
            return


def supplies(nodes: Sequence[Node]) -> Iterator[Link]:
    supplies = [n for n in nodes if n.kind == "power" and n.id == "power"]
    for position, node in enumerate(supplies, 1):
        if node.text("serial") or node.text("product"):
            yield machines.power_supply(
                position,
                node.text("description"),
                None,
                whole(node.said.get("capacity")),
                vendor=vendor(node.text("vendor")),
                part_number=node.text("product"),
                serial_number=node.text("serial"),
            )


def device(node: Node) -> Iterator[Link]:
    """The part that one node of the kernel's is."""
    if node.kind == "network":
        yield from _network(node)
    elif node.kind == "disk":
        yield from _disk(node)
    elif (node.kind == "storage" and node.id != "nvme") or node.kind == "display":
        type_ = "GPU" if node.kind == "display" else "DiskController"
        yield from _card(node, type_)


def _card(node: Node, type_: str) -> Iterator[Link]:
    """What is plugged in, or sits on the board, and is told apart by its place on the bus."""
    bus = node.text("businfo")
    if bus and bus.startswith("pci@"):
        maker, model = vendor(node.text("vendor")), node.text("product")
        yield machines.part(type_, name=bus, slot=bus, vendor=maker, model=model)


def interface_name(node: Node) -> str | None:
    return next((name for name in node.names if machines.is_interface(name)), None)


def _network(node: Node) -> Iterator[Link]:
    name = interface_name(node)
    if name is None:
        if not node.names and not any(child.get("class") == "network" for child in node.children):
            yield from _card(node, "NetworkCard")
        return
    size = whole(node.said.get("size"))
    setup = mapping(node.said.get("configuration"))
    # A virtual card has its interface below it.
    card = (
        node
        if node.text("product") or node.parent.get("class") != "network"
        else Node(node.parent, {})
    )
    attributes = said(
        name=name,
        mac_address=plain_mac(node.said.get("serial")),
        vendor=vendor(card.text("vendor")),
        model=card.text("product"),
        speed_mbps=size / 1e6 if size else None,
        interface_type=_interface_type(name, node),
    )
    address = machines.ip_address(setup.get("ip"))
    links = [Link("HAS_ADDRESS", address)] if address else []
    yield Link("HAS_COMPONENT", Observation("NetworkInterface", "", attributes, links))


def _interface_type(name: str, node: Node) -> str | None:
    capabilities = mapping(node.said.get("capabilities"))
    driver = mapping(node.said.get("configuration")).get("driver")
    if driver == "bonding":
        return "bond"
    if driver == "bridge" or "bridge" in capabilities:
        return "bridge"
    if machines.is_vlan(name) or driver == "802.1Q VLAN Support":
        return "vlan"
    if str(node.said.get("description")).startswith("Wireless"):
        return "wireless"
    return "ethernet" if "ethernet" in capabilities else None


def _disk(node: Node) -> Iterator[Link]:
    name = next((n[5:] for n in node.names if machines.is_disk(n.removeprefix("/dev/"))), None)
    capabilities = mapping(node.said.get("capabilities"))
    if name is None or "removable" in capabilities:
        return
    above = Node(node.parent, {})
    controller = above if above.id == "nvme" else node
    yield machines.part(
        "Disk",
        name=name,
        serial_number=node.text("serial") or controller.text("serial"),
        vendor=vendor(
            machines.disk_maker(node.said.get("vendor") or controller.said.get("vendor"))
        ),
        model=controller.text("product") or node.text("product"),
        capacity_gib=machines.gibibytes(whole(node.said.get("size"))),
        media_type=_medium(name, capabilities),
    )


def _medium(name: str, capabilities: Any) -> str | None:
    if name.startswith("nvme"):
        return "nvme"
    return "hdd" if any(str(c).endswith("rpm") for c in capabilities) else None
