"""The past: revisions, what each changed, what happened to a record, and what differs between moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import strawberry

from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.queries import moment
from api.graphql.records import Records
from api.graphql.scalars import JSON, AsOf, Date, DateTime, Int64
from cmdb.errors import QueryError
from cmdb.records import Record, Relationship, same_values
from cmdb.revisions import Changes, Commit, RecordChange, RelationshipChange
from schema.kinds import write_datetime
from schema.model import Model

ENTRIES = 50
CHANGES = 1_000
"""Most entries of a history, and most changes of a comparison, in one page."""


@cache
def revision_type() -> type:
    """A revision: one commit."""
    return make_type(
        "Revision",
        [
            model_field("number", Int64, read=lambda r: r.number),
            model_field("at", DateTime, read=lambda r: write_datetime(r.at)),
            model_field("actor", str, "Who answers for it.", read=lambda r: r.actor),
            model_field("source", str, "Where the facts come from.", read=lambda r: r.source),
            model_field(
                "reason", str, "The order, change or run behind it.", read=lambda r: r.reason
            ),
            model_field("changeSet", strawberry.ID, read=lambda r: r.change_set),
            model_field(
                "effectiveOn",
                Date | None,
                "The day from which it holds in the real world.",
                read=lambda r: r.effective_on.isoformat() if r.effective_on else None,
            ),
        ],
        description="One commit: numbers have no gaps, instants only grow.",
    )


class AttributeChange(NamedTuple):
    """One attribute before and after, as JSON."""

    attribute: str
    before: Any
    after: Any


class Told(NamedTuple):
    """A change, and the model by which its values are told."""

    change: Any
    model: Model


def attribute_changes(
    model: Model, before: Record | Relationship | None, after: Record | Relationship | None
) -> list[AttributeChange]:
    """What of a record or relationship differs, by attribute; what the product keeps for itself left out."""
    old: Mapping[str, Any] = before.attributes if before else {}
    new: Mapping[str, Any] = after.attributes if after else {}
    told_old, told_new = model.to_json(old), model.to_json(new)
    return [
        AttributeChange(name, told_old.get(name), told_new.get(name))
        for name in sorted(old.keys() | new.keys())
        if not same_values(old.get(name), new.get(name)) and name not in model.managed
    ]


@cache
def attribute_change_type() -> type:
    return make_type(
        "AttributeChange",
        [
            model_field("attribute", str, read=lambda c: c.attribute),
            model_field("before", JSON | None, read=lambda c: c.before),
            model_field("after", JSON | None, read=lambda c: c.after),
        ],
    )


def _sides(told: Told) -> list[AttributeChange]:
    return attribute_changes(told.model, told.change.before, told.change.after)


@cache
def record_change_type() -> type:
    """A record before and after."""

    def either(told: Told) -> Record:
        found: Record = told.change.after or told.change.before
        return found

    return make_type(
        "RecordChange",
        [
            model_field("id", strawberry.ID, read=lambda t: t.change.id),
            model_field("type", str, read=lambda t: either(t).type),
            model_field("name", str, read=lambda t: either(t).name),
            model_field("created", bool, read=lambda t: t.change.before is None),
            model_field("attributes", list[attribute_change_type()], read=_sides),  # type: ignore[misc]
        ],
        description="What changed of a record.",
    )


@cache
def relationship_change_type() -> type:
    """A relationship before and after."""
    return make_type(
        "RelationshipChange",
        [
            model_field("source", strawberry.ID, read=lambda t: t.change.key.source),
            model_field("type", str, read=lambda t: t.change.key.type),
            model_field("target", strawberry.ID, read=lambda t: t.change.key.target),
            model_field("created", bool, read=lambda t: t.change.before is None),
            model_field("closed", bool, read=lambda t: t.change.after is None),
            model_field("attributes", list[attribute_change_type()], read=_sides),  # type: ignore[misc]
        ],
        description="What changed of a relationship: made, closed, or its attributes.",
    )


def changes_fields(changes_of: Any) -> list[ModelField]:
    """Fields for the changes of something; ``changes_of`` gives (`Changes`, model) of it."""

    def records(source: Any) -> list[Told]:
        changes, model = changes_of(source)
        return [Told(change, model) for change in changes.records]

    def relationships(source: Any) -> list[Told]:
        changes, model = changes_of(source)
        return [Told(change, model) for change in changes.relationships]

    return [
        model_field("records", list[record_change_type()], read=records),  # type: ignore[misc]
        model_field("relationships", list[relationship_change_type()], read=relationships),  # type: ignore[misc]
        model_field(
            "modelApplied", bool, read=lambda source: changes_of(source)[0].model is not None
        ),
    ]


class Entry(NamedTuple):
    """One revision of a record's history."""

    commit: Commit
    model: Model


@cache
def _entry_type() -> type:
    return make_type(
        "HistoryEntry",
        [
            model_field("revision", revision_type(), read=lambda e: e.commit.revision),
            *changes_fields(lambda e: (e.commit.changes, e.model)),
        ],
        description="One revision, and what it changed of the record and its relationships.",
    )


