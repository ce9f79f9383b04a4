"""Windows of changes: what each takes out meanwhile, and which others have theirs at the same time."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from cmdb.queries import Query
from cmdb.records import Record
from cmdb.store import GraphStore
from impact.rules import Effect
from itsm.hits import WORDS
from lifecycle.items import CONCERNS, DROPPED
from schema.model import STATE_ATTRIBUTE

CHANGE: Final = "Change"
BEGINS: Final = "starts_at"
ENDS: Final = "ends_at"
IMPLEMENTING: Final = "implementing"
PLANNED_STATES: Final = ("assessment", "in_approval", "approved", IMPLEMENTING)
"""The states in which a change is in the way of others."""
PAGE: Final = 500


@dataclass(frozen=True)
class Scheduled:
    """A change with its window.

    Attributes
    ----------
    begins, ends
        Its window. One that is still being implemented when that is over ends now, at the earliest.
    items
        The CIs it concerns, by id.
    """

    change: Record
    begins: datetime
    ends: datetime
    items: Mapping[str, Record]

    @property
    def id(self) -> str:
        return self.change.id

    @property
    def name(self) -> str:
        return str(self.change.attributes.get("number") or self.change.name)

    @property
    def roots(self) -> dict[str, Effect]:
        """CI -> what it is in the window."""
        effect = window_effect(self.change)
        return dict.fromkeys(self.items, effect) if effect else {}

    def overlaps(self, begins: datetime, ends: datetime) -> bool:
        return self.begins < ends and begins < self.ends


def window_effect(change: Record) -> Effect:
    """What the CIs of a change are in its window."""
    word = str(change.attributes.get("window_effect") or "down")
    return WORDS[word]


def window_of(change: Record) -> tuple[datetime, datetime] | None:
    """When a change begins and ends; None where it does not say so, or the wrong way round."""
    begins, ends = change.attributes.get(BEGINS), change.attributes.get(ENDS)
    if begins is None or ends is None or ends <= begins:
        return None
    return begins, ends


def items_of(store: GraphStore, change: Record) -> dict[str, Record]:
    """The CIs that a change concerns, by id. One statement."""
    near = store.neighbours([change.id], [CONCERNS], "out")
    return {
        n.record.id: n.record for n in near if n.relationship.attributes.get("outcome") != DROPPED
    }


def with_items(store: GraphStore, changes: Iterable[Record], now: datetime) -> list[Scheduled]:
    """Changes with their windows and CIs; those without a window are left out. One statement."""
    windows = {c.id: (c, window) for c in changes if (window := window_of(c)) is not None}
    items: dict[str, dict[str, Record]] = {id: {} for id in windows}
    for near in store.neighbours(windows, [CONCERNS], "out") if windows else ():
        if near.relationship.attributes.get("outcome") != DROPPED:
            items[near.of][near.record.id] = near.record
    found = []
    for id, (change, (begins, ends)) in windows.items():
        if change.attributes.get(STATE_ATTRIBUTE) == IMPLEMENTING:
            ends = max(ends, now)
        found.append(Scheduled(change, begins, ends, items[id]))
    return found


def meanwhile(
    store: GraphStore,
    begins: datetime,
    ends: datetime,
    now: datetime,
    states: Sequence[str] = PLANNED_STATES,
    organisation: str | None = None,
    where: Mapping[str, Any] = {},
) -> list[Scheduled]:
    """The changes in some states whose windows overlap a span of time, in order of their beginning.

    One statement for some hundreds of them, and one for what they concern.
    """
    late = [{STATE_ATTRIBUTE: {"eq": IMPLEMENTING}}] if begins < now else []
    asked = {
        BEGINS: {"lt": ends},
        STATE_ATTRIBUTE: {"in": list(states)},
        "or": [{ENDS: {"gt": begins}}, *late],
        **where,
    }
    query = Query(CHANGE, asked, organisation=organisation, first=PAGE)
    found = with_items(store, _all(store, query), now)
    return sorted(
        (one for one in found if one.overlaps(begins, ends)), key=lambda one: (one.begins, one.id)
    )


def _all(store: GraphStore, query: Query) -> Iterator[Record]:
    asked: Query | None = query
    while asked is not None:
        page = store.find(asked)
        yield from page.records
        asked = replace(asked, after=page.cursor) if page.cursor else None


class Stretch(NamedTuple):
    """A stretch of time in which the same changes are under way."""

    begins: datetime
    ends: datetime
    there: tuple[Scheduled, ...]


def stretches(scheduled: Iterable[Scheduled], begins: datetime, ends: datetime) -> list[Stretch]:
    """The stretches of a span in which several changes are under way, in order."""
    some = [one for one in scheduled if one.overlaps(begins, ends)]
    instants = {begins, ends, *(one.begins for one in some), *(one.ends for one in some)}
    inside = sorted(at for at in instants if begins <= at <= ends)
    found = (
        Stretch(at, until, tuple(one for one in some if one.overlaps(at, until)))
        for at, until in itertools.pairwise(inside)
    )
    return [stretch for stretch in found if len(stretch.there) > 1]
