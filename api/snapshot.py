"""The topology of the store in memory: one a process, read by all requests, kept fresh from the feed."""

from __future__ import annotations

import logging
import threading

from cmdb.store import GraphStore
from impact.snapshots import Snapshot
from impact.topology import Topology
from impact.views import View

logger = logging.getLogger(__name__)


class SharedSnapshot:
    """What impact analysis reads, for any number of threads.

    One thread at a time brings it up to date; what it gives is not changed any more. Nothing is read
    before the first question, or `prepare`.

    Parameters
    ----------
    store
        The store itself: failure travels through what somebody may not see, too.
    """

    def __init__(self, store: GraphStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._builder: threading.Thread | None = None
        self._starting = threading.Lock()

    @property
    def ready(self) -> bool:
        """Whether it has been read, so that a question costs what has changed since the last."""
        return self._snapshot is not None

    def prepare(self) -> None:
        """Read it beside other work, unless that was begun."""
        with self._starting:
            if self._builder is None and not self.ready:
                self._builder = threading.Thread(target=self._build, name="topology", daemon=True)
                self._builder.start()

    def at(self, revision: int | None = None) -> tuple[Topology, View]:
        """What held at a revision, or holds now; waits until it has been read."""
        with self._lock:
            return self._read().shared(revision)

    def close(self) -> None:
        """Wait for what was begun."""
        with self._starting:
            if self._builder is not None:
                self._builder.join()

    def _build(self) -> None:
        try:
            with self._lock:
                self._read()
        except Exception:  # the next question tries again, and tells
            logger.exception("The topology could not be read.")
            self._builder = None

    def _read(self) -> Snapshot:
        if self._snapshot is None:
            self._snapshot = Snapshot(self._store)
        return self._snapshot
