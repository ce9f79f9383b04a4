"""`impact`: what an outage does, why, whom to call, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import strawberry

from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.impact.differing import Compared, difference_type
from api.graphql.impact.finding import Finding, given_effect
from api.graphql.impact.telling import Slice, Teller, Told, ToldGroup, asked
from api.graphql.impact.types import (
    DEPTH,
    EFFECT,
    PAGED,
    ImpactEffect,
    Types,
    hypothesis_type,
    word,
)
from api.graphql.queries import AS_OF
from api.graphql.scalars import AsOf, Int64
from api.graphql.selections import selects_below
from api.graphql.views import View
from cmdb.errors import QueryError
from cmdb.reconciliation.sources import sources
from impact import reports
from impact.analysis import Affected, Outage, Reason
from impact.differences import Difference, compare
from impact.rules import Effect


class Step(NamedTuple):
    """One step of a path, as far as it is seen."""

    reason: Reason
    view: View | None
    link: tuple[str, str, str] | None
    group: ToldGroup | None

    @property
    def rule(self) -> str:
        if not self.reason.type:
            return "GIVEN"
        return "GROUP" if self.reason.group else "SOFT" if self.reason.soft else "HARD"


class Contact(NamedTuple):
    """Whom to call, and about what."""

    view: View
    about: list[View]


class ToldOutage:
    """An outage, told to who asks.

    Parameters
    ----------
    named
        The CIs of the outage that are told by id; all of them if None.
    """

    def __init__(
        self,
        context: Context,
        outage: Outage,
        at: int | None,
        difference: Difference | None = None,
        named: Collection[str] | None = None,
    ) -> None:
        self.named = named
        self.context, self.outage, self._difference = context, outage, difference
        self.teller = Teller(context, at, outage.at)
        self.at, self.model = at, context.store.model

    @property
    def difference(self) -> Compared | None:
        return Compared(self._difference, self.teller) if self._difference else None

    @cached_property
    def seen(self) -> list[Affected]:
        """Affected CIs that are seen, the worst first."""
        seen = self.teller.seen(one.id for one in self.outage.affected)
        return [one for one in self.outage.affected if one.id in seen]

    @property
    def services(self) -> list[Affected]:
        return reports.only(self.model, self.seen, service_only=True)

    def affected(self, given: Mapping[str, Any], *, with_why: bool = True) -> Slice[Told]:
        """One page. One statement for all records of it, and of its paths where they are asked for."""
        wanted = given.get("effect")
        chosen = reports.only(
            self.model, self.seen, given.get("type") or "", bool(given.get("serviceOnly"))
        )
        if wanted is not None:
            effect = str(getattr(wanted, "name", wanted)).lower()
            chosen = [one for one in chosen if one.effect == effect]
        page = self.teller.page(chosen, given)
        paths = {one.id: self.outage.why(one.id) if with_why else [] for one in page.items}
        views = self.teller.views(
            {*paths, *(reason.id for path in paths.values() for reason in path)}
        )
        return page.of(
            [
                Told(one, views.get(one.id), [self._step(r, views) for r in paths[one.id]])
                for one in page.items
            ]
        )

    def _step(self, reason: Reason, views: Mapping[str, View]) -> Step:
        view, link = views.get(reason.id), None
        if view and reason.provider in views:
            ends = (reason.provider, reason.id)
            inwards = self.outage.topology.rules.ends[reason.type] == "source"
            link = (reason.type, *(ends if inwards else ends[::-1]))
        return Step(reason, view, link, reason.group and ToldGroup(reason.group, view))

    def groups(self, given: Mapping[str, Any]) -> Slice[ToldGroup]:
        """Groups that have lost a member, of CIs that are seen."""
        touched = self.outage.touched()
        seen = self.teller.seen(group.dependent for group in touched)
        page = self.teller.page([g for g in touched if g.dependent in seen], given)
        views = self.teller.views({group.dependent for group in page.items})
        return page.of([ToldGroup(g, views.get(g.dependent)) for g in page.items])

    def types(self) -> list[tuple[str, int]]:
        return Counter(one.type for one in self.seen).most_common()

    def effects(self, some: list[Affected]) -> list[tuple[str, int]]:
        counts = Counter(one.effect for one in some)
        return [(word(e.word), counts[e.word]) for e in reversed(Effect) if e]

    def organisations(self) -> list[tuple[str | None, int, str | None]]:
        counts = self.teller.organisations(one.id for one in self.seen)
        views = self.teller.views({id for id in counts if id})
        return [
            (id, count, str(views[id].record.attributes.get("name", id)) if id in views else None)
            for id, count in counts.items()
        ]

    def hidden(self) -> list[tuple[str | None, int]]:
        return self.teller.hidden(one.id for one in self.outage.affected)

    def contacts(self) -> list[Contact]:
        ids = {*self.outage.roots, *(one.id for one in self.services)}
        views = self.teller.views(ids)
        records = {id: view.record for id, view in views.items()}
        found = reports.contacts(self.context.store, records.keys(), records, self.at)
        people = self.teller.views({contact.id for contact in found})
        return [
            Contact(people[c.id], [views[id] for id in c.about if id in views])
            for c in found
            if c.id in people
        ]

    def passed_over(self) -> list[tuple[str, int]] | None:
        ids = [one.id for one in self.seen]
        found = reports.passed_over(self.context.store, ids, self.at)
        return None if found is None else list(found.items())

    def stale(self) -> list[tuple[str, int]]:
        if "DataSource" not in self.model.record_types:
            return []
        known = sources(self.context.services.store)
        old = {name for name, source in known.items() if source.stale()}
        if not old:
            return []
        ids = [one.id for one in self.seen[: reports.NAMED]]
        records = self.context.store.get(ids, self.at).values()
        return list(reports.reported_by(old, records).items())


# -- the question -------------------------------------------------------------------------------------


async def _impact(_: Any, info: Any, **given: Any) -> ToldOutage:
    context: Context = info.context
    return await context.call(lambda: _told(context, given))


def _told(context: Context, given: Mapping[str, Any]) -> ToldOutage:
    finding, depth = Finding(context, given.get("asOf")), given.get("depth")
    effect, ids = given_effect(given), list(dict.fromkeys(given["of"]))
    roots = dict.fromkeys(ids, effect)
    supposed, versus = given.get("hypothetical"), given.get("versus")
    if supposed is not None and versus is not None:
        raise QueryError(
            "An answer is compared with one other.", "Leave `hypothetical` or `versus` out."
        )
    finding.records(ids)
    difference = None
    if supposed is not None:
        before, outage, dependents = finding.supposed(supposed, roots, depth)
        difference = compare(before, outage, dependents)
    else:
        outage = finding.outage(roots, finding.at, depth)
    if versus is not None:
        then = finding.outage(roots, finding.revision(versus), depth)
        difference = compare(then, outage)
    return ToldOutage(context, outage, finding.at, difference)


# -- fields -------------------------------------------------------------------------------------------


async def _affected(source: ToldOutage, info: Any, **given: Any) -> Slice[Told]:
    with_why = selects_below(info, "why")
    found: Slice[Told] = await info.context.call(lambda: source.affected(given, with_why=with_why))
    return found


def fields(types: Types) -> list[ModelField]:
    return [
        model_field(
            "impact",
            impact_type(types),
            "What follows when CIs fail.",
            arguments=[
                argument("of", list[strawberry.ID]),
                EFFECT,
                argument("hypothetical", hypothesis_type() | None, "If the graph were otherwise."),
                AS_OF,
                DEPTH,
                argument("versus", AsOf | None, "Compare with what it would have done then."),
            ],
            resolve=_impact,
            cost=500,
        )
    ]


def _all(_: Any, ids: Sequence[str]) -> Sequence[str]:
    return ids


def _named(told: ToldOutage, ids: Sequence[str]) -> Sequence[str]:
    return ids if told.named is None else [id for id in ids if id in told.named]


def sureness(
    of: Callable[[Any], Outage], named: Callable[[Any, Sequence[str]], Sequence[str]] = _all
) -> list[ModelField]:
    """How sure an answer is; `named` gives those of some CIs that are told by id."""
    return [
        model_field("revision", Int64, "That was looked at.", read=lambda t: of(t).at),
        model_field("complete", bool, read=lambda t: not of(t).truncated),
        model_field(
            "truncated",
            str | None,
            "Why it is not complete.",
            read=lambda t: of(t).truncated or None,
        ),
        model_field(
            "notFound",
            list[strawberry.ID],
            "CIs that were not there, or that nothing can depend on.",
            read=lambda t: named(t, of(t).unknown),
        ),
        model_field(
            "notOperational",
            list[strawberry.ID],
            "CIs that nothing depends on while they are in their state.",
            read=lambda t: named(t, of(t).idle),
        ),
    ]


def impact_type(types: Types) -> type:
    """An outage, told."""
    return types.once("Impact", lambda: _impact_type(types))


def _impact_type(types: Types) -> type:
    narrowed = [
        argument("type", str | None, "Only these, subtypes included."),
        argument("serviceOnly", bool, default=False),
        argument("effect", ImpactEffect | None),
    ]
    return make_type(
        "Impact",
        [
            *sureness(lambda told: told.outage, _named),
            model_field(
                "affected",
                types.connection("AffectedCI", types.affected),
                "The worst first, then the closest; the CIs of the outage included.",
                arguments=[*PAGED, *narrowed],
                resolve=_affected,
            ),
            model_field("totals", _totals(types), read=lambda told: told),
            model_field(
                "groups",
                types.groups,
                "Redundancy groups that have lost a member, those with the least left to lose first.",
                arguments=PAGED,
                resolve=asked(ToldOutage.groups),
            ),
            *_beside(types),
            model_field(
                "difference", difference_type(types) | None, read=lambda told: told.difference
            ),
        ],
        description="An outage, told.",
    )


def _totals(types: Types) -> type:
    def counted(name: str, type_: Any, text: str, work: Any) -> ModelField:
        return model_field(name, list[type_], text, resolve=asked(work))

    return make_type(
        "ImpactTotals",
        [
            counted("byEffect", types.effects, "The worst first.", lambda t, _: t.effects(t.seen)),
            counted("byType", types.by_type, "Most first.", lambda t, _: t.types()),
            counted("services", types.effects, "Services.", lambda t, _: t.effects(t.services)),
            counted(
                "byOrganisation",
                types.by_organisation,
                "Most first.",
                lambda t, _: t.organisations(),
            ),
        ],
        description="Affected CIs that you may see, counted.",
    )


def _beside(types: Types) -> list[ModelField]:
    contact = make_type(
        "ImpactContact",
        [
            model_field("record", types.record, read=lambda c: c.view),
            model_field("about", list[types.record], read=lambda c: c.about),  # type: ignore[name-defined]
        ],
        description="A team or person to call, and the CIs that it is about.",
    )
    return [
        model_field(
            "contacts",
            list[contact],  # type: ignore[valid-type]
            "Who operates the CIs of the outage and the affected services, and their custodians.",
            resolve=asked(lambda told, _: told.contacts()),
        ),
        model_field(
            "passedOver",
            list[types.by_type] | None,  # type: ignore[name-defined]
            "Relationships of affected CIs whose types have no impact rule; null: too many CIs.",
            resolve=asked(lambda told, _: told.passed_over()),
        ),
        model_field(
            "staleSources",
            list[types.stale],  # type: ignore[name-defined]
            "Sources of affected CIs that were not seen for too long.",
            resolve=asked(lambda told, _: told.stale()),
        ),
        model_field(
            "hidden",
            list[types.hidden],  # type: ignore[name-defined]
            "Affected CIs that you may not see, counted by organisation.",
            resolve=asked(lambda told, _: told.hidden()),
        ),
    ]
