"""The doors to records: a list for each type, and the generic ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

import strawberry
from graphql.type import get_named_type

from api.context import Context
from api.graphql.fetching import Fetch, Fetched, Fetching
from api.graphql.fields import ModelField, argument, model_field
from api.graphql.levels import Cursors
from api.graphql.naming import plural
from api.graphql.records import PAGE, Records
from api.graphql.scalars import JSON, AsOf
from api.graphql.views import Connection
from cmdb.errors import QueryError
from cmdb.queries import AsOf as Moment
from cmdb.queries import Page, Query, Sort, parse_query
from schema.kinds import parse_datetime
from schema.model import ROOT

AS_OF = argument("asOf", AsOf | None, "As had been recorded by then; now, if left out.")


def query_fields(records: Records) -> list[ModelField]:
    """The root fields that give records."""
    model = records.model
    lists = [
        model_field(
            plural(name),
            records.connection(name),
            f"{record_type.label.en} · {record_type.label.zh}",
            arguments=[*records.page_arguments(name), _ORGANISATION, AS_OF],
            resolve=partial(_typed, name),
        )
        for name, record_type in model.record_types.items()
        if record_type.concrete and name != ROOT
    ]
    generic = records.connection(ROOT)
    one = records.lazy(ROOT) | None
    return [
        model_field("record", one, "A record by its id.", arguments=[_ID, AS_OF], resolve=_record),
        model_field(
            "node", one, "A record by its id, as Relay asks.", arguments=[_ID], resolve=_record
        ),
        model_field(
            "records",
            generic,
            "Records of a type by a filter in the form that every door takes: `docs/graphql.md`.",
            arguments=[
                argument("type", str, default=ROOT),
                argument("where", JSON | None),
                argument("orderBy", list[str] | None, "Attributes; `-name` for descending."),
                argument("first", int | None),
                argument("after", str | None),
                argument("exact", bool, "Without subtypes.", default=False),
                _ORGANISATION,
                AS_OF,
            ],
            resolve=_generic,
        ),
        model_field(
            "search",
            generic,
            "Records in which every word occurs, anywhere; the nearest by name first.",
            arguments=[
                argument("text", str),
                argument("type", str, default=ROOT),
                argument("where", JSON | None),
                argument("first", int | None),
                argument("after", str | None),
                _ORGANISATION,
            ],
            resolve=_search,
            cost=50,
        ),
        *lists,
    ]


_ID = argument("id", strawberry.ID)
_ORGANISATION = argument(
    "organisation", strawberry.ID | None, "Only records of it and of those below it."
)


async def _typed(record_type: str, _: Any, info: Any, **given: Any) -> Connection:
    context: Context = info.context
    filters = context.records.filters
    where = filters.read(record_type, given.get("where"))
    return await listed(
        info, record_type, where, filters.sort(record_type, given.get("orderBy")), given
    )


async def _generic(_: Any, info: Any, **given: Any) -> Connection:
    sort = tuple(Sort(n.removeprefix("-"), n.startswith("-")) for n in given.get("orderBy") or ())
    return await listed(info, given["type"], given.get("where"), sort, given)


async def listed(
    info: Any,
    record_type: str,
    where: Mapping[str, Any] | None,
    sort: tuple[Sort, ...],
    given: Mapping[str, Any],
) -> Connection:
    """One page of records."""
    fetch = _fetch(info)
    query = _query(record_type, where, given, sort=sort, as_of=moment(given.get("asOf")))
    asked, store = fetch.of(query), info.context.store
    page = await info.context.call(lambda: store.find(asked))
    return page_of(info.context, query, page, fetch)


async def _search(_: Any, info: Any, **given: Any) -> Connection:
    fetch, query = _fetch(info), _query(given["type"], given.get("where"), given)
    asked, store = fetch.of(query), info.context.store
    page = await info.context.call(lambda: store.search(given["text"], asked))
    return page_of(info.context, query, page, fetch, given["text"])


def _fetch(info: Any) -> Fetch:
    """What is read of the page that a field gives."""
    return Fetching.of(info).page(get_named_type(info.return_type), info.field_nodes)


def page_of(
    context: Context, query: Query, page: Page, fetch: Fetch | None = None, text: str | None = None
) -> Connection:
    """A page of the store's as a connection.

    Parameters
    ----------
    fetch
        What came with it.
    """
    cursors = Cursors(parse_query, context.store.model, query, text)
    fetched = Fetched(fetch, page.below) if fetch else None
    place = context.place(query.as_of)._replace(
        fetched=fetched, begins=query.after is None, cursor_of=cursors
    )
    return Connection(page, place)


def _query(
    record_type: str,
    where: Mapping[str, Any] | None,
    given: Mapping[str, Any],
    **more: Any,
) -> Query:
    first = given.get("first")
    return Query(
        record_type,
        where or None,
        subtypes=not given.get("exact"),
        organisation=given.get("organisation"),
        first=PAGE if first is None else first,
        after=given.get("after"),
        **more,
    )


async def _record(_: Any, info: Any, **given: Any) -> Any:
    context: Context = info.context
    id, at = given["id"], moment(given.get("asOf"))
    found = await context.call(lambda: context.store.get([id], at))
    return context.view(found[id], at) if id in found else None


def moment(value: object) -> Moment:
    """``asOf`` as given: a revision number, as a number or as digits, or an instant.

    Raises
    ------
    QueryError
    """
    if value is None or isinstance(value, int | datetime):
        return value
    if re.fullmatch(r"[0-9]{1,15}", str(value)):
        return int(str(value))
    try:
        return parse_datetime(value)
    except ValueError as error:
        raise QueryError(
            f"The moment {error}.", "Write 42, or 2026-03-31T08:00:00+08:00."
        ) from None
