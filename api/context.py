"""What a request goes with: who asks, the store as they see it, and what the process shares."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from strawberry.fastapi import BaseContext

from api.access.principals import Principal
from api.access.roles import STANDARD, Limits
from api.graphql.views import Place, View, unmasked
from cmdb.queries import AsOf
from cmdb.records import Record
from cmdb.store import Deadline, GraphStore

if TYPE_CHECKING:
    from api.graphql.persisted import Served
    from api.graphql.records import Records

T = TypeVar("T")


class Context(BaseContext):
    """One request.

    Attributes
    ----------
    store
        The store as the principal sees it.
    services
        What the process shares (`api.app.Services`).
    limits
        How much one operation may ask for, by the roles of who asks.
    served
        The only operations that are run; None: any.
    connection
        By which they ask, with what they showed to sign in: a WebSocket is looked at again and again.
    outcome
        The code of the error that a mutation was answered with; empty without one.
    cost
        Of the operation, as estimated.
    deadline
        Until when the store may read for the operation, or for one event of a subscription.
    """

    def __init__(
        self,
        services: Any,
        principal: Principal,
        store: GraphStore,
        records: Records,
        request_id: str = "",
        connection: HTTPConnection | None = None,
    ) -> None:
        super().__init__()
        self.services, self.principal, self.store = services, principal, store
        self.records, self.request_id = records, request_id
        self.limits: Limits = (
            services.roles.limits(principal.roles) if services.roles is not None else STANDARD
        )
        self.served: Served | None = None
        self.connection = connection
        self.outcome = ""
        self.cost: float | None = None
        self.begin()
        self._tasks: set[asyncio.Task[Any]] = set()

    def begin(self, *, stoppable: bool = False) -> None:
        """An operation begins, or an event of a subscription: its time begins.

        Parameters
        ----------
        stoppable
            What the store reads for it may end when nobody waits for the answer: it changes nothing.
        """
        self.deadline, self._stoppable = Deadline(self.limits.seconds), stoppable

    async def call(self, work: Callable[[], T]) -> T:
        """Do work of the synchronous parts in a thread, within the time of the operation."""
        context, deadline = contextvars.copy_context(), self.deadline

        def limited() -> T:
            with deadline.held():
                return work()

        return await run_in_threadpool(context.run, limited)

    def view(self, record: Record, at: AsOf = None) -> View:
        """A record as its fields need it."""
        return View(record, self.place(at))

    def place(self, at: AsOf = None) -> Place:
        """Where records are met as of a moment."""
        return Place(at, getattr(self.store, "masked", unmasked))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work beside the request, and keep it until it is done."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self) -> None:
        """Nobody waits for the answer: leave what has not begun, and have the store leave what it reads."""
        for task in self._tasks:
            task.cancel()
        if self._stoppable:
            self.deadline.cancel()
