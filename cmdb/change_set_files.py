"""A change set as a YAML or JSON file, for people and scripts::

reason: new cluster node
effective_on: 2026-03-31
operations:
  - create: Server
    as: esx-01                 # a name for this file only; an id is made
    attributes: {name: esx-01, organisation: 某省电力公司}
  - update: db-01              # a name in this file, an id, or a name only one record has
    attributes: {description: null}
    expected_revision: 12
  - relate: [rack-7, CONTAINS, esx-01]
    attributes: {}
  - unrelate: [rack-6, CONTAINS, esx-01]
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cmdb.change_sets import ChangeSet, Create, Operation, Relate, Unrelate, Update
from cmdb.errors import InvalidChangeError, Problem
from cmdb.ids import new_id
from cmdb.queries import Query
from cmdb.store.base import GraphStore
from schema.kinds import parse_id

Ends = Annotated[tuple[str, str, str], Field(description="[source, TYPE, target]")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    create: str | None = None
    key: str | None = Field(None, alias="as")
    update: str | None = None
    expected_revision: int | None = None
    relate: Ends | None = None
    unrelate: Ends | None = None
    attributes: dict[str, Any] = {}


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    actor: str | None = None
    source: str = "manual"
    reason: str = ""
    effective_on: date | None = None
    operations: list[_Entry]


def read_change_set(path: Path, store: GraphStore, actor: str) -> ChangeSet:
    """The change set a file describes, its names resolved against itself and the store.

    Raises
    ------
    InvalidChangeError
        The file is not readable, or names a record that is not there, or several.
    """
    try:
        written = _File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        raise InvalidChangeError(
            [
                Problem(
                    0, str(path), "file", f"{path} cannot be read: {' '.join(str(error).split())}."
                )
            ]
        ) from None
    except ValidationError as error:
        problems = [
            Problem(
                0,
                str(path),
                "file",
                f"{path}, {'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}.",
            )
            for e in error.errors()
        ]
        raise InvalidChangeError(problems) from None
    keys = Counter(entry.key for entry in written.operations if entry.key)
    for index, entry in enumerate(written.operations):
        if entry.key and keys[entry.key] > 1:
            what = f"Operation {index + 1}: {entry.key!r} is the name of several operations."
            raise InvalidChangeError([Problem(index, entry.key, "file", what)])
    names = _Names(store, {entry.key: new_id() for entry in written.operations if entry.key})
    operations = [_operation(i, entry, names) for i, entry in enumerate(written.operations)]
    return ChangeSet(
        operations, written.actor or actor, written.source, written.reason, written.effective_on
    )


_IDS: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


def located(error: InvalidChangeError, change_set: ChangeSet) -> InvalidChangeError:
    """The same problems, told by the operations of a file: new records by name, not by id."""
    names = {
        o.id: str(o.attributes.get("name", f"of operation {index}"))
        for index, o in enumerate(change_set.operations, 1)
        if isinstance(o, Create)
    }

    def told(problem: Problem) -> Problem:
        message = _IDS.sub(lambda match: names.get(match[0], match[0]), problem.message)
        return replace(problem, message=f"Operation {problem.operation + 1}: {message}")

    return InvalidChangeError([told(problem) for problem in error.problems])


class _Names:
    """Resolves what a file calls a record."""

    def __init__(self, store: GraphStore, local: dict[str, str]) -> None:
        self._store, self._ids = store, dict(local)
        self.references = store.model.references

    def id(self, index: int, name: str) -> str:
        if name not in self._ids:
            self._ids[name] = self._look_up(index, name)
        return self._ids[name]

    def _look_up(self, index: int, name: str) -> str:
        try:
            return str(parse_id(name))
        except ValueError:
            pass
        page = self._store.find(Query(where={"name": {"eq": name}}, first=2))
        if len(page.records) == 1:
            return page.records[0].id
        what = "Several records are" if page.records else "No record is"
        raise InvalidChangeError(
            [Problem(index, name, "not_found", f"Operation {index + 1}: {what} named {name!r}.")]
        )

    def resolved(self, index: int, values: Mapping[str, Any]) -> dict[str, Any]:
        """Attribute values, the names in references replaced by ids."""
        result = dict(values)
        for name, value in values.items():
            if name in self.references and value is not None:
                if isinstance(value, list):
                    result[name] = [self.id(index, str(element)) for element in value]
                else:
                    result[name] = self.id(index, str(value))
        return result


def _operation(index: int, entry: _Entry, names: _Names) -> Operation:
    attributes = names.resolved(index, entry.attributes)
    chosen = [
        n for n in ("create", "update", "relate", "unrelate") if getattr(entry, n) is not None
    ]
    if len(chosen) != 1:
        raise InvalidChangeError(
            [
                Problem(
                    index,
                    "",
                    "file",
                    f"Operation {index + 1} must have one of create, update, relate, unrelate.",
                )
            ]
        )
    if entry.create is not None:
        return Create(
            entry.create, attributes, names.id(index, entry.key) if entry.key else new_id()
        )
    if entry.update is not None:
        return Update(names.id(index, entry.update), attributes, entry.expected_revision)
    ends = entry.relate or entry.unrelate
    assert ends is not None
    source, type_, target = names.id(index, ends[0]), ends[1], names.id(index, ends[2])
    return (
        Relate(source, type_, target, attributes)
        if entry.relate
        else Unrelate(source, type_, target)
    )
