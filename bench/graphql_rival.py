"""`@neo4j/graphql` on Node, over the graph of a store: installed once, for this alone, and only while measured.

The npm project is `bench/neo4j_graphql`; its packages go into a folder that git ignores.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).with_name("neo4j_graphql")


class RivalUnavailableError(RuntimeError):
    """It cannot be installed or started here; the message says why."""


@contextmanager
def served(uri: str, user: str, password: str) -> Iterator[str]:
    """It serves a Neo4j; gives the address of its GraphQL.

    Raises
    ------
    RivalUnavailableError
    """
    node = _installed()
    given = {"URI": uri, "USER": user, "PASSWORD": password}
    process = subprocess.Popen(
        [node, "server.js"], cwd=PROJECT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "NODE_ENV": "production"} | {f"CMDB_RIVAL_{n}": v for n, v in given.items()},
    )  # fmt: skip
    with process:  # closes its standard input, which ends it
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        if not port:
            raise RivalUnavailableError("@neo4j/graphql did not start")
        yield f"http://127.0.0.1:{port}/graphql"


def _installed() -> str:
    """The program that runs it, with its packages in place."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise RivalUnavailableError("there is no node, or no npm")
    if not (PROJECT / "node_modules" / ".package-lock.json").exists():
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True, text=True)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["npm failed"]
            raise RivalUnavailableError(said[-1])
    return node
