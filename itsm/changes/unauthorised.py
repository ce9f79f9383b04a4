"""Differences that sources found in what is in service, and that no change, order or incident covers.

A source that says of a CI something else than was known, after it had said otherwise or after somebody had set
it, has found that the CI was changed. That is covered by a process that concerns the CI, or what it is a part
of, and was under way in the time before it was found. Attributes that the model declares `volatile` change by
themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from cmdb.queries import AsOf
from cmdb.reconciliation.precedence import provenance_of
from cmdb.reconciliation.sources import sources
from cmdb.records import Record
from cmdb.revisions import Commit, RecordChange, Revision
from cmdb.store import GraphStore
from cmdb.store.base import MASK
from itsm.changes.planned import CI, plain_value
from lifecycle.confirmation import agree
from lifecycle.items import CONCERNS, DROPPED
from lifecycle.people import Directory
from lifecycle.sightings import automatic
from schema.kinds import write_datetime
from schema.model import STATE_ATTRIBUTE, Model

GRACE: Final = timedelta(days=1)
"""So long after a process has ended what it did may be found."""
BATCH: Final = 1_000


class Finding(NamedTuple):
    """A difference.

    Attributes
    ----------
    record
        The CI, as it was before it was found.
    what
        An attribute; or a relationship's name, read from the CI.
    old, new
        As JSON; of a relationship the id of the other end, or None.
    revision
        In which the source's word was taken in.
    """

    record: Record
    what: str
    old: Any
    new: Any
    source: str
    revision: Revision

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "id": self.record.id,
            "type": self.record.type,
            "name": self.record.name,
            "organisation": self.record.attributes.get("organisation"),
            "what": self.what,
            "old": self.old,
            "new": self.new,
            "source": self.source,
            "revision": self.revision.number,
            "at": write_datetime(self.revision.at),
        }


def unauthorised(
    store: GraphStore,
    since: AsOf,
    until: AsOf = None,
    *,
    grace: timedelta = GRACE,
    organisation: str | None = None,
) -> Iterator[Finding]:
    """The differences that sources found between two moments and that nothing covers, in order.

    Parameters
    ----------
    grace
        So long after a process has ended what it did may be found: the time between two collections.
    organisation
        Only of CIs of this organisation, and those below it.

    Streams the change feed; a few statements for a thousand differences.
    """
    first, last = store.resolve(since) or 0, store.resolve(until)
    batch: list[Finding] = []
    discovery = sources(store).keys()
    directory = Directory(store, datetime.now(UTC).date())
    for commit in store.feed(first, last):
        if commit.revision.source not in discovery:
            continue
        for finding in _found(store, commit):
            at = finding.record.attributes.get("organisation")
            if organisation is None or directory.within(at, organisation):
                batch.append(finding)
        if len(batch) >= BATCH:
            yield from _uncovered(store, batch, grace)
            batch = []
    yield from _uncovered(store, batch, grace)


def _found(store: GraphStore, commit: Commit) -> Iterator[Finding]:
    """What a commit of a source says otherwise than was known of CIs in service."""
    for change in commit.changes.records:
        if change.before is not None and _in_service(store.model, change.before):
            yield from _values(store.model, change, commit.revision)
    yield from _links(store, commit)


def _in_service(model: Model, record: Record) -> bool:
    type_ = model.record_types.get(record.type)
    if type_ is None or CI not in type_.ancestors:
        return False
    return type_.operational(record.attributes.get(STATE_ATTRIBUTE))


def _values(model: Model, change: RecordChange, revision: Revision) -> Iterator[Finding]:
    """Values of which a source's word has changed, and is not what was known."""
    before, after = change
    if before is None or after is None:
        return
    said, says = provenance_of(before.attributes), provenance_of(after.attributes)
    attributes = model.record_types[before.type].attributes
    for source in automatic(says):
        earlier: Mapping[str, Any] = said.get(source, {}).get("values", {})
        for name, value in sorted(says[source].get("values", {}).items()):
            known = before.attributes.get(name)
            attribute = attributes.get(name)
            if attribute is None or attribute.volatile or attribute.managed or known is None:
                continue
            if earlier.get(name) == value or agree(attribute, value, known):
                continue
            sides = (plain_value(model, name, known), value)
            old, new = (MASK, MASK) if attribute.sensitive else sides
            yield Finding(before, name, old, new, source, revision)


