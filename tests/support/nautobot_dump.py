"""A pg_dump of Nautobot 1.x as the files its REST API would give: one per endpoint, brief objects nested.

Only what the API shows without being asked for more is written, and custom fields and local context
data too, so that a test can see that they are not taken.
"""

from __future__ import annotations

import gzip
import ipaddress
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

Row = dict[str, str | None]
BASE = "https://nautobot.example/api"

ENDPOINTS = {
    "dcim_region": "dcim/regions",
    "dcim_site": "dcim/sites",
    "dcim_location": "dcim/locations",
    "dcim_locationtype": "dcim/location-types",
    "dcim_rack": "dcim/racks",
    "dcim_manufacturer": "dcim/manufacturers",
    "dcim_devicetype": "dcim/device-types",
    "dcim_devicerole": "dcim/device-roles",
    "dcim_platform": "dcim/platforms",
    "dcim_device": "dcim/devices",
    "dcim_interface": "dcim/interfaces",
    "dcim_consoleport": "dcim/console-ports",
    "dcim_powerport": "dcim/power-ports",
    "dcim_inventoryitem": "dcim/inventory-items",
    "dcim_cable": "dcim/cables",
    "circuits_provider": "circuits/providers",
    "circuits_circuit": "circuits/circuits",
    "circuits_circuittermination": "circuits/circuit-terminations",
    "ipam_vrf": "ipam/vrfs",
    "ipam_vlan": "ipam/vlans",
    "ipam_prefix": "ipam/prefixes",
    "ipam_ipaddress": "ipam/ip-addresses",
    "tenancy_tenant": "tenancy/tenants",
    "virtualization_cluster": "virtualization/clusters",
    "virtualization_virtualmachine": "virtualization/virtual-machines",
    "virtualization_vminterface": "virtualization/interfaces",
    "users_token": "users/tokens",
    "extras_configcontext": "extras/config-contexts",
}
REFERENCES = {
    "region": "dcim_region",
    "site": "dcim_site",
    "location": "dcim_location",
    "location_type": "dcim_locationtype",
    "rack": "dcim_rack",
    "manufacturer": "dcim_manufacturer",
    "device_type": "dcim_devicetype",
    "device_role": "dcim_devicerole",
    "platform": "dcim_platform",
    "device": "dcim_device",
    "provider": "circuits_provider",
    "circuit": "circuits_circuit",
    "vrf": "ipam_vrf",
    "vlan": "ipam_vlan",
    "untagged_vlan": "ipam_vlan",
    "tenant": "tenancy_tenant",
    "cluster": "virtualization_cluster",
    "virtual_machine": "virtualization_virtualmachine",
    "primary_ip4": "ipam_ipaddress",
    "primary_ip6": "ipam_ipaddress",
    "cable": "dcim_cable",
}
NUMBERS = {
    *(
        "position",
        "u_height",
        "vid",
        "mtu",
        "memory",
        "vcpus",
        "commit_rate",
        "latitude",
        "longitude",
    ),
}
FLAGS = {"enabled", "mgmt_only", "discovered", "is_pool", "write_enabled"}
HIDDEN = {"lft", "rght", "tree_id", "level", "host", "broadcast", "network"}


