"""Incidents opened, and CIs added to open ones: what is to be committed for it.

What an incident hits is looked at as of one revision and kept with it; its priority, its service level, until
when it must be answered and resolved, and who is to see to it follow from that. Nothing is committed here: the
operations are part of a decision, and a decision may open several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cmdb.change_sets import Operation, Relate, Update
from cmdb.records import Record
from impact.rules import Effect
from impact.topology import Topology
from impact.views import View
from itsm.assignment import leading, levels, support
from itsm.clocks import Stay, stays_of
from itsm.hits import WORDS, Hit, hit
from itsm.triage import triage
from lifecycle.cases import Room
from lifecycle.drafting import Drafting
from lifecycle.engine import Engine
from lifecycle.items import CONCERNS, DROPPED, OPEN, Item
from lifecycle.refusals import RequestError
from schema.model import ORGANISATION_ATTRIBUTE

INCIDENT: Final = "Incident"
ROLE: Final = "role"
"""Detail of a CI: what it is to the incident, one of `itsm.assignment.ROLES`."""
EFFECT: Final = "effect"
"""Detail of a CI: what has happened to it; ``none`` of one that only suffers from another."""

Items = Mapping[str, Mapping[str, Any]]
"""Id of a CI -> details: ``{"role": "cause", "effect": "degraded"}``."""
Seen = tuple[Topology, View]
"""A topology and a moment in it, where it is at hand: `impact.snapshots.Snapshot.shared`."""


def opened(
    engine: Engine,
    room: Room,
    id: str,
    *,
    name: str,
    items: Items,
    attributes: Mapping[str, Any] = {},
    roots: Mapping[str, Effect] | None = None,
    seen: Seen | None = None,
    skip: int = 0,
) -> list[Operation]:
    """What opens an incident.

    Parameters
    ----------
    room
        Of the decision it is part of; its clock and its actor count.
    id
        Of the incident: a new one.
    items
        The CIs that it concerns. The first line of support is chosen by those whose role counts most.
    attributes
        What else is known; managed ones too. Without an organisation it is that of the CI that counts most.
    roots
        What has happened to some of the CIs; nothing to the others by itself. Without it, what their
        details say, or else that they are down.
    seen
        The topology; it must be of the newest revision. Else as much is read as is needed.
    skip
        So many others are opened by the same decision before it.

    Raises
    ------
    RequestError
        It concerns no CI, or one that is not there.
    """
    told = _told(items, roots)
    records = _records(engine, told)
    ranked = leading([(record, role_of(told[record.id])) for record in records.values()])
    given = {n: v for n, v in attributes.items() if v is not None}
    own = (record.attributes.get(ORGANISATION_ATTRIBUTE) for record in ranked)
    home = next((at for at in own if at is not None), None)
    if home is not None:
        given.setdefault(ORGANISATION_ATTRIBUTE, home)
    given.setdefault(ORGANISATION_ATTRIBUTE, room.actor.record.attributes.get("organisation"))
    type_ = engine.store.model.record_type(INCIDENT)
    machine = type_.state_machine
    assert machine is not None, "incidents have states"
    outcome = hit_now(engine, told, seen)
    stays = [Stay(machine.initial, room.now)]
    given |= triage(room, type_, given, outcome, told, stays)
    line = support(room, levels(engine.store.model)[0], ranked, given.get(ORGANISATION_ATTRIBUTE))
    given.setdefault("support_level", line.level)
    given.setdefault("assigned_team", line.team)
    given.setdefault("assignee", line.person)
    said = {"name": name, "occurred_at": room.now, **given}
    devices = list(told.items())
    return Drafting(engine).drafted(room, INCIDENT, id, said, devices, skip=skip)[1]


def joined(
    engine: Engine,
    room: Room,
    incident: Record,
    items: Items,
    roots: Mapping[str, Effect] | None = None,
    seen: Seen | None = None,
    *,
    without: Sequence[str] = (),
    attributes: Mapping[str, Any] = {},
) -> list[Operation]:
    """What adds CIs to an open incident, or gives those it has other details, and looks at it all anew.

    Parameters
    ----------
    roots
        As of `opened`; of CIs that the incident concerns already, too.
    without
        Ids of CIs that leave it.
    attributes
        What else becomes of it.
    """
    there = {item.record.id: item for item in room.items(incident.id, linked=False)}
    if strange := [id for id in roots or () if id not in there and id not in items]:
        raise RequestError(f"{strange[0]} is not among the CIs.", "Name it as one of them, too.")
    _records(engine, {id: items[id] for id in items if id not in there})
    told = {id: {**item.details, **items.get(id, {})} for id, item in there.items()}
    told |= _told(
        {id: said for id, said in items.items() if id not in there}, None if roots is None else {}
    )
    for id, effect in (roots or {}).items():
        told[id][EFFECT] = effect.word
    operations: list[Operation] = []
    staying: dict[str, dict[str, Any]] = {}
    for id, details in told.items():
        kept = there[id].said if id in there else {}
        outcome = OPEN if id in items else kept.get("outcome", OPEN)
        now = {**kept, "outcome": DROPPED if id in without else outcome, "details": details}
        if now["outcome"] != DROPPED:
            staying[id] = details
        if now != kept:
            operations.append(Relate(incident.id, CONCERNS, id, now))
    found = reassessed(engine, room, incident, staying, seen, attributes)
    return [*operations, Update(incident.id, {**attributes, **found})]


def reassessed(
    engine: Engine,
    room: Room,
    incident: Record,
    items: Items,
    seen: Seen | None = None,
    attributes: Mapping[str, Any] = {},
) -> dict[str, Any]:
    """What follows, now, from what an incident concerns. What is hit stays as it was kept where it is the same."""
    outcome = hit_now(engine, items, seen)
    stays = stays_of(engine.store, [incident.id]).get(incident.id, [])
    now = {**incident.attributes, **attributes}
    type_ = engine.store.model.record_types[incident.type]
    found = triage(room, type_, now, outcome, items, stays)
    if outcome.same(incident.attributes.get("impact")):
        del found["impact"], found["impact_revision"], found["hit_organisations"]
    return found


def details_of(items: Sequence[Item]) -> dict[str, dict[str, Any]]:
    """What an incident says of the CIs that it concerns, without those that have left it."""
    return {item.record.id: item.details for item in items if item.outcome != DROPPED}


def roots_of(items: Items) -> dict[str, Effect]:
    """The effects that CIs are given; down unless their details say otherwise."""
    given = {
        id: WORDS.get(str(said.get(EFFECT, Effect.DOWN.word)), Effect.DOWN)
        for id, said in items.items()
    }
    return {id: effect for id, effect in given.items() if effect}


def _told(items: Items, roots: Mapping[str, Effect] | None) -> dict[str, dict[str, Any]]:
    """Details of CIs, their effects among them."""
    if roots is None:
        return {id: dict(said) for id, said in items.items()}
    if strange := roots.keys() - items.keys():
        raise RequestError(f"{min(strange)} is not among the CIs.", "Name it as one of them, too.")
    return {id: {**said, EFFECT: roots.get(id, Effect.NONE).word} for id, said in items.items()}


def role_of(said: Mapping[str, Any]) -> str:
    """What a CI is to an incident; it was reported unless its details say otherwise."""
    return str(said.get(ROLE, "reported"))


def _records(engine: Engine, items: Items) -> dict[str, Record]:
    records = engine.store.get(items) if items else {}
    if missing := [id for id in items if id not in records]:
        raise RequestError(f"There is no CI {missing[0]}.", "`cmdb search` finds CIs by name.")
    return records


def hit_now(engine: Engine, items: Items, seen: Seen | None = None) -> Hit:
    """What CIs hit by what their details say of them, as of the newest revision."""
    store = engine.store
    at = seen[0].revision if seen is not None else store.last_revision().number
    return hit(store, roots_of(items), at, seen)
