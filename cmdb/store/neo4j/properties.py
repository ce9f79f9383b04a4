"""Attribute values as Neo4j properties and back.

Dates and instants are native temporal values, so that Cypher written by hand can reckon with them.
Durations are seconds, money is ``"CNY 1234.50"``, JSON is its text: properties cannot hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any, Final

import orjson

from cmdb.errors import StoreDamagedError
from cmdb.records import Record, Relationship, RelationshipKey
from cmdb.steps import ParsedStep
from schema.model import Model

IMAGE: Final = "_RecordImage"
OWN: Final = ("_owner", "_number")
"""What a live node has beside its attributes: its owner and, of an organisation, its number."""
_NOT_ATTRIBUTES: Final = ("id", "type", "revision", "until", "source", "target", *OWN)

_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "date": lambda value: value.to_native(),
    "datetime": lambda value: value.to_native().astimezone(UTC),
    "json": orjson.loads,
}
_WRITERS: Final[dict[str, Callable[[Any], Any]]] = {
    "duration": lambda value: value.total_seconds(),
    "money": str,
    "json": lambda value: orjson.dumps(value).decode(),
}


class Properties:
    """Translates attributes of one model."""

    def __init__(self, model: Model) -> None:
        self._write: dict[str, Callable[[Any], Any]] = {}
        self._read: dict[str, Callable[[Any], Any]] = {}
        for name, attribute in model.attributes.items():
            kind = attribute.kind
            write = _WRITERS.get(kind.name)
            read = _READERS.get(kind.name, None if kind.plain else kind.from_json)
            if write is not None:
                self._write[name] = _each(write) if attribute.many else write
            if read is not None:
                self._read[name] = _each(read) if attribute.many else read
        concrete = [t for t in model.record_types.values() if not t.abstract]
        self._types = {frozenset(t.ancestors): t.name for t in concrete}
        self._labelled: dict[str, str] = {}
        self._depths = {t.name: len(t.ancestors) for t in concrete}

    def to_properties(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        properties = dict(attributes)
        for name in self._write.keys() & properties.keys():
            properties[name] = self._write[name](properties[name])
        return properties

    def to_property(self, name: str, value: Any) -> Any:
        return self._write[name](value) if name in self._write else value

    def to_attributes(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        attributes = dict(properties)
        for name in _NOT_ATTRIBUTES:
            attributes.pop(name, None)
        return self._converted(attributes, properties.get("id", "a relationship"))

    def _converted(self, attributes: dict[str, Any], of: str) -> dict[str, Any]:
        for name in self._read.keys() & attributes.keys():
            try:
                attributes[name] = self._read[name](attributes[name])
            except (ValueError, TypeError, AttributeError) as error:
                raise StoreDamagedError(
                    f"The {name} of {of} is nothing that this product has written: {error}.",
                    "Correct the property in the database, or restore it from a dump or a backup.",
                ) from None
        return attributes

    def reader(self, attributes: Sequence[str] | None) -> Callable[[Sequence[Any]], Record]:
        """How records are read of which all is asked (`record`), or [labels, [id, revision, attribute, …]]."""
        if attributes is None:
            return self.record
        plain, types = self._read.keys().isdisjoint(attributes), self._labelled

        def read(element: Sequence[Any]) -> Record:
            labels, values = element
            id, revision = values[0], values[1]
            if id is None or revision is None:
                raise _foreign(labels)
            said = dict(zip(attributes, values[2:], strict=True))
            if None in values:
                said = {name: value for name, value in said.items() if value is not None}
            if not plain:
                said = self._converted(said, id)
            key = "".join(labels)
            if (type_ := types.get(key)) is None:
                type_ = types[key] = self.type_of(frozenset(labels))
            return Record(id, type_, revision, said)

        return read

    def link(self, step: ParsedStep) -> Callable[[str, str, Any], Relationship]:
        """How the relationships of a step are read: from the ids of the record that it starts from, of
        that it leads to, and what was asked of the relationship (`Compiler.page`)."""
        out, type_, attributes = step.direction == "out", step.type, step.attributes

        def read(of: str, id: str, said: Any) -> Relationship:
            source, target = (of, id) if out else (id, of)
            if attributes is not None:
                said = dict(zip(("revision", *attributes), said, strict=True))
            return self.relationship(RelationshipKey(source, type_, target), said)

        return read

    def relationship(self, key: RelationshipKey, properties: Mapping[str, Any]) -> Relationship:
        """A relationship from its properties; null stands for none.

        Raises
        ------
        StoreDamagedError
            Something else wrote it: it has no revision.
        """
        if properties.get("revision") is None:
            raise StoreDamagedError(
                f"The relationship {key} was not written by this product.",
                "`cmdb check` finds such relationships; delete them.",
            )
        said = {name: value for name, value in properties.items() if value is not None}
        return Relationship(*key, properties["revision"], self.to_attributes(said))

    def record(self, element: Sequence[Any]) -> Record:
        """The record of a live node or of an image.

        Parameters
        ----------
        element
            Its labels and its properties (`statements.record`).

        Raises
        ------
        StoreDamagedError
            Something else wrote this node: it has no id or no revision.
        """
        labels, properties = element
        if "id" not in properties or "revision" not in properties:
            raise _foreign(labels)
        type_ = properties["type"] if IMAGE in labels else self.type_of(frozenset(labels))
        attributes = self.to_attributes(properties)
        return Record(properties["id"], type_, properties["revision"], attributes)

    def type_of(self, labels: frozenset[str]) -> str:
        """The record type of a node's labels: the most specific one that the model knows."""
        found = self._types.get(labels)
        if found is None:
            known = [label for label in labels if label in self._depths]
            found = max(known, key=lambda label: self._depths[label], default="Record")
        return found


def _foreign(labels: Iterable[str]) -> StoreDamagedError:
    return StoreDamagedError(
        f"A node labelled {', '.join(sorted(labels))} was not written by this product.",
        "`cmdb check` finds such nodes; delete them, or take their labels off.",
    )


def _each(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda values: [function(value) for value in values]
