"""Records and relationships: one at a time, or as a change set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

import strawberry

from api.context import Context
from api.graphql.fields import ModelField, argument, input_field, make_type, model_field
from api.graphql.mutations.doing import KEY, Ids, doing
from api.graphql.mutations.results import Committed
from api.graphql.naming import attribute_field
from api.graphql.records import Records
from api.graphql.scalars import JSON, OF_KIND, Date, Int64
from cmdb.change_sets import ChangeSet, Create, Operation, Relate, Unrelate, Update
from cmdb.errors import InvalidChangeError, Problem
from cmdb.plain_operations import read_operations
from schema.attributes import Attribute
from schema.kinds import parse_date

SOURCE: Final = "graphql"
NEW: Final = "@"
"""Begins a name that a change set gives to a record it creates."""

_REASON = argument("reason", str | None, "The order, change or incident behind it, or a sentence.")
_EFFECTIVE = argument("effectiveOn", Date | None, "The day from which it holds in the real world.")
_HEADER = [_REASON, _EFFECTIVE, KEY]


class Inputs:
    """The inputs of a model's records and operations."""

    def __init__(self, records: Records) -> None:
        self.model, self.enums = records.model, records.enums
        concrete = [t for t in self.model.record_types.values() if not t.abstract]
        self.record = make_type(
            "RecordInput",
            [input_field(_lower(t.name), self._attributes(t.name)) for t in concrete],
            input_=True,
            one_of=True,
            description="A record of one type: give exactly one.",
        )
        self.types = {_lower(t.name): t.name for t in concrete}
        self.operation = make_type(
            "OperationInput",
            [
                input_field("create", self._create()),
                input_field("update", self._update()),
                input_field("relate", self._relate(with_attributes=True)),
                input_field("unrelate", self._relate(with_attributes=False)),
            ],
            input_=True,
            one_of=True,
            description="One operation of a change set: give exactly one.",
        )

    def _attributes(self, name: str) -> type:
        record_type = self.model.record_types[name]
        fields = [
            input_field(attribute_field(a.name), self._value(a), f"{a.label.en} · {a.label.zh}")
            for a in record_type.attributes.values()
            if not a.managed
        ]
        return make_type(f"{name}Input", fields, input_=True, description="Null removes a value.")

    def _value(self, attribute: Attribute) -> Any:
        value = self.enums.types.get(attribute.name, OF_KIND[attribute.kind.name])
        return list[value] if attribute.many else value  # type: ignore[valid-type]

    def _create(self) -> type:
        return make_type(
            "CreateInput",
            [
                input_field("record", self.record),
                input_field("as", str, f"A name in this change set; ids may be {NEW}name then."),
            ],
            input_=True,
        )

    def _update(self) -> type:
        return make_type(
            "UpdateInput",
            [
                input_field("id", strawberry.ID),
                input_field("set", self.record),
                input_field("expectedRevision", Int64),
            ],
            input_=True,
        )

    def _relate(self, *, with_attributes: bool) -> type:
        fields = [input_field(n, strawberry.ID) for n in ("source", "target")]
        fields.append(input_field("type", str))
        if with_attributes:
            fields.append(input_field("attributes", JSON))
        return make_type("RelateInput" if with_attributes else "UnrelateInput", fields, input_=True)


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


