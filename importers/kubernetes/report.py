"""What the objects of a Kubernetes cluster say, as observations."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from cmdb.reconciliation.observations import Link, Observation, Ref
from importers.kubernetes.nodes import machine, roles
from importers.kubernetes.objects import (
    INGRESSES,
    KINDS,
    WORKLOADS,
    KubernetesObject,
    Objects,
    at,
    mappings,
    text,
)
from importers.kubernetes.pods import Service, called, claims, image_links
from importers.kubernetes.relations import Relations, is_stage, pod_labels, selector, workload_of
from importers.kubernetes.routes import routes
from importers.kubernetes.volumes import CLAIM, VOLUME, capacity, claim_of
from importers.values import said

_TYPES: Final[Mapping[str, str]] = {
    **dict.fromkeys(WORKLOADS, "KubernetesWorkload"),
    **dict.fromkeys(INGRESSES, "KubernetesIngress"),
    "Node": "KubernetesNode",
    "Namespace": "KubernetesNamespace",
    "Pod": "KubernetesPod",
    "Service": "KubernetesService",
    CLAIM: "Volume",
    VOLUME: "Volume",
}
# Labels that say what a workload is; others may hold anything.
_LABELS: Final = re.compile(r"app|version|component|tier|release|k8s-app|app\.kubernetes\.io/.+")


class ClusterReport:
    """The observations of one cluster."""

    def __init__(self, objects: Objects, cluster: str) -> None:
        self._objects = objects
        self._cluster = cluster
        self._relations = Relations(objects)
        self._routes = routes(objects)
        # Claims that only the persistent volume bound to them tells of.
        self._bound: dict[Service, KubernetesObject] = {}
        for volume in objects.of([VOLUME]):
            claim = claim_of(volume)
            if claim and not objects.find(CLAIM, *claim):
                self._bound.setdefault(claim, volume)

    def observations(self) -> Iterator[Observation]:
        """Everything, the cluster first."""
        known = {"name": self._cluster, "cluster_name": self._cluster}
        yield Observation("KubernetesCluster", self._above.key, known)
        for item in self._objects.of(KINDS):
            claim = claim_of(item) if item.kind == VOLUME else None
            if claim and self._bound.get(claim) is item:
                yield self._observation(item, (CLAIM, *claim))
            elif not is_stage(item) and not (claim and self._objects.find(CLAIM, *claim)):
                yield self._observation(item, (item.kind, item.namespace, item.name))
        for domain, services in self._routes.domains.items():
            links = [Link("ROUTES_TO", self._end("Service", *service)) for service in services]
            known = {"name": domain, "fqdn": domain}
            yield Observation("DomainName", f"domain/{domain}", known, links)

    @property
    def _above(self) -> Ref:
        return Ref(f"cluster/{self._cluster}")

    def _key(self, kind: str, namespace: str, name: str) -> str:
        return "/".join(filter(None, (kind.lower(), self._cluster, namespace, name)))

    def _identity(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        if kind in (CLAIM, VOLUME):
            return {"name": f"{namespace}/{name}" if namespace else name}
        return said(
            name=name,
            cluster_name=self._cluster,
            namespace=namespace,
            workload_kind=kind if kind in WORKLOADS else None,
            ingress_kind=kind if kind in INGRESSES else None,
        )

    def _end(self, kind: str, namespace: str, name: str) -> Ref | Observation:
        """An object as the end of a link: a reference to its statement, or a mention."""
        key = self._key(kind, namespace, name)
        is_bound = kind == CLAIM and (namespace, name) in self._bound
        if is_bound or self._objects.find(kind, namespace, name):
            return Ref(key)
        links = [Link("MANAGED_BY", self._above)] if kind in ("Node", "Namespace") else []
        return Observation(_TYPES[kind], key, self._identity(kind, namespace, name), links)

    def _observation(self, item: KubernetesObject, end: tuple[str, str, str]) -> Observation:
        type_ = _TYPES[item.kind]
        attributes = self._identity(*end)
        if type_ == "Volume":
            attributes |= capacity(item, self._objects)
        else:
            attributes |= said(uid=text(at(item.body, "metadata", "uid"))[:200])
        if type_ in _ATTRIBUTES:
            attributes |= _ATTRIBUTES[type_](item)
        return Observation(type_, self._key(*end), attributes, [*self._links(item)], item.place)

    def _links(self, item: KubernetesObject) -> Iterator[Link]:
        above = self._end("Namespace", "", item.namespace) if item.namespace else self._above
        yield Link("MANAGED_BY", above)
        if item.kind == "Node":
            if found := machine(item, f"machine/{self._cluster}/{item.name}"):
                yield Link("RUNS_ON", found)
        elif item.kind == "Service":
            for behind in self._relations.selected(item):
                yield Link("SELECTS", self._end(behind.kind, behind.namespace, behind.name))
            yield from _public_addresses(item)
        elif item.kind in INGRESSES:
            services = self._routes.services.get((item.kind, item.namespace, item.name), {})
            yield from (Link("ROUTES_TO", self._end("Service", *service)) for service in services)
        elif item.kind == "Pod" or item.kind in WORKLOADS:
            yield from self._running(item)

    def _running(self, item: KubernetesObject) -> Iterator[Link]:
        """What a pod or a workload is managed by, stands on, uses and calls."""
        if item.kind == "Pod":
            yield from self._owner(item)
        nodes = self._relations.nodes(item)
        # one group: what a workload's pods run on stand in for each other
        group = {} if item.kind == "Pod" else {"group": "nodes"}
        yield from (Link("RUNS_ON", self._end("Node", "", node), group) for node in nodes)
        if not nodes and item.kind != "Pod":
            yield Link("RUNS_ON", self._above)
        yield from image_links(item.template)
        for claim in claims(item, self._objects):
            yield Link("ATTACHED_TO", self._end(CLAIM, item.namespace, claim))
        if not self._relations.workload(item):  # else its workload says whom it calls
            for service in called(item, self._objects):
                if not self._is_behind(service, item):
                    yield Link("CALLS", self._end("Service", *service))

    def _owner(self, pod: KubernetesObject) -> Iterator[Link]:
        kind, name = workload_of(pod, self._objects)
        if kind in WORKLOADS:
            yield Link("MANAGED_BY", self._end(kind, pod.namespace, name))
        elif kind == "Node":  # a static pod, which only the kubelet of its node knows
            yield Link("MANAGED_BY", self._end(kind, "", name))

    def _is_behind(self, service: Service, item: KubernetesObject) -> bool:
        """Whether a Service leads to the very workload: its members find each other by it."""
        found = self._objects.find("Service", *service)
        wanted = selector(found) if found and service[0] == item.namespace else {}
        return bool(wanted) and wanted.items() <= pod_labels(item).items()


def _public_addresses(service: KubernetesObject) -> Iterator[Link]:
    """(service)-[:HAS_ADDRESS]->(ip address), of its load balancer: the others mean nothing outside."""
    for entry in mappings(at(service.body, "status", "loadBalancer", "ingress")):
        try:
            address = str(ipaddress.ip_address(text(entry.get("ip"))))
        except ValueError:
            continue
        mention = Observation("IPAddress", f"address/{address}", {"ip_address": address})
        yield Link("HAS_ADDRESS", mention)


def _workload(item: KubernetesObject) -> dict[str, Any]:
    replicas = at(item.body, "spec", "replicas")
    is_count = type(replicas) is int and 0 <= replicas < 2**31
    labels = [f"{k}={v}" for k, v in sorted(item.labels.items()) if _LABELS.fullmatch(k)]
    labels = [label for label in labels if len(label) < 500]
    return said(replicas=replicas if is_count else None, labels_text=labels)


def _node(item: KubernetesObject) -> dict[str, Any]:
    version = text(at(item.body, "status", "nodeInfo", "kubeletVersion"))[:200]
    return said(version=version, node_roles=roles(item))


def _service(item: KubernetesObject) -> dict[str, Any]:
    return said(service_type=text(at(item.body, "spec", "type"))[:50])


_ATTRIBUTES: Final[Mapping[str, Callable[[KubernetesObject], dict[str, Any]]]] = {
    "KubernetesWorkload": _workload,
    "KubernetesNode": _node,
    "KubernetesService": _service,
}
