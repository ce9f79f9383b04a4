"""Kubernetes: objects of a cluster, whatever form they come in."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from cmdb.errors import SourceError
from cmdb.reconciliation.observations import Link, Observation, Ref, Rejection
from importers.container_images import image
from importers.kubernetes import gather
from importers.kubernetes.objects import Objects
from importers.kubernetes.relations import workload_of
from importers.kubernetes.volumes import gibibytes
from importers.reading import documents
from importers.registry import make
from tests.support.mutilating import borne, cut_off, mutilated
from tests.support.observing import Observed, shared_data

MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop, labels: {app: cart, owner-token: tok-3cr3t}}
spec:
  replicas: 2
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart, version: v1}}
    spec:
      initContainers: [{name: wait, image: busybox}]
      containers:
        - name: cart
          image: registry.example.org/shop/cart:1.4
          command: [serve, --password=pa55word]
          env:
            - {name: REDIS_ADDR, value: "redis:6379"}
            - {name: MAIL_URL, value: "smtp://user:pa55word@mail.office.svc.cluster.local:25/x"}
            - {name: PEER_HOSTS, value: "cart,redis.shop"}
            - {name: DB_HOST, valueFrom: {secretKeyRef: {name: redis, key: password}}}
            - {name: GREETING, value: redis}
            - {name: METRICS_URL, value: "https://metrics.example.org"}
            - {name: API_TOKEN, value: tok-3cr3t}
      volumes:
        - {name: data, persistentVolumeClaim: {claimName: cart-data}}
        - {name: key, secret: {secretName: cart-key}}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {type: LoadBalancer, selector: {app: cart}, ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: 203.0.113.7}, {hostname: lb.example.org}]}}
---
apiVersion: v1
kind: Service
metadata: {name: redis, namespace: shop}
spec: {selector: {app: redis, tier: cache}}
---
apiVersion: v1
kind: Service
metadata: {name: mail, namespace: office}
spec: {type: ExternalName, externalName: mail.example.org}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: redis, namespace: shop}
spec:
  template: {metadata: {labels: {app: redis}}, spec: {containers: [{image: "redis:7"}]}}
  volumeClaimTemplates: [{metadata: {name: data}}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data-redis-0, namespace: shop}
spec: {volumeName: pv-1, resources: {requests: {storage: 5Gi}}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-1}
spec: {capacity: {storage: 10Gi}, claimRef: {namespace: shop, name: data-redis-0}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-2}
spec: {capacity: {storage: 1Ti}, claimRef: {namespace: shop, name: cart-data}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-3}
spec: {capacity: {storage: 1Ti}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, uid: 7f0e}
---
apiVersion: v1
kind: Secret
metadata: {name: cart-key, namespace: shop}
stringData: {key: pa55word}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {password: pa55word}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: redis, namespace: shop}
---
"""

LIVE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {
            "kind": "Node",
            "metadata": {
                "name": "n1",
                "uid": "u-n1",
                "labels": {
                    "node-role.kubernetes.io/worker": "",
                    "alpha.eksctl.io/cluster-name": "prod-1",
                },
            },
            "spec": {"podCIDR": "10.1.0.0/24"},
            "status": {
                "nodeInfo": {
                    "systemUUID": "A1B2C3D4-0000-4000-8000-0123456789AB",
                    "kubeletVersion": "v1.30.2",
                    "osImage": "Debian GNU/Linux 12",
                    "kernelVersion": "6.1.0",
                    "architecture": "amd64",
                },
                "addresses": [
                    {"type": "InternalIP", "address": "10.0.0.11"},
                    {"type": "Hostname", "address": "N1.example.org"},
                ],
            },
        },
        {
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "a", "uid": "u-web"},
            "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {}}},
        },
        {
            "kind": "ReplicaSet",
            "metadata": {
                "name": "web-6d4f",
                "namespace": "a",
                "ownerReferences": [{"kind": "Deployment", "name": "web", "controller": True}],
            },
            "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {}}},
        },
        *(
            {
                "kind": "Pod",
                "metadata": {
                    "name": name,
                    "namespace": "a",
                    "uid": f"u-{name}",
                    "labels": {"app": app, "pod-template-hash": "6d4f"},
                    "ownerReferences": [{"kind": "ReplicaSet", "name": f"{app}-6d4f"}],
                },
                "spec": {"nodeName": node, "containers": [{"image": "web:1"}]},
            }
            for name, app, node in (
                ("web-1", "web", "n1"),
                ("web-2", "web", "n2"),
                ("old", "gone", "n2"),
            )
        ),
        {
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "a"},
            "spec": {"selector": {"app": "web"}},
        },
        {
            "kind": "Service",
            "metadata": {"name": "gone", "namespace": "a"},
            "spec": {"selector": {"app": "gone"}},
        },
    ],
}


