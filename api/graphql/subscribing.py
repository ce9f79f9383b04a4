"""Subscribing: who does, by now, what they may see by now, and how many at once.

What is sent is pulled from the change feed when the client can take it: one that is slow, or was away, gets
what it missed, and nothing is kept for it. Who subscribes is looked up again every few seconds, and before
each message; each message is worked out with what they may see by then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from api.access.principals import Permission
from api.context import Context
from api.graphql.errors import told
from cmdb.errors import StoreBusyError
from cmdb.store import GraphStore
from lifecycle.refusals import NotAllowedError

RECHECK: Final = 2.0
"""Seconds after which it is looked up at the latest whether a subscriber may still subscribe."""


T = TypeVar("T")


class TooManyError(StoreBusyError):
    """The server has as many subscriptions as it is set to have."""

    code = "too_many_subscriptions"


class Subscriptions:
    """The subscriptions of one process.

    Parameters
    ----------
    limit
        Most at once.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.count = limit, 0

    def enter(self) -> None:
        """One more.

        Raises
        ------
        TooManyError
        """
        if self.count >= self.limit:
            raise TooManyError(
                f"The server has its most subscriptions, {self.limit}.", "Try again later."
            )
        self.count += 1

    def leave(self) -> None:
        self.count -= 1


class Subscription:
    """One subscription: who it is for, by now, and the store as they see it."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.follower = context.services.follower

    async def call(self, work: Callable[[], T]) -> T:
        """Do work in a thread; the time of an event begins."""
        self.context.begin(stoppable=True)
        return await self.context.call(work)

    async def renewed(self) -> GraphStore:
        """The store as the subscriber sees it now.

        Raises
        ------
        UnauthenticatedError
            Their token was revoked, their session has ended.
        NotAllowedError
        """
        context = self.context
        connection = context.connection
        assert connection is not None
        base = await self.call(lambda: context.services.context(connection))
        if not base.principal.permits(Permission.SUBSCRIBE):
            raise NotAllowedError(
                f"{base.principal.name} has no permission to subscribe.",
                "An administrator can give you a role that has it.",
            )
        context.principal, context.store = base.principal, base.store
        return context.store

    async def later(self, after: int, seconds: float = RECHECK) -> bool:
        """Whether there is a revision after that number; waits for one, but no longer than a recheck."""
        found: bool = await self.follower.later(after, seconds)
        return found


Stream = Callable[[Subscription, Mapping[str, Any]], AsyncIterator[Any]]


def subscribing(stream: Stream) -> Callable[..., Awaitable[Any]]:
    """The resolver of a subscription."""

    async def resolve(_: Any, info: Any, **given: Any) -> AsyncIterator[Any]:
        context: Context = info.context

        @asynccontextmanager
        async def place() -> AsyncIterator[None]:
            context.services.subscriptions.enter()
            try:
                yield
            finally:
                context.services.subscriptions.leave()

        async def events() -> AsyncIterator[Any]:
            try:
                async with place():
                    async for event in stream(Subscription(context), given):
                        yield event
            except Exception as error:
                raise told(error, context.request_id) from None

        return events()

    return resolve
