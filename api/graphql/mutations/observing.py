"""What a source observed, in the form of `importers.jsonl`, reconciled with the graph."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from api.context import Context
from api.graphql.fields import ModelField, argument, make_type, model_field
from api.graphql.mutations.doing import KEY, Ids, doing
from api.graphql.mutations.results import Failure
from api.graphql.records import Records
from api.graphql.scalars import JSON, Int64
from api.observing import Asked, may_observe, reconciled
from cmdb.errors import QueryError
from importers.reading import Document

MOST = 100_000


class Planned(NamedTuple):
    """A plan, and by what it broke off."""

    plan: Mapping[str, Any]
    broken_off: Failure | None
    graphql_type: str = "ObservationPlan"


def submit(context: Context, _: Ids, given: Mapping[str, Any]) -> Planned:
    """A repeated run changes nothing, so no more need be remembered."""
    may_observe(context.principal)
    limit, first = given.get("vanishLimit"), given["first"]
    if (limit is not None and not 0 <= limit <= 100) or not 0 <= first <= MOST:
        raise QueryError("A limit is 0 to 100 percent, and lines are 0 to 100,000.", "Correct it.")
    asked = Asked(given["apply"], given["complete"], limit, first)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "observations.jsonl"
        path.write_bytes(b"".join(orjson.dumps(o) + b"\n" for o in given["observations"]))
        document = Document("what was submitted", "submitted", path)
        plan, failed = reconciled(
            context.services.store, context.principal, given["source"], document, asked
        )
    return Planned(plan, Failure(failed, context.store.model) if failed else None)


def _of(name: str) -> Any:
    return lambda source: source.get(name)


def _planned(key: str) -> Any:
    return lambda planned: planned.plan[key]


def _plan_type(records: Records) -> type:
    failed = next(t for t in records.results.failures if t.__name__ == "Failed")
    difference = make_type(
        "PlannedDifference",
        [
            model_field("attribute", str, read=_of("attribute")),
            model_field("old", JSON | None, read=_of("old")),
            model_field("new", JSON | None, read=_of("new")),
        ],
    )
    entry = make_type(
        "PlanEntry",
        [
            model_field("action", str, read=_of("action")),
            model_field("type", str, read=_of("type")),
            model_field("what", str, read=_of("what")),
            model_field("subject", str | None, read=_of("subject")),
            model_field("place", str | None, read=_of("place")),
            model_field("why", JSON | None, read=_of("why")),
            model_field("differences", list[difference], read=_of("differences")),  # type: ignore[valid-type]
        ],
    )
    return make_type(
        "ObservationPlan",
        [
            *(
                model_field(title, type_, read=_planned(key))
                for title, key, type_ in (
                    ("applied", "applied", bool),
                    ("statements", "statements", Int64),
                    ("kept", "kept", Int64),
                    ("seconds", "seconds", float),
                    ("revisions", "revisions", list[Int64]),
                    ("counts", "counts", JSON),
                    ("entriesTotal", "entries_total", Int64),
                )
            ),
            model_field(
                "entries",
                list[entry],  # type: ignore[valid-type]
                "For those who may read everything.",
                read=lambda p: p.plan["entries"],
            ),
            model_field(
                "brokenOff", failed | None, "By what it ended early.", read=lambda p: p.broken_off
            ),
        ],
        description="What reconciling came to, or would.",
    )


def mutation_fields(records: Records) -> list[ModelField]:
    return [
        model_field(
            "submitObservations",
            records.results.union("ObservationResult", _plan_type(records)),
            "Reconcile what a source observed with the graph: the plan, or applied. Again changes nothing.",
            arguments=[
                argument("source", str),
                argument("observations", list[JSON], "As a line of `cmdb import jsonl` each."),
                argument("apply", bool, default=False),
                argument("complete", bool, "All the source has: retire the rest.", default=False),
                argument("vanishLimit", float | None, "Most percent that may be retired."),
                argument("first", int, "Most lines of the plan.", default=100),
                KEY,
            ],
            resolve=doing(submit),
        )
    ]
