"""Labels in both languages, refusals and broken rules: types that queries and mutations share."""

from __future__ import annotations

from functools import cache
from typing import Any

from api.graphql.fields import make_type, model_field
from api.graphql.scalars import JSON


def _of(name: str) -> Any:
    return lambda source: getattr(source, name)


@cache
def label_type() -> type:
    """A label in both languages."""
    return make_type(
        "Label",
        [
            model_field("en", str, read=lambda label: label.en),
            model_field("zh", str, read=lambda label: label.zh),
        ],
    )


@cache
def refusal_type() -> type:
    """Why one record does not go through a transition or a step."""
    return make_type(
        "Refusal",
        [
            model_field("subject", str, read=_of("subject")),
            model_field("name", str, read=_of("name")),
            model_field("code", str, "The guard, or what is missing.", read=_of("code")),
            model_field("message", str, read=_of("message")),
            model_field("override", str | None, "The role that may.", read=_of("override")),
            model_field("detail", JSON, read=lambda r: dict(r.detail)),
        ],
    )


@cache
def broken_rule_type() -> type:
    """A rule of the model that an operation breaks."""
    return make_type(
        "BrokenRule",
        [
            model_field("operation", int, "Index in the change set.", read=_of("operation")),
            model_field("subject", str, read=_of("subject")),
            model_field("attribute", str | None, read=_of("attribute")),
            model_field("code", str, read=_of("code")),
            model_field("message", str, read=_of("message")),
        ],
        description="A rule of the model that an operation breaks.",
    )
