"""What discovery says of what a change has made otherwise: confirmed, contradicted, not seen."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from cmdb.reconciliation.precedence import provenance_of
from cmdb.reconciliation.sources import sources
from cmdb.reconciliation.standing import standing_of
from cmdb.records import Record, RelationshipKey
from cmdb.revisions import RecordChange, RelationshipChange
from cmdb.store import GraphStore
from cmdb.store.base import differences
from itsm.changes.planned import APPLIED, applied_by, plain_value
from lifecycle.confirmation import agree
from lifecycle.sightings import Sightings, automatic
from schema.kinds import write_datetime

CONFIRMED: Final = "confirmed"
CONTRADICTED: Final = "contradicted"
NOT_SEEN: Final = "not_seen"
SUPERSEDED: Final = "superseded"
"""Somebody has set it otherwise since, and not a source: what discovery says is about that."""
VERDICTS: Final = (CONTRADICTED, NOT_SEEN, SUPERSEDED, CONFIRMED)
EXISTS: Final = "exists"


class Verdict(NamedTuple):
    """What discovery says of one thing that a change has made otherwise.

    Attributes
    ----------
    subject, name
        Id of the record, or ``source TYPE target``; and what people call it.
    what
        The attribute; ``exists`` of a new record; ``made``, ``altered`` or ``closed`` of a relationship.
    planned
        The value, as JSON.
    found
        Source -> what it says, as JSON; of those that have reported it since.
    at
        When the last of them has.
    """

    subject: str
    name: str
    what: str
    planned: Any
    verdict: str
    found: Mapping[str, Any]
    at: datetime | None

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            **self._asdict(),
            "found": dict(self.found),
            "at": write_datetime(self.at) if self.at else None,
        }


def verify(store: GraphStore, change: Record) -> list[Verdict]:
    """What discovery says of each value that a change has set, and of each relationship.

    Nothing where it held nothing back, or is not carried out. A fixed number of statements, and one for each
    attribute that it set.
    """
    number = change.attributes.get(APPLIED)
    if number is None:
        return []
    return [*_Verification(store, change, number).verdicts()]


class _Verification:
    def __init__(self, store: GraphStore, change: Record, number: int) -> None:
        self.store, self.model, self.number = store, store.model, number
        self.at = store.revisions([number])[number].at
        self.changes = applied_by(store, change)
        links = [c.key for c in self.changes.relationships]
        ids = {c.id for c in self.changes.records} | {
            end for k in links for end in (k.source, k.target)
        }
        self.now = dict(store.get(ids)) if ids else {}
        seen = Sightings(store).of(ids) if ids else {}
        self.seen = {
            id: {source: at for source, at in own.items() if at > self.at}
            for id, own in seen.items()
        }
        near = (
            store.neighbours({k.source for k in links}, {k.type for k in links}, "out")
            if links
            else ()
        )
        self.links = {n.relationship.key: n.relationship for n in near}
        self.discovery = sources(store).keys()

    def verdicts(self) -> Iterator[Verdict]:
        for record in self.changes.records:
            yield from self._of_record(record)
        for link in self.changes.relationships:
            yield self._of_link(link)

    # -- records ----------------------------------------------------------------------------------

    def _of_record(self, change: RecordChange) -> Iterator[Verdict]:
        now, seen = self.now[change.id], self.seen.get(change.id, {})
        provenance = provenance_of(now.attributes)
        attributes = self.model.record_types[now.type].attributes
        if change.before is None:
            yield self._told(now.id, now.name, EXISTS, True, dict.fromkeys(seen, True), seen)
        for name, (_, value) in differences(change.before, change.after, self.model).items():
            said = {
                source: provenance[source]["values"][name]
                for source in seen
                if name in provenance.get(source, {}).get("values", {})
            }
            agreeing = {
                s
                for s, v in said.items()
                if name in attributes and agree(attributes[name], v, value)
            }
            verdict = self._verdict(said, agreeing)
            if verdict != CONFIRMED and self._set_since(now, name, value):
                verdict = SUPERSEDED
            planned = plain_value(self.model, name, value)
            when = max((seen[s] for s in said), default=None)
            yield Verdict(now.id, now.name, name, planned, verdict, said, when)

    def _verdict(self, said: Collection[str], agreeing: Collection[str]) -> str:
        if not said:
            return NOT_SEEN
        return CONFIRMED if len(agreeing) == len(said) else CONTRADICTED

    def _set_since(self, now: Record, name: str, value: Any) -> bool:
        """Whether somebody other than a source has set another value since."""
        if now.attributes.get(name) == value:
            return False
        spans = self.store.spans([now.id], name).get(now.id, ())
        later = [span.since for span in spans if span.since > self.number]
        revisions = self.store.revisions(later)
        return any(revisions[n].source not in self.discovery for n in later)

    # -- relationships ----------------------------------------------------------------------------

    def _of_link(self, change: RelationshipChange) -> Verdict:
        key, closed = change.key, change.after is None
        what = "closed" if closed else "made" if change.before is None else "altered"
        name = " ".join(
            [
                self.now[key.source].name if key.source in self.now else key.source,
                key.type,
                self.now[key.target].name if key.target in self.now else key.target,
            ]
        )
        claiming, others = self._claims(key)
        seen = {**self.seen.get(key.target, {}), **self.seen.get(key.source, {})}
        said: dict[str, Any] = {}
        for source in seen:
            if source in claiming:
                said[source] = "there"
            elif source in others:
                said[source] = others[source]
            elif (
                closed
                and change.before
                and source in automatic(provenance_of(change.before.attributes))
            ):
                said[source] = "not there"
        good = {s for s, v in said.items() if (v == "there") is not closed}
        if not closed and others:
            good -= others.keys()
        verdict = self._verdict(said, good)
        when = max((seen[s] for s in said), default=None)
        return Verdict(str(key), name, what, not closed, verdict, said, when)

    def _claims(self, key: RelationshipKey) -> tuple[set[str], dict[str, str]]:
        """The sources that say a relationship is there, and those that say another one is in its place."""
        live = self.links.get(key)
        claiming = set(automatic(provenance_of(live.attributes))) if live else set()
        others: dict[str, str] = {}
        type_ = self.model.relationship_types[key.type]
        for end in (key.source, key.target):
            if end not in self.now:
                continue
            for source, other in standing_of(provenance_of(self.now[end].attributes)):
                if other == key:
                    claiming.add(source)
                elif other.type == key.type and (
                    (type_.one_target and other.source == key.source)
                    or (type_.one_source and other.target == key.target)
                ):
                    far = other.target if other.source == key.source else other.source
                    others[source] = far
        return claiming, others

    def _told(
        self,
        subject: str,
        name: str,
        what: str,
        planned: Any,
        said: Mapping[str, Any],
        seen: Mapping[str, datetime],
    ) -> Verdict:
        verdict = self._verdict(said, said)
        return Verdict(
            subject, name, what, planned, verdict, said, max(seen.values(), default=None)
        )
