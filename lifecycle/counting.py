"""What a count is about: the devices that should be there, and what was made of each.

The results of a count are its items: (stock-taking)-[:CONCERNS {details}]->(device).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from cmdb.queries import AsOf, Query
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.cases import Case, Room
from lifecycle.guards import guard
from lifecycle.items import CONCERNS, PAGE, Item, items
from lifecycle.people import Directory
from schema.model import STATE_ATTRIBUTE, Model

FOUND, MISSING, MISPLACED = "found", "missing", "misplaced"
COUNTED_TYPES: Final = ("Hardware", "FacilityEquipment")
ELSEWHERE: Final = frozenset(
    {"planned", "in_repair", "on_loan", "lost", "cancelled", "scrapped", "donated"}
)
"""States in which a device is not expected where it is recorded."""
STANDING: Final = ("draft", "rejected", "withdrawn")
"""States of an order that settles nothing (yet)."""
NAMED: Final = 5


def counted(model: Model, record: Record) -> bool:
    """Whether a record is of a type that is counted."""
    return not {*COUNTED_TYPES}.isdisjoint(model.record_types[record.type].ancestors)


def expected_state(record: Record) -> bool:
    """Whether a device in its state should be where it is recorded."""
    return record.attributes.get(STATE_ATTRIBUTE) not in ELSEWHERE


def inside(store: GraphStore, place: str, as_of: AsOf = None) -> dict[str, Record]:
    """All that stands in a place, racks and what is in them included. One statement a level."""
    found: dict[str, Record] = {}
    frontier = [place]
    while frontier:
        near = store.neighbours(frontier, ["CONTAINS"], "out", as_of)
        level = {n.record.id: n.record for n in near if n.record.id not in found}
        found.update(level)
        frontier = [*level]
    return found


class Scope:
    """What one count is about, at one moment; it remembers what it has read.

    Parameters
    ----------
    count
        The stock-taking: of its place where it has one, else of its organisation and those below.
    """

    def __init__(self, store: GraphStore, count: Record, directory: Directory) -> None:
        self.store, self.count, self.directory = store, count, directory
        self.place: str | None = count.attributes.get("place")
        self.organisation: str | None = count.attributes.get("organisation")
        self._inside: dict[str, Collection[str]] = {}

    def stands_in(self, device: str, place: str) -> bool:
        """Whether a device is recorded in a place."""
        if place not in self._inside:
            self._inside[place] = inside(self.store, place).keys()
        return device in self._inside[place]

    def belongs(self, record: Record) -> bool:
        """Whether a record is of the organisation of the count, or of one below; what is of none is."""
        own = record.attributes.get("organisation")
        return (
            own is None
            or self.organisation is None
            or self.directory.within(own, self.organisation)
        )

    def holds(self, record: Record) -> bool:
        """Whether a device is to be counted, as things stand now."""
        if not counted(self.store.model, record) or not expected_state(record):
            return False
        if self.place is not None:
            return self.stands_in(record.id, self.place)
        return record.attributes.get("organisation") is not None and self.belongs(record)

    def expected(self) -> Iterator[list[Record]]:
        """The devices that should be found, in pages: in the scope when the count was opened, and still."""
        opened = int(self.count.attributes.get("opened_revision", 0))
        for ids in self._then(opened):
            now = self.store.get(ids)
            yield [now[id] for id in ids if id in now and self.holds(now[id])]

    def _then(self, opened: int) -> Iterator[list[str]]:
        if self.place is not None:
            there = inside(self.store, self.place, opened).values()
            ids = sorted(r.id for r in there if counted(self.store.model, r) and expected_state(r))
            for begin in range(0, len(ids), PAGE):
                yield ids[begin : begin + PAGE]
            return
        for type_ in COUNTED_TYPES:
            after: str | None = None
            while True:
                page = self.store.find(
                    Query(
                        type_,
                        {"not": {STATE_ATTRIBUTE: {"in": sorted(ELSEWHERE)}}},
                        organisation=self.organisation,
                        first=PAGE,
                        after=after,
                        as_of=opened,
                    )
                )
                yield [record.id for record in page.records]
                after = page.cursor
                if after is None:
                    break


class Difference(NamedTuple):
    """A device that is not as it should be.

    Attributes
    ----------
    why
        Of one that is misplaced: ``place``, ``organisation``, ``state``.
    settled
        How it was settled; empty where it was not.
    """

    record: Record
    result: str
    why: Sequence[str]
    details: Mapping[str, Any]
    settled: str


def differences(store: GraphStore, count: str) -> Iterator[Difference]:
    """What a count found different, in order of id. Two statements a page."""
    for page in items(store, count):
        for item in page:
            if item.details.get("result") != FOUND:
                yield difference(item, count)


def difference(item: Item, count: str) -> Difference:
    details = item.details
    return Difference(
        item.record,
        str(details.get("result")),
        details.get("why") or (),
        details,
        settlement(item, count),
    )


def settlement(item: Item, count: str) -> str:
    """How an item of a count was settled: an order for it that was submitted, a move, an explanation."""
    if settled := item.details.get("settled"):
        return f"{settled['how']}: {settled['reason']}" if settled["reason"] else settled["how"]
    for near in item.links:
        if near.relationship.type != CONCERNS or near.record.id == item.record.id:
            continue
        if near.record.attributes.get("stocktake") != count:
            continue
        state = near.record.attributes.get(STATE_ATTRIBUTE)
        if state not in STANDING and near.relationship.attributes.get("outcome") != "dropped":
            return f"{near.record.attributes.get('number')} ({state})"
    return ""


def unexplained(count: Record) -> list[str]:
    """The unknown numbers that nobody has explained."""
    unknown = count.attributes.get("unknown_numbers") or {}
    return [number for number, said in unknown.items() if not said.get("explained")]


@guard
def all_settled(cases: Sequence[Case], room: Room) -> None:
    """Every difference is settled by an order that was submitted, by a move, or explained."""
    for case in cases:
        found = (i for i in room.items(case.record.id) if i.details.get("result") != FOUND)
        left = [i.record.name for i in found if not settlement(i, case.record.id)]
        left += unexplained(case.record)
        if left:
            some = ", ".join(left[:NAMED]) + (" …" if len(left) > NAMED else "")
            case.refuse(
                "all_settled",
                f"{len(left)} differences are not settled: {some}; `cmdb stocktake settle` does that",
                left=len(left),
            )
