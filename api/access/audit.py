"""Who did or tried what, from where, with what result: kept in the journal ``audit``.

What was changed, and by whom, is in the revisions already; here are the attempts: sign-ins, refusals, changes
that were asked for, tokens, roles. Entries are gathered for at most a second and written together. Secrets
are never among them: what is noted are names, not values.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Self

import orjson

from api.access.accounts import now
from api.access.principals import Permission, Principal
from api.logs import scrub
from cmdb.leases import Lease
from cmdb.store import GraphStore
from cmdb.store.base import Entry
from lifecycle.refusals import NotAllowedError
from schema.errors import CmdbError
from schema.kinds import parse_datetime, write_datetime
from schema.model import ORGANISATION_TREE

logger = logging.getLogger(__name__)

JOURNAL: Final = "audit"
SECONDS: Final = 1.0
WAITING: Final = 100_000
"""Entries that wait while the store is away; what comes then is only logged."""
TOGETHER: Final = 1_000
LONGEST: Final = 500
"""Characters of one value of an entry."""
DONE, REFUSED = "done", "refused"
BEARER: Final = "token"
"""What is noted of a bad access token."""
REFUSALS: Final = frozenset({"not_allowed", "unauthenticated", "throttled"})
"""Codes of errors that are noted, whatever was asked for."""
TRIMMED_EVERY: Final = 3_600.0
"""Seconds."""


class Noted(NamedTuple):
    """One entry.

    Attributes
    ----------
    who
        A user name; empty where nobody knows.
    what
        ``sign_in``, ``mutation``, ``token_create`` …
    subject
        What it was done to: an account, a record, an operation.
    result
        ``done``, or the code of the error that it ended in.
    """

    number: int
    at: datetime
    who: str
    what: str
    subject: str
    result: str
    address: str
    by: str
    detail: str


@dataclass(frozen=True)
class Filter:
    """Which entries: each that is given must hold. ``refused`` means any result but ``done``."""

    who: str = ""
    what: str = ""
    result: str = ""
    address: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def holds(self, entry: Noted) -> bool:
        return (
            self.who in ("", entry.who)
            and self.what in ("", entry.what)
            and self.address in ("", entry.address)
            and (
                self.result in ("", entry.result)
                or (self.result == REFUSED != entry.result != DONE)
            )
            and (self.since is None or entry.at >= self.since)
            and (self.until is None or entry.at < self.until)
        )


class Audit:
    """Writes entries, from a thread of its own while it is started.

    Parameters
    ----------
    clock
        Tells the time.
    keep
        How long entries are kept; None: for ever.
    told
        Called with what is noted, and its result: measures it.
    """

    def __init__(
        self,
        store: GraphStore,
        clock: Callable[[], datetime] = now,
        keep: timedelta | None = None,
        told: Callable[[str, str], object] = lambda *_: None,
    ) -> None:
        self._store, self._clock = store, clock
        self._keep, self.told = keep, told
        self._just: set[bytes] = set()
        self._trimmed = float("-inf")
        self._entries: deque[bytes] = deque()
        self._works: dict[str, Callable[[], object]] = {}
        self._writing = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def note(
        self,
        who: str | Principal,
        what: str,
        result: str = DONE,
        *,
        subject: str = "",
        address: str = "",
        detail: str = "",
        seldom: bool = False,
    ) -> None:
        """Note something. It returns at once; where the thread does not run, when it is written.

        Parameters
        ----------
        seldom
            Not again within a second, if it says the same: what anybody may make happen as often as
            they like does not fill the journal.
        """
        self.told(what, result)
        known = who if isinstance(who, Principal) else None
        said = {
            "who": known.name if known else str(who),
            "what": what,
            "result": result,
            "subject": subject,
            "address": address or (known.address if known else ""),
            "by": known.by if known else "",
            "detail": scrub(detail),
        }
        short = {name: value[:LONGEST] for name, value in said.items() if value}
        if seldom and self._noted_just(orjson.dumps(short)):
            return
        short["at"] = write_datetime(self._clock())
        if len(self._entries) >= WAITING:
            logger.error("audit entry not kept", extra=short)
        else:
            self._entries.append(orjson.dumps(short))
        if self._thread is None:
            self.flush()

    def _noted_just(self, entry: bytes) -> bool:
        """Whether the same was noted since entries were last written."""
        before = len(self._just)
        self._just.add(entry)
        return len(self._just) == before

    def beside(self, name: str, work: Callable[[], object]) -> None:
        """Do small work within a second, beside requests; a later one of the same name replaces it."""
        self._works[name] = work
        if self._thread is None:
            self.flush()

    def flush(self) -> None:
        """Write what waits, and do what was left for later. A store that is away is asked again."""
        with self._writing:
            self._just.clear()
            try:
                while self._works:
                    self._works.popitem()[1]()
                while batch := [*self._entries][:TOGETHER]:
                    self._store.append(JOURNAL, batch)
                    for _ in batch:
                        self._entries.popleft()
            except CmdbError as error:
                logger.warning("audit waits: %s", error)
            except Exception:
                logger.exception("audit waits")

    def start(self) -> None:
        """Begin to write from a thread."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write the rest, and stop."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None
        self.flush()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        lease = Lease(self._store, JOURNAL, "audit", 2 * TRIMMED_EVERY)
        while not self._stop.wait(SECONDS):
            self.flush()
            if self._keep is not None and time.monotonic() - self._trimmed >= TRIMMED_EVERY:
                self._trimmed = time.monotonic()
                self._trim(lease, self._keep)

    def _trim(self, lease: Lease, keep: timedelta) -> None:
        """Forget old entries, if no other process does so."""
        try:
            if lease.acquire():
                trim_audit(self._store, self._clock() - keep)
        except CmdbError as error:
            logger.warning("audit is not trimmed: %s", error)
        except Exception:
            logger.exception("audit is not trimmed")


