"""How each kind of figure is worked out, as of one revision and one day, for one organisation or for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final, NamedTuple

from cmdb.queries import Query
from cmdb.records import Record
from cmdb.revisions import Revision
from cmdb.store import GraphStore
from cmdb.store.base import Span
from lifecycle.figures.declared import Aged, Asked, Counted, Kept, Returns, Share, Stays
from schema.kinds import write_datetime
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
    since
        Only what was since then, of queries that say when that was.
    beneath
        The store with what one needs to know but does not tell, such as calendars; by default the same.
    """

    store: GraphStore
    at: int
    instant: datetime
    organisation: str | None = None
    since: datetime | None = None
    beneath: GraphStore | None = None

    @property
    def whole(self) -> GraphStore:
        return self.beneath or self.store

    def queries(self, asked: Asked, *where: Mapping[str, Any]) -> list[Query]:
        """A query for each type that is asked about, with some filters that all hold."""
        parts = [part for part in where if part]
        if self.since is not None and asked.dated is not None:
            parts.append({asked.dated: {"gte": self.since}})
        filter_ = {"and": parts} if parts else {}
        return [
            Query(type_, filter_, organisation=self.organisation, first=PAGE, as_of=self.at)
            for type_ in asked.types
        ]

    def number(self, asked: Asked, *where: Mapping[str, Any]) -> int:
        """How many records fit filters. One statement for each type."""
        pages = (
            self.store.find(replace(query, first=1, total=True))
            for query in self.queries(asked, *where)
        )
        return sum(page.total or 0 for page in pages)

    def counts(
        self, asked: Asked, by: Sequence[str], *where: Mapping[str, Any]
    ) -> dict[tuple[Any, ...], int]:
        """How many records that fit filters share values. One statement for each type."""
        found: dict[tuple[Any, ...], int] = {}
        for query in self.queries(asked, *where):
            for count in self.store.count_by(query, by):
                found[count.values] = found.get(count.values, 0) + count.count
        return found

    def pages(self, asked: Asked, *where: Mapping[str, Any]) -> Iterator[list[Record]]:
        """The records that fit filters, page by page."""
        for query in self.queries(asked, *where):
            while True:
                page = self.store.find(query)
                yield page.records
                if page.cursor is None:
                    break
                query = replace(query, after=page.cursor)

    def spans(self, records: Sequence[Record]) -> dict[str, list[Span]]:
        """The states that records were in by then. One statement."""
        found = self.store.spans([record.id for record in records], STATE_ATTRIBUTE)
        return {id: [s for s in spans if s.since <= self.at] for id, spans in found.items()}

    def stays(self, records: Sequence[Record]) -> Iterator[tuple[Record, list[Stay]]]:
        """The same with the days on which they took effect. Two statements."""
        found = self.spans(records)
        wanted = {n for spans in found.values() for s in spans for n in (s.since, s.until) if n}
        revisions = self.store.revisions({n for n in wanted if n <= self.at})
        for record in records:
            yield record, [self._stay(s, revisions) for s in found.get(record.id, ())]

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
    found = moment.counts(query, query.by, query.where)
    total = sum(found.values())
    return Answer(total, total, [Group(key, n, n) for key, n in _ordered(query.by, found)])


def _ordered(
    by: Sequence[str], found: Mapping[tuple[Any, ...], int]
) -> Iterator[tuple[dict[str, Any], int]]:
    """Counts with their keys, most first."""
    for values, count in sorted(found.items(), key=lambda entry: (-entry[1], str(entry[0]))):
        yield dict(zip(by, values, strict=True)), count


def aged(moment: Moment, query: Aged) -> Answer:
    starts = [_before(moment.instant, number, query.unit) for number in query.bands]
    groups = []
    for index, number in enumerate(query.bands):
        last = starts[index] if index else None
        first = starts[index + 1] if index + 1 < len(starts) else None
        ends = {k: d for k, d in (("lte", last), ("gt", first)) if d is not None}
        count = moment.number(query, query.where, _first_of(query.dates, ends))
        name = f"{number}–{query.bands[index + 1]}" if first else f"{number}+"
        groups.append(Group({query.unit: name}, count, count))
    unknown = moment.number(query, query.where, *({d: {"null": True}} for d in query.dates))
    if unknown:
        groups.append(Group({query.unit: None}, unknown, unknown))
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


