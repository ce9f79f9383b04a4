"""The impact rules of a model, as they are compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from impact.rules import Effect, Redundancy, Rule, Rules
from schema.loading import load_model
from tests.impact.estates import RULES


def test_only_types_with_an_impact_rule_have_one() -> None:
    assert list(RULES.rules) == ["CALLS", "COOLED_BY", "FEEDS", "POWERED_BY", "RUNS_ON"]
    assert RULES.ends == {
        "CALLS": "target",
        "COOLED_BY": "target",
        "FEEDS": "source",
        "POWERED_BY": "target",
        "RUNS_ON": "target",
    }
    assert RULES.rules["COOLED_BY"] == Rule("COOLED_BY", 1, "target", True, Redundancy("2", False))
    assert [rule.code for rule in RULES.by_code] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        (None, None),
        ({}, None),
        ({"POWERED_BY": "1"}, None),
        ({"FEEDS": "all"}, Redundancy("all", False)),
        ({"FEEDS": 2}, Redundancy("2", False)),
        ({"FEEDS": {"needed": "40%"}}, Redundancy("40%", False)),
        ({"FEEDS": {"needed": 1, "group_by": "group"}}, Redundancy("1", True)),
        ({"FEEDS": {}}, Redundancy("1", False)),
        ({"FEEDS": "most of them"}, None),
        ({"FEEDS": "0"}, None),
        ({"FEEDS": "101%"}, None),
        ({"FEEDS": True}, None),
        ({"FEEDS": 1.5}, None),
        ({"FEEDS": ["2"]}, None),
        ({"FEEDS": {"needed": "2", "of": "3"}}, None),
        (["FEEDS"], None),
        ("FEEDS", None),
    ],
)
def test_what_a_ci_says_itself_if_it_can_be_understood(
    said: Any, understood: Redundancy | None
) -> None:
    feeds = RULES.rules["FEEDS"]
    assert RULES.redundancy(feeds, "Server", said) == understood
    by_type = Redundancy("all", False)
    assert RULES.redundancy(feeds, "Cluster", said) == (understood or by_type)


@pytest.mark.parametrize(
    ("needed", "of_members"),
    [
        ("2", [2, 2, 2, 2, 2]),
        ("50%", [0, 1, 1, 2, 2]),
        ("34%", [0, 1, 1, 2, 2]),
        ("100%", [0, 1, 2, 3, 4]),
        ("all", [0, 1, 2, 3, 4]),
    ],
)
def test_how_many_are_needed(needed: str, of_members: list[int]) -> None:
    members = np.arange(5, dtype=np.int32)
    assert Redundancy(needed, False).of(members).tolist() == of_members


def test_a_share_of_very_many_is_exact() -> None:
    members = np.asarray([2_000_000_000], np.int32)
    assert Redundancy("99%", False).of(members).tolist() == [1_980_000_000]


def test_states_say_who_serves_others() -> None:
    assert RULES.operational("Cluster", "in_use")
    assert not RULES.operational("Cluster", "planned")
    assert RULES.operational("Cluster", None)
    assert RULES.operational("Record", "planned")


def test_the_words_of_effects_are_in_their_order() -> None:
    assert [effect.word for effect in sorted(Effect)] == ["none", "at_risk", "degraded", "down"]


def test_the_shipped_model_has_rules() -> None:
    rules = Rules(load_model([]))
    assert rules.rules["RUNS_ON"].provider == "target"
    assert rules.redundancy(rules.rules["POWERED_BY"], "Server") == Redundancy("1", False)
