"""A row of the ledger: one device, and what is told of it beside its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any, Final

from cmdb.records import Record
from lifecycle.effects import IN_TRANSIT_TO
from schema.model import Model

LEVELS: Final = ("Site", "Building", "Floor", "Room", "Rack")
"""Places that have a column of their own, each in one of those before."""


class Fact(Enum):
    """What can be read of a row, beside its relationships by name."""

    ORGANISATION = 1
    CUSTODIAN = 2
    PLACE = 3


@dataclass(slots=True)
class Row:
    """One device in the ledger.

    Attributes
    ----------
    owner, above
        Its organisation and the one above that.
    custodian, custodian_owner, custodian_above
        Who answers for it, that person's organisation, and the one above that.
    places
        Where it stands, the innermost first.
    within
        The attributes of its standing there: rack position, slot.
    linked
        Relationship or inverse name -> the records at the other ends, in order of id.
    """

    record: Record
    model: Model
    owner: Record | None = None
    above: Record | None = None
    custodian: Record | None = None
    custodian_owner: Record | None = None
    custodian_above: Record | None = None
    places: Sequence[Record] = ()
    within: Mapping[str, Any] = field(default_factory=dict)
    linked: Mapping[str, list[Record]] = field(default_factory=dict)

    @property
    def company(self) -> Record | None:
        """The organisation, or the one its department is part of."""
        return self.above if _is_department(self.owner) else self.owner

    @property
    def department(self) -> Record | None:
        return self.owner if _is_department(self.owner) else None

    @property
    def custodian_organisation(self) -> str | None:
        """The custodian's organisation where it is another than the device's."""
        own = self.custodian_owner
        if own is None or (self.owner is not None and own.id == self.owner.id):
            return None
        if _is_department(own) and self.custodian_above is not None:
            return f"{self.custodian_above.name}/{own.name}"
        return own.name

    def custodian_value(self, name: str) -> Any:
        return self.custodian.attributes.get(name) if self.custodian else None

    @property
    def contract(self) -> Record | None:
        """Of several the one that runs longest, but of maintenance before others."""
        return max(
            self.linked.get("COVERED_BY", ()),
            key=lambda c: (
                c.type == "MaintenanceContract",
                c.attributes.get("valid_until") or date.min,
                c.id,
            ),
            default=None,
        )

    @property
    def in_transit_to(self) -> Record | None:
        return next(iter(self.linked.get(IN_TRANSIT_TO, ())), None)

    def contract_value(self, name: str) -> Any:
        return self.contract.attributes.get(name) if self.contract else None

    @property
    def position(self) -> int | None:
        return self.within.get("rack_position") if self.level("Rack") else None

    @property
    def slot(self) -> str | None:
        return self.within.get("slot") if self._levels() else None

    @property
    def place(self) -> str | None:
        """Where it stands, the outermost first, with the position."""
        parts = [place.name for place in reversed(self.places)]
        if (unit := self.within.get("rack_position")) is not None:
            parts.append(f"U{unit}")
        if slot := self.within.get("slot"):
            parts.append(str(slot))
        return " / ".join(parts) or None

    def level(self, type_: str) -> Record | None:
        """The place of a type, as far as the places from the device on are of such types."""
        return self._levels().get(type_)

    def _levels(self) -> dict[str, Record]:
        found: dict[str, Record] = {}
        lowest = len(LEVELS)
        for place in self.places:
            level = LEVELS.index(place.type) if place.type in LEVELS else lowest
            if level >= lowest:
                break
            found[place.type] = place
            lowest = level
        return found


def _is_department(organisation: Record | None) -> bool:
    return organisation is not None and organisation.type == "Department"
