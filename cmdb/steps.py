"""Steps: from records along one kind of relationship to those at the other end, a page for each.

A `Step` is asked of `GraphStore.connections`. The records it leads to are asked for by a `Query`, so
they are filtered, sorted and paged as those that `GraphStore.find` gives.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from cmdb.errors import QueryError
from cmdb.queries import ParsedQuery, Query, parse_query
from schema.errors import UnknownNameError
from schema.model import ROOT, Direction, Model


class Step(NamedTuple):
    """One way to go from every record asked for.

    Attributes
    ----------
    relationship
        Name of a relationship type, or its inverse name: ``RUNS_ON``, ``RUNS``.
    query
        Which of the records at the other end, in what order, how many of each asked record: its
        ``first``, which may be 0 where only the ``total`` is wanted. Its ``as_of`` must be None:
        `GraphStore.connections` has one of its own. A cursor belongs to the step, and to the
        record, that it came from. Its ``steps`` go on from there.
    attributes
        Names of the attributes that are wanted of the relationships; None for all.
    only_records
        Not even the relationships themselves are wanted.
    """

    relationship: str
    query: Query = Query()
    attributes: Collection[str] | None = None
    only_records: bool = False


class ParsedStep(NamedTuple):
    """A step checked against the model."""

    type: str
    direction: Direction
    query: ParsedQuery
    total: bool
    attributes: tuple[str, ...] | None
    only_records: bool
    steps: tuple[ParsedStep, ...]


def parse_step(model: Model, step: Step, past: bool) -> ParsedStep:
    """Check a step against the model.

    Parameters
    ----------
    past
        Whether the past is asked. Now, a record type that all records at the other end have is
        nothing to look for.

    Raises
    ------
    QueryError, UnknownNameError
    """
    relationship_type, direction = model.direction(step.relationship)
    if step.query.as_of is not None:
        raise QueryError(
            "A step is taken at one moment with all others.", "Give `as_of` beside the steps."
        )
    query = parse_query(model, step.query, relationship=step.relationship)
    ends = relationship_type.targets if direction == "out" else relationship_type.sources
    if not past and ends <= frozenset(query.types):
        query = query._replace(label=ROOT, subtypes=True)
    attributes: tuple[str, ...] | None = () if step.only_records else None
    if step.attributes is not None:
        attributes = tuple(sorted(set(step.attributes)))
        if unknown := set(attributes) - relationship_type.attributes.keys():
            raise UnknownNameError(
                f"There is no attribute of {relationship_type.name} {min(unknown)!r}.",
                "`cmdb schema show` lists the names.",
            )
    below = parse_steps(model, step.query.steps, past)
    return ParsedStep(
        type=relationship_type.name,
        direction=direction,
        query=query,
        total=step.query.total,
        attributes=attributes,
        only_records=step.only_records,
        steps=below,
    )


def parse_steps(model: Model, steps: Sequence[Step], past: bool) -> tuple[ParsedStep, ...]:
    """Likewise, several."""
    return tuple(parse_step(model, step, past) for step in steps)


def organisations_of(steps: Sequence[ParsedStep]) -> list[str | None]:
    """The organisations that steps, and those behind them, ask for; None for a step that asks for none."""
    return [o for s in steps for o in (s.query.organisation, *organisations_of(s.steps))]
