"""Rows of a ledger as observations, by a mapping.

The mapping is compiled once for each record type into small functions over columns, and what a cell
means is remembered: ledgers repeat themselves, so a rack, a person or a date is made once and the
same object given again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Map
from typing import Any, Final, NamedTuple

from cmdb.reconciliation.observations import Item, Link, Observation, Rejection
from importers import ledger_headers as words
from importers import ledger_values as values
from importers.ledger_guess import type_of, type_table
from importers.ledger_headers import plain
from importers.ledger_links import Links
from importers.ledger_mapping import ROLES, Column, Mapping, model
from importers.ledger_memory import Memory, Problem
from importers.ledger_text import Rows
from importers.values import vendor
from schema.attributes import Attribute
from schema.model import Model, RecordType

EXACT: Final = frozenset({"serial_number", "asset_number", "part_number", "system_uuid", "imei"})
UNIQUE: Final = EXACT | {"name", "hostname", "management_ip", "mac_addresses", "chassis_mac"}
"""Attributes of which each row has another value."""
KEYS: Final = (
    ("asset_number", "asset/"),
    ("serial_number", "serial/"),
    ("name", "name/"),
    ("hostname", "host/"),
    ("management_ip", "address/"),
)
TELLING: Final = ("asset/", "serial/", "host/")
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
    unfit
        Columns that a record of the type cannot take, until a row has a value there.
    """

    def __init__(self, type_: str) -> None:
        self.type = type_
        self.constants: dict[str, Any] = {}
        self.cells: list[Cell] = []
        """Columns whose values repeat; the meanings are looked up and may be a `Problem`."""
        self.unique: list[Cell] = []
        """Columns whose values hardly repeat; the meanings are worked out, and raise ValueError."""
        self.steps: list[tuple[int, Step]] = []
        self.unfit: dict[int, str] = {}


