"""A change, looked at: what it would do, what is in its way, how risky it is, what came of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import strawberry

from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.impact.differing import Compared, difference_type
from api.graphql.impact.telling import Teller
from api.graphql.impact.types import types_of
from api.graphql.itsm.kept import HitView, hit_type
from api.graphql.itsm.looking import Looking, looking
from api.graphql.itsm.moments import CHANGE, whole
from api.graphql.itsm.telling import (
    ToldCollision,
    ToldFactor,
    collision_type,
    factor_of,
    factor_type,
    ids_in,
    instant,
    told_collisions,
    told_factors,
    views,
    without,
)
from api.graphql.records import Records
from api.graphql.scalars import JSON, DateTime, Int64
from api.graphql.views import View
from cmdb.errors import QueryError
from itsm.changes.risk import Risk
from itsm.changes.schedule import HORIZON, Free
from itsm.changes.verification import Verdict, verify
from schema.kinds import is_id

DAYS = 366


# -- what it would do -------------------------------------------------------------------------------------


class ToldWhatIf(NamedTuple):
    """What a change does, told."""

    revision: int
    window: HitView
    afterwards: Compared | None


def _what_if(of: Looking, _: Mapping[str, Any]) -> ToldWhatIf:
    found = of.changes.what_if(of.record, of.seen)
    after = found.afterwards and Compared(found.afterwards, Teller(of.context, None, found.at))
    window = HitView(of.context, of.record, None, found.window)
    return ToldWhatIf(found.at, window, after)


def _what_if_type(records: Records) -> type:
    return make_type(
        "WhatIf",
        [
            model_field("revision", Int64, "That was looked at.", read=lambda w: w.revision),
            model_field("window", hit_type(records), "While it is carried out.", read=lambda w: w.window),
            model_field(
                "afterwards", difference_type(types_of(records)) | None,
                "An outage of what it concerns once it is carried out, against one as things are; null: it plans nothing.",
                read=lambda w: w.afterwards,
            ),
        ],
        description="What becomes of the graph, and of those who use it.",
    )  # fmt: skip


# -- what is in its way -----------------------------------------------------------------------------------


class ToldWindow(NamedTuple):
    """A free window, and what is in the way of the one that was tried first."""

    free: Free
    first: list[ToldCollision]


def _collisions(of: Looking, _: Mapping[str, Any]) -> list[ToldCollision]:
    return told_collisions(of.context, of.changes.collisions(of.record, of.seen))


def _next_window(of: Looking, given: Mapping[str, Any]) -> ToldWindow:
    if not 0 <= given["days"] <= DAYS:
        raise QueryError(f"{given['days']} days ahead.", f"Ask for 0 to {DAYS}.")
    free = of.changes.next_free(of.record, given["days"], of.seen)
    return ToldWindow(free, told_collisions(of.context, free.first))


def _next_window_type(records: Records) -> type:
    return make_type(
        "FreeWindow",
        [
            model_field("begins", DateTime | None, "Null where there is none by then.", read=lambda w: instant(w.free.begins)),
            model_field("ends", DateTime | None, read=lambda w: instant(w.free.ends)),
            model_field("until", DateTime, "None was looked for that begins later.", read=lambda w: instant(w.free.until)),
            model_field(
                "inTheWay", list[collision_type(records)], "Of the window that was tried first.",  # type: ignore[misc]
                read=lambda w: w.first,
            ),
        ],
        description="The next window of the same length with nothing in its way.",
    )  # fmt: skip


# -- how risky it is --------------------------------------------------------------------------------------


class ToldRisk(NamedTuple):
    """A risk, told."""

    risk: Risk
    factors: list[ToldFactor]


def _risk_now(of: Looking, _: Mapping[str, Any]) -> ToldRisk:
    risk = of.changes.risk(of.record, of.seen)
    return ToldRisk(risk, told_factors(of.context, [risk.factors])[0])


def _risk_type(records: Records) -> type:
    return make_type(
        "ChangeRisk",
        [
            model_field("level", str | None, "Of the model's risk levels.", read=lambda r: r.risk.level),
            model_field("points", float, read=lambda r: float(r.risk.points)),
            model_field("factors", list[factor_type(records)], read=lambda r: r.factors),  # type: ignore[misc]
        ],
        description="How risky a change is, and why.",
    )  # fmt: skip


class KeptFactors:
    """Level field: why changes were found as risky as they were. Two statements."""

    kind = "factors"

    async def load(
        self, context: Context, some: Sequence[View], _: Mapping[str, Any]
    ) -> list[list[ToldFactor]]:
        def work() -> list[list[ToldFactor]]:
            records = whole(context, some)
            kept = [records[view].attributes.get("risk_explained") or {} for view in some]
            return told_factors(
                context, [[factor_of(f) for f in one.get("factors", ())] for one in kept]
            )

        return await context.call(work)


# -- what came of it --------------------------------------------------------------------------------------


class ToldVerdict(NamedTuple):
    """What discovery says of one thing, and the record that it is about."""

    verdict: Verdict
    view: View | None
    hidden: Collection[str]

    @property
    def link(self) -> tuple[str, str, str] | None:
        """Type, source and target of a relationship."""
        parts = self.verdict.subject.split()
        return (parts[1], parts[0], parts[2]) if len(parts) == 3 else None


class ToldVerdicts(NamedTuple):
    """What discovery says of what is seen, and how much is not."""

    verdicts: list[ToldVerdict]
    hidden: list[tuple[str | None, int]]


def _verification(of: Looking, _: Mapping[str, Any]) -> ToldVerdicts:
    found = verify(of.changes.store, of.record)
    about = [{id for id in one.subject.split() if is_id(id)} for one in found]
    named = {id for one in found for id in ids_in([one.planned, one.found])}
    asked = named.union(*about)
    seen = views(of.context, asked)
    hidden = asked - seen.keys()
    told = [
        ToldVerdict(one, seen.get(one.subject), hidden)
        for one, ids in zip(found, about, strict=True)
        if ids <= seen.keys()
    ]
    return ToldVerdicts(told, Teller(of.context, None, 0).hidden(set[str]().union(*about)))


def _verification_type(records: Records) -> type:
    types = types_of(records)
    link = make_type(
        "ChangedLink",
        [
            model_field("type", str, read=lambda link: link[0]),
            model_field("source", strawberry.ID, read=lambda link: link[1]),
            model_field("target", strawberry.ID, read=lambda link: link[2]),
        ],
    )
    verdict = make_type(
        "Verdict",
        [
            model_field("name", str, "What people call it.", read=lambda t: t.verdict.name),
            model_field("record", types.record | None, "Null for a relationship.", read=lambda t: t.view),
            model_field("relationship", link | None, read=lambda t: t.link),
            model_field("what", str, "The attribute; `exists` of a new record; `made`, `altered` or `closed`.", read=lambda t: t.verdict.what),
            model_field("planned", JSON | None, read=lambda t: without(t.verdict.planned, t.hidden)),
            model_field("verdict", str, "`confirmed`, `contradicted`, `not_seen` or `superseded`.", read=lambda t: t.verdict.verdict),
            model_field("found", JSON, "Source -> what it says, of those that have reported since.", read=lambda t: without(dict(t.verdict.found), t.hidden)),
            model_field("at", DateTime | None, "When the last of them has.", read=lambda t: instant(t.verdict.at)),
        ],
        description="What discovery says of one thing that a change has made otherwise.",
    )  # fmt: skip
    return make_type(
        "Verification",
        [
            model_field("verdicts", list[verdict], "None before it is carried out.", read=lambda v: v.verdicts),  # type: ignore[valid-type]
            model_field(
                "hidden", list[types.hidden], "Records of which nothing is told, as you may not see them.",  # type: ignore[name-defined]
                read=lambda v: v.hidden,
            ),
        ],
        description="What discovery says of what a change has made otherwise.",
    )  # fmt: skip


# -- fields -----------------------------------------------------------------------------------------------


def type_fields(records: Records, name: str) -> list[ModelField]:
    if name != CHANGE:
        return []
    return [
        model_field(
            "whatIf", _what_if_type(records), "What it does in its window, and what an outage would do afterwards.",
            resolve=looking(_what_if, "What if"), cost=1_000,
        ),
        model_field(
            "collisions", list[collision_type(records)], "What is in the way of its window.",  # type: ignore[misc]
            resolve=looking(_collisions, "What is in the way"), cost=1_000,
        ),
        model_field(
            "nextWindow", _next_window_type(records), "The next window of its length with nothing in its way.",
            arguments=[argument("days", int, "So many days ahead it may begin.", default=HORIZON)],
            resolve=looking(_next_window, "The next window"), cost=2_000,
        ),
        model_field(
            "riskNow", _risk_type(records), "How risky it is, as things are.",
            resolve=looking(_risk_now, "Risk now"), cost=2_000,
        ),
        model_field(
            "riskFactors", list[factor_type(records)], "Why it was found as risky as it was, when it was assessed.",  # type: ignore[misc]
            level=KeptFactors(),
        ),
        model_field(
            "verification", _verification_type(records), "What discovery says of what it has made otherwise.",
            resolve=looking(_verification, "What discovery says"), cost=100,
        ),
    ]  # fmt: skip
