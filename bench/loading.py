"""Loading an estate, against the bare store; and how much memory it takes, streamed.

``python -m bench.loading URL SIZE`` loads a new store from a stream and prints its peak memory: in a
process of its own, so that nothing else counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import bare
from bench.estate import operations
from bench.measuring import Figure, Report, peak_memory
from cmdb.bulk import load
from cmdb.change_sets import Operation
from cmdb.store import create_store
from schema.loading import load_model
from tests.support.neo4j_server import Neo4jServer

MEMORY_BOUND = 300


def load_sqlite(report: Report, folder: Path, size: int, rounds: int) -> Path:
    """Gives the loaded file."""
    estate = list(operations(size))
    measured: list[list[float]] = []
    path = folder
    for number in range(rounds):
        theirs = _timed(lambda n=number: bare.load_sqlite(folder / f"bare-{n}.db", estate))  # type: ignore[misc]
        path = folder / f"store-{number}.db"
        with create_store(f"sqlite:///{path}", load_model([])) as store:
            ours = _timed(lambda s=store: load(s, estate, actor="bench"))  # type: ignore[misc]
            indexing = _timed(store.catch_up)
        measured.append([theirs / ours, theirs / (ours + indexing), ours, theirs, indexing])
    middle = _median(measured)
    _report(report, "sqlite", size, len(estate), middle, 0.4)
    report.add(
        Figure(
            "loading, search index included", "sqlite", size, len(estate) / (middle[2] + middle[4]), "operations/s",
            len(estate) / middle[3], "bare executemany", middle[1],
        )
    )  # fmt: skip
    return path


def load_neo4j(
    report: Report, server: Callable[[], Neo4jServer], size: int, rounds: int
) -> Neo4jServer:
    """Gives the server with the loaded store, still running."""
    estate = list(operations(size))
    measured: list[list[float]] = []
    running: Neo4jServer | None = None
    for _ in range(rounds):
        if running:
            running.stop()
        theirs = _bare_neo4j(server(), estate)
        running = server()
        running.start()
        with create_store(running.url, load_model([])) as store:
            ours = _timed(lambda s=store: load(s, estate, actor="bench"))  # type: ignore[misc]
        measured.append([theirs / ours, 0.0, ours, theirs])
    assert running is not None
    _report(report, "neo4j", size, len(estate), _median(measured), 0.6)
    return running


def _bare_neo4j(server: Neo4jServer, estate: list[Operation]) -> float:
    model = load_model([])
    with server, server.driver() as driver:
        return _timed(lambda: bare.load_neo4j(driver, estate, model))


def _median(measured: list[list[float]]) -> list[float]:
    """The round whose ratio is in the middle; of two, the lower one."""
    return sorted(measured)[(len(measured) - 1) // 2]


def _report(
    report: Report, store: str, size: int, count: int, middle: list[float], bound: float
) -> None:
    how = "bare executemany" if store == "sqlite" else "bare UNWIND … MERGE"
    report.add(
        Figure(
            "loading", store, size, count / middle[2], "operations/s", count / middle[3], how, middle[0],
            ("at least", bound),
        )
    )  # fmt: skip


def memory(report: Report, store: str, url: str, size: int) -> None:
    """Peak memory of a process that loads an estate as it is made."""
    command = [sys.executable, "-m", "bench.loading", url, str(size)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    megabytes = json.loads(done.stdout)["peak_mb"]
    report.add(
        Figure(
            "peak memory of loading", store, size, megabytes, "MB", bound=("at most", MEMORY_BOUND)
        )
    )


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> None:
    url, size = sys.argv[1], int(sys.argv[2])
    with create_store(url, load_model([])) as store:
        load(store, operations(size), actor="bench")
    sys.stdout.write(json.dumps({"peak_mb": round(peak_memory())}))


if __name__ == "__main__":
    main()