def trim_audit(store: GraphStore, before: datetime) -> int:
    """Forget the entries that are older than an instant; gives the number of the last of them, or 0."""
    upto = 0
    while page := store.journal(JOURNAL, upto, TOGETHER):
        old = [entry.number for entry in page if _read(entry).at < before]
        upto = max([upto, *old])
        if len(old) < len(page):
            break
    if upto:
        store.trim(JOURNAL, upto)
    return upto


def read_audit(
    store: GraphStore,
    principal: Principal,
    wanted: Filter = Filter(),
    first: int = 100,
    before: int | None = None,
) -> list[Noted]:
    """Entries, newest first; ``before`` continues: only those of a lower number.

    Costs with the entries that are passed over.

    Raises
    ------
    NotAllowedError
        Entries belong to no organisation: they are for who may `audit` everywhere, or in an organisation
        that has none above it.
    """
    _check_reader(store, principal)
    found: list[Noted] = []
    for entry in _backwards(store, before):
        noted = _read(entry)
        if wanted.since is not None and noted.at < wanted.since:
            break
        if wanted.holds(noted):
            found.append(noted)
            if len(found) == first:
                break
    return found


def _check_reader(store: GraphStore, principal: Principal) -> None:
    roots = principal.roots(Permission.AUDIT)
    if roots is not None:
        below = {near.of for near in store.neighbours(roots, [ORGANISATION_TREE], "out")}
        if not roots - below:
            raise NotAllowedError(
                f"{principal.name} may not read the audit of everybody.",
                "Somebody may who is an auditor of the organisation at the top.",
            )


def _backwards(store: GraphStore, before: int | None) -> Iterator[Entry]:
    upto = store.append(JOURNAL, ()) if before is None else before - 1
    while upto > 0:
        after = max(0, upto - TOGETHER)
        entries = store.journal(JOURNAL, after, upto - after)
        kept = [entry for entry in entries if entry.number <= upto]
        if not kept and not after:
            return
        yield from reversed(kept)
        upto = after


def _read(entry: Entry) -> Noted:
    said: Mapping[str, Any] = orjson.loads(entry.value)
    words = (said.get(name, "") for name in Noted._fields[2:])
    return Noted(entry.number, parse_datetime(said["at"]), *words)
