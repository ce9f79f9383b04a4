"""What the model says of impact, priority and risk, applied."""

from __future__ import annotations

from itsm.hits import WORDS, Hit
from schema.model import Model
from schema.service_management import ImpactRule


def impact_level(model: Model, hit: Hit) -> str | None:
    """How bad it is: the first level with a rule that holds; None where none does."""
    for name, level in model.impact_levels.items():
        if any(_holds(rule, hit) for rule in level.any):
            return name
    return None


def _holds(rule: ImpactRule, hit: Hit) -> bool:
    counting = [
        cell
        for cell in hit.cells
        if WORDS[cell.effect] >= WORDS[rule.effect]
        and (not rule.criticality or cell.criticality in rule.criticality)
    ]
    return (
        sum(cell.services for cell in counting) >= rule.services
        and sum(cell.items for cell in counting) >= rule.items
        and len({cell.organisation for cell in counting} - {""}) >= rule.organisations
    )


def priority(model: Model, level: str | None, urgency: str | None) -> str | None:
    """The first priority that an impact level and an urgency make; None where none is declared for them."""
    for name, declared in model.priorities.items():
        if urgency in declared.when.get(level or "", ()):
            return name
    return None


def risk(model: Model, points: float) -> str | None:
    """The last level that so many points reach."""
    reached = [name for name, level in model.risk_levels.items() if points >= level.points]
    return reached[-1] if reached else None
