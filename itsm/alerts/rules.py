"""How alerts are read, folded and correlated: ``rules.yaml``, and what an operator's file says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import Field, ValidationError

from impact.rules import Effect
from itsm.hits import WORDS
from schema.basics import Declaration, SnakeName, TypeName, UpperName
from schema.errors import CmdbError
from schema.kinds import parse_duration
from schema.processes import Span
from schema.service_management import EffectWord

SHIPPED: Final = Path(__file__).parent / "rules.yaml"


class AlertRulesError(CmdbError):
    """The rules for alerts have mistakes."""

    code = "alert_rules_invalid"


class Level(Declaration):
    """One severity: how it is written, what it has done to the CI, whether it opens an incident."""

    effect: EffectWord
    opens: bool
    urgency: SnakeName
    words: list[str]


class Severity(Declaration):
    labels: list[str]
    unknown: SnakeName
    levels: dict[SnakeName, Level]


class Events(Declaration):
    """What fields of CloudEvents say, the first that is there counts; and the words for what is over."""

    key: list[str]
    state: list[str]
    cleared: list[str]
    summary: list[str]
    began: list[str]
    ended: list[str]


class Identity(Declaration):
    """Labels that tell an attribute of the CI."""

    attribute: SnakeName
    labels: list[str]
    types: tuple[TypeName, ...] = ()


class Flapping(Declaration):
    changes: int = Field(ge=2, le=50)
    within: Span


class Silent(Declaration):
    least: int = Field(ge=2)
    share: float = Field(gt=0, le=1)


class Correlation(Declaration):
    settle: Span
    patience: Span
    window: Span
    silent: Silent


class AlertRules(Declaration):
    """All of it."""

    severity: Severity
    events: Events
    identity: list[Identity]
    parts: dict[TypeName, list[UpperName]]
    flapping: Flapping
    correlation: Correlation
    quiet: Span

    @cached_property
    def _words(self) -> dict[str, str]:
        return {
            word.casefold(): name
            for name, level in reversed(self.severity.levels.items())
            for word in (name, *level.words)
        }

    def severity_of(self, labels: Mapping[str, str]) -> str:
        """How bad labels, by names in lower case, say it is."""
        for name in self.severity.labels:
            if (said := labels.get(name, "").strip()) != "":
                return self._words.get(said.casefold(), self.severity.unknown)
        return self.severity.unknown

    def opens(self, severity: str) -> bool:
        """Whether alerts of a severity open incidents."""
        level = self.severity.levels.get(severity)
        return level is not None and level.opens

    def effect(self, severity: str) -> Effect:
        """What an alert of a severity says of its CI."""
        level = self.severity.levels.get(severity)
        return WORDS[level.effect] if level is not None else Effect.DEGRADED

    @cached_property
    def cleared(self) -> frozenset[str]:
        """The words for what is over."""
        return frozenset(word.casefold() for word in self.events.cleared)

    @cached_property
    def flap_span(self) -> timedelta:
        return parse_duration(self.flapping.within)

    @cached_property
    def settle(self) -> timedelta:
        return parse_duration(self.correlation.settle)

    @cached_property
    def patience(self) -> timedelta:
        return max(self.settle, parse_duration(self.correlation.patience))

    @cached_property
    def window(self) -> timedelta:
        return parse_duration(self.correlation.window)

    @cached_property
    def quiet_span(self) -> timedelta:
        return parse_duration(self.quiet)


def load_alert_rules(path: Path | None = None) -> AlertRules:
    """The shipped rules, with what an operator's file says laid over them.

    Raises
    ------
    AlertRulesError
    """
    said = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    if path is not None:
        said = laid_over(said, _read(path))
    return made(said, str(path or SHIPPED))


def made(said: Any, where: str = "rules") -> AlertRules:
    """Rules from plain data.

    Raises
    ------
    AlertRulesError
    """
    try:
        rules = AlertRules.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise AlertRulesError(
            f"{where}: {name}: {first['msg']}.", "docs/alerts.md tells of each rule."
        ) from None
    if rules.severity.unknown not in rules.severity.levels:
        raise AlertRulesError(
            f"{where}: severity.unknown: {rules.severity.unknown} is no level.", "Name one."
        )
    return rules


def laid_over(said: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data with another laid over it: mappings are joined, all else is replaced."""
    found = dict(said)
    for name, value in other.items():
        before = found.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            value = laid_over(before, value)
        found[name] = value
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AlertRulesError(f"{path} cannot be read: {error.strerror}.", "") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        what = " ".join(str(error).split())
        raise AlertRulesError(f"{path} is no YAML: {what}.", "Correct it.") from None
    if not isinstance(found, dict):
        raise AlertRulesError(f"{path} holds no rules.", "docs/alerts.md tells of each rule.")
    return found
