"""Kubernetes objects as files hold them: manifests, Lists, and API answers of one object a file.

Only what the importer names is kept: of Secrets, ConfigMaps and every other kind it does not import
(ServiceAccounts, DestinationRules …) nothing but that they are there, under which name.

API-server dumps (must-gather, OpenShift's Insights archives) leave `kind` and `apiVersion` out of each
object, because the list they came from has them. Then the kind is told from the object's `selfLink`,
from fields only that kind has, or from the folder it lies in. The API groups of the kinds:
https://kubernetes.io/docs/reference/kubernetes-api/
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from cmdb.reconciliation.observations import Rejection, SourceError
from importers.reading import Document

_GATEWAY_API: Final = "gateway.networking.k8s.io"
_ISTIO: Final = "networking.istio.io"

# Each kind with its API groups, the usual one first; "" is the core group.
WORKLOADS: Final[Mapping[str, tuple[str, ...]]] = {
    "Deployment": ("apps", "extensions"),
    "StatefulSet": ("apps",),
    "DaemonSet": ("apps", "extensions"),
    "ReplicaSet": ("apps", "extensions"),
    "ReplicationController": ("",),
    "Job": ("batch",),
    "CronJob": ("batch",),
    "DeploymentConfig": ("apps.openshift.io", ""),
    "Rollout": ("argoproj.io",),
}
INGRESSES: Final[Mapping[str, tuple[str, ...]]] = {
    "Ingress": ("networking.k8s.io", "extensions"),
    "Gateway": (_ISTIO, _GATEWAY_API),
    "VirtualService": (_ISTIO,),
    "HTTPRoute": (_GATEWAY_API,),
    "GRPCRoute": (_GATEWAY_API,),
    "TCPRoute": (_GATEWAY_API,),
    "TLSRoute": (_GATEWAY_API,),
    "Route": ("route.openshift.io", ""),
}
CLUSTER_WIDE: Final[Mapping[str, tuple[str, ...]]] = {
    "Node": ("",),
    "Namespace": ("",),
    "PersistentVolume": ("",),
}
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    **WORKLOADS,
    **INGRESSES,
    **CLUSTER_WIDE,
    "Pod": ("",),
    "Service": ("",),
    "PersistentVolumeClaim": ("",),
}
"""What is imported; all else is only counted."""
_COUNTED: Final = ("Secret", "ConfigMap", "ServiceAccount", "Endpoints", "Event")
_FOLDERS: Final = {
    plural: kind
    for kind in (*KINDS, *_COUNTED)
    for plural in (kind.lower(), f"{kind.lower()}s", f"{kind.lower()}es")
}
_NAME: Final = re.compile(r"[^/\s]{1,253}")
_LIST_DEPTH: Final = 5


def mapping(value: Any) -> dict[str, Any]:
    """The object, or an empty one where there is none."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[dict[str, Any]]:
    """The objects of a list."""
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def text(value: Any) -> str:
    """The text, or empty text where there is none."""
    return value.strip() if isinstance(value, str) else ""


def at(value: Any, *path: str) -> Any:
    """What stands at a path of fields, or None."""
    for field in path:
        value = mapping(value).get(field)
    return value


def texts(value: Any) -> dict[str, str]:
    """The entries of an object (labels, a selector) that are texts."""
    entries: dict[Any, Any] = mapping(value)
    return {k: v for k, v in entries.items() if isinstance(k, str) and isinstance(v, str)}


def is_name(value: object) -> TypeGuard[str]:
    """Whether a value can be the name of an object."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class KubernetesObject:
    """One object.

    Attributes
    ----------
    namespace
        Empty for what is of the whole cluster.
    body
        The object as it stands; empty for kinds that are only counted.
    """

    kind: str
    namespace: str
    name: str
    body: Mapping[str, Any]
    place: str

    @property
    def labels(self) -> dict[str, str]:
        return texts(at(self.body, "metadata", "labels"))

    @property
    def controller(self) -> tuple[str, str]:
        """Kind and name of the owner that manages it; empty where there is none."""
        owners = mappings(at(self.body, "metadata", "ownerReferences"))
        owners.sort(key=lambda owner: owner.get("controller") is not True)
        for owner in owners:
            if text(owner.get("kind")) and is_name(owner.get("name")):
                return text(owner["kind"]), owner["name"]
        return "", ""

    @property
    def template(self) -> dict[str, Any]:
        """The pod it is, or makes: metadata and spec."""
        if self.kind == "Pod":
            return dict(self.body)
        if self.kind == "CronJob":
            return mapping(at(self.body, "spec", "jobTemplate", "spec", "template"))
        return mapping(at(self.body, "spec", "template"))


class Objects:
    """All objects of a run, by kind, namespace and name."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], KubernetesObject] = {}
        self._by_kind: dict[str, list[KubernetesObject]] = {}

    def add(self, item: KubernetesObject) -> Rejection | None:
        """Keep an object; the second, different one of a name is rejected."""
        key = (item.kind, item.namespace, item.name)
        first = self._found.get(key)
        if first is None:
            self._found[key] = item
            self._by_kind.setdefault(item.kind, []).append(item)
        elif first.body != item.body:
            what = f"{item.kind} {item.name}"
            return Rejection(item.place, f"{what} is in {first.place} already, and differs there")
        return None

    def find(self, kind: str, namespace: str, name: str) -> KubernetesObject | None:
        return self._found.get((kind, namespace, name))

    def of(self, kinds: Iterable[str]) -> Iterator[KubernetesObject]:
        """All of some kinds, in the order of the kinds and then of the source."""
        for kind in kinds:
            yield from self._by_kind.get(kind, ())

    def counts(self) -> Counter[str]:
        """How many there are of each kind, those that are not imported as well."""
        return Counter({kind: len(found) for kind, found in self._by_kind.items()})


