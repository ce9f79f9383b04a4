"""Valid input made wrong: what an importer must bear without falling over."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from cmdb.errors import SourceError
from cmdb.reconciliation.observations import Observation
from cmdb.reconciliation.statements import Reader
from importers.contract import Importer
from importers.reading import Document
from tests.support.observing import shipped_model

WRONG: Final[tuple[Any, ...]] = (
    *(None, True, 7, -1, 1.5, 1e300, 10**30),
    *("", "x", "x/y", "x\x00y", "9" * 30, "é" * 2000),
    *([], [None], [[]], [None, 1, "a", {}], {}, {"id": []}, {"a": {"b": []}}),
)


_TOO_ODD: Final = re.compile(r"characters; a string takes|holds a NUL character|is outside")
"""What the model may have against values that importers let pass."""


def mutilated(value: Any) -> Iterator[Any]:
    """Copies of a JSON value: at each place in it each wrong thing, or nothing."""
    yield from WRONG
    if isinstance(value, dict):
        for key, part in value.items():
            yield {k: v for k, v in value.items() if k != key}
            yield from ({**value, key: wrong} for wrong in mutilated(part))
    elif isinstance(value, list):
        for at, part in enumerate(value):
            yield [*value[:at], *value[at + 1 :]]
            yield from ([*value[:at], wrong, *value[at + 1 :]] for wrong in mutilated(part))


def mutilated_once(value: Any, chance: random.Random) -> Any:
    """A copy with one thing, anywhere in it, wrong or left out: for what is too large to try all."""
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
            at[key] = chance.choice(WRONG)
            break
    return copied


def cut_off(content: bytes, pieces: int = 60) -> Iterator[bytes]:
    """The beginning of a text, in ever longer pieces."""
    for number in range(pieces):
        yield content[: len(content) * number // pieces]


def borne(importer: Importer[Any], name: str, content: bytes) -> bool:
    """Whether an importer reads a document, and not refuses it: see `all_borne`."""
    return all_borne(importer, [Document(name, name, None, content)])


def all_borne(importer: Importer[Any], documents: Iterable[Document]) -> bool:
    """Whether an importer reads documents, and not refuses them. What it says must fit the model,
    but for values that are absurd as such."""
    reader = Reader(shipped_model())
    try:
        for item in importer.observe(list(documents)):
            if isinstance(item, Observation):
                for rejection in reader.statement(item).rejections:
                    assert _TOO_ODD.search(rejection.reason), rejection.reason
    except SourceError:
        return False
    return True
