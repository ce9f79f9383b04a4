"""Volumes of Kubernetes: a claim and the persistent volume bound to it are one, and the claim names it."""

from __future__ import annotations

import re
from typing import Any, Final

from importers.kubernetes.objects import KubernetesObject, Objects, at, is_name
from importers.values import said

CLAIM: Final = "PersistentVolumeClaim"
VOLUME: Final = "PersistentVolume"

_SIZES: Final = (("status", "capacity"), ("spec", "capacity"), ("spec", "resources", "requests"))
_QUANTITY: Final = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)([kMGTP]?|[KMGTP]i)", re.ASCII)
_POWERS: Final = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


def claim_of(volume: KubernetesObject) -> tuple[str, str] | None:
    """Namespace and name of the claim that a persistent volume is bound to."""
    claim = at(volume.body, "spec", "claimRef")
    namespace, name = at(claim, "namespace"), at(claim, "name")
    return (namespace, name) if is_name(namespace) and is_name(name) else None


def capacity(item: KubernetesObject, objects: Objects) -> dict[str, Any]:
    """What a volume has, or else what its claim asks for."""
    bound = at(item.body, "spec", "volumeName")
    volume = objects.find(VOLUME, "", bound) if is_name(bound) else None
    for one in filter(None, (volume, item)):
        for path in _SIZES:
            size = gibibytes(at(one.body, *path, "storage"))
            if size is not None:
                return said(capacity_gib=size)
    return {}


def gibibytes(quantity: Any) -> float | None:
    """A size such as ``10Gi``, ``500M`` or ``1073741824``.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    match = _QUANTITY.fullmatch(str(quantity))
    if match is None:
        return None
    base = 1024.0 if match[2].endswith("i") else 1000.0
    return float(float(match[1]) * base ** _POWERS.get(match[2][:1], 0) / 2**30)
