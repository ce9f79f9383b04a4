"""A minute of alerts, with a storm in it: a switch that says nothing takes thousands of terminals with it.

``cmdb serve`` gets them over HTTP on the loopback, signed, in notifications of `GROUP`, `RATE` a second. Of the
estate some CIs have troubles of their own, which are repeated all the time; some alerts are only warnings, some
flap, some are about nothing that is known. In the middle the server is killed, and started again; what was not
acknowledged is sent again, as monitoring tools do.

Measured is what became of them, from what stands in the store in the end, and the memory of the server.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import random
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psutil

from bench.estate import operations
from bench.measuring import Figure, Report
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
from tests.support.api_process import Served, served

RATE: Final = 1_000
SECONDS: Final = 60
GROUP: Final = 50
SENDERS: Final = 4
FLOORS, SEATS = 30, 100
"""Access switches below the one that fails, and terminals at each."""
STORM: Final = FLOORS * SEATS
STORM_AT, STORM_FOR = 10, 10
"""Seconds: when it begins, and within which its alarms come."""
KILLED_AT: Final = 17
TROUBLES, WARNINGS, FLAPPING, STRANGE = 60, 400, 20, 20
INCIDENTS_BOUND: Final = 1.0
DELAY_BOUND: Final = 4.0
"""Times as long as an alert waits for others."""
DRAIN_BOUND: Final = 1.25
MEMORY_BOUND: Final = 1.5
CORRELATION_BOUND: Final = 1.0
"""Seconds."""
SECRET: Final = "bench"  # noqa: S105
Fresh = Callable[[], AbstractContextManager[str]]


@dataclass
class Site:
    """What the storm is about, and what else has troubles."""

    switch: str = ""
    terminals: list[str] = field(default_factory=list)
    troubled: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    flapping: list[str] = field(default_factory=list)


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


class Storm:
    """A minute of alerts, sent to a server that is killed in between.

    Attributes
    ----------
    acknowledged, doubtful
        How often what was sent of each alert was answered 202, and was not answered at all.
    acknowledged_at
        When the first of each alert was answered.
    absent
        From when until when there was no server.
    drained
        Seconds until the last of them was taken in.
    memory
        Of the server in MB: before the storm, and at most.
    """

    def __init__(self, folder: Path, url: str, site: Site) -> None:
        self.folder, self.url, self.site = folder, url, site
        self.acknowledged, self.doubtful = Counter[str](), Counter[str]()
        self.acknowledged_at: dict[str, datetime] = {}
        self.absent = (datetime.max.replace(tzinfo=UTC),) * 2
        self.drained = 0.0
        self.memory = (0.0, 0.0)
        self._lock = threading.Lock()
        self._server: Served | None = None
        self._began = datetime.now(UTC).replace(microsecond=0)
        self._stop = threading.Event()

    def run(self) -> None:
        """Send all of it."""
        with ExitStack() as stack:
            self._server = stack.enter_context(self._serve())
            self._post([self._alert("storm-sw", "warm-up", severity="info")])
            self._wait_until_taken_in()
            before = self._rss()
            watching = threading.Thread(target=self._watch)
            watching.start()
            begin = time.monotonic()
            killing = threading.Thread(target=self._kill, args=(stack, begin))
            killing.start()
            with ThreadPoolExecutor(SENDERS) as pool:
                list(pool.map(lambda tick: self._send(begin, tick), range(SECONDS * RATE // GROUP)))
            sent = time.monotonic() - begin
            killing.join()
            self._wait_until_taken_in()
            self.drained = (time.monotonic() - begin) / sent
            time.sleep(8)  # what stands alone waits for others
            self._stop.set()
            watching.join()
            self.memory = (before, self.memory[1])

    def _serve(self) -> AbstractContextManager[Served]:
        secret = {"CMDB_ALERT_SECRETS": json.dumps({"bench": SECRET})}
        return served(self.folder, "--store", self.url, environment=secret)

    def _kill(self, stack: ExitStack, begin: float) -> None:
        time.sleep(max(0.0, begin + KILLED_AT - time.monotonic()))
        assert self._server is not None
        killed = datetime.now(UTC)
        self._server.process.kill()
        self._server.process.wait()
        self._server = stack.enter_context(self._serve())
        self.absent = (killed, datetime.now(UTC))

    # -- what is sent -----------------------------------------------------------------------------------

    def _send(self, begin: float, tick: int) -> None:
        """The group of one moment: of the storm what is due, and else what is repeated."""
        due = begin + tick * GROUP / RATE
        time.sleep(max(0.0, due - time.monotonic()))
        self._post(list(self._group(tick, due - begin)))

    def _group(self, tick: int, second: float) -> Iterator[dict[str, Any]]:
        site, chance = self.site, random.Random(tick)
        storm = [*site.terminals]
        random.Random(1).shuffle(storm)
        since = second - STORM_AT
        each = STORM * GROUP // RATE // STORM_FOR
        if 0 <= since < STORM_FOR:
            first = round(since * RATE / GROUP) * each
            for host in storm[first : first + each]:
                yield self._alert(host, "Down", at=second)
        elif since >= STORM_FOR:
            for host in chance.sample(storm, 10):
                yield self._alert(host, "Down", at=STORM_AT)
        for _ in range(
            GROUP - (each if 0 <= since < STORM_FOR else 10 if since >= STORM_FOR else 0)
        ):
            yield self._other(chance, second)

    def _other(self, chance: random.Random, second: float) -> dict[str, Any]:
        kind, site = chance.random(), self.site
        if kind < 0.5:
            return self._alert(chance.choice(site.troubled), "Down")
        if kind < 0.9:
            return self._alert(chance.choice(site.warned), "Slow", severity="warning")
        if kind < 0.95:
            return self._alert(f"nowhere-{chance.randrange(STRANGE)}", "Down")
        phase = int(second // 3)
        firing = phase % 2 == 0
        host = chance.choice(site.flapping)
        return self._alert(host, "Flaps", at=3 * phase if firing else 3 * (phase - 1), ended=None if firing else 3 * phase)  # fmt: skip

    def _alert(
        self,
        host: str,
        name: str,
        severity: str = "critical",
        at: float = 0,
        ended: float | None = None,
    ) -> dict[str, Any]:
        over = "0001-01-01T00:00:00Z" if ended is None else self._instant(ended)
        return {
            "status": "firing" if ended is None else "resolved",
            "labels": {"alertname": name, "instance": f"{host}:9100", "severity": severity, "job": "node"},
            "annotations": {"summary": f"{host}: {name}"},
            "startsAt": self._instant(at),
            "endsAt": over,
            "fingerprint": f"{host}/{name}",
        }  # fmt: skip

    def _instant(self, second: float) -> str:
        return (self._began + timedelta(seconds=second)).isoformat()

    def _post(self, alerts: Sequence[Mapping[str, Any]]) -> None:
        """Send until it is acknowledged."""
        keys = [str(alert["fingerprint"]) for alert in alerts]
        body = json.dumps({"version": "4", "alerts": alerts}).encode()
        while not self._posted(body):
            with self._lock:
                self.doubtful.update(keys)
            time.sleep(0.25)
        now = datetime.now(UTC)
        with self._lock:
            self.acknowledged.update(keys)
            for key in keys:
                self.acknowledged_at.setdefault(key, now)

    def _posted(self, body: bytes) -> bool:
        assert self._server is not None
        stamp = str(int(time.time()))
        mac = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256)
        headers = {
            "content-type": "application/json",
            "x-timestamp": stamp,
            "x-signature": f"sha256={mac.hexdigest()}",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=20)
        try:
            connection.request("POST", "/alerts/alertmanager?source=bench", body, headers)
            return connection.getresponse().status == 202
        except OSError:
            return False
        except http.client.HTTPException:
            return False
        finally:
            connection.close()

    # -- the server -------------------------------------------------------------------------------------

    def _wait_until_taken_in(self) -> None:
        while True:
            assert self._server is not None
            connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=20)
            try:
                connection.request("GET", "/readyz")
                desk = json.loads(connection.getresponse().read()).get("desk") or {}
                if desk.get("holds") and desk["backlog"] == 0:
                    return
            except (OSError, http.client.HTTPException, ValueError):
                pass
            finally:
                connection.close()
            time.sleep(0.2)

    def _rss(self) -> float:
        assert self._server is not None
        try:
            return float(psutil.Process(self._server.process.pid).memory_info().rss) / 2**20
        except psutil.Error:
            return 0.0

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            self.memory = (self.memory[0], max(self.memory[1], self._rss()))


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
