"""Following the change feed: one look at the store for a whole process, however many read on from there.

Whoever reads the feed pulls it from the store from where they are (`GraphStore.feed`), as fast as they can
take it; nothing is kept for them in memory. The follower only tells that there is more.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Final

from cmdb.errors import StoreError
from cmdb.store import GraphStore

logger = logging.getLogger(__name__)

SECONDS: Final = 0.25
"""Between two looks."""


class Follower:
    """Looks for new revisions and wakes who waits for them.

    Parameters
    ----------
    readers
        Called in its thread, each time there are new revisions: quick ones only.

    Attributes
    ----------
    revision
        The newest revision it has seen.
    """

    def __init__(
        self,
        store: GraphStore,
        readers: tuple[Callable[[], object], ...] = (),
        seconds: float = SECONDS,
    ) -> None:
        self._store, self._readers, self._seconds = store, readers, seconds
        self.revision = 0
        self._asked = threading.Event()
        self._condition = threading.Condition()
        self._sleepers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._silent = False

    def start(self) -> None:
        """Begin; the newest revision is known when this returns, if the store answers."""
        self._stopping = False
        self._look()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End, and wake everybody."""
        self._stopping = True
        self._asked.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._wake()

    def look(self) -> None:
        """Look at once: something was committed here."""
        self._asked.set()

    def wait(self, after: int, seconds: float) -> bool:
        """Wait, in a thread, for a revision after that number; gives whether there is one."""
        with self._condition:
            self._condition.wait_for(lambda: self.revision > after or self._stopping, seconds)
        return self.revision > after

    async def later(self, after: int, seconds: float) -> bool:
        """Wait, in a task, for a revision after that number; gives whether there is one."""
        sleeper = (asyncio.get_running_loop(), asyncio.Event())
        self._sleepers.add(sleeper)
        try:
            if self.revision <= after and not self._stopping:
                async with asyncio.timeout(seconds):
                    await sleeper[1].wait()
        except TimeoutError:
            pass
        finally:
            self._sleepers.discard(sleeper)
        return self.revision > after

    def _run(self) -> None:
        while not self._stopping:
            self._asked.wait(self._seconds)
            self._asked.clear()
            if not self._stopping:
                self._look()

    def _look(self) -> None:
        try:
            newest = self._store.last_revision().number
            if newest <= self.revision:
                return
            self._tell()
        except StoreError as error:
            if not self._silent:
                logger.warning("the feed cannot be followed", extra={"reason": error.message})
            self._silent = True
            return
        self._silent = False
        self.revision = newest
        self._wake()

    def _tell(self) -> None:
        for reader in self._readers:
            try:
                reader()
            except StoreError:
                raise
            except Exception:  # a defect of one reader is not to stop the others
                logger.exception("a reader of the feed failed")

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify_all()
        for loop, event in list(self._sleepers):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)
