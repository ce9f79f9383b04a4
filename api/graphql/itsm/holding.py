"""What a change holds back, and makes otherwise: as far as who asks sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from api.access.guarded import GuardedStore
from api.context import Context
from api.graphql.fields import ModelField, make_type, model_field
from api.graphql.history import changes_fields
from api.graphql.impact.telling import Teller
from api.graphql.impact.types import types_of
from api.graphql.itsm.looking import Looking, looking
from api.graphql.itsm.moments import CHANGE, now_only, whole
from api.graphql.lifecycle.acting import shown
from api.graphql.records import Records
from api.graphql.refusals import broken_rule_type, refusal_type
from api.graphql.views import View
from cmdb.errors import InvalidChangeError, Problem
from cmdb.revisions import Changes as GraphChanges
from itsm.changes.moved import moved
from itsm.changes.planned import APPLIED, PLANNED, Planned
from itsm.changes.rules import outdated
from lifecycle.refusals import Refusal
from schema.model import ORGANISATION_ATTRIBUTE, Model


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


class HeldBack:
    """Level field: how many operations changes hold back. One statement, where those are withheld."""

    kind = "held back"

    async def load(self, context: Context, some: Sequence[View], _: Mapping[str, Any]) -> list[int]:
        def work() -> list[int]:
            records = whole(context, some)
            return [len(records[view].attributes.get(PLANNED) or ()) for view in some]

        return await context.call(work)


def type_fields(records: Records, name: str) -> list[ModelField]:
    if name != CHANGE:
        return []
    return [
        model_field("heldBack", int, "So many operations it holds back.", level=HeldBack()),
        model_field(
            "difference", _difference_type(records),
            "What it would make otherwise, and what no longer fits; once it is carried out, what it has made otherwise.",
            resolve=looking(_difference), cost=100,
        ),
    ]  # fmt: skip
