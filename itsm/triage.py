"""What follows from what a process hits: how bad it is, its priority, and until when it must be done."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from cmdb.records import Record
from itsm import hits
from itsm.clocks import Reading, Stay, reading, stays_of
from itsm.hits import Hit
from itsm.policies import impact_level, priority
from itsm.service_levels import agreements, covering, load_calendars, promises, together
from lifecycle.cases import Room
from lifecycle.items import CONCERNS, DROPPED
from schema.model import ORGANISATION_ATTRIBUTE, RecordType

GOVERNING: Final = "resolution"
"""The clock whose agreement is told as the process's own; the first one if a machine has none of that name."""


def triage(
    room: Room,
    type_: RecordType,
    attributes: Mapping[str, Any],
    hit: Hit,
    concerned: Collection[str],
    stays: Sequence[Stay],
) -> dict[str, Any]:
    """The attributes that follow from what is hit; None for those that have no value.

    Parameters
    ----------
    attributes
        Of the process, as they will be beside.
    concerned
        Ids of the CIs that the process concerns.
    stays
        The states it was in, the one it will be in included.
    """
    level = impact_level(room.model, hit)
    urgency = attributes.get("urgency") or type_.defaults.get("urgency")
    grade = priority(room.model, level, urgency)
    found: dict[str, Any] = {
        "impact": hit.plain(),
        "impact_revision": hit.revision,
        "hit_organisations": hit.organisations or None,
        "impact_level": level,
        "priority": grade,
    }
    if grade == next(iter(room.model.priorities), None) != attributes.get("priority"):
        found["major"] = True  # until somebody says otherwise
    return found | timed(room, type_, {**attributes, **found}, concerned, stays)


def timed(
    room: Room,
    type_: RecordType,
    attributes: Mapping[str, Any],
    concerned: Collection[str],
    stays: Sequence[Stay],
) -> dict[str, Any]:
    """Until when a process must be done, and by which agreement; None where nothing is due."""
    readings = clocks(room, type_, attributes, concerned, stays)
    machine = type_.state_machine
    if machine is None or not readings:
        return {}
    found: dict[str, Any] = {machine.clocks[n].due: shown.due for n, shown in readings.items()}
    governing = readings.get(GOVERNING) or next(iter(readings.values()))
    found["service_level"] = governing.promise.agreement if governing.promise else None
    return found


def clocks(
    room: Room,
    type_: RecordType,
    attributes: Mapping[str, Any],
    concerned: Collection[str],
    stays: Sequence[Stay],
) -> dict[str, Reading]:
    """What each clock of a process shows, by name. One statement beside those for calendars."""
    if type_.state_machine is None or not type_.state_machine.clocks:
        return {}
    agreed = agreements(room.store, _covered(attributes, concerned))
    return _readings(room, type_, attributes, agreed, stays)


def clocks_of(
    room: Room, processes: Collection[Record], as_of: int | None = None
) -> dict[str, dict[str, Reading]]:
    """What the clocks of several processes show, by id: at the instant of the room.

    Parameters
    ----------
    as_of
        The revision that they are of; organisations and calendars count as they are now.

    Four statements, one for some thousands of what they hit, and those for organisations and calendars: no
    more of them for more processes.
    """
    store, types = room.store, room.model.record_types
    timed_ = [p for p in processes if (m := types[p.type].state_machine) is not None and m.clocks]
    found: dict[str, dict[str, Reading]] = {process.id: {} for process in processes}
    if not timed_:
        return found
    ids = [process.id for process in timed_]
    stays, concerned = stays_of(store, ids, as_of), dict[str, list[str]]()
    for near in store.neighbours(ids, [CONCERNS], "out", as_of):
        if near.relationship.attributes.get("outcome") != DROPPED:
            concerned.setdefault(near.of, []).append(near.record.id)
    covered = {p.id: _covered(p.attributes, concerned.get(p.id, ())) for p in timed_}
    by_ci = covering(store, {ci for own in covered.values() for ci in own}, as_of)
    organisations = {o for p in timed_ if (o := p.attributes.get(ORGANISATION_ATTRIBUTE))}
    load_calendars(room, organisations, together(by_ci.values()))
    for process in timed_:
        agreed = together(by_ci[ci] for ci in covered[process.id] if ci in by_ci)
        own = stays.get(process.id, [])
        found[process.id] = _readings(room, types[process.type], process.attributes, agreed, own)
    return found


def _covered(attributes: Mapping[str, Any], concerned: Collection[str]) -> set[str]:
    """The CIs of a process whose agreements count: those that it concerns, and the services that it impairs."""
    kept = hits.read(attributes.get("impact"))
    return {*concerned, *(kept.impaired if kept else ())}


def _readings(
    room: Room,
    type_: RecordType,
    attributes: Mapping[str, Any],
    agreed: Sequence[Record],
    stays: Sequence[Stay],
) -> dict[str, Reading]:
    assert type_.state_machine is not None, "who asks has looked"
    said = attributes.get("priority"), attributes.get(ORGANISATION_ATTRIBUTE)
    return {
        name: reading(clock, stays, promises(room, clock, *said, agreed), room.now)
        for name, clock in type_.state_machine.clocks.items()
    }
