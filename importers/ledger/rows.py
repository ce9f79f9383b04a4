"""Rows of a ledger as observations, by a mapping that is compiled for each record type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from cmdb.reconciliation.observations import Item, Link, Observation, Rejection
from importers.ledger import headers as words
from importers.ledger import values
from importers.ledger.guess import type_of, type_table
from importers.ledger.headers import plain
from importers.ledger.mapping import Column, Mapping, model
from importers.ledger.memory import Memory, Problem
from importers.ledger.plan import Compiler, Plan
from importers.ledger.text import Rows
from schema.model import Model

KEYS: Final = (
    ("asset_number", "asset/"),
    ("serial_number", "serial/"),
    ("name", "name/"),
    ("hostname", "host/"),
    ("management_ip", "address/"),
)
_UNFINDABLE: Final = "is of a record that nothing in the row identifies; give the device an asset or serial number first"
TELLING: Final = ("asset/", "serial/", "host/")


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
        self._id_at = self._index("record_id")
        self._plans: dict[str, Plan] = {}
        self._compiler = Compiler(mapping, self._columns, self._model)

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
            if row[0] == self._names[0] and self._beside_table(row):
                continue
            observation = self._row(row, place, found)
            for rejection in found:
                rejection.key = observation.key if observation else ""
                yield rejection
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
        if self._id_at is not None and row[self._id_at] and not self._findable(plan, attributes):
            found.append(Rejection(place, _UNFINDABLE, key))
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

    def _findable(self, plan: Plan, attributes: dict[str, Any]) -> bool:
        """Whether a rule of its type has values to go by."""
        rules = self._model.record_types[plan.type].identification
        return any(all(name in attributes for name in rule.attributes) for rule in rules)

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
            return self._plans.get(name) or self._compiled(name, place, found)
        if not self._beside_table(row):
            found.append(Rejection(place, _untold(values.clean(text))))
        return None

    def _compiled(self, type_: str, place: str, found: list[Item]) -> Plan:
        plan = self._plans[type_] = self._compiler.compile(type_)
        found += [Rejection(place, problem) for problem in plan.problems]
        return plan

    def _unfit(self, plan: Plan, row: list[str], place: str, found: list[Item]) -> None:
        """Say once for each type and column that a value cannot be taken."""
        for index, target in list(plan.unfit.items()):
            if values.clean(row[index]):
                del plan.unfit[index]
                what = f"is left out of every {plan.type}: it has no {target}"
                found.append(self._rejection(place, index, what))


def _untold(text: str) -> str:
    if text:
        return f"no record type is known for {text[:40]!r}; the mapping's `type.values` or the option type can say it"
    return "nothing tells its record type; the option type can say it for the whole ledger"
