"""The estate of `bench.estate` as a source tells of it: things with what they name, by the source's keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cmdb.change_sets import Create, Operation, Relate
from cmdb.reconciliation.observations import Link, Observation, Ref
from schema.model import Model


class Thing(NamedTuple):
    """A record, and the relationships at it whose other end came before it."""

    create: Create
    relates: list[Relate]


def things(operations: Iterable[Operation]) -> list[Thing]:
    """The records of an estate in their order, each relationship at the end that comes later."""
    found: dict[str, Thing] = {}
    places: dict[str, int] = {}
    for operation in operations:
        if isinstance(operation, Create):
            places[operation.id] = len(found)
            found[operation.id] = Thing(operation, [])
        elif isinstance(operation, Relate):
            later = max(operation.source, operation.target, key=places.__getitem__)
            found[later].relates.append(operation)
    return list(found.values())


def observations(told: Iterable[Thing], model: Model) -> Iterator[Observation]:
    """Each thing with its relationships and references as links to what was told before."""
    for create, relates in told:
        links = [_link(create.id, relate, model) for relate in relates]
        attributes = dict(create.attributes)
        for reference in model.record_types[create.type].references:
            named = attributes.pop(reference.name, None)
            if named is not None:
                links.append(Link(reference.name, Ref(str(named))))
        yield Observation(create.type, create.id, attributes, links)


def _link(id_: str, relate: Relate, model: Model) -> Link:
    if relate.source == id_:
        return Link(relate.type, Ref(relate.target), relate.attributes)
    inverse = model.relationship_types[relate.type].inverse
    return Link(inverse, Ref(relate.source), relate.attributes)
