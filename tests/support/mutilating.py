"""Valid input made wrong at every place: what an importer must bear without falling over."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Final

from cmdb.errors import SourceError
from cmdb.reconciliation.observations import Item
from importers.contract import Importer
from importers.reading import Document

WRONG: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    1.5,
    "",
    "x",
    "x/y",
    "é" * 2000,
    [],
    [None],
    [[]],
    {},
)


def mutilated(value: Any, wrongs: tuple[Any, ...] = WRONG) -> Iterator[Any]:
    """Copies of a JSON value, each with one part replaced by something of a wrong kind."""
    for path in _paths(value):
        for wrong in wrongs:
            changed = copy.deepcopy(value)
            if not path:
                yield wrong
                continue
            inside = changed
            for step in path[:-1]:
                inside = inside[step]
            inside[path[-1]] = wrong
            yield changed


def cut_off(content: bytes, pieces: int = 60) -> Iterator[bytes]:
    """The beginning of a text, in ever longer pieces."""
    for number in range(pieces):
        yield content[: len(content) * number // pieces]


def survived(importer: Importer[Any], name: str, content: bytes) -> list[Item]:
    """What an importer says of a document; nothing where it refuses it properly."""
    try:
        return list(importer.observe([Document(name, name, None, content)]))
    except SourceError:
        return []


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        steps = list(value.items())
    else:
        steps = list(enumerate(value)) if isinstance(value, list) else []
    for step, part in steps:
        yield from _paths(part, (*path, step))
