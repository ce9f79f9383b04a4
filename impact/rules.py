"""The impact rules of a model, compiled: who is a provider, how failure travels, what a group needs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from impact.columns import Ints
from schema.declarations import RedundancyDeclaration
from schema.model import Model

End = Literal["source", "target"]


class Effect(IntEnum):
    """What an outage does to a CI, from nothing to the worst."""

    NONE = 0
    AT_RISK = 1
    DEGRADED = 2
    DOWN = 3

    @property
    def word(self) -> str:
        """As it is written: ``at_risk``."""
        return self.name.lower()


class Redundancy(NamedTuple):
    """A redundancy group's rule: how many of its members are needed.

    Attributes
    ----------
    needed
        ``2``, ``50%`` (rounded up) or ``all``.
    labelled
        One group of the providers that share the relationship's ``group``; one without that is in no
        group. Otherwise all providers by the relationship type are one group.
    """

    needed: str
    labelled: bool

    def of(self, members: Ints) -> NDArray[np.int64]:
        """How many of so many members are needed; more than there are if the group is short."""
        counts = members.astype(np.int64)
        if self.needed == "all":
            return counts
        if self.needed.endswith("%"):
            return -(-int(self.needed[:-1]) * counts // 100)
        return np.full_like(counts, int(self.needed))


class Rule(NamedTuple):
    """How failure travels along the relationships of one type.

    Attributes
    ----------
    code
        Its number among the rules.
    provider
        The end that failure comes from.
    soft
        Whether an effect is lowered by one step on the way.
    """

    type: str
    code: int
    provider: End
    soft: bool
    redundancy: Redundancy | None


class Rules:
    """All impact rules of a model.

    Attributes
    ----------
    rules
        By relationship type, those that have one.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.rules: dict[str, Rule] = {}
        for name in sorted(model.relationship_types):
            impact = model.relationship_types[name].impact
            if impact is not None:
                redundancy = _redundancy(impact.redundancy)
                soft = impact.strength == "soft"
                self.rules[name] = Rule(name, len(self.rules), impact.provider, soft, redundancy)

    @cached_property
    def by_code(self) -> list[Rule]:
        return list(self.rules.values())

    @cached_property
    def ends(self) -> dict[str, End]:
        """Relationship type -> the provider's end."""
        return {name: rule.provider for name, rule in self.rules.items()}

    def redundancy(self, rule: Rule, dependent_type: str, own: object = None) -> Redundancy | None:
        """What a dependent CI needs of its providers: its own word, its type's, the relationship type's.

        Parameters
        ----------
        own
            The CI's ``redundancy``: relationship type -> ``2``, or ``{"needed": "2", "group_by":
            "group"}``. What is not so written is passed over.
        """
        said = own.get(rule.type) if isinstance(own, Mapping) else None
        if said is not None:
            try:
                said = said if isinstance(said, Mapping) else {"needed": said}
                return _redundancy(RedundancyDeclaration.model_validate(dict(said)))
            except ValueError:
                pass
        declared = self.model.record_types[dependent_type].redundancy.get(rule.type)
        return rule.redundancy if declared is None else _redundancy(declared)

    def operational(self, record_type: str, state: str | None) -> bool:
        """Whether a CI in a lifecycle state serves others; one that has no state does."""
        return self.model.record_types[record_type].operational(state)


def _redundancy(declared: RedundancyDeclaration | None) -> Redundancy | None:
    if declared is None:
        return None
    return Redundancy(declared.needed, declared.group_by == "group")
