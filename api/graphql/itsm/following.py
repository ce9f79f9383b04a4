"""`incidentImpact`: what an incident hits, as that changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import strawberry

from api.graphql.fields import ModelField, argument, model_field
from api.graphql.impact.finding import Finding
from api.graphql.impact.following import SINCE, Summary, changing, summary_type
from api.graphql.itsm.incidents import roots_now
from api.graphql.itsm.moments import INCIDENT
from api.graphql.records import Records
from api.graphql.subscribing import Subscription, subscribing
from impact.rules import Effect


def _incident_impact(
    subscription: Subscription, given: Mapping[str, Any]
) -> AsyncIterator[Summary]:
    id, context = given["incident"], subscription.context

    def roots(finding: Finding) -> Mapping[str, Effect]:
        finding.records([id])
        return roots_now(context, id, finding.at)

    return changing(subscription, roots, given.get("after"))


def subscription_fields(records: Records) -> list[ModelField]:
    if INCIDENT not in records.model.record_types:
        return []
    return [
        model_field(
            "incidentImpact",
            summary_type(),
            "What an incident hits, by the CIs that it concerns: now, and again whenever that changes.",
            arguments=[argument("incident", strawberry.ID, "Its id."), SINCE],
            resolve=subscribing(_incident_impact),
        )
    ]
