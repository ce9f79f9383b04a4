"""A mapping compiled for one record type: small functions over columns.

What a cell means is remembered: ledgers repeat themselves, so a date, a state or a rack is worked out
once, and the same object given again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Map
from typing import Any, Final, NamedTuple

from cmdb.reconciliation.observations import Link
from importers.ledger import headers as words
from importers.ledger import names, values
from importers.ledger.headers import plain
from importers.ledger.links import Links
from importers.ledger.mapping import ROLES, Column, Mapping
from importers.ledger.memory import Memory, Problem
from importers.values import vendor
from schema.attributes import Attribute
from schema.model import Model, RecordType

EXACT: Final = frozenset({"serial_number", "asset_number", "part_number", "system_uuid", "imei"})
UNIQUE: Final = EXACT | {"name", "hostname", "management_ip", "mac_addresses", "chassis_mac"}
"""Attributes of which each row has another value."""
LINKED: Final = ROLES - {"mac", "hostname"}
"""Targets that are not, or not only, attributes."""
Step = Callable[[Sequence[str], dict[str, Any], list[Link]], None]


class Cell(NamedTuple):
    """A column that gives attributes: its index, the attribute ("" for several), what a text means."""

    at: int
    attribute: str
    meaning: values.Convert


class Plan:
    """A mapping, compiled for one record type.

    Attributes
    ----------
    cells
        Columns whose values repeat: their meanings are looked up, and may be a `Problem`.
    unique
        Columns whose values hardly do: their meanings are worked out, and raise ValueError.
    steps
        What adds links, and the column to blame if it raises ValueError.
    unfit
        Columns that a record of the type cannot take, until a row has a value there.
    problems
        Constants that a record of the type cannot have.
    """

    def __init__(self, type_: str) -> None:
        self.type = type_
        self.constants: dict[str, Any] = {}
        self.cells: list[Cell] = []
        self.unique: list[Cell] = []
        self.steps: list[tuple[int, Step]] = []
        self.unfit: dict[int, str] = {}
        self.problems: list[str] = []


class Compiler:
    """Compiles a mapping for the columns of a table: (index, target, column)."""

    def __init__(
        self, mapping: Mapping, columns: Sequence[tuple[int, str, Column]], model: Model
    ) -> None:
        self._mapping, self._columns, self._model = mapping, columns, model
        self._links = Links(mapping, self._index, model)
        priced = {"purchase_price"} if self._index("currency") is not None else set[str]()
        self._elsewhere = LINKED | priced

    def _index(self, target: str) -> int | None:
        return next((i for i, t, _ in self._columns if t == target), None)

    def compile(self, type_: str) -> Plan:
        """The mapping as one record type needs it."""
        plan, record_type = Plan(type_), self._model.record_types[type_]
        for target, text in self._mapping.constants.items():
            if target in record_type.attributes and target not in ROLES:
                value = Memory(self._meaning(target, Column(to=target), record_type))[text]
                if isinstance(value, Problem):
                    plan.problems.append(f"the constant {target} {value}")
                else:
                    plan.constants[target] = value
        for index, target, column in self._columns:
            if target in self._elsewhere or target[:1].isupper():
                continue
            attribute = self._attribute(target, record_type)
            if attribute is None:
                plan.unfit[index] = target
            elif attribute not in self._model.references:
                meaning = self._meaning(attribute, column, record_type)
                if attribute in UNIQUE:
                    name = "" if attribute == "hostname" else attribute
                    plan.unique.append(Cell(index, name, meaning))
                else:
                    plan.cells.append(Cell(index, attribute, Memory(meaning).__getitem__))
        self._links.compile(plan, record_type, self._columns)
        return plan

    def _attribute(self, target: str, record_type: RecordType) -> str | None:
        """The attribute of a type that a target means; one type calls it otherwise than another."""
        meant = {
            "mac": ("mac_addresses", "chassis_mac"),
            "os_name": ("os_name", "os_version"),
            "hostname": ("hostname",) if self._index("name") is not None else ("hostname", "name"),
        }.get(target, (target,))
        return next((name for name in meant if name in record_type.attributes), None)

    def _meaning(self, name: str, column: Column, record_type: RecordType) -> values.Convert:
        """What a text means as an attribute: None for nothing, a value that its kind parses."""
        attribute = record_type.attributes[name]
        if name == "hostname":
            return lambda text: _of_type(names.host(text), record_type)
        convert, parse = self._convert(attribute, column, record_type), attribute.parse
        ordinary = (
            values.ordinary(name) if not column.values and attribute.pattern is None else None
        )

        def checked(text: str) -> Any:
            # Of the values of a large ledger nearly all look so; the rest takes five times as long.
            if ordinary and ordinary(text):
                return [text] if attribute.many else text
            text = values.legible(text)
            if not text:
                return None
            value = convert(text)
            if value is None or value == "":
                return None
            try:
                parse(value)
            except ValueError:
                raise ValueError(f"has no value that {name} can have") from None
            return value

        return checked

    def _convert(
        self, attribute: Attribute, column: Column, record_type: RecordType
    ) -> values.Convert:
        name, kind = attribute.name, attribute.kind.name
        if name == "lifecycle_state":
            states = states_of(record_type)
            fitting = {w: s for w, s in column.values.items() if s is None or s in states.values()}
            return values.choice(states, fitting, plain)
        if kind == "enum":
            named = {
                plain(w): v
                for v, label in attribute.values.items()
                for w in (v, label.en, label.zh)
            }
            return values.choice(named, column.values, plain)
        convert = self._by_kind(attribute, column)
        return _listed(column.values, convert) if column.values else convert

    def _by_kind(self, attribute: Attribute, column: Column) -> values.Convert:
        name = attribute.name
        by_name: dict[str, values.Convert] = {
            "vendor": vendor,
            "mac_addresses": names.macs,
            "chassis_mac": lambda text: names.macs(text)[0],
            "cpu_count": values.count,
            "rack_height": names.height,
            "memory_mib": lambda text: values.mib(text, column.unit or "GB"),
            "capacity_gib": lambda text: values.mib(text, column.unit or "GB") / 1024,
        }
        formats = (*column.dates, *self._mapping.dates)
        by_kind: dict[str, values.Convert] = {
            "date": lambda text: values.day(text, formats, last=name.endswith("_until")),
            "money": lambda text: values.money(text, self._mapping.currency, column.unit),
            "integer": values.whole,
            "number": lambda text: float(values.number(text)),
            "ip_address": lambda text: names.addresses(text)[0],
            "text": values.remark,
        }
        if name in EXACT:
            return values.exact
        convert = by_name.get(name) or by_kind.get(attribute.kind.name, _same)
        return values.several if attribute.many and convert is _same else convert


def _same(text: str) -> str:
    return text


def _listed(given: Map[str, str | None], convert: values.Convert) -> values.Convert:
    """A converter that looks into a mapping's table first."""
    table = {plain(word): value for word, value in given.items()}

    def converted(text: str) -> Any:
        word = plain(text)
        value = table.get(word, text)
        return None if value is None else convert(value)

    return converted


def _of_type(found: dict[str, str], record_type: RecordType) -> dict[str, str]:
    if "domain" in found and "domain" not in record_type.attributes:
        del found["domain"]
    return found


def states_of(record_type: RecordType) -> dict[str, str]:
    """Words for the states that a type has."""
    machine = record_type.state_machine
    if machine is None:
        return {}
    table = {
        word: next(state for state in states if state in machine.states)
        for word, states in words.state_words().items()
        if any(state in machine.states for state in states)
    }
    for name, state in machine.states.items():
        table |= {plain(word): name for word in (name, state.label.en, state.label.zh)}
    return table
