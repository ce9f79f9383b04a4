"""Planning a change of the model in use: what is new, what goes, and what stored records forbid.

Additions always apply. A change that stored data could contradict is checked against that data, and
refused with the count and the first record it would make invalid. What history uses may not go
either: the past stays readable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cmdb.records import Record
from cmdb.store.base import GraphStore, Usage
from cmdb.violations import (
    Reference,
    invalid_attributes,
    invalid_references,
    invalid_relationships,
    references,
)
from schema.attributes import Attribute
from schema.model import Model, RecordType


class ModelChange(NamedTuple):
    """What applying a model would do.

    ``lines`` begin with ``+`` (new), ``-`` (gone) or ``~`` (changed); ``refusals`` say why it cannot
    be applied, each with a count and the first record concerned. ``revision`` is the store's
    revision it was checked at.
    """

    lines: list[str]
    refusals: list[str]
    revision: int


def plan_model_change(store: GraphStore, new: Model) -> ModelChange:
    """Compare a model with the store's, and with what is stored.

    Reads all records only where something became stricter.
    """
    old = store.model
    revision = store.last_revision().number
    if old.fingerprint == new.fingerprint:
        return ModelChange([], [], revision)
    lines = list(model_differences(old, new))
    refusals: list[str] = []
    if _takes_away(old, new):
        refusals += _still_used(store.type_usage(), old, new)
    if not refusals:
        refusals += _invalid_records(store, old, new)
        refusals += _invalid_relationships(store, old, new)
    return ModelChange(lines, refusals, revision)


def model_differences(old: Model, new: Model) -> Iterator[str]:
    """One line for each declaration that is new, gone or changed, and each attribute."""
    for section in ("record_types", "relationship_types", "state_machines"):
        before, after = getattr(old.declaration, section), getattr(new.declaration, section)
        what = section.replace("_", " ").removesuffix("s")
        for name in sorted(before.keys() | after.keys()):
            if name not in before:
                yield f"+ {what} {name}"
            elif name not in after:
                yield f"- {what} {name}"
            elif before[name] != after[name]:
                yield from _declaration_differences(what, name, before[name], after[name])


def _declaration_differences(what: str, name: str, before: object, after: object) -> Iterator[str]:
    for part in type(before).model_fields:  # type: ignore[attr-defined]
        was, now = getattr(before, part), getattr(after, part)
        if was == now:
            continue
        if not isinstance(was, Mapping) or not isinstance(now, Mapping):
            yield f"~ {what} {name}: {part} {_shown(was)} -> {_shown(now)}"
            continue
        single = {"attributes": "attribute", "states": "state", "transitions": "transition"}.get(
            part, part
        )
        for key in sorted(was.keys() | now.keys()):
            if key not in was:
                required = getattr(now[key], "required", False)
                yield f"{'~' if required else '+'} {what} {name}: {single} {key}{' (required)' if required else ''}"
            elif key not in now:
                yield f"- {what} {name}: {single} {key}"
            elif was[key] != now[key]:
                yield f"~ {what} {name}: {single} {key}"


def _shown(value: object) -> str:
    dump = getattr(value, "model_dump", None)
    return str(dump(exclude_defaults=True) if dump else value)


def _takes_away(old: Model, new: Model) -> bool:
    """Whether a type is gone, abstract or elsewhere, or an attribute gone or of another kind."""
    for before, after in (
        (old.record_types, new.record_types),
        (old.relationship_types, new.relationship_types),
    ):
        for name, was in before.items():
            now = after.get(name)
            if now is None or getattr(was, "ancestors", ()) != getattr(now, "ancestors", ()):
                return True
            if getattr(now, "abstract", False) and not getattr(was, "abstract", False):
                return True
            for attribute, had in was.attributes.items():
                has = now.attributes.get(attribute)
                if has is None or (has.kind.name, has.many) != (had.kind.name, had.many):
                    return True
    return False


def _still_used(usage: Usage, old: Model, new: Model) -> Iterator[str]:
    """Types and attributes that stored data, images included, still needs as they were."""
    counts = {**usage.records, **usage.relationships}
    for section in ("record_types", "relationship_types"):
        before, after = getattr(old, section), getattr(new, section)
        used = (
            usage.record_attributes if section == "record_types" else usage.relationship_attributes
        )
        for name, count in sorted(counts.items()):
            if name in before and name not in after:
                yield f"{name} would be removed, and {count} of it are stored."
            elif name in before and getattr(after[name], "abstract", False):
                yield f"{name} would become abstract, and {count} of it are stored."
            elif (
                name in before
                and section == "record_types"
                and before[name].ancestors != after[name].ancestors
            ):
                yield f"{name} would move to another parent, and {count} of it are stored."
        for name, attributes in sorted(used.items()):
            if name not in after:
                continue
            for attribute in sorted(attributes):
                was, now = (
                    before[name].attributes.get(attribute),
                    after[name].attributes.get(attribute),
                )
                if now is None:
                    yield f"{attribute} of {name} would be removed, and records or their history hold values of it."
                elif was is not None and (was.kind.name, was.many) != (now.kind.name, now.many):
                    yield f"{attribute} of {name} would be {now.kind.name} instead of {was.kind.name}, and records or their history hold values of it."


def _stricter(old: Mapping[str, Attribute], new: Mapping[str, Attribute]) -> bool:
    """Whether a value that was valid, or none, may no longer be."""
    return any(
        attribute.required
        if name not in old
        else _constraints(old[name]) != _constraints(attribute)
        for name, attribute in new.items()
    )


def _constraints(attribute: Attribute) -> tuple[Any, ...]:
    a = attribute
    return (a.required, a.pattern, a.format, a.minimum, a.maximum, a.to, tuple(sorted(a.values)))


class _Tally:
    """Counts what is wrong, keeping the first example of each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def add(self, what: str, example: str) -> None:
        self.counts[what] += 1
        self.first.setdefault(what, example)

    def refusals(self) -> list[str]:
        return [
            f"{what}: {count}, the first is {self.first[what]}."
            for what, count in self.counts.items()
        ]


