"""What sources say of relationships that are not in force, and which ones people closed.

It stands by in the provenance of records, ``{source: {"standby": {type: [[source id, target id,
claim]]}}}``: at each end that allows only one relationship of the type, and at each end that the source
says it from. That people closed a relationship is a claim of `MANUAL` on it (`CLOSED`): what sources of
lower precedence say of it stands by behind that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from cmdb.reconciliation.precedence import MANUAL, Provenance, provenance_of
from cmdb.records import Relationship, RelationshipKey
from schema.model import RelationshipType

Claim = Mapping[str, Any]
"""What a source says of a relationship: ``by`` (from which end: s, t, st), ``values``, ``rule``."""

Standing = dict[tuple[str, RelationshipKey], Claim]
"""What stands by at one record: (source, relationship) -> claim."""

CLOSED: Final[Claim] = {"by": "st", "closed": True}


def standing_of(provenance: Provenance) -> Standing:
    """What stands by at a record with this provenance."""
    return {
        (source, RelationshipKey(line[0], type_, line[1])): line[2]
        for source, claim in provenance.items()
        if "standby" in claim
        for type_, lines in claim["standby"].items()
        for line in lines
    }


def with_standing(provenance: Provenance, standing: Standing) -> dict[str, Any]:
    """A provenance at whose record just this stands by."""
    after: dict[str, Any] = {s: dict(c) for s, c in without_standing(provenance).items()}
    if standing and not provenance:
        after[MANUAL] = {"made": True, "values": {}}
    for source, key in sorted(standing):
        waiting = after.setdefault(source, {}).setdefault("standby", {})
        line = [key.source, key.target, standing[source, key]]
        waiting.setdefault(key.type, []).append(line)
    return after


def without_standing(provenance: Provenance) -> Provenance:
    """What is said of the record itself."""
    bare = {s: {n: v for n, v in c.items() if n != "standby"} for s, c in provenance.items()}
    return {source: claim for source, claim in bare.items() if claim}


def places(type_: RelationshipType, key: RelationshipKey, claim: Claim) -> Iterator[str]:
    """The records at which a claim stands by."""
    by = claim.get("by", "")
    if type_.one_target or "s" in by:
        yield key.source
    if type_.one_source or "t" in by:
        yield key.target


def closed_by_hand(
    type_: RelationshipType, link: Relationship, ends: Iterable[Provenance]
) -> dict[str, Standing]:
    """By record: what stands by there once people closed a relationship.

    Parameters
    ----------
    ends
        The provenance of the records at its ends: what sources say of it may stand by already, behind
        what was made by hand.
    """
    claims = {
        source: claim
        for provenance in ends
        for (source, key), claim in standing_of(provenance).items()
        if key == link.key
    } | dict(provenance_of(link.attributes))
    claims.pop(MANUAL, None)
    found: dict[str, Standing] = {}
    for source, claim in {**claims, MANUAL: CLOSED}.items() if claims else ():
        for id_ in places(type_, link.key, claim):
            found.setdefault(id_, {})[source, link.key] = claim
    return found