def observed(
    tmp_path: Path, content: str | Any, name: str = "all.yaml", **options: str
) -> Observed:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return Observed("kubernetes", tmp_path, **options)


def links(found: Observed, key: str, *names: str) -> list[tuple[str, str]]:
    """(name, key of the other end) of what a statement's own links say."""
    [one] = [o for o in found.observations if o.key == key]
    return [(link.name, link.to.key) for link in one.links if not names or link.name in names]


def attributes(found: Observed, key: str) -> dict[str, Any]:
    [one] = [o for o in found.observations if o.key == key]
    return dict(one.attributes)


def gathered(*paths: Path) -> Objects:
    objects, rejections = gather(
        documents([str(p) for p in paths], [".yaml", ".yml", ".json"]), "default"
    )
    assert rejections == []
    return objects


def test_a_workload_uses_runs_and_calls(tmp_path: Path) -> None:
    found = observed(tmp_path, MANIFESTS, cluster="test").sound()
    [cart] = [o for o in found.observations if o.key == "deployment/test/shop/cart"]
    image_of_cart = "registry.example.org/shop/cart"
    assert cart == Observation(
        "KubernetesWorkload",
        "deployment/test/shop/cart",
        {
            "name": "cart",
            "cluster_name": "test",
            "namespace": "shop",
            "workload_kind": "Deployment",
            "replicas": 2,
            "labels_text": ["app=cart"],
        },
        [
            Link("MANAGED_BY", Ref("namespace/test/shop")),
            Link("RUNS_ON", Ref("cluster/test")),
            Link(
                "USES_IMAGE",
                Observation(
                    "ContainerImage",
                    f"image/{image_of_cart}:1.4",
                    {"name": image_of_cart, "version": "1.4"},
                ),
            ),
            Link(
                "USES_IMAGE",
                Observation(
                    "ContainerImage",
                    "image/busybox:latest",
                    {"name": "busybox", "version": "latest"},
                ),
                {"init_only": True},
            ),
            Link("ATTACHED_TO", Ref("persistentvolumeclaim/test/shop/cart-data")),
            Link("CALLS", Ref("service/test/shop/redis")),
            Link("CALLS", Ref("service/test/office/mail")),
        ],
        "all.yaml document 1",
    )


def test_a_service_selects_by_all_labels_within_its_namespace(tmp_path: Path) -> None:
    found = observed(tmp_path, MANIFESTS).sound()
    cart = "service/default/shop/cart"
    assert attributes(found, cart) == {
        "name": "cart",
        "cluster_name": "default",
        "namespace": "shop",
        "service_type": "LoadBalancer",
    }
    assert links(found, cart) == [
        ("MANAGED_BY", "namespace/default/shop"),
        ("SELECTS", "deployment/default/shop/cart"),
        ("HAS_ADDRESS", "address/203.0.113.7"),
    ]
    # (redis)-[:SELECTS]->() needs tier=cache too, which no pod has
    assert links(found, "service/default/shop/redis", "SELECTS") == []
    assert len(found.claims("SELECTS")) == 1


