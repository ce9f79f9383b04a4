"""How each kind of figure is worked out, as of one revision and one day, for one organisation or for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, NamedTuple

from cmdb.queries import Query
from cmdb.records import Record
from cmdb.revisions import Revision
from cmdb.store import GraphStore
from cmdb.store.base import Span
from lifecycle.figures.declared import Aged, Counted, Kept, Returns, Share, Stays
from lifecycle.ledger import DEVICES
from schema.model import STATE_ATTRIBUTE

PAGE: Final = 1_000
DAY: Final = timedelta(days=1)


class Group(NamedTuple):
    """The value of one group, and how many things it was worked out from."""

    key: Mapping[str, Any]
    value: float
    count: int  # type: ignore[assignment]


class Answer(NamedTuple):
    """What a figure comes to.

    Attributes
    ----------
    value
        Over all; None where there is nothing to work it out from.
    count
        From how many things.
    """

    value: float | None
    count: int  # type: ignore[assignment]
    groups: list[Group]


@dataclass(frozen=True)
class Moment:
    """What is asked about.

    Attributes
    ----------
    at, instant
        The revision, and when it is looked at.
    organisation
        Id: only what is of it, or of one below it.
    """

    store: GraphStore
    at: int
    instant: datetime
    organisation: str | None = None

    def query(self, type_: str, where: Mapping[str, Any] | None = None) -> Query:
        return Query(type_, where or {}, organisation=self.organisation, first=PAGE, as_of=self.at)

    def number(self, where: Mapping[str, Any]) -> int:
        """How many devices fit a filter."""
        pages = (
            self.store.find(replace(self.query(type_, where), first=1, total=True))
            for type_ in DEVICES
        )
        return sum(page.total or 0 for page in pages)

    def pages(self, *types: str, where: Mapping[str, Any] | None = None) -> Iterator[list[Record]]:
        for type_ in types:
            query = self.query(type_, where)
            while True:
                page = self.store.find(query)
                yield page.records
                if page.cursor is None:
                    break
                query = replace(query, after=page.cursor)

    def stays(self, records: Sequence[Record]) -> Iterator[tuple[Record, list[Stay]]]:
        """The states that records were in. Two statements."""
        found = self.store.spans([record.id for record in records], STATE_ATTRIBUTE)
        wanted = {n for spans in found.values() for s in spans for n in (s.since, s.until) if n}
        revisions = self.store.revisions({n for n in wanted if n <= self.at})
        for record in records:
            yield (
                record,
                [self._stay(s, revisions) for s in found.get(record.id, ()) if s.since <= self.at],
            )

    def _stay(self, span: Span, revisions: Mapping[int, Revision]) -> Stay:
        ended = span.until is not None and span.until <= self.at
        end = _effective(revisions[span.until]) if ended and span.until else None
        return Stay(span.value, _effective(revisions[span.since]), end)


class Stay(NamedTuple):
    """A record in one state: from when, until when; None: it still is."""

    state: str | None
    since: datetime
    until: datetime | None


def _effective(revision: Revision) -> datetime:
    """When a change took effect: on the day it says, else when it was recorded."""
    if revision.effective_on is None or revision.effective_on == revision.at.date():
        return revision.at
    return datetime.combine(revision.effective_on, time(), UTC)


def counted(moment: Moment, query: Counted) -> Answer:
    found: dict[tuple[Any, ...], int] = {}
    for type_ in DEVICES:
        for count in moment.store.count_by(moment.query(type_, query.where), query.by):
            found[count.values] = found.get(count.values, 0) + count.count
    ordered = sorted(found.items(), key=lambda entry: (-entry[1], str(entry[0])))
    groups = [Group(dict(zip(query.by, v, strict=True)), n, n) for v, n in ordered]
    total = sum(found.values())
    return Answer(total, total, groups)


def aged(moment: Moment, query: Aged) -> Answer:
    today = moment.instant.date()
    starts = [_years_before(today, years) for years in query.bands]
    groups = []
    for index, years in enumerate(query.bands):
        last = starts[index] if index else None
        first = starts[index + 1] if index + 1 < len(starts) else None
        ends = {k: d.isoformat() for k, d in (("lte", last), ("gt", first)) if d is not None}
        number = moment.number({"and": [query.where, _first_of(query.dates, ends)]})
        name = f"{years}–{query.bands[index + 1]}" if first else f"{years}+"
        groups.append(Group({"years": name}, number, number))
    unknown = moment.number({"and": [query.where, *({d: {"null": True}} for d in query.dates)]})
    if unknown:
        groups.append(Group({"years": None}, unknown, unknown))
    total = sum(group.count for group in groups)
    return Answer(total, total, groups)


def _first_of(dates: Sequence[str], ends: Mapping[str, str]) -> dict[str, Any]:
    """A filter on the first of some dates that there is."""
    return {
        "or": [
            {"and": [*({d: {"null": True}} for d in dates[:index]), {name: dict(ends)}]}
            for index, name in enumerate(dates)
        ]
    }


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # the 29th of February
        return day.replace(year=day.year - years, day=28)


def share(moment: Moment, query: Share) -> Answer:
    whole = moment.number(query.of)
    part = moment.number({"and": [query.of, query.where]})
    return Answer(_percent(part, whole), whole, [])


def stays(moment: Moment, query: Stays) -> Answer:
    sums: dict[str, tuple[timedelta, int]] = {}
    for page in moment.pages(*DEVICES):
        for _, states in moment.stays(page):
            for stay in states:
                if stay.state is None:
                    continue
                lasted = max((stay.until or moment.instant) - stay.since, timedelta())
                total, count = sums.get(stay.state, (timedelta(), 0))
                sums[stay.state] = (total + lasted, count + 1)
    groups = [
        Group({STATE_ATTRIBUTE: state}, round(total / DAY / count, 2), count)
        for state, (total, count) in sorted(sums.items())
    ]
    return Answer(None, sum(group.count for group in groups), groups)


def returns(moment: Moment, query: Returns) -> Answer:
    left = back = 0
    for page in moment.pages(*DEVICES):
        for _, states in moment.stays(page):
            gone = came = home = False
            for stay in states:
                home = home or stay.state in query.home
                gone = gone or (home and stay.state in query.away)
                came = came or (gone and stay.state in query.home)
            left, back = left + gone, back + came
    return Answer(_percent(back, left), left, [])


def kept(moment: Moment, query: Kept) -> Answer:
    """By type of process; what ended otherwise, or is open and not due yet, does not count."""
    found: dict[str, tuple[int, int]] = {}
    for page in moment.pages(query.type, where={query.deadline: {"null": False}}):
        for record, states in moment.stays(page):
            if not states or states[-1].state in query.dropped:
                continue
            due, last = record.attributes[query.deadline], states[-1]
            ended = last.state in query.ends
            day = (last.since if ended else moment.instant).date()
            if not ended and day <= due:
                continue
            on_time, count = found.get(record.type, (0, 0))
            found[record.type] = (on_time + (day <= due), count + 1)
    groups = [
        Group({"type": type_}, _percent(good, count) or 0.0, count)
        for type_, (good, count) in sorted(found.items())
    ]
    whole = sum(count for _, count in found.values())
    return Answer(_percent(sum(good for good, _ in found.values()), whole), whole, groups)


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None
