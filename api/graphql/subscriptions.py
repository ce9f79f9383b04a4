"""Subscriptions: record changes, the progress of imports, and what an outage would do, as they change.

What is sent is pulled from the change feed when the client can take it: one that is slow, or was away, gets
what it missed, and nothing is kept for it. Who subscribes is looked up again every few seconds, and before
each message; each message is worked out with what they may see by then.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar

import strawberry

from api.access.principals import Permission
from api.changes import Change, Kind, Watched, attribute_changes, check_revision
from api.context import Context
from api.graphql.errors import told
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.history import attribute_change_type
from api.graphql.impact.finding import Finding
from api.graphql.records import Records
from api.graphql.scalars import JSON, DateTime, Int64
from cmdb.errors import QueryError, StoreBusyError
from cmdb.reconciliation.progress import progress_of
from cmdb.revisions import Commit, Revision
from cmdb.store import GraphStore
from impact.analysis import Affected
from impact.reports import is_service
from impact.rules import Effect
from lifecycle.refusals import NotAllowedError
from schema.kinds import write_datetime
from schema.model import ROOT

RECHECK: Final = 2.0
"""Seconds after which it is looked up at the latest whether a subscriber may still subscribe."""
COMMITS: Final = 20
"""Revisions that are read together."""
EFFECTS: Final = {e.word: e for e in Effect if e is not Effect.NONE}
SUBSCRIPTION: Final = "subscription"

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


# -- record changes -----------------------------------------------------------------------------------


class ChangedTogether(NamedTuple):
    """What one revision changed of what is watched."""

    revision: Revision
    changes: list[tuple[Change, Context]]


async def _record_changes(
    subscription: Subscription, given: Mapping[str, Any]
) -> AsyncIterator[ChangedTogether]:
    context = subscription.context
    watched = Watched(given["type"], given.get("where"), given.get("organisation"))
    store = await subscription.renewed()
    await context.call(lambda: watched.check(store))
    after = given.get("after")
    if after is None:
        after = (await context.call(store.last_revision)).number
    else:
        known: int = after
        await context.call(lambda: check_revision(store, known))
    while True:
        for commit in await _next(subscription, after):
            after = commit.revision.number
            if not watched.touched(context.services.store.model, commit):
                continue
            store = await subscription.renewed()
            changes = await _changes(context, store, watched, commit)
            if changes:
                pairs = [(change, context) for change in changes]
                yield ChangedTogether(commit.revision, pairs)
        while not await subscription.later(after):
            await subscription.renewed()


async def _next(subscription: Subscription, after: int) -> list[Commit]:
    """The next revisions of the store itself."""
    store: GraphStore = subscription.context.services.store
    return await subscription.call(
        lambda: list(islice(store.feed(after, after + COMMITS), COMMITS))
    )


async def _changes(
    context: Context, store: GraphStore, watched: Watched, commit: Commit
) -> list[Change]:
    return await context.call(lambda: list(watched.changes(store, commit)))


def _changed_record_type(records: Records) -> type:
    values = enum.Enum("ChangeKind", {kind.value: kind.value for kind in Kind})  # type: ignore[misc]
    kind = strawberry.enum(values, description="What happened to a record.")

    def view(pair: tuple[Change, Context]) -> Any:
        change, context = pair
        return context.view(change.after, change.at) if change.after is not None else None

    def attributes(pair: tuple[Change, Context]) -> list[Any]:
        change, context = pair
        return list(attribute_changes(context.store.model, change))

    return make_type(
        "ChangedRecord",
        [
            model_field("id", strawberry.ID, read=lambda p: p[0].id),
            model_field("type", str, read=lambda p: p[0].record.type),
            model_field(
                "kind",
                kind,
                "Created; changed; entered: it matches now and did not; left: the other way round.",
                read=lambda p: p[0].kind.value,
            ),
            model_field("attributes", list[attribute_change_type()], read=attributes),  # type: ignore[misc]
            model_field(
                "record",
                records.lazy(ROOT) | None,
                "As of the revision; null where you do not see it any more.",
                read=view,
            ),
        ],
        description="One record that a revision changed.",
    )


def _record_changes_type(records: Records) -> type:
    return make_type(
        "RecordChanges",
        [
            model_field(
                "revision",
                Int64,
                "The last one received is what to give as `after`.",
                read=lambda e: e.revision.number,
            ),
            model_field("at", DateTime, read=lambda e: write_datetime(e.revision.at)),
            model_field("actor", str, read=lambda e: e.revision.actor),
            model_field("source", str, read=lambda e: e.revision.source),
            model_field("reason", str, read=lambda e: e.revision.reason),
            model_field(
                "changes",
                list[_changed_record_type(records)],  # type: ignore[misc]
                read=lambda e: e.changes,
            ),
        ],
        description="What one revision changed of what is watched: all of it.",
    )


# -- imports --------------------------------------------------------------------------------------------

PROGRESS_SECONDS: Final = 0.5


async def _import_progress(
    subscription: Subscription, given: Mapping[str, Any]
) -> AsyncIterator[Mapping[str, Any]]:
    context, source = subscription.context, given["source"]
    store: GraphStore = context.services.store
    told_last: Any = None
    while True:
        await subscription.renewed()
        found = await context.call(lambda: progress_of(store, source))
        if found is not None and found != told_last:
            told_last = found
            yield {"source": source, **found}
        # What is beside the revisions is not in the feed.
        await subscription.later(subscription.follower.revision, PROGRESS_SECONDS)


@cache
def _progress_type() -> type:
    return make_type(
        "ImportProgress",
        [
            model_field("source", str, read=lambda p: p["source"]),
            model_field("state", str, "`running`, `done` or `failed`.", read=lambda p: p["state"]),
            model_field("statements", Int64, "Done so far.", read=lambda p: p["statements"]),
            model_field("begunAt", DateTime, read=lambda p: p["begun"]),
            model_field(
                "at",
                DateTime,
                "When this was noted; long ago where its process has died.",
                read=lambda p: p["at"],
            ),
        ],
        description="How far a run of a source is, in whatever process it runs.",
    )


# -- impact ---------------------------------------------------------------------------------------------


class Summary(NamedTuple):
    """What an outage would do, as of a revision."""

    revision: int
    counts: tuple[tuple[str, int], ...]
    services: tuple[tuple[Affected, str], ...]


async def _impact_changes(
    subscription: Subscription, given: Mapping[str, Any]
) -> AsyncIterator[Summary]:
    effect = EFFECTS.get(given["effect"])
    ids: list[str] = given["of"]
    if effect is None or not 0 < len(ids) <= 100:
        raise QueryError(
            f"An effect is one of {', '.join(EFFECTS)}, of 1 to 100 records.", "Write `down`."
        )
    context, last = subscription.context, None
    while True:
        store = await subscription.renewed()
        summary = await _summary(context, store, dict.fromkeys(ids, effect))
        if last is None or summary[1:] != last[1:]:
            yield summary
        last = summary
        while not await subscription.later(summary.revision):
            await subscription.renewed()


async def _summary(context: Context, store: GraphStore, roots: Mapping[str, Effect]) -> Summary:
    def worked_out() -> Summary:
        finding = Finding(context)
        finding.records(list(roots))
        outage = finding.outage(roots, None, None)
        services = [a for a in outage.affected if is_service(store.model, a.type)]
        seen = store.get([a.id for a in services])
        shown = tuple((a, seen[a.id].name) for a in services if a.id in seen)
        return Summary(outage.at, tuple((e, n) for e, n in outage.counts().items() if n), shown)

    return await context.call(worked_out)


@cache
def _summary_type() -> type:
    count = make_type(
        "OutageCount",
        [
            model_field("effect", str, read=lambda c: c[0]),
            model_field("count", int, read=lambda c: c[1]),
        ],
    )
    service = make_type(
        "AffectedService",
        [
            model_field("id", strawberry.ID, read=lambda s: s[0].id),
            model_field("type", str, read=lambda s: s[0].type),
            model_field("name", str, read=lambda s: s[1]),
            model_field("effect", str, read=lambda s: s[0].effect),
        ],
    )
    return make_type(
        "ImpactSummary",
        [
            model_field("revision", Int64, read=lambda s: s.revision),
            model_field("counts", list[count], read=lambda s: s.counts),  # type: ignore[valid-type]
            model_field("services", list[service], read=lambda s: s.services),  # type: ignore[valid-type]
        ],
        description="What an outage would do: affected records by effect, and the services among them.",
    )


def subscription_fields(records: Records) -> list[ModelField]:
    return [
        model_field(
            "recordChanges",
            _record_changes_type(records),
            "What each revision changes of the records that a filter describes, one message a revision.",
            arguments=[
                argument("type", str, default=ROOT),
                argument("where", JSON | None, "In the form that every door takes."),
                argument("organisation", strawberry.ID | None),
                argument(
                    "after",
                    Int64 | None,
                    "The last revision received: go on behind it, without gaps. From now on, if left out.",
                ),
            ],
            resolve=subscribing(_record_changes),
        ),
        model_field(
            "importProgress",
            _progress_type(),
            "How far imports of a source are: what is known now, then each step.",
            arguments=[argument("source", str)],
            resolve=subscribing(_import_progress),
        ),
        model_field(
            "impactChanges",
            _summary_type(),
            "What an outage of some records would do: now, and again whenever that changes.",
            arguments=[
                argument("of", list[strawberry.ID]),
                argument("effect", str, "`down`, `degraded` or `at_risk`.", default="down"),
            ],
            resolve=subscribing(_impact_changes),
        ),
    ]


__all__ = ["Subscriptions", "subscription_fields"]
