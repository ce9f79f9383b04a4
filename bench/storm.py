"""A minute of alerts, sent to a server that is killed in between.

Of the estate some CIs have troubles of their own, which are repeated all the time; some alerts are only warnings,
some flap, some are about nothing that is known. In the middle comes a storm. What was not acknowledged is sent
again, as monitoring tools do.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psutil

from tests.support.api_process import Served, served

RATE: Final = 1_000
SECONDS: Final = 60
GROUP: Final = 50
SENDERS: Final = 4
STORM_AT, STORM_FOR = 10, 10
"""Seconds: when it begins, and within which its alarms come."""
KILLED_AT: Final = 17
STRANGE: Final = 20
SECRET: Final = "bench"  # noqa: S105


@dataclass
class Site:
    """What the storm is about, and what else has troubles."""

    switch: str = ""
    terminals: list[str] = field(default_factory=list)
    troubled: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    flapping: list[str] = field(default_factory=list)


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
    processor
        Seconds that it took of a processor, from before the storm on.
    """

    def __init__(self, folder: Path, url: str, site: Site) -> None:
        self.folder, self.url, self.site = folder, url, site
        self.acknowledged, self.doubtful = Counter[str](), Counter[str]()
        self.acknowledged_at: dict[str, datetime] = {}
        self.absent = (datetime.max.replace(tzinfo=UTC),) * 2
        self.drained = 0.0
        self.memory = (0.0, 0.0)
        self.processor = 0.0
        self._lock = threading.Lock()
        self._server: Served | None = None
        self._began = datetime.now(UTC).replace(microsecond=0)
        self._stop = threading.Event()

    def run(self) -> None:
        """Send all of it."""
        with ExitStack() as stack:
            self._server = stack.enter_context(self._serve())
            self._post([self._alert(self.site.troubled[0], "Down")])
            self._wait_until_taken_in()
            time.sleep(10)  # until it is in an incident: the topology was read for that
            before = self._rss()
            self.processor -= self._seconds()
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
            self.processor += self._seconds()
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
        self.processor += self._seconds()
        self._server.process.kill()
        self._server.process.wait()
        self._server = stack.enter_context(self._serve())
        self.absent = (killed, datetime.now(UTC))
        self.processor -= self._seconds()  # starting is not what is measured

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
        each = len(storm) * GROUP // RATE // STORM_FOR
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

    def _seconds(self) -> float:
        """What the server has taken of a processor."""
        assert self._server is not None
        times = psutil.Process(self._server.process.pid).cpu_times()
        return float(times.user + times.system)

    def _watch(self) -> None:
        while not self._stop.wait(0.2):
            self.memory = (self.memory[0], max(self.memory[1], self._rss()))
