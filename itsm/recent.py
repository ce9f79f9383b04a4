"""What changed here and below: the first question when something fails.

Looked at are a CI and all that it stands on, now or when the time in question began; each revision in that time that
changed one of them is told once, with the process that it was part of. What is most likely to have to do with it
comes first: what is near, late, part of a process, and changed a state rather than an attribute.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final, NamedTuple

from cmdb.queries import Query
from cmdb.records import Record
from cmdb.revisions import Commit, RecordChange, RelationshipChange, Revision
from cmdb.store import GraphStore
from cmdb.store.base import differences
from impact.dependencies import dependencies
from impact.rules import End, Rules
from impact.snapshots import standing
from lifecycle.naming import NUMBER
from lifecycle.refusals import RequestError
from schema.kinds import write_datetime
from schema.model import STATE_ATTRIBUTE, Model

HOURS: Final = 24
MOST: Final = 2_000
"""So many CIs are looked at, the nearest first."""
REVISIONS: Final = 100
"""So many revisions of one CI are read, the latest first."""
PAGE: Final = 200
POINTS: Final = {
    "near": 40.0,
    "late": 30.0,
    "process": 20.0,
    "state": 15.0,
    "created": 10.0,
    "relationship": 10.0,
    "attribute": 5.0,
}
"""What makes a revision likely to matter, and how much it counts at most."""


class Touch(NamedTuple):
    """What a revision did to one CI.

    Attributes
    ----------
    distance
        Relationships between it and the CI in question; 0 for that itself.
    kind
        ``state``, ``created``, ``relationship`` or ``attribute``: the weightiest of what it did.
    changed
        Attribute -> (before, after), sensitive ones hidden; of relationships their types and other ends.
    """

    id: str
    distance: int
    kind: str
    changed: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Change:
    """One revision that touched what is looked at.

    Attributes
    ----------
    touched
        The nearest first.
    process
        The order, change or other process that it was part of.
    score
        The higher, the likelier it matters; ``points`` are its parts.
    """

    revision: Revision
    touched: tuple[Touch, ...]
    process: Record | None
    points: Mapping[str, float]

    @property
    def score(self) -> float:
        return sum(self.points.values())

    @property
    def distance(self) -> int:
        return self.touched[0].distance


@dataclass(frozen=True)
class Recent:
    """What changed, the likeliest to matter first.

    Attributes
    ----------
    cis
        Ids of the CIs that were looked at: the one in question, and what it stands or stood on, the nearest first.
    looked_at
        How many these are.
    truncated
        Why it is not all; empty where it is.
    """

    since: datetime
    until: datetime
    changes: list[Change]
    cis: Sequence[str]
    truncated: str

    @property
    def looked_at(self) -> int:
        return len(self.cis)

    def plain(self, names: Mapping[str, str]) -> dict[str, Any]:
        """As JSON."""
        return {
            "since": write_datetime(self.since),
            "until": write_datetime(self.until),
            "looked_at": self.looked_at,
            "complete": not self.truncated,
            "truncated": self.truncated or None,
            "changes": [_plain(change, names) for change in self.changes],
        }


def recent(
    store: GraphStore,
    id: str,
    until: datetime,
    span: timedelta = timedelta(hours=HOURS),
    *,
    first: int = 50,
    depth: int | None = None,
) -> Recent:
    """What changed a CI, or what it stands on, in the time before an instant.

    Parameters
    ----------
    first
        So many changes are told.
    depth
        CIs that are farther away are not looked at.

    A statement for each level of what it stands on, twice; one for some hundreds of CIs; three more.

    Raises
    ------
    NotFoundError
    RequestError
        The time does not go forward.
    """
    store.record(id)
    if span <= timedelta():
        raise RequestError(f"Nothing changes within {span}.", "Ask for some hours.")
    since = until - span
    begin, end = store.revision_at(since), store.revision_at(until)
    distances = _distances(store, id, begin, end, depth)
    nearest = sorted(distances, key=lambda ci: (distances[ci], ci))
    cut = [f"the {MOST} nearest of {len(nearest)} CIs"] if len(nearest) > MOST else []
    ends = Rules(store.model).ends
    touched: dict[int, list[Touch]] = {}
    revisions: dict[int, Revision] = {}
    for place in range(0, min(len(nearest), MOST), PAGE):
        part = nearest[place : min(place + PAGE, MOST)]
        for ci, commits in store.histories(part, REVISIONS, end + 1).items():
            if len(commits) == REVISIONS and commits[-1].revision.number > begin:
                cut.append(f"the latest {REVISIONS} revisions of {ci}")
            for commit in commits:
                touch = _touch(store.model, ends, ci, distances[ci], commit)
                if commit.revision.number > begin and touch is not None:
                    revisions[commit.revision.number] = commit.revision
                    touched.setdefault(commit.revision.number, []).append(touch)
    processes = _processes(store, revisions.values())
    changes = [
        _change(revision, touched[number], processes.get(number), since, span)
        for number, revision in revisions.items()
    ]
    changes.sort(key=lambda change: (-change.score, -change.revision.number))
    if len(changes) > first:
        cut.append(f"the first {first} of {len(changes)} changes")
    return Recent(since, until, changes[:first], nearest[:MOST], "; ".join(cut))


def _distances(
    store: GraphStore, id: str, begin: int, end: int, depth: int | None
) -> dict[str, int]:
    """How far away what a CI stands on is: by what held at the end, or else at the beginning."""
    found = {id: 0}
    for at in (end, begin):
        topology = standing(store, [id], as_of=at, depth=depth)
        for one in dependencies(topology, [id], depth=depth).found:
            found.setdefault(one.id, one.distance)
    return found


def _touch(
    model: Model, ends: Mapping[str, End], ci: str, distance: int, commit: Commit
) -> Touch | None:
    """What a revision did to a CI; None where that was nothing of its own."""
    changed: dict[str, tuple[Any, Any]] = {}
    kind = "attribute"
    for link in commit.changes.relationships:
        if _own(ends, ci, link):
            other = link.key.target if link.key.source == ci else link.key.source
            before, after = (None if end is None else other for end in link)
            if before == after and not differences(link.before, link.after, model):
                continue
            changed[link.key.type] = (before, after)
            kind = "relationship"
    for record in commit.changes.records:
        own = _differences(model, record)
        changed |= own
        if record.before is None:
            kind = "created"
        elif STATE_ATTRIBUTE in own:
            kind = "state"
    return Touch(ci, distance, kind, changed) if changed else None


def _differences(model: Model, change: RecordChange) -> dict[str, tuple[Any, Any]]:
    found = differences(change.before, change.after, model)
    old, new = change.before, change.after
    if old is not None and new is not None and old.type != new.type:
        found["type"] = (old.type, new.type)
    return found


def _own(ends: Mapping[str, End], ci: str, change: RelationshipChange) -> bool:
    """Whether a relationship is one that a CI has, rather than one that others have to it: that somebody
    else depends on it now is no change of it."""
    provider = ends.get(change.key.type)
    return (change.key.target if provider == "source" else change.key.source) == ci


def _processes(store: GraphStore, revisions: Iterable[Revision]) -> dict[int, Record]:
    """The processes that revisions were part of, by the numbers that their reasons name. A statement for
    some hundreds."""
    named = {r.number: NUMBER.findall(r.reason) for r in revisions}
    numbers = sorted({*chain.from_iterable(named.values())})
    found: dict[str, Record] = {}
    for begin in range(0, len(numbers), PAGE):
        where = {"number": {"in": numbers[begin : begin + PAGE]}}
        query = Query("ProcessRecord", where, first=PAGE)
        found |= {str(r.attributes["number"]): r for r in store.find(query).records}
    return {
        revision: found[first]
        for revision, said in named.items()
        if (first := next((n for n in said if n in found), None)) is not None
    }


def _change(
    revision: Revision,
    touched: Collection[Touch],
    process: Record | None,
    since: datetime,
    span: timedelta,
) -> Change:
    nearest = sorted(touched, key=lambda touch: (touch.distance, touch.id))
    kind = max((touch.kind for touch in touched), key=lambda kind: POINTS[kind])
    points = {
        "near": POINTS["near"] / (1 + nearest[0].distance),
        "late": POINTS["late"] * max(0.0, min(1.0, (revision.at - since) / span)),
        kind: POINTS[kind],
    }
    if process is not None:
        points["process"] = POINTS["process"]
    return Change(revision, tuple(nearest), process, points)


def _plain(change: Change, names: Mapping[str, str]) -> dict[str, Any]:
    revision, process = change.revision, change.process
    return {
        "revision": revision.number,
        "at": write_datetime(revision.at),
        "actor": revision.actor,
        "source": revision.source,
        "reason": revision.reason,
        "process": None
        if process is None
        else {
            "id": process.id,
            "type": process.type,
            "number": process.attributes.get("number"),
            "name": process.name,
        },
        "score": round(change.score, 1),
        "points": {name: round(value, 1) for name, value in change.points.items()},
        "touched": [
            {
                "id": touch.id,
                "name": names.get(touch.id),
                "distance": touch.distance,
                "kind": touch.kind,
                "changed": {
                    name: {
                        "before": str(old) if old is not None else None,
                        "after": str(new) if new is not None else None,
                    }
                    for name, (old, new) in touch.changed.items()
                },
            }
            for touch in change.touched
        ],
    }