class Entries(NamedTuple):
    """A page of a record's history, newest first."""

    entries: list[Entry]
    more: bool


@cache
def _entries_type() -> type:
    return make_type(
        "History",
        [
            model_field("entries", list[_entry_type()], read=lambda e: e.entries),  # type: ignore[misc]
            model_field("hasMore", bool, read=lambda e: e.more),
            model_field(
                "before",
                Int64 | None,
                "Give it as `before` for the entries that follow.",
                read=lambda e: e.entries[-1].commit.revision.number if e.more else None,
            ),
        ],
    )


class Histories:
    """Level field: what happened to records. One statement for all of them, unless one goes on before."""

    kind = "history"

    async def load(
        self, context: Context, views: Sequence[Any], given: Mapping[str, Any]
    ) -> list[Entries]:
        first, before = _first(given, ENTRIES), given.get("before")
        store, ids = context.store, [view.record.id for view in views]
        since = moment(given.get("since"))

        def read() -> Mapping[str, list[Commit]]:
            if before is None:
                found = store.histories(ids, first + 1)
            else:
                found = {id: store.history(id, first + 1, before) for id in ids}
            begun = store.resolve(since)
            if begun is None:
                return found
            return {
                id: [commit for commit in commits if commit.revision.number > begun]
                for id, commits in found.items()
            }

        found, model = await context.call(read), store.model
        return [
            Entries([Entry(commit, model) for commit in commits[:first]], len(commits) > first)
            for commits in (found.get(id, []) for id in ids)
        ]


def _first(given: Mapping[str, Any], standard: int) -> int:
    first = given.get("first")
    if first is None:
        return standard
    if not 1 <= first <= CHANGES:
        raise QueryError(f"A page of {first} entries.", f"Ask for 1 to {CHANGES}.")
    return int(first)


def record_fields(_: Records) -> list[ModelField]:
    return [
        model_field(
            "history",
            _entries_type(),
            "What happened to it and its relationships, newest first, whatever `asOf` says.",
            level=Histories(),
            needs=(),
            cost=10,
            page=ENTRIES,
            arguments=[
                argument("first", int | None, f"{ENTRIES} unless given."),
                argument("before", Int64 | None, "Only revisions with a lower number."),
                argument("since", AsOf | None, "Only what came after that moment."),
            ],
        )
    ]


class Comparison(NamedTuple):
    """What differs between two moments, in pages over records, then relationships."""

    changes: Changes
    model: Model
    records: int
    relationships: int
    after: str | None


@cache
def _comparison_type() -> type:
    counts = [
        model_field("recordCount", Int64, read=lambda c: c.records),
        model_field("relationshipCount", Int64, read=lambda c: c.relationships),
        model_field(
            "endCursor",
            str | None,
            "Give it as `after` for what follows; null if nothing does.",
            read=lambda c: c.after,
        ),
    ]
    return make_type(
        "Comparison",
        [*changes_fields(lambda c: (c.changes, c.model)), *counts],
        description="What came, went and changed; what changed and changed back is left out.",
    )


async def _compare(_: Any, info: Any, **given: Any) -> Comparison:
    context: Context = info.context
    store, first = context.store, _first(given, CHANGES)
    earlier, later = moment(given["from"]), moment(given.get("to"))
    changes = await context.call(lambda: store.compare(earlier, later))
    everything: list[RecordChange | RelationshipChange] = [*changes.records, *changes.relationships]
    start = _offset(given.get("after"))
    page = everything[start : start + first]
    shown = Changes(
        [c for c in page if isinstance(c, RecordChange)],
        [c for c in page if isinstance(c, RelationshipChange)],
        changes.model,
    )
    end = start + len(page)
    return Comparison(
        shown,
        store.model,
        len(changes.records),
        len(changes.relationships),
        str(end) if end < len(everything) else None,
    )


def _offset(after: str | None) -> int:
    if after is None:
        return 0
    if not after.isdecimal() or len(after) > 12:
        raise QueryError("That is not a cursor of a comparison.", "Ask again from the start.")
    return int(after)


async def _revision(_: Any, info: Any, **given: Any) -> Any:
    store, number, at = info.context.store, given.get("number"), moment(given.get("asOf"))

    def read() -> Any:
        chosen = store.resolve(at) if number is None else number
        return store.last_revision() if chosen is None else store.revisions([chosen]).get(chosen)

    return await info.context.call(read)


def query_fields(_: Records) -> list[ModelField]:
    return [
        model_field(
            "compare",
            _comparison_type(),
            "What differs between two moments.",
            arguments=[
                argument("from", AsOf),
                argument("to", AsOf | None, "Now, if left out."),
                argument("first", int | None, f"{CHANGES} unless given."),
                argument("after", str | None),
            ],
            resolve=_compare,
            cost=1_000,
            page=CHANGES,
        ),
        model_field(
            "revision",
            revision_type() | None,
            "A revision by its number, or the newest at a moment; the newest, if neither is given.",
            arguments=[argument("number", Int64 | None), argument("asOf", AsOf | None)],
            resolve=_revision,
        ),
    ]
