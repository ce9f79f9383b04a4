"""Impact analysis over a store: reading its topology, keeping it fresh, one answer as a process.

What needs no store, searching in memory, is in `bench.reaching`.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from urllib.parse import unquote, urlsplit

import neo4j

from bench.estate import operations
from bench.measuring import Figure, Report, side_by_side
from bench.opening import COMMAND
from bench.reaching import power_feeds
from bench.reconciling import Fresh
from cmdb.bulk import load
from cmdb.change_sets import ChangeSet, Relate, Unrelate
from cmdb.queries import Query
from cmdb.store import GraphStore, create_store
from impact.analysis import Outage
from impact.reports import is_service
from impact.rules import Effect, Rules
from impact.single_points import single_points
from impact.snapshots import Snapshot
from impact.topology import Topology
from schema.loading import load_model
from schema.model import Model

SNAPSHOT_BOUND: Final = 1.5
LATER_BOUND: Final = 5.0
"""Milliseconds."""
SINGLE_POINTS_BOUND: Final = 60.0
"""Seconds."""
SINGLE_POINTS_SIZE: Final = 100_000
"""The largest estate all of whose single points are ranked."""
PROCESS_BOUND: Final = 3.0
SMALL: Final = 10_000
AFFECTED: Final = 1_000
LARGEST: Final = 1_000_000
"""The largest estate that is put into a store."""
CHANGES: Final = 31
PROCESSES: Final = 7

Rows = Callable[[], object]
"""Reads the bare rows of what a snapshot is made of."""


def measure(report: Report, name: str, fresh: Fresh, size: int, rounds: int) -> None:
    """The figures of one store; reading it is the middle one of some rounds, three at least."""
    with (
        fresh() as large_url,
        create_store(large_url, load_model([])) as large,
        fresh() as small_url,
        create_store(small_url, load_model([])) as small,
    ):
        load(large, operations(size), actor="bench")
        load(small, operations(SMALL), actor="bench")
        with _bare(large_url, large.model) as rows:
            _reading(report, name, large, size, rows, max(3, rounds))
        snapshot = Snapshot(large)
        _processes(
            report, name, size, (Snapshot(small).now(), snapshot.now()), (small_url, large_url)
        )
        _later(report, name, large, small, size, snapshot)
        if size <= SINGLE_POINTS_SIZE:
            _single_points(report, name, size, snapshot.now())


# -- reading ----------------------------------------------------------------------------------------


def _reading(
    report: Report, name: str, store: GraphStore, size: int, rows: Rows, rounds: int
) -> None:
    how = "bare fetchall" if name == "sqlite" else "bare rows from the driver"
    ours, theirs = side_by_side(lambda _: Snapshot(store), lambda _: rows(), range(rounds))
    report.add(
        Figure(
            "impact, the whole topology read", name, size, ours, "s", theirs, how, ours / theirs,
            ("at most", SNAPSHOT_BOUND),
        )
    )  # fmt: skip


@contextmanager
def _bare(url: str, model: Model) -> Iterator[Rows]:
    """The same columns with nothing but the driver or ``sqlite3``, and nothing made of them."""
    links = list(Rules(model).rules)
    ends = [model.relationship_types[link] for link in links]
    records = sorted({type for link in ends for type in (*link.sources, *link.targets)})
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        path = url.removeprefix("sqlite:///")
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        yield lambda: [connection.execute(text).fetchall() for text in _sql(links, records)]
        connection.close()
        return
    place = f"{parts.scheme}://{parts.hostname}:{parts.port}"
    auth = (unquote(parts.username or ""), unquote(parts.password or ""))
    with (
        neo4j.GraphDatabase.driver(place, auth=auth) as driver,
        driver.session(
            default_access_mode=neo4j.READ_ACCESS,
            notifications_min_severity=neo4j.NotificationMinimumSeverity.OFF,
        ) as session,
    ):
        yield lambda: [deque(session.run(text), maxlen=0) for text in _cypher(links)]


def _sql(links: Sequence[str], records: Sequence[str]) -> tuple[str, str]:
    nodes = (
        "SELECT node, id, type, attributes ->> '$.lifecycle_state', attributes -> '$.redundancy',"
        f" revision FROM records WHERE type IN ({_listed(records)})"
    )
    rows = (
        "SELECT source, target, type, CASE attributes WHEN '{}' THEN NULL"
        " ELSE attributes ->> '$.group' END, revision FROM relationships"
        f" WHERE type IN ({_listed(links)})"
    )
    return nodes, rows


def _cypher(links: Sequence[str]) -> tuple[str, str]:
    nodes = "MATCH (n:Record) RETURN id(n), n.id, labels(n), n.lifecycle_state, n.redundancy, n.revision"
    rows = (
        f"MATCH (s:Record)-[x:{'|'.join(links)}]->(t:Record)"
        " RETURN id(s), id(t), type(x), x.group, x.revision"
    )
    return nodes, rows


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


# -- keeping it fresh -------------------------------------------------------------------------------


def _later(
    report: Report, name: str, store: GraphStore, other: GraphStore, size: int, snapshot: Snapshot
) -> None:
    """How much later an answer comes when something was committed since the last one.

    Without, something is committed to another store, so that both come right after as much work.
    """
    topology = snapshot.now()
    root = topology.id(power_feeds(topology, 1)[0])
    links = {s: _unrelated(s) for s in (store, other)}
    taken: dict[GraphStore, list[float]] = {store: [], other: []}
    for number in range(CHANGES):
        for changed, times in taken.items():
            link = links[changed]
            change = Unrelate(*link) if number % 2 else Relate(*link)
            changed.commit(ChangeSet([change], "bench"))
            begin = time.perf_counter()
            now = snapshot.now()
            Outage(now, {root: Effect.DOWN}, at=now.revision)
            times.append(time.perf_counter() - begin)
    later, usual = (statistics.median(times) * 1e3 for times in taken.values())
    report.add(
        Figure(
            "impact, later after a change", name, size, later - usual, "ms", usual, "an answer without",
            bound=("at most", LATER_BOUND),
        )
    )  # fmt: skip


def _unrelated(store: GraphStore) -> tuple[str, str, str]:
    """A relationship with an impact rule that is not there."""
    one, other = (record.id for record in store.find(Query("BusinessService", first=2)).records)
    return one, "CALLS", other


# -- single points of failure -----------------------------------------------------------------------


def _single_points(report: Report, name: str, size: int, topology: Topology) -> None:
    model = topology.rules.model
    kinds = [is_service(model, kind.type) for kind in topology.kinds]
    services = [n for n, kind in enumerate(topology.nodes["kind"].tolist()) if kinds[kind]]
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        single_points(topology, services)
        times.append(time.perf_counter() - begin)
    report.add(
        Figure(
            f"impact, single points of {len(services):,} services", name, size, statistics.median(times),
            "s", bound=("at most", SINGLE_POINTS_BOUND),
        )
    )  # fmt: skip


# -- one answer as a process ------------------------------------------------------------------------


def _processes(
    report: Report,
    name: str,
    size: int,
    topologies: Sequence[Topology],
    urls: Sequence[str],
) -> None:
    """``cmdb impact`` in a small store and in this one, as many CIs affected in both."""
    roots = [[t.id(n) for n in power_feeds(t, min(AFFECTED, size // 3))] for t in topologies]
    affected = [
        len(Outage(t, dict.fromkeys(ids, Effect.DOWN), at=t.revision).affected)
        for t, ids in zip(topologies, roots, strict=True)
    ]

    def run(which: int) -> None:
        subprocess.run(
            [sys.executable, "-c", COMMAND, "impact", *roots[which]],
            check=True, capture_output=True, env={**os.environ, "CMDB_STORE": urls[which]},
        )  # fmt: skip

    ours, theirs = side_by_side(lambda _: run(1), lambda _: run(0), range(PROCESSES))
    report.add(
        Figure(
            f"cmdb impact, the whole process, {affected[1]:,} affected", name, size, ours * 1e3, "ms",
            theirs * 1e3, f"a store of {SMALL:,}, {affected[0]:,} affected", ours / theirs,
            ("at most", PROCESS_BOUND),
        )
    )  # fmt: skip