def test_a_claim_and_its_volume_are_one(tmp_path: Path) -> None:
    found = observed(tmp_path, MANIFESTS).sound()
    volumes = {o.key: o.attributes for o in found.observations if o.type == "Volume"}
    assert volumes == {
        "persistentvolumeclaim/default/shop/data-redis-0": {
            "name": "shop/data-redis-0",
            "capacity_gib": 10.0,
        },
        "persistentvolumeclaim/default/shop/cart-data": {
            "name": "shop/cart-data",
            "capacity_gib": 1024.0,
        },
        "persistentvolume/default/pv-3": {"name": "pv-3", "capacity_gib": 1024.0},
    }
    assert links(found, "statefulset/default/shop/redis", "ATTACHED_TO") == [
        ("ATTACHED_TO", "persistentvolumeclaim/default/shop/data-redis-0")
    ]


def test_a_namespace_that_is_not_there_is_mentioned(tmp_path: Path) -> None:
    found = observed(tmp_path, MANIFESTS).sound()
    assert attributes(found, "namespace/default/shop")["uid"] == "7f0e"
    assert [(s.key, s.role) for s in found.subjects("KubernetesNamespace")] == [
        ("namespace/default/shop", "statement"),
        ("namespace/default/office", "mention"),
    ]


def test_secrets_stay_where_they_are(tmp_path: Path) -> None:
    found = observed(tmp_path, MANIFESTS)
    everything = " ".join(found.texts())
    for secret in ("3cr3t", "pa55word", "API_TOKEN", "cart-key", "settings", "GREETING"):
        assert secret not in everything
    counts = gathered(tmp_path).counts()
    assert (counts["Secret"], counts["ConfigMap"], counts["Service"]) == (1, 1, 3)
    assert counts["Service.serving.knative.dev"] == 1
    assert all(not item.body for item in gathered(tmp_path).of(["Secret", "ConfigMap"]))


def test_nodes_run_on_machines_and_pods_on_nodes(tmp_path: Path) -> None:
    found = observed(tmp_path, LIVE, "all.json").sound()
    assert attributes(found, "cluster/prod-1") == {"name": "prod-1", "cluster_name": "prod-1"}
    [node] = [o for o in found.observations if o.type == "KubernetesNode"]
    machine = Observation(
        "Computer",
        "machine/prod-1/n1",
        {
            "hostname": "n1",
            "domain": "example.org",
            "management_ip": "10.0.0.11",
            "system_uuid": "a1b2c3d4-0000-4000-8000-0123456789ab",
            "architecture": "x86_64",
            "os_name": "Debian GNU/Linux 12",
            "kernel_version": "6.1.0",
        },
    )
    assert node == Observation(
        "KubernetesNode",
        "node/prod-1/n1",
        {
            "name": "n1",
            "cluster_name": "prod-1",
            "uid": "u-n1",
            "version": "v1.30.2",
            "node_roles": ["worker"],
        },
        [Link("MANAGED_BY", Ref("cluster/prod-1")), Link("RUNS_ON", machine)],
        "all.json item 1",
    )
    assert links(found, "pod/prod-1/a/web-2") == [
        ("MANAGED_BY", "namespace/prod-1/a"),
        ("MANAGED_BY", "deployment/prod-1/a/web"),
        ("RUNS_ON", "node/prod-1/n2"),
        ("USES_IMAGE", "image/web:1"),
    ]
    assert [s.key for s in found.subjects("KubernetesNode", "mention")] == ["node/prod-1/n2"]


