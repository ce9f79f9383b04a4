"""Telling what names other records: collisions, risk factors, values that are ids."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from api.access.guarded import GuardedStore
from api.context import Context
from api.graphql.fields import make_type, model_field
from api.graphql.records import Records
from api.graphql.refusals import label_type
from api.graphql.scalars import DateTime
from api.graphql.views import View
from cmdb.errors import InvalidChangeError
from cmdb.records import Record
from itsm.changes.collisions import Collision
from itsm.changes.risk import Factor
from itsm.changes.rules import BLIND
from schema.basics import Label
from schema.kinds import is_id, write_datetime
from schema.model import ROOT


@contextmanager
def telling_rules(context: Context) -> Iterator[None]:
    """Broken rules are told without what may not be seen."""
    try:
        yield
    except InvalidChangeError as error:
        store = context.store
        raise store.told(error) if isinstance(store, GuardedStore) else error from None


def views(context: Context, ids: Collection[str]) -> dict[str, View]:
    """Those of some records that are seen now, by id. One statement."""
    found = context.store.get(ids) if ids else {}
    return {id: context.view(record) for id, record in found.items()}


# -- values that may be ids -------------------------------------------------------------------------------


def ids_in(value: Any) -> Iterator[str]:
    """The ids in a JSON value."""
    if isinstance(value, str):
        if is_id(value):
            yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from ids_in(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from ids_in(inner)


def without(value: Any, hidden: Collection[str]) -> Any:
    """A JSON value without the ids of what is hidden; null in place of one that stands alone."""
    if isinstance(value, str):
        return None if value in hidden else value
    if isinstance(value, Mapping):
        return {name: without(inner, hidden) for name, inner in value.items()}
    if isinstance(value, Sequence):
        return [without(inner, hidden) for inner in value if inner not in hidden]
    return value


# -- collisions -------------------------------------------------------------------------------------------


class ToldCollision(NamedTuple):
    """Something in the way, with what of it is seen.

    Attributes
    ----------
    hidden
        How many records it is about that are not seen; what it says does not name them.
    """

    collision: Collision
    others: list[View]
    items: list[View]
    hidden: int

    @property
    def why(self) -> str:
        return BLIND[self.collision.kind] if self.hidden else self.collision.why


def told_collisions(context: Context, found: Sequence[Collision]) -> list[ToldCollision]:
    """Collisions with what of them is seen. One statement."""
    seen = views(context, {r.id for one in found for r in (*one.others, *one.items)})

    def of(records: Iterable[Record]) -> list[View]:
        return [seen[record.id] for record in records if record.id in seen]

    told = [(one, of(one.others), of(one.items)) for one in found]
    return [
        ToldCollision(
            one, others, items, len(one.others) + len(one.items) - len(others) - len(items)
        )
        for one, others, items in told
    ]


def collision_type(records: Records) -> type:
    """Something in the way of a change."""
    return records.once("Collision", lambda: _collision_type(records))


def _collision_type(records: Records) -> type:
    record = records.lazy(ROOT)

    def at(name: str) -> Any:
        return lambda told: write_datetime(getattr(told.collision, name))

    return make_type(
        "Collision",
        [
            model_field(
                "kind", str, "`same_item`, `in_impact`, `together`, `freeze` or `service_hours`.",
                read=lambda told: told.collision.kind,
            ),
            model_field("begins", DateTime, read=at("begins")),
            model_field("ends", DateTime, read=at("ends")),
            model_field("why", str, "A sentence.", read=lambda told: told.why),
            model_field("others", list[record], "Changes; the freeze period; the service.", read=lambda told: told.others),  # type: ignore[valid-type]
            model_field("items", list[record], "The CIs that it is about.", read=lambda told: told.items),  # type: ignore[valid-type]
            model_field("hidden", int, "Records that it is about, and that you may not see.", read=lambda told: told.hidden),
        ],
        description="Something in the way of a change.",
    )  # fmt: skip


# -- risk -------------------------------------------------------------------------------------------------


class ToldFactor(NamedTuple):
    """What one factor adds to a risk, with what of it is seen."""

    factor: Factor
    label: Label | None
    records: list[View]

    @property
    def hidden(self) -> int:
        return len(self.factor.records) - len(self.records)


def factor_of(plain: Mapping[str, Any]) -> Factor:
    """A factor as it was kept."""
    return Factor(**{**plain, "records": tuple(plain["records"])})


def told_factors(context: Context, some: Sequence[Sequence[Factor]]) -> list[list[ToldFactor]]:
    """The factors of several risks. One statement."""
    seen = views(context, {id for factors in some for f in factors for id in f.records})
    declared = context.store.model.risk_factors
    return [
        [
            ToldFactor(
                factor,
                declared[factor.name].label if factor.name in declared else None,
                [seen[id] for id in factor.records if id in seen],
            )
            for factor in factors
        ]
        for factors in some
    ]


def factor_type(records: Records) -> type:
    """What one factor adds to a risk."""
    return records.once("RiskFactor", lambda: _factor_type(records))


def _factor_type(records: Records) -> type:
    return make_type(
        "RiskFactor",
        [
            model_field("name", str, "Of the model's risk factors.", read=lambda t: t.factor.name),
            model_field("label", label_type() | None, read=lambda t: t.label),
            model_field("count", float, "How much there is of it: a number, or a share.", read=lambda t: float(t.factor.count)),
            model_field("points", float, read=lambda t: float(t.factor.points)),
            model_field(
                "said", str | None, "In words; null where these name what you may not see.",
                read=lambda t: None if t.hidden else t.factor.said,
            ),
            model_field("records", list[records.lazy(ROOT)], "The first that it is about.", read=lambda t: t.records),  # type: ignore[misc]
            model_field("hidden", int, "Of these, how many you may not see.", read=lambda t: t.hidden),
        ],
        description="What one factor adds to a risk.",
    )  # fmt: skip


def instant(at: datetime | None) -> str | None:
    """An instant as GraphQL has it."""
    return None if at is None else write_datetime(at)
