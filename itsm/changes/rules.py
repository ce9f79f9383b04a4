"""What the transitions of changes ask for and do."""

from __future__ import annotations

from collections.abc import Sequence

from lifecycle.cases import Case, Room
from lifecycle.effects import effect
from lifecycle.guards import guard


@guard
def window_makes_sense(cases: Sequence[Case], room: Room) -> None:
    """Its window ends after it begins."""
    for case in cases:
        begins, ends = case.value("starts_at"), case.value("ends_at")
        if begins is not None and ends is not None and ends <= begins:
            case.refuse("window_makes_sense", "its window ends before it begins")


@guard
def model_holds(cases: Sequence[Case], room: Room) -> None:
    raise NotImplementedError


@guard
def no_collision(cases: Sequence[Case], room: Room) -> None:
    raise NotImplementedError


@guard
def no_freeze(cases: Sequence[Case], room: Room) -> None:
    raise NotImplementedError


@guard
def planned_fits(cases: Sequence[Case], room: Room) -> None:
    raise NotImplementedError


@guard
def in_window(cases: Sequence[Case], room: Room) -> None:
    raise NotImplementedError


@effect
def assess_change(case: Case, room: Room) -> None:
    raise NotImplementedError


@effect
def note_begun(case: Case, room: Room) -> None:
    raise NotImplementedError


@effect
def apply_planned(case: Case, room: Room) -> None:
    raise NotImplementedError


@effect
def note_backed_out(case: Case, room: Room) -> None:
    raise NotImplementedError


@effect
def note_failed(case: Case, room: Room) -> None:
    raise NotImplementedError


@effect
def open_incident(case: Case, room: Room) -> None:
    raise NotImplementedError
