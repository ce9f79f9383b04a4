"""The life of devices by GraphQL: transitions of every record, orders, counts, ledger, résumé, figures, what is due.

What is written stands in `api.graphql.mutations`. Fields over types that a model does not have are left out.
"""

from __future__ import annotations

from api.graphql.fields import ModelField
from api.graphql.lifecycle import ledger, listing, orders, stocktakes, timelines, transitions
from api.graphql.records import Records

record_fields = transitions.record_fields


def query_fields(records: Records) -> list[ModelField]:
    parts = (listing, orders, ledger, timelines, stocktakes)
    return [field for part in parts for field in part.query_fields(records)]
