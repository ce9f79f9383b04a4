"""What a pod, or the template a workload makes pods of, tells: its images, its claims, whom it calls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cmdb.reconciliation.observations import Link
from importers.container_images import image
from importers.kubernetes.objects import KubernetesObject, Objects, at, is_name, mappings, text

_CONTAINERS: Final = ("containers", "initContainers")
# What environment variables that hold an address are called: CART_SERVICE_ADDR, DB_HOST, API_URL.
_ADDRESS_NAME: Final = re.compile(
    r"(?:.*[_.\-])?(?:ADDR|ADDRESS|HOST|HOSTNAME|URL|URI|ENDPOINT|SERVER|BROKER)(?:E?S)?", re.I
)
_ADDRESS: Final = re.compile(
    r"(?:[a-z][a-z0-9+.\-:]{0,40}://)?(?:[^/@\s]*@)?(?P<host>[a-z0-9][a-z0-9.\-]{0,252})(?::\d{1,5})?(?:[/?#].*)?",
    re.I,
)
_VALUE_LENGTH: Final = 2_000
_CLUSTER_DOMAIN: Final = "svc"

Service = tuple[str, str]
"""Namespace and name."""


def image_links(template: Mapping[str, Any]) -> Iterator[Link]:
    """(workload or pod)-[:USES_IMAGE]->(image), each image once."""
    seen: set[str] = set()
    for where in _CONTAINERS:
        for container in mappings(at(template, "spec", where)):
            used = image(container.get("image"))
            if used and used.key not in seen:
                seen.add(used.key)
                attributes = {"init_only": True} if where == "initContainers" else {}
                yield Link("USES_IMAGE", used, attributes)


def claims(item: KubernetesObject, objects: Objects) -> Iterator[str]:
    """Names of the volume claims of a pod or workload, in its namespace."""
    found: dict[str, None] = {}
    for volume in mappings(at(item.template, "spec", "volumes")):
        name = at(volume, "persistentVolumeClaim", "claimName")
        if is_name(name):
            found[name] = None
    templates = mappings(at(item.body, "spec", "volumeClaimTemplates"))
    stems = {f"{text(at(t, 'metadata', 'name'))}-{item.name}" for t in templates}
    if stems:  # a StatefulSet's pods have a claim each: data-db-0, data-db-1
        for claim in objects.of(["PersistentVolumeClaim"]):
            stem, _, ordinal = claim.name.rpartition("-")
            if claim.namespace == item.namespace and stem in stems and ordinal.isdecimal():
                found[claim.name] = None
    yield from found


def called(item: KubernetesObject, objects: Objects) -> Iterator[Service]:
    """Services of the source that the environment of its containers names, each once.

    Of the values nothing is kept: a value is looked at only where the variable's name says that it
    is an address, and only to see whether its host is a Service.
    """
    found: dict[Service, None] = {}
    for value in _addresses(item.template):
        for part in value.split(","):
            match = _ADDRESS.fullmatch(part.strip())
            service = known_service(match["host"], item.namespace, objects) if match else None
            if service:
                found[service] = None
    yield from found


def _addresses(template: Mapping[str, Any]) -> Iterator[str]:
    for where in _CONTAINERS:
        for container in mappings(at(template, "spec", where)):
            for variable in mappings(container.get("env")):
                name, value = text(variable.get("name")), text(variable.get("value"))
                if len(value) <= _VALUE_LENGTH and _ADDRESS_NAME.fullmatch(name[:200]):
                    yield value


def known_service(host: str, namespace: str, objects: Objects) -> Service | None:
    """The Service of the source that a host name means inside the cluster."""
    service = meant_service(host, namespace)
    found = service and objects.find("Service", *service)
    return service if found else None


def meant_service(host: str, namespace: str) -> Service | None:
    """What ``cart``, ``cart.shop``, ``cart.shop.svc`` or ``cart.shop.svc.cluster.local`` means.

    https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
    """
    name, *rest = host.strip().rstrip(".").lower().split(".")
    if not is_name(name) or (len(rest) > 1 and rest[1] != _CLUSTER_DOMAIN) or rest[:1] == [""]:
        return None
    return (rest[0] if rest else namespace), name
