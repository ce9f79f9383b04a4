"""Whose word counts: claims of sources on one record or relationship, and the values that follow.

A record's provenance is ``{source: {"key": …, "values": {…}}}``: what each source said last, in the
JSON form of the values. `settle` works out the values from it. What a person sets is not claimed by any
source; where it competes with what sources say, it is kept beside their claims as that of `MANUAL`
(`set_by_hand`, when it is committed; `with_manual`, when a source first speaks of it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from schema.model import PROVENANCE, STATE_ATTRIBUTE, Model, RecordType, RelationshipType

MANUAL: Final = "manual"
INFERRED: Final = "inferred"
DEFAULT: Final = "default"
DEFAULT_PRECEDENCE: Final = 50
MANUAL_PRECEDENCE: Final = 100

Provenance = Mapping[str, Mapping[str, Any]]
"""Source -> what it said: ``key``, ``of`` (the record it is a part of), ``values``, ``standby``
(`standing`) …"""


@dataclass(frozen=True)
class Precedence:
    """Of each source, in general and by attribute; immutable.

    Attributes
    ----------
    general
        Source -> 0 to 1000.
    particular
        Source -> ``"Server.memory_mib"`` or ``"memory_mib"`` -> 0 to 1000.
    """

    general: Mapping[str, int] = field(default_factory=dict)
    particular: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def rank(self, source: str, owner: RecordType | RelationshipType, attribute: str) -> int:
        """How much a source counts for an attribute of a type; the type's own word before its
        ancestors', and theirs before the attribute's alone."""
        particular = self.particular.get(source)
        if particular:
            types = reversed(owner.ancestors) if isinstance(owner, RecordType) else (owner.name,)
            for name in types:
                if f"{name}.{attribute}" in particular:
                    return particular[f"{name}.{attribute}"]
            if attribute in particular:
                return particular[attribute]
        if source in self.general:
            return self.general[source]
        return {MANUAL: MANUAL_PRECEDENCE, INFERRED: 0}.get(source, DEFAULT_PRECEDENCE)

    @property
    def manual_is_highest(self) -> bool:
        """Whether nothing outranks what people set by hand."""
        top = max(self.general.values(), default=0)
        own = [rank for ranks in self.particular.values() for rank in ranks.values()]
        return max([top, *own]) < self.general.get(MANUAL, MANUAL_PRECEDENCE)


class Verdict(NamedTuple):
    """Why an attribute has its value: who says what, the highest first."""

    attribute: str
    winner: str
    claims: tuple[tuple[str, int, Any], ...]
    """(source, precedence, JSON value)."""


def winners(
    owner: RecordType | RelationshipType, provenance: Provenance, precedence: Precedence
) -> dict[str, tuple[str, Any]]:
    """Attribute -> (source whose word counts, JSON value)."""
    if len(provenance) == 1:
        [(source, claim)] = provenance.items()
        return {name: (source, value) for name, value in claim.get("values", {}).items()}
    best: dict[str, tuple[int, str]] = {}
    found: dict[str, tuple[str, Any]] = {}
    for source in sorted(provenance):
        for name, value in provenance[source].get("values", {}).items():
            rank = precedence.rank(source, owner, name)
            if name not in best or rank > best[name][0]:
                best[name] = (rank, source)
                found[name] = (source, value)
    return found


def verdict(
    owner: RecordType | RelationshipType,
    attribute: str,
    value: Any,
    provenance: Provenance,
    precedence: Precedence,
) -> Verdict:
    """Why an attribute has its value (in JSON form)."""
    said = [
        (source, precedence.rank(source, owner, attribute), claim["values"][attribute])
        for source, claim in provenance.items()
        if attribute in claim.get("values", {})
    ]
    said.sort(key=lambda c: (-c[1], c[0]))
    agreeing = [source for source, _, claimed in said if claimed == value]
    if value is None and not said:
        return Verdict(attribute, "nobody", ())
    if not said and provenance and _nobodys(owner, attribute, value, provenance):
        return Verdict(attribute, DEFAULT, ())
    if said and said[0][2] == value:
        return Verdict(attribute, said[0][0], tuple(said))
    if MANUAL not in agreeing:
        said.insert(0, (MANUAL, precedence.rank(MANUAL, owner, attribute), value))
    return Verdict(attribute, MANUAL, tuple(said))


def set_by_hand(provenance: Provenance, values: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """A provenance after people or tools set values directly.

    A value that competes with what sources say is kept as the claim of `MANUAL`; one that they all
    agree with ends an earlier override.

    Parameters
    ----------
    values
        What was set, in JSON form; None where a value was taken away.
    """
    said = {
        name: [
            c["values"][name]
            for s, c in provenance.items()
            if s != MANUAL and name in c.get("values", {})
        ]
        for name in values
    }
    own = dict(provenance.get(MANUAL, {}).get("values", {}))
    for name, claims in said.items():
        own.pop(name, None)
        if claims and any(claim != values[name] for claim in claims):
            own[name] = values[name]
    after = {source: claim for source, claim in provenance.items() if source != MANUAL}
    earlier = provenance.get(MANUAL, {})
    if own or {"made", "standby"} & earlier.keys():
        after[MANUAL] = {**earlier, "values": own}
    return after


def with_manual(
    owner: RecordType | RelationshipType,
    values: Mapping[str, Any],
    provenance: Provenance,
    coming: Mapping[str, Any],
) -> dict[str, Mapping[str, Any]]:
    """The provenance with what was set by hand before any source spoke of it.

    Parameters
    ----------
    values
        The values there are, in JSON form.
    provenance
        As kept.
    coming
        What a source is about to claim: a value there is that nobody has claimed so far was set by
        hand, unless it is a default. What nobody has reported at all was made by hand.
    """
    known = dict(provenance)
    if not known:
        known[MANUAL] = {"made": True, "values": {}}
    said = {name for claim in provenance.values() for name in claim.get("values", {})}
    by_hand = {
        name: values[name]
        for name in coming
        if name not in said
        and name in values
        and not _nobodys(owner, name, values[name], provenance)
    }
    by_hand = {name: value for name, value in by_hand.items() if value != coming[name]}
    if by_hand:
        earlier = known.get(MANUAL, {}).get("values", {})
        known[MANUAL] = {**known.get(MANUAL, {}), "values": {**earlier, **by_hand}}
    return known


def _nobodys(
    owner: RecordType | RelationshipType, name: str, value: Any, provenance: Provenance
) -> bool:
    """Whether a value came about by itself: a default, the state a record begins in, or a name made
    for want of one."""
    if name == "name":
        return any(claim.get("called") == value for claim in provenance.values())
    if isinstance(owner, RecordType) and name == STATE_ATTRIBUTE and owner.state_machine:
        machine = owner.state_machine
        return value in (machine.initial, machine.observed, machine.vanished)
    return name in owner.defaults and bool(owner.defaults[name] == value)


def settle(
    model: Model,
    owner: RecordType | RelationshipType,
    attributes: Mapping[str, Any],
    provenance: Provenance,
    precedence: Precedence,
    claimed_before: Provenance,
) -> dict[str, tuple[Any, str]]:
    """What must change so that the values are the winners'.

    Parameters
    ----------
    attributes
        The canonical values there are.
    provenance, claimed_before
        As they will be (`with_manual` included), and as they were: what nobody claims any more goes.

    Returns
    -------
    Attribute -> (new canonical value or None, winner).
    """
    plain = model.to_json(attributes)
    said = winners(owner, provenance, precedence)
    changes: dict[str, tuple[Any, str]] = {}
    for name, (source, value) in said.items():
        attribute = owner.attributes.get(name)
        if attribute is None or plain.get(name) == value:
            continue
        try:
            parsed = None if value is None else attribute.parse(from_plain(attribute, value))
        except ValueError:
            continue  # the model has changed since the source said so
        changes[name] = (parsed, source)
    gone = {n for claim in claimed_before.values() for n in claim.get("values", {})} - said.keys()
    for name in gone:
        if name in attributes and name in owner.attributes and name not in owner.required:
            changes[name] = (None, "nobody")
    return changes


def from_plain(attribute: Any, value: Any) -> Any:
    """A canonical value of its JSON form."""
    read = attribute.kind.from_json
    if attribute.many and isinstance(value, list):
        return [read(element) for element in value]
    return read(value)


def reporting(provenance: Provenance) -> list[str]:
    """The sources that say of a record that it is there."""
    return [
        source
        for source, claim in provenance.items()
        if source != MANUAL and not claim.get("vanished") and claim.keys() - {"standby"}
    ]


def provenance_of(attributes: Mapping[str, Any]) -> Provenance:
    """The provenance among the attributes of a record or relationship."""
    found: Provenance = attributes.get(PROVENANCE) or {}
    return found
