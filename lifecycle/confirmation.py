"""Whether what orders put into service was confirmed by automatic collection, and as they said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cmdb.queries import AsOf, Query
from cmdb.reconciliation.precedence import provenance_of
from cmdb.records import Record, Relationship
from cmdb.store import GraphStore
from cmdb.store.base import Neighbour
from lifecycle.effects import CONTAINED_IN
from lifecycle.items import CONCERNS
from lifecycle.sightings import Sightings, automatic
from schema.kinds import KINDS
from schema.model import STATE_ATTRIBUTE, Model
from schema.processes import StepDeclaration

if TYPE_CHECKING:
    from lifecycle.due import Moment

PAGE: Final = 500
READ: Final[Mapping[str, str]] = {"serial_read": "serial_number", "new_name": "name"}
"""Inputs of orders that say an attribute of the device by another name."""


class Taken(NamedTuple):
    """A step that asks for confirmation, as an order took a device through it.

    Attributes
    ----------
    deadline
        By when a collection must have seen the device.
    seen
        Source -> when it has, since the step.
    """

    order: Record
    device: Record
    item: Relationship
    at: datetime
    deadline: datetime
    seen: Mapping[str, datetime]


def unconfirmed(store: GraphStore, moment: Moment) -> Iterator[tuple[Record, date | None, str]]:
    """Devices that no collection has confirmed, the deadline past or within the span."""
    for taken in _taken(store, moment):
        on = taken.deadline.date()
        if not taken.seen and on <= moment.until:
            yield taken.device, on, f"to be confirmed after {taken.order.attributes['number']}"


def different(store: GraphStore, moment: Moment) -> Iterator[tuple[Record, date | None, str]]:
    """Devices of which a collection says other things than the order that put them into service."""
    for taken in _taken(store, moment):
        if taken.seen and (told := [*_differences(store, taken, moment.as_of)]):
            number = taken.order.attributes["number"]
            yield taken.device, taken.at.date(), f"{number}: {'; '.join(told)}"


def _taken(store: GraphStore, moment: Moment) -> Iterator[Taken]:
    """The last such step of each device that is still in service after it."""
    sightings = Sightings(store, moment.as_of)
    asking = _asking(store.model)
    for type_ in asking:
        query: Query | None = Query(
            type_,
            {"not": {STATE_ATTRIBUTE: {"in": ["draft", "in_approval", "withdrawn"]}}},
            subtypes=False,
            first=PAGE,
            as_of=moment.as_of,
        )
        while query is not None:
            page = store.find(query)
            for order in page.records:
                yield from _of_order(store, order, asking, sightings, moment)
            query = replace(query, after=page.cursor) if page.cursor else None


def _asking(model: Model) -> dict[str, dict[str, StepDeclaration]]:
    """Order type -> the steps that ask for confirmation."""
    found = {}
    for type_ in model.record_types.values():
        steps = type_.procedure.steps if type_.procedure and not type_.abstract else {}
        asking = {name: step for name, step in steps.items() if step.confirmed_within}
        if asking:
            found[type_.name] = asking
    return found


def _of_order(
    store: GraphStore,
    order: Record,
    asking: Mapping[str, Mapping[str, StepDeclaration]],
    sightings: Sightings,
    moment: Moment,
) -> Iterator[Taken]:
    near = store.neighbours([order.id], [CONCERNS], "out", moment.as_of)
    near = [n for n in near if _in_service(store.model, n.record)]
    if moment.organisation is not None:
        near = _within(store, near, moment)
    for begin in range(0, len(near), PAGE):
        page = {n.record.id: n for n in near[begin : begin + PAGE]}
        last: dict[str, tuple[datetime, datetime, str]] = {}
        for other in store.neighbours([*page], [CONCERNS], "in", moment.as_of):
            steps = asking.get(other.record.type, {})
            for at, deadline in _steps(other.relationship, steps):
                found = (at, deadline, other.record.id)
                last[other.of] = max(last.get(other.of, found), found)
        mine = {id: (at, by) for id, (at, by, of) in last.items() if of == order.id}
        seen = sightings.of([*mine]) if mine else {}
        for id, (at, deadline) in mine.items():
            since = {s: when for s, when in seen.get(id, {}).items() if when > at}
            yield Taken(order, page[id].record, page[id].relationship, at, deadline, since)


def _within(store: GraphStore, near: list[Neighbour], moment: Moment) -> list[Neighbour]:
    ids = [n.record.id for n in near]
    found: set[str] = set()
    for begin in range(0, len(ids), PAGE):
        part = ids[begin : begin + PAGE]
        query = Query(
            "ConfigurationItem", {"id": {"in": part}}, organisation=moment.organisation,
            first=PAGE, as_of=moment.as_of,
        )  # fmt: skip
        found |= {record.id for record in store.find(query).records}
    return [n for n in near if n.record.id in found]


def _steps(
    item: Relationship, steps: Mapping[str, StepDeclaration]
) -> Iterator[tuple[datetime, datetime]]:
    """When some steps were taken with an item, and by when each is to be confirmed."""
    for taken in item.attributes.get("steps_taken") or []:
        if (step := steps.get(taken["step"])) is not None:
            at = datetime.fromisoformat(taken["at"])
            span: timedelta = KINDS["duration"].parse(step.confirmed_within)
            yield at, at + span


def _in_service(model: Model, record: Record) -> bool:
    machine = model.record_types[record.type].state_machine
    state = str(record.attributes.get(STATE_ATTRIBUTE))
    return machine is not None and state in machine.states and machine.states[state].operational


def _differences(store: GraphStore, taken: Taken, as_of: AsOf) -> Iterator[str]:
    """What the order said, and what collections say instead."""
    said = _said(store.model, taken)
    attributes = store.model.record_types[taken.device.type].attributes
    for source in sorted(taken.seen):
        claim = provenance_of(taken.device.attributes).get(source, {})
        for name, value in said.items():
            collected = claim.get("values", {}).get(name)
            if collected is not None and not agree(attributes[name], collected, value):
                yield f"{name} is {value} in the order, {collected} by {source}"
    place = (taken.item.attributes.get("details") or {}).get("place") or taken.order.attributes.get(
        "place"
    )
    if place is None:
        return
    type_, direction = store.model.direction(CONTAINED_IN)
    for near in store.neighbours([taken.device.id], [type_.name], direction, as_of):
        sources = automatic(provenance_of(near.relationship.attributes))
        if near.record.id != place and sources:
            ordered = store.record(place, as_of).name
            yield f"place is {ordered} in the order, {near.record.name} by {', '.join(sources)}"


def _said(model: Model, taken: Taken) -> dict[str, Any]:
    """Attribute of the device -> what the order said of it, for this device before for all."""
    attributes = model.record_types[taken.device.type].attributes
    steps = taken.item.attributes.get("steps_taken") or []
    inputs = {
        **(taken.item.attributes.get("details") or {}),
        **{n: v for step in steps for n, v in step.items() if n in READ},
    }
    own = {READ.get(n, n): v for n, v in inputs.items()}
    return {n: v for n, v in own.items() if n in attributes and v is not None}


def agree(attribute: Any, collected: Any, value: Any) -> bool:
    """Whether two values, each in JSON form, are one value of the attribute."""
    try:
        one, other = attribute.parse(collected), attribute.parse(value)
    except ValueError:
        return False
    if isinstance(one, str) and isinstance(other, str):
        return one.strip().casefold() == other.strip().casefold()
    return bool(one == other)