def test_a_workload_stands_for_its_rollouts_and_runs_where_its_pods_do(tmp_path: Path) -> None:
    found = observed(tmp_path, LIVE, "all.json").sound()
    workloads = {s.key: s.role for s in found.subjects("KubernetesWorkload")}
    assert workloads == {
        "deployment/prod-1/a/web": "statement",
        "deployment/prod-1/a/gone": "mention",
    }
    assert links(found, "deployment/prod-1/a/web", "RUNS_ON") == [
        ("RUNS_ON", "node/prod-1/n1"),
        ("RUNS_ON", "node/prod-1/n2"),
    ]
    assert {
        c.attributes.get("group")
        for c in found.claims("RUNS_ON")
        if c.source.key == "deployment/prod-1/a/web"
    } == {"nodes"}
    assert links(found, "service/prod-1/a/web", "SELECTS") == [
        ("SELECTS", "deployment/prod-1/a/web")
    ]
    assert links(found, "service/prod-1/a/gone", "SELECTS") == [("SELECTS", "pod/prod-1/a/old")]


def test_a_deployment_and_a_job_of_one_name_are_two(tmp_path: Path) -> None:
    job = {"kind": "Job", "metadata": {"name": "web", "namespace": "a"}}
    found = observed(tmp_path, {**LIVE, "items": [*LIVE["items"], job]}, "all.json").sound()
    kinds = [
        s.attributes["workload_kind"] for s in found.subjects("KubernetesWorkload", "statement")
    ]
    assert kinds == ["Deployment", "Job"]


@pytest.mark.parametrize(
    ("provider_id", "type_", "identity"),
    [
        (
            "aws:///eu-west-1a/i-0abc12",
            "CloudInstance",
            {"resource_id": "i-0abc12", "cloud_provider": "aws"},
        ),
        (
            "azure:///subscriptions/1/virtualMachines/n1",
            "CloudInstance",
            {"resource_id": "/subscriptions/1/virtualMachines/n1", "cloud_provider": "azure"},
        ),
        (
            "gce://proj/europe-west1-b/n1",
            "CloudInstance",
            {
                "resource_id": "https://www.googleapis.com/compute/v1/projects/proj/zones/europe-west1-b/instances/n1",
                "cloud_provider": "google",
            },
        ),
        (
            "vsphere://42000000-0000-4000-8000-00000000000F",
            "VirtualMachine",
            {"system_uuid": "42000000-0000-4000-8000-00000000000f"},
        ),
        ("kind://docker/kind/n1", "Computer", {"hostname": "n1"}),
    ],
)
def test_the_provider_tells_which_machine_a_node_is(
    tmp_path: Path, provider_id: str, type_: str, identity: dict[str, str]
) -> None:
    node = {**LIVE["items"][0], "spec": {"providerID": provider_id}}
    [_, said] = observed(tmp_path, node, "node.json").sound().observations
    machine = said.links[1].to
    assert isinstance(machine, Observation)
    assert machine.type == type_
    assert identity.items() <= machine.attributes.items()


def test_a_node_of_a_manifest_tells_of_no_machine(tmp_path: Path) -> None:
    found = observed(
        tmp_path, "{kind: Node, apiVersion: v1, metadata: {name: n1}}", "node.yml"
    ).sound()
    assert links(found, "node/default/n1") == [("MANAGED_BY", "cluster/default")]


@pytest.mark.parametrize(
    ("file", "content", "type_"),
    [
        ("x.json", {"spec": {"containers": []}}, "KubernetesPod"),
        ("config/deployments/a/x.json", {"spec": {"template": {}}}, "KubernetesWorkload"),
        ("pod/service/x.json", {"spec": {"containers": []}}, "KubernetesPod"),
        ("x.json", {"spec": {"podCIDR": "10.0.0.0/24"}}, "KubernetesNode"),
        ("x.json", {"status": {"nodeInfo": {}}}, "KubernetesNode"),
        ("x.json", {"spec": {"clusterIP": "None"}}, "KubernetesService"),
        ("ingresses/x.json", {"spec": {}}, "KubernetesIngress"),
        ("namespaces/x.json", {}, "KubernetesNamespace"),
    ],
)
def test_a_kind_that_is_not_said_is_told_by_fields_and_folder(
    tmp_path: Path, file: str, content: dict[str, Any], type_: str
) -> None:
    found = observed(tmp_path, {"metadata": {"name": "x"}, **content}, file).sound()
    assert [o.type for o in found.observations] == ["KubernetesCluster", type_]


