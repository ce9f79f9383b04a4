"""The container and what Compose makes of it, as far as they can be read without a Docker engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from api.settings import OTHER_VARIABLES, Settings

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    assert {mount.split(":")[0] for s in found["services"].values() for mount in s["volumes"]} <= {
        ".",
        *found["volumes"],
    }
    return dict(found["services"])


def test_the_server_runs_with_as_little_as_it_needs(services: dict[str, Any]) -> None:
    api = services["api"]
    assert api["read_only"] is True
    assert api["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in api["security_opt"]
    assert any(mount.startswith("/tmp") for mount in api["tmpfs"])
    assert all(port.startswith("127.0.0.1:") for port in api["ports"])
    assert "USER cmdb" in DOCKERFILE
    assert "user" not in api


def test_services_are_watched_and_wait_for_each_other(services: dict[str, Any]) -> None:
    assert "heap_max" in " ".join(services["neo4j"]["environment"])
    assert "neo4j-data:/data" in services["neo4j"]["volumes"]
    assert services["api"]["depends_on"]["neo4j"]["condition"] == "service_healthy"
    command = services["api"]["healthcheck"]["test"]
    assert command[:3] == ["CMD", "python", "-c"]
    compile(command[3], "healthcheck", "exec")
    assert "/readyz" in command[3]


def test_the_variables_are_settings(services: dict[str, Any]) -> None:
    known = {f"CMDB_{name.upper()}" for name in Settings.model_fields} | OTHER_VARIABLES
    for name in ("api", "cmdb"):
        assert services[name]["environment"].keys() <= known


def test_the_command_of_the_server_has_these_options(services: dict[str, Any]) -> None:
    words = services["api"]["command"]
    told = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    part = told[told.index("## `cmdb serve`") :].partition("\n## ")[0]
    assert words[0] == "serve"
    assert all(f"`{word}" in part for word in words if word.startswith("--"))


def test_the_image_knows_no_registry_and_checks_what_it_installs() -> None:
    assert "--require-hashes" in DOCKERFILE
    assert "://" not in DOCKERFILE
    assert 'ENTRYPOINT ["cmdb"]' in DOCKERFILE
