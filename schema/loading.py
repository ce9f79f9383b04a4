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

from schema.basics import Declaration
from schema.checks import check_model
from schema.declarations import ModelDeclaration
from schema.errors import Mistake, ModelError
from schema.files import locate, read_declaration
from schema.inheritance import Path as DeclarationPath
from schema.model import Model

SHIPPED: Final = Path(__file__).parent / "model"
SECTIONS: Final = tuple(ModelDeclaration.model_fields)
"""What a model file has: names and declarations of each kind."""


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
        return locate(path, self._lines, "model")

    def read(self, file: Path) -> None:
        read = read_declaration(
            ModelDeclaration,
            file,
            self.mistakes,
            "Correct it; the JSON Schema of model files says what is allowed.",
        )
        if read is not None:
            self._merge(read[0], file, read[1])

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
