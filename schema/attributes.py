"""Attributes as types have them: a kind, its constraints, and one parser made of both."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schema.basics import Label
from schema.declarations import AttributeDeclaration
from schema.hours import FORMATS
from schema.kinds import KINDS, Kind


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute as a record type or relationship type has it."""

    name: str
    kind: Kind
    label: Label
    description: Label | None
    declared_by: str
    many: bool
    required: bool
    unique: bool
    indexed: bool
    managed: bool
    sensitive: bool
    administered: bool
    volatile: bool
    telling: bool
    searchable: bool
    default: Any
    pattern: str | None
    format: str | None
    minimum: float | None
    maximum: float | None
    unit: str | None
    values: Mapping[str, Label]
    to: str | None
    shares: bool
    parse: Callable[[object], Any] = field(repr=False, compare=False)
    """Canonical value of an input; raises ValueError with a sentence about it."""


def make_attribute(name: str, declared: AttributeDeclaration, declared_by: str) -> Attribute:
    """Resolve one attribute's declaration, its kind and constraints made into one parser."""
    kind = KINDS[declared.kind]
    parse = (
        _with_list(_with_constraints(declared, kind.parse))
        if declared.many
        else _with_constraints(declared, kind.parse)
    )
    searchable = declared.searchable
    if searchable is None:
        searchable = kind.searchable
    return Attribute(
        name=name,
        kind=kind,
        label=declared.label,
        description=declared.description,
        declared_by=declared_by,
        many=declared.many,
        required=declared.required,
        unique=declared.unique,
        indexed=declared.indexed or declared.unique,
        managed=declared.managed,
        sensitive=declared.sensitive,
        administered=declared.administered,
        volatile=declared.volatile,
        telling=declared.telling,
        searchable=searchable and not declared.sensitive,
        default=declared.default,
        pattern=declared.pattern,
        format=declared.format,
        minimum=declared.minimum,
        maximum=declared.maximum,
        unit=declared.unit,
        values=declared.values or {},
        to=declared.to,
        shares=declared.shares,
        parse=parse,
    )


def _with_constraints(
    declared: AttributeDeclaration, parse: Callable[[object], Any]
) -> Callable[[object], Any]:
    if declared.values is not None:
        values = declared.values

        def parse_enum(value: object) -> str:
            if isinstance(value, str) and value in values:
                return value
            raise ValueError(f"{value!r} is not one of {', '.join(values)}")

        return parse_enum
    if declared.format is not None:
        fits = FORMATS[declared.format]

        def parse_format(value: object) -> Any:
            parsed = parse(value)
            fits(parsed)
            return parsed

        return parse_format
    if declared.pattern is not None:
        pattern, written = re.compile(declared.pattern), declared.pattern

        def parse_pattern(value: object) -> Any:
            parsed = parse(value)
            if not pattern.fullmatch(parsed):
                raise ValueError(f"{parsed!r} does not match the pattern {written}")
            return parsed

        return parse_pattern
    if declared.minimum is not None or declared.maximum is not None:
        low = -float("inf") if declared.minimum is None else declared.minimum
        high = float("inf") if declared.maximum is None else declared.maximum

        def parse_range(value: object) -> Any:
            parsed = parse(value)
            if not low <= parsed <= high:
                raise ValueError(f"{parsed} is outside {low:g} to {high:g}")
            return parsed

        return parse_range
    return parse


def _with_list(parse: Callable[[object], Any]) -> Callable[[object], Any]:
    def parse_list(value: object) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise ValueError("is not a list")
        if len(value) > 10_000:
            raise ValueError(f"has {len(value)} elements; a list takes 10000")
        return [parse(element) for element in value]

    return parse_list