class Writing:
    """Reads the inputs of mutations as operations."""

    def __init__(self, records: Records, inputs: Inputs) -> None:
        self.model, self.inputs = records.model, inputs

    def one(self, record: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Type and attributes of a given record."""
        [(key, given)] = record.items()
        type_ = self.inputs.types[key]
        names = {attribute_field(n): n for n in self.model.record_types[type_].attributes}
        return type_, {names[k]: _plain(v) for k, v in given.items()}

    def operations(self, given: Sequence[Mapping[str, Any]], ids: Ids) -> list[Operation]:
        """The operations of a change set; names of new records resolved."""
        names: dict[str, str] = {}
        for index, operation in enumerate(given):
            create = operation.get("create")
            if create is not None:
                name = create.get("as") or f"{index}"
                if name in names:
                    raise _invalid(index, name, f"{name!r} is the name of several operations.")
                names[name] = ids()
        return list(self._operations(given, names))

    def _operations(
        self, given: Sequence[Mapping[str, Any]], names: Mapping[str, str]
    ) -> Iterator[Operation]:
        for index, operation in enumerate(given):
            [(kind, of)] = operation.items()

            def id_of(key: str, of: Any = of, index: int = index) -> str:
                value = of.get(key)
                if value is None:
                    raise _invalid(index, key, f"It has no {key}.")
                if value.startswith(NEW) and value[1:] not in names:
                    raise _invalid(index, value, f"No operation is called {value[1:]!r}.")
                return names[value[1:]] if value.startswith(NEW) else str(value)

            if kind == "create":
                if not of.get("record"):
                    raise _invalid(index, "record", "It has no record.")
                type_, attributes = self.one(of["record"])
                yield Create(
                    type_, _referring(attributes, names), names[of.get("as") or f"{index}"]
                )
            elif kind == "update":
                _, attributes = self.one(of["set"]) if of.get("set") else ("", {})
                yield Update(id_of("id"), _referring(attributes, names), of.get("expectedRevision"))
            else:
                ends = (id_of("source"), str(of.get("type") or ""), id_of("target"))
                if kind == "relate":
                    yield Relate(*ends, of.get("attributes") or {})
                else:
                    yield Unrelate(*ends)


def _referring(attributes: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Attributes with names of new records replaced by their ids."""

    def resolved(value: Any) -> Any:
        if isinstance(value, list):
            return [resolved(each) for each in value]
        if isinstance(value, str) and value.startswith(NEW):
            return names.get(value[1:], value)
        return value

    return {name: resolved(value) for name, value in attributes.items()}


def _invalid(index: int, subject: str, message: str) -> InvalidChangeError:
    return InvalidChangeError([Problem(index, subject, "invalid_operation", message)])


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return getattr(value, "value", value)


def commit(
    context: Context, operations: Sequence[Operation], given: Mapping[str, Any], id: str
) -> Committed:
    """Commit operations in the name of who asks."""
    effective = given.get("effectiveOn")
    result = context.store.commit(
        ChangeSet(
            operations,
            context.principal.name,
            SOURCE,
            given.get("reason") or "",
            _day(effective) if effective else None,
            id,
        )
    )
    return Committed(result.revision, result.committed)


def _day(text: str) -> date:
    try:
        return parse_date(text)
    except ValueError as error:
        raise _invalid(0, "effectiveOn", f"The day {error}.") from None


def writing_of(records: Records) -> Writing:
    """What reads operations, with the input types of a schema."""
    return records.once("operations", lambda: Writing(records, Inputs(records)))


def mutation_fields(records: Records) -> list[ModelField]:
    writing = writing_of(records)
    inputs = writing.inputs

    def create(context: Context, ids: Ids, given: Mapping[str, Any]) -> Committed:
        type_, attributes = writing.one(given["record"])
        return commit(context, [Create(type_, attributes, ids())], given, ids())

    def update(context: Context, ids: Ids, given: Mapping[str, Any]) -> Committed:
        _, attributes = writing.one(given["set"])
        operation = Update(given["id"], attributes, given.get("expectedRevision"))
        return commit(context, [operation], given, ids())

    def relate(context: Context, ids: Ids, given: Mapping[str, Any]) -> Committed:
        ends = (given["source"], given["type"], given["target"])
        return commit(context, [Relate(*ends, given.get("attributes") or {})], given, ids())

    def unrelate(context: Context, ids: Ids, given: Mapping[str, Any]) -> Committed:
        ends = (given["source"], given["type"], given["target"])
        return commit(context, [Unrelate(*ends)], given, ids())

    def apply(context: Context, ids: Ids, given: Mapping[str, Any]) -> Committed:
        return commit(context, writing.operations(given["operations"], ids), given, ids())

    def apply_plain(context: Context, ids: Ids, given: Mapping[str, Any]) -> Committed:
        return commit(context, read_operations(given["operations"], ids), given, ids())

    ends = [argument("source", strawberry.ID), argument("type", str)]
    ends.append(argument("target", strawberry.ID))
    attributes = argument("attributes", JSON | None)
    expected = argument("expectedRevision", Int64 | None, "The record's revision you have seen.")
    fields = (
        ("createRecord", "A new record.", [argument("record", inputs.record)], create),
        (
            "updateRecord",
            "New values for some attributes; a transition, if it is of the lifecycle state.",
            [argument("id", strawberry.ID), argument("set", inputs.record), expected],
            update,
        ),
        (
            "relate",
            "(source)-[:type]->(target), new or with these attributes from now on.",
            [*ends, attributes],
            relate,
        ),
        ("unrelate", "Close a relationship; its interval stays in the history.", ends, unrelate),
        (
            "applyChangeSet",
            "Several operations as one revision: all of them or nothing.",
            [argument("operations", list[inputs.operation])],  # type: ignore[name-defined]
            apply,
        ),
        (
            "applyOperations",
            "The same for tools that work on any type: docs/graphql.md has the form.",
            [argument("operations", JSON)],
            apply_plain,
        ),
    )
    return [
        model_field(
            name,
            records.results.change,
            text,
            arguments=[*arguments, *_HEADER],
            resolve=doing(work),
        )
        for name, text, arguments, work in fields
    ]
