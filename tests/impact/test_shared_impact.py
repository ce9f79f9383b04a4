"""What outages do in shared sample estates: sets worked out by hand from the files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cmdb.store import create_store
from impact.analysis import Outage
from impact.rules import Effect
from impact.snapshots import Snapshot, partial
from tests.support.estates import Estate
from tests.support.observing import shared_data, shipped_model

pytestmark = pytest.mark.shared_data

ABBREVIATED = {
    "KubernetesWorkload": "workload",
    "KubernetesService": "service",
    "KubernetesIngress": "ingress",
}
EFFECTS = ("down", "degraded", "at_risk")


def check(folder: Path, source: str, importer: str, outages: Mapping[str, list[set[str]]]) -> None:
    """Each outage leaves these down, degraded and at risk; however it is found."""
    with create_store(f"sqlite:///{folder}/store.db", shipped_model()) as store:
        Estate(source, importer, [shared_data(source)]).run_into(store)
        named = {
            record.id: f"{ABBREVIATED.get(record.type, record.type)} {record.name}"
            for record in store.scan_records()
        }
        ids = {name: id for id, name in named.items()}
        assert len(ids) == len(named)
        for name, expected in outages.items():
            roots = {ids[name]: Effect.DOWN}
            fetched = partial(store, roots)
            assert fetched is not None
            for topology in (Snapshot(store).now(), fetched):
                outage = Outage(topology, roots, at=topology.revision)
                found = [
                    {named[one.id] for one in outage.affected if one.effect == effect}
                    for effect in EFFECTS
                ]
                assert found == [*expected, set(), set()][:3], name
                assert not outage.truncated


def containers(names: str) -> set[str]:
    """The application, and some of its containers."""
    return {"Application otel-demo", *(f"Container otel-demo/{name}" for name in names.split())}


OTEL = {
    "Container otel-demo/valkey-cart": [
        containers("valkey-cart cart checkout frontend frontend-proxy load-generator")
    ],
    "Container otel-demo/astronomy-db": [
        containers(
            "astronomy-db product-catalog checkout recommendation"
            " frontend frontend-proxy load-generator"
        )
    ],
    "Container otel-demo/flagd-ui": [containers("flagd-ui frontend-proxy load-generator")],
    "Container otel-demo/flagd": [
        containers(
            "flagd flagd-ui ad cart checkout payment product-catalog recommendation shipping"
            " frontend frontend-proxy load-generator"
        )
    ],
    "Container otel-demo/load-generator": [containers("load-generator")],
    "Application otel-demo": [{"Application otel-demo"}],
}
"""(x)-[:DEPENDS_ON]->(y) passes everything on, and each is a group of its own."""


def test_otel_demo(tmp_path: Path) -> None:
    check(tmp_path, "otel-demo", "compose", OTEL)


FRONTEND = {"workload frontend", "service frontend", "service frontend-external"}
SHOP_WINDOW = {
    "workload loadgenerator", "ingress istio-gateway", "ingress frontend", "ingress frontend-route",
}  # fmt: skip
"""What stands on the service frontend: the gateway, its route, the mesh's route, and who calls it."""
BOUTIQUE = {
    # the cart loses its store; whoever calls the cart is only at risk
    "workload redis-cart": [
        {"workload redis-cart", "service redis-cart"},
        {"workload cartservice", "service cartservice"},
        {"workload frontend", "workload checkoutservice"},
    ],
    "workload productcatalogservice": [
        {"workload productcatalogservice", "service productcatalogservice"},
        {
            "workload recommendationservice",
            "service recommendationservice",
            "workload checkoutservice",
            "service checkoutservice",
            *FRONTEND,
        },
        SHOP_WINDOW,
    ],
    "workload emailservice": [
        {"workload emailservice", "service emailservice"},
        {"workload checkoutservice", "service checkoutservice"},
        {"workload frontend"},
    ],
    "workload frontend": [FRONTEND, SHOP_WINDOW],
}
"""(service)-[:SELECTS]->(workload) passes everything on; calls and routes lower it by one step."""


def test_online_boutique(tmp_path: Path) -> None:
    check(tmp_path, "k8s-online-boutique", "kubernetes", BOUTIQUE)


BOOKINFO = {
    "service ratings": [{"service ratings"}, {"ingress ratings"}],
    "workload ratings-v1": [{"workload ratings-v1", "service ratings"}, {"ingress ratings"}],
    # three workloads behind one service, of which it needs one
    "workload reviews-v2": [{"workload reviews-v2"}, set(), {"service reviews"}],
    "workload productpage-v1": [
        {"workload productpage-v1", "service productpage"},
        {"ingress productpage", "ingress bookinfo", "ingress bookinfo-gateway"},
    ],
    "KubernetesCluster default": [
        {
            "KubernetesCluster default",
            *(f"workload {name}-v1" for name in ["details", "ratings", "reviews", "productpage"]),
            *(
                f"workload {name}"
                for name in ["reviews-v2", "reviews-v3", "mongodb-v1", "mysqldb-v1"]
            ),
            *(
                f"service {name}"
                for name in ["details", "ratings", "reviews", "productpage", "mongodb", "mysqldb"]
            ),
        },
        {
            f"ingress {name}"
            for name in [
                "details",
                "ratings",
                "reviews",
                "productpage",
                "bookinfo",
                "bookinfo-gateway",
            ]
        },
    ],
}


def test_bookinfo(tmp_path: Path) -> None:
    check(tmp_path, "k8s-bookinfo", "kubernetes", BOOKINFO)
