"""What is in the way of a change's window: other changes, freeze periods, the hours of services.

Another change is in its way where their windows overlap and

- both concern the same CI;
- a CI of the one is degraded, or goes down, in the window of the other;
- a CI is degraded or goes down, and fares worse, when both are under way than with either of them: both members
  of a redundant pair. So it is with all changes that are under way at one instant, where it fares better
  without this one.

A freeze period holds in its organisation and below, for changes of those organisations and for those that
concern their CIs. A service that goes down in the window by this change alone is not to do so in its hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cmdb.queries import PAGE_LIMIT, Query, Sort
from cmdb.records import Record
from cmdb.store import GraphStore
from impact.analysis import Outage
from impact.propagation import reachable
from impact.reports import is_service
from impact.rules import Effect
from impact.snapshots import partial
from impact.windows import Broken, Window
from itsm.calendars import Calendar, Calendars
from itsm.changes.whatif import Seen, found
from itsm.changes.windows import Scheduled, meanwhile, stretches, with_items
from itsm.hits import WORDS
from lifecycle.guards import named
from lifecycle.people import Directory
from schema.kinds import write_datetime
from schema.model import ORGANISATION_ATTRIBUTE, Model

SAME_ITEM: Final = "same_item"
IN_IMPACT: Final = "in_impact"
TOGETHER: Final = "together"
FREEZE: Final = "freeze"
SERVICE_HOURS: Final = "service_hours"
OF_CHANGES: Final = (SAME_ITEM, IN_IMPACT, TOGETHER)
OF_TIME: Final = (FREEZE, SERVICE_HOURS)
FREEZE_PERIOD: Final = "FreezePeriod"
HOURS: Final = "service_hours"
GUARDS: Final[Mapping[str, Sequence[str]]] = {"no_collision": OF_CHANGES, "no_freeze": OF_TIME}


class Collision(NamedTuple):
    """One thing in the way.

    Attributes
    ----------
    begins, ends
        When it is, as far as that is in the window.
    over
        Until when it is in the way of a window that begins in the meantime.
    others
        The changes; the freeze period; or the service.
    items
        The CIs that it is about.
    why
        A sentence.
    """

    kind: str
    begins: datetime
    ends: datetime
    over: datetime
    others: tuple[Record, ...]
    items: tuple[Record, ...]
    why: str

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": self.kind,
            "begins": write_datetime(self.begins),
            "ends": write_datetime(self.ends),
            "others": [plain_name(record) for record in self.others],
            "items": [plain_name(record) for record in self.items],
            "why": self.why,
        }


def plain_name(record: Record) -> dict[str, str]:
    number = str(record.attributes.get("number") or record.name)
    return {"id": record.id, "type": record.type, "name": number}


def exempt(model: Model, change: Record, guard: str) -> bool:
    """Whether what a guard looks at is nothing to changes of a type: the model says so."""
    declared = model.guards.get(guard)
    types = declared.types if declared else ()
    return bool(types) and {*types}.isdisjoint(model.record_types[change.type].ancestors)


class _Between(NamedTuple):
    """What there is between a change and others, whenever they are under way together."""

    kind: str
    others: tuple[Scheduled, ...]
    items: tuple[str, ...]
    why: str


class Surroundings:
    """What can be in the way of a change in a span of time; windows within it are looked at one by one.

    Parameters
    ----------
    mine
        The change, with what it concerns; its own window is not looked at.
    begins, ends
        The span.
    now
        Changes that should be over, and are not, last until then.
    seen
        The topology as it is now, where it is at hand; else as much is fetched as is needed.

    A dozen statements, and one for each level that the outages of all these changes reach.
    """

    def __init__(
        self,
        store: GraphStore,
        mine: Scheduled,
        begins: datetime,
        ends: datetime,
        now: datetime,
        directory: Directory,
        seen: Seen | None = None,
    ) -> None:
        self.store, self.mine, self.directory = store, mine, directory
        self._span = (begins, ends)
        there = meanwhile(store, begins, ends, now)
        self.others = [other for other in there if other.id != mine.id]
        self.at = store.last_revision().number
        roots = _united([mine, *self.others])
        self._topology = found(seen[0] if seen else partial(store, roots, as_of=self.at))
        self._known: dict[frozenset[str], list[_Between]] = {}
        self._outages: dict[str, Outage] = {}
        self._reached: dict[str, NDArray[np.integer]] = {}
        self._records: dict[str, Record] = {}

    def at_window(self, begins: datetime, ends: datetime) -> list[Collision]:
        """All that is in the way of a window, changes first."""
        found: dict[tuple[Any, ...], Collision] = {}
        for other in self.others:
            if other.overlaps(begins, ends):
                for one in self._with(other):
                    found[one.kind, other.id, one.items] = self._collision(
                        one, begins, ends, other.ends
                    )
        paired = {i.id for c in found.values() if c.kind == TOGETHER for i in c.items}
        for stretch in stretches(self.others, begins, ends):
            for one in self._with_all(stretch.there):
                left = tuple(id for id in one.items if id not in paired)
                if left:
                    found.setdefault(
                        (one.kind, *(o.id for o in one.others), left),
                        self._collision(one, begins, ends, stretch.ends),
                    )
        times = () if self._timeless else (*self._frozen(begins, ends), *self._hours(begins, ends))
        return [*found.values(), *times]

    def _collision(
        self, one: _Between, begins: datetime, ends: datetime, over: datetime
    ) -> Collision:
        return Collision(
            one.kind,
            max(begins, *(other.begins for other in one.others)),
            min(ends, *(other.ends for other in one.others)),
            over,
            tuple(other.change for other in one.others),
            self._get(one.items),
            one.why,
        )

    # -- other changes ----------------------------------------------------------------------------

    def _with(self, other: Scheduled) -> list[_Between]:
        key = frozenset([other.id])
        if key not in self._known:
            self._known[key] = [
                _Between(kind, (other,), items, why) for kind, items, why in self._pair(other)
            ]
        return self._known[key]

    def _pair(self, other: Scheduled) -> Iterator[tuple[str, tuple[str, ...], str]]:
        """What there is between two changes: kind, CIs, sentence."""
        mine = self.mine
        if shared := sorted(mine.items.keys() & other.items.keys()):
            names = named([mine.items[id].name for id in shared])
            yield SAME_ITEM, tuple(shared), f"{other.name} concerns {names} too"
        for one, another, whose in (
            (mine, other, f"what {other.name} concerns is inside its impact"),
            (other, mine, f"what it concerns is inside the impact of {other.name}"),
        ):
            outage = self._outage(one)
            effects = {
                id: outage.effect(id).word
                for id in sorted(another.items.keys() - one.items.keys())
                if outage.effect(id) >= Effect.DEGRADED
            }
            if effects:
                names = named([f"{another.items[id].name} is {e}" for id, e in effects.items()])
                yield IN_IMPACT, tuple(effects), f"{whose}: {names}"
        if self._meet(other) and (broken := self._broken([mine, other])):
            ids = tuple(one.id for one in broken)
            yield TOGETHER, ids, f"together with {other.name} {self._worse(broken)}"

    def _with_all(self, there: Sequence[Scheduled]) -> list[_Between]:
        """What is broken only with all changes that are under way at one instant, and not without this."""
        near = [other for other in there if self._meet(other)]
        key = frozenset(other.id for other in near)
        if len(near) < 2:
            return []  # what two do is known
        if key not in self._known:
            groups: dict[tuple[int, ...], list[Broken]] = {}
            for one in self._broken([self.mine, *near]):
                if 0 in one.spared_by:
                    groups.setdefault(one.spared_by[1:], []).append(one)
            self._known[key] = []
            for numbers, some in groups.items():
                others = tuple(near[number - 1] for number in numbers) or tuple(near)
                names = " and ".join(other.name for other in others)
                why = f"together with {names} {self._worse(some)}"
                ids = tuple(one.id for one in some)
                self._known[key].append(_Between(TOGETHER, others, ids, why))
        return self._known[key]

    def _meet(self, other: Scheduled) -> bool:
        """Whether failure could get to some CI from what either takes out: else together they are as alone."""
        return bool(np.intersect1d(self._reach(self.mine), self._reach(other)).size)

    def _reach(self, change: Scheduled) -> NDArray[np.integer]:
        if change.id not in self._reached:
            nodes = [node for node in self._topology.find(change.roots) if node is not None]
            self._reached[change.id] = reachable(self._topology, nodes)
        return self._reached[change.id]

    def _broken(self, changes: Sequence[Scheduled]) -> list[Broken]:
        """The CIs that are degraded or down, and fare worse than with each of the changes alone."""
        roots = [change.roots for change in changes]
        if not all(roots):
            return []
        window = Window(self._topology, roots, at=self.at)
        return [one for one in window.broken if WORDS[one.together] >= Effect.DEGRADED]

    def _worse(self, broken: Sequence[Broken]) -> str:
        """Services first."""
        model = self.store.model
        order = sorted(broken, key=lambda one: not is_service(model, one.type))
        records = {record.id: record for record in self._get(one.id for one in order)}
        return named([f"{records[one.id].name} is {one.together}" for one in order])

    def _outage(self, change: Scheduled) -> Outage:
        if change.id not in self._outages:
            self._outages[change.id] = Outage(
                self._topology, change.roots, at=self.at, together=False
            )
        return self._outages[change.id]

    # -- freezes and hours ------------------------------------------------------------------------

    @property
    def _timeless(self) -> bool:
        return exempt(self.store.model, self.mine.change, "no_freeze")

    @cached_property
    def _periods(self) -> list[Record]:
        """The freeze periods of the span that hold for the change, or for what it concerns."""
        records = (self.mine.change, *self.mine.items.values())
        own = {o for r in records if (o := r.attributes.get(ORGANISATION_ATTRIBUTE)) is not None}
        self.directory.load(own)
        above = {organisation.id for o in own for organisation in self.directory.line(o)}
        return freezes(self.store, *self._span, above)

    def _frozen(self, begins: datetime, ends: datetime) -> Iterator[Collision]:
        for period in self._periods:
            first, last = period.attributes["starts_at"], period.attributes["ends_at"]
            if first < ends and begins < last:
                span = (max(begins, first), min(ends, last), last)
                yield Collision(FREEZE, *span, (period,), (), f"it falls into {period.name}")

    @cached_property
    def _promised(self) -> list[tuple[Record, Calendar]]:
        """The services that this change alone takes down, and when they are promised."""
        model, outage = self.store.model, self._outage(self.mine)
        down = [a.id for a in outage.affected if a.effect == "down" and is_service(model, a.type)]
        services = [record for record in self._get(down) if record.attributes.get(HOURS)]
        calendars = Calendars(self.store, self.directory)
        found = calendars.of([service.attributes[HOURS] for service in services])
        return [(s, found[id]) for s in services if (id := s.attributes[HOURS]) in found]

    def _hours(self, begins: datetime, ends: datetime) -> Iterator[Collision]:
        for service, calendar in self._promised:
            hours = list(calendar.stretches(begins, ends))
            if hours:
                span = (hours[0][0], hours[-1][1], hours[-1][1])
                why = f"{service.name} would be down in its hours, {calendar.name}"
                yield Collision(SERVICE_HOURS, *span, (service,), (), why)

    def _get(self, ids: Iterable[str]) -> tuple[Record, ...]:
        """Records, each read once."""
        asked = list(ids)
        if unknown := [id for id in asked if id not in self._records]:
            self._records |= self.store.get(unknown)
        return tuple(self._records[id] for id in asked if id in self._records)


def freezes(
    store: GraphStore, begins: datetime, ends: datetime, organisations: Iterable[str] | None
) -> list[Record]:
    """Freeze periods of some organisations, or all, that overlap a span; one of none holds everywhere."""
    where: dict[str, Any] = {"starts_at": {"lt": ends}, "ends_at": {"gt": begins}}
    if organisations is not None:
        of = [{ORGANISATION_ATTRIBUTE: {"in": sorted(organisations)}}]
        where["or"] = [*of, {ORGANISATION_ATTRIBUTE: {"null": True}}]
    return store.find(
        Query(FREEZE_PERIOD, where, sort=[Sort("starts_at")], first=PAGE_LIMIT)
    ).records


def _united(changes: Iterable[Scheduled]) -> dict[str, Effect]:
    found: dict[str, Effect] = {}
    for change in changes:
        for id, effect in change.roots.items():
            found[id] = max(effect, found.get(id, Effect.NONE))
    return found


def collisions(
    store: GraphStore,
    change: Record,
    now: datetime,
    directory: Directory,
    seen: Seen | None = None,
) -> list[Collision]:
    """What is in the way of a change's own window; nothing where it has none.

    Parameters
    ----------
    seen
        As of `Surroundings`.
    """
    for mine in with_items(store, [change], now):
        around = Surroundings(store, mine, mine.begins, mine.ends, now, directory, seen)
        return around.at_window(mine.begins, mine.ends)
    return []
