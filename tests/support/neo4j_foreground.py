"""A local Neo4j for a person to work against, until Ctrl-C. It keeps its data in ``.neo4j``."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from pathlib import Path

from tests.support.neo4j_library import Neo4jUnavailableError
from tests.support.neo4j_local import HOST, LocalNeo4j, free_port

HOME = Path(".neo4j")
USUAL_PORT = 7687


def main() -> None:
    """Start it, say where it is, and wait."""
    print("Starting Neo4j (the first time it is fetched, which takes a minute) …", flush=True)
    try:
        server = LocalNeo4j(HOME, _port())
    except Neo4jUnavailableError as error:
        sys.exit(f"Neo4j cannot be started: {error}. It takes a Java 17 and Maven.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt), server:
        print(f"  URI       {server.uri}\n  user      {server.user}\n  password  {server.password}")
        print(f"  store     export CMDB_STORE={server.url}")
        print(f"Its data stays in {HOME}/. Ctrl-C ends it.", flush=True)
        try:
            code = server.wait()
        finally:
            print("Ending it, which takes some seconds …", flush=True)
        sys.exit(f"Neo4j ended by itself with code {code}; {server.log} says why.")


def _port() -> int:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((HOST, USUAL_PORT))
        except OSError:
            return free_port()
    return USUAL_PORT
