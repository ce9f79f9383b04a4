"""A minute of alerts, with a storm in it: a switch that says nothing takes thousands of terminals with it.

``cmdb serve`` gets them over HTTP on the loopback, signed, in notifications of `GROUP`, `RATE` a second. In the
middle it is killed, and started again (`bench.storm`).

Measured is what became of them, from what stands in the store in the end, and what the server needed for it.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from bench.estate import operations
from bench.measuring import Figure, Report
from bench.storm import SECONDS, Site, Storm
from cmdb.bulk import load
from cmdb.change_sets import Create, Operation, Relate
from cmdb.ids import new_id
from cmdb.queries import Query
from cmdb.store import GraphStore, create_store, open_store
from impact.covering import Proof
from impact.rules import Effect
from impact.snapshots import Snapshot
from itsm.alerts.correlating import Waiting, groups
from itsm.alerts.outcomes import REPORTED_IN
from itsm.alerts.rules import load_alert_rules
from schema.loading import load_model

FLOORS, SEATS = 30, 100
"""Access switches below the one that fails, and terminals at each."""
STORM: Final = FLOORS * SEATS
TROUBLES, WARNINGS, FLAPPING = 60, 400, 20
INCIDENTS_BOUND: Final = 1.0
DELAY_BOUND: Final = 4.0
"""Times as long as an alert waits for others."""
DRAIN_BOUND: Final = 1.25
MEMORY_BOUND: Final = 1.5
CORRELATION_BOUND: Final = 1.0
"""Seconds."""
PROCESSOR_BOUND: Final = 1.0
"""Of one processor, at that rate."""
Fresh = Callable[[], AbstractContextManager[str]]


def measure(report: Report, name: str, fresh: Fresh, size: int) -> None:
    """The figures of one store."""
    with fresh() as url, ExitStack() as stack:
        with create_store(url, load_model([])) as store:
            site = _made(store, size)
            before = store.last_revision().number
            _correlated(report, name, store, size, site)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        storm = Storm(folder, url, site)
        storm.run()
        with open_store(url) as store:
            _told(report, name, store, size, site, storm, before)


def _made(store: GraphStore, size: int) -> Site:
    """The estate, with one more site."""
    site = Site()
    load(store, [*operations(size - STORM - FLOORS - 1), *_storm_site(site)], actor="bench")
    chance = random.Random(3)
    servers = store.find(
        Query("Server", {"lifecycle_state": {"eq": "in_use"}}, first=10_000)
    ).records
    hosts = [
        server.attributes["hostname"]
        for server in chance.sample(servers, TROUBLES + WARNINGS + FLAPPING)
    ]
    site.troubled, site.warned = hosts[:TROUBLES], hosts[TROUBLES : TROUBLES + WARNINGS]
    site.flapping = hosts[TROUBLES + WARNINGS :]
    return site


def _storm_site(site: Site) -> Iterator[Operation]:
    """(terminal)-[:UPLINKED_TO]->(access switch)-[:UPLINKED_TO]->(switch)."""
    used = {"lifecycle_state": "in_use"}
    site.switch = new_id()
    yield Create("Switch", {"name": "storm-sw", "hostname": "storm-sw", **used}, site.switch)
    for floor in range(FLOORS):
        access, name = new_id(), f"storm-acc-{floor}"
        yield Create("Switch", {"name": name, "hostname": name, **used}, access)
        yield Relate(access, "UPLINKED_TO", site.switch)
        for seat in range(SEATS):
            terminal, host = new_id(), f"storm-pc-{floor}-{seat}"
            site.terminals.append(host)
            yield Create("DesktopComputer", {"name": host, "hostname": host, **used}, terminal)
            yield Relate(terminal, "UPLINKED_TO", access)


def _correlated(report: Report, name: str, store: GraphStore, size: int, site: Site) -> None:
    """The storm correlated in memory, all of it at once with everything else."""
    topology = Snapshot(store).now()
    hosts = [*site.terminals, *site.troubled]
    found = {r.attributes["hostname"]: r.id for r in store.holders("hostname", hosts)}
    waiting = [Waiting(id, Effect.DOWN, False) for id in found.values()]
    begin = time.perf_counter()
    made = groups(topology, topology.live, waiting, [], {}, Proof(3, 0.5))
    seconds = time.perf_counter() - begin
    assert any(site.switch in (group.roots or {}) for group in made)
    report.add(
        Figure(
            f"alerts, {STORM:,} of a storm and {TROUBLES} others correlated", name, size, seconds, "s",
            bound=("at most", CORRELATION_BOUND),
        )
    )  # fmt: skip


def _told(
    report: Report, name: str, store: GraphStore, size: int, site: Site, storm: Storm, before: int
) -> None:
    """What became of it."""

    def figure(subject: str, value: float, unit: str, **more: Any) -> None:
        report.add(Figure(f"alerts, {subject}", name, size, value, unit, **more))

    counts = Counter[str]()
    for alert in _all(store, "Alert"):
        key = str(alert.attributes["fingerprint"]).removeprefix("bench:")
        counts[key] += alert.attributes["occurrences"]
    lost = sum((storm.acknowledged - counts).values())
    twice = sum((counts - storm.acknowledged - storm.doubtful).values())
    acknowledged = sum(storm.acknowledged.values())
    figure("lost or counted twice, the server killed in between", lost + twice, "of them",
           baseline=acknowledged, against="acknowledged", bound=("at most", 0.0))  # fmt: skip
    states = {"new", "in_progress", "pending"}
    opened = [i for i in _all(store, "Incident") if i.attributes["lifecycle_state"] in states]
    largest = max(opened, key=lambda i: len(store.neighbours([i.id], [REPORTED_IN], "in")))
    reported = len(store.neighbours([largest.id], [REPORTED_IN], "in"))
    first = largest.attributes.get("probable_cause") == site.switch
    figure("of the storm in one incident, the switch as its cause", reported if first else 0, "alerts",
           baseline=STORM, against="sent", ratio=(reported if first else 0) / STORM, bound=("at least", 1.0))  # fmt: skip
    problems = 1 + TROUBLES + FLAPPING
    figure("open incidents", len(opened), "incidents", baseline=problems, against="causes",
           ratio=len(opened) / problems, bound=("at most", INCIDENTS_BOUND))  # fmt: skip
    merged = [i for i in _all(store, "Incident") if i.attributes["lifecycle_state"] == "merged"]
    figure("incidents merged once the cause was known", len(merged), "incidents")
    delays = sorted(_delays(store, before, storm))
    settle = load_alert_rules().settle.total_seconds()
    for share in (50, 99):
        delay = statistics.quantiles(delays, n=100)[share - 1]
        figure(f"from being received to their incident, {share} of 100", delay, "s", baseline=settle,
               against="they may wait for others", ratio=delay / settle, bound=("at most", DELAY_BOUND))  # fmt: skip
    figure("a minute of them taken in, the server killed in between", storm.drained * SECONDS, "s",
           baseline=SECONDS, against="sent within", ratio=storm.drained, bound=("at most", DRAIN_BOUND))  # fmt: skip
    figure("processor time of the server", storm.processor, "s", baseline=SECONDS,
           against="sent within", ratio=storm.processor / SECONDS, bound=("at most", PROCESSOR_BOUND))  # fmt: skip
    figure("peak memory of the server", storm.memory[1], "MB", baseline=storm.memory[0],
           against="before", ratio=storm.memory[1] / storm.memory[0], bound=("at most", MEMORY_BOUND))  # fmt: skip


def _delays(store: GraphStore, before: int, storm: Storm) -> Iterator[float]:
    """Seconds from when an alert was first acknowledged until it was in an incident, those not counted in which
    there was no server."""
    keys = {
        a.id: str(a.attributes["fingerprint"]).removeprefix("bench:") for a in _all(store, "Alert")
    }
    known: set[str] = set()
    for commit in store.feed(before):
        for change in commit.changes.relationships:
            if change.key.type != REPORTED_IN or change.after is None or change.key.source in known:
                continue
            known.add(change.key.source)
            begin, end = storm.acknowledged_at[keys[change.key.source]], commit.revision.at
            gone = min(end, storm.absent[1]) - max(begin, storm.absent[0])
            yield (end - begin - max(gone, timedelta(0))).total_seconds()


def _all(store: GraphStore, type_: str) -> Iterator[Any]:
    query: Query | None = Query(type_, first=10_000)
    while query is not None:
        page = store.find(query)
        yield from page.records
        query = Query(type_, first=10_000, after=page.cursor) if page.cursor else None
