"""Lists of devices: a column of numbers, and columns of what else is said of each.

    asset number, rack, U position, custodian        资产编号,机柜,U位,责任人
    ZC-2024-0602, A301-R03, 30, 李明                  ZC-2024-0602,A301-R03,30,李明

A list of one column needs no header. Headers are those of ledgers, or names of inputs as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from importers.ledger import headers as words
from importers.ledger import workbook
from importers.ledger.guess import headers as headers_of
from importers.ledger.text import HEAD, Rows, text_rows
from importers.reading import Document

NUMBERS: Final = ("asset_number", "serial_number", "name")
"""What a device is meant by, the most telling column first."""
DETAILS: Final = {
    "rack": "place",
    "room": "place",
    "rack_position": "rack_position",
    "slot": "slot",
    "custodian": "to_custodian",
    "serial_number": "serial_read",
    "maintenance_contract": "contract",
}
"""What a ledger's column means for an order, the most telling column of a detail first."""
OTHERS: Final = {
    "id": ("id", "编号", "number", "no", "设备", "deviceid"),
    "place": ("place", "存放地点", "新位置", "目标位置"),
    "custodian": ("tocustodian", "接收责任人", "接收人"),
    "purpose": ("purpose", "用途", "新用途"),
}
"""What only a list for an order has: name -> headers in plain form."""
_POSITION: Final = re.compile(r"[Uu]?\s*(\d+)(?:\s*[-~–至]\s*[Uu]?\s*\d+)?\s*[Uu]?")


class Row(NamedTuple):
    """One device of a list, what is said of it, and where that stands."""

    number: str
    details: Mapping[str, str]
    place: str


def rows_of(document: Document) -> Iterator[Row]:
    """The devices of a list, in order.

    Raises
    ------
    SourceError
        It is no list, has no column of numbers, or a row without one.
    """
    if document.name.lower().endswith(".xls"):
        raise document.error("is an old Excel file", "Save it as XLSX.")
    found = False
    for row in _all(document):
        found = True
        yield row
    if not found:
        raise document.error("names no device", "Give one number a line.")


def _all(document: Document) -> Iterator[Row]:
    head = next(document.chunks(8), b"")
    if head.startswith(workbook.MAGIC):
        for name, rows in workbook.sheets(document):
            yield from _table(document, f"sheet {name} row", rows)
        return
    if head.startswith(workbook.OLD):
        raise document.error("is an old or protected Excel file", "Save it as XLSX.")
    yield from _table(document, "line", text_rows(document, "", "", _score))


def _score(row: Sequence[str]) -> int:
    return len(_columns(row))


def _table(document: Document, what: str, rows: Rows) -> Iterator[Row]:
    top = list(islice(rows, HEAD))
    filled = [(n, [c.strip() for c in row]) for n, row in top if row and any(map(str.strip, row))]
    if not filled:
        return
    number, header = max(filled, key=lambda f: (_score(f[1]), -f[0]))
    columns = _columns(header)
    if columns and not {*columns.values()} & {"id", *NUMBERS}:
        raise document.error(
            "has no column of numbers", "One must be an asset number, serial number, name or id."
        )
    if not columns:
        if max(len([c for c in row if c]) for _, row in filled) > 1:
            raise document.error(
                "has no header that is understood", "Name its columns: asset number, place, …"
            )
        number, columns = 0, {0: "id"}
    yield from _below(document, what, columns, ((n, r) for n, r in top if n > number))
    yield from _below(document, what, columns, rows)


def _below(document: Document, what: str, columns: Mapping[int, str], rows: Rows) -> Iterator[Row]:
    keys = [at for name in ("id", *NUMBERS) for at, c in columns.items() if c == name]
    for number, row in rows:
        if row is None:
            raise document.error(f"cannot be read at {what} {number}", "Correct that row.")
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        said = {columns[at]: c for at, c in enumerate(cells) if at in columns and c}
        key = next((at for at in keys if at < len(cells) and cells[at]), None)
        if key is None:
            raise document.error(f"has no number at {what} {number}", "Give one, or leave it out.")
        yield Row(cells[key], _details(said, columns[key]), f"{what} {number}")


def _details(said: Mapping[str, str], key: str) -> dict[str, str]:
    """Details by the names that orders have for them."""
    found: dict[str, str] = {}
    for name in (*(n for n in DETAILS if n in said), *(n for n in said if n not in DETAILS)):
        if name not in (key, "id", "name", "asset_number"):
            found.setdefault(DETAILS.get(name, name), said[name])
    if position := _POSITION.fullmatch(found.get("rack_position", "")):
        found["rack_position"] = position[1]
    return found


def _columns(header: Sequence[str]) -> dict[int, str]:
    """Column -> what it means, of those that mean something."""
    targets = words.targets()
    wanted = [*NUMBERS, *DETAILS]
    found: dict[int, str] = {}
    for at, name in enumerate(headers_of(header)):
        forms = words.spellings(name)
        meant = next((t for t, names in OTHERS.items() if any(map(names.__contains__, forms))), "")
        meant = meant or next((t for t in wanted if any(f in targets[t] for f in forms)), "")
        plainly = name.strip().lower()
        if not meant and plainly.isascii() and "_" in plainly and plainly.isidentifier():
            meant = plainly
        if meant and (meant not in found.values() or meant not in ("id", *NUMBERS)):
            found[at] = meant
    return found
