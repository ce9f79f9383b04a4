"""Nodes of a Kubernetes cluster, and the machines they are.

`spec.providerID` tells which cloud's instance a node is; the forms are those of the cloud providers'
controllers (https://github.com/kubernetes/cloud-provider). Without one it is a computer of which the
node's status gives host name, address and system UUID.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any, Final

from cmdb.reconciliation.observations import Observation
from importers.kubernetes.objects import KubernetesObject, at, mappings, text
from importers.values import said, split_hostname

_ROLE: Final = "node-role.kubernetes.io/"
_ROLE_LABEL: Final = "kubernetes.io/role"
_HOSTNAME_LABEL: Final = "kubernetes.io/hostname"
# What the kernel calls the architectures that Go, and so Kubernetes, gives its own names.
_ARCHITECTURES: Final = {"amd64": "x86_64", "arm64": "aarch64", "386": "i686"}
_GOOGLE: Final = "https://www.googleapis.com/compute/v1/projects"
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _instance(provider: str, resource_id: str) -> dict[str, Any]:
    return {"cloud_provider": provider, "resource_id": resource_id}


# By the scheme of the providerID, with what follows ``://``.
_CLOUDS: Final[dict[str, tuple[re.Pattern[str], Callable[[re.Match[str]], dict[str, Any]]]]] = {
    # aws:///eu-west-1a/i-0abc
    "aws": (re.compile(r"(?:.*/)?(i-[0-9a-f]+)"), lambda m: _instance("aws", m[1])),
    # azure:///subscriptions/…/virtualMachines/name
    "azure": (re.compile(r"(/subscriptions/.+)"), lambda m: _instance("azure", m[1])),
    # gce://project/zone/name
    "gce": (
        re.compile(r"([^/]+)/([^/]+)/([^/]+)"),
        lambda m: _instance("google", f"{_GOOGLE}/{m[1]}/zones/{m[2]}/instances/{m[3]}"),
    ),
    # openstack:///uuid, openstack://region/uuid
    "openstack": (re.compile(r"[^/]*/([^/]+)"), lambda m: _instance("openstack", m[1])),
}


def roles(node: KubernetesObject) -> list[str]:
    """What the node does: control-plane, worker …"""
    found = {label.removeprefix(_ROLE) for label in node.labels if label.startswith(_ROLE)}
    found.add(node.labels.get(_ROLE_LABEL, ""))
    return sorted(role for role in found if role)


def machine(node: KubernetesObject, key: str) -> Observation | None:
    """A mention of the machine under a node; None where nothing tells it from others."""
    provider_id = text(at(node.body, "spec", "providerID"))
    scheme, _, rest = provider_id.partition("://")
    known = {**_host(node), "management_ip": _address(node)}
    if scheme in _CLOUDS and len(rest) < 900:
        pattern, attributes = _CLOUDS[scheme]
        if match := pattern.fullmatch(rest):
            known |= {
                **attributes(match),
                "os_name": at(node.body, "status", "nodeInfo", "osImage"),
            }
            return Observation("CloudInstance", key, _texts(known))
    known |= _system(node)
    if not (known.get("hostname") or known["management_ip"] or known["system_uuid"]):
        return None
    is_vsphere = scheme == "vsphere" and _UUID.fullmatch(rest.lower())
    if is_vsphere:
        known["system_uuid"] = rest.lower()
    return Observation("VirtualMachine" if is_vsphere else "Computer", key, _texts(known))


def _texts(attributes: dict[str, Any]) -> dict[str, Any]:
    return said(**{name: text(value)[:1000] for name, value in attributes.items()})


def _system(node: KubernetesObject) -> dict[str, Any]:
    info = at(node.body, "status", "nodeInfo")
    architecture = text(at(info, "architecture"))
    system_uuid = text(at(info, "systemUUID")).lower()
    return {
        "system_uuid": system_uuid if _UUID.fullmatch(system_uuid) else "",
        "architecture": _ARCHITECTURES.get(architecture, architecture),
        "os_name": at(info, "osImage"),
        "kernel_version": at(info, "kernelVersion"),
    }


def _host(node: KubernetesObject) -> dict[str, str]:
    """Host name and domain, from the fullest name the node has."""
    names = [_of_type(node, type_) for type_ in ("InternalDNS", "Hostname")]
    names.append(node.labels.get(_HOSTNAME_LABEL, ""))
    names.sort(key=lambda name: "." not in name)
    return next(filter(None, map(split_hostname, names)), {})


def _address(node: KubernetesObject) -> str:
    try:
        return str(ipaddress.ip_address(_of_type(node, "InternalIP")))
    except ValueError:
        return ""


def _of_type(node: KubernetesObject, type_: str) -> str:
    addresses = mappings(at(node.body, "status", "addresses"))
    return next((text(a.get("address")) for a in addresses if a.get("type") == type_), "")
