"""Ahead of time: what runs out, is overdue, idle, unseen or unconfirmed; each a declared query.

What only compares dates is data: a type, and a filter in which `TODAY`, `UNTIL` and the states of the type
are filled in. What takes more has a function of its own (`lifecycle.neglected`, `lifecycle.confirmation`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, NamedTuple

from cmdb.queries import AsOf, Query, Sort
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle import confirmation, neglected
from lifecycle.people import Directory
from lifecycle.refusals import RequestError
from schema.basics import Label
from schema.model import ORGANISATION_ATTRIBUTE, STATE_ATTRIBUTE, RecordType

PAGE: Final = 500
WITHIN: Final = 30
IDLE: Final = 180
UNSEEN: Final = 30


class Placeholder(NamedTuple):
    """Stands in a filter for what is known only when it is asked."""

    name: str


TODAY: Final = Placeholder("today")
UNTIL: Final = Placeholder("until")
NOW: Final = Placeholder("instant")
UNDER_WAY: Final = Placeholder("under_way")
"""The states of a type that are operational."""
ENDED: Final = Placeholder("ended")
"""The states of a type out of which nothing leads, and `GONE`."""
GONE: Final = ("lost", "retired")
"""States in which nothing is to be seen to, though they may be left."""


@dataclass(frozen=True)
class Moment:
    """When it is asked, and with which spans.

    Attributes
    ----------
    today, as_of
        The day in question; what had been recorded by its end, None for now.
    within, idle, unseen
        So many days ahead; idle, and unseen, for so many days.
    organisation
        Only records of this one and those below it.
    now
        The instant in question; the end of the day unless it is given.
    """

    today: date
    as_of: AsOf = None
    within: int = WITHIN
    idle: int = IDLE
    unseen: int = UNSEEN
    organisation: str | None = None
    now: datetime | None = None

    @property
    def instant(self) -> datetime:
        end = datetime(self.today.year, self.today.month, self.today.day, tzinfo=UTC)
        return self.now or end + timedelta(days=1)

    @property
    def until(self) -> date:
        return self.today + timedelta(days=self.within)


class Due(NamedTuple):
    """One thing to see to.

    Attributes
    ----------
    on
        The day in question: on which it runs out or was to be done, since which it is idle or unseen.
    days
        From today to that day; negative where it has passed.
    note
        What there is to say beside that.
    """

    kind: str
    record: Record
    on: date | None
    days: int | None
    note: str = ""


Finder = Callable[[GraphStore, Moment], Iterator[tuple[Record, date | None, str]]]


@dataclass(frozen=True)
class DueQuery:
    """A declared query.

    Attributes
    ----------
    types
        Record types, with their subtypes.
    attribute
        The date it goes by.
    where
        A filter with placeholders.
    finder
        Finds what a filter cannot.
    whose
        The attribute that says whose something is, where it is not its organisation's.
    """

    label: Label
    types: Sequence[str] = ()
    attribute: str = ""
    where: Mapping[str, Any] | None = None
    finder: Finder | None = None
    whose: str = ORGANISATION_ATTRIBUTE


def _running_out(en: str, zh: str, types: Sequence[str], attribute: str, **more: Any) -> DueQuery:
    """Of records that are still there, where a date has passed or comes within the span."""
    where = {attribute: {"lte": UNTIL}, "not": {STATE_ATTRIBUTE: {"in": ENDED}}, **more}
    return DueQuery(Label(en=en, zh=zh), types, attribute, where)


QUERIES: Final[Mapping[str, DueQuery]] = {
    "warranties": _running_out("Warranty runs out", "保修到期", ("Hardware", "FacilityEquipment"), "warranty_until"),
    "certificates": _running_out("Certificate runs out", "数字证书到期", ("Certificate",), "valid_until"),
    "domains": _running_out("Domain name runs out", "域名到期", ("DomainName",), "valid_until"),
    "licences": _running_out("Licence runs out", "软件许可到期", ("Licence",), "valid_until"),
    "contracts": _running_out("Contract runs out", "合同到期", ("Contract",), "valid_until"),
    "loans": _running_out("Loan is to be returned", "借出到期", ("LoanOrder",), "return_on", lifecycle_state={"eq": "in_progress"}),
    "orders": DueQuery(
        Label(en="Order is overdue", zh="工单逾期"),
        ("LifecycleOrder", "Stocktake"),
        "due_on",
        {"due_on": {"lt": TODAY}, "not": {STATE_ATTRIBUTE: {"in": ENDED}}},
    ),
    "answers": DueQuery(
        Label(en="Incident is not answered in time", zh="事件响应超时"),
        ("Incident",),
        "response_due",
        {"response_due": {"lt": NOW}, STATE_ATTRIBUTE: {"eq": "new"}},
    ),
    "incidents": DueQuery(
        Label(en="Incident is not resolved in time", zh="事件解决超时"),
        ("Incident",),
        "resolution_due",
        {"resolution_due": {"lt": NOW}, STATE_ATTRIBUTE: {"in": UNDER_WAY}},
    ),
    "changes": DueQuery(
        Label(en="Change of others that hits it", zh="影响本单位的变更"),
        ("Change",),
        "starts_at",
        {
            "starts_at": {"lte": UNTIL},
            "ends_at": {"gte": TODAY},
            "hit_organisations": {"null": False},
            STATE_ATTRIBUTE: {"in": ["in_approval", "approved", "implementing"]},
        },
        whose="hit_organisations",
    ),
    "idle": DueQuery(Label(en="Idle for long", zh="长期闲置"), finder=neglected.idle),
    "unseen": DueQuery(Label(en="In service, seen by no source for long", zh="在运但长期未被采集"), finder=neglected.unseen),
    "unconfirmed": DueQuery(Label(en="Commissioned, not confirmed by a collection", zh="投运后未经自动采集确认"), finder=confirmation.unconfirmed),
    "differences": DueQuery(Label(en="Collected otherwise than ordered", zh="采集结果与工单不符"), finder=confirmation.different),
}  # fmt: skip


def ask(store: GraphStore, kind: str, moment: Moment) -> Iterator[Due]:
    """All that a declared query finds, those that are due first where it goes by a date.

    Raises
    ------
    RequestError
        There is no such query.
    """
    query = QUERIES.get(kind)
    if query is None:
        raise RequestError(f"There is no query {kind!r}.", f"There are: {', '.join(QUERIES)}.")
    if query.finder is not None:
        for record, on, note in query.finder(store, moment):
            yield Due(kind, record, on, (on - moment.today).days if on else None, note)
        return
    line = Directory(store, moment.today)
    for type_ in query.types:
        where = _filled(query.where, store.model.record_type(type_), moment)
        asked: Query | None = Query(
            type_,
            where,
            organisation=moment.organisation if query.whose == ORGANISATION_ATTRIBUTE else None,
            sort=[Sort(query.attribute)],
            first=PAGE,
            as_of=moment.as_of,
        )
        while asked is not None:
            page = store.find(asked)
            for record in page.records:
                if query.whose != ORGANISATION_ATTRIBUTE and not _hits(record, query, moment, line):
                    continue
                on = record.attributes[query.attribute]
                day: date = on.date() if isinstance(on, datetime) else on
                yield Due(kind, record, day, (day - moment.today).days)
            asked = replace(asked, after=page.cursor) if page.cursor else None


def _hits(record: Record, query: DueQuery, moment: Moment, line: Directory) -> bool:
    """Whether it is somebody else's, and the organisation in question, or one below it, is among whose it is."""
    own, hit = record.attributes.get(ORGANISATION_ATTRIBUTE), record.attributes[query.whose]
    others = [id for id in hit if id != own]
    if moment.organisation is None:
        return bool(others)
    return any(line.within(id, moment.organisation) for id in others)


def _filled(value: Any, type_: RecordType, moment: Moment, attribute: str = "") -> Any:
    """A filter with its placeholders filled in."""
    if value == ENDED:
        return _ended(type_)
    if value == UNDER_WAY:
        machine = type_.state_machine
        return sorted(s.name for s in machine.states.values() if s.operational) if machine else []
    if isinstance(value, Placeholder):
        day = getattr(moment, value.name)
        declared = type_.attributes.get(attribute)
        if declared is None or declared.kind.name != "datetime" or isinstance(day, datetime):
            return day
        begins = datetime.combine(day, time(), UTC)
        return begins + timedelta(days=1) if value == UNTIL else begins
    if isinstance(value, Mapping):
        return {
            name: _filled(inner, type_, moment, name if name in type_.attributes else attribute)
            for name, inner in value.items()
        }
    return value


def _ended(type_: RecordType) -> list[str]:
    machine = type_.state_machine
    states = machine.states.values() if machine else ()
    return sorted(s.name for s in states if s.terminal or s.name in GONE)
