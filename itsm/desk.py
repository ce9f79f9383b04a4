"""What the product does by itself, all the time: of several processes one does it, by a lease.

Received alerts are taken in and become incidents, those without a CI are looked at again, flapping ends, incidents
are looked at anew when the graph has changed, and timers fire. Each of these is a *job* with its own pace. One that
fails is told of and tried again, later each time; the others go on.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from cmdb.errors import StoreError
from cmdb.leases import Lease
from cmdb.store import GraphStore
from impact.snapshots import Snapshot
from itsm.alerts.incidents import LONG_AGO, Correlator
from itsm.alerts.intake import Intake, Taken
from itsm.alerts.outcomes import ALERT
from itsm.alerts.rules import AlertRules, load_alert_rules
from itsm.opening import Seen
from itsm.refreshing import refresh
from lifecycle import timers
from lifecycle.engine import Engine
from schema.errors import CmdbError

logger = logging.getLogger(__name__)

LEASE: Final = 5.0
"""Seconds after which another process goes on where this one has died; or stalls, as all of it bears being done
twice."""
TICK: Final = 0.5
"""Seconds between two looks at what has come."""
PACES: Final = {"alerts": TICK, "calm": 20.0, "match": 60.0, "incidents": 30.0, "timers": 30.0}
"""Seconds between two runs of a job."""
WAIT: Final = (1.0, 60.0)
"""Seconds before a job that failed is tried again: twice as many each time, up to the second."""
ROUNDS: Final = 20
"""Batches of alerts that are taken in before other jobs have their turn."""


@dataclass
class Job:
    """Something that is done again and again.

    Attributes
    ----------
    work
        Does it; gives how much was done.
    due
        By the monotonic clock.
    failures
        In a row.
    """

    name: str
    work: Callable[[], int]
    pace: float
    due: float = 0.0
    failures: int = 0
    error: str = ""
    ran_at: datetime | None = None


@dataclass
class Tally:
    """What has been done since the process began."""

    received: int = 0
    opened: int = 0
    joined: int = 0
    merged: int = 0
    fired: int = 0
    matched: int = 0
    errors: int = 0


@dataclass(frozen=True)
class Condition:
    """How the desk is.

    Attributes
    ----------
    holds
        Whether this process does the work.
    backlog
        Received alerts that are not taken in yet.
    unmatched
        Alerts that fire, and whose CI is not known.
    failing
        Name of a job -> what it failed by last.
    """

    holds: bool
    backlog: int
    unmatched: int
    ran_at: datetime | None
    failing: dict[str, str] = field(default_factory=dict)


class Desk:
    """Does the jobs, as long as it runs and holds the lease.

    Parameters
    ----------
    topology
        Gives the newest topology; a snapshot of its own is read for it, unless it is given.
    clock
        Gives the instant.
    monotonic
        Seconds, for the paces.
    """

    def __init__(
        self,
        store: GraphStore,
        rules: AlertRules | None = None,
        topology: Callable[[], Seen] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store, self.rules = store, rules or load_alert_rules()
        self.tally = Tally()
        self._snapshot: Snapshot | None = None
        self._clock, self._monotonic = clock, monotonic
        self._lease = Lease(store, "desk", f"{socket.gethostname()} {os.getpid()}", LEASE)
        self._seen = topology or self._topology
        self._intake: Intake | None = None
        self._looked_at = -1
        self._waits: datetime | None = None
        self._rests_until = 0.0
        self._leased = False
        self._since = LONG_AGO
        self._asked = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        work: dict[str, Callable[[], int]] = {
            "alerts": self._alerts,
            "calm": lambda: self._taking().calm(),
            "match": self._match,
            "incidents": self._incidents,
            "timers": self._timers,
        }
        self.jobs = [Job(name, work[name], pace) for name, pace in PACES.items()]

    # -- going on by itself -----------------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._stopping = False
        self._thread = threading.Thread(target=self.run, name="desk", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End: what is under way is finished, and another process may go on at once."""
        self.stop()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def stop(self) -> None:
        """Let `run` end."""
        self._stopping = True
        self._asked.set()

    def wake(self) -> None:
        """Something was received here."""
        self._asked.set()

    def run(self) -> None:
        """Work until it is told to stop."""
        while not self._stopping:
            self._asked.clear()
            try:
                before, self._leased = self._leased, self._lease.acquire()
                if self._leased:
                    if not before:
                        self._since = self._clock()
                    self.turn()
            except StoreError as error:
                logger.warning("the desk waits", extra={"reason": error.message})
                self._asked.wait(WAIT[0])
            self._asked.wait(TICK)
        self._leased = False
        try:
            self._lease.release()
        except StoreError:
            logger.warning("the lease of the desk was not released: it ends by itself")

    def once(self) -> bool:
        """Do each job once, if no other process holds the lease; gives whether. What was received is taken
        in to the end, and it is waited until what waits for others has waited long enough."""
        self._leased = self._lease.acquire()
        if not self._leased:
            return False
        try:
            while (self.turn() or self._waits is not None) and not self._stopping:
                if not self._lease.renew():
                    break
                if self._waits is not None and not any(job.failures for job in self.jobs):
                    left = (self._waits - self._clock()).total_seconds()
                    self._asked.wait(max(0.01, min(left, LEASE / 2)))
        finally:
            self._leased = False
            self._lease.release()
        return True

    def turn(self) -> int:
        """Do what is due, each job once; gives how much was done."""
        done = 0
        for job in self.jobs:
            if not self._stopping and (job.due <= self._monotonic() or self._hurries(job)):
                done += self._do(job)
        return done

    def _hurries(self, job: Job) -> bool:
        return job.name == "alerts" and not job.failures

    def _do(self, job: Job) -> int:
        done = 0
        try:
            if ALERT in self.store.model.record_types:
                done = job.work()
            job.failures, job.error, job.ran_at = 0, "", self._clock()
            job.due = self._monotonic() + job.pace
        except Exception as error:  # nothing of it may end the server, and the others go on
            job.failures += 1
            self.tally.errors += 1
            known = isinstance(error, CmdbError)
            job.error = error.message if isinstance(error, CmdbError) else type(error).__name__
            wait = min(WAIT[1], WAIT[0] * 2.0 ** min(job.failures - 1, 30))
            job.due = self._monotonic() + wait
            logger.log(
                logging.WARNING if known else logging.ERROR,
                "a job of the desk failed",
                exc_info=None if known else error,
                extra={"job": job.name, "reason": job.error, "again_in": wait},
            )
        return done

    # -- how it is --------------------------------------------------------------------------------------

    def condition(self) -> Condition:
        """How the desk is; asks the store how much is waiting."""
        failing = {job.name: job.error for job in self.jobs if job.failures}
        held, ran_at = self._lease.held, self.jobs[0].ran_at
        if ALERT not in self.store.model.record_types:
            return Condition(held, 0, 0, ran_at, failing)
        taking = self._taking()
        return Condition(held, taking.backlog(), taking.unmatched(), ran_at, failing)

    # -- the jobs ---------------------------------------------------------------------------------------

    @cached_property
    def engine(self) -> Engine:
        """Decides and commits; made when it is needed, as a model may have to be applied first."""
        return Engine(self.store, self._clock)

    @cached_property
    def _correlator(self) -> Correlator:
        return Correlator(self.engine, self.rules, self._seen)

    def _taking(self) -> Intake:
        if self._intake is None:
            self._intake = Intake(self.engine, self.rules)
        return self._intake

    def _topology(self) -> Seen:
        if self._snapshot is None:
            self._snapshot = Snapshot(self.store)
        return self._snapshot.at()

    def _alerts(self) -> int:
        """Take in what was received, a batch at a time, and correlate after each; where more is waiting, no
        more than half of the time."""
        count = 0
        failed: Exception | None = None
        for _ in range(ROUNDS):
            begin = self._clock()
            taken = self._taking().take_in()
            if taken is not None:
                self.tally.received += taken.received
                count += taken.received
                if not self._lease_goes_on():
                    break
            try:
                if failed is None:
                    self._correlate(taken, begin)
            except Exception as error:  # what comes in is taken in all the same
                failed = error
            if taken is None or self._stopping or not self._lease_goes_on():
                break
        if failed is not None:
            raise failed
        return count

    def _correlate(self, taken: Taken | None, looked_at: datetime) -> None:
        """Make incidents, after all was taken in that had come when it was looked, or some of it."""
        begin = self._monotonic()
        if taken is not None and taken.full and begin < self._rests_until:
            return
        until = taken.at if taken is not None and taken.full else looked_at
        if until < self._since + self.rules.settle:
            until = (
                LONG_AGO  # while nobody was at work, maybe nobody could be told of others either
            )
        made = self._correlator.run(until)
        end = self._monotonic()
        self._rests_until = end + (end - begin)
        self._waits = made.next_at
        if made.alerts:
            counts = {n: v for n, v in made._asdict().items() if isinstance(v, int)}
            logger.info("alerts correlated", extra=counts)
        self.tally.opened += made.opened
        self.tally.joined += made.joined
        self.tally.merged += made.merged

    def _lease_goes_on(self) -> bool:
        """Whether the lease, if it was taken, is held on: no other has taken it since."""
        return not self._leased or self._lease.renew()

    def _match(self) -> int:
        """Look again for the CIs of unmatched alerts, where anything was committed since."""
        newest = self.store.last_revision().number
        if newest == self._looked_at:
            return 0
        found = self._taking().match_again()
        self._looked_at = newest
        self.tally.matched += found
        return found

    def _incidents(self) -> int:
        """Look at open incidents anew, where the graph has changed."""
        return len(refresh(self.engine, self._seen).changed)

    def _timers(self) -> int:
        fired = [firing for firing in timers.run(self.engine) if firing.revision is not None]
        self.tally.fired += len(fired)
        return len(fired)
