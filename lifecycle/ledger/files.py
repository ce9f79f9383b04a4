"""The ledger as a file (`lifecycle.sheets`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from lifecycle import sheets
from lifecycle.ledger.columns import Column
from lifecycle.ledger.getters import text
from lifecycle.ledger.rows import Row


def write(
    path: Path, columns: Sequence[Column], pages: Iterable[Sequence[Row]], language: str
) -> int:
    """Write a ledger; gives the number of devices. The file is there when it is whole.

    Raises
    ------
    QueryError
    OSError
    """
    title = "设备台账" if language == "zh" else "Device ledger"
    headings = [column.zh if language == "zh" else column.en for column in columns]
    return sheets.write(path, title, headings, _cells(columns, pages, language))


def _cells(
    columns: Sequence[Column], pages: Iterable[Sequence[Row]], language: str
) -> Iterator[list[Any]]:
    """Rows of numbers, dates and texts."""
    for page in pages:
        for row in page:
            yield [_cell(column.get(row), language) for column in columns]


def _cell(value: Any, language: str) -> Any:
    if value is None or (isinstance(value, int | float | Decimal) and not isinstance(value, bool)):
        return value
    return value if type(value) is date else text(value, language)