def read(document: Document, namespace: str) -> Iterator[KubernetesObject | Rejection]:
    """The objects of a document; ``namespace`` is of those that do not say theirs.

    Raises
    ------
    SourceError
        It is neither JSON nor YAML.
    """
    roots, many = _roots(document)
    for number, root in enumerate(roots, 1):
        if root is not None:
            place = f"{document.name} document {number}" if many else document.name
            yield from _unpacked(root, place, document.name, namespace)


def _roots(document: Document) -> tuple[list[Any], bool]:
    content = document.read().lstrip(b"\xef\xbb\xbf \t\r\n")
    if content[:1] in (b"{", b"["):
        try:
            return [document.json()], False
        except SourceError:  # YAML may begin like that as well
            if document.name.lower().endswith(".json"):
                raise
    return document.yaml(), True


def _unpacked(
    value: Any, place: str, file: str, namespace: str, listed: str = "", depth: int = 0
) -> Iterator[KubernetesObject | Rejection]:
    """An object, or those of a List (``kubectl get -o yaml``, or an API answer: PodList)."""
    inside = value if isinstance(value, list) else at(value, "items")
    kind = text(at(value, "kind"))
    if not isinstance(inside, list) or (kind and not kind.endswith("List")):
        yield _object(value, place, file, namespace, listed)
    elif depth == _LIST_DEPTH:
        yield Rejection(place, "lists are nested too deep")
    else:
        for number, item in enumerate(inside, 1):
            where = f"{place} item {number}"
            listed = kind.removesuffix("List")
            yield from _unpacked(item, where, file, namespace, listed, depth + 1)


def _object(
    value: Any, place: str, file: str, namespace: str, listed: str
) -> KubernetesObject | Rejection:
    if not isinstance(value, dict):
        return Rejection(place, "is no Kubernetes object")
    kind = text(value.get("kind")) or listed or _told_kind(value, file)
    if not kind:
        return Rejection(place, "is no Kubernetes object: nothing tells its kind")
    metadata = mapping(value.get("metadata"))
    name, own = metadata.get("name"), metadata.get("namespace")
    wanted = _is_wanted(kind, value.get("apiVersion"))
    if wanted and not is_name(name):
        return Rejection(place, f"the {kind} has no name")
    if not wanted and kind in KINDS:
        kind = f"{kind}.{_group(value.get('apiVersion'))}"  # another group's: not what it is called
    if kind in CLUSTER_WIDE:
        namespace = ""
    elif is_name(own):
        namespace = own
    return KubernetesObject(kind, namespace, str(name), value if wanted else {}, place)


def _group(api_version: Any) -> str:
    return text(api_version).rpartition("/")[0]


def _is_wanted(kind: str, api_version: Any) -> bool:
    groups = KINDS.get(kind, ())
    return bool(groups) and (not text(api_version) or _group(api_version) in groups)


def _told_kind(value: Mapping[str, Any], file: str) -> str:
    """The kind of an object that does not say it; empty where nothing tells."""
    if not isinstance(value.get("metadata"), dict):
        return ""
    link = text(at(value, "metadata", "selfLink")).split("/")
    if len(link) > 2:
        return _FOLDERS.get(link[-2], link[-2])
    folders = (_FOLDERS[part] for part in reversed(file.lower().split("/")) if part in _FOLDERS)
    return _kind_by_fields(value) or next(folders, "")


_TELLING_FIELDS: Final = (
    # (kind, fields of spec of which it must have all)
    ("Pod", ("containers",)),
    ("CronJob", ("jobTemplate",)),
    ("StatefulSet", ("template", "serviceName")),
    ("DaemonSet", ("template", "updateStrategy")),
    ("Deployment", ("template", "strategy")),
    ("Job", ("template", "backoffLimit")),
    ("Node", ("podCIDR",)),
    ("Node", ("providerID",)),
    ("PersistentVolume", ("persistentVolumeReclaimPolicy",)),
    ("PersistentVolumeClaim", ("accessModes", "resources")),
    ("Service", ("clusterIP",)),
    ("Service", ("ports", "selector")),
    ("Ingress", ("ingressClassName",)),
)


def _kind_by_fields(value: Mapping[str, Any]) -> str:
    spec = mapping(value.get("spec"))
    if isinstance(at(value, "status", "nodeInfo"), dict):
        return "Node"
    return next((k for k, fields in _TELLING_FIELDS if all(f in spec for f in fields)), "")
