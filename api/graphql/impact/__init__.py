"""Impact analysis by GraphQL: outages, what CIs stand on, single points of failure, root causes, windows.

The engines reckon with the whole graph; what of their answers is told goes through the store as the
principal sees it (`telling`).
"""

from __future__ import annotations

from api.graphql.fields import ModelField
from api.graphql.impact import following, outages, points, standing, windows
from api.graphql.impact.types import types_of
from api.graphql.records import Records

subscription_fields = following.subscription_fields


def query_fields(records: Records) -> list[ModelField]:
    types = types_of(records)
    return [field for part in (outages, standing, points, windows) for field in part.fields(types)]


__all__ = ["query_fields", "subscription_fields"]