def _before(instant: datetime, number: int, unit: str) -> str:
    """The day, or the instant, so many years or days before."""
    if unit == "days":
        return write_datetime(instant - number * DAY)
    day = instant.date()
    try:
        return day.replace(year=day.year - number).isoformat()
    except ValueError:  # the 29th of February
        return day.replace(year=day.year - number, day=28).isoformat()


def share(moment: Moment, query: Share) -> Answer:
    whole = moment.number(query, query.of)
    part = moment.number(query, query.of, query.where)
    groups = []
    for name in query.per:
        fit = moment.counts(query, [name], query.of, query.where)
        for key, count in _ordered([name], moment.counts(query, [name], query.of)):
            good = fit.get((key[name],), 0)
            groups.append(Group(key, percent(good, count) or 0.0, count))
    return Answer(percent(part, whole), whole, groups)


def stays(moment: Moment, query: Stays) -> Answer:
    sums: dict[str, tuple[timedelta, int]] = {}
    for page in moment.pages(query):
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
    tally = Tally(query.per)
    for page in moment.pages(query):
        spans = moment.spans(page)
        for record in page:
            gone = came = home = False
            for span in spans.get(record.id, ()):
                home = home or span.value in query.home
                gone = gone or (home and span.value in query.away)
                came = came or (gone and span.value in query.home)
            if gone:
                tally.add(keys(record, query.per), came)
    return tally.percent()


def kept(moment: Moment, query: Kept) -> Answer:
    """What ended otherwise, or is open and not due yet, does not count."""
    tally = Tally(query.per)
    for page in moment.pages(query, {query.deadline: {"null": False}}):
        for record, states in moment.stays(page):
            if not states or states[-1].state in query.dropped:
                continue
            due, last = record.attributes[query.deadline], states[-1]
            ended = last.state in query.ends
            day = (last.since if ended else moment.instant).date()
            if ended or day > due:
                tally.add(keys(record, query.per), day <= due)
    return tally.percent()


# -- put together from one record after another -----------------------------------------------------


def keys(record: Record, per: Iterable[str]) -> dict[str, list[Any]]:
    """The groups that a record is in: by attribute, or type, the values."""
    return {n: [record.type if n == "type" else record.attributes.get(n)] for n in per}


class Tally:
    """Values added up one after the other: in all, and in each group."""

    def __init__(self, per: Sequence[str]) -> None:
        self._per = per
        self._sums: dict[tuple[str, Any], tuple[float, int]] = {}
        self._whole: tuple[float, int] = (0, 0)

    def add(self, groups: Mapping[str, Iterable[Any]], value: float) -> None:
        """Add a value; it counts once in each of its groups."""
        self._whole = _more(self._whole, value)
        for name in self._per:
            for key in dict.fromkeys(groups[name]):
                self._sums[name, key] = _more(self._sums.get((name, key), (0, 0)), value)

    def percent(self) -> Answer:
        """How many percent of the values were true."""
        return self._answer(lambda total, count: percent(total, count) or 0.0)

    def mean(self) -> Answer:
        return self._answer(lambda total, count: round(total / count, 2))

    def count(self, most: int) -> Answer:
        """How many values there were; of each kind of group the largest ones."""
        found = self._answer(lambda _, count: count)
        groups: dict[str, list[Group]] = {}
        for group in found.groups:
            groups.setdefault(next(iter(group.key)), []).append(group)
        largest = [group for of_one in groups.values() for group in of_one[:most]]
        return Answer(found.count, found.count, largest)

    def _answer(self, worked_out: Callable[[float, int], float]) -> Answer:
        total, count = self._whole
        ordered = sorted(
            self._sums.items(),
            key=lambda entry: (self._per.index(entry[0][0]), -entry[1][1], str(entry[0][1])),
        )
        groups = [Group({n: key}, worked_out(*sums), sums[1]) for (n, key), sums in ordered]
        return Answer(worked_out(total, count) if count else None, count, groups)


def _more(sums: tuple[float, int], value: float) -> tuple[float, int]:
    return sums[0] + value, sums[1] + 1


def percent(part: float, whole: float) -> float | None:
    return round(100 * part / whole, 2) if whole else None
