"""What there is around some records: relationships, the records at their ends, what stands by there.

It is read with a fixed number of questions, whatever the number of records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Literal

from cmdb.reconciliation.precedence import provenance_of
from cmdb.reconciliation.standing import Claim, standing_of
from cmdb.records import Record, Relationship, RelationshipKey
from cmdb.store import GraphStore
from cmdb.store.base import Direction, Neighbour

End = Literal["s", "t"]
Place = tuple[str, str, End]
"""(record, type, end) where the type allows only one relationship."""

ENDS: Final[tuple[End, End]] = ("s", "t")
WAYS: Final[Mapping[End, Direction]] = {"s": "out", "t": "in"}


class Neighbourhood:
    """Relationships and records, as far as they were read.

    Parameters
    ----------
    names
        Id -> name; what is met is added.

    Attributes
    ----------
    live
        Relationships in force.
    stood
        What stands by: relationship -> source -> claim.
    near
        By record: the relationships of both kinds, and at which end of them it is.
    at
        The same where only one may be in force.
    """

    def __init__(self, store: GraphStore, names: dict[str, str]) -> None:
        self.store, self.model, self.names = store, store.model, names
        self.records: dict[str, Record] = {}
        self.live: dict[RelationshipKey, Relationship] = {}
        self.stood: dict[RelationshipKey, dict[str, Claim]] = {}
        self.near: defaultdict[str, dict[RelationshipKey, End]] = defaultdict(dict)
        self.at: defaultdict[Place, dict[RelationshipKey, None]] = defaultdict(dict)
        self._whole: set[str] = set()
        self._new: set[str] = set()
        self._read: set[Place] = set()
        self._places: dict[RelationshipKey, list[Place]] = {}
        self._limited: dict[str, list[End]] = {
            name: [end for end, one in zip(ENDS, (t.one_target, t.one_source), strict=True) if one]
            for name, t in self.model.relationship_types.items()
        }

    def places(self, key: RelationshipKey) -> Sequence[Place]:
        """Where a relationship can be the only one of its type."""
        source, type_, target = key
        limited = self._limited[type_]
        if not limited:
            return ()
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = [
                (source if end == "s" else target, type_, end) for end in limited
            ]
        return found

    def add(self, neighbours: Iterable[Neighbour]) -> None:
        """Relationships in force, with the records at their other ends."""
        for near in neighbours:
            self.add_record(near.record)
            key = near.relationship.key
            if key not in self.live:
                self.live[key] = near.relationship
                self._index(key)

    def add_record(self, record: Record) -> None:
        """A record, with what stands by at it."""
        if record.id in self.records:
            return
        self.records[record.id] = record
        self.names.setdefault(record.id, record.name)
        for (source, key), claim in standing_of(provenance_of(record.attributes)).items():
            if key.type in self.model.relationship_types:
                self.stood.setdefault(key, {})[source] = claim
                self._index(key)

    def _index(self, key: RelationshipKey) -> None:
        self.near[key.source][key] = "s"
        self.near[key.target][key] = "t"
        for place in self.places(key):
            self.at[place][key] = None

    # -- reading ----------------------------------------------------------------------------------

    def load(
        self,
        claims: Iterable[tuple[RelationshipKey, End]] = (),
        whole: Collection[str] = (),
        new: Collection[str] = (),
    ) -> None:
        """Read what is around some records, and what claims may meet.

        Parameters
        ----------
        claims
            Relationships, and the end from which each will be claimed.
        whole
            Records all of whose relationships matter.
        new
            Records that are yet to be created.
        """
        self._whole.update(whole, new)
        self._new.update(new)
        if whole:
            self.add(self.store.neighbours(whole))
            self.get(whole)
        questions = _Questions()
        ends = {
            end
            for id_ in whole
            for key in self.near.get(id_, ())
            if key in self.stood
            for end in (key.source, key.target)
        }
        for key, end in claims:
            near, far = (key.source, key.target) if end == "s" else (key.target, key.source)
            if near not in self._new and far not in self._new:
                ends.update((near, far))
                if not (self._limited[key.type] or near in self._whole or far in self._whole):
                    symmetric = self.model.relationship_types[key.type].symmetric
                    questions.add(near, key.type, "both" if symmetric else WAYS[end])
            self._ask_for(self.places(key), questions)
        self._ask(questions)
        self.get(ends)

    def occupy(self, places: Iterable[Place]) -> None:
        """Read what is, and what stands by, where only one may be."""
        places = list(places)
        questions = _Questions()
        self._ask_for(places, questions)
        self._ask(questions)
        self.get({place[0] for place in places})

    def get(self, ids: Collection[str]) -> None:
        """Read records, unless they were read before."""
        missing = set(ids) - self.records.keys() - self._new
        for record in self.store.get(missing).values() if missing else ():
            self.add_record(record)

    def _ask_for(self, places: Iterable[Place], questions: _Questions) -> None:
        for place in places:
            id_, type_, end = place
            if id_ not in self._whole and place not in self._read:
                self._read.add(place)
                questions.add(id_, type_, WAYS[end])

    def _ask(self, questions: _Questions) -> None:
        for way, (ids, types) in questions.items():
            self.add(self.store.neighbours(ids, types, way))


class _Questions(defaultdict[Direction, tuple[set[str], set[str]]]):
    """Records and types of relationships to ask for, by direction: one question each."""

    def __init__(self) -> None:
        super().__init__(lambda: (set(), set()))

    def add(self, id_: str, type_: str, way: Direction) -> None:
        self[way][0].add(id_)
        self[way][1].add(type_)
