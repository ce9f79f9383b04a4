"""Where values come from: what each source said, whose word counts, and what a person must decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import strawberry

from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.records import Records
from api.graphql.scalars import JSON, DateTime, Int64
from api.graphql.views import View
from cmdb.reconciliation.precedence import Precedence, Verdict, provenance_of, verdict
from cmdb.reconciliation.sources import Source, precedence_of, sources
from cmdb.reconciliation.tasks import Task, open_tasks
from schema.kinds import write_datetime
from schema.model import PROVENANCE, ROOT, Model


class Explained(NamedTuple):
    """Why an attribute has its value."""

    verdict: Verdict
    value: Any


@cache
def _claim_type() -> type:
    return make_type(
        "Claim",
        [
            model_field("source", str, read=lambda claim: claim[0]),
            model_field("precedence", int, read=lambda claim: claim[1]),
            model_field("value", JSON | None, read=lambda claim: claim[2]),
        ],
        description="What one source says.",
    )


@cache
def _explanation_type() -> type:
    return make_type(
        "Explanation",
        [
            model_field("attribute", str, read=lambda e: e.verdict.attribute),
            model_field("value", JSON | None, read=lambda e: e.value),
            model_field("winner", str, "Whose word counts.", read=lambda e: e.verdict.winner),
            model_field(
                "claims",
                list[_claim_type()],  # type: ignore[misc]
                "What all say, the highest precedence first.",
                read=lambda e: list(e.verdict.claims),
            ),
        ],
        description="Why an attribute has its value.",
    )


class Why:
    """Level field: why attributes have their values. One statement for all records: that of the sources."""

    kind = "why"

    async def load(
        self, context: Context, views: Sequence[View], given: Mapping[str, Any]
    ) -> list[list[Explained]]:
        store, wanted = context.store, given.get("attributes")
        at = views[0].at
        precedence = precedence_of(await context.call(lambda: sources(store, store.resolve(at))))
        return [explained(store.model, view, wanted, precedence) for view in views]


def explained(
    model: Model, view: View, wanted: Sequence[str] | None, precedence: Precedence
) -> list[Explained]:
    """Why attributes of a record have their values; all that have one, or of which something was said."""
    record_type = model.record_types[view.record.type]
    for name in wanted or ():
        model.attribute(view.record.type, name)
    provenance = provenance_of(view.record.attributes)
    plain = model.to_json(view.record.attributes)
    said = {name for claim in provenance.values() for name in claim.get("values", {})}
    names = wanted or sorted((said | plain.keys()) - {PROVENANCE})
    hidden = {*view.masked}
    return [
        Explained(verdict(record_type, n, plain.get(n), provenance, precedence), plain.get(n))
        for n in names
        if n in record_type.attributes and n not in hidden
    ]


def record_fields(_: Records) -> list[ModelField]:
    return [
        model_field(
            "why",
            list[_explanation_type()],  # type: ignore[misc]
            "Why attributes have their values: which source won, and what the others said.",
            level=Why(),
            arguments=[argument("attributes", list[str] | None, "All that have one, if left out.")],
        )
    ]


def _source_type(records: Records) -> type:
    def seen(name: str) -> Any:
        return lambda source: source.seen.get(name)

    return make_type(
        "Source",
        [
            model_field("name", str, read=lambda s: s.name),
            model_field("precedence", int, read=lambda s: s.precedence),
            model_field(
                "attributePrecedence",
                JSON,
                read=lambda s: s.record.attributes.get("attribute_precedence") or {},
            ),
            model_field("importer", str | None, read=lambda s: s.record.attributes.get("importer")),
            model_field(
                "lastSeen", DateTime | None, read=lambda s: write_datetime(s.at) if s.at else None
            ),
            model_field("stale", bool, "Not seen for too long.", read=lambda s: s.stale()),
            model_field("statements", Int64 | None, "In its last run.", read=seen("statements")),
            model_field("complete", bool | None, "Its last run.", read=seen("complete")),
            model_field("recordId", strawberry.ID, read=lambda s: s.record.id),
        ],
        description="A source of observations.",
    )


async def _sources(_: Any, info: Any, **__: Any) -> list[Source]:
    store = info.context.store
    found = await info.context.call(lambda: sources(store))
    return list(found.values())


class Duplicate(NamedTuple):
    """An observation that fits several records."""

    task: Task
    candidates: list[View]


def _duplicate_type(records: Records) -> type:
    record = records.lazy(ROOT)

    def said(name: str) -> Any:
        return lambda d: d.task.record.attributes.get(name)

    return make_type(
        "Duplicate",
        [
            model_field("task", strawberry.ID, read=lambda d: d.task.record.id),
            model_field("name", str, read=lambda d: d.task.record.name),
            model_field("source", str | None, read=said("source_name")),
            model_field("key", str | None, "What the source calls it.", read=said("source_key")),
            model_field("evidence", JSON, read=lambda d: dict(d.task.evidence)),
            model_field("candidates", list[record], read=lambda d: d.candidates),  # type: ignore[valid-type]
        ],
        description="An observation that fits several records: a person must decide.",
    )


async def _duplicates(_: Any, info: Any, **__: Any) -> list[Duplicate]:
    context: Context = info.context
    tasks = await context.call(lambda: open_tasks(context.store))
    return [Duplicate(task, [context.view(c) for c in task.candidates]) for task in tasks]


def query_fields(records: Records) -> list[ModelField]:
    return [
        model_field(
            "sources",
            list[_source_type(records)],  # type: ignore[misc]
            "What reports what, whose word counts, and when each was last seen.",
            resolve=_sources,
        ),
        model_field(
            "duplicates",
            list[_duplicate_type(records)],  # type: ignore[misc]
            "What a person must decide.",
            resolve=_duplicates,
        ),
    ]
