"""Everything that writes: records, change sets, observations, orders, incidents, problems, changes,
the model.

A mutation answers with what it did, or with what can be expected to go wrong, as types of a union:
programs switch on ``__typename``, not on texts. Only a store that fails, and a defect, are in ``errors``.
"""

from __future__ import annotations

from api.graphql.fields import ModelField
from api.graphql.mutations import (
    changes,
    counting,
    incidents,
    observing,
    ordering,
    problems,
    reconciling,
    remodelling,
    writing,
)
from api.graphql.records import Records

PARTS = (
    writing,
    ordering,
    counting,
    incidents,
    problems,
    changes,
    observing,
    reconciling,
    remodelling,
)


def mutation_fields(records: Records) -> list[ModelField]:
    return [field for part in PARTS for field in part.mutation_fields(records)]
