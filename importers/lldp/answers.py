"""JSON answers of one device about its neighbours: NAPALM's, and what Junos, NX-OS and EOS print with ``| json``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cmdb.reconciliation.observations import Rejection
from importers.lldp import lldpd as lldp_lldpd
from importers.lldp.sightings import Neighbour, capabilities, device, port, text

Found = Iterator[Neighbour | Rejection]

DEPTH_LIMIT: Final = 12
"""How deep in an answer its table of neighbours may stand."""

_NAPALM: Final = (
    *("get_lldp_neighbors_detail", "lldp_neighbors_detail", "napalm_lldp_neighbors_detail"),
    *("get_lldp_neighbors", "lldp_neighbors", "napalm_lldp_neighbors"),
)
_NXOS_TABLES: Final = {
    "TABLE_nbor": ("ROW_nbor", "lldp"),
    "TABLE_nbor_detail": ("ROW_nbor_detail", "lldp"),
    "TABLE_cdp_neighbor_brief_info": ("ROW_cdp_neighbor_brief_info", "cdp"),
    "TABLE_cdp_neighbor_detail_info": ("ROW_cdp_neighbor_detail_info", "cdp"),
}


def from_output(value: Any, place: str) -> Found | None:
    """Neighbours in the JSON that one device, or NAPALM for it, answered; None if it is none."""
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("lldpNeighbors"), dict | list):
        return _eos(value["lldpNeighbors"], place)
    if isinstance(value.get("lldp"), dict | list):
        return lldp_lldpd.from_json(value["lldp"], place)
    junos = _inside(value, "lldp-neighbors-information")
    if junos is not None:
        return _junos(junos, place)
    if "neigh_hdr" in value or _NXOS_TABLES.keys() & value.keys():
        return _nxos(value, place)
    if _is_napalm(value):
        return napalm(value, place)
    return None


def _is_napalm(value: dict[str, Any]) -> bool:
    if any(isinstance(value.get(name), dict) for name in _NAPALM):
        return True
    known = {"hostname", "port", "remote_port", "remote_system_name", "remote_chassis_id"}
    return all(isinstance(rows, list) for rows in value.values()) and all(
        known & row.keys() for rows in value.values() for row in rows if isinstance(row, dict)
    )


def by_device(value: dict[str, Any]) -> bool:
    """Whether it is NAPALM's answers for many devices, each under its name."""
    return bool(value) and all(
        isinstance(of, dict) and any(isinstance(of.get(name), dict) for name in _NAPALM)
        for of in value.values()
    )


def napalm(value: dict[str, Any], place: str) -> Found:
    answers = [value[name] for name in _NAPALM if isinstance(value.get(name), dict)] or [value]
    for answer in answers:
        for interface, rows in answer.items():
            at = f"{place} {interface}"
            for row in rows if isinstance(rows, list) else [rows]:
                if not isinstance(row, dict):
                    yield Rejection(at, "its neighbour is not an object")
                    continue
                far = device(
                    name=row.get("remote_system_name") or row.get("hostname"),
                    chassis=row.get("remote_chassis_id"),
                    description=row.get("remote_system_description"),
                    able=capabilities(row.get("remote_system_enable_capab")),
                )
                far_port = port(
                    row.get("remote_port") or row.get("port"), row.get("remote_port_description")
                )
                yield Neighbour(port(interface), far, far_port, at)


def _eos(value: Any, place: str) -> Found:
    """``show lldp neighbors [detail] | json``: interfaces with what they see, or a list of pairs."""
    if isinstance(value, list):
        for row in _objects(value):
            far = device(name=row.get("neighborDevice"))
            yield Neighbour(port(row.get("port")), far, port(row.get("neighborPort")), place)
        return
    for interface, of in value.items():
        for row in _objects(of.get("lldpNeighborInfo") if isinstance(of, dict) else None):
            able = row.get("systemCapabilities")
            far = device(
                name=row.get("systemName"),
                chassis=row.get("chassisId"),
                managed_at=[a.get("address") for a in _objects(row.get("managementAddresses"))],
                description=row.get("systemDescription"),
                able=capabilities(
                    [k for k, on in able.items() if on] if isinstance(able, dict) else []
                ),
            )
            of_port = next(iter(_objects(row.get("neighborInterfaceInfo"))), {})
            id_ = of_port.get("interfaceId_v2") or of_port.get("interfaceId")
            far_port = port(id_, of_port.get("interfaceDescription"))
            yield Neighbour(port(interface), far, far_port, f"{place} {interface}")


def _nxos(value: dict[str, Any], place: str) -> Found:
    """``show lldp neighbors | json native``, ``show cdp neighbors detail | json`` and so on."""
    for table, (row_name, protocol) in _NXOS_TABLES.items():
        for of in _objects(value.get(table)):
            for row in _objects(of.get(row_name)):
                far = device(
                    name=row.get("sys_name") or row.get("device_id") or row.get("chassis_id"),
                    chassis=row.get("chassis_id"),
                    managed_at=[row.get("mgmt_addr"), row.get("v4mgmtaddr"), row.get("v4addr")],
                    description=row.get("sys_desc") or row.get("version"),
                    model=row.get("platform_id"),
                    able=capabilities(
                        row.get("enabled_capability") or row.get("capability"), protocol
                    ),
                )
                local = port(row.get("l_port_id") or row.get("intf_id"))
                yield Neighbour(local, far, port(row.get("port_id"), row.get("port_desc")), place)


def _junos(value: Any, place: str) -> Found:
    """``show lldp neighbors [detail] | display json``: every value is a list of one object."""

    def said(row: dict[str, Any], name: str) -> str:
        return text(next(iter(_objects(row.get(name))), {}).get("data"))

    for table in _objects(value):
        for row in _objects(table.get("lldp-neighbor-information")):
            about = next(iter(_objects(row.get("lldp-system-description"))), row)
            far = device(
                name=said(row, "lldp-remote-system-name"),
                chassis=said(row, "lldp-remote-chassis-id"),
                managed_at=[said(row, "lldp-remote-management-address")],
                description=said(about, "lldp-remote-system-description"),
                able=capabilities(said(row, "lldp-remote-system-capabilities-enabled")),
            )
            local = said(row, "lldp-local-interface") or said(row, "lldp-local-port-id")
            id_ = said(row, "lldp-remote-port-id")
            far_port = port(id_, said(row, "lldp-remote-port-description"))
            yield Neighbour(port(local), far, far_port, place)


def _inside(value: Any, name: str, depth: int = 0) -> Any:
    """What stands under a name, however deep: Junos wraps answers by routing engine."""
    if depth > DEPTH_LIMIT or not isinstance(value, dict | list):
        return None
    if isinstance(value, dict) and name in value:
        return value[name]
    for item in value.values() if isinstance(value, dict) else value:
        found = _inside(item, name, depth + 1)
        if found is not None:
            return found
    return None


def _objects(value: Any) -> list[dict[str, Any]]:
    return [
        item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)
    ]
