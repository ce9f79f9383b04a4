"""Blade enclosures of HPE by CPQRACK-MIB, as their Onboard Administrator tells it.

(enclosure)-[:CONTAINS {slot}]->(blade) and its interconnect switches; power supplies are parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cmdb.reconciliation.observations import Link, Observation
from importers.device_types import fitting
from importers.snmp.mibs import BLADE, ENCLOSURE, ENCLOSURE_POWER, ENCLOSURE_SWITCH
from importers.snmp.parts import value
from importers.snmp.walks import Row, Walk
from importers.values import said, split_hostname

_PRESENT: Final = 3
_SAN_WORDS: Final = ("san switch", "brocade", "fibre channel", "fc switch")


def enclosure(walk: Walk) -> dict[str, Any]:
    """Attributes of the first enclosure."""
    for row in walk.table(ENCLOSURE).values():
        return said(
            name=value(row, "cpqRackCommonEnclosureName").text,
            serial_number=_known(row, "cpqRackCommonEnclosureSerialNum"),
            vendor="HPE",
            model=_known(row, "cpqRackCommonEnclosureModel"),
            part_number=_known(row, "cpqRackCommonEnclosurePartNumber"),
            firmware_version=_known(row, "cpqRackCommonEnclosureFWRev"),
        )
    return {}


def contents(walk: Walk) -> Iterator[Link]:
    """Links to what is in the enclosure; empty bays are listed too, and left out."""
    yield from _contained(walk, _blades(walk))
    yield from _contained(walk, _switches(walk))
    for index, row in walk.table(ENCLOSURE_POWER).items():
        if value(row, "cpqRackPowerSupplyPresent").integer == _PRESENT:
            position = _known(row, "cpqRackPowerSupplyPosition") or index
            attributes = said(
                name=f"Power supply {position}",
                slot=position,
                serial_number=_known(row, "cpqRackPowerSupplySerialNum"),
                part_number=_known(row, "cpqRackPowerSupplyPartNumber"),
                vendor="HPE",
            )
            yield Link("HAS_COMPONENT", Observation("PowerSupply", attributes=attributes))


def _contained(walk: Walk, found: Iterator[tuple[str, str, dict[str, Any]]]) -> Iterator[Link]:
    """Those with a serial number: without one nothing tells a blade from another."""
    for type_, slot, attributes in found:
        if serial_number := attributes.get("serial_number"):
            key = f"serial/{serial_number}"
            thing = Observation(type_, key, fitting(type_, attributes))
            yield Link("CONTAINS", thing, said(slot=slot))


def _blades(walk: Walk) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for row in walk.table(BLADE).values():
        if value(row, "cpqRackServerBladePresent").integer == _PRESENT:
            attributes = said(
                **split_hostname(_known(row, "cpqRackServerBladeName")),
                serial_number=_known(row, "cpqRackServerBladeSerialNum"),
                vendor="HPE",
                model=_known(row, "cpqRackServerBladeProductId"),
                part_number=_known(row, "cpqRackServerBladePartNumber"),
            )
            yield "BladeServer", value(row, "cpqRackServerBladePosition").text, attributes


def _switches(walk: Walk) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for row in walk.table(ENCLOSURE_SWITCH).values():
        if value(row, "cpqRackNetConnectorPresent").integer == _PRESENT:
            model = _known(row, "cpqRackNetConnectorModel") or ""
            storage = any(word in model.lower() for word in _SAN_WORDS)
            attributes = said(
                name=model,
                serial_number=_known(row, "cpqRackNetConnectorSerialNum"),
                vendor="HPE",
                model=model,
                part_number=_known(row, "cpqRackNetConnectorPartNumber"),
            )
            type_ = "FibreChannelSwitch" if storage else "Switch"
            yield type_, value(row, "cpqRackNetConnectorPosition").text, attributes


def _known(row: Row, column: str) -> str | None:
    text = value(row, column).text
    return text[:200] if text and text.lower() != "unknown" and text.isprintable() else None
