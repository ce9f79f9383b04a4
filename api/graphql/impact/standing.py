"""`dependencies`: what CIs stand on, as a list and as a tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import strawberry

from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.impact.finding import Finding
from api.graphql.impact.telling import Slice, Teller, Told, asked
from api.graphql.impact.types import DEPTH, PAGED, Types
from api.graphql.queries import AS_OF
from api.graphql.scalars import Int64
from impact.dependencies import Dependencies, Dependency, dependencies


class Standing:
    """What CIs stand on, told. By each is told the next one on the way to them: that makes it a tree."""

    def __init__(self, teller: Teller, found: Dependencies) -> None:
        self.teller, self.result = teller, found

    def found(self, given: Mapping[str, Any]) -> Slice[Told]:
        """One page. One statement for its records, and those next to them."""
        found, teller = self.result.found, self.teller
        seen = teller.seen(one.id for one in found)
        page = teller.page([one for one in found if one.id in seen], given)
        views = teller.views({id for one in page.items for id in (one.id, one.by)})
        return page.of([Told(one, views.get(one.id), views.get(one.by)) for one in page.items])

    def hidden(self) -> list[tuple[str | None, int]]:
        return self.teller.hidden(one.id for one in self.result.found)


async def _dependencies(_: Any, info: Any, **given: Any) -> Standing:
    context: Context = info.context

    def work() -> Standing:
        finding, depth = Finding(context, given.get("asOf")), given.get("depth")
        ids = list(finding.records(dict.fromkeys(given["of"])))
        topology, revision, view = finding.standing(ids, finding.at, depth)
        found = dependencies(topology, ids, view=view, depth=depth)
        return Standing(Teller(context, finding.at, revision), found)

    return await context.call(work)


def fields(types: Types) -> list[ModelField]:
    def of(name: str) -> Any:
        def read(told: Told) -> Any:
            one: Dependency = told.item
            return getattr(one, name)

        return read

    dependency = make_type(
        "Dependency",
        [
            types.about(),
            model_field("distance", int, "Relationships by the shortest way.", read=of("distance")),
            model_field("relationshipType", str, read=of("relationship")),
            model_field(
                "by",
                types.record | None,
                "The CI next to it on that way, its parent in the tree; null where you may not see it.",
                read=lambda told: told.more,
            ),
        ],
        description="A CI that another one stands on, directly or not.",
    )
    answer = make_type(
        "Dependencies",
        [
            model_field("revision", Int64, read=lambda told: told.teller.revision),
            model_field("complete", bool, read=lambda told: not told.result.truncated),
            model_field("truncated", str | None, read=lambda told: told.result.truncated or None),
            model_field(
                "found",
                types.connection("Dependency", dependency),
                "The closest first.",
                arguments=PAGED,
                resolve=asked(Standing.found),
            ),
            model_field(
                "hidden",
                list[types.hidden],  # type: ignore[name-defined]
                "CIs that you may not see, counted by organisation.",
                resolve=asked(lambda told, _: told.hidden()),
            ),
        ],
        description="All that some CIs stand on.",
    )
    of_ids = argument("of", list[strawberry.ID])
    return [
        model_field(
            "dependencies",
            answer,
            "What CIs stand on, directly or not.",
            arguments=[of_ids, DEPTH, AS_OF],
            resolve=_dependencies,
            cost=500,
        )
    ]
