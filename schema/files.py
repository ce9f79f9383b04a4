"""Declarations in YAML files: every mistake with file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from schema.basics import Declaration
from schema.errors import Mistake
from schema.inheritance import Path as DeclarationPath

Declared = TypeVar("Declared", bound=Declaration)
Lines = dict[DeclarationPath, str]
"""Where each part of a declaration was written: ``file:line``."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_declaration(
    kind: type[Declared], file: Path, mistakes: list[Mistake], remedy: str = "Correct it."
) -> tuple[Declared, Lines] | None:
    """Read one file; None where it cannot be taken at all. Mistakes found are added to the list."""
    try:
        node = yaml.compose(file.read_text(encoding="utf-8-sig"), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else str(file)
        what = f"not readable as YAML: {getattr(error, 'problem', None) or error}"
        mistakes.append(Mistake(where, what, "Correct the file."))
        return None
    lines: Lines = {}
    try:
        plain = _plain(node, (), file, lines, mistakes) if node else {}
    except RecursionError:
        what = "an anchor holds an alias of itself"
        mistakes.append(Mistake(str(file), what, "Write it out."))
        return None
    try:
        return kind.model_validate(plain), lines
    except ValidationError as error:
        for problem in error.errors():
            path = tuple(part for part in problem["loc"] if part != "[key]")
            what = f"{'.'.join(map(str, problem['loc'])) or 'the file'}: {problem['msg']}"
            mistakes.append(Mistake(locate(path, lines, str(file)), what, remedy))
        return None


def locate(path: DeclarationPath, lines: Lines, otherwise: str) -> str:
    """``file:line`` of the nearest known part of a path."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, otherwise)


def _plain(
    node: Any, path: DeclarationPath, file: Path, lines: Lines, mistakes: list[Mistake]
) -> Any:
    """A YAML node as plain values. Duplicate keys, which YAML readers let pass, are mistakes."""
    lines.setdefault(path, f"{file}:{node.start_mark.line + 1}")
    if isinstance(node, yaml.MappingNode):
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            here = (*path, key)
            lines.pop(here, None)
            lines[here] = f"{file}:{key_node.start_mark.line + 1}"
            if key in result:
                mistakes.append(Mistake(lines[here], f"{key} is written twice", "Keep one."))
            result[key] = _plain(value_node, here, file, lines, mistakes)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(n, (*path, i), file, lines, mistakes) for i, n in enumerate(node.value)]
    return _scalar(node)


_constructor = yaml.constructor.SafeConstructor()


def _scalar(node: Any) -> Any:
    """A scalar as JSON has it: dates and the like stay the text that was written."""
    if node.tag in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"):
        return _constructor.construct_object(node, deep=True)
    return None if node.tag == "tag:yaml.org,2002:null" else node.value
