"""The résumé of a device (履历): one timeline of all that ever happened to it, from the first record on.

Made of what the store kept: the history of the record and its relationships, and of each process that ever
concerned it the states it went through and the votes. So nothing has to be written for it, and every state a
device ever had is in it, with who and why. `sentences` says it in English and Chinese, `page` prints it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from cmdb.queries import AsOf
from cmdb.records import Record
from cmdb.revisions import Commit, Revision
from cmdb.store import GraphStore
from cmdb.store.base import Span
from lifecycle.items import CONCERNS
from lifecycle.resume.happenings import Happening, of_link, of_record, references
from lifecycle.resume.processes import TOLD, concerned, of_process
from lifecycle.resume.sentences import LANGUAGES, Words
from schema.kinds import write_datetime
from schema.model import STATE_ATTRIBUTE

PAGE: Final = 500


class Entry(NamedTuple):
    """One thing that happened.

    Attributes
    ----------
    effective_on
        The day for which it was said to hold; None for that of the instant.
    kind
        One of `lifecycle.resume.sentences.KINDS`.
    en, zh
        A sentence that says it.
    details
        The same for programs; sensitive values are hidden.
    """

    at: datetime
    effective_on: date | None
    revision: int
    actor: str
    source: str
    reason: str
    kind: str
    en: str
    zh: str
    details: Mapping[str, Any]

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        effective = self.effective_on.isoformat() if self.effective_on else None
        return {**self._asdict(), "at": write_datetime(self.at), "effective_on": effective}


class Resume(NamedTuple):
    """A device and its timeline, the earliest first."""

    record: Record
    entries: list[Entry]


def resume(store: GraphStore, id: str, as_of: AsOf = None) -> Resume:
    """The résumé of a record, up to a revision or an instant.

    Raises
    ------
    NotFoundError
    """
    at = store.resolve(as_of)
    record = store.record(id, at)
    found: list[tuple[Revision, Happening]] = []
    processes: set[str] = set()
    for commit in history(store, id, at):
        for change in commit.changes.records:
            found += [(commit.revision, h) for h in of_record(store.model, commit.revision, change)]
        for link in commit.changes.relationships:
            if link.key.type == CONCERNS and link.key.target == id:
                processes.add(link.key.source)
                told_of = concerned(store.model, link)
            else:
                told_of = of_link(store.model, id, link)
            found += [(commit.revision, happening) for happening in told_of]
    known = store.get(processes) if processes else {}
    found += _of_processes(store, known, at)
    found.sort(key=lambda entry: (entry[0].number, entry[1].rank))
    return Resume(record, _told(store, found, known))


def _told(
    store: GraphStore, found: list[tuple[Revision, Happening]], processes: Mapping[str, Record]
) -> list[Entry]:
    """What happened, put into words."""
    told = [happening.about(processes) for _, happening in found]
    named = _names(store, told) | {process.id: process.name for process in processes.values()}
    words = [Words(store.model, named, language) for language in LANGUAGES]
    return [
        _entry(revision, happening, *(happening.tell(w) for w in words))
        for (revision, _), happening in zip(found, told, strict=True)
    ]


def course(store: GraphStore, process: Record, at: int | None = None) -> list[Entry]:
    """What a process went through itself, up to a revision: its states and what became of it, votes, comments."""
    found = _of_processes(store, {process.id: process}, at)
    found.sort(key=lambda entry: (entry[0].number, entry[1].rank))
    return _told(store, found, {process.id: process})


def history(store: GraphStore, id: str, at: int | None) -> Iterator[Commit]:
    """A record's history up to a revision, the newest first, read a page at a time."""
    before = None if at is None else at + 1
    while page := store.history(id, PAGE, before):
        yield from page
        if len(page) < PAGE:
            return
        before = page[-1].revision.number


def _of_processes(
    store: GraphStore, processes: Mapping[str, Record], at: int | None
) -> list[tuple[Revision, Happening]]:
    """What processes went through, and what was said of them. Few statements, however many."""
    if not processes:
        return []
    spans: dict[str, dict[str, list[Span]]] = {id: {} for id in processes}
    types = {record.type for record in processes.values()}
    for attribute in (STATE_ATTRIBUTE, "votes", "comments", *TOLD):
        if any(attribute in store.model.record_types[name].attributes for name in types):
            for id, own in store.spans(list(processes), attribute).items():
                spans[id][attribute] = own
    happenings = [
        happening
        for id, own in spans.items()
        for happening in of_process(store.model, processes[id], own)
        if at is None or happening.since <= at
    ]
    revisions = store.revisions({happening.since for happening in happenings})
    return [(revisions[happening.since], happening) for happening in happenings]


def _names(store: GraphStore, told: list[Happening]) -> dict[str, str]:
    ids = {id for happening in told for id in references(store.model, happening.details)}
    wanted, found = sorted(ids), dict[str, str]()
    for start in range(0, len(wanted), PAGE):
        some = store.get(wanted[start : start + PAGE])
        found |= {id: record.name for id, record in some.items()}
    return found


def _entry(revision: Revision, happening: Happening, en: str, zh: str) -> Entry:
    return Entry(
        revision.at,
        revision.effective_on,
        revision.number,
        revision.actor,
        revision.source,
        revision.reason,
        happening.kind,
        en,
        zh,
        happening.plain(),
    )
