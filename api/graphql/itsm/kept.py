"""What a process hits, as it was kept with it, or as it would be: told to who asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import strawberry

from api.access.guarded import GuardedStore
from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, make_type, model_field
from api.graphql.impact.telling import Slice, Teller, Told
from api.graphql.impact.types import PAGED, ImpactEffect, types_of, word
from api.graphql.itsm.moments import PROCESS, moments, whole
from api.graphql.records import Records
from api.graphql.scalars import Int64
from api.graphql.views import View
from cmdb.queries import AsOf
from cmdb.records import Record
from impact.rules import Effect
from itsm.hits import Cell, Hit, OfOrganisation, ServiceHit, by_organisation, read

HIT: Final = "Hit"


class HitView(View):
    """What something hits. It is as of its own revision; the records that it names are told as of the moment
    that was asked for."""

    __slots__ = ("counts", "hit", "left_out", "reach", "truncated")
    type = HIT

    def __init__(
        self,
        context: Context,
        record: Record,
        at: AsOf,
        hit: Hit,
        kept: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(record, context.place(at))
        plain = kept or {**hit.plain(), "left_out": {"cells": 0, "services": 0}}
        self.hit, self.counts = hit, plain["counts"]
        self.left_out = plain["left_out"]["services"]
        cells = plain["left_out"]["cells"]
        self.truncated = hit.truncated or (
            f"size: {cells} counts by organisation were not kept" if cells else ""
        )
        store = context.store
        self.reach = store.reach(Permission.READ) if isinstance(store, GuardedStore) else None

    def beyond(self, cell: Cell) -> bool:
        """Whether the CIs of a cell are of an organisation that is out of reach."""
        return (
            bool(cell.organisation)
            and self.reach is not None
            and cell.organisation not in self.reach
        )

    def hidden(self) -> list[tuple[str | None, int]]:
        return _counted(cell for cell in self.hit.cells if self.beyond(cell))


def _counted(cells: Iterable[Cell]) -> list[tuple[str | None, int]]:
    """CIs by organisation, most first."""
    counts: Counter[str | None] = Counter()
    for cell in cells:
        counts[cell.organisation or None] += cell.items
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0] or ""))


def kept_hit(context: Context, view: View, record: Record) -> HitView | None:
    """What is kept with a process; None where nothing is."""
    plain = record.attributes.get("impact")
    hit = read(plain)
    if hit is None:
        return None
    return HitView(context, view.record, view.at, hit, plain)


class Kept:
    """Level field: what processes hit, as it was kept. One statement, where it is withheld as it stands."""

    kind = "kept"

    async def load(
        self, context: Context, views: Sequence[View], _: Mapping[str, Any]
    ) -> list[HitView | None]:
        def work() -> list[HitView | None]:
            records = whole(context, views)
            return [kept_hit(context, view, records[view]) for view in views]

        return await context.call(work)


# -- what of it is loaded -------------------------------------------------------------------------------


class _OfHits:
    """Level field of hits: for all of one moment together, in a thread."""

    kind = "hits"

    async def load(
        self, context: Context, hits: Sequence[HitView], given: Mapping[str, Any]
    ) -> list[Any]:
        def work() -> dict[View, Any]:
            return {
                hit: value
                for at, some in moments(hits).items()
                for hit, value in zip(
                    some, self.told(Teller(context, at, 0), some, given), strict=True
                )
            }

        found = await context.call(work)
        return [found[hit] for hit in hits]

    def told(self, teller: Teller, hits: Sequence[Any], given: Mapping[str, Any]) -> list[Any]:
        """What is told of each."""
        raise NotImplementedError


class Services(_OfHits):
    """A page of the services that are seen. Two statements."""

    def told(self, teller: Teller, hits: Sequence[Any], given: Mapping[str, Any]) -> list[Any]:
        seen = teller.seen(service.id for hit in hits for service in hit.hit.services)
        pages: list[Slice[ServiceHit]] = [
            Teller(teller.context, teller.at, hit.hit.revision).page(
                [service for service in hit.hit.services if service.id in seen], given
            )
            for hit in hits
        ]
        views = teller.views({service.id for page in pages for service in page.items})
        return [page.of([Told(s, views.get(s.id)) for s in page.items]) for page in pages]


class Roots(_OfHits):
    """What was taken to have happened to which CIs. One statement."""

    def told(self, teller: Teller, hits: Sequence[Any], given: Mapping[str, Any]) -> list[Any]:
        views = teller.views({id for hit in hits for id in hit.hit.roots})
        return [[(views.get(id), effect) for id, effect in hit.hit.roots.items()] for hit in hits]


class ToldOrganisation(NamedTuple):
    """What of an organisation is hit; without a name where it is not seen."""

    organisation: str | None
    items: int
    name: str | None
    hit: OfOrganisation


class ByOrganisation(_OfHits):
    """How many CIs of which organisation, of those within reach. One statement for their names."""

    def told(self, teller: Teller, hits: Sequence[Any], given: Mapping[str, Any]) -> list[Any]:
        reached = [[c for c in hit.hit.cells if not hit.beyond(c)] for hit in hits]
        views = teller.views({c.organisation for some in reached for c in some if c.organisation})
        found = []
        for cells in reached:
            by = by_organisation(cells)
            found.append(
                [
                    ToldOrganisation(
                        id, n, views[id].record.name if id in views else None, by[id or ""]
                    )
                    for id, n in _counted(cells)
                ]
            )
        return found


# -- types ------------------------------------------------------------------------------------------------


def hit_type(records: Records) -> type:
    """What something hits."""
    return records.once(HIT, lambda: _hit_type(records))


def _hit_type(records: Records) -> type:
    types = types_of(records)
    organisation = make_type(
        "HitOrganisation",
        [
            model_field("organisation", strawberry.ID | None, "Null: none.", read=lambda o: o.organisation),
            model_field("name", str | None, read=lambda o: o.name),
            model_field("count", Int64, read=lambda o: o.items),
            model_field("effects", list[types.effects], "The worst first.", read=lambda o: _effects(o.hit.items)),  # type: ignore[name-defined]
            model_field("services", list[types.effects], "Services among them.", read=lambda o: _effects(o.hit.services)),  # type: ignore[name-defined]
        ],
        description="How many CIs of an organisation are hit.",
    )  # fmt: skip
    service = make_type(
        "HitService",
        [
            types.about(),
            model_field("effect", ImpactEffect, read=lambda t: word(t.item.effect)),
            model_field("criticality", str | None, read=lambda t: t.item.criticality or None),
        ],
        description="A service that is hit.",
    )
    root = make_type(
        "HitRoot",
        [
            model_field("record", types.record | None, "Null where you may not see it.", read=lambda pair: pair[0]),
            model_field("effect", ImpactEffect, read=lambda pair: word(pair[1])),
        ],
        description="What was taken to have happened to a CI.",
    )  # fmt: skip
    return make_type(
        HIT,
        [
            model_field("revision", Int64, "That was looked at.", read=lambda h: h.hit.revision),
            model_field("complete", bool, read=lambda h: not h.truncated),
            model_field("truncated", str | None, "Why it is not complete.", read=lambda h: h.truncated or None),
            model_field("counts", list[types.effects], "CIs of the whole graph, the worst first.", read=lambda h: _effects(h.counts)),  # type: ignore[name-defined]
            model_field("roots", list[root], level=Roots()),  # type: ignore[valid-type]
            model_field(
                "services", types.connection("HitService", service), "The worst first.",
                level=Services(), arguments=PAGED,
            ),
            model_field("servicesLeftOut", Int64, "So many were not kept.", read=lambda h: h.left_out),
            model_field(
                "byOrganisation", list[organisation],  # type: ignore[valid-type]
                "CIs of organisations that you may read in, most first.", level=ByOrganisation(),
            ),
            model_field(
                "hidden", list[types.hidden],  # type: ignore[name-defined]
                "CIs of other organisations, counted.", read=lambda h: h.hidden(),
            ),
        ],
        description="What an outage hits, summed up as of one revision; `impact` tells of each CI, and why.",
    )  # fmt: skip


def _effects(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return [(word(e.word), n) for e in reversed(Effect) if (n := counts.get(e.word))]


def type_fields(records: Records, name: str) -> list[ModelField]:
    if name != PROCESS:
        return []
    return [
        model_field(
            "impact",
            hit_type(records) | None,
            "What it hits, as it was kept with it.",
            level=Kept(),
        )
    ]
