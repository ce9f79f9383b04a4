"""Reconciling an estate against cartography, which loads what it discovers into Neo4j with ``MERGE``.

The same nodes with the same properties and the same relationships go into two servers of one kind,
each started anew: by cartography's own loader (`cartography.client.core.tx.load`, with its data
model, its indexes and its batches; what it cleans up afterwards is not counted), and as observations
of a source, which are identified, keep whose word every value is, and have a history. Then both do
it again, with nothing changed.

cartography is installed into a folder of its own, for this alone and once, with the little that its
loader needs of what it declares.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.estate import operations
from bench.measuring import Figure, Report
from bench.observing import Thing, observations, things
from bench.reconciling import timed
from cmdb.reconciliation.observations import Portion
from cmdb.reconciliation.runs import Run
from cmdb.store import GraphStore, create_store
from schema.loading import load_model
from tests.support.neo4j_library import cache_folder
from tests.support.neo4j_server import Neo4jServer

WANTED: Final = ("cartography==0.143.0", "backoff==2.2.1", "statsd==4.0.1")
"""The driver is ours, the same for both."""
FIRST_BOUND: Final = 1.0
UNCHANGED_BOUND: Final = 5.0


def compare(report: Report, server: Callable[[], Neo4jServer], size: int, rounds: int) -> None:
    """First and second run of both; of several rounds, the one whose first run is in the middle."""
    try:
        folder = _installed()
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
        report.console.print(f"neo4j: no comparison with cartography: {said}", markup=False)
        return
    told = things(operations(size))
    measured = sorted(
        (_measured(server, folder, told, size) for _ in range(rounds)),
        key=lambda taken: taken["theirs"][0] / taken["ours"][0],
    )
    _report(report, size, _count(told), measured[(rounds - 1) // 2])


def _count(told: list[Thing]) -> int:
    return len(told) + sum(len(thing.relates) for thing in told)


def _report(report: Report, size: int, count: int, taken: dict[str, list[float]]) -> None:
    (ours, again), (theirs, theirs_again) = taken["ours"], taken["theirs"]
    report.add(
        Figure(
            "estate, first run", "neo4j", size, count / ours, "operations/s", count / theirs, "cartography",
            theirs / ours, ("at least", FIRST_BOUND),
        )
    )  # fmt: skip
    report.add(
        Figure(
            "estate, unchanged, all of it read", "neo4j", size, again, "s", theirs_again, "cartography",
            theirs_again / again, ("at least", UNCHANGED_BOUND),
        )
    )  # fmt: skip


def _measured(
    server: Callable[[], Neo4jServer], folder: Path, told: list[Thing], size: int
) -> dict[str, list[float]]:
    """Seconds of the two runs of each."""
    with server() as running:
        theirs = _theirs(running, folder, size)
    with server() as running, create_store(running.url, load_model([])) as store:
        ours = [timed(lambda: _run(store, told)) for _ in range(2)]
        kept = store.statistics()
    if theirs["nodes"] != len(told) or theirs["relationships"] != _count(told) - len(told):
        raise RuntimeError(f"cartography has not loaded all of it: {theirs}")
    if kept.records - 1 != len(told) or kept.relationships != _count(told) - len(told):
        raise RuntimeError(f"the runs have not made all of it: {kept}")
    return {"ours": ours, "theirs": theirs["seconds"]}


def _run(store: GraphStore, told: list[Thing]) -> None:
    """No fingerprint: every observation is looked at."""
    portion = Portion("estate", None, lambda: observations(told, store.model))
    Run(store, "estate", actor="bench", apply=True).run([portion])


# -- cartography ------------------------------------------------------------------------------------


def _theirs(server: Neo4jServer, folder: Path, size: int) -> dict[str, Any]:
    given = {"uri": server.uri, "user": server.user, "password": server.password, "size": size}
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bench.cartography_loader"],
        input=json.dumps(given), env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE, check=True, text=True,
    )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _installed() -> Path:
    """The folder of cartography, made the first time."""
    folder = cache_folder().parent / WANTED[0]
    if not folder.exists():
        making = folder.with_name(f"{folder.name}-{os.getpid()}")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--target", str(making), *WANTED]
        subprocess.run(command, check=True, capture_output=True, text=True)
        making.rename(folder)
    return folder