def _links(store: GraphStore, commit: Commit) -> Iterator[Finding]:
    """Relationships that a source made, or closed, of CIs in service that it had reported before."""
    source, links = commit.revision.source, commit.changes.relationships
    ends = {end for change in links for end in (change.key.source, change.key.target)}
    then = store.get(ends, commit.revision.number - 1) if ends else {}
    known = {
        id
        for id, record in then.items()
        if _in_service(store.model, record)
        and source in automatic(provenance_of(record.attributes))
    }
    for change in links:
        key, type_ = change.key, store.model.relationship_types.get(change.key.type)
        own = next((end for end in (key.source, key.target) if end in known), None)
        altered = change.before is not None and change.after is not None
        if type_ is None or own is None or altered:
            continue
        out = own == key.source
        far = key.target if out else key.source
        old, new = (None, far) if change.after is not None else (far, None)
        name = key.type if out else type_.inverse
        yield Finding(then[own], name, old, new, source, commit.revision)


# -- what covers them -------------------------------------------------------------------------------------


class _Span(NamedTuple):
    """When a process was under way."""

    begins: datetime
    ends: datetime | None


def _uncovered(store: GraphStore, findings: list[Finding], grace: timedelta) -> Iterator[Finding]:
    ids = {finding.record.id for finding in findings}
    if not ids:
        return
    wholes = _wholes(store, ids)
    asked = ids | {whole for some in wholes.values() for whole in some}
    processes: defaultdict[str, dict[str, Record]] = defaultdict(dict)
    for near in store.neighbours(asked, [CONCERNS], "in"):
        done = near.relationship.attributes.get("outcome") != DROPPED
        if done or near.record.attributes.get("began_at"):
            processes[near.of][near.record.id] = near.record
    spans = _spans(store, {id: p for some in processes.values() for id, p in some.items()})
    for finding in findings:
        own = (finding.record.id, *wholes[finding.record.id])
        concerned = {process for id in own for process in processes[id]}
        at = finding.revision.at
        if not any(_covers(span, at, grace) for process in concerned for span in spans[process]):
            yield finding


def _covers(span: _Span, at: datetime, grace: timedelta) -> bool:
    return span.begins <= at and (span.ends is None or at <= span.ends + grace)


def _wholes(store: GraphStore, ids: Collection[str]) -> dict[str, set[str]]:
    """What records are parts of: of one level."""
    found: dict[str, set[str]] = {id: set() for id in ids}
    parts = [name for name, type_ in store.model.relationship_types.items() if type_.part]
    for near in store.neighbours(ids, parts):
        part = store.model.relationship_types[near.relationship.type].part
        if getattr(near.relationship, str(part)) == near.of:
            found[near.of].add(near.record.id)
    return found


def _spans(store: GraphStore, processes: Mapping[str, Record]) -> dict[str, list[_Span]]:
    """When processes were under way: between the beginning and the end that they note, or in states that say so.

    Two statements.
    """
    found: dict[str, list[_Span]] = {}
    for id, process in processes.items():
        if "began_at" in store.model.record_types[process.type].attributes:
            begins, ends = (process.attributes.get(n) for n in ("began_at", "ended_at"))
            found[id] = [_Span(begins, ends)] if begins else []
    others = [id for id in processes if id not in found]
    states = store.spans(others, STATE_ATTRIBUTE) if others else {}
    numbers = {n for own in states.values() for s in own for n in (s.since, s.until) if n}
    revisions = store.revisions(numbers) if numbers else {}
    for id in others:
        machine = store.model.record_types[processes[id].type].state_machine
        found[id] = [
            _Span(revisions[span.since].at, revisions[span.until].at if span.until else None)
            for span in states.get(id, ())
            if machine is not None
            and span.value in machine.states
            and machine.states[span.value].operational
            and machine.states[span.value].approval is None
        ]
    return found
