"""Subscriptions to impact: what an outage would do, and what an incident hits, as that changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Final, NamedTuple

import strawberry

from api.changes import check_revision
from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.impact.finding import Finding
from api.graphql.records import Records
from api.graphql.scalars import Int64
from api.graphql.subscribing import Subscription, subscribing
from cmdb.errors import NotFoundError, QueryError
from impact.analysis import Affected
from impact.reports import is_service
from impact.rules import Effect

EFFECTS: Final = {e.word: e for e in Effect if e is not Effect.NONE}


class Summary(NamedTuple):
    """What an outage would do, as of a revision."""

    revision: int
    counts: tuple[tuple[str, int], ...]
    services: tuple[tuple[Affected, str], ...]


Roots = Callable[[Finding], Mapping[str, Effect]]
"""What has happened to which CIs, at the moment of a question; NotFoundError where that is not seen."""


async def changing(
    subscription: Subscription, roots: Roots, after: int | None
) -> AsyncIterator[Summary]:
    """What an outage does, and again whenever that is another answer; since a revision, if one is given."""
    context, last = subscription.context, None
    if after is not None:
        store, known = await subscription.renewed(), after
        await context.call(lambda: check_revision(store, known))
        with suppress(NotFoundError):  # it was not there, and so nothing of it was told
            last = await context.call(lambda: _summary(context, roots, known))
    while True:
        await subscription.renewed()
        summary = await context.call(lambda: _summary(context, roots))
        if last is None or summary[1:] != last[1:]:
            yield summary
        last = summary
        while not await subscription.later(summary.revision):
            await subscription.renewed()


def _summary(context: Context, roots: Roots, at: int | None = None) -> Summary:
    finding, store = Finding(context, at), context.store
    outage = finding.outage(roots(finding), finding.at, None)
    services = [a for a in outage.affected if is_service(store.model, a.type)]
    seen = store.get([a.id for a in services], finding.at) if services else {}
    shown = tuple((a, seen[a.id].name) for a in services if a.id in seen)
    return Summary(outage.at, tuple((e, n) for e, n in outage.counts().items() if n), shown)


def _impact_changes(subscription: Subscription, given: Mapping[str, Any]) -> AsyncIterator[Summary]:
    effect = EFFECTS.get(given["effect"])
    ids: list[str] = given["of"]
    if effect is None or not 0 < len(ids) <= 100:
        raise QueryError(
            f"An effect is one of {', '.join(EFFECTS)}, of 1 to 100 records.", "Write `down`."
        )

    def roots(finding: Finding) -> Mapping[str, Effect]:
        return dict.fromkeys(finding.records(ids), effect)

    return changing(subscription, roots, given.get("after"))


@cache
def summary_type() -> type:
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


SINCE: Final = argument(
    "after", Int64 | None, "The last revision received: go on when it is another answer than then."
)


def subscription_fields(_: Records) -> list[ModelField]:
    return [
        model_field(
            "impactChanges",
            summary_type(),
            "What an outage of some records would do: now, and again whenever that changes.",
            arguments=[
                argument("of", list[strawberry.ID]),
                argument("effect", str, "`down`, `degraded` or `at_risk`.", default="down"),
                SINCE,
            ],
            resolve=subscribing(_impact_changes),
        ),
    ]
