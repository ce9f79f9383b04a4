"""Relationships as sources claim them.

A relationship's provenance is ``{source: {"by": "s" | "t" | "st", "values": {…}}}``: which sources
report it, from which end (source, target, both), with which attributes. It is closed when nobody
reports it any more; one that was made by hand (no provenance) is nobody's to close. Where a type allows
only one relationship at an end, the source with precedence has its way; what the others say stands by
in the provenance of the record at that end, and takes its place when it goes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from cmdb.change_sets import Operation, Relate, Unrelate
from cmdb.reconciliation.precedence import (
    MANUAL,
    Precedence,
    Provenance,
    from_plain,
    provenance_of,
    settle,
    with_manual,
)
from cmdb.records import Record, Relationship, RelationshipKey
from schema.model import PROVENANCE, Model, RelationshipType

End = Literal["s", "t"]


class Links:
    """The relationships around a batch: as they are, and as the batch will leave them.

    Attributes
    ----------
    live
        Those that were read.
    after
        Attributes of those that change; None closes one.
    standby
        What does not come into force: by the record at the end that allows only one.
    """

    def __init__(self, model: Model, source: str, precedence: Precedence) -> None:
        self.model, self.source, self.precedence = model, source, precedence
        self.live: dict[RelationshipKey, Relationship] = {}
        self.after: dict[RelationshipKey, dict[str, Any] | None] = {}
        self.owner: dict[RelationshipKey, int] = {}
        self.standby: defaultdict[str, list[tuple[str, RelationshipKey, dict[str, Any]]]]
        self.standby = defaultdict(list)
        self._at: defaultdict[tuple[str, str, End], set[RelationshipKey]] = defaultdict(set)
        self._near: defaultdict[str, list[tuple[RelationshipKey, End]]] = defaultdict(list)
        self._new_here: set[RelationshipKey] = set()

    def add_live(self, links: Iterable[Relationship]) -> None:
        for link in links:
            key = link.key
            if key in self.live:
                continue
            self.live[key] = link
            self._near[key.source].append((key, "s"))
            self._near[key.target].append((key, "t"))
            self._at[key.source, key.type, "s"].add(key)
            self._at[key.target, key.type, "t"].add(key)

    def canonical(self, source: str, type_: str, target: str) -> tuple[RelationshipKey, bool]:
        """The key a claim is kept under, and whether its ends were swapped (symmetric types)."""
        key = RelationshipKey(source, type_, target)
        if not self.model.relationship_types[type_].symmetric:
            return key, False
        back = RelationshipKey(target, type_, source)
        if key in self.live or key in self.after:
            return key, False
        if back in self.live or back in self.after or target < source:
            return back, True
        return key, False

    def of_source(self, id_: str) -> Iterator[RelationshipKey]:
        """The relationships that the source has reported from this record's end."""
        for key, end in self._near.get(id_, ()):
            claim = provenance_of(self.live[key].attributes).get(self.source)
            if claim and end in claim.get("by", ""):
                yield key

    # -- claiming ---------------------------------------------------------------------------------

    def claim(
        self,
        key: RelationshipKey,
        end: End,
        attributes: Mapping[str, Any],
        owner: int,
        rule: str = "",
    ) -> str:
        """The source reports a relationship from one end; gives what stands against it, or nothing.

        ``rule`` names the rule of an inferred one.
        """
        type_ = self.model.relationship_types[key.type]
        values = dict(self.model.to_json(attributes)) if attributes else {}
        now = self._now(key)
        if now is None:
            against = self._make_room(key, type_, values, end)
            if against is not None:
                return against
            claim: dict[str, Any] = {"by": end}
            if values:
                claim["values"] = values
            if rule:
                claim["rule"] = rule
            self.after[key] = {**attributes, PROVENANCE: {self.source: claim}}
            self._new_here.add(key)
            self._at[key.source, key.type, "s"].add(key)
            self._at[key.target, key.type, "t"].add(key)
        else:
            self._claim_again(key, type_, now, end, values)
        self.owner.setdefault(key, owner)
        return ""

    def _claim_again(
        self,
        key: RelationshipKey,
        type_: RelationshipType,
        now: Mapping[str, Any],
        end: End,
        values: dict[str, Any],
    ) -> None:
        before = provenance_of(now)
        if not before:
            made = self.model.to_json({n: v for n, v in now.items() if n != PROVENANCE})
            before = {MANUAL: {"by": "", "values": made} if made else {"by": ""}}
        earlier = before.get(self.source, {})
        by = "".join(e for e in "st" if e == end or e in earlier.get("by", ""))
        if by != end:
            values = {**earlier.get("values", {}), **values}
        claim: dict[str, Any] = {"by": by}
        if values:
            claim["values"] = values
        self._set(key, type_, now, before, {self.source: claim})

    def _set(
        self,
        key: RelationshipKey,
        type_: RelationshipType,
        now: Mapping[str, Any],
        before: Provenance,
        claims: Mapping[str, Mapping[str, Any]],
    ) -> None:
        plain = self.model.to_json({n: v for n, v in now.items() if n != PROVENANCE})
        coming: dict[str, Any] = {}
        for claim in claims.values():
            coming |= claim.get("values", {})
        provenance = with_manual(type_, plain, before, coming)
        provenance |= claims
        changes = settle(self.model, type_, now, provenance, self.precedence, before)
        attributes = {**now, **{n: v for n, (v, _) in changes.items()}, PROVENANCE: provenance}
        self.after[key] = {n: v for n, v in attributes.items() if v is not None}

    def _make_room(
        self, key: RelationshipKey, type_: RelationshipType, values: dict[str, Any], end: End
    ) -> str | None:
        """Close what the new relationship takes the place of; what stands against it otherwise."""
        limits: list[tuple[str, End]] = []
        if type_.one_target:
            limits.append((key.source, "s"))
        if type_.one_source:
            limits.append((key.target, "t"))
        for id_, at in limits:
            for other in sorted(self._at[id_, key.type, at] - {key}):
                now = self._now(other)
                if now is None:
                    continue
                if other in self._new_here:
                    return f"{type_.name} allows one, and the source says {other.source} as well as {key.source}"
                theirs = dict(provenance_of(now))
                theirs.pop(self.source, None)
                own = self.precedence.rank(self.source, type_, "")
                rank = max(
                    (
                        self.precedence.rank(s, type_, "")
                        for s in theirs or ((MANUAL,) if not provenance_of(now) else ())
                    ),
                    default=-1,
                )
                if rank >= own:
                    self.standby[id_].append((self.source, key, {"by": end, "values": values}))
                    return ""
                for source, claim in theirs.items():
                    self.standby[id_].append((source, other, dict(claim)))
                self.after[other] = None
        return None

    # -- withdrawing ------------------------------------------------------------------------------

    def withdraw(self, key: RelationshipKey, end: End, owner: int, source: str = "") -> bool:
        """A source no longer reports a relationship from an end; gives whether that closes it."""
        source = source or self.source
        now = self._now(key)
        if now is None:
            return False
        before = provenance_of(now)
        claim = before.get(source)
        if claim is None or end not in claim.get("by", ""):
            return False
        self.owner.setdefault(key, owner)
        type_ = self.model.relationship_types[key.type]
        left = {s: c for s, c in before.items() if s != source}
        by = claim["by"].replace(end, "")
        if by:
            left[source] = {**claim, "by": by}
        if not left:
            self.after[key] = None
            return True
        changes = settle(self.model, type_, now, left, self.precedence, before)
        attributes = {**now, **{n: v for n, (v, _) in changes.items()}, PROVENANCE: left}
        self.after[key] = {n: v for n, v in attributes.items() if v is not None}
        return False

    def activate(self, records: Mapping[str, Record]) -> None:
        """What stood by takes the place of what was closed, the source with precedence first."""
        for key, now in list(self.after.items()):
            type_ = self.model.relationship_types[key.type]
            if now is not None or key not in self.live:
                continue
            limits = [(key.target, type_.one_source), (key.source, type_.one_target)]
            for id_ in (id_ for id_, limited in limits if limited and id_ in records):
                said = [
                    (
                        self.precedence.rank(source, type_, ""),
                        source,
                        RelationshipKey(s, key.type, t),
                        c,
                    )
                    for source, claim in provenance_of(records[id_].attributes).items()
                    for s, t, c in claim.get("standby", {}).get(key.type, ())
                    if source != self.source
                ]
                end: End = "t" if id_ == key.target else "s"
                taken = any(self._now(k) is not None for k in self._at[id_, key.type, end])
                if said and not taken:
                    _, source, waiting, claim = max(said, key=lambda c: (c[0], c[1]))
                    attributes = {
                        n: from_plain(type_.attributes[n], v)
                        for n, v in claim.get("values", {}).items()
                    }
                    self.after[waiting] = {**attributes, PROVENANCE: {source: claim}}
                    self.owner.setdefault(waiting, self.owner.get(key, 0))

    # -- the outcome ------------------------------------------------------------------------------

    def _now(self, key: RelationshipKey) -> Mapping[str, Any] | None:
        if key in self.after:
            return self.after[key]
        link = self.live.get(key)
        return link.attributes if link is not None else None

    def changed(self) -> Iterator[tuple[RelationshipKey, Operation, bool]]:
        """Operations of what changes, and whether the relationship comes or goes (not just alters)."""
        for key, attributes in self.after.items():
            live = self.live.get(key)
            if attributes is None:
                if live is not None:
                    yield key, Unrelate(*key), True
            elif live is None or live.attributes != attributes:
                yield key, Relate(*key, attributes), live is None
