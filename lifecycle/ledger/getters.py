"""Where the values of the ledger's columns come from, and how they read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from cmdb.records import Record
from lifecycle.ledger.rows import Row

Get = Callable[[Row], Any]


class Word(NamedTuple):
    """A word of the model: its labels are what people read."""

    name: str
    en: str
    zh: str


def value_of(name: str) -> Get:
    return lambda row: row.record.attributes.get(name)


def type_of(row: Row) -> Word:
    type_ = row.model.record_types[row.record.type]
    return Word(type_.name, type_.label.en, type_.label.zh)


def label_of(name: str) -> Get:
    """A value of an enumeration, or a state, by its labels."""

    def get(row: Row) -> Any:
        value = row.record.attributes.get(name)
        if isinstance(value, str) and (label := row.model.value_labels.get((name, value))):
            return Word(value, label.en, label.zh)
        return value

    return get


def state_of(row: Row) -> Any:
    """The state by the labels of its own type: one name may mean two things in two types."""
    value = row.record.attributes.get("lifecycle_state")
    machine = row.model.record_types[row.record.type].state_machine
    state = machine.states.get(value) if machine and isinstance(value, str) else None
    return Word(state.name, state.label.en, state.label.zh) if state else value


def level_of(type_: str) -> Get:
    return lambda row: row.level(type_)


def price_of(part: str) -> Get:
    def get(row: Row) -> Any:
        price = row.record.attributes.get("purchase_price")
        return getattr(price, part) if price is not None else None

    return get


def linked_by(name: str, type_: str, attribute: str = "name") -> Get:
    """What records of a type at the other ends of a relationship are called."""

    def get(row: Row) -> Any:
        near = row.linked.get(name, ())
        found = [
            r.attributes[attribute] for r in near if r.type == type_ and attribute in r.attributes
        ]
        return sorted(map(str, found)) or None

    return get


def hostname_of(row: Row) -> Any:
    host, domain = (row.record.attributes.get(name) for name in ("hostname", "domain"))
    return f"{host}.{domain}" if host and domain else host


def mac_of(row: Row) -> Any:
    return row.record.attributes.get("mac_addresses") or row.record.attributes.get("chassis_mac")


def users_of(row: Row) -> Any:
    """People with their numbers, as the importer takes them apart."""
    found = []
    for person in row.linked.get("USED_BY", ()):
        number = str(person.attributes.get("employee_number", ""))
        telling = len(number) > 1 and number.isdecimal()
        found.append(f"{person.name}({number})" if telling else person.name)
    return sorted(found) or None


def text(value: Any, language: str = "en") -> str:
    """A value for people."""
    if value is None:
        return ""
    if isinstance(value, Word):
        return value.zh if language == "zh" else value.en
    if isinstance(value, Record):
        return value.name
    if isinstance(value, list):
        between = "、" if language == "zh" else "; "
        return between.join(text(element, language) for element in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def plain(value: Any) -> Any:
    """A value of the ledger as JSON."""
    if isinstance(value, Record):
        return {"id": value.id, "name": value.name}
    if isinstance(value, Word):
        return value.name
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list):
        return [plain(element) for element in value]
    return value.isoformat() if isinstance(value, date) else value
