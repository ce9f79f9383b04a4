"""The schema of a model: everything that other modules of this folder offer, put together."""

from __future__ import annotations

from functools import lru_cache

import strawberry

from api.graphql.execution import RecordExecutor, bind
from api.graphql.fields import make_type
from api.graphql.queries import record_fields
from api.graphql.records import Records
from api.graphql.scalars import configuration
from schema.model import Model


class ModelSchema(strawberry.Schema):
    """A schema, and the record types it was made of."""

    records: Records


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
def _built(fingerprint: str, held: _Held) -> ModelSchema:
    records = Records(held.model)
    schema = ModelSchema(
        query=make_type("Query", record_fields(records)),
        types=list(records.types.values()),
        execution_context_class=RecordExecutor,
        config=configuration(),
    )
    schema.records = records
    bind(schema._schema, records.types)
    return schema
