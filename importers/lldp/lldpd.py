"""What lldpd on Linux and Cumulus prints: ``lldpctl``, ``lldpctl -f keyvalue``, ``json``, ``json0``.

``json0`` puts every value into a list of objects with ``value``; ``json`` leaves out lists of one and
files interfaces and chassis under their names. Both are read through the same accessors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from cmdb.reconciliation.observations import Rejection
from importers.lldp.sightings import Device, Neighbour, capabilities, device, port, text

_SECTIONS: Final = (
    r"via|rid|age|ttl|chassis|port|vlan|ppvid|pi|dot1|dot3|lldp-med|unknown-tlvs|custom-tlvs"
)
_PAIR: Final = re.compile(rf"lldp\.([^=\n]{{1,100}}?)\.((?:{_SECTIONS})\b[^=\n]{{0,200}})=(.*)")
_INTERFACE: Final = re.compile(r"Interface:\s+(\S+), via: ")
_FIELD: Final = re.compile(r"\s+([A-Z][\w /-]*?):\s*(.*)")
_ON: Final = ("on", "yes", True)

Values = dict[str, list[str]]


def is_keyvalue(content: str) -> bool:
    return bool(re.search(rf"(?m)^{_PAIR.pattern}", content))


def is_listing(content: str) -> bool:
    return bool(re.search(rf"(?m)^{_INTERFACE.pattern}", content))


def from_keyvalue(content: str, place: str) -> Iterator[Neighbour | Rejection]:
    """Of ``lldpctl -f keyvalue``. Lines that are none continue a description, and are not needed."""
    groups: list[tuple[str, Values]] = []
    for line in content.splitlines():
        match = _PAIR.fullmatch(line.strip())
        if match is None:
            continue
        name, path, value = match.groups()
        group = next((values for of, values in reversed(groups) if of == name), None)
        if group is None or path == "via":  # every neighbour of an interface begins so
            group = {}
            groups.append((name, group))
        group.setdefault(path, []).append(value)
    for name, values in groups:
        if any(path.startswith(("chassis.", "port.")) for path in values):
            yield _of_keyvalue(name, values, place)


def _of_keyvalue(name: str, values: Values, place: str) -> Neighbour:
    def first(*paths: str) -> str:
        return next((values[path][0] for path in paths if path in values), "")

    able = [
        path.split(".")[1]
        for path, found in values.items()
        if path.startswith("chassis.") and path.endswith(".enabled") and found[0] == "on"
    ]
    far = device(
        name=first("chassis.name"),
        chassis=first("chassis.mac", "chassis.local", "chassis.ip", "chassis.ifname"),
        managed_at=values.get("chassis.mgmt-ip", []),
        description=first("chassis.descr"),
        able=capabilities(able),
        maker=first("lldp-med.inventory.manufacturer"),
        model=first("lldp-med.inventory.model"),
        serial_number=first("lldp-med.inventory.serial"),
        firmware=first("lldp-med.inventory.firmware"),
    )
    id_ = first("port.ifname", "port.mac", "port.local", "port.ifalias", "port.ip")
    return Neighbour(port(name), far, port(id_, first("port.descr")), place)


def from_listing(content: str, place: str) -> Iterator[Neighbour | Rejection]:
    """Of ``lldpctl`` as people read it."""
    sections: list[tuple[str, Values]] = []
    for line in content.splitlines():
        if match := _INTERFACE.match(line):
            sections.append((match[1], {}))
        elif sections and (match := _FIELD.fullmatch(line)):
            sections[-1][1].setdefault(match[1], []).append(match[2].strip())
    for name, values in sections:
        yield _of_listing(name, values, place)


def _of_listing(name: str, values: Values, place: str) -> Neighbour:
    def first(field: str) -> str:
        return values.get(field, [""])[0]

    able = [c.split(",")[0] for c in values.get("Capability", []) if c.endswith(", on")]
    far = device(
        name=first("SysName"),
        chassis=first("ChassisID").partition(" ")[2],
        managed_at=values.get("MgmtIP", []),
        description=first("SysDescr"),
        able=capabilities(able),
        maker=first("Manufacturer"),
        model=first("Model"),
        serial_number=first("Serial Number"),
        firmware=first("Firmware Revision"),
    )
    return Neighbour(
        port(name), far, port(first("PortID").partition(" ")[2], first("PortDescr")), place
    )


def from_json(value: Any, place: str) -> Iterator[Neighbour | Rejection]:
    """Of ``lldpctl -f json`` and ``-f json0``: what is under ``lldp``."""
    for lldp in _objects(value):
        for entry in _objects(lldp.get("interface")):
            if "name" in entry and isinstance(entry["name"], str):
                yield _of_json(entry["name"], entry, place)
            else:
                yield from (
                    _of_json(name, e, place) for name, of in entry.items() for e in _objects(of)
                )


def _of_json(name: str, entry: dict[str, Any], place: str) -> Neighbour:
    far_port = _object(entry.get("port"))
    inventory = _object(_object(entry.get("lldp-med")).get("inventory"))
    return Neighbour(
        port(name),
        _json_device(_object(entry.get("chassis")), inventory),
        port(_value(far_port.get("id")), _value(far_port.get("descr"))),
        place,
    )


def _json_device(chassis: dict[str, Any], inventory: dict[str, Any]) -> Device:
    name = _value(chassis.get("name"))
    if chassis and not {"id", "name", "descr"} & chassis.keys():  # json: filed under its name
        name, of = next(iter(chassis.items()))
        chassis = _object(of)
    able = [
        text(c.get("type")) for c in _objects(chassis.get("capability")) if c.get("enabled") in _ON
    ]
    return device(
        name=name,
        chassis=_value(chassis.get("id")),
        managed_at=_values(chassis.get("mgmt-ip")),
        description=_value(chassis.get("descr")),
        able=capabilities(able),
        maker=_value(inventory.get("manufacturer")),
        model=_value(inventory.get("model")),
        serial_number=_value(inventory.get("serial")),
        firmware=_value(inventory.get("firmware")),
    )


def _objects(value: Any) -> list[dict[str, Any]]:
    return [
        item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)
    ]


def _object(value: Any) -> dict[str, Any]:
    return next(iter(_objects(value)), {})


def _values(value: Any) -> list[Any]:
    items = value if isinstance(value, list) else [value]
    return [item.get("value") if isinstance(item, dict) else item for item in items]


def _value(value: Any) -> Any:
    return next(iter(_values(value)), "")
