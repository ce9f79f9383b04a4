"""What people type, as the services want it: conditions, assignments, references to records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from cmdb.errors import NotFoundError, QueryError
from cmdb.queries import AsOf, Query
from cmdb.records import Record
from cmdb.store import GraphStore
from schema.attributes import Attribute
from schema.kinds import parse_id
from schema.model import Model

_CONDITION: Final = re.compile(
    r"(?P<path>[A-Za-z_][A-Za-z0-9_.]*?)(?P<sign>>=|<=|!=|\^=|~|=|>|<)(?P<value>.*)", re.DOTALL
)
_OPERATORS: Final = {
    "=": "eq",
    "!=": "ne",
    ">": "gt",
    ">=": "gte",
    "<": "lt",
    "<=": "lte",
    "~": "contains",
    "^=": "prefix",
}


def parse_conditions(
    graph: GraphStore, record_type: str, conditions: Iterable[str], where: str
) -> Mapping[str, Any]:
    """``name~web``, ``cpu_count>=8``, ``RUNS_ON.name=esx-01``, and ``--where`` JSON, as one filter.

    ``serial_number=`` means that there is none, ``serial_number!=`` that there is one. A reference is
    compared with a record's name or id.
    """
    parts = [_condition(graph, record_type, condition) for condition in conditions]
    if where:
        try:
            parts.append(json.loads(where))
        except (ValueError, RecursionError) as error:
            raise QueryError(
                f"--where is not JSON: {error}.", """Write '{"name": {"eq": "…"}}'."""
            ) from None
    return {"and": parts} if parts else {}


def _condition(graph: GraphStore, record_type: str, text: str) -> dict[str, Any]:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise QueryError(
            f"{text!r} is no condition.",
            "Write name=value; signs: = != > >= < <= ~ (contains) ^= (begins with).",
        )
    *links, name = match["path"].split(".")
    model = graph.model
    types: tuple[str, ...] = (record_type,)
    for link in links:
        relationship_type, direction = model.direction(link)
        types = relationship_type.target if direction == "out" else relationship_type.source
    operator, value = _OPERATORS[match["sign"]], match["value"]
    if value and name in model.references:
        value = find_record(graph, value).id
    comparison: dict[str, Any] = {operator: value}
    if not value and operator in ("eq", "ne"):
        comparison = {"null": operator == "eq"}
    elif operator == "eq" and _is_list(model, types, name):
        comparison = {"contains": value}
    filter_: dict[str, Any] = {name: comparison}
    for link in reversed(links):
        filter_ = {link: filter_}
    return filter_


def _is_list(model: Model, types: Iterable[str], name: str) -> bool:
    return name in model.attributes and model.attributes[name].many and bool(tuple(types))


def parse_assignments(owner: Mapping[str, Attribute], assignments: Iterable[str]) -> dict[str, Any]:
    """``name=value`` as attribute values; ``name=`` removes the value.

    Lists are ``a,b,c`` or a JSON array, JSON attributes JSON. Validation is the store's.
    """
    values: dict[str, Any] = {}
    for text in assignments:
        name, separator, value = text.partition("=")
        if not separator:
            raise QueryError(f"{text!r} is no assignment.", "Write attribute=value.")
        values[name.strip()] = _value(owner.get(name.strip()), value)
    return values


def read_assignments(
    graph: GraphStore, owner: Mapping[str, Attribute], assignments: Iterable[str]
) -> dict[str, Any]:
    """As `parse_assignments`; references may be given by the name of the record.

    Raises
    ------
    NotFoundError, QueryError
    """
    values = parse_assignments(owner, assignments)
    for name, value in values.items():
        if name in graph.model.references and isinstance(value, str):
            values[name] = find_record(graph, value).id
    return values


def _value(attribute: Attribute | None, text: str) -> Any:
    if text == "":
        return None
    if attribute is None:
        return text
    if attribute.kind.name == "json" or (attribute.many and text.startswith("[")):
        try:
            return json.loads(text)
        except ValueError as error:
            raise QueryError(
                f"{attribute.name} takes JSON: {error}.", "Quote it for the shell: 'x={\"a\": 1}'."
            ) from None
    if attribute.many:
        return [part.strip() for part in text.split(",")]
    return local_instant(text) if attribute.kind.name == "datetime" else text


def local_instant(text: str) -> str:
    """An instant as it is typed, with its zone; without one it is local time. What is none stays as it is."""
    try:
        return typed_instant(text).isoformat()
    except (ValueError, OverflowError):
        return text


def typed_instant(text: str) -> datetime:
    """An instant as it is typed, or as it is printed; without a zone it is local time.

    Raises
    ------
    ValueError, OverflowError
    """
    return datetime.fromisoformat(re.sub(r" UTC$", "+00:00", text)).astimezone(UTC)


def find_record(store: GraphStore, text: str, as_of: AsOf = None) -> Record:
    """The record a person means: by id, by its exact name if only one has it, or by an order's number.

    Raises
    ------
    NotFoundError
        None, or several: then it lists them.
    """
    try:
        return store.record(parse_id(text.lower()), as_of)
    except ValueError:
        pass
    page = store.find(Query(where={"name": {"eq": text}}, first=5, as_of=as_of, total=True))
    live = [record for record in page.records if record.type != "MergedRecord"]
    if len(live) == 1 and page.total == len(page.records):
        return live[0]
    if not page.records and (numbered := _numbered(store, text, as_of)) is not None:
        return numbered
    if page.records:
        those = ", ".join(f"{record.type} {record.id}" for record in page.records)
        raise NotFoundError(
            f"{page.total} records are named {text!r}: {those}.", "Name the one you mean by its id."
        )
    raise NotFoundError(
        f"There is no record {text!r}.", "`cmdb search` finds records by parts of what they hold."
    )


def _numbered(store: GraphStore, text: str, as_of: AsOf) -> Record | None:
    """A process record by its number, where the model has them."""
    process = store.model.record_types.get("ProcessRecord")
    if process is None or "number" not in process.attributes:
        return None
    query = Query(process.name, {"number": {"eq": text}}, first=1, as_of=as_of)
    return next(iter(store.find(query).records), None)
