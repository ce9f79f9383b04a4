"""The types that answers of impact analysis are told in."""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import cache
from typing import Any

import strawberry

from api.graphql.counting import hidden_type
from api.graphql.fields import ModelField, argument, input_field, make_type, model_field
from api.graphql.records import PAGE, PageInfo, Records
from api.graphql.scalars import Int64
from schema.model import ROOT


@strawberry.enum(description="What happens to a CI, the least first.")
class ImpactEffect(enum.Enum):
    NONE = "NONE"
    AT_RISK = "AT_RISK"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"


@strawberry.enum(description="What is wrong with the CIs of an outage.")
class OutageEffect(enum.Enum):
    DOWN = "DOWN"
    DEGRADED = "DEGRADED"


@strawberry.enum(description="Why a CI has an effect.")
class ImpactRule(enum.Enum):
    GIVEN = strawberry.enum_value("GIVEN", description="It is one of the CIs of the outage.")
    HARD = strawberry.enum_value("HARD", description="Its provider has it.")
    SOFT = strawberry.enum_value("SOFT", description="Its provider's effect, lowered by a step.")
    GROUP = strawberry.enum_value("GROUP", description="A redundancy group has too few members.")


EFFECT = argument("effect", OutageEffect, default="DOWN")
DEPTH = argument("depth", int | None, "No further than so many steps.")
PAGED = [
    argument("first", int | None, f"Most of the page; {PAGE} unless given."),
    argument("after", str | None, "Go on behind this cursor."),
]


@cache
def hypothesis_type() -> type:
    link = make_type(
        "SupposedLinkInput",
        [
            model_field("type", str),
            model_field("source", strawberry.ID),
            model_field("target", strawberry.ID),
            input_field("group", str, "The redundancy group that it names."),
        ],
        input_=True,
        description="A relationship that would be there, or would not.",
    )
    return make_type(
        "HypothesisInput",
        [
            input_field("removed", list[link], "Relationships that would not be there."),  # type: ignore[valid-type]
            input_field("added", list[link], "Relationships that would be there."),  # type: ignore[valid-type]
            input_field("takenOut", list[strawberry.ID], "CIs without any relationship."),
        ],
        input_=True,
        description="The graph as it might be.",
    )


def word(effect: str) -> str:
    """An effect as GraphQL has it."""
    return effect.upper()


def pair_type(name: str, key: str, type_: Any, description: str) -> type:
    """How many there are of something."""
    fields = [
        model_field(key, type_, read=lambda pair: pair[0]),
        model_field("count", Int64, read=lambda pair: pair[1]),
    ]
    return make_type(name, fields, description=description)


def types_of(records: Records) -> Types:
    """The types of one schema, made once."""
    return records.once("impact", lambda: Types(records))


class Types:
    """The types of one schema; those that lead to records are made for its model."""

    def __init__(self, records: Records) -> None:
        self.once = records.once
        self.record = records.lazy(ROOT)
        self.hidden = hidden_type()
        self.effects = pair_type("EffectCount", "effect", ImpactEffect, "How many CIs fare so.")
        self.by_type = pair_type("TypeCount", "type", str, "How many there are of a type.")
        self.by_organisation = make_type(
            "OrganisationCount",
            [
                model_field("organisation", strawberry.ID | None, "Null: none.", read=lambda e: e[0]),
                model_field("name", str | None, read=lambda e: e[2]),
                model_field("count", Int64, read=lambda e: e[1]),
            ],
            description="How many CIs an organisation has.",
        )  # fmt: skip
        self.stale = pair_type("SourceCount", "source", str, "How many CIs a source reported.")
        self.group = make_type("RedundancyGroup", self._group())
        self.groups = self.connection("RedundancyGroup", self.group)
        self.change = self._change()
        self.affected = self._affected()

    def connection(self, name: str, node: Any) -> type:
        """A page of an answer."""
        edge = make_type(
            f"{name}Edge",
            [
                model_field("node", node, read=lambda edge: edge[0]),
                model_field("cursor", str, read=lambda edge: edge[1]),
            ],
        )
        return make_type(
            f"{name}Connection",
            [
                model_field("edges", list[edge], read=lambda page: page.edges),  # type: ignore[valid-type]
                model_field("nodes", list[node], read=lambda page: page.items),
                model_field("totalCount", Int64, read=lambda page: page.total),
                model_field("pageInfo", PageInfo, read=lambda page: page.info),
            ],
        )

    def about(self, name: str = "record", text: str | None = None) -> ModelField:
        """The record that something is about."""
        said = text or "Null where you may not see it."
        return model_field(name, self.record | None, said, read=lambda told: told.view)

    def _group(self) -> list[ModelField]:
        def of(name: str) -> Callable[[Any], Any]:
            return lambda told: getattr(told.state, name)

        numbers = {
            "total": "Members.",
            "left": "Members that are not down.",
            "healthy": "Members that are neither down nor degraded.",
            "needed": "Members that it takes.",
            "margin": "How many more may be lost; negative where too many are.",
        }
        return [
            model_field("dependent", self.record | None, "Whose it is.", read=lambda t: t.view),
            model_field("type", str, "Of its relationships.", read=of("type")),
            model_field("label", str, "The name it has on them, or empty.", read=of("label")),
            *(model_field(name, int, text, read=of(name)) for name, text in numbers.items()),
            model_field("short", bool, "It had too few members before.", read=of("short")),
            model_field(
                "effect", ImpactEffect, "What comes of it.", read=lambda t: word(t.state.effect)
            ),
        ]

    def _change(self) -> type:
        return make_type(
            "ImpactChange",
            [
                self.about(),
                model_field("before", ImpactEffect, read=lambda t: word(t.item.before)),
                model_field("after", ImpactEffect, read=lambda t: word(t.item.after)),
            ],
            description="A CI that fares otherwise.",
        )

    def _affected(self) -> type:
        link = make_type(
            "ImpactLink",
            [
                model_field("type", str, read=lambda link: link[0]),
                model_field("source", strawberry.ID, read=lambda link: link[1]),
                model_field("target", strawberry.ID, read=lambda link: link[2]),
            ],
            description="The relationship that failure came along.",
        )
        step = make_type(
            "ImpactStep",
            [
                self.about(text="Null where it is hidden from you."),
                model_field("hidden", bool, read=lambda s: s.view is None),
                model_field("effect", ImpactEffect, read=lambda s: word(s.reason.effect)),
                model_field("distance", int, read=lambda s: s.reason.distance),
                model_field("rule", ImpactRule, read=lambda s: s.rule),
                model_field("relationshipType", str | None, read=lambda s: s.reason.type or None),
                model_field(
                    "relationship",
                    link | None,
                    "Null where an end is hidden.",
                    read=lambda s: s.link,
                ),
                model_field(
                    "group", self.group | None, "As it is in the end.", read=lambda s: s.group
                ),
            ],
            description="One step of an explaining path.",
        )
        return make_type(
            "AffectedCI",
            [
                self.about(),
                model_field("effect", ImpactEffect, read=lambda t: word(t.item.effect)),
                model_field(
                    "distance", int, "Rounds from an outage.", read=lambda t: t.item.distance
                ),
                model_field(
                    "onlyTogether",
                    bool,
                    "No single CI of the outage would have done this.",
                    read=lambda t: t.item.together,
                ),
                model_field(
                    "why",
                    list[step],  # type: ignore[valid-type]
                    "The explaining path, from it back to the outage.",
                    read=lambda t: t.more,
                ),
            ],
            description="A CI that an outage affects.",
        )
