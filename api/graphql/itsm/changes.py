"""A change, looked at: what it holds back, what that would do, what is in its way, how risky it is, what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import strawberry

from api.access.guarded import GuardedStore
from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.history import changes_fields
from api.graphql.impact.differing import Compared, difference_type
from api.graphql.impact.telling import Teller
from api.graphql.impact.types import types_of
from api.graphql.itsm.kept import HitView, hit_type
from api.graphql.itsm.moments import CHANGE, now_only, whole
from api.graphql.itsm.telling import (
    ToldCollision,
    ToldFactor,
    collision_type,
    factor_of,
    factor_type,
    ids_in,
    instant,
    telling_rules,
    told_collisions,
    told_factors,
    views,
    without,
)
from api.graphql.lifecycle.acting import product, shown
from api.graphql.records import Records
from api.graphql.refusals import broken_rule_type, refusal_type
from api.graphql.scalars import JSON, DateTime, Int64
from api.graphql.views import View
from cmdb.errors import InvalidChangeError, Problem, QueryError
from cmdb.records import Record
from cmdb.revisions import Changes as GraphChanges
from itsm.changes.desk import Changes
from itsm.changes.moved import moved
from itsm.changes.planned import APPLIED, Planned
from itsm.changes.risk import Risk
from itsm.changes.rules import outdated
from itsm.changes.schedule import HORIZON, Free
from itsm.changes.verification import Verdict, verify
from itsm.changes.whatif import Seen
from lifecycle.engine import Engine
from lifecycle.refusals import Refusal
from schema.kinds import is_id
from schema.model import ORGANISATION_ATTRIBUTE, Model

DAYS = 366


class Looking(NamedTuple):
    """A change as the product has it, and what it takes to look at it."""

    context: Context
    view: View
    changes: Changes
    record: Record

    @property
    def seen(self) -> Seen | None:
        """The topology, where the server has it at hand."""
        snapshot = self.context.services.snapshot
        if snapshot.ready:
            found: Seen = snapshot.at()
            return found
        snapshot.prepare()
        return None


def looking(work: Callable[[Looking, Mapping[str, Any]], Any], what: str = "") -> Any:
    """The resolver of a field of changes.

    Parameters
    ----------
    what
        What can only be said as things are.
    """

    async def resolve(view: View, info: Any, **given: Any) -> Any:
        context: Context = info.context

        def done() -> Any:
            if what:
                now_only(view, what)
            store = product(context, Permission.READ)
            record = whole(context, [view])[view]
            with telling_rules(context):
                return work(
                    Looking(context, view, Changes(Engine(store, store.clock)), record), given
                )

        return await context.call(done)

    return resolve


# -- what it holds back -----------------------------------------------------------------------------------


class ToldChanges(NamedTuple):
    """What a change makes otherwise, as far as it is seen."""

    applied: bool
    changes: GraphChanges
    model: Model
    hidden: list[tuple[str | None, int]]
    outdated: list[Refusal]
    problems: Sequence[Problem]


def _difference(of: Looking, _: Mapping[str, Any]) -> ToldChanges:
    context, record = of.context, of.record
    applied = record.attributes.get(APPLIED) is not None
    if not applied:
        now_only(of.view, "What it would make otherwise")
    found = of.changes.difference(record)
    store, model = context.store, context.store.model
    told = found
    if isinstance(store, GuardedStore):
        told = store.seen_changes(found) if applied else store.supposed(found)
    hidden = _hidden(context, found, told)
    if applied:
        return ToldChanges(True, told, model, hidden, [], ())
    planned = Planned(of.changes.store, record)
    since = shown(context, [outdated(record, one, model) for one in moved(planned)])
    problems = planned.problems()
    if problems and isinstance(store, GuardedStore):
        problems = store.told(InvalidChangeError(list(problems))).problems
    return ToldChanges(False, told, model, hidden, since, problems)


def _hidden(
    context: Context, found: GraphChanges, told: GraphChanges
) -> list[tuple[str | None, int]]:
    """Records that are changed, or whose relationships are, and that are not seen, by organisation."""
    shown_ids = {change.id for change in told.records}
    counts: Counter[str | None] = Counter()
    for change in found.records:
        image = change.after or change.before
        if change.id not in shown_ids and image is not None:
            counts[image.attributes.get(ORGANISATION_ATTRIBUTE)] += 1
    ids = {end for c in found.relationships for end in (c.key.source, c.key.target)}
    ids -= {change.id for change in found.records}
    counts.update(dict(Teller(context, None, 0).hidden(ids)))
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0] or ""))


def _difference_type(records: Records) -> type:
    types = types_of(records)
    return make_type(
        "ChangeDifference",
        [
            model_field("applied", bool, "It is carried out: this is what it has made otherwise.", read=lambda d: d.applied),
            *changes_fields(lambda d: (d.changes, d.model))[:2],
            model_field(
                "outdated", list[refusal_type()], "What others have changed since it was planned, and not to what is planned.",  # type: ignore[misc]
                read=lambda d: d.outdated,
            ),
            model_field(
                "problems", list[broken_rule_type()], "Rules that it would break, as things are.",  # type: ignore[misc]
                read=lambda d: list(d.problems),
            ),
            model_field(
                "hidden", list[types.hidden], "Records in it that you may not see.",  # type: ignore[name-defined]
                read=lambda d: d.hidden,
            ),
        ],
        description="What a change makes otherwise: planned, or carried out.",
    )  # fmt: skip


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
            "difference", _difference_type(records),
            "What it would make otherwise, and what no longer fits; once it is carried out, what it has made otherwise.",
            resolve=looking(_difference), cost=100,
        ),
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
