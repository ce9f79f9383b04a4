"""Reconciling an estate against cartography, which loads what it discovers into Neo4j with ``MERGE``.

The same nodes with the same properties and the same relationships go into one server, emptied in between:
by cartography's own loader (`cartography.client.core.tx.load`, with its data model, its indexes and its
batches; what it cleans up afterwards is not counted), and as observations of a source, which are
identified, keep whose word every value is, and have a history. Then both do it again, with nothing changed.
Before, both have loaded a tenth of it: a server at work has planned their statements and compiled its own
code. Two servers that were just started are compared, too; for these no bound is set.

cartography is installed into a folder of its own, for this alone and once, with the little that its
loader needs of what it declares.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

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
WARMED: Final = 10
"""One part in so many is loaded before."""


def compare(report: Report, server: Callable[[], Neo4jServer], size: int, rounds: int) -> None:
    """First and second run of both; of several rounds, the one whose first run is in the middle."""
    try:
        folder = _installed()
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
        report.console.print(f"neo4j: no comparison with cartography: {said}", markup=False)
        return
    told = things(operations(size))
    for just_started in (False, True):
        measured = sorted(
            (_measured(server, folder, told, just_started, number) for number in range(rounds)),
            key=lambda taken: taken.theirs[0] / taken.ours[0],
        )
        _report(report, told, measured[(rounds - 1) // 2], just_started)


class Taken(NamedTuple):
    """Seconds of the first and of the second run of each."""

    ours: list[float]
    theirs: list[float]


def _count(told: list[Thing]) -> int:
    return len(told) + sum(len(thing.relates) for thing in told)


def _report(report: Report, told: list[Thing], taken: Taken, just_started: bool) -> None:
    (ours, again), (theirs, theirs_again) = taken
    size, count = len(told), _count(told)
    where = ", servers just started" if just_started else ""
    report.add(
        Figure(
            f"estate, first run{where}", "neo4j", size, count / ours, "operations/s", count / theirs,
            "cartography", theirs / ours, None if just_started else ("at least", FIRST_BOUND),
        )
    )  # fmt: skip
    report.add(
        Figure(
            f"estate, unchanged, all of it read{where}", "neo4j", size, again, "s", theirs_again, "cartography",
            theirs_again / again, None if just_started else ("at least", UNCHANGED_BOUND),
        )
    )  # fmt: skip


def _measured(
    server: Callable[[], Neo4jServer],
    folder: Path,
    told: list[Thing],
    just_started: bool,
    number: int,
) -> Taken:
    """One round: the first of them is the one or the other in turn."""
    few = things(operations(len(told) // WARMED))
    found: dict[str, list[float]] = {}
    loaders: dict[str, Callable[[Neo4jServer, list[Thing]], list[float]]] = {
        "theirs": partial(_theirs, folder),
        "ours": _ours,
    }
    order = sorted(loaders, reverse=number % 2 == 0)
    if just_started:
        for name in order:
            with server() as running:
                found[name] = loaders[name](running, told)
        return Taken(**found)
    with server() as running:
        for estate in (few, told):
            for name in order:
                running.wipe()
                found[name] = loaders[name](running, estate)
    return Taken(**found)


def _ours(server: Neo4jServer, told: list[Thing]) -> list[float]:
    with create_store(server.url, load_model([])) as store:
        seconds = [timed(lambda: _run(store, told)) for _ in range(2)]
        kept = store.statistics()
    if kept.records - 1 != len(told) or kept.relationships != _count(told) - len(told):
        raise RuntimeError(f"the runs have not made all of it: {kept}")
    return seconds


def _run(store: GraphStore, told: list[Thing]) -> None:
    """No fingerprint: every observation is looked at."""
    portion = Portion("estate", None, lambda: observations(told, store.model))
    Run(store, "estate", actor="bench", apply=True).run([portion])


# -- cartography ------------------------------------------------------------------------------------


def _theirs(folder: Path, server: Neo4jServer, told: list[Thing]) -> list[float]:
    size = len(told)
    given = {"uri": server.uri, "user": server.user, "password": server.password, "size": size}
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "bench.cartography_loader"],
        input=json.dumps(given), env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE, check=True, text=True,
    )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout)
    if result["nodes"] != size or result["relationships"] != _count(told) - size:
        raise RuntimeError(f"cartography has not loaded all of it: {result}")
    seconds: list[float] = result["seconds"]
    return seconds


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
