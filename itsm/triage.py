"""What follows from what a process hits: how bad it is, its priority, and until when it must be done."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from itsm import hits
from itsm.clocks import Reading, Stay, reading
from itsm.hits import Hit
from itsm.policies import impact_level, priority
from itsm.service_levels import agreements, promises
from lifecycle.cases import Room
from schema.model import RecordType

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
    """What each clock of a process shows, by name. Two statements beside those for calendars."""
    machine = type_.state_machine
    if machine is None or not machine.clocks:
        return {}
    kept = hits.read(attributes.get("impact"))
    agreed = agreements(room.store, {*concerned, *(kept.impaired if kept else ())})
    return {
        name: reading(
            clock,
            stays,
            promises(
                room, clock, attributes.get("priority"), attributes.get("organisation"), agreed
            ),
            room.now,
        )
        for name, clock in machine.clocks.items()
    }
