"""`problemCandidates`: incidents that recur, and that no problem explains."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

import strawberry

from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.itsm.moments import INCIDENT
from api.graphql.itsm.telling import views
from api.graphql.lifecycle.acting import seen
from api.graphql.records import Records
from api.graphql.views import View
from cmdb.errors import QueryError
from itsm.recurrence import DAYS, LEAST, Candidate, candidates

MOST = 500


class Told(NamedTuple):
    """Incidents that recur, as they are told."""

    candidate: Candidate
    cis: list[View]
    incidents: list[View]


async def _candidates(_: Any, info: Any, **given: Any) -> list[Told]:
    context: Context = info.context

    def work() -> list[Told]:
        store, at = context.store, given.get("organisation")
        days, least, first = given["days"], given["least"], given["first"]
        if not 1 <= days <= 36_500 or least < LEAST or not 1 <= first <= MOST:
            raise QueryError("That asks for nothing, or too much.", f"Ask for 1 to {MOST}.")
        seen(context, [at] if at else ())
        since = store.clock() - timedelta(days=days)
        found = candidates(store, since, least=least, organisation=at, first=first)
        cis = views(context, {ci for one in found for ci in one.cis})
        return [
            Told(
                one,
                [cis[ci] for ci in one.cis if ci in cis],
                [context.view(i) for i in one.incidents],
            )
            for one in found
        ]

    return await context.call(work)


def query_fields(records: Records) -> list[ModelField]:
    if not records.model.record_types.keys() >= {INCIDENT, "Problem"}:
        return []
    make = make_type(
        "Make",
        [model_field(name, str, read=lambda m, n=name: getattr(m, n)) for name in ("type", "vendor", "model")],  # type: ignore[misc]
        description="Devices of one make.",
    )  # fmt: skip
    candidate = make_type(
        "ProblemCandidate",
        [
            model_field("cis", list[records.lazy("ConfigurationItem")], "That each of the incidents blames.", read=lambda t: t.cis),  # type: ignore[misc]
            model_field("makes", list[make], "Of which each blames a device.", read=lambda t: list(t.candidate.makes)),  # type: ignore[valid-type]
            model_field("incidents", list[records.lazy(INCIDENT)], "The latest first.", read=lambda t: t.incidents),  # type: ignore[misc]
            model_field("points", int, "Each incident counts by its priority.", read=lambda t: t.candidate.points),
        ],
        description="Incidents that recur.",
    )  # fmt: skip
    return [
        model_field(
            "problemCandidates",
            list[candidate],  # type: ignore[valid-type]
            "Incidents that you see, that recur, and that no problem explains; the worst first.",
            arguments=[
                argument("days", int, "So far back.", default=DAYS),
                argument("least", int, "So many incidents.", default=LEAST),
                argument("organisation", strawberry.ID | None, "And those below it."),
                argument("first", int, f"1 to {MOST}.", default=20),
            ],
            resolve=_candidates,
            cost=500,
        )
    ]
