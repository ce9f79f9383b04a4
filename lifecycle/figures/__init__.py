"""The numbers that departments are asked for: devices by state, age and organisation, rates, times, deadlines.

`declared` says what each figure is, as data; `evaluators` works it out. Any of them as of any revision or
instant. A change that says on which day it took effect counts from that day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from cmdb.errors import QueryError
from cmdb.queries import AsOf
from cmdb.store import GraphStore
from lifecycle.figures import evaluators
from lifecycle.figures.declared import (
    FIGURES,
    Aged,
    Counted,
    Figure,
    Kept,
    Returns,
    Share,
    Stays,
)
from lifecycle.figures.evaluators import Answer, Moment

EVALUATORS: Final[dict[type, Callable[[Moment, Any], Answer]]] = {
    Counted: evaluators.counted,
    Aged: evaluators.aged,
    Share: evaluators.share,
    Stays: evaluators.stays,
    Returns: evaluators.returns,
    Kept: evaluators.kept,
}


def chosen(names: Sequence[str]) -> list[Figure]:
    """Figures by name; all where none is named.

    Raises
    ------
    QueryError
    """
    known = {figure.name: figure for figure in FIGURES}
    if unknown := [name for name in names if name not in known]:
        raise QueryError(f"There is no figure {unknown[0]!r}.", f"There are {', '.join(known)}.")
    return [known[name] for name in dict.fromkeys(names)] or list(FIGURES)


def moment(
    store: GraphStore,
    as_of: AsOf = None,
    organisation: str | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Moment:
    """What figures are asked about: now, or as it was."""
    at = store.resolve(as_of)
    if at is None:
        return Moment(store, store.last_revision().number, clock(), organisation)
    if isinstance(as_of, datetime):
        return Moment(store, at, as_of.astimezone(UTC), organisation)
    found = store.revisions([at])
    return Moment(store, at, found[at].at if found else clock(), organisation)


def evaluate(figure: Figure, asked: Moment) -> Answer:
    """What a figure comes to."""
    return EVALUATORS[type(figure.query)](asked, figure.query)
