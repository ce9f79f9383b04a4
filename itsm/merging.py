"""Incidents taken together, and apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from cmdb.change_sets import Operation, Relate, Unrelate
from cmdb.records import Record, RelationshipKey
from cmdb.store.base import Neighbour
from itsm.incidents import Incidents, number_in, staying
from itsm.opening import Seen, details_of, joined, opened
from lifecycle.cases import Room
from lifecycle.deciding import Decision
from lifecycle.engine import Engine
from lifecycle.guards import called
from lifecycle.items import CONCERNS
from lifecycle.refusals import RequestError
from schema.model import STATE_ATTRIBUTE

REPORTED_IN: Final = "REPORTED_IN"
RAISED_ON: Final = "RAISED_ON"
MERGED_INTO: Final = "MERGED_INTO"
SPLIT_FROM: Final = "SPLIT_FROM"
MERGE: Final = "merge"
OWN: Final = (CONCERNS, MERGED_INTO, SPLIT_FROM)
"""Relationships that stay with the incident that has them."""
TAKEN_OVER: Final = ("urgency", "description", "channel", "occurred_at", "requested_by", "tags")
"""What a part of an incident says as the whole did."""


def merge(
    incidents: Incidents, into: str, others: Sequence[str], actor: str, reason: str = ""
) -> int:
    """Make one incident of several; gives the revision.

    Alerts, CIs and relationships of the others go over to it. It is as urgent as the most urgent of them, a
    major incident if one of them was, and has occurred when the first of them did; what it hits, its priority
    and its clocks follow. The others end as merged.

    Raises
    ------
    RefusedError
        It is no longer open, or one of the others has ended.
    NotAllowedError
        The actor may not work on one of them.
    RequestError
        Nothing else is named, or the incident itself is.
    """
    named = list(dict.fromkeys(others))
    if not named or into in named:
        raise RequestError("An incident is merged into another one.", "Name two or more.")

    def work() -> Decision:
        record, room = incidents.open_one(into, actor)
        others = [incidents.one(id, actor)[0] for id in named]
        operations = absorbing(incidents.engine, room, record, others, reason)
        text = f"{called(record)} absorbs {', '.join(map(called, others))}"
        seen = {one.id: one.revision for one in (record, *others)}
        return Decision(operations, f"{text}: {reason}" if reason else text, seen)

    return incidents.engine.decide(actor, work)[1]


def absorbing(
    engine: Engine,
    room: Room,
    into: Record,
    others: Sequence[Record],
    reason: str = "",
    *,
    items: Mapping[str, Mapping[str, Any]] = {},
    attributes: Mapping[str, Any] = {},
    seen: Seen | None = None,
) -> list[Operation]:
    """What makes one incident of several.

    Parameters
    ----------
    items, attributes
        What the one that stays says of CIs, and what else becomes of it, whatever the others say.
    seen
        As of `itsm.opening.joined`.
    """
    ids = [one.id for one in others]
    links = engine.store.neighbours([into.id, *ids], _movable(room))
    moving = _Moving(into.id, ids, (n.relationship.key for n in links if n.of == into.id))
    operations: list[Operation] = [*moving.of(n for n in links if n.of != into.id)]
    alerts = {n.record.id: n.record for n in links if n.relationship.type == REPORTED_IN}
    taken: dict[str, dict[str, Any]] = {}
    for other in others:
        taken |= {
            id: said
            for id, said in details_of(room.items(other.id, linked=False)).items()
            if id not in taken
        }
        case = engine.case(other, engine.way(other, MERGE), room, {"reason": reason}, {})
        engine.settle([case], room, system=True)
        engine.stop(case.refusals)
        operations += [*case.operations(), *engine.entered(case, room)]
        operations.append(Relate(other.id, MERGED_INTO, into.id))
    mine = details_of(room.items(into.id, linked=False))
    new = {id: said for id, said in taken.items() if id not in mine}
    become = _joint(room, into, others) | {"quiet_from": _quiet([into, *others], alerts)}
    operations += joined(
        engine, room, into, {**new, **items}, seen=seen, attributes={**become, **attributes}
    )
    return operations


def split(
    incidents: Incidents,
    incident: str,
    cis: Sequence[str],
    actor: str,
    name: str = "",
    reason: str = "",
) -> Record:
    """Make an incident of its own of some of the CIs of an open one; gives the new one.

    Alerts of these CIs go with them. What both hit, their priorities and clocks follow; the new one begins
    as any other.

    Raises
    ------
    RefusedError
        It is no longer open, or would concern nothing any more.
    NotFoundError
        It does not concern one of the CIs.
    """
    leaving = list(dict.fromkeys(cis))
    if not leaving:
        raise RequestError("Nothing was named to be split off.", "Name CIs.")
    id = incidents.engine.next_id()

    def work() -> Decision:
        engine, store = incidents.engine, incidents.store
        record, room = incidents.open_one(incident, actor)
        staying(room, record, leaving)
        details = details_of(room.items(incident, linked=False))
        said = {n: record.attributes[n] for n in TAKEN_OVER if n in record.attributes}
        become: dict[str, Any] = {}
        if record.attributes.get("probable_cause") in leaving:
            said["probable_cause"] = record.attributes["probable_cause"]
            become["probable_cause"] = None
        alerts = store.neighbours([incident], [REPORTED_IN], "in")
        raised = (
            store.neighbours([n.record.id for n in alerts], [RAISED_ON], "out") if alerts else []
        )
        going = {n.of for n in raised if n.record.id in leaving}
        moved = {n.record.id: n.record for n in alerts if n.record.id in going}
        if moved:
            said["quiet_from"] = _quiet([record], moved)
        made = opened(
            engine,
            room,
            id,
            name=name or record.name,
            items={ci: details[ci] for ci in leaving},
            attributes=said,
        )
        moving = _Moving(id, [incident], ()).of(n for n in alerts if n.record.id in going)
        operations = [*made, Relate(id, SPLIT_FROM, incident), *moving]
        operations += joined(engine, room, record, {}, without=leaving, attributes=become)
        text = f"{number_in(made)} split from {called(record)}"
        seen = {incident: record.revision}
        return Decision(operations, f"{text}: {reason}" if reason else text, seen)

    incidents.engine.decide(actor, work)
    return incidents.store.record(id)


def _movable(room: Room) -> list[str]:
    return [name for name in room.model.relationship_types if name not in OWN]


class _Moving:
    """Relationships of some records become those of another, each once; what would join it with itself goes.

    Parameters
    ----------
    there
        Those that it has already.
    """

    def __init__(
        self, target: str, sources: Iterable[str], there: Iterable[RelationshipKey]
    ) -> None:
        self._target, self._gone = target, {target, *sources}
        self._made, self._closed = {*there}, set[RelationshipKey]()

    def of(self, links: Iterable[Neighbour]) -> Iterator[Operation]:
        for near in links:
            link = near.relationship
            if link.key in self._closed:
                continue
            self._closed.add(link.key)
            yield Unrelate(*link.key)
            ends = [
                self._target if end in self._gone else end for end in (link.source, link.target)
            ]
            key = RelationshipKey(ends[0], link.type, ends[1])
            if ends[0] != ends[1] and self._made.isdisjoint({key, _turned(key)}):
                self._made.add(key)
                yield Relate(*key, link.said)


def _turned(key: RelationshipKey) -> RelationshipKey:
    return RelationshipKey(key.target, key.type, key.source)


def _joint(room: Room, record: Record, absorbed: Sequence[Record]) -> dict[str, Any]:
    """What an incident takes over of those that it absorbs."""
    together = [record, *absorbed]
    found: dict[str, Any] = {}
    urgencies = [*room.model.attributes["urgency"].values]  # the most urgent first
    said = [u for one in together if (u := one.attributes.get("urgency")) in urgencies]
    if said:
        found["urgency"] = min(said, key=urgencies.index)
    began = [at for one in together if (at := one.attributes.get("occurred_at")) is not None]
    if began:
        found["occurred_at"] = min(began)
    if any(one.attributes.get("major") for one in together):
        found["major"] = True
    causes = (one.attributes.get("probable_cause") for one in together)
    if (cause := next((c for c in causes if c is not None), None)) is not None:
        found["probable_cause"] = cause
    return found


def _quiet(incidents: Sequence[Record], alerts: dict[str, Record]) -> Any:
    """From when on all alerts have been cleared long enough; None where one is firing, or flaps."""
    said = [alert.attributes for alert in alerts.values()]
    if any(one.get(STATE_ATTRIBUTE) == "firing" or one.get("flapping") for one in said):
        return None
    known = [at for one in incidents if (at := one.attributes.get("quiet_from")) is not None]
    return max(known, default=None)