def test_a_kind_is_told_by_the_link_to_itself(tmp_path: Path) -> None:
    for number, link in enumerate(
        ("/apis/apps/v1/namespaces/a/daemonsets/x", "/api/v1/namespaces/x", "/api/v1/secrets/x")
    ):
        observed(tmp_path, {"metadata": {"name": "x", "selfLink": link}}, f"{number}.json")
    assert gathered(tmp_path).counts() == {"DaemonSet": 1, "Namespace": 1, "Secret": 1}


def test_the_items_of_an_api_answer_are_of_its_kind(tmp_path: Path) -> None:
    answer = {"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "p"}}]}
    found = observed(tmp_path, answer, "pods.json", cluster="c", namespace="n").sound()
    assert [o.key for o in found.observations] == ["cluster/c", "pod/c/n/p"]


ROUTES = """\
{kind: Service, apiVersion: v1, metadata: {name: web}, spec: {}}
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: main}
spec:
  defaultBackend: {service: {name: fallback}}
  rules:
    - {host: Shop.Example.org, http: {paths: [{backend: {service: {name: web}}}]}}
    - {host: "*.example.org", http: {paths: [{backend: {serviceName: old}}]}}
---
{kind: Gateway, apiVersion: networking.istio.io/v1, metadata: {name: gate}}
---
kind: VirtualService
apiVersion: networking.istio.io/v1
metadata: {name: main}
spec:
  hosts: [pay.example.org, web, web.default.svc.cluster.local]
  gateways: [gate, mesh, outer/other]
  http: [{route: [{destination: {host: web}}, {destination: {host: api.outside.example.org}}]}]
  tcp: [{route: [{destination: {host: db.data.svc.cluster.local}}]}]
---
kind: HTTPRoute
apiVersion: gateway.networking.k8s.io/v1
metadata: {name: main}
spec:
  parentRefs: [{name: gate}]
  rules: [{backendRefs: [{name: canary, namespace: next}, {name: bucket, kind: Bucket}]}]
---
kind: Route
apiVersion: route.openshift.io/v1
metadata: {name: main}
spec: {host: shop.example.org, to: {kind: Service, name: web}, alternateBackends: [{kind: Service, name: b}]}
"""


def test_ingresses_route_to_services(tmp_path: Path) -> None:
    found = observed(tmp_path, ROUTES).sound()
    ends = {o.key: [key for _, key in links(found, o.key, "ROUTES_TO")] for o in found.observations}
    service = "service/default/default"
    data = "service/default/data/db"
    canary = "service/default/next/canary"
    assert {key: end for key, end in ends.items() if end} == {
        "ingress/default/default/main": [f"{service}/fallback", f"{service}/web", f"{service}/old"],
        "gateway/default/default/gate": [f"{service}/web", data, canary],
        "virtualservice/default/default/main": [f"{service}/web", data],
        "httproute/default/default/main": [canary],
        "route/default/default/main": [f"{service}/web", f"{service}/b"],
        "domain/shop.example.org": [f"{service}/web", f"{service}/b"],
        "domain/pay.example.org": [f"{service}/web", data],
    }
    assert (
        attributes(found, "virtualservice/default/default/main")["ingress_kind"] == "VirtualService"
    )


@pytest.mark.parametrize(
    ("reference", "name", "version", "digest"),
    [
        ("mongo", "mongo", "latest", None),
        ("docker.io/library/mongo:4.4", "mongo", "4.4", None),
        ("docker.io/grafana/grafana:11", "grafana/grafana", "11", None),
        ("localhost:5000/a/b", "localhost:5000/a/b", "latest", None),
        ("quay.io/a/b@sha256:" + "0f" * 32, "quay.io/a/b", None, "sha256:" + "0f" * 32),
        ("a:1@sha256:" + "0f" * 32, "a", "1", "sha256:" + "0f" * 32),
    ],
)
def test_image_references_are_taken_apart(
    reference: str, name: str, version: str | None, digest: str | None
) -> None:
    found = image(reference)
    assert found is not None
    wanted = {"name": name, "version": version, "digest": digest}
    assert found.attributes == {k: v for k, v in wanted.items() if v}


def test_what_is_no_image_reference_gives_no_image() -> None:
    for wrong in ("", ":-ad", "a b", "https://x/y:z", "A" * 600, None, 7, ["a"]):
        assert image(wrong) is None


def test_quantities_are_read_in_gibibytes() -> None:
    assert gibibytes("10Gi") == 10
    assert gibibytes("1073741824") == 1
    assert gibibytes(2147483648) == 2
    assert gibibytes("1000000Ki") == pytest.approx(0.95367, abs=1e-5)
    assert gibibytes("1G") == pytest.approx(0.93132, abs=1e-5)
    wrong: tuple[object, ...] = ("10 GB", "", None, "-1Gi", [], "1e3")
    assert [gibibytes(quantity) for quantity in wrong] == [None] * 6


def test_what_is_wrong_is_rejected_and_the_rest_goes_in(tmp_path: Path) -> None:
    content = """\
just text
---
{a: b}
---
{kind: Pod, metadata: {}}
---
{kind: Pod, metadata: {name: p}}
---
{kind: Pod, metadata: {name: p}}
---
{kind: Pod, metadata: {name: p, uid: other}}
---
{kind: Job, metadata: {generateName: run-}}
"""
    found = observed(tmp_path, content)
    assert [o.key for o in found.observations] == ["cluster/default", "pod/default/default/p"]
    assert found.rejections == [
        Rejection("all.yaml document 1", "is no Kubernetes object"),
        Rejection("all.yaml document 2", "is no Kubernetes object: nothing tells its kind"),
        Rejection("all.yaml document 3", "the Pod has no name"),
        Rejection(
            "all.yaml document 6",
            "Pod p is in all.yaml document 4 already, and differs there",
        ),
        Rejection("all.yaml document 7", "the Job has no name"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "hello",
        '{"version": 4, "terraform_version": "1.5"}',
        "{",
        "a: {{ .Values.x }}\nb: [",
        "- 1",
    ],
)
def test_what_holds_no_object_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(SourceError, match=r"all\.yaml"):
        observed(tmp_path, content)


def test_a_broken_file_stops_the_run_rather_than_make_its_objects_vanish(tmp_path: Path) -> None:
    observed(tmp_path, MANIFESTS)
    with pytest.raises(SourceError, match=r"broken\.yaml"):
        observed(tmp_path, "kind: [", "broken.yaml")


def test_wrong_values_anywhere_are_borne() -> None:
    importer = make("kubernetes", {})
    every = [*yaml.safe_load_all(MANIFESTS), *yaml.safe_load_all(ROUTES), *LIVE["items"]]
    small = {"kind": "List", "items": [LIVE["items"][n] for n in (0, 1, 2, 3, 6)]}
    for value in (small, *(v for v in every if v)):
        for wrong in mutilated(value):
            borne(importer, "all.json", json.dumps(wrong).encode())
    for content in (MANIFESTS.encode(), json.dumps(LIVE).encode()):
        for piece in cut_off(content, 25):
            borne(importer, "all", piece)
    borne(importer, "deep.json", b'{"kind": "List", "items": [' * 300 + b"]}" * 300)


@pytest.mark.shared_data
def test_the_online_boutique() -> None:
    folder = shared_data("k8s-online-boutique")
    counts = gathered(folder / "kubernetes-manifests.yaml").counts()
    assert counts == {"Deployment": 12, "Service": 12, "ServiceAccount": 11}
    found = Observed("kubernetes", folder).sound()
    assert len(found.subjects("KubernetesWorkload")) == 12
    assert len(found.subjects("KubernetesService")) == 12
    assert len(found.claims("SELECTS")) == 12
    assert len(found.claims("CALLS")) == 16
    used = found.claims("USES_IMAGE")
    assert len({c.target.key for c in used if not c.attributes.get("init_only")}) == 12
    # A thirteenth only prepares the load generator.
    [prepares] = [c.target.key for c in used if c.attributes.get("init_only")]
    assert prepares.startswith("image/busybox")
    # A frontend calls an assistant that is not among these services.
    assert not any("assistant" in text for text in found.texts())


@pytest.mark.shared_data
def test_bookinfo() -> None:
    folder = shared_data("k8s-bookinfo")
    assert gathered(folder / "bookinfo.yaml").counts() == {
        "Deployment": 6,
        "Service": 4,
        "ServiceAccount": 4,
    }
    one = Observed("kubernetes", folder / "bookinfo.yaml").sound()
    assert len(one.subjects("KubernetesWorkload")) == 6
    assert len(one.subjects("KubernetesService")) == 4
    assert len(one.subjects("ContainerImage")) == 6
    selected = Counter(c.source.key.rpartition("/")[2] for c in one.claims("SELECTS"))
    assert selected == {"details": 1, "ratings": 1, "reviews": 3, "productpage": 1}
    assert gathered(folder).counts() == {
        "Deployment": 8,
        "Service": 6,
        "ServiceAccount": 4,
        "Gateway": 1,
        "VirtualService": 5,
        "DestinationRule": 4,
        "Secret": 1,
    }
    found = Observed("kubernetes", folder).sound()
    assert len(found.subjects("KubernetesWorkload")) == 8
    assert len(found.subjects("KubernetesService")) == 6
    kinds = Counter(s.attributes["ingress_kind"] for s in found.subjects("KubernetesIngress"))
    assert kinds == {"Gateway": 1, "VirtualService": 5}
    # Five virtual services route to one service each, and the gateway to that of its own.
    assert len(found.claims("ROUTES_TO")) == 6
    assert not any("cGFzc3dvcmQ" in t or "credentials" in t for t in found.texts())


@pytest.mark.shared_data
def test_the_train_ticket_system() -> None:
    folder = shared_data("k8s-train-ticket")
    objects = gathered(folder)
    assert objects.counts() == {"Deployment": 64, "Service": 64}
    found = Observed("kubernetes", folder).sound()
    assert len(found.subjects("KubernetesWorkload")) == 64
    assert len(found.subjects("KubernetesService")) == 64
    assert len(found.subjects("ContainerImage")) == 44
    assert len(found.claims("SELECTS")) == 64
    assert len(found.claims("USES_IMAGE")) == 64


@pytest.mark.shared_data
def test_a_dump_of_an_openshift_api_server() -> None:
    folder = shared_data("k8s-openshift-api")
    objects = gathered(folder)
    assert objects.counts() == {"Pod": 35, "Node": 2}
    owners = Counter(pod.controller[0] for pod in objects.of(["Pod"]))
    assert owners == {"ReplicaSet": 28, "Node": 3, "StatefulSet": 2, "Job": 2}
    # Every ReplicaSet here is a Deployment's.
    above = Counter(workload_of(pod, objects)[0] for pod in objects.of(["Pod"]))
    assert above == {"Deployment": 28, "Node": 3, "StatefulSet": 2, "Job": 2}

    found = Observed("kubernetes", folder).sound()
    assert len(found.subjects("KubernetesPod")) == 35
    assert len(found.subjects("KubernetesNamespace")) == 25
    roles = Counter(s.role for s in found.subjects("KubernetesNode"))
    assert roles == {"statement": 2, "mention": 3}
    placed = [c for c in found.claims("RUNS_ON") if c.source.key.startswith("pod/")]
    assert len({c.target.key for c in placed}) == 5
    assert len(placed) == 34
    machines = [s.attributes for s in found.subjects("Computer")]
    assert sorted(m["hostname"] for m in machines) == ["master-0", "worker-0"]
    assert not any("system_uuid" in m for m in machines)  # blotted out in the dump
    assert len(found.claims("ATTACHED_TO")) == 1
