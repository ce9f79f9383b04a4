"""Numbers read off devices: which device each means, and what is wrong with finding it there."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from cmdb.queries import SEARCH_WORDS, Query
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.counting import COUNTED_TYPES, MISSING, Scope, counted, expected_state

NUMBERS: Final = ("asset_number", "serial_number")
LONGEST: Final = 200
"""Characters of a number; what is longer is none, and cut off."""


class Read(NamedTuple):
    """One number that was read off a device.

    Attributes
    ----------
    place
        Id of the place where it was read; that of the count if None.
    """

    number: str
    place: str | None = None


def cleaned(number: str) -> str:
    """A number without the spaces, widths and control characters that scanners add."""
    plain = unicodedata.normalize("NFKC", number)
    return "".join(c for c in plain if unicodedata.category(c)[0] != "C").strip()[:LONGEST]


def folded(number: str) -> str:
    """A number as it is compared: whatever its case."""
    return cleaned(number).upper()


def known(store: GraphStore, numbers: Mapping[str, Read]) -> dict[str, list[Record]]:
    """Devices by the folded numbers they go by.

    A statement for each attribute finds those in a usual spelling; what is left is searched for,
    one by one.
    """
    spellings = {s for n, r in numbers.items() for s in (n, n.lower(), cleaned(r.number))}
    found: defaultdict[str, dict[str, Record]] = defaultdict(dict)
    near = [r for a in NUMBERS if spellings for r in store.holders(a, spellings)]
    for record in near:
        _note(record, found, numbers)
    for number in numbers.keys() - found.keys():
        for type_ in COUNTED_TYPES if number.count(" ") < SEARCH_WORDS else ():
            for record in store.search(number, Query(type_)).records:
                _note(record, found, numbers)
    return {
        number: [r for r in records.values() if counted(store.model, r)]
        for number, records in found.items()
    }


def _note(
    record: Record, found: Mapping[str, dict[str, Record]], numbers: Mapping[str, Read]
) -> None:
    """Put a record under those of some numbers that it goes by."""
    for attribute in NUMBERS:
        number = folded(str(record.attributes.get(attribute, "")))
        if number in numbers:
            found[number][record.id] = record


def chosen(found: Sequence[Record], scope: Scope) -> Record | None:
    """The device a number means; None where there is none, or several and not just one in the scope."""
    if len(found) == 1:
        return found[0]
    here = [record for record in found if scope.holds(record)]
    return here[0] if len(here) == 1 else None


def misplacement(record: Record, place: str | None, scope: Scope) -> list[str]:
    """What is wrong with finding a device here."""
    at = place or scope.place
    why = []
    if at is not None and not scope.stands_in(record.id, at):
        why.append("place")
    if not scope.belongs(record):
        why.append("organisation")
    if not expected_state(record):
        why.append("state")
    return why


def same_reading(details: Mapping[str, Any], read: Mapping[str, Any]) -> bool:
    """Whether an item says already what was read now, or was settled since."""
    if details.get("settled") and details["result"] != MISSING:
        return True
    return all(details.get(n) == read.get(n) for n in ("result", "why", "place"))
