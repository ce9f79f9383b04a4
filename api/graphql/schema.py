"""The schema of a model: everything that other modules of this folder offer, put together."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import strawberry

from api.graphql import (
    counting,
    general,
    history,
    impact,
    itsm,
    lifecycle,
    mutations,
    provenance,
    queries,
    subscriptions,
    webhooks,
)
from api.graphql.documents import Documents
from api.graphql.execution import RecordExecutor, bind
from api.graphql.fields import ModelField, make_type
from api.graphql.limits import Limited
from api.graphql.mutations.results import Results
from api.graphql.records import Records
from api.graphql.scalars import configuration
from api.graphql.watching import Operations, audited
from cmdb.bulk import without_collecting
from schema.model import ROOT, Model

PARTS: Final = (
    queries,
    general,
    history,
    provenance,
    counting,
    impact,
    lifecycle,
    itsm,
    mutations,
    subscriptions,
    webhooks,
)
"""What a schema is made of. A module offers any of ``record_fields`` (fields of every record), ``type_fields``
(of one record type and those below it: a function of its name, too), ``query_fields``, ``mutation_fields`` and
``subscription_fields``: functions of `Records`."""


class ModelSchema(strawberry.Schema):
    """A schema, the record types it was made of, and the documents it was asked."""

    records: Records
    documents: Documents

    def process_errors(self, errors: Any, execution_context: Any = None) -> None:
        """Errors that are told are the caller's; what is not was logged by `api.graphql.errors`."""


def build_schema(model: Model) -> ModelSchema:
    """The schema of a model. Takes seconds for a model of hundreds of types; kept for those last seen."""
    return _built(model.fingerprint, _Held(model))


class _Held:
    """A model that takes no part in what is remembered by: its fingerprint does."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held)


@lru_cache(maxsize=4)
@without_collecting()
def _built(fingerprint: str, held: _Held) -> ModelSchema:
    records = Records(held.model, _shared)
    records.results = Results(records)
    roots: dict[str, Any] = {
        name: make_type(name.capitalize(), fields)
        for name in ("query", "mutation", "subscription")
        if (fields := _fields(records, name))
    }
    schema = ModelSchema(
        **roots,
        types=list(records.types.values()),
        extensions=[Operations, Limited],
        execution_context_class=RecordExecutor,
        config=configuration(),
    )
    schema.records = records
    schema.documents = Documents(schema._schema)
    bind(schema._schema)
    return schema


def _fields(records: Records, root: str) -> list[ModelField]:
    """The fields of a root type. What mutations do is noted, whoever offers them."""
    fields = _offered(records, f"{root}_fields")
    for field in fields if root == "mutation" else ():
        assert field.resolve is not None
        field.resolve = audited(field.resolve)
    return fields


def _shared(records: Records, name: str) -> list[ModelField]:
    """What a record type has beside what the model says."""
    fields = _offered(records, "record_fields") if name == ROOT else []
    return [*fields, *_offered(records, "type_fields", name)]


def _offered(records: Records, what: str, *of: str) -> list[ModelField]:
    return [
        field
        for part in PARTS
        if hasattr(part, what)
        for field in getattr(part, what)(records, *of)
    ]
