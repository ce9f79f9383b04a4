"""Subscriptions: record changes, and the progress of imports, as they happen."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, Final, NamedTuple

import strawberry

from api.changes import Change, Kind, Watched, attribute_changes, check_revision
from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.history import attribute_change_type
from api.graphql.records import Records
from api.graphql.scalars import JSON, DateTime, Int64
from api.graphql.subscribing import Subscription, subscribing
from cmdb.reconciliation.progress import progress_of
from cmdb.revisions import Commit, Revision
from cmdb.store import GraphStore
from schema.kinds import write_datetime
from schema.model import ROOT

COMMITS: Final = 20
"""Revisions that are read together."""


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
    ]