class Interpreter:
    """Interprets the rows of one table.

    Parameters
    ----------
    names
        The headers, by column.
    place
        What comes before the row number in the place of an observation.
    type_
        The record type of rows that do not say theirs.
    """

    def __init__(self, mapping: Mapping, names: Sequence[str], place: str, type_: str) -> None:
        self._mapping, self._names, self._place, self._default = mapping, names, place, type_
        self._model: Model = model()
        self._columns: list[tuple[int, str, Column]] = []
        self._apart: list[tuple[int, Memory[str], int]] = []
        self._lay_out()
        self._types = Memory(self._type)
        self._type_words = type_table(self._model)
        self._own_types = {plain(w): t for w, t in mapping.type.values.items()}
        self._type_at = self._index("type")
        self._plans: dict[str, Plan] = {}
        self._links = Links(mapping, self._index, self._model)

    def _lay_out(self) -> None:
        """Columns by index; the groups of patterns are further columns behind those of the row."""
        self._width = len(self._names)
        self._origin = list(self._names)
        places = {name: i for i, name in enumerate(self._names) if name}
        end = self._width
        for name, column in self._mapping.columns.items():
            if name not in places:
                continue
            if column.to:
                self._columns.append((places[name], column.to, column))
                continue
            groups = column.targets
            self._apart.append(
                (places[name], Memory(values.taking_apart(column.pattern)), len(groups))
            )
            self._columns += [(end + i, g, Column(to=g)) for i, g in enumerate(groups)]
            self._origin += [name] * len(groups)
            end += len(groups)
        if self._mapping.type.column in places:
            self._columns.insert(0, (places[self._mapping.type.column], "type", Column(to="type")))

    def _index(self, target: str) -> int | None:
        return next((i for i, t, _ in self._columns if t == target), None)

    # -- rows ---------------------------------------------------------------------------------

    def items(self, rows: Rows) -> Iterator[Item]:
        """Observations of rows, and rejections."""
        width, found = self._width, list[Item]()
        for number, row in rows:
            place = f"{self._place} row {number}"
            if row is None:
                yield Rejection(place, "its quotation marks do not match")
                continue
            if len(row) != width:
                if any(map(str.strip, row[width:])):
                    yield Rejection(place, "it has more cells than the header has columns")
                    continue
                row = row[:width] + [""] * (width - len(row))
            observation = self._row(row, place, found)
            if found:
                yield from found
                found.clear()
            if observation is not None:
                yield observation

    def _row(self, row: list[str], place: str, found: list[Item]) -> Observation | None:
        for index, meaning, groups in self._apart:
            parts = meaning[row[index]]
            if type(parts) is Problem:
                found.append(self._rejection(place, index, parts))
                parts = None
            row = row + (parts or [""] * groups)
        plan = self._plan_of(row, place, found)
        if plan is None:
            return None
        attributes = self._attributes(plan, row, place, found)
        key = ""
        for name, prefix in KEYS:
            if name in attributes:
                key = prefix + attributes[name]
                break
        if not key.startswith(TELLING) and self._beside_table(row):
            found.clear()
            return None
        if not key:
            found.append(Rejection(place, "it has no asset number, serial number, name or address"))
            return None
        links: list[Link] = []
        for index, step in plan.steps:
            try:
                step(row, attributes, links)
            except ValueError as error:
                found.append(self._rejection(place, index, error))
        if plan.unfit:
            self._unfit(plan, row, place, found)
        if "name" not in attributes and "hostname" not in attributes:
            attributes["name"] = key.partition("/")[2]
        return Observation(plan.type, key, attributes, links, place)

    def _attributes(
        self, plan: Plan, row: list[str], place: str, found: list[Item]
    ) -> dict[str, Any]:
        attributes: dict[str, Any] = dict(plan.constants)
        for index, name, meaning in plan.cells:
            if text := row[index]:
                value = meaning(text)
                if type(value) is Problem:
                    found.append(self._rejection(place, index, value))
                elif value is not None:
                    attributes[name] = value
        for index, name, meaning in plan.unique:
            if text := row[index]:
                try:
                    value = meaning(text)
                except ValueError as error:
                    found.append(self._rejection(place, index, error))
                    continue
                if name:
                    if value is not None:
                        attributes[name] = value
                elif value:
                    attributes.update(value)
        return attributes

    def _rejection(self, place: str, index: int, problem: object) -> Rejection:
        return Rejection(place, f"column {self._origin[index]!r} {problem}")

    def _beside_table(self, row: list[str]) -> bool:
        """Empty rows, headers that are repeated, and what stands below a table."""
        first = next((cell for cell in row if cell and not cell.isspace()), None)
        if first is None or words.FOOTER.match(first):
            return True
        names = [name.partition(" #")[0] for name in self._names]
        return [" ".join(cell.split()) for cell in row[: self._width]] == names

    # -- types --------------------------------------------------------------------------------

    def _type(self, text: str) -> str | None:
        return self._own_types.get(plain(text)) or type_of(text, self._type_words)

    def _plan_of(self, row: list[str], place: str, found: list[Item]) -> Plan | None:
        text = row[self._type_at] if self._type_at is not None else ""
        said = self._types[text] if text else None
        name = said if type(said) is str else self._default
        if name:
            return self._plans.get(name) or self._compile(name, place, found)
        if not self._beside_table(row):
            found.append(Rejection(place, _untold(values.clean(text))))
        return None

    # -- compiling ----------------------------------------------------------------------------

    def _compile(self, type_: str, place: str, found: list[Item]) -> Plan:
        plan, record_type = Plan(type_), self._model.record_types[type_]
        for target, text in self._mapping.constants.items():
            if target in record_type.attributes and target not in ROLES:
                value = Memory(self._meaning(target, Column(to=target), record_type))[text]
                if isinstance(value, Problem):
                    found.append(Rejection(place, f"the constant {target} {value}"))
                else:
                    plan.constants[target] = value
        for index, target, column in self._columns:
            if target in LINKED or target[:1].isupper():
                continue
            attribute = self._attribute(target, record_type)
            if attribute is None:
                plan.unfit[index] = target
            elif record_type.attributes[attribute].kind.name != "reference":
                meaning = self._meaning(attribute, column, record_type)
                if attribute in UNIQUE:
                    name = "" if attribute == "hostname" else attribute
                    plan.unique.append(Cell(index, name, meaning))
                else:
                    plan.cells.append(Cell(index, attribute, Memory(meaning).__getitem__))
        self._links.compile(plan, record_type, self._columns)
        self._plans[type_] = plan
        return plan

    def _attribute(self, target: str, record_type: RecordType) -> str | None:
        """The attribute of a type that a target means; one type calls it otherwise than another."""
        names = {
            "mac": ("mac_addresses", "chassis_mac"),
            "os_name": ("os_name", "os_version"),
            "hostname": ("hostname",) if self._index("name") is not None else ("hostname", "name"),
        }.get(target, (target,))
        return next((name for name in names if name in record_type.attributes), None)

    def _meaning(self, name: str, column: Column, record_type: RecordType) -> values.Convert:
        """What a text means as an attribute: None for nothing, a value that its kind parses."""
        attribute = record_type.attributes[name]
        if name == "hostname":
            return lambda text: _of_type(values.host(text), record_type)
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
            "mac_addresses": values.macs,
            "chassis_mac": lambda text: values.macs(text)[0],
            "cpu_count": values.count,
            "rack_height": values.height,
            "memory_mib": lambda text: values.mib(text, column.unit or "GB"),
            "capacity_gib": lambda text: values.mib(text, column.unit or "GB") / 1024,
        }
        formats = (*column.dates, *self._mapping.dates)
        by_kind: dict[str, values.Convert] = {
            "date": lambda text: values.day(text, formats, last=name.endswith("_until")),
            "money": lambda text: values.money(text, self._mapping.currency, column.unit),
            "integer": values.whole,
            "number": lambda text: float(values.number(text)),
            "ip_address": lambda text: values.addresses(text)[0],
            "text": values.remark,
        }
        if name in EXACT:
            return values.exact
        convert = by_name.get(name) or by_kind.get(attribute.kind.name, _same)
        return values.several if attribute.many and convert is _same else convert

    def _unfit(self, plan: Plan, row: list[str], place: str, found: list[Item]) -> None:
        """Say once for each type and column that a value cannot be taken."""
        for index, target in list(plan.unfit.items()):
            if values.clean(row[index]):
                del plan.unfit[index]
                what = f"is left out of every {plan.type}: it has no {target}"
                found.append(self._rejection(place, index, what))


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


def _untold(text: str) -> str:
    if text:
        return f"no record type is known for {text[:40]!r}; the mapping's `type.values` or the option type can say it"
    return "nothing tells its record type; the option type can say it for the whole ledger"


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
