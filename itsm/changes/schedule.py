"""The calendar of changes: what is planned when, and when there is room for one more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from cmdb.records import Record
from cmdb.store import GraphStore
from itsm.changes.collisions import Collision, Surroundings, freezes, plain_name
from itsm.changes.whatif import Seen
from itsm.changes.windows import meanwhile, with_items
from lifecycle.people import Directory
from lifecycle.refusals import RequestError
from schema.kinds import write_datetime
from schema.model import STATE_ATTRIBUTE

SHOWN_STATES: Final = (
    "assessment", "in_approval", "approved", "implementing", "in_review", "closed",
)  # fmt: skip
HORIZON: Final = 30
"""So many days ahead a free window is looked for."""


class Entry(NamedTuple):
    """A change or a freeze period in the calendar.

    Attributes
    ----------
    items
        How many CIs a change concerns.
    """

    record: Record
    begins: datetime
    ends: datetime
    items: int

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            **plain_name(self.record),
            "begins": write_datetime(self.begins),
            "ends": write_datetime(self.ends),
            "state": self.record.attributes.get(STATE_ATTRIBUTE),
            "risk": self.record.attributes.get("risk"),
            "organisation": self.record.attributes.get("organisation"),
            "items": self.items,
        }


def calendar(
    store: GraphStore,
    begins: datetime,
    ends: datetime,
    now: datetime,
    organisation: str | None = None,
) -> list[Entry]:
    """Changes whose windows overlap a span, and freeze periods, in order of their beginning.

    Parameters
    ----------
    organisation
        Only its own changes, those of organisations below it, those that hit it, and the freezes that hold there.
    """
    found = {s.id: s for s in meanwhile(store, begins, ends, now, SHOWN_STATES, organisation)}
    above: set[str] | None = None
    if organisation is not None:
        hit = {"hit_organisations": {"contains": organisation}}
        others = meanwhile(store, begins, ends, now, SHOWN_STATES, where=hit)
        found |= {s.id: s for s in others}
        line = Directory(store, now.date()).line(organisation)
        above = {record.id for record in line}
    entries = [Entry(s.change, s.begins, s.ends, len(s.items)) for s in found.values()]
    entries += [
        Entry(period, period.attributes["starts_at"], period.attributes["ends_at"], 0)
        for period in freezes(store, begins, ends, above)
    ]
    return sorted(entries, key=lambda entry: (entry.begins, entry.ends, entry.record.id))


class Free(NamedTuple):
    """The next window with nothing in its way.

    Attributes
    ----------
    begins, ends
        None where there is none within the horizon.
    until
        No window was looked for that begins later.
    first
        What is in the way of the window that was tried first.
    """

    begins: datetime | None
    ends: datetime | None
    until: datetime
    first: Sequence[Collision]

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "begins": self.begins and write_datetime(self.begins),
            "ends": self.ends and write_datetime(self.ends),
            "until": write_datetime(self.until),
            "in_the_way": [collision.plain() for collision in self.first],
        }


def next_free(
    store: GraphStore,
    change: Record,
    now: datetime,
    directory: Directory,
    days: int = HORIZON,
    seen: Seen | None = None,
) -> Free:
    """The earliest window of a change's length, from its own beginning or from now on, with nothing in its way.

    What is in the way of a window is in the way of every later one that begins before it is over. So the next
    one to try begins when the last of it is over, and none is passed over.

    Parameters
    ----------
    days
        So many days ahead of now, or of its own beginning, it may begin.

    Raises
    ------
    RequestError
        The change has no window.
    """
    own = with_items(store, [change], now)
    if not own:
        raise RequestError(
            f"{change.name} has no window.", "Give it starts_at and ends_at, the second one later."
        )
    mine = own[0]
    length = change.attributes["ends_at"] - mine.begins
    at = max(mine.begins, now)
    until = at + timedelta(days=days)
    around = Surroundings(store, mine, at, until + length, now, directory, seen)
    first: list[Collision] | None = None
    while at <= until:
        found = around.at_window(at, at + length)
        first = found if first is None else first
        if not found:
            return Free(at, at + length, until, first)
        at = max(collision.over for collision in found)
    return Free(None, None, until, first or ())
