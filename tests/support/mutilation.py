"""Copies of valid input with something in them replaced or left out: what no importer may choke on."""

from __future__ import annotations

import copy
import random
from typing import Any, Final

ODD: Final[tuple[Any, ...]] = (
    *(None, 0, -1, 10**30, True, "", "x" * 2000, 1.5e300),
    *([], [[]], ["1", 2], {}, {"a": {}}, {"id": []}, "\x00\ud800"[:1]),
)


def mutilated(value: Any, chance: random.Random) -> Any:
    """A copy with one thing, anywhere in it, replaced by something odd or left out."""
    copied = copy.deepcopy(value)
    at = copied
    while at:
        key = chance.choice(list(at) if isinstance(at, dict) else range(len(at)))
        inner = at[key]
        if isinstance(inner, dict | list) and inner and chance.random() < 0.8:
            at = inner
        elif chance.random() < 0.2:
            del at[key]
            break
        else:
            at[key] = chance.choice(ODD)
            break
    return copied
