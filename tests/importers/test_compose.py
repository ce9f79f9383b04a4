"""Compose files: a container for each service, and what it stands on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cmdb.errors import SourceError
from cmdb.reconciliation.observations import Link, Observation, Ref, Rejection
from importers.compose.variables import Text, resolved
from importers.registry import make
from tests.support.mutilating import borne, cut_off, mutilated
from tests.support.observing import Observed, shared_data

SHOP = """\
name: ${PROJECT:-Web Shop}
services:
  web:
    image: docker.io/library/nginx:${NGINX:-1.27}
    depends_on: [api]
    links: ["cache:redis", api]
    networks: [front, back]
    environment:
      API_TOKEN: tok-3cr3t
    volumes:
      - ./nginx.conf:/etc/nginx/nginx.conf:ro
      - logs:/var/log/nginx
      - /var/run/docker.sock:/var/run/docker.sock
      - /anonymous
  api:
    image: registry.example.org:5000/shop/api@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    command: ["--password", "pa55word"]
    env_file: secrets.env
    depends_on:
      db: {condition: service_healthy}
    networks: {back: {aliases: [backend]}}
  db:
    image: postgres
    environment: ["POSTGRES_PASSWORD=pa55word"]
    volumes:
      - {type: volume, source: data, target: /var/lib/postgresql}
      - {type: bind, source: logs, target: /logs}
  cache:
    build: ./cache
    network_mode: service:web
    volumes_from: ["db:ro", "container:outside"]
networks:
  front: {driver: bridge}
  back: {external: true, name: backbone}
volumes:
  logs:
  data: {name: shop-data}
secrets:
  key: {environment: KEY}
"""

DIGEST = "sha256:" + "0123456789abcdef" * 4


def observed(
    tmp_path: Path, content: str | Any, name: str = "compose.yaml", **options: str
) -> Observed:
    folder = tmp_path / "Shop Äpp"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(
        content if isinstance(content, str) else json.dumps(content), "utf-8"
    )
    return Observed("compose", folder / name, **options)


def test_a_project_is_an_application_on_its_containers(tmp_path: Path) -> None:
    application, *_ = observed(tmp_path, SHOP).sound().observations
    assert application == Observation(
        "Application",
        "project/webshop",
        {"name": "webshop"},
        [
            Link("RUNS_ON", Ref(f"service/webshop/{service}"), {"group": service})
            for service in ("web", "api", "db", "cache")
        ],
        "compose.yaml",
    )


def test_each_service_is_a_container(tmp_path: Path) -> None:
    found = observed(tmp_path, SHOP).sound()
    web, api, db, cache = [o for o in found.observations if o.type == "Container"]
    nginx = Observation("ContainerImage", "image/nginx:1.27", {"name": "nginx", "version": "1.27"})
    name = "registry.example.org:5000/shop/api"
    pinned = Observation(
        "ContainerImage", f"image/{name}@{DIGEST}", {"name": name, "digest": DIGEST}
    )
    postgres = Observation(
        "ContainerImage", "image/postgres:latest", {"name": "postgres", "version": "latest"}
    )
    assert web == Observation(
        "Container",
        "service/webshop/web",
        {"name": "webshop/web"},
        [
            Link("ATTACHED_TO", Ref("volume/webshop/logs")),
            Link("IN_NETWORK", Ref("network/webshop/front")),
            Link("IN_NETWORK", Ref("network/webshop/back")),
            Link("USES_IMAGE", nginx),
            Link("DEPENDS_ON", Ref("service/webshop/api"), {"group": "api"}),
            Link("DEPENDS_ON", Ref("service/webshop/cache"), {"group": "cache"}),
        ],
        "compose.yaml service web",
    )
    assert api.links == [
        Link("IN_NETWORK", Ref("network/webshop/back")),
        Link("USES_IMAGE", pinned),
        Link("DEPENDS_ON", Ref("service/webshop/db"), {"group": "db"}),
    ]
    assert db.links == [
        Link("ATTACHED_TO", Ref("volume/webshop/data")),
        Link("IN_NETWORK", Ref("network/webshop/default")),
        Link("USES_IMAGE", postgres),
    ]
    assert cache.links == [
        Link("DEPENDS_ON", Ref("service/webshop/db"), {"group": "db"}),
        Link("DEPENDS_ON", Ref("service/webshop/web"), {"group": "web"}),
    ]


def test_networks_and_volumes_have_the_names_they_have_outside_the_project(tmp_path: Path) -> None:
    found = observed(tmp_path, SHOP).sound()
    others = {
        o.key: o.attributes for o in found.observations if o.type in ("ContainerNetwork", "Volume")
    }
    assert others == {
        "network/webshop/front": {"name": "webshop_front", "network_driver": "bridge"},
        "network/webshop/back": {"name": "backbone"},
        "network/webshop/default": {"name": "webshop_default"},
        "volume/webshop/logs": {"name": "webshop_logs"},
        "volume/webshop/data": {"name": "shop-data"},
    }


def test_nothing_of_environment_and_commands_is_taken(tmp_path: Path) -> None:
    everything = " ".join(observed(tmp_path, SHOP).texts())
    for secret in ("3cr3t", "pa55word", "secrets.env", "API_TOKEN", "KEY", "nginx.conf"):
        assert secret not in everything


@pytest.mark.parametrize(
    ("content", "options", "name"),
    [
        ("name: said\nservices: {}\n", {}, "said"),
        ("name: said\nservices: {}\n", {"project": "given"}, "given"),
        ("name: ${UNSET}\nservices: {}\n", {}, "shoppp"),
        ("services: {}\n", {}, "shoppp"),
    ],
)
def test_a_project_is_called_as_compose_calls_it(
    tmp_path: Path, content: str, options: dict[str, str], name: str
) -> None:
    [application] = observed(tmp_path, content, **options).sound().observations
    assert application.attributes == {"name": name}


def test_projects_of_one_name_on_several_hosts_are_several(tmp_path: Path) -> None:
    for host in ("host-a", "host-b"):
        (tmp_path / host / "monitoring").mkdir(parents=True)
        (tmp_path / host / "monitoring" / "compose.yml").write_text("services: {db: {image: db}}")
        (tmp_path / host / "monitoring" / "values.yaml").write_text("not: looked at")
    found = Observed("compose", tmp_path).sound()
    assert [o.key for o in found.observations if o.type == "Container"] == [
        "service/host-a/monitoring/monitoring/db",
        "service/host-b/monitoring/monitoring/db",
    ]


def test_only_defaults_of_variables_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET", "by-this-process")
    assert resolved("a-${SET:-b}-${X-c}") == Text("a-b-c")
    assert resolved("${A:-${B:-deep}}") == Text("deep")
    assert resolved("${A:+given}$$SET") == Text("$SET")
    assert resolved("$SET/${OTHER}/${THIRD:?must be set}") == Text(
        None, frozenset({"SET", "OTHER", "THIRD"})
    )
    assert resolved(17) == Text(None)
    assert resolved("${") == Text("${")


def test_what_is_wrong_is_rejected_and_the_rest_goes_in(tmp_path: Path) -> None:
    content = """\
