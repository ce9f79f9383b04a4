"""What one asks when something fails: what is hit now, what changed here and below, what is known already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import strawberry

from api.access.principals import Permission
from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.history import AttributeChange, attribute_change_type, revision_type
from api.graphql.impact.finding import Finding
from api.graphql.impact.outages import ToldOutage, impact_type
from api.graphql.impact.telling import Teller
from api.graphql.impact.types import types_of
from api.graphql.itsm.moments import INCIDENT
from api.graphql.lifecycle.acting import product
from api.graphql.records import Records
from api.graphql.scalars import DateTime
from api.graphql.views import View
from cmdb.errors import QueryError
from cmdb.queries import AsOf
from cmdb.records import Record
from cmdb.store import GraphStore
from cmdb.store.base import MASK
from impact.rules import Effect
from itsm.assignment import leading
from itsm.knowledge import Fit, Known, known_of
from itsm.opening import role_of, roots_of
from itsm.recent import HOURS, Change, Recent, Touch, recent
from lifecycle.items import CONCERNS, DROPPED
from schema.kinds import parse_datetime, write_datetime
from schema.model import Model

CI: Final = "ConfigurationItem"
MOST: Final = 500
"""Most changes, or pieces of knowledge, that one question asks for."""
DECADE: Final = 87_600


def concerned(
    store: GraphStore, incident: str, at: AsOf = None
) -> list[tuple[Record, Mapping[str, Any]]]:
    """The CIs that an incident concerns, with what it says of them. One statement."""
    near = store.neighbours([incident], [CONCERNS], "out", at)
    said = ((n.record, n.relationship.attributes) for n in near)
    return [(r, s.get("details") or {}) for r, s in said if s.get("outcome") != DROPPED]


# -- what it hits now -------------------------------------------------------------------------------------


def roots_now(context: Context, incident: str, at: AsOf = None) -> dict[str, Effect]:
    """What has happened to the CIs that an incident concerns, whoever sees those."""
    store = product(context, Permission.READ)
    return roots_of({r.id: details for r, details in concerned(store, incident, at)})


async def _impact_now(view: View, info: Any, **_: Any) -> ToldOutage:
    context: Context = info.context

    def work() -> ToldOutage:
        finding = Finding(context, view.at)
        roots = roots_now(context, view.record.id, finding.at)
        outage = finding.outage(roots, finding.at, None)
        named = context.store.get(roots, finding.at).keys() if roots else set()
        return ToldOutage(context, outage, finding.at, named=frozenset(named))

    return await context.call(work)


# -- what changed -----------------------------------------------------------------------------------------


class Touched(NamedTuple):
    """What a revision did to a CI, and the CI as it is now."""

    touch: Touch
    view: View | None
    model: Model

    @property
    def changes(self) -> list[AttributeChange]:
        return [
            AttributeChange(name, *(_plain(self.model, name, value) for value in sides))
            for name, sides in self.touch.changed.items()
        ]


class Changed(NamedTuple):
    """One revision, as it is told."""

    change: Change
    process: View | None
    touched: list[Touched]


class Told(NamedTuple):
    """What changed, as it is told."""

    found: Recent
    changes: list[Changed]
    hidden: list[tuple[str | None, int]]


def _plain(model: Model, name: str, value: Any) -> Any:
    if value is None or value == MASK or name not in model.attributes:
        return value
    return model.to_json({name: value})[name]


async def _recent_of(view: View, info: Any, **given: Any) -> Told:
    context: Context = info.context
    return await context.call(lambda: _told(context, view.record, given))


async def _recent(_: Any, info: Any, **given: Any) -> Told:
    context: Context = info.context
    return await context.call(lambda: _told(context, context.store.record(given["of"]), given))


def _told(context: Context, of: Record, given: Mapping[str, Any]) -> Told:
    """What changed, as far as it is seen: all is read as who asks sees it."""
    store, first, hours = context.store, given["first"], given["hours"]
    if not 0 < hours <= DECADE or not 1 <= first <= MOST:
        raise QueryError(
            f"{first} changes of {hours} hours.", f"Ask for 1 to {MOST}, within ten years."
        )
    ci, until = _asked(context, of, given.get("until"))
    found = recent(store, ci, until, timedelta(hours=hours), first=first, depth=given.get("depth"))
    ids = {touch.id for change in found.changes for touch in change.touched}
    views = {id: context.view(r) for id, r in (store.get(ids) if ids else {}).items()}
    changes = [
        Changed(
            change,
            context.view(change.process) if change.process is not None else None,
            [Touched(touch, views.get(touch.id), store.model) for touch in change.touched],
        )
        for change in found.changes
    ]
    return Told(found, changes, Teller(context, None, 0).hidden(found.cis))


def _asked(context: Context, of: Record, until: str | None) -> tuple[str, datetime]:
    """Of which CI, and up to when: of an incident, of the CI that counts most, until it occurred."""
    store = context.store
    try:
        given = parse_datetime(until) if until else None
    except ValueError as error:
        raise QueryError(f"The instant {error}.", "Write 2026-03-31T08:00:00+08:00.") from None
    if INCIDENT not in store.model.record_types[of.type].ancestors:
        return of.id, given or store.clock()
    items = [(record, role_of(details)) for record, details in concerned(store, of.id)]
    if not items:
        raise QueryError(f"{of.name} concerns no CI that you see.", "Ask of a CI.")
    return leading(items)[0].id, given or of.attributes.get("occurred_at") or store.clock()


def _recent_type(records: Records) -> type:
    types = types_of(records)
    touched = make_type(
        "TouchedCI",
        [
            model_field("record", types.record | None, "As it is now.", read=lambda t: t.view),
            model_field("distance", int, "Relationships between it and the CI in question.", read=lambda t: t.touch.distance),
            model_field("kind", str, "`state`, `created`, `relationship` or `attribute`: what weighs most.", read=lambda t: t.touch.kind),
            model_field(
                "changes", list[attribute_change_type()], "Of relationships, types and other ends.",  # type: ignore[misc]
                read=lambda t: t.changes,
            ),
        ],
        description="What a revision did to a CI.",
    )  # fmt: skip
    change = make_type(
        "RecentChange",
        [
            model_field("revision", revision_type(), read=lambda c: c.change.revision),
            model_field("process", records.lazy("ProcessRecord") | None, "The order, change … that it was part of.", read=lambda c: c.process),
            model_field("score", float, "The higher, the likelier it matters.", read=lambda c: c.change.score),
            model_field("points", list[points_type(records)], "What the score is made of.", read=lambda c: list(c.change.points.items())),  # type: ignore[misc]
            model_field("touched", list[touched], "The nearest first.", read=lambda c: c.touched),  # type: ignore[valid-type]
        ],
        description="One revision that changed a CI, or what it stands on.",
    )  # fmt: skip
    return make_type(
        "RecentChanges",
        [
            model_field("since", DateTime, read=lambda t: write_datetime(t.found.since)),
            model_field("until", DateTime, read=lambda t: write_datetime(t.found.until)),
            model_field("complete", bool, read=lambda t: not t.found.truncated),
            model_field("truncated", str | None, "Why it is not all.", read=lambda t: t.found.truncated or None),
            model_field("lookedAt", int, "CIs: the one in question, and all that it stands or stood on.", read=lambda t: t.found.looked_at),
            model_field("changes", list[change], "What is likeliest to matter first.", read=lambda t: t.changes),  # type: ignore[valid-type]
            model_field(
                "hidden", list[types.hidden],  # type: ignore[name-defined]
                "CIs among them that you may not see, and of which nothing is told.", read=lambda t: t.hidden,
            ),
        ],
        description="What changed here and below.",
    )  # fmt: skip


def points_type(records: Records) -> type:
    """A part of a score."""
    return records.once(
        "Points",
        lambda: make_type(
            "Points",
            [
                model_field("name", str, read=lambda pair: pair[0]),
                model_field("points", float, read=lambda pair: pair[1]),
            ],
        ),
    )


# -- what is known ----------------------------------------------------------------------------------------


class Fitting(NamedTuple):
    """Something known that fits, as it is told."""

    fit: Fit
    view: View
    cis: list[View]


class Knowledge:
    """Level field: known errors and articles that fit. The number of statements does not grow with incidents."""

    kind = "knowledge"

    async def load(
        self, context: Context, views: Sequence[View], given: Mapping[str, Any]
    ) -> list[tuple[Known, list[Fitting]]]:
        first = given["first"]
        if not 1 <= first <= MOST:
            raise QueryError(f"{first} pieces of knowledge.", f"Ask for 1 to {MOST}.")
        return await context.call(lambda: self._load(context, views, first))

    def _load(
        self, context: Context, views: Sequence[View], first: int
    ) -> list[tuple[Known, list[Fitting]]]:
        store = context.store
        found = known_of(store, [view.record for view in views], first=first)
        ids = {ci for known in found.values() for fit in known.fits for ci in fit.cis}
        cis = {id: context.view(r) for id, r in (store.get(ids) if ids else {}).items()}
        told = {
            id: [
                Fitting(fit, context.view(fit.record), [cis[ci] for ci in fit.cis if ci in cis])
                for fit in known.fits
            ]
            for id, known in found.items()
        }
        return [(found[view.record.id], told[view.record.id]) for view in views]


def _knowledge_type(records: Records) -> type:
    fit = make_type(
        "KnowledgeFit",
        [
            model_field("record", records.lazy("Record"), "A known error, or an article.", read=lambda f: f.view),
            model_field("score", float, "The higher, the better it fits.", read=lambda f: f.fit.score),
            model_field("points", list[points_type(records)], "Why: the same CI, a type, words.", read=lambda f: list(f.fit.points.items())),  # type: ignore[misc]
            model_field("cis", list[records.lazy(CI)], "That both concern.", read=lambda f: f.cis),  # type: ignore[misc]
            model_field("fitsType", str | None, "The type that both are about.", read=lambda f: f.fit.type or None),
            model_field("words", list[str], "In common, the most telling first.", read=lambda f: list(f.fit.words)),
        ],
        description="Something known that fits.",
    )  # fmt: skip
    return make_type(
        "Knowledge",
        [
            model_field("complete", bool, read=lambda k: not k[0].truncated),
            model_field("truncated", str | None, "Why not all was looked at.", read=lambda k: k[0].truncated or None),
            model_field("fits", list[fit], "The best first.", read=lambda k: k[1]),  # type: ignore[valid-type]
        ],
        description="What is known already.",
    )  # fmt: skip


# -- fields -----------------------------------------------------------------------------------------------


def _recent_field(
    records: Records, text: str, arguments: Sequence[Any], resolve: Any
) -> ModelField:
    return model_field(
        "recentChanges",
        records.once("RecentChanges", lambda: _recent_type(records)),
        text,
        arguments=[
            *arguments,
            argument("hours", float, "In so many hours before.", default=float(HOURS)),
            argument("until", DateTime | None, "Before this instant."),
            argument("first", int, f"1 to {MOST}.", default=20),
            argument("depth", int | None, "No further than so many steps."),
        ],
        resolve=resolve,
        cost=200,
    )


def type_fields(records: Records, name: str) -> list[ModelField]:
    if name != INCIDENT:
        return []
    return [
        model_field(
            "impactNow",
            impact_type(types_of(records)),
            "What it hits as things are; with `asOf`, as they were.",
            resolve=_impact_now,
            cost=500,
        ),
        _recent_field(
            records,
            "What changed here and below before it occurred: of the CI that counts most in it.",
            [],
            _recent_of,
        ),
        model_field(
            "knowledge",
            _knowledge_type(records),
            "Known errors and knowledge articles that fit it, whatever `asOf` says.",
            level=Knowledge(),
            arguments=[argument("first", int, f"1 to {MOST}.", default=10)],
            cost=50,
        ),
    ]


def query_fields(records: Records) -> list[ModelField]:
    if not records.model.record_types.keys() >= {CI, "ProcessRecord"}:
        return []
    return [
        _recent_field(
            records,
            "What changed here and below: of a CI and all it stands on; of an incident, of the CI that counts "
            "most in it, until it occurred.",
            [argument("of", strawberry.ID, "A CI, or an incident.")],
            _recent,
        )
    ]
