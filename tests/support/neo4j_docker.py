"""A Neo4j server in a container, where a Docker engine answers."""

from __future__ import annotations

import contextlib
import gc
import secrets
import warnings
from typing import Any

from tests.support.neo4j_local import HOST, USER, free_port
from tests.support.neo4j_server import IMAGE, Neo4jServer

BOLT = 7687
SETTINGS = {
    "NEO4J_server_memory_heap_initial__size": "1g",
    "NEO4J_server_memory_heap_max__size": "1g",
    "NEO4J_server_memory_pagecache_size": "512m",
    "NEO4J_db_tx__log_rotation_retention__policy": "keep_none",
    "NEO4J_dbms_security_auth__max__failed__attempts": "0",
    "NEO4J_dbms_usage__report_enabled": "false",
}


def engine_answers() -> bool:
    """Is there a Docker engine to start a container with?"""
    import docker
    from docker.errors import DockerException

    with warnings.catch_warnings():
        # The client leaves its socket open when nobody answers.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            with contextlib.closing(docker.from_env(timeout=10)) as client:
                return bool(client.ping())
        except (DockerException, OSError):
            return False
        finally:
            gc.collect()


class DockerNeo4j(Neo4jServer):
    """A container with a port of its own, which a restart keeps."""

    def __init__(self) -> None:
        from testcontainers.core.container import DockerContainer

        port = free_port()
        super().__init__(f"bolt://{HOST}:{port}", USER, secrets.token_hex(8))
        self._container = DockerContainer(IMAGE).with_bind_ports(BOLT, port)
        self._container.with_env("NEO4J_AUTH", f"{self.user}/{self.password}")
        for name, value in SETTINGS.items():
            self._container.with_env(name, value)
        self._begun = False

    def start(self) -> None:
        if self._begun:
            self._wrapped.start()
        else:
            self._container.start()
            self._begun = True
        self.wait_until_ready()

    def stop(self) -> None:
        self._container.stop()

    def kill(self) -> None:
        self._wrapped.reload()
        if self._wrapped.status == "running":
            self._wrapped.kill()
            self._wrapped.wait()

    @property
    def _wrapped(self) -> Any:
        return self._container.get_wrapped_container()
