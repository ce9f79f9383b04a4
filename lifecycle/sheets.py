"""Tables as files: XLSX and CSV, row by row, so that memory does not grow with the number of rows.

What operators wrote into their records never becomes a formula: in a workbook every text is a text cell, and
in CSV what begins like a formula gets an apostrophe in front, which spreadsheets show as text and the
ledger importer takes away again. Control characters are replaced.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from cmdb.errors import QueryError

SHEET_ROWS: Final = 1_000_000
"""Rows of one sheet; a workbook's sheet ends at 1,048,576."""
DIGITS: Final = 15
"""What a number in a workbook keeps."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
_FORMULA: Final = ("=", "+", "-", "@")
_TAKEN_AWAY: Final = ("'", '="')
"""How a text begins of which the importer would take something away."""

Cells = Sequence[Any]
"""Numbers, dates, texts; None for an empty cell."""


def write(path: Path, title: str, headings: Sequence[str], rows: Iterable[Cells]) -> int:
    """Write a table; gives the number of rows. The file is there when it is whole.

    Parameters
    ----------
    title
        Of a workbook's sheet.

    Raises
    ------
    QueryError
        Its name ends in neither .xlsx nor .csv.
    OSError
    """
    kind = format_of(path)
    part = path.with_name(f".{path.name}.part.{kind}")
    try:
        if kind == "csv":
            count = _csv(part, headings, rows)
        else:
            count = _workbook(part, title, headings, rows)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def format_of(path: Path) -> str:
    """``xlsx`` or ``csv``, by the end of a file's name.

    Raises
    ------
    QueryError
    """
    suffix = path.suffix.lower()
    if suffix not in (".xlsx", ".csv"):
        raise QueryError(f"{path.name} is neither XLSX nor CSV.", "End its name in .xlsx or .csv.")
    return suffix.removeprefix(".")


def _harmless(rows: Iterable[Cells]) -> Iterator[list[Any]]:
    for cells in rows:
        yield [
            _CONTROL.sub("\N{REPLACEMENT CHARACTER}", cell.strip())
            if isinstance(cell, str)
            else cell
            for cell in cells
        ]


def _csv(path: Path, headings: Sequence[str], rows: Iterable[Cells]) -> int:
    count = 0
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(headings)
        for cells in _harmless(rows):
            writer.writerow([csv_cell(cell) for cell in cells])
            count += 1
    return count


def csv_cell(cell: Any) -> str:
    """A value in CSV: never a formula."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        risky = cell.startswith((*_FORMULA, *_TAKEN_AWAY))
        return f"'{cell}" if risky else cell
    return f"{cell:f}" if isinstance(cell, Decimal) else str(cell)


def _workbook(path: Path, title: str, headings: Sequence[str], rows: Iterable[Cells]) -> int:
    import xlsxwriter

    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_numbers": False,
        "strings_to_urls": False,
    }
    count, at, sheet = 0, SHEET_ROWS, None
    with xlsxwriter.Workbook(str(path), options) as book:
        bold = book.add_format({"bold": True, "bg_color": "#E8EDF3", "border": 1})
        formats = {
            "date": book.add_format({"num_format": "yyyy-mm-dd"}),
            "text": book.add_format({"quote_prefix": True}),
        }
        for cells in _harmless(rows):
            if at >= SHEET_ROWS or sheet is None:
                sheet, at = _sheet(book, title, headings, bold), 1
            for index, cell in enumerate(cells):
                _put(sheet, at, index, cell, formats)
            at, count = at + 1, count + 1
        if sheet is None:
            _sheet(book, title, headings, bold)
    return count


def _sheet(book: Any, title: str, headings: Sequence[str], bold: Any) -> Any:
    number = len(book.worksheets()) + 1
    sheet = book.add_worksheet(title if number == 1 else f"{title} {number}")
    sheet.freeze_panes(1, 0)
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.set_column(0, len(headings) - 1, 16)
    for index, heading in enumerate(headings):
        sheet.write_string(0, index, heading, bold)
    return sheet


def _put(sheet: Any, row: int, column: int, cell: Any, formats: dict[str, Any]) -> None:
    if cell is None or cell == "":
        return
    if isinstance(cell, date):
        if cell.year >= 1900:
            sheet.write_datetime(row, column, cell, formats["date"])
            return
        cell = cell.isoformat()
    if isinstance(cell, int | float | Decimal):
        if len(Decimal(str(cell)).as_tuple().digits) <= DIGITS:
            sheet.write_number(row, column, cell)
            return
        cell = f"{cell:f}" if isinstance(cell, Decimal) else str(cell)
    kept = f"'{cell}" if cell.startswith(_TAKEN_AWAY) else cell
    sheet.write_string(row, column, kept, formats["text"] if cell.startswith(_FORMULA) else None)
