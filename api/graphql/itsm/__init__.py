"""Incidents and changes by GraphQL: what belongs to one of them, the calendar of changes, what nobody authorised.

What is written stands in `api.graphql.mutations`. Impact, risk and collisions are worked out in the whole graph;
what of it is told goes through the store as the principal sees it, and what is hidden is counted by organisation.
Fields over types that a model does not have are left out.
"""

from __future__ import annotations

from api.graphql.fields import ModelField
from api.graphql.itsm import (
    calendar,
    changes,
    clocks,
    course,
    findings,
    following,
    holding,
    incidents,
    kept,
    problems,
)
from api.graphql.records import Records

PARTS = (kept, clocks, course, incidents, holding, changes)

subscription_fields = following.subscription_fields


def type_fields(records: Records, name: str) -> list[ModelField]:
    return [field for part in PARTS for field in part.type_fields(records, name)]


def query_fields(records: Records) -> list[ModelField]:
    return [
        field
        for part in (incidents, problems, calendar, findings)
        for field in part.query_fields(records)
    ]


__all__ = ["query_fields", "subscription_fields", "type_fields"]