def _invalid_records(store: GraphStore, old: Model, new: Model) -> list[str]:
    concerned = {
        name
        for name, record_type in new.record_types.items()
        if name in old.record_types
        and (
            _stricter(old.record_types[name].attributes, record_type.attributes)
            or set(record_type.unique) - set(old.record_types[name].unique)
        )
    }
    if not concerned:
        return []
    tally = _Tally()
    holders: dict[tuple[object, ...], str] = {}
    named: dict[Reference, str] = {}
    types: dict[str, str] = {}
    for record in store.scan_records():
        types[record.id] = record.type
        if record.type in concerned:
            for reference in references(new.record_types[record.type], record.attributes):
                named.setdefault(reference, record.id)
            record_type = new.record_types[record.type]
            for what in invalid_attributes(record_type, record.attributes):
                tally.add(what, record.id)
            for what in _taken(record, record_type, old.record_types[record.type], holders):
                tally.add(what, record.id)
    for what, id in invalid_references(named, types, new):
        tally.add(what, id)
    return tally.refusals()


def _taken(
    record: Record, new: RecordType, old: RecordType, holders: dict[tuple[object, ...], str]
) -> Iterator[str]:
    for key in set(new.unique) - set(old.unique):
        values = tuple(record.attributes.get(name) for name in key.attributes)
        if None not in values and holders.setdefault((key, *values), record.id) != record.id:
            yield f"{key.record_type} with the same {' and '.join(key.attributes)} as another"


def _invalid_relationships(store: GraphStore, old: Model, new: Model) -> list[str]:
    concerned = [
        name
        for name, now in new.relationship_types.items()
        if (was := old.relationship_types.get(name))
        and (
            (now.one_source and not was.one_source)
            or (now.one_target and not was.one_target)
            or (now.acyclic and not was.acyclic)
            or was.sources - now.sources
            or was.targets - now.targets
            or _stricter(was.attributes, now.attributes)
        )
    ]
    if not concerned:
        return []
    tally = _Tally()
    types = {record.id: record.type for record in store.scan_records()}
    links = store.scan_relationships(types=concerned)
    for _, what, subject in invalid_relationships(links, new.relationship_types, types):
        tally.add(what, subject)
    return tally.refusals()
