"""Operations as plain data, for tools that work on any type, and to be kept until they are carried out::

[{"create": {"type": "Server", "id": "019a…", "attributes": {"name": "esx-01"}}},
 {"update": {"id": "019b…", "attributes": {"description": null}, "expectedRevision": 12}},
 {"relate": {"source": "019c…", "type": "CONTAINS", "target": "019a…", "attributes": {}}},
 {"unrelate": {"source": "019c…", "type": "CONTAINS", "target": "019b…"}}]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from cmdb.change_sets import Create, Operation, Relate, Unrelate, Update
from cmdb.errors import InvalidChangeError, Problem

NEEDED: Final[Mapping[str, Sequence[str]]] = {
    "create": ("type",),
    "update": ("id",),
    "relate": ("source", "type", "target"),
    "unrelate": ("source", "type", "target"),
}


class _Plain(BaseModel):
    """One operation as plain data."""

    model_config = ConfigDict(extra="forbid")

    id: str | None = None
    type: str | None = None
    source: str | None = None
    target: str | None = None
    attributes: dict[str, Any] = {}
    expectedRevision: int | None = None  # noqa: N815 - as GraphQL has it


def read_operations(given: object, ids: Callable[[], str]) -> list[Operation]:
    """Operations of plain data.

    Parameters
    ----------
    ids
        Gives the ids of new records that have none.

    Raises
    ------
    InvalidChangeError
    """
    if not isinstance(given, list):
        raise _invalid(0, "operations", "The operations are no list.")
    return [_read(index, each, ids) for index, each in enumerate(given)]


def _read(index: int, given: object, ids: Callable[[], str]) -> Operation:
    try:
        if not isinstance(given, dict) or len(given) != 1:
            raise ValueError("it is not one of create, update, relate and unrelate")
        [(kind, said)] = given.items()
        of = _Plain.model_validate(said)
        needed = NEEDED[kind]
        if missing := [name for name in needed if getattr(of, name) is None]:
            raise ValueError(f"it has no {missing[0]}")
    except KeyError as error:
        raise _invalid(index, "operation", f"There is no operation {error}.") from None
    except ValueError as error:  # pydantic's is one, too
        raise _invalid(index, "operation", f"Operation {index}: {error}") from None
    values = [getattr(of, name) for name in needed]
    if kind == "create":
        return Create(values[0], of.attributes, of.id or ids())
    if kind == "update":
        return Update(values[0], of.attributes, of.expectedRevision, of.type)
    if kind == "relate":
        return Relate(values[0], values[1], values[2], of.attributes)
    return Unrelate(values[0], values[1], values[2])


def write_operation(operation: Operation, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """An operation as plain data; `read_operations` reads it back.

    Parameters
    ----------
    attributes
        Its attributes as JSON values.
    """
    if isinstance(operation, Create):
        said: dict[str, Any] = {"type": operation.type, "id": operation.id}
        return {"create": {**said, "attributes": dict(attributes)}}
    if isinstance(operation, Update):
        said = {"id": operation.id, "attributes": dict(attributes)}
        if operation.expected_revision is not None:
            said["expectedRevision"] = operation.expected_revision
        return {"update": {**said, **({"type": operation.type} if operation.type else {})}}
    said = {"source": operation.source, "type": operation.type, "target": operation.target}
    if isinstance(operation, Relate):
        return {"relate": {**said, **({"attributes": dict(attributes)} if attributes else {})}}
    return {"unrelate": said}


def _invalid(index: int, subject: str, message: str) -> InvalidChangeError:
    return InvalidChangeError([Problem(index, subject, "invalid_operation", message)])
