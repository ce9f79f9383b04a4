"""The device ledger (设备台账): devices by any filter, with what an asset manager asks of each, as of any date.

`columns` declares what can be asked, `facts` reads it page by page, `files` writes it as XLSX or CSV that
the ledger importer reads back without changing anything. All of a ledger is as of one revision, whatever is
committed meanwhile, and no more than a page of it is in memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, NamedTuple

from cmdb.errors import QueryError
from cmdb.queries import AsOf, Query, Sort, parse_query
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.effects import IN_TRANSIT_TO
from lifecycle.ledger.columns import Column
from lifecycle.ledger.facts import Reader
from lifecycle.ledger.getters import Word
from lifecycle.ledger.rows import Fact, Row
from schema.errors import UnknownNameError

DEVICES: Final = ("Hardware", "FacilityEquipment")
PAGE: Final = 1_000


@dataclass(frozen=True)
class Scope:
    """Which devices.

    Attributes
    ----------
    types
        Record types, subtypes included.
    where
        A filter, as in a query. A type that has no such attribute has no such devices.
    organisation
        Id: only devices of it and of those below it, and those in transit to any of them.
    sort
        Within each type. In no order (by id, as they were recorded) a page costs the same however
        many there are.
    """

    types: Sequence[str] = DEVICES
    where: Mapping[str, Any] | None = None
    organisation: str | None = None
    sort: Sequence[Sort] = (Sort("name"),)
    as_of: AsOf = None


class Position(NamedTuple):
    """Where a page ended: the ledger's revision, in which of its parts, and where in that."""

    at: int
    part: int
    inner: str


def position(cursor: str) -> Position:
    """Where a page ended, by its cursor.

    Raises
    ------
    QueryError
    """
    at, _, rest = cursor.partition(".")
    part, _, inner = rest.partition(".")
    if not all(n.isascii() and n.isdecimal() and len(n) < 16 for n in (at, part)):
        raise QueryError("That is no cursor of a ledger.", "Give back the one you got.")
    return Position(int(at), int(part), inner)


class Total(NamedTuple):
    """How many devices share these values, and what they cost to buy, by currency."""

    values: tuple[Any, ...]
    count: int  # type: ignore[assignment]
    sums: Mapping[str, Decimal]


class Ledger:
    """The devices of a scope as of one revision.

    Attributes
    ----------
    at
        The number of the revision.
    """

    def __init__(self, store: GraphStore, scope: Scope = Scope()) -> None:
        self.store, self.scope = store, scope
        at = store.resolve(scope.as_of)
        self.at = store.last_revision().number if at is None else at
        self._queries = self._usable()

    def count(self) -> int:
        """How many devices there are."""
        own = sum(self.store.find(_with(q, first=1, total=True)).total or 0 for q in self._queries)
        return own + sum(len(page) for page in self._arriving())

    def rows(self, columns: Sequence[Column]) -> Iterator[list[Row]]:
        """The devices, a page at a time, with what the columns need."""
        yield from self._rows(columns, self._queries)

    def _rows(self, columns: Sequence[Column], queries: Sequence[Query]) -> Iterator[list[Row]]:
        reader = Reader(self.store, self.at, _facts(columns))
        for query in queries:
            for page in self._pages(query):
                yield reader.rows(page)
        for page in self._arriving():
            yield reader.rows(page)

    def page(
        self, columns: Sequence[Column], first: int, after: str | None = None
    ) -> tuple[list[Row], str | None]:
        """Some rows, and where to go on; None where there are no more. The ledger must be of the
        cursor's revision (`position`).

        Raises
        ------
        QueryError
        """
        if first < 0:
            raise QueryError(f"A page of {first} devices.", "Ask for none or more.")
        _, part, inner = position(after) if after else Position(self.at, 0, "")
        reader, records = Reader(self.store, self.at, _facts(columns)), list[Record]()
        while part < len(self._queries) and len(records) < first:
            query = _with(
                self._queries[part], first=min(PAGE, first - len(records)), after=inner or None
            )
            page = self.store.find(query)
            records += page.records
            part, inner = (part, page.cursor) if page.cursor else (part + 1, "")
        ended = part >= len(self._queries)
        if ended:
            arriving = [record for page in self._arriving() for record in page]
            begin = int(inner) if inner.isdecimal() else 0
            end = begin + first - len(records)
            records += arriving[begin:end]
            part, inner, ended = len(self._queries), str(end), end >= len(arriving)
        return reader.rows(records), None if ended else f"{self.at}.{part}.{inner}"

    def totals(self, columns: Sequence[Column]) -> list[Total]:
        """Counts and sums by the values of columns, the most first; without columns, of all."""
        found: dict[tuple[Any, ...], tuple[tuple[Any, ...], int, dict[str, Decimal]]] = {}
        for page in self._rows(columns, [_with(query, sort=()) for query in self._queries]):
            for row in page:
                values = tuple(column.get(row) for column in columns)
                key = tuple(map(_identity, values))
                values, count, sums = found.get(key, (values, 0, {}))
                price = row.record.attributes.get("purchase_price")
                if price is not None:
                    sums[price.currency] = sums.get(price.currency, Decimal(0)) + price.amount
                found[key] = (values, count + 1, sums)
        totals = [Total(*entry) for entry in found.values()]
        return sorted(totals, key=lambda t: (-t.count, [str(_identity(v)) for v in t.values]))

    def _usable(self) -> list[Query]:
        """A query for each type that the filter fits.

        Raises
        ------
        QueryError, UnknownNameError
            It fits none.
        """
        found, refused = [], []
        for type_ in self.scope.types:
            if not {*DEVICES}.intersection(self.store.model.record_type(type_).ancestors):
                raise QueryError(
                    f"{type_} is no type of device.", f"They are below {', '.join(DEVICES)}."
                )
            query = Query(
                type_,
                self.scope.where,
                organisation=self.scope.organisation,
                sort=self.scope.sort,
                first=PAGE,
                as_of=self.at,
            )
            try:
                parse_query(self.store.model, query)
            except (UnknownNameError, QueryError) as error:
                refused.append(error)
            else:
                found.append(query)
        if not found:
            raise refused[0]
        return found

    def _pages(self, query: Query) -> Iterator[list[Record]]:
        while True:
            page = self.store.find(query)
            yield page.records
            if page.cursor is None:
                return
            query = _with(query, after=page.cursor)

    def _arriving(self) -> Iterator[list[Record]]:
        """Devices of others that are in transit to the organisation, or to one below it."""
        top = self.scope.organisation
        if top is None:
            return
        reader = Reader(self.store, self.at, {Fact.ORGANISATION, IN_TRANSIT_TO})
        for query in self._queries:
            where = {"and": [query.where or {}, {IN_TRANSIT_TO: {}}]}
            for page in self._pages(_with(query, where=where, organisation=None)):
                found = [
                    row.record
                    for row in reader.rows(page)
                    if _below(reader, row.in_transit_to, top) and not _below(reader, row.owner, top)
                ]
                if found:
                    yield found


def _with(query: Query, **values: Any) -> Query:
    return replace(query, **values)


def _facts(columns: Sequence[Column]) -> Collection[Fact | str]:
    return frozenset[Fact | str]().union(*(column.facts for column in columns))


def _below(reader: Reader, organisation: Record | None, top: str) -> bool:
    return organisation is not None and any(r.id == top for r in reader.line(organisation))


def _identity(value: Any) -> Any:
    """What tells two values apart: two departments of one name are two."""
    if isinstance(value, Record):
        return value.id
    if isinstance(value, Word):
        return value.name
    return tuple(value) if isinstance(value, list) else value
