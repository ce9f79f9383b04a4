"""What is taken of a Terraform resource: its attributes by name, and the addresses it is reached by.

Never anything else: passwords, keys and user data stand beside them in the state.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from cmdb.reconciliation.observations import Link, Observation
from importers.cloud import address, address_mention, arn, aws_id, aws_region, network
from importers.terraform import types
from importers.terraform.state import Resource
from importers.values import said, split_hostname

_SIZES: Final = ("instance_type", "machine_type", "size", "vm_size", "flavor_name", "type")
_PRIVATE: Final = (
    "private_ip",
    "private_ip_address",
    "network_interface.0.network_ip",
    "access_ip_v4",
    "network.0.fixed_ip_v4",
)
_NETWORKS: Final = (
    "cidr_block",
    "ip_cidr_range",
    "cidr",
    "address_space.0",
    "address_prefixes.0",
    "address_prefix",
)


def attributes(resource: Resource, type_: str) -> dict[str, Any]:
    """The attributes of a resource as a record of a type."""
    if types.is_secretive(resource.address.type):
        return said(name=resource.name, **_common(resource, type_))
    names = (*types.NAMES_BY_TYPE.get(resource.address.type, ()), *types.NAMES)
    name = _text(resource, *names) or resource.name
    if type_ == "DomainName":
        return said(name=_fqdn(resource) or name, fqdn=_fqdn(resource))
    return said(
        name=name,
        resource_id=resource_id(resource),
        region=_region(resource),
        **_common(resource, type_),
        **_special(resource, type_),
    )


def _common(resource: Resource, type_: str) -> dict[str, Any]:
    kind = resource.address.type
    return {
        "cloud_provider": types.provider(kind),
        "resource_type": kind if type_ == "CloudResource" else None,
    }


def _special(resource: Resource, type_: str) -> dict[str, Any]:
    """Attributes that only one record type has."""
    if type_ == "CloudInstance":
        return {
            "instance_type": _text(resource, *_SIZES),
            "management_ip": next(_addresses(resource, _PRIVATE), None),
            **split_hostname(_text(resource, "hostname", "host_name", "computer_name")),
        }
    if type_ in ("VPC", "CloudSubnet"):
        return {"network": network(_text(resource, *_NETWORKS))}
    if type_ == "CloudVolume":
        return {"capacity_gib": _size(resource)}
    return _engine(resource) if type_ == "CloudDatabase" else {}


def _engine(resource: Resource) -> dict[str, Any]:
    engine, version = _text(resource, "engine"), _text(resource, "engine_version", "version")
    # Google writes both in one: POSTGRES_15, SQLSERVER_2019_STANDARD
    if match := re.fullmatch(
        r"([A-Z]+)_(\d+(?:_\d+)*).*", _text(resource, "database_version") or ""
    ):
        engine, version = match[1].lower(), match[2].replace("_", ".")
    return {"engine": engine or types.engine(resource.address.type), "version": version}


def _size(resource: Resource) -> float | None:
    text = _text(resource, "size", "disk_size_gb", "disk_size", "size_in_gb") or ""
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d+)?", text) else None


def resource_id(resource: Resource) -> str | None:
    """What the cloud calls a resource; with the type before it, if the id may be another's."""
    kind = resource.address.type
    if kind not in types.TYPES:
        own = _text(resource, "id", "arn")
        return f"{kind}/{own}" if own else None
    for path in ("arn", "self_link", "id"):
        if own := _text(resource, path):
            return aws_id(own) if arn(own) else own
    return None


def _region(resource: Resource) -> str | None:
    cloud = types.provider(resource.address.type)
    region = _text(resource, "region") or aws_region(_text(resource, "arn"))
    if region or (region := _text(resource, "location")):
        # ``West Europe`` and ``westeurope`` are one; Google also writes the region's URL
        return region.rpartition("/")[2].replace(" ", "").lower()
    zones = (_text(resource, path) for path in ("availability_zone", "zone", "zone_id"))
    return next(filter(None, (types.region_of_zone(cloud, zone) for zone in zones if zone)), None)


def reached(resource: Resource, type_: str) -> Iterator[Link]:
    """The addresses a resource has, or a domain name resolves to."""
    if types.is_secretive(resource.address.type):
        return
    if type_ == "DomainName":
        yield from _resolved(resource)
        return
    for value in dict.fromkeys(_addresses(resource, types.ADDRESSES)):
        yield Link("HAS_ADDRESS", address_mention(value))


def _resolved(resource: Resource) -> Iterator[Link]:
    # Only of records that hold addresses and names: a TXT record may hold a secret.
    kind = (
        _text(resource, "type") or resource.address.type.removesuffix("_record").rpartition("_")[2]
    )
    for value in _texts(resource, "records", "rrdatas", "record", "value", "content"):
        if kind.upper() in ("A", "AAAA") and (found := address(value)):
            yield Link("RESOLVES_TO", address_mention(found))
        elif kind.upper() == "CNAME":
            fqdn = _plain(value)
            yield Link("RESOLVES_TO", Observation("DomainName", f"dns/{fqdn}", {"fqdn": fqdn}))


def _fqdn(resource: Resource) -> str | None:
    own = _text(resource, "fqdn", "hostname")
    host = _text(resource, "host_record", "rr", "sub_domain", "subdomain")
    if not own and host:
        zone = _text(resource, "domain_name", "domain", "name")
        own = zone if host == "@" else f"{host}.{zone}" if zone else host
    own = own or _text(resource, "name")
    return _plain(own) if own else None


def _plain(name: str) -> str:
    # Route 53 writes an asterisk as an octal escape
    return name.replace("\\052", "*").rstrip(".").lower()


def _addresses(resource: Resource, paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        if found := address(_text(resource, path)):
            yield found


def _text(resource: Resource, *paths: str) -> str | None:
    """The first of some attributes that holds a plain value; flat (``a.0.b``) or nested."""
    for path in paths:
        value = resource.attributes.get(path)
        if value is None and "." in path:
            value = _walk(resource.attributes, path.split("."))
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return None


def _texts(resource: Resource, *names: str) -> list[str]:
    """The texts of some attributes, each alone or in a list; nested or flat (``records.1234``)."""
    values: list[Any] = []
    for name in names:
        own = resource.attributes.get(name)
        values += own if isinstance(own, list) else [own]
        flat = (key for key in resource.attributes if key.startswith(f"{name}."))
        values += [resource.attributes[key] for key in flat if not key.endswith("#")]
    return list(dict.fromkeys(v for v in values if isinstance(v, str) and v.strip()))


def _walk(value: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
