"""`unauthorisedChanges`: what discovery found otherwise and no process covers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

import strawberry

from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.history import revision_type
from api.graphql.impact.telling import Slice, Teller, asked
from api.graphql.impact.types import PAGED, types_of
from api.graphql.itsm.moments import CHANGE
from api.graphql.itsm.telling import ids_in, without
from api.graphql.lifecycle.acting import product, seen
from api.graphql.queries import moment
from api.graphql.records import Records
from api.graphql.scalars import JSON, AsOf
from api.graphql.views import View
from itsm.changes.unauthorised import Finding, unauthorised

MOST: Final = 10_000
"""Differences that one question looks at."""


class ToldFinding(NamedTuple):
    """A difference, and the CI as it is now."""

    finding: Finding
    view: View | None
    old: Any
    new: Any


class Findings(NamedTuple):
    """What was found, told."""

    teller: Teller
    found: list[Finding]
    more: bool

    def page(self, given: Mapping[str, Any]) -> Slice[ToldFinding]:
        """One page of what is found of CIs that are seen. Two statements."""
        seen = self.teller.seen(finding.record.id for finding in self.found)
        page = self.teller.page([f for f in self.found if f.record.id in seen], given)
        named = {id for f in page.items for id in (f.record.id, *ids_in([f.old, f.new]))}
        views = self.teller.views(named)
        hidden = named - views.keys()
        return page.of(
            [
                ToldFinding(
                    f, views.get(f.record.id), without(f.old, hidden), without(f.new, hidden)
                )
                for f in page.items
            ]
        )

    def hidden(self) -> list[tuple[str | None, int]]:
        return self.teller.hidden(finding.record.id for finding in self.found)


async def _findings(_: Any, info: Any, **given: Any) -> Findings:
    context: Context = info.context

    def work() -> Findings:
        at = given.get("organisation")
        seen(context, [at] if at else ())
        store = product(context, Permission.READ)
        last = store.resolve(moment(given.get("until"))) or store.last_revision().number
        stream = unauthorised(store, moment(given["since"]), last, organisation=at)
        found = list(islice(stream, MOST + 1))
        return Findings(Teller(context, None, last), found[:MOST], len(found) > MOST)

    return await context.call(work)


def _findings_type(records: Records) -> type:
    types = types_of(records)
    finding = make_type(
        "UnauthorisedChange",
        [
            model_field("record", types.record | None, "The CI as it is now.", read=lambda t: t.view),
            model_field("what", str, "An attribute; or a relationship's name, read from the CI.", read=lambda t: t.finding.what),
            model_field("old", JSON | None, "As was known; of a relationship the other end.", read=lambda t: t.old),
            model_field("new", JSON | None, "As the source says.", read=lambda t: t.new),
            model_field("source", str, read=lambda t: t.finding.source),
            model_field("revision", revision_type(), "In which its word was taken in.", read=lambda t: t.finding.revision),
        ],
        description="A difference that a source found and that no change, order or incident covers.",
    )  # fmt: skip
    return make_type(
        "UnauthorisedChanges",
        [
            model_field("complete", bool, read=lambda f: not f.more),
            model_field(
                "truncated", str | None, "Why it is not all.",
                read=lambda f: f"size: the first {MOST} differences" if f.more else None,
            ),
            model_field(
                "found", types.connection("UnauthorisedChange", finding), "In the order in which it was found.",
                arguments=PAGED, resolve=asked(Findings.page),
            ),
            model_field(
                "hidden", list[types.hidden], "CIs that this is found of and that you may not see.",  # type: ignore[name-defined]
                resolve=asked(lambda told, _: told.hidden()),
            ),
        ],
    )  # fmt: skip


def query_fields(records: Records) -> list[ModelField]:
    if CHANGE not in records.model.record_types:
        return []
    return [
        model_field(
            "unauthorisedChanges",
            _findings_type(records),
            "What discovery found otherwise between two moments, and no process covers.",
            arguments=[
                argument("since", AsOf),
                argument("until", AsOf | None, "Now, if left out."),
                argument("organisation", strawberry.ID | None, "Only of CIs of this one."),
            ],
            resolve=_findings,
            cost=2_000,
        )
    ]
