"""The numbers that departments are asked for: devices by state, age and organisation, rates, times, deadlines.

`declared` says what each figure is, as data; `evaluators` works it out. Any of them as of any revision or
instant. A change that says on which day it took effect counts from that day. Other parts, and an operator's
own packages, add figures, and kinds of them (`add`), by the entry points that add guards and effects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from cmdb.errors import QueryError
from cmdb.queries import AsOf
from cmdb.store import GraphStore
from lifecycle.declared import load_rules
from lifecycle.figures import evaluators
from lifecycle.figures.declared import (
    DECLARED,
    Aged,
    Counted,
    Figure,
    Kept,
    Returns,
    Share,
    Stays,
)
from lifecycle.figures.evaluators import Answer, Moment
from schema.kinds import parse_datetime
from schema.model import Model

Evaluator = Callable[[Moment, Any], Answer]

EVALUATORS: Final[dict[type, Evaluator]] = {
    Counted: evaluators.counted,
    Aged: evaluators.aged,
    Share: evaluators.share,
    Stays: evaluators.stays,
    Returns: evaluators.returns,
    Kept: evaluators.kept,
}
FIGURES: Final[dict[str, Figure]] = {figure.name: figure for figure in DECLARED}


def add(figures: Iterable[Figure], kinds: Mapping[type, Evaluator] = {}) -> None:
    """Make more figures known, and how further kinds of query are worked out."""
    EVALUATORS.update(kinds)
    FIGURES.update((figure.name, figure) for figure in figures)


def chosen(model: Model, names: Sequence[str]) -> list[Figure]:
    """Figures by name; where none is named, all whose types a model has.

    Raises
    ------
    QueryError
    """
    load_rules()
    known = {n: f for n, f in FIGURES.items() if model.record_types.keys() >= {*f.query.types}}
    if unknown := [name for name in names if name not in known]:
        raise QueryError(f"There is no figure {unknown[0]!r}.", f"There are {', '.join(known)}.")
    return [known[name] for name in dict.fromkeys(names)] or list(known.values())


def moment(
    store: GraphStore,
    as_of: AsOf = None,
    organisation: str | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    *,
    since: datetime | str | None = None,
    beneath: GraphStore | None = None,
) -> Moment:
    """What figures are asked about: now, or as it was (`Moment`).

    Raises
    ------
    QueryError
        What is written as ``since`` is no instant.
    """
    try:
        begin = None if since is None else parse_datetime(since)
    except ValueError as error:
        raise QueryError(f"The instant {error}.", "Write 2026-03-31T00:00:00Z.") from None
    at = store.resolve(as_of)
    if at is None:
        number, instant = store.last_revision().number, clock()
    elif isinstance(as_of, datetime):
        number, instant = at, as_of.astimezone(UTC)
    else:
        found = store.revisions([at])
        number, instant = at, found[at].at if found else clock()
    return Moment(store, number, instant, organisation, begin, beneath)


def evaluate(figure: Figure, asked: Moment) -> Answer:
    """What a figure comes to."""
    return EVALUATORS[type(figure.query)](asked, figure.query)
