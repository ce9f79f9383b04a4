"""Relationships as sources claim them.

A relationship's provenance is ``{source: {"by": "s" | "t" | "st", "values": {…}}}``: which sources
report it, from which end (source, target, both), with which attributes. It is closed when nobody
reports it any more; one that was made by hand (no provenance) is nobody's to close. Where a type allows
only one relationship at an end, the source with precedence has its way. What others say stands by
(`standing`), as does what is said of relationships that people closed, and comes into force when its
turn comes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from operator import itemgetter
from typing import Any, Final

from cmdb.change_sets import Create, Relate, Unrelate, Update
from cmdb.reconciliation.neighbourhood import End, Neighbourhood, Place
from cmdb.reconciliation.planning import Action, Entry, Step, named
from cmdb.reconciliation.precedence import (
    MANUAL,
    Precedence,
    provenance_of,
    settle,
    with_manual,
)
from cmdb.reconciliation.standing import Claim, Standing, places, standing_of, with_standing
from cmdb.records import Relationship, RelationshipKey
from cmdb.store import GraphStore
from schema.model import PROVENANCE

MERGED: Final = "MergedRecord"
SWAP: Final = str.maketrans("st", "ts")


class Links(Neighbourhood):
    """The relationships around a batch: as they are, as sources claim them, as the batch leaves them.

    `load` what there is; `claim`, `withdraw` and `move`; then `resolve`. What follows are `steps` and,
    for the records, `stand_by`.

    Parameters
    ----------
    source
        Whose claims are made and withdrawn.
    names
        For the lines of the plan.

    Attributes
    ----------
    in_force
        Once resolved: of all that was spoken of, and what competes with it.
    owner
        The statement that spoke of a relationship, by its index.
    """

    def __init__(
        self, store: GraphStore, source: str, precedence: Precedence, names: dict[str, str]
    ) -> None:
        super().__init__(store, names)
        self.source, self.precedence = source, precedence
        self.in_force: dict[RelationshipKey, bool] = {}
        self.owner: dict[RelationshipKey, int] = {}
        self._spoken: dict[RelationshipKey, dict[str, Claim]] = {}
        self._claimed: set[RelationshipKey] = set()
        self._values: dict[RelationshipKey, Mapping[str, Any]] = {}
        self._bare: dict[tuple[str, str], dict[str, Any]] = {}

    def load(
        self,
        claims: Iterable[tuple[RelationshipKey, End]] = (),
        whole: Collection[str] = (),
        new: Collection[str] = (),
    ) -> None:
        super().load(claims, whole, new)
        self._follow()

    # -- claiming and withdrawing -----------------------------------------------------------------

    def of_source(self, id_: str) -> list[tuple[RelationshipKey, End]]:
        """What the source reported from this record's end, in force or not."""
        return [
            (key, end)
            for key, end in self.near.get(id_, {}).items()
            if end in self.claims_on(key).get(self.source, {}).get("by", "")
        ]

    def claim(
        self,
        key: RelationshipKey,
        end: End,
        attributes: Mapping[str, Any],
        owner: int,
        rule: str = "",
    ) -> tuple[RelationshipKey, End]:
        """The source reports a relationship from one end.

        Parameters
        ----------
        rule
            By which it was inferred.

        Returns
        -------
        What it is kept as: symmetric ones may be there the other way round.
        """
        if self.model.relationship_types[key.type].symmetric:
            key, swapped = self._kept(*key)
            if swapped:
                end = "t" if end == "s" else "s"
        values = dict(self.model.to_json(attributes)) if attributes else {}
        known = key in self._spoken or key in self.live or key in self.stood
        said = self._speak_of(key)
        earlier = said.get(self.source, {}).get("by", "")
        claim: dict[str, Any] = {"by": end}
        if earlier not in ("", end):
            claim = {"by": "st"}
            values = {**said[self.source].get("values", {}), **values}
        if values:
            claim["values"] = values
        if rule:
            claim["rule"] = rule
        said[self.source] = claim
        if not known:
            self._values[key] = attributes
        self._claimed.add(key)
        self.owner.setdefault(key, owner)
        for place in self.places(key):
            competing = self.at[place]
            if place[2] == end and len(competing) > 1:  # the newest word from there counts
                for other in competing.keys() - self._claimed:
                    self.withdraw(other, end, owner)
        return key, end

    def withdraw(self, key: RelationshipKey, end: End, owner: int) -> bool:
        """The source no longer reports a relationship from an end; gives whether nobody does then."""
        claim = self.claims_on(key).get(self.source)
        if claim is None or end not in claim.get("by", ""):
            return False
        said = self._speak_of(key)
        self.owner.setdefault(key, owner)
        by = claim["by"].replace(end, "")
        if by:
            said[self.source] = {**claim, "by": by}
        else:
            del said[self.source]
        return all("closed" in claim for claim in said.values())

    def move(self, into: Mapping[str, str]) -> None:
        """What is said of records that were merged away is said of those that stay."""
        for key in [k for id_ in into for k in self.near.get(id_, ())]:
            claims = dict(self.claims_on(key))
            self._speak_of(key).clear()
            source, target = into.get(key.source, key.source), into.get(key.target, key.target)
            if source == target:
                continue
            kept, swapped = self._kept(source, key.type, target)
            if kept not in self._spoken and kept not in self.live and key in self.live:
                own = self.live[key].attributes
                self._values[kept] = {n: v for n, v in own.items() if n != PROVENANCE}
            said = self._speak_of(kept)
            for name, claim in claims.items():
                if swapped:
                    claim = {**claim, "by": _ordered(claim.get("by", "").translate(SWAP))}
                said[name] = _joined(said[name], claim) if name in said else claim

    def restore(self, link: Relationship) -> None:
        """What was said of a relationship is said of it again."""
        said = self._speak_of(link.key)
        said.clear()
        said.update(self._claims(link))
        own = link.attributes.items()
        self._values[link.key] = {n: v for n, v in own if n != PROVENANCE}

    def _kept(self, source: str, type_: str, target: str) -> tuple[RelationshipKey, bool]:
        """The key claims are kept under, and whether its ends were swapped (symmetric types)."""
        key = RelationshipKey(source, type_, target)
        if not self.model.relationship_types[type_].symmetric:
            return key, False
        back = RelationshipKey(target, type_, source)
        for known in (self.live, self._spoken, self.stood):
            if key in known or back in known:
                return (key, False) if key in known else (back, True)
        return (back, True) if target < source else (key, False)

    def _speak_of(self, key: RelationshipKey) -> dict[str, Claim]:
        """What is said of a relationship, to be changed."""
        said = self._spoken.get(key)
        if said is None:
            said = self._spoken[key] = dict(self.claims_on(key))
            if key not in self.live and key not in self.stood:
                for place in self.places(key):
                    self.at[place][key] = None
        return said

    def claims_on(self, key: RelationshipKey) -> Mapping[str, Claim]:
        """What is said of a relationship so far, in force or not, by source."""
        if key in self._spoken:
            return self._spoken[key]
        stood, link = self.stood.get(key, {}), self.live.get(key)
        if link is None:
            return stood
        claims = self._claims(link)
        if stood:  # what people closed and made again is not closed
            return {**{s: c for s, c in stood.items() if "closed" not in c}, **claims}
        return claims

    def _claims(self, link: Relationship) -> Mapping[str, Claim]:
        """The claims on a relationship in force; one without any was made by hand."""
        said = provenance_of(link.attributes)
        if said:
            return said
        made = self.model.to_json({n: v for n, v in link.attributes.items() if n != PROVENANCE})
        return {MANUAL: {"by": "", "values": made} if made else {"by": ""}}

    # -- resolving --------------------------------------------------------------------------------

    def resolve(self, spoken_of: Iterable[RelationshipKey] = ()) -> None:
        """Decide what of all that is spoken of, and of what competes with it, is in force."""
        for key in spoken_of:
            self._speak_of(key)
        contested = []
        for key in self._competing():
            rank = self._rank(key)
            if rank is None or not self._fits(key):
                self.in_force[key] = False
            elif not (around := self.places(key)) or all(len(self.at[p]) == 1 for p in around):
                self.in_force[key] = True
            else:
                contested.append((-rank, key not in self.live, key))
        taken: set[Place] = set()
        for *_, key in sorted(contested, key=itemgetter(0, 1)):
            around = self.places(key)
            self.in_force[key] = taken.isdisjoint(around)
            if self.in_force[key]:
                taken.update(around)

    def _competing(self) -> dict[RelationshipKey, None]:
        """What is spoken of, and whatever else could be in its place."""
        found = new = dict.fromkeys(self._spoken)
        while new:
            limited = [key for key in new if self.places(key)]
            self.occupy(dict.fromkeys(place for key in limited for place in self.places(key)))
            reached: dict[RelationshipKey, None] = {}
            for key in limited:
                for other in (k for p in self.places(key) for k in self.at[p] if k not in found):
                    self.owner.setdefault(other, self.owner.get(key, 0))
                    reached[other] = None
            self.get({end for key in reached for end in (key.source, key.target)})
            self._follow()
            new = reached | dict.fromkeys(k for k in self._spoken if k not in found)
            found |= new
        return found

    def _follow(self) -> None:
        """What stands by at records that were merged away stands by at those that stayed."""
        into = {
            id_: str(record.attributes["merged_into"])
            for key in self.stood
            for id_ in (key.source, key.target)
            if (record := self.records.get(id_)) is not None and record.type == MERGED
        }
        self.move(into)

    def _rank(self, key: RelationshipKey) -> int | None:
        """The precedence of what is said of a relationship; None where it is not to be."""
        type_ = self.model.relationship_types[key.type]
        best, closed = None, None
        for source, claim in self.claims_on(key).items():
            rank = self.precedence.rank(source, type_, "")
            if "closed" in claim:
                closed = rank
            elif best is None or rank > best:
                best = rank
        return None if best is None or (closed is not None and closed >= best) else best

    def _fits(self, key: RelationshipKey) -> bool:
        """Whether records between which something stood by may have it still."""
        if key in self.live or key in self._claimed:
            return True
        type_ = self.model.relationship_types[key.type]
        source, target = self.records.get(key.source), self.records.get(key.target)
        return (source is None or source.type in type_.sources) and (
            target is None or target.type in type_.targets
        )

    def against(self, key: RelationshipKey) -> str:
        """Why a claim is not in force though only the source itself says otherwise; or nothing."""
        if self.in_force[key]:
            return ""
        for place in self.places(key):
            for other in self.at[place]:
                if self.in_force[other] and self.source in self.claims_on(other):
                    said = named(other, self.names)
                    return f"{key.type} allows one, and the source says {said} as well"
        return ""

    # -- the outcome ------------------------------------------------------------------------------

    def steps(self) -> tuple[list[Step], list[Entry]]:
        """What changes, and a line for each relationship that comes or goes."""
        steps: list[Step] = []
        entries: list[Entry] = []
        for key, in_force in self.in_force.items():
            live, owner = self.live.get(key), self.owner.get(key, 0)
            if in_force and (live is None or key in self._spoken or key in self.stood):
                attributes = self._attributes(key)
                if live is None or live.attributes != attributes:
                    steps.append(Step(Relate(*key, attributes), owner))
            elif not in_force and live is not None:
                steps.append(Step(Unrelate(*key), owner))
            if in_force != (live is not None):
                action: Action = "related" if in_force else "unrelated"
                entries.append(Entry(action, key.type, named(key, self.names), key.source))
        return steps, entries

    def _attributes(self, key: RelationshipKey) -> dict[str, Any]:
        """The attributes of a relationship in force, by what is said of it."""
        type_ = self.model.relationship_types[key.type]
        said, live = self.claims_on(key), self.live.get(key)
        if live is None:
            own, before = self._values.get(key, {}), said
            if key in self._values and len(said) == 1:
                return {**own, PROVENANCE: dict(said)} if own else self._said_alone(said)
        else:
            own = {n: v for n, v in live.attributes.items() if n != PROVENANCE}
            before = self._claims(live)
            coming: dict[str, Any] = {}
            for source, claim in said.items():
                if claim is not before.get(source):
                    coming |= claim.get("values", {})
            manual = with_manual(type_, self.model.to_json(own), before, coming).get(MANUAL)
            if manual is not None and manual is not before.get(MANUAL):
                said = {**said, MANUAL: manual}
        changes = settle(self.model, type_, own, said, self.precedence, before)
        attributes = {**own, **{n: v for n, (v, _) in changes.items()}}
        if live is None or said != before:
            attributes[PROVENANCE] = dict(said)
        elif PROVENANCE in live.attributes:
            attributes[PROVENANCE] = live.attributes[PROVENANCE]
        return {n: v for n, v in attributes.items() if v is not None}

    def _said_alone(self, said: Mapping[str, Claim]) -> dict[str, Any]:
        """The attributes of a relationship that one source speaks of: most often it says no more than
        that it is there. Then all of these have the same object, which is written once."""
        [(source, claim)] = said.items()
        if claim.keys() != {"by"}:
            return {PROVENANCE: dict(said)}
        known = self._bare.get((source, claim["by"]))
        if known is None:
            known = self._bare[source, claim["by"]] = {PROVENANCE: dict(said)}
        return known

    def stand_by(self, changes: dict[str, Create | Update]) -> None:
        """Add to changes of records, by id, what stands by at them from now on, where that changes."""
        around: defaultdict[str, dict[RelationshipKey, None]] = defaultdict(dict)
        for key, in_force in self.in_force.items():
            if key in self.stood or (not in_force and self.claims_on(key)):
                around[key.source][key] = around[key.target][key] = None
        self.get(around.keys())
        for id_, keys in around.items():
            change = changes.get(id_, Update(id_, {}))
            given = change.attributes
            provenance = provenance_of(
                given if PROVENANCE in given else self.records[id_].attributes
            )
            before = standing_of(provenance)
            after = {name: claim for name, claim in before.items() if name[1] not in keys}
            after |= self._standing_at(id_, (key for key in keys if not self.in_force[key]))
            if after != before:
                known = with_standing(provenance, after) or None
                changes[id_] = change._replace(attributes={**given, PROVENANCE: known})

    def _standing_at(self, id_: str, keys: Iterable[RelationshipKey]) -> Standing:
        return {
            (source, key): claim
            for key in keys
            for source, claim in self.claims_on(key).items()
            if id_ in places(self.model.relationship_types[key.type], key, claim)
        }


def _joined(own: Claim, other: Claim) -> Claim:
    """Two claims of one source on what has become one relationship."""
    both: dict[str, Any] = {**other, **own}
    both["by"] = _ordered({*own.get("by", ""), *other.get("by", "")})
    if "closed" in both and not ("closed" in own and "closed" in other):
        del both["closed"]
    values = {**other.get("values", {}), **own.get("values", {})}
    return {**both, "values": values} if values else both


def _ordered(ends: Iterable[str]) -> str:
    return "".join(sorted(ends))
