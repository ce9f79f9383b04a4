"""XLSX workbooks as rows of text, without being harmed by them.

A workbook is a zip archive of XML, and its reader lays every sheet out in full: a small file can
stand for a sheet, or for texts, without measure. So the archive is gone through in pieces first, and
refused where it unpacks to too much, where a sheet stretches too far, or where shared texts repeat
too often.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from cmdb.reconciliation.observations import SourceError
from importers.ledger.text import Rows
from importers.reading import SIZE_LIMIT, Document

MAGIC: Final = b"PK\x03\x04"
OLD: Final = b"\xd0\xcf\x11\xe0"
RATIO_LIMIT: Final = 200
"""Most bytes of an archive of more than `RATIO_FREE`, for one byte packed; workbooks have 5 to 50."""
RATIO_FREE: Final = 32 * 2**20
CELL_LIMIT: Final = 30_000_000
PIECE_LIMIT: Final = 4 * 2**20
EXACT_LIMIT: Final = 1e15
"""Excel keeps 15 digits: a larger number has lost some."""

_ROW: Final = re.compile(rb"<(?:\w+:)?row[\s/>]")
_CELL: Final = re.compile(rb"<(?:\w+:)?c(?: r=\"([A-Z]+)(\d+)\"|[\s/>])")
_COLUMNS: Final = re.compile(rb"\sr\s*=\s*[\"']\s*([A-Za-z]+)\d")
_NUMBERS: Final = re.compile(rb"\sr\s*=\s*[\"']\s*[A-Za-z]*(\d+)")
_SHARED: Final = re.compile(rb"\st\s*=\s*[\"']s[\"']")
_SHARED_AT: Final = re.compile(rb"\st\s*=\s*[\"']s[\"'][^<>]*>\s*<(?:\w+:)?v[^<>]*>\s*(\d+)")
_TEXT: Final = re.compile(rb"<(?:\w+:)?si[\s>]")


def sheets(document: Document, only: str = "") -> list[tuple[str, Rows]]:
    """The visible sheets that hold something, by name, merged cells filled downwards.

    Raises
    ------
    SourceError
        It is no XLSX workbook, is damaged or protected, or would unpack without measure.
    """
    content = document.read()
    _check_archive(document, content)
    try:
        return _sheets(document, content, only)
    except (SourceError, KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException:  # a panic of its reader is no Exception
        raise document.error("is no XLSX workbook that can be read") from None


def _sheets(document: Document, content: bytes, only: str) -> list[tuple[str, Rows]]:
    from python_calamine import CalamineSheet, SheetTypeEnum, SheetVisibleEnum, load_workbook

    workbook = load_workbook(io.BytesIO(content))
    names = [
        sheet.name
        for sheet in workbook.sheets_metadata
        if sheet.typ == SheetTypeEnum.WorkSheet
        and (sheet.name == only or (not only and sheet.visible == SheetVisibleEnum.Visible))
    ]
    if only and not names:
        raise document.error("has no sheet of the name asked for", "Check the option sheet.")
    found: list[tuple[str, CalamineSheet]] = [(n, workbook.get_sheet_by_name(n)) for n in names]
    return [(name, _rows(sheet)) for name, sheet in found if sheet.height]


def _rows(sheet: Any) -> Rows:
    merged = [r for r in sheet.merged_cell_ranges or () if r[1][0] > r[0][0]]
    if not merged:
        return ((n, list(map(_text, row))) for n, row in enumerate(sheet.iter_rows(), start=1))
    table = [list(map(_text, row)) for row in sheet.iter_rows()]
    budget = 2 * len(table) * (len(table[0]) if table else 0)
    for (top, left), (bottom, _) in merged:
        bottom = min(bottom, len(table) - 1)
        budget -= max(bottom - top, 0)
        if top < len(table) and left < len(table[top]) and budget > 0:
            for row in table[top + 1 : bottom + 1]:
                row[left] = row[left] or table[top][left]
    return enumerate(table, start=1)


def _text(value: Any) -> str:
    """A cell as people would type it; a number that has lost digits keeps its exponent."""
    if type(value) is str:
        return value
    if type(value) is bool:
        return "true" if value else "false"
    if isinstance(value, float):
        if value.is_integer():
            return str(int(value)) if abs(value) < EXACT_LIMIT else f"{value:.14E}"
        return f"{value:.15g}"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    return "" if isinstance(value, time | timedelta) and not value else str(value)


def _check_archive(document: Document, content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            names = {member.filename.lower() for member in members}
            if "xl/workbook.xml" not in names:
                raise document.error("is a zip archive, but no XLSX workbook", "Save it as XLSX.")
            if len(names) < len(members):
                raise document.error("is a workbook with two parts of one name")
            _check_size(document, members)
            _check_cells(document, archive, members)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError):
        raise document.error("is cut off or damaged") from None
    except (RuntimeError, NotImplementedError):
        raise document.error("is encrypted, or packed in a way no workbook is") from None


def _check_size(document: Document, members: list[zipfile.ZipInfo]) -> None:
    size = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if size > SIZE_LIMIT or (size > RATIO_FREE and size > RATIO_LIMIT * packed):
        raise document.error(f"unpacks to {size // 2**20} MiB, which no ledger needs")


def _check_cells(
    document: Document, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]
) -> None:
    """Add up what the reader would lay out: the area of each sheet, and the texts cells share."""
    lengths: list[int] = [0]
    shared: Counter[bytes] = Counter()
    unclear = 0
    for member in members:
        sheet, within = _Sheet(), False
        for piece in _pieces(archive, member):
            sheet.read(piece)
            if within or b"<si" in piece or b":si" in piece:
                carried, *texts = _TEXT.split(piece)
                lengths[-1] += len(carried) if within else 0
                lengths += map(len, texts)
                within = within or bool(texts)
            if b'"s"' in piece or b"'s'" in piece:
                shared.update(found := _SHARED_AT.findall(piece))
                unclear += len(_SHARED.findall(piece)) - len(found)
        if sheet.area > CELL_LIMIT:
            raise document.error("has a sheet that stretches over too many cells")
    size = sum(lengths[min(int(n[:9]) + 1, len(lengths) - 1)] * c for n, c in shared.items())
    if size + unclear * max(lengths) > 2 * SIZE_LIMIT:
        raise document.error("repeats its texts beyond measure")


class _Sheet:
    """The area a sheet takes, added up from pieces of its XML."""

    def __init__(self) -> None:
        self._far_row = self._far_column = 0
        # Cells may be without their place; then they stand one after the other.
        self._unplaced = False
        self._rows = self._in_row = self._longest = 0

    def read(self, piece: bytes) -> None:
        self._rows += piece.count(b"<row") + piece.count(b":row")
        places = set(_CELL.findall(piece))
        if (b"", b"") in places:
            self._read_closely(piece)
        else:
            self._in_row = 0
        self._reach({column for column, _ in places}, {row for _, row in places})

    def _read_closely(self, piece: bytes) -> None:
        """Cells without a place, or with one that is written in an unusual way."""
        self._unplaced = True
        self._reach(set(_COLUMNS.findall(piece)), set(_NUMBERS.findall(piece)))
        for number, row in enumerate(_ROW.split(piece)):
            self._in_row = len(_CELL.findall(row)) + (self._in_row if number == 0 else 0)
            self._longest = max(self._longest, self._in_row)

    def _reach(self, columns: set[bytes], rows: set[bytes]) -> None:
        self._far_column = max(self._far_column, *map(_column, {b"", *columns}))
        self._far_row = max(self._far_row, *(int(row[:12] or b"0") for row in {b"", *rows}))

    @property
    def area(self) -> int:
        if self._unplaced:
            return (self._far_row + self._rows) * (self._far_column + self._longest)
        return self._far_row * self._far_column


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters[:8].upper():
        number = number * 26 + letter - 64
    return number


def _pieces(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """A member, checked against its checksum, in pieces cut behind a row or text, or before a tag."""
    rest = b""
    with archive.open(member) as stream:
        while chunk := stream.read(2**20):
            rest += chunk
            cut = max(rest.rfind(b"<row"), rest.rfind(b"<si>"))
            if cut < 1 and len(rest) > PIECE_LIMIT:
                cut = rest.rfind(b"<")
                if cut < 1 and member.filename.lower().endswith(".xml"):
                    raise zipfile.BadZipFile("a text without end")
            if cut > 0:
                yield rest[:cut]
                rest = rest[cut:]
            elif len(rest) > PIECE_LIMIT:
                rest = b""
    yield rest
