"""Telling answers: what of them is seen, read for the page that is shown, in one statement."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

from api.context import Context
from api.graphql.records import PAGE, PageInfo
from api.graphql.views import View
from cmdb.batching import batched
from cmdb.errors import QueryError
from cmdb.queries import PAGE_LIMIT, AsOf, Query
from impact.analysis import GroupState
from impact.rules import Rules
from impact.snapshots import concerned
from schema.model import ORGANISATION_ATTRIBUTE, Model

T = TypeVar("T")


class Teller:
    """Tells of an answer as of one moment, to who asks.

    Parameters
    ----------
    at
        The moment that was asked for; None for now.
    revision
        The revision of the answer: cursors belong to it.
    """

    def __init__(self, context: Context, at: AsOf, revision: int) -> None:
        self.context, self.store, self.at, self.revision = context, context.store, at, revision
        self._judged: dict[str, bool] = {}

    def seen(self, ids: Iterable[str]) -> set[str]:
        """Those of some CIs that are seen. One statement for 10,000, none where all CIs are."""
        asked = set(ids)
        scope = getattr(self.store, "scope", None)
        if scope is None or scope.sees_all(_of_topologies(self.store.model)):
            return asked
        unknown = sorted(asked - self._judged.keys())
        for query in self._of(unknown):
            found = self.store.find(replace(query, attributes=())).records
            self._judged.update({record.id: True for record in found})
        for id in unknown:
            self._judged.setdefault(id, False)
        return {id for id in asked if self._judged[id]}

    def hidden(self, ids: Iterable[str]) -> list[tuple[str | None, int]]:
        """How many of some CIs are not seen, by organisation. One statement more for 10,000."""
        asked = set(ids)
        missing = sorted(asked - self.seen(asked))
        counts: Counter[str | None] = Counter()
        for query in self._of(missing):
            counts.update(self.store.hidden(query))  # type: ignore[attr-defined]
        return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0] or ""))

    def organisations(self, ids: Iterable[str]) -> dict[str | None, int]:
        """How many of some CIs that are seen each organisation has. One statement for 10,000."""
        counts: Counter[str | None] = Counter()
        for query in self._of(sorted(self.seen(ids))):
            for values, count in self.store.count_by(query, [ORGANISATION_ATTRIBUTE]):
                counts[values[0]] += count
        return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0] or "")))

    def views(self, ids: Collection[str]) -> dict[str, View]:
        """Those of some records that are seen, by id. One statement."""
        found = self.store.get(ids, self.at) if ids else {}
        return {id: self.context.view(record, self.at) for id, record in found.items()}

    def _of(self, ids: Sequence[str]) -> Iterator[Query]:
        for some in batched(ids, PAGE_LIMIT):
            yield Query(where={"id": {"in": some}}, first=PAGE_LIMIT, as_of=self.at)

    def page(self, items: Sequence[T], given: Mapping[str, Any]) -> Slice[T]:
        """Some of the items of an answer.

        Raises
        ------
        QueryError
        """
        first, after = given.get("first"), given.get("after")
        first = PAGE if first is None else first
        if not 1 <= first <= PAGE_LIMIT:
            raise QueryError(f"A page of {first}.", f"Ask for 1 to {PAGE_LIMIT}.")
        start = self._start(after) if after else 0
        return Slice(items[start : start + first], start, len(items), self.revision)

    def _start(self, after: str) -> int:
        try:
            revision, place = base64.urlsafe_b64decode(after).decode("ascii").split(".")
            at, start = int(revision), int(place)
        except (ValueError, binascii.Error):
            raise QueryError("That is no cursor.", "Give one that this list gave.") from None
        if at != self.revision:
            raise QueryError(
                f"The page before was as of revision {at}, and now it is {self.revision}.",
                f"Ask for all pages with `asOf: {at}`.",
            )
        return start


def asked(work: Callable[[Any, Mapping[str, Any]], Any]) -> Any:
    """A resolver that does its work in a thread."""

    async def resolve(source: Any, info: Any, **given: Any) -> Any:
        return await info.context.call(lambda: work(source, given))

    return resolve


@lru_cache(4)
def _of_topologies(model: Model) -> frozenset[str]:
    """The record types that answers are about."""
    return concerned(Rules(model))


class Slice(NamedTuple, Generic[T]):
    """One page of the items of an answer, which is as of one revision."""

    items: Sequence[T]
    start: int
    total: int
    revision: int

    def cursor(self, place: int) -> str:
        """Continues behind an item of the page."""
        text = f"{self.revision}.{self.start + place + 1}"
        return base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii")

    @property
    def edges(self) -> list[tuple[T, str]]:
        return [(item, self.cursor(place)) for place, item in enumerate(self.items)]

    @property
    def info(self) -> PageInfo:
        return PageInfo(
            has_next_page=self.start + len(self.items) < self.total,
            has_previous_page=self.start > 0,
            start_cursor=self.cursor(0) if self.items else None,
            end_cursor=self.cursor(len(self.items) - 1) if self.items else None,
        )

    def of(self, items: Sequence[Any]) -> Slice[Any]:
        """The same page, of items made of its own."""
        return Slice(items, self.start, self.total, self.revision)


class Told(NamedTuple):
    """Something of an answer, and the record that it is about; None where that is not seen."""

    item: Any
    view: View | None
    more: Any = None


class ToldGroup(NamedTuple):
    """A redundancy group, and whose it is."""

    state: GroupState
    view: View | None
