"""A storm of alerts while the process that takes them in is killed, again and again: none is lost or counted twice."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from cmdb.change_sets import Operation, Relate
from cmdb.integrity import check
from cmdb.store import create_store
from tests.support.alerting import Monitoring
from tests.support.building import commit
from tests.support.observing import shipped_model
from tests.support.service_desk import IN_USE

HOSTS = 120
BATCH = 25
KILLS = 2


@contextmanager
def working(url: str) -> Iterator[subprocess.Popen[str]]:
    """A desk in a process of its own, that has begun; killed in the end."""
    command = [sys.executable, "-m", "tests.support.desking", url, str(BATCH)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("taken")
            yield process
        finally:
            process.kill()


def test_a_storm_in_which_the_desk_is_killed(url: str) -> None:
    chance = random.Random(7)
    with create_store(url, shipped_model()) as store:
        lab = Monitoring.make(store, today=True)
        hosts = [f"host{n}" for n in range(HOSTS)]
        operations: list[Operation] = [
            lab.create("Server", host, hostname=host, **IN_USE) for host in hosts
        ]
        operations += [Relate(lab.ids[host], "UPLINKED_TO", lab.ids["sw1"]) for host in hosts]
        commit(store, *operations)
        told: Counter[str] = Counter()
        alerts = {host: lab.alert(host) for host in hosts}

        def send() -> None:
            some = chance.sample(hosts, 30)
            lab.send(*(alerts[host] for host in some))
            told.update(some)

        lab.send(alerts["host0"])
        told["host0"] += 1
        for _ in range(KILLS):
            with working(url):
                for _ in range(4):
                    send()
                end = time.perf_counter() + chance.random() / 2
                while time.perf_counter() < end:
                    send()
        lab.send(*alerts.values())  # each at least once
        told.update(hosts)
        with working(url) as process:
            assert process.stdout is not None
            while lab.desk.condition().backlog or any(
                alert.attributes.get("opens_at") for alert in lab.alerts().values()
            ):
                process.stdout.readline()
        found = {key.removesuffix("/Down"): alert for key, alert in lab.alerts().items()}
        assert {host: a.attributes["occurrences"] for host, a in found.items()} == dict(told)
        [(causes, reported)] = lab.shown()
        assert (causes, sorted(reported)) == (["sw1"], sorted(hosts))
        assert list(check(store)) == []
