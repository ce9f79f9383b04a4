"""Kubernetes: manifests, what Helm and kustomize render, ``kubectl get -o json|yaml``, API-server dumps.

Reads YAML (any number of documents) and JSON, single objects and Lists, in files and folders, and dumps
with an object a file that leave out `kind`. All documents of a run are one cluster's.

Gives clusters, nodes with the machines under them, namespaces, workloads, pods, services, ingresses
(also Istio's, the Gateway API's, OpenShift's), the images and volumes they use, which service selects
which workload, who calls which service by the addresses in its environment, and which public names
lead in. What the objects refer to and the source does not hold (a pod's node, its Deployment) is
mentioned.

Never taken: Secrets, the data of ConfigMaps, values of environment variables, commands, annotations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Final

from pydantic import Field

from cmdb.reconciliation.observations import Item, Rejection
from importers.contract import Importer, Options
from importers.kubernetes.objects import Objects, at, is_name, read, texts
from importers.kubernetes.report import ClusterReport
from importers.reading import Document

# Where the nodes name their cluster: annotations of the Cluster API, labels of eksctl.
_CLUSTER_NAMES: Final = ("cluster.x-k8s.io/cluster-name", "alpha.eksctl.io/cluster-name")


class KubernetesOptions(Options):
    cluster: str = Field(
        "",
        pattern=r"^[^/\s]*$",
        max_length=250,
        description="Name of the cluster; else what the nodes say, or default.",
    )
    namespace: str = Field(
        "default",
        pattern=r"^[^/\s]+$",
        max_length=250,
        description="Namespace of objects that do not say theirs.",
    )


class Kubernetes(Importer[KubernetesOptions]):
    name: ClassVar[str] = "kubernetes"
    title: ClassVar[str] = "Kubernetes manifests, kubectl get -o json or yaml, and API-server dumps"
    title_zh: ClassVar[str] = (
        "Kubernetes 清单、kubectl get 的 JSON 或 YAML 输出，以及 API 服务器转储"
    )
    precedence: ClassVar[int] = 60
    together: ClassVar[bool] = True
    suffixes: ClassVar[Sequence[str]] = (".yaml", ".yml", ".json")
    options_type: ClassVar[type[Options]] = KubernetesOptions

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        objects, rejections = gather(documents, self.options.namespace)
        if documents and not objects.counts():
            raise documents[0].error("holds no Kubernetes object")
        yield from rejections
        if objects.counts():
            cluster = self.options.cluster or _cluster_name(objects)
            yield from ClusterReport(objects, cluster).observations()


def gather(documents: Sequence[Document], namespace: str) -> tuple[Objects, list[Rejection]]:
    """All objects of some documents, and what could not be used.

    Raises
    ------
    SourceError
        One of them is neither JSON nor YAML. The others are not used either: what a broken file
        holds would seem to be gone.
    """
    objects, rejections = Objects(), []
    for document in documents:
        for found in read(document, namespace):
            rejection = found if isinstance(found, Rejection) else objects.add(found)
            if rejection:
                rejections.append(rejection)
    return objects, rejections


def _cluster_name(objects: Objects) -> str:
    """The one name that all nodes give their cluster, or ``default``."""
    names = set()
    for node in objects.of(["Node"]):
        annotations = texts(at(node.body, "metadata", "annotations"))
        names |= {where.get(n, "") for where in (annotations, node.labels) for n in _CLUSTER_NAMES}
    names = {name for name in names if is_name(name)}
    return names.pop() if len(names) == 1 else "default"
