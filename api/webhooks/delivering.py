"""Delivering what one webhook waits for, in order, one message at a time.

A message is acknowledged by any answer of 200 to 299; then the position is kept, before the next is sent. A
process that dies in between sends that one message again: receivers know it by its ``webhook-id``.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol

from api.changes import Change
from api.webhooks.messages import Message, headers, message
from api.webhooks.owners import Owners
from api.webhooks.registry import ACTIVE, SUSPENDED, Position, Registry, watched
from api.webhooks.targets import Answer, Sender
from cmdb.errors import QueryError
from cmdb.records import Record
from cmdb.revisions import Commit
from lifecycle.refusals import NotAllowedError
from schema.errors import UnknownNameError
from schema.model import STATE_ATTRIBUTE

logger = logging.getLogger(__name__)

ROUND: Final = 10.0
"""Seconds after which others have their turn."""
COMMITS: Final = 10
"""Revisions that are read together: no reading stays open while a target is waited for."""
IDLE: Final = float("inf")
REFUSED: Final = (QueryError, UnknownNameError, NotAllowedError)
"""A filter that can be asked no longer."""
SYSTEM: Final = "system"


class Policy(NamedTuple):
    """What happens where a target fails.

    Attributes
    ----------
    attempts
        After so many a message is a dead letter.
    first, most
        Seconds before the second attempt; twice as many before each that follows, up to the most.
    suspend_after
        Seconds after which a webhook of which nothing was acknowledged is suspended.
    """

    attempts: int = 10
    first: float = 2.0
    most: float = 1_800.0
    suspend_after: float = 86_400.0

    def delay(self, attempts: int) -> float:
        """Seconds until the next attempt: a random part of it, so that targets are not hit together."""
        whole = min(self.most, self.first * 2.0 ** min(attempts - 1, 30))
        return whole * random.uniform(0.5, 1)  # noqa: S311


class Deliveries(Protocol):
    """Counts deliveries."""

    def delivery(self, outcome: str) -> None: ...


class LostError(Exception):
    """Another process delivers, or the webhook was changed: begin anew."""


class Courier:
    """Delivers webhooks, each when it is asked to.

    Parameters
    ----------
    may_send
        Asked before each message.
    """

    def __init__(
        self,
        registry: Registry,
        owners: Owners,
        sender: Sender,
        policy: Policy,
        watching: Deliveries,
        may_send: Callable[[], bool] = lambda: True,
    ) -> None:
        self.registry, self.owners, self.sender = registry, owners, sender
        self.policy, self.watching, self.may_send = policy, watching, may_send

    def run(self, id: str) -> float:
        """Deliver for a while; gives after how many seconds to go on: `IDLE` when something new comes."""
        try:
            return _Round(self, id).run()
        except LostError:
            return self.policy.first


class _Round:
    def __init__(self, courier: Courier, id: str) -> None:
        self.courier, self.id = courier, id
        self.registry = courier.registry
        self.store = self.registry.store
        self.until = time.monotonic() + ROUND

    def run(self) -> float:
        webhook = self._webhook()
        if webhook is None:
            return IDLE
        self.position, self.raw = self.registry.position(webhook)
        if (left := self.position.next_at - time.time()) > 0:
            return left
        self._letters(webhook)
        after = self.position.revision - 1
        commits = list(self.store.feed(after, after + COMMITS))
        for count, commit in enumerate(commits, 1):
            if (webhook := self._webhook()) is None:
                return IDLE
            if not self._deliver(webhook, commit):
                return max(0.0, self.position.next_at - time.time())
            moved = self.position._replace(revision=commit.revision.number + 1, record="")
            self.position = moved
            if time.monotonic() > self.until or count == COMMITS:
                self._save(moved)
                return 0.0
        if self.position.revision - 1 > after:
            self._save(self.position)
        return IDLE

    def _webhook(self) -> Record | None:
        webhook = self.store.get([self.id]).get(self.id)
        active = webhook is not None and webhook.attributes[STATE_ATTRIBUTE] == ACTIVE
        return webhook if active else None

    def _deliver(self, webhook: Record, commit: Commit) -> bool:
        """Deliver what a revision gives; gives whether all of it is done."""
        if not watched(webhook.attributes).touched(self.store.model, commit):
            return True
        view = self.courier.owners.views(webhook)
        if view is None:
            self._suspend("The account may not subscribe, or is locked or closed.")
            return False
        try:
            for change in self._changes(webhook, commit, view):
                told = message(self.store.model, commit.revision, change)
                if not self._delivered(webhook, told, change.id):
                    return False
        except REFUSED as error:
            self._suspend(error.message)
            return False
        return True

    def _changes(
        self, webhook: Record, commit: Commit, view: Callable[[], object]
    ) -> Iterator[Change]:
        said = webhook.attributes
        begun = commit.revision.number == self.position.revision
        behind = self.position.record if begun else ""
        for change in watched(said).changes(view(), commit):  # type: ignore[arg-type]
            if change.id > behind and change.kind.value in said["watched_events"]:
                yield change

    def _delivered(self, webhook: Record, told: Message, record: str) -> bool:
        """Send a message, and keep what came of it; gives whether to go on with the next."""
        answer = self._send(webhook, told)
        revision, now = int(told.id.partition("-")[0]), time.time()
        done = Position(revision, record, delivered_at=self.position.delivered_at)
        if not answer.error:
            self._save(done._replace(delivered_at=now))
            return True
        failing = self.position.failing_since or now
        failed = self.position._replace(
            revision=revision,
            record=self.position.record if revision == self.position.revision else "",
            attempts=self.position.attempts + 1,
            failing_since=failing,
            error=answer.error,
        )
        if answer.gone or now - failing >= self.courier.policy.suspend_after:
            self._save(failed)
            self._suspend(answer.error)
            return False
        if failed.attempts >= self.courier.policy.attempts:
            self.registry.give_up(self.id, told, answer.error)
            self.courier.watching.delivery("given_up")
            self._save(done._replace(failing_since=failing, error=answer.error))
            return True
        self._save(failed._replace(next_at=now + self.courier.policy.delay(failed.attempts)))
        return False

    def _letters(self, webhook: Record) -> None:
        """Send once more what was asked for, each once."""
        if (asked := self.registry.again().get(self.id)) is None:
            return
        while letters := self.registry.letters(self.id, again=True):
            for letter in letters:
                answer = self._send(webhook, letter.message)
                self.registry.sent_again(self.id, letter, answer.error)
        self.registry.no_more(self.id, asked)

    def _send(self, webhook: Record, told: Message) -> Answer:
        if not self.courier.may_send():
            raise LostError
        said = webhook.attributes
        head = headers(said["signing_key"], told, datetime.now(UTC))
        answer = self.courier.sender.send(said["target_url"], head, told.body)
        self.courier.watching.delivery("failed" if answer.error else "delivered")
        return answer

    def _save(self, position: Position) -> None:
        raw = self.registry.save(self.id, self.raw, position)
        if raw is None:
            raise LostError
        self.position, self.raw = position, raw

    def _suspend(self, why: str) -> None:
        self._save(self.position._replace(error=why))
        self.registry.update(SYSTEM, self.id, {STATE_ATTRIBUTE: SUSPENDED}, f"suspended: {why}")
        logger.warning("a webhook was suspended", extra={"webhook": self.id, "reason": why})
