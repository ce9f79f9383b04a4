"""Which types can be one thing: one is the other's ancestor, they share a concrete ancestor (a switch and
a router are both network devices), or one is provisional and may become the other."""

from __future__ import annotations

from dataclasses import dataclass, field

from schema.model import Model, RecordType


@dataclass
class Family:
    """Which types a type can be one thing with, by a model."""

    model: Model
    _known: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def common(self, said: str, there: str) -> str | None:
        """The type of a record of type ``there`` that is said to be a ``said``; None if it cannot be."""
        key = (said, there)
        if key not in self._known:
            self._known[key] = self._common(said, there)
        return self._known[key]

    def _common(self, said: str, there: str) -> str | None:
        types = self.model.record_types
        new, old = types[said], types[there]
        if said == there or said in old.ancestors:
            return there
        if there in new.ancestors:
            return said
        if self._becomes(old, new):
            return said
        if self._becomes(new, old):
            return there
        shared = [n for n in new.ancestors if n in old.ancestors and not types[n].abstract]
        return there if shared else None

    def _becomes(self, provisional: RecordType, other: RecordType) -> bool:
        return any(name in other.ancestors for name in provisional.becomes)
