"""What was scanned in stock-taking: numbers one a line, and spreadsheets with a column of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Final

from cli.words import find_record
from cmdb.store import GraphStore
from importers.ledger.text import Rows, text_rows
from importers.ledger.workbook import MAGIC, sheets
from importers.reading import Document, documents
from lifecycle.scanning import Read

HEADERS: Final[dict[str, frozenset[str]]] = {
    "number": frozenset(
        {"asset_number", "serial_number", "asset number", "serial number", "number", "sn"}
        | {"资产编号", "序列号", "编号", "条码"}
    ),
    "place": frozenset({"place", "location", "存放地点", "地点", "位置", "机房"}),
}
"""What the columns of a spreadsheet of scanned numbers may be called."""
HEADER_WITHIN: Final = 10
"""Rows among which a header is looked for."""


def reads(graph: GraphStore, files: list[str]) -> Iterator[Read]:
    """What was read, of files of numbers or spreadsheets with headers."""
    places: dict[str, str] = {}

    def place_id(text: str) -> str | None:
        if text and text not in places:
            places[text] = find_record(graph, text).id
        return places.get(text)

    for document in documents(files):
        for rows in _sheets(document):
            yield from _of_rows(rows, place_id)


def _sheets(document: Document) -> Iterator[Rows]:
    if document.read()[: len(MAGIC)] == MAGIC:
        yield from (rows for _, rows in sheets(document))
    else:
        yield text_rows(document, "", "", lambda row: sum(_column(cell) != "" for cell in row))


def _of_rows(rows: Rows, place_id: Callable[[str], str | None]) -> Iterator[Read]:
    """The numbers below a header, which a title may precede; without one, those of the first column."""
    stream = ([cell.strip() for cell in row] for _, row in rows if row and any(map(str.strip, row)))
    head = list(islice(stream, HEADER_WITHIN))
    columns: dict[str, list[int]] = {"number": [0], "place": []}
    for index, row in enumerate(head):
        named = [_column(cell) for cell in row]
        if "number" in named:
            columns = {n: [i for i, c in enumerate(named) if c == n] for n in HEADERS}
            head = head[index + 1 :]
            break
    for row in chain(head, stream):
        cells = dict(enumerate(row))
        number = next((cells[i] for i in columns["number"] if cells.get(i)), "")
        place = next((cells[i] for i in columns["place"] if cells.get(i)), "")
        if number:
            yield Read(number, place_id(place))


def _column(header: str) -> str:
    """What a column holds, by its header; empty for what does not matter."""
    word = header.strip().lower()
    return next((name for name, words in HEADERS.items() if word in words), "")
