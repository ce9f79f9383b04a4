"""Reading model files: YAML with line numbers, merged in order, checked, resolved.

The shipped files come first, then an operator's folders in their order (``CMDB_MODEL``). A later
file adds types, or changes an earlier one by naming it with ``extend: true``: what it gives
replaces what was there, attribute by attribute, state by state; what it leaves out stays.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from schema.basics import Declaration
from schema.checks import check_model
from schema.declarations import ModelDeclaration
from schema.errors import Mistake, ModelError
from schema.inheritance import Path as DeclarationPath
from schema.model import Model

SHIPPED: Final = Path(__file__).parent / "model"
SECTIONS: Final = ("record_types", "relationship_types", "state_machines", "guards", "effects")

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def model_folders(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """The operator's model folders: ``CMDB_MODEL``, separated as paths are on this system."""
    return [Path(part) for part in environment.get("CMDB_MODEL", "").split(os.pathsep) if part]


def load_model(folders: Iterable[Path] | None = None, *, shipped: bool = True) -> Model:
    """Read, merge, check and resolve the model.

    Parameters
    ----------
    folders
        Folders of ``*.yaml`` files, read in order after the shipped ones; by default those that
        ``CMDB_MODEL`` names.
    shipped
        Whether the shipped model is read first.

    Raises
    ------
    ModelError
        With every mistake, each naming file, line and remedy.
    """
    chosen = model_folders() if folders is None else list(folders)
    if shipped and not chosen:
        return _shipped_model()
    return _load([SHIPPED, *chosen] if shipped else chosen)


@cache
def _shipped_model() -> Model:
    return _load([SHIPPED])


def _load(folders: Iterable[Path]) -> Model:
    reader = _Reader()
    for folder in folders:
        if not folder.is_dir():
            what = "is not a folder" if folder.exists() else "does not exist"
            raise ModelError(
                [Mistake(str(folder), f"the model folder {what}", "Correct CMDB_MODEL.")]
            )
        for file in sorted(folder.glob("*.y*ml")):
            reader.read(file)
    if not reader.mistakes:
        reader.mistakes += check_model(reader.declaration, reader.locate)
    if reader.mistakes:
        raise ModelError(reader.mistakes)
    return Model(reader.declaration)


class _Reader:
    """Gathers files into one declaration, remembering where each path was written."""

    def __init__(self) -> None:
        self.declaration = ModelDeclaration()
        self.mistakes: list[Mistake] = []
        self._lines: dict[DeclarationPath, str] = {}

    def locate(self, path: DeclarationPath) -> str:
        """``file:line`` of the nearest known part of a path."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, "model")

    def read(self, file: Path) -> None:
        try:
            node = yaml.compose(file.read_text(encoding="utf-8-sig"), Loader=_Loader)
        except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
            mark = getattr(error, "problem_mark", None)
            where = f"{file}:{mark.line + 1}" if mark else str(file)
            self.mistakes.append(
                Mistake(
                    where,
                    f"not readable as YAML: {getattr(error, 'problem', None) or error}",
                    "Correct the file.",
                )
            )
            return
        lines: dict[DeclarationPath, str] = {}
        try:
            plain = self._plain(node, (), file, lines) if node else {}
        except RecursionError:
            self.mistakes.append(
                Mistake(str(file), "an anchor holds an alias of itself", "Write it out.")
            )
            return
        try:
            declared = ModelDeclaration.model_validate(plain)
        except ValidationError as error:
            for problem in error.errors():
                path = tuple(part for part in problem["loc"] if part != "[key]")
                while path and path not in lines:
                    path = path[:-1]
                what = f"{'.'.join(map(str, problem['loc'])) or 'the file'}: {problem['msg']}"
                self.mistakes.append(
                    Mistake(
                        lines.get(path, str(file)),
                        what,
                        "Correct it; the JSON Schema of model files says what is allowed.",
                    )
                )
            return
        self._merge(declared, file, lines)

    def _plain(
        self, node: Any, path: DeclarationPath, file: Path, lines: dict[DeclarationPath, str]
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
                    self.mistakes.append(
                        Mistake(lines[here], f"{key} is written twice", "Keep one.")
                    )
                result[key] = self._plain(value_node, here, file, lines)
            return result
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(n, (*path, i), file, lines) for i, n in enumerate(node.value)]
        return _scalar(node)

    def _merge(self, new: ModelDeclaration, file: Path, lines: dict[DeclarationPath, str]) -> None:
        merged: dict[str, dict[str, Any]] = {}
        for section in SECTIONS:
            have = dict(getattr(self.declaration, section))
            for name, declared in getattr(new, section).items():
                where = lines.get((section, name), str(file))
                if not declared.extend and name in have:
                    other = self._lines.get((section, name), "")
                    self.mistakes.append(
                        Mistake(
                            where,
                            f"{name} is declared already at {other}",
                            "Rename it, or write `extend: true` to change that one.",
                        )
                    )
                elif declared.extend and name not in have:
                    self.mistakes.append(
                        Mistake(
                            where,
                            f"{name} extends nothing: no earlier file declares it",
                            "Correct the name, or remove `extend`.",
                        )
                    )
                else:
                    have[name] = _extended(have[name], declared) if declared.extend else declared
            merged[section] = have
        self.declaration = ModelDeclaration.model_construct(None, **merged)
        self._lines |= lines


def _extended(base: Declaration, extension: Declaration) -> Declaration:
    given = {
        name: getattr(extension, name) for name in extension.model_fields_set if name != "extend"
    }
    for name, value in given.items():
        if isinstance(value, dict):
            given[name] = {**getattr(base, name), **value}
    return base.model_copy(update=given)


_constructor = yaml.constructor.SafeConstructor()


def _scalar(node: Any) -> Any:
    """A scalar as JSON has it: dates and the like stay the text that was written."""
    if node.tag in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"):
        return _constructor.construct_object(node, deep=True)
    return None if node.tag == "tag:yaml.org,2002:null" else node.value