def tables(dump: Path) -> dict[str, list[Row]]:
    """The rows of a dump's COPY commands, by table."""
    found: dict[str, list[Row]] = defaultdict(list)
    table, columns = "", list[str]()
    with gzip.open(dump, "rt", encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if line.startswith("COPY public."):
                table = line.split()[1].removeprefix("public.")
                inside = line[line.index("(") + 1 : line.rindex(")")]
                columns = [column.strip().strip('"') for column in inside.split(",")]
            elif line == "\\.":
                table = ""
            elif table:
                values = [
                    None if value == "\\N" else _unescaped(value) for value in line.split("\t")
                ]
                found[table].append(dict(zip(columns, values, strict=True)))
    return found


def _unescaped(value: str) -> str:
    return value.replace("\\\\", "\0").replace("\\n", "\n").replace("\\t", "\t").replace("\0", "\\")


def write_api_files(dump: Path, folder: Path) -> dict[str, int]:
    """Write the answers of the API; returns how many objects each endpoint has."""
    api = _Api(tables(dump))
    counts = {}
    for table, endpoint in ENDPOINTS.items():
        objects = [api.full(table, row) for row in api.tables[table]]
        path = folder / f"{endpoint}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        page = {"count": len(objects), "next": None, "previous": None, "results": objects}
        path.write_text(json.dumps(page), encoding="utf-8")
        counts[endpoint] = len(objects)
    return counts


class _Api:
    """The serializers."""

    def __init__(self, tables: dict[str, list[Row]]) -> None:
        self.tables = tables
        self.rows = {(t, str(row["id"])): row for t in ENDPOINTS for row in tables[t]}
        self.statuses = {row["id"]: row for row in tables["extras_status"]}
        self.types = {
            row["id"]: f"{row['app_label']}.{row['model']}" for row in tables["django_content_type"]
        }
        self.tagged: dict[str | None, list[dict[str, Any]]] = defaultdict(list)
        for pair in tables["dcim_interface_tagged_vlans"]:
            vlan = self.brief("ipam_vlan", pair["vlan_id"])
            if vlan:
                self.tagged[pair["interface_id"]].append(vlan)

    def brief(self, table: str, id_: str | None) -> dict[str, Any] | None:
        """An object as others show it."""
        if id_ is None:
            return None
        row = self.rows[table, id_]
        found: dict[str, Any] = {"id": id_, "url": f"{BASE}/{ENDPOINTS[table]}/{id_}/"}
        found["display"] = row.get("name") or row.get("model") or row.get("cid") or id_
        found |= {
            name: row[name] for name in ("name", "slug", "model", "cid", "vid") if name in row
        }
        if table == "dcim_devicetype":
            found["manufacturer"] = self.brief("dcim_manufacturer", row["manufacturer_id"])
        if table == "ipam_ipaddress":
            found["address"] = _cidr(row["host"], row["prefix_length"])
        return found

    def full(self, table: str, row: Row) -> dict[str, Any]:
        """An object as its own endpoint shows it."""
        found: dict[str, Any] = {"url": f"{BASE}/{ENDPOINTS[table]}/{row['id']}/"}
        for column, value in row.items():
            name = column.removesuffix("_id")
            if column == "status_id":
                status = self.statuses[value]
                found["status"] = {"value": status["slug"], "label": status["name"]}
            elif column == "_custom_field_data":
                found["custom_fields"] = json.loads(value or "{}")
            elif column.endswith("_id") and name in REFERENCES:
                found[name] = self.brief(REFERENCES[name], value)
            elif column == "parent_id":
                found["parent"] = self.brief(table, value)
            elif column.startswith("_") or column in HIDDEN or column.endswith("_type_id"):
                continue
            else:
                found[column] = _plain(column, value)
        return found | self._special(table, row)

    def _special(self, table: str, row: Row) -> dict[str, Any]:
        """What is not a column."""
        if table == "ipam_prefix":
            return {"prefix": _cidr(row["network"], row["prefix_length"])}
        if table == "ipam_ipaddress":
            kind = self.types.get(row["assigned_object_type_id"])
            address = _cidr(row["host"], row["prefix_length"])
            return {"address": address, "assigned_object_type": kind}
        if table == "dcim_interface":
            choice = {"value": row["type"], "label": row["type"]}
            return {"type": choice, "tagged_vlans": self.tagged[row["id"]]}
        if table == "dcim_cable":
            sides = ("a", "b")
            return {
                f"termination_{s}_type": self.types[row[f"termination_{s}_type_id"]] for s in sides
            }
        if table == "dcim_device":
            primary = self.brief("ipam_ipaddress", row["primary_ip4_id"] or row["primary_ip6_id"])
            return {"primary_ip": primary, "config_context": {"snmp_community": "hidden-community"}}
        return {}


def _plain(column: str, value: str | None) -> Any:
    if value is None or (column in NUMBERS and value == ""):
        return None
    if column in NUMBERS:
        return float(value) if "." in value else int(value)
    return value == "t" if column in FLAGS else value


def _cidr(packed: str | None, length: str | None) -> str:
    """An address as the database keeps it (bytes, in hexadecimal) with its prefix length."""
    return (
        f"{ipaddress.ip_address(bytes.fromhex(str(packed).removeprefix(chr(92) + 'x')))}/{length}"
    )