services:
  a: {image: "${REGISTRY}/a:${TAG:-1}", depends_on: [a, nowhere, b]}
  b: {image: "not an image!"}
  c: nothing
  "d/e": {image: x}
"""
    found = observed(tmp_path, content, project="p")
    assert [(o.key, len(o.links)) for o in found.observations if o.type == "Container"] == [
        ("service/p/a", 2),
        ("service/p/b", 1),
    ]
    a, b = "compose.yaml service a", "compose.yaml service b"
    assert found.rejections == [
        Rejection("compose.yaml", "service c is not described as one"),
        Rejection("compose.yaml", "a service is not described as one"),
        Rejection(a, "it depends on itself"),
        Rejection(a, "it depends on a service that the file does not have"),
        Rejection(b, "its image is no image reference"),
        Rejection("compose.yaml", "images named by variables without a default: REGISTRY"),
    ]


@pytest.mark.parametrize(
    "content",
    ["", "web: {image: nginx}", "services: [web]", "- 1", "services: {}\n---\nservices: {}\n", "{"],
)
def test_what_is_no_compose_file_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(SourceError, match=r"compose\.yaml"):
        observed(tmp_path, content)


def test_wrong_values_anywhere_are_borne(tmp_path: Path) -> None:
    importer = make("compose", {})
    import yaml

    for wrong in mutilated(yaml.safe_load(SHOP)):
        borne(importer, "compose.yaml", json.dumps(wrong).encode())
    for piece in cut_off(SHOP.encode()):
        borne(importer, "compose.yaml", piece)
    borne(importer, "compose.yaml", b"services: " + b"[" * 5000)


@pytest.mark.shared_data
def test_the_opentelemetry_demo_has_twenty_services_and_46_dependencies() -> None:
    found = Observed("compose", shared_data("otel-demo"))
    assert found.unfit == []
    assert found.repeated == {}
    assert len(found.subjects("Container")) == 20
    assert len(found.claims("DEPENDS_ON")) == 46
    assert len(set(map(str, found.claims("DEPENDS_ON")))) == 46
    assert len(found.claims("RUNS_ON")) == 20
    assert [n.attributes["name"] for n in found.subjects("ContainerNetwork")] == [
        "opentelemetry-demo"
    ]
    # Its images are named by variables of a file .env only.
    assert found.subjects("ContainerImage") == []
    [rejection] = found.rejections
    assert rejection.reason == (
        "images named by variables without a default: COLLECTOR_CONTRIB_IMAGE, DEMO_VERSION, "
        "FLAGD_IMAGE, IMAGE_NAME, POSTGRES_IMAGE, VALKEY_IMAGE"
    )
