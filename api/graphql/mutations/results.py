"""What mutations answer with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, NamedTuple

import strawberry

from api.context import Context
from api.graphql.fields import ModelField, make_type, model_field
from api.graphql.history import AttributeChange, attribute_change_type
from api.graphql.records import Records
from api.graphql.refusals import broken_rule_type, refusal_type
from api.graphql.scalars import DateTime, Int64
from cmdb.errors import ConflictError, Interference, InvalidChangeError, StoreError
from schema.errors import CmdbError
from schema.kinds import write_datetime
from schema.model import ROOT, Model

TYPES: Final = {
    "invalid_change": "InvalidChange",
    "conflict": "Conflict",
    "refused": "Refused",
    "not_allowed": "NotAllowed",
    "not_found": "NotFound",
}
"""Code of an error -> the type it is told as; every other is `Failed`."""


class Committed(NamedTuple):
    """A change that was made, or that a repeated request had made before."""

    revision: int
    committed: bool
    more: Mapping[str, Any] = {}
    graphql_type: str = "Committed"


class Failure(NamedTuple):
    """An error that can be expected, and the model its values are told by."""

    error: CmdbError
    model: Model

    @property
    def graphql_type(self) -> str:
        return TYPES.get(self.error.code, "Failed")


class Told(NamedTuple):
    """A revision that came between, and the model."""

    interference: Interference
    model: Model


def failure(error: CmdbError, model: Model) -> Failure:
    """An error as an answer; a store that fails is none that a caller expects.

    Raises
    ------
    StoreError
    """
    if isinstance(error, StoreError):
        raise error
    return Failure(error, model)


def changed(context: Context, number: int) -> list[Any]:
    """The records that a revision changed. They are read off the feed, so that a repeated request is told
    the same."""
    for commit in context.store.feed(number - 1, number):
        records = [c.after for c in commit.changes.records if c.after is not None]
        return [context.view(record) for record in records]
    return []


class Results:
    """The types that mutations answer with, of a model."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.failure = make_type("Failure", _told(), interface=True, description="What went wrong.")
        self.committed = make_type(
            "Committed",
            [
                model_field("revision", Int64, read=lambda c: c.revision),
                model_field(
                    "committed",
                    bool,
                    "False where nothing would have changed, or a request was repeated.",
                    read=lambda c: c.committed,
                ),
                model_field(
                    "records",
                    list[records.lazy(ROOT)],  # type: ignore[misc]
                    "What it created or changed, as it made them.",
                    resolve=_changed,
                ),
            ],
            description="A change set that became a revision.",
        )
        self.failures = self._failures()
        self.change = self.union("ChangeResult", self.committed)

    def union(self, name: str, *success: type) -> Any:
        """A union of an answer and all that can go wrong."""
        members = (*success, *self.failures)
        made: Any = members[0]
        for member in members[1:]:
            made = made | member
        return Annotated[made, strawberry.union(name)]

    def _failures(self) -> tuple[type, ...]:
        came_between = make_type(
            "Interference",
            [
                model_field("revision", Int64, read=lambda t: t.interference.revision),
                model_field("at", DateTime, read=lambda t: write_datetime(t.interference.at)),
                model_field("actor", str, read=lambda t: t.interference.actor),
                model_field("changed", list[attribute_change_type()], read=_changes),  # type: ignore[misc]
            ],
            description="A revision that changed the record since it was read, with its values.",
        )
        return (
            self._failure(
                "InvalidChange",
                "It breaks rules of the model; nothing was stored.",
                model_field("problems", list[broken_rule_type()], read=_problems),  # type: ignore[misc]
            ),
            self._failure(
                "Conflict",
                "Somebody else changed it since it was read; nothing was stored.",
                model_field("record", str, read=lambda f: f.error.record),
                model_field("expected", Int64, read=lambda f: f.error.expected),
                model_field("actual", Int64, read=lambda f: f.error.actual),
                model_field("interferences", list[came_between], read=_between),  # type: ignore[valid-type]
            ),
            self._failure(
                "Refused",
                "Guards or requirements refuse it.",
                model_field(
                    "refusals",
                    list[refusal_type()],  # type: ignore[misc]
                    read=lambda f: list(f.error.refusals),
                ),
            ),
            self._failure("NotAllowed", "You may not do that there."),
            self._failure("NotFound", "There is no such record, or you may not see it."),
            self._failure("Failed", "Anything else that can be expected; `code` says what."),
        )

    def _failure(self, name: str, description: str, *more: ModelField) -> type:
        return make_type(name, list(more), bases=(self.failure,), description=description)


def _told() -> list[ModelField]:
    return [
        model_field("code", str, "Stable, for programs.", read=lambda f: f.error.code),
        model_field("message", str, read=lambda f: f.error.message),
        model_field("remedy", str, "What to do.", read=lambda f: f.error.remedy),
    ]


def _of(name: str) -> Any:
    return lambda source: getattr(source, name)


def _problems(failure: Failure) -> list[Any]:
    assert isinstance(failure.error, InvalidChangeError)
    return list(failure.error.problems)


def _between(failure: Failure) -> list[Told]:
    assert isinstance(failure.error, ConflictError)
    return [Told(each, failure.model) for each in failure.error.interferences]


def _changes(told: Told) -> list[AttributeChange]:
    before = told.model.to_json({n: v[0] for n, v in told.interference.changed.items()})
    after = told.model.to_json({n: v[1] for n, v in told.interference.changed.items()})
    names = sorted(told.interference.changed)
    return [AttributeChange(name, before.get(name), after.get(name)) for name in names]


async def _changed(source: Committed, info: Any) -> list[Any]:
    context: Context = info.context
    return await context.call(lambda: changed(context, source.revision))
