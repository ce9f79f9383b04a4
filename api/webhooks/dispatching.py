"""Of several processes one delivers webhooks, by a lease: each webhook in order, several at a time."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from api.follower import Follower
from api.settings import Settings
from api.webhooks.delivering import IDLE, Courier, Deliveries, Policy
from api.webhooks.owners import Owners
from api.webhooks.registry import Registry
from api.webhooks.targets import Sender
from cmdb.errors import StoreError
from cmdb.leases import Lease
from cmdb.records import Record
from cmdb.store import GraphStore

logger = logging.getLogger(__name__)

LEASE: Final = 10.0
"""Seconds after which another process goes on where this one has died."""
TICK: Final = 0.25
LOOK: Final = 1.0
"""Seconds between looks at what is not in the feed: the lease, dead letters to be sent again."""
AT_ONCE: Final = 8
AFTER_DEFECT: Final = 60.0


class Dispatcher:
    """Delivers webhooks as long as it runs and holds the lease."""

    def __init__(
        self,
        store: GraphStore,
        owners: Owners,
        follower: Follower,
        settings: Settings,
        watching: Deliveries,
        policy: Policy = Policy(),  # noqa: B008
    ) -> None:
        self.registry = Registry(store)
        self.sender = Sender(settings.webhook_private_targets)
        self.courier = Courier(
            self.registry, owners, self.sender, policy, watching, may_send=self._may_send
        )
        self._follower = follower
        self._lease = Lease(store, "webhooks", f"{socket.gethostname()} {os.getpid()}", LEASE)
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._running: dict[str, tuple[Future[float], int]] = {}
        self._due: dict[str, float] = {}
        self._known: dict[str, Record] = {}
        self._known_at = self._looked = -1.0
        self._holds = False

    def start(self) -> None:
        """Begin."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End: deliveries under way are finished, and another process may go on at once."""
        self._stopping = True
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def position(self) -> int:
        """Up to which revision everything is delivered, as far as this process delivers."""
        if not self._holds or not self._known:
            return self._follower.revision
        positions = [self.registry.position(hook)[0].revision - 1 for hook in self._known.values()]
        return min(positions)

    def _may_send(self) -> bool:
        return not self._stopping and self._lease.held

    def _run(self) -> None:
        with ThreadPoolExecutor(AT_ONCE, "webhook") as pool:
            while not self._stopping or self._running:
                seen = self._follower.revision
                try:
                    self._step(pool)
                except StoreError as error:
                    logger.warning("webhooks wait", extra={"reason": error.message})
                if not self._stopping:
                    self._follower.wait(seen, TICK)
                elif self._running:
                    time.sleep(TICK / 10)
        try:
            self._lease.release()
        except StoreError:
            logger.warning("the lease of webhooks was not released: it ends by itself")

    def _step(self, pool: ThreadPoolExecutor) -> None:
        now = time.monotonic()
        self._gather(now)
        look = now - self._looked >= LOOK
        if look:
            self._looked = now
            held, self._holds = self._holds, self._lease.acquire()
            if self._holds and not held:
                self._due, self._known_at = {}, -1
        if not self._holds or self._stopping:
            return
        revision = self._follower.revision
        if revision != self._known_at:
            self._known, self._known_at = self.registry.active(), revision
            for id in self._known:
                if self._due.get(id, IDLE) == IDLE:
                    self._due[id] = now
        if look:
            for id in self.registry.again().keys() & self._known.keys():
                self._due[id] = now
        for id in self._known:
            if self._due[id] <= now and id not in self._running:
                self._running[id] = pool.submit(self.courier.run, id), revision

    def _gather(self, now: float) -> None:
        """Take note of what has ended, and when to go on."""
        for id in [id for id, (future, _) in self._running.items() if future.done()]:
            future, revision = self._running.pop(id)
            error = future.exception()
            if error is None:
                after = future.result()
                if self._follower.revision > revision and after == IDLE:
                    after = 0.0  # more has come meanwhile
            elif isinstance(error, StoreError):
                after = LOOK
            else:
                logger.error("a defect in a webhook", exc_info=error, extra={"webhook": id})
                after = AFTER_DEFECT
            self._due[id] = now + after
