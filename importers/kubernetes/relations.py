"""What Kubernetes objects are to each other: which workload a pod is of, on which nodes it runs, which
Service selects it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from importers.kubernetes.objects import WORKLOADS, KubernetesObject, Objects, at, is_name, texts

# Made anew by each rollout or each run: what they belong to is the workload.
_STAGES: Final = {
    "ReplicaSet": ("Deployment", "Rollout"),
    "ReplicationController": ("DeploymentConfig",),
    "Job": ("CronJob",),
}
# The label that a controller marks its ReplicaSets and their pods with, and that controller's kind.
_HASHES: Final = {"pod-template-hash": "Deployment", "rollouts-pod-template-hash": "Rollout"}


def workload_of_stage(item: KubernetesObject) -> tuple[str, str]:
    """Kind and name of the workload an object belongs to: of a ReplicaSet its Deployment; else itself."""
    kind, name = item.controller
    return (kind, name) if kind in _STAGES.get(item.kind, ()) else (item.kind, item.name)


def is_stage(item: KubernetesObject) -> bool:
    """Whether an object is only a rollout or a run of its workload."""
    return workload_of_stage(item)[0] != item.kind


def workload_of(pod: KubernetesObject, objects: Objects) -> tuple[str, str]:
    """Kind and name of what manages a pod, whether or not the source has it; empty if nothing does."""
    kind, name = pod.controller
    owner = objects.find(kind, pod.namespace, name)
    if owner:
        return workload_of_stage(owner)
    if kind == "ReplicaSet":  # a Deployment calls it DEPLOYMENT-HASH
        for label, above in _HASHES.items():
            stem = name.removesuffix(f"-{pod.labels.get(label)}")
            if stem and stem != name:
                return above, stem
    return kind, name


def pod_labels(item: KubernetesObject) -> dict[str, str]:
    """Labels of a pod, or of the pods that a workload makes."""
    return texts(at(item.template, "metadata", "labels"))


def selector(service: KubernetesObject) -> dict[str, str]:
    """Labels of the pods a Service leads to; empty where it selects none."""
    return texts(at(service.body, "spec", "selector"))


class Relations:
    """Joins of all objects of a source, worked out once."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._workloads: dict[int, KubernetesObject] = {}
        self._nodes: dict[int, dict[str, None]] = {}
        for pod in objects.of(["Pod"]):
            self._join(pod)
        self._selectable: dict[tuple[str, str, str], list[KubernetesObject]] = {}
        for item in objects.of([*WORKLOADS, "Pod"]):
            if not is_stage(item) and not self.workload(item):
                for label, value in pod_labels(item).items():
                    self._selectable.setdefault((item.namespace, label, value), []).append(item)

    def _join(self, pod: KubernetesObject) -> None:
        kind, name = workload_of(pod, self._objects)
        workload = self._objects.find(kind, pod.namespace, name) if kind in WORKLOADS else None
        node = at(pod.body, "spec", "nodeName")
        if is_name(node):
            self._nodes[id(pod)] = {node: None}
        if workload:
            self._workloads[id(pod)] = workload
            self._nodes.setdefault(id(workload), {}).update(self._nodes.get(id(pod), {}))

    def workload(self, pod: KubernetesObject) -> KubernetesObject | None:
        """The workload of a pod, if the source has it."""
        return self._workloads.get(id(pod))

    def nodes(self, item: KubernetesObject) -> list[str]:
        """Names of the nodes that a pod, or the pods of a workload, run on."""
        return list(self._nodes.get(id(item), ()))

    def selected(self, service: KubernetesObject) -> Iterator[KubernetesObject]:
        """What a Service leads to: workloads, by the labels of their pods, and pods of no workload
        that the source has."""
        wanted = selector(service)
        for label, value in [*wanted.items()][:1]:
            for item in self._selectable.get((service.namespace, label, value), ()):
                if wanted.items() <= pod_labels(item).items():
                    yield item
