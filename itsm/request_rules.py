"""What the transitions of service requests ask for and do."""

from __future__ import annotations

from collections.abc import Sequence

from lifecycle.cases import Case, Room
from lifecycle.effects import effect
from lifecycle.guards import guard


@guard
def order_completed(cases: Sequence[Case], room: Room) -> None:
    """The order that fulfils it, if there is one, is completed."""
    raise NotImplementedError


@effect
def draft_order(case: Case, room: Room) -> None:
    """An order for what is wanted is drafted in the same revision."""
    raise NotImplementedError
