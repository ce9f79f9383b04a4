"""`outageWindow`: what several planned outages break only because they fall into one window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import strawberry

from api.context import Context
from api.graphql.fields import ModelField, argument, input_field, make_type, model_field
from api.graphql.impact.finding import Finding, given_effect
from api.graphql.impact.outages import sureness
from api.graphql.impact.telling import Slice, Teller, Told, ToldGroup, asked
from api.graphql.impact.types import DEPTH, PAGED, ImpactEffect, OutageEffect, Types, word
from api.graphql.queries import AS_OF
from cmdb.errors import QueryError
from impact.windows import Window


class ToldWindow:
    """Several outages in one window, told."""

    def __init__(self, teller: Teller, window: Window) -> None:
        self.teller, self.window = teller, window

    def broken(self, given: Mapping[str, Any]) -> Slice[Told]:
        broken, teller = self.window.broken, self.teller
        seen = teller.seen(one.id for one in broken)
        page = teller.page([one for one in broken if one.id in seen], given)
        views = teller.views({one.id for one in page.items})
        return page.of([Told(one, views.get(one.id)) for one in page.items])

    def tipped(self, given: Mapping[str, Any]) -> Slice[ToldGroup]:
        groups, teller = self.window.tipped, self.teller
        seen = teller.seen(group.dependent for group in groups)
        page = teller.page([g for g in groups if g.dependent in seen], given)
        views = teller.views({group.dependent for group in page.items})
        return page.of([ToldGroup(g, views.get(g.dependent)) for g in page.items])

    def hidden(self) -> list[tuple[str | None, int]]:
        return self.teller.hidden(one.id for one in self.window.broken)


async def _window(_: Any, info: Any, **given: Any) -> ToldWindow:
    context: Context = info.context

    def work() -> ToldWindow:
        finding, depth = Finding(context, given.get("asOf")), given.get("depth")
        if len(given["outages"]) < 2:
            raise QueryError("That is one outage.", "Give two or more; `impact` takes one.")
        outages = [
            dict.fromkeys(dict.fromkeys(outage["of"]), given_effect(outage))
            for outage in given["outages"]
        ]
        if not all(outages):
            raise QueryError("An outage of nothing.", "Name at least one record in each.")
        worst = {id: max(o[id] for o in outages if id in o) for outage in outages for id in outage}
        finding.records(worst)
        topology, revision, view = finding.topology(worst, finding.at, depth)
        window = Window(topology, outages, at=revision, view=view, depth=depth)
        return ToldWindow(Teller(context, finding.at, revision), window)

    return await context.call(work)


def fields(types: Types) -> list[ModelField]:
    outage = make_type(
        "PlannedOutageInput",
        [
            model_field("of", list[strawberry.ID]),
            input_field("effect", OutageEffect),
        ],
        input_=True,
        description="CIs that fail together: down, unless said otherwise.",
    )
    broken = make_type(
        "BrokenCI",
        [
            types.about(),
            model_field(
                "alone",
                ImpactEffect,
                "The worst that any one outage does to it.",
                read=lambda t: word(t.item.alone),
            ),
            model_field("together", ImpactEffect, read=lambda t: word(t.item.together)),
            model_field(
                "sparedBy",
                list[int],
                "Outages, from 0, each of which would only have to be moved for it to fare better.",
                read=lambda t: list(t.item.spared_by),
            ),
        ],
        description="A CI that fares worse with all outages together than with each of them.",
    )
    answer = make_type(
        "OutageWindow",
        [
            *sureness(lambda told: told.window.together),
            model_field(
                "broken",
                types.connection("BrokenCI", broken),
                "The worst first.",
                arguments=PAGED,
                resolve=asked(ToldWindow.broken),
            ),
            model_field(
                "groups",
                types.groups,
                "Redundancy groups that have fewer members than they need only then.",
                arguments=PAGED,
                resolve=asked(ToldWindow.tipped),
            ),
            model_field(
                "hidden",
                list[types.hidden],  # type: ignore[name-defined]
                "CIs broken so that you may not see, counted by organisation.",
                resolve=asked(lambda told, _: told.hidden()),
            ),
        ],
    )
    return [
        model_field(
            "outageWindow",
            answer,
            "What planned outages break only because they fall into one window.",
            arguments=[argument("outages", list[outage]), DEPTH, AS_OF],  # type: ignore[valid-type]
            resolve=_window,
            cost=1_000,
        )
    ]
