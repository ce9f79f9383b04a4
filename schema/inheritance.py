"""Declarations along the tree of record types, and how mistakes in them are told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from schema.declarations import AttributeDeclaration, RecordTypeDeclaration

Path = tuple[str | int, ...]
"""Where something is declared: ``("record_types", "Server", "parent")``."""
Found = Iterator[tuple[Path, str, str]]
"""Mistakes: where, what, and what to do."""


def ancestry(types: Mapping[str, RecordTypeDeclaration], name: str) -> list[str]:
    """Names from a type up to its root; stops at an unknown parent or on meeting a name again."""
    line: list[str] = []
    current: str | None = name
    while current is not None and current in types and current not in line:
        line.append(current)
        current = types[current].parent
    return line


def inherited(
    types: Mapping[str, RecordTypeDeclaration], name: str
) -> dict[str, AttributeDeclaration]:
    line = ancestry(types, name)
    return {n: a for ancestor in reversed(line) for n, a in types[ancestor].attributes.items()}
