"""What a model file may say about incidents and changes beside their processes: how bad an impact is, which
priority follows and what it promises, what makes a change risky. ``itsm`` works by it; here it is only data.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schema.basics import Declaration, Label, SnakeName
from schema.processes import Span

EffectWord = Literal["at_risk", "degraded", "down"]


class ImpactRule(Declaration):
    """Conditions over what is hit; all of them must hold. Without any it always does."""

    effect: EffectWord = Field("degraded", description="What counts is hit so badly, or worse.")
    criticality: list[SnakeName] = Field(
        [], description="What counts is so critical; whatever it is if empty."
    )
    services: int = Field(0, ge=0, description="So many services that count.")
    items: int = Field(0, ge=0, description="So many configuration items that count.")
    organisations: int = Field(
        0, ge=0, description="So many organisations with something that counts."
    )


class ImpactLevelDeclaration(Declaration):
    """How bad an impact is. A process has the first level, in declared order, with a rule that holds."""

    extend: bool = False
    label: Label
    any: list[ImpactRule] = Field(min_length=1)


class PriorityDeclaration(Declaration):
    """One priority, the highest first: when a process has it, and what it promises."""

    extend: bool = False
    label: Label
    when: dict[SnakeName, list[SnakeName]] = Field(
        description="Impact level -> the urgencies with which it makes this priority."
    )
    response_time: Span | None = Field(
        None, description="Where no service level agreement that covers what is hit says."
    )
    resolution_time: Span | None = Field(
        None, description="Where no service level agreement that covers what is hit says."
    )


class RiskFactorDeclaration(Declaration):
    """Something that makes a change risky, and how much it counts. What it measures is the product's own."""

    extend: bool = False
    label: Label
    points: float = Field(
        ge=0, description="For each of what it counts, or for the whole of a share."
    )
    most: float = Field(description="So many points at most.")


class RiskLevelDeclaration(Declaration):
    """How risky a change is: the last level, in declared order, that its points reach."""

    extend: bool = False
    label: Label
    points: float = Field(ge=0, description="From so many points on.")
