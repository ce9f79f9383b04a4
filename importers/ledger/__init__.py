"""Ledgers of devices (设备台账): CSV, TSV and XLSX tables as people keep them and asset tools export them.

What the columns mean is read from a mapping (option ``mapping``; see `importers.ledger.mapping` for
the file), or guessed from Chinese and English headers; `guess` gives that guess to look at, and its
`Mapping.yaml` writes it as a file that can be corrected and given back.

Read are comma, tab, semicolon and bar separated text in UTF-8, GB18030 (GBK), UTF-16 and Latin-1, and
XLSX workbooks. Titles above the header, repeated headers and sums below the table are left out. Old
XLS and ODS files are to be saved as XLSX.

Each row is a device, by its asset number, else its serial number, name, host name or address::

    (device)-[:CONTAINED_IN {rack_position}]->(rack)-[:CONTAINED_IN]->(room)-[:CONTAINED_IN]->(site)
    (device)-[:SUPPLIED_BY]->(supplier)      (person)-[:USES_DEVICE]->(device)
    device.organisation -> (department)-[:PART_OF]->(company)      device.custodian -> (person)

A value that cannot be used is a rejection that names row and column, and the row goes in without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import ClassVar

from pydantic import Field

from cmdb.reconciliation.observations import Item, Rejection
from importers.contract import Importer, Options
from importers.ledger import workbook as ledger_workbook
from importers.ledger.guess import guess_columns, header_score, type_of, type_table
from importers.ledger.guess import headers as headers_of
from importers.ledger.headers import plain
from importers.ledger.mapping import Column, Mapping, model, read_mapping, record_type
from importers.ledger.plan import states_of
from importers.ledger.rows import Interpreter
from importers.ledger.text import HEAD, Rows, text_rows
from importers.ledger.values import clean
from importers.reading import Document

SAMPLE = 10_000
"""Rows that `guess` looks at for the words of types and states."""
WORDS = 100


class LedgerOptions(Options):
    mapping: str = Field("", description="YAML file that says what the columns mean")
    type: str = Field("", description="record type of rows that do not say theirs: Server")
    organisation: str = Field("", description="whose the devices are where a row does not say it")
    site: str = Field("", description="where the devices are where a row does not say it")
    currency: str = Field("", pattern="^([A-Z]{3})?$", description="of amounts without one (CNY)")
    encoding: str = Field("", description="of a text ledger, where it is not found out")
    delimiter: str = Field(
        "", max_length=3, description="of a text ledger, where it is not found out (tab)"
    )
    sheet: str = Field("", description="the only sheet of a workbook that is read")


@dataclass(slots=True)
class Table:
    """A table in a document: where it stands, its header's columns, the rows below, their default type."""

    sheet: str
    place: str
    names: list[str]
    rows: Rows
    mapping: Mapping
    type: str


class Ledger(Importer[LedgerOptions]):
    name: ClassVar[str] = "ledger"
    title: ClassVar[str] = (
        "Device ledgers: CSV, TSV or XLSX with Chinese or English headers, or a mapping"
    )
    title_zh: ClassVar[str] = "设备台账：CSV、TSV 或 XLSX 表格，识别中英文表头，或按映射文件读取"
    precedence: ClassVar[int] = 70
    suffixes: ClassVar[Sequence[str]] = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm")
    options_type: ClassVar[type[Options]] = LedgerOptions

    def also_reads(self) -> Sequence[str]:
        return [self.options.mapping] if self.options.mapping else []

    def explain(self, documents: Sequence[Document]) -> str:
        """The mapping that was guessed, as a file to correct and give back."""
        if self.options.mapping:
            return ""
        return "\n".join(
            f"# {document.place}: guessed from its headers; save it, correct it, and give it with --option mapping=FILE\n{guess(document, self.options).yaml()}"
            for document in documents
        )

    def observe(self, documents: Sequence[Document]) -> Iterator[Item]:
        for document in documents:
            read = list(tables(document, self.options))
            yield from _missing(document, read)
            for found in read:
                if isinstance(found, Rejection):
                    yield found
                    continue
                interpreter = Interpreter(found.mapping, found.names, found.place, found.type)
                yield from interpreter.items(found.rows)


def _missing(document: Document, found: Sequence[Table | Rejection]) -> Iterator[Rejection]:
    """Columns that a mapping names and no table has: it may be for another ledger."""
    read = [table for table in found if isinstance(table, Table)]
    names = {name for table in read for name in table.names}
    if missing := [column for column in _named(read[0].mapping) if column not in names]:
        listed = ", ".join(map(repr, missing[:10]))
        yield Rejection(document.name, f"the mapping's columns {listed} are not in its header")


def guess(document: Document, options: LedgerOptions) -> Mapping:
    """What the columns of a document seem to mean, to be confirmed.

    The words of types and states among its first rows are listed with what is made of them, and
    with nothing where they mean nothing.

    Raises
    ------
    SourceError
        No table in it has a header that is understood.
    """
    found = [t for t in tables(document, options) if isinstance(t, Table)]
    merged = _merged(found)
    types = type_table(model())
    states = states_of(model().record_types["Hardware"])
    seen = _words(found, merged)
    type_words = {w: type_of(w, types) for w in seen.get(merged.type.column, ())}
    rule = merged.type.model_copy(update={"values": type_words | merged.type.values})
    columns = dict(merged.columns)
    for name, column in columns.items():
        if column.to == "lifecycle_state":
            said = {word: states.get(plain(word)) for word in seen.get(name, ())}
            columns[name] = column.model_copy(update={"values": said | column.values})
    return merged.model_copy(update={"type": rule, "columns": columns})


def tables(document: Document, options: LedgerOptions) -> Iterator[Table | Rejection]:
    """The tables of a document, each with the mapping for it.

    Raises
    ------
    SourceError
        It is no ledger, or has none that is understood.
    """
    given = read_mapping(options.mapping) if options.mapping else None
    if options.type:
        record_type(options.type, document)
    sheets = _sheets(document, options, given)
    understood = False
    unread: list[Rejection] = []
    for sheet, rows in sheets:
        place = f"{document.name} sheet {sheet}" if len(sheets) > 1 else document.name
        table = _table(sheet, place, rows, options, given)
        if table is None:
            unread.append(Rejection(place, "no header in it is understood, so it was not read"))
            continue
        understood = True
        yield table
    if not understood:
        raise document.error(
            "has no header of a device ledger that is understood",
            "Say with the option mapping what its columns mean.",
        )
    yield from unread


def _sheets(
    document: Document, options: LedgerOptions, given: Mapping | None
) -> list[tuple[str, Rows]]:
    head = next(document.chunks(8), b"")
    if head.startswith(ledger_workbook.MAGIC):
        return ledger_workbook.sheets(document, options.sheet or (given.sheet if given else ""))
    if head.startswith(ledger_workbook.OLD):
        raise document.error(
            "is an old or protected Excel file", "Save it as XLSX without a password."
        )
    score = _score(given)
    delimiter = {"tab": "\t", "\\t": "\t"}.get(options.delimiter, options.delimiter)
    return [("", text_rows(document, options.encoding, delimiter[:1], score))]


def _named(mapping: Mapping) -> list[str]:
    return [*mapping.columns, *filter(None, [mapping.type.column])]


def _score(given: Mapping | None) -> Callable[[Sequence[str]], int]:
    """How much a row looks like the header: by the columns a mapping names, else by known words."""
    if given is None:
        return header_score
    wanted = set(_named(given))
    return lambda row: len(wanted.intersection(headers_of(row))) if len(row) <= 2000 else 0


def _table(
    sheet: str, place: str, rows: Rows, options: LedgerOptions, given: Mapping | None
) -> Table | None:
    head = list(islice(rows, HEAD))
    scored = [(_score(given)(row or ()), number, row or []) for number, row in head]
    if given and given.header:
        scored = [found for found in scored if found[1] == given.header]
    best, number, row = max(scored, key=lambda found: (found[0], -found[1]), default=(0, 0, []))
    if not best:
        return None
    names = headers_of(row)
    while names and not names[-1]:
        names.pop()
    mapping = _with_options(given or guess_columns(names), options)
    below = chain([found for found in head if found[0] > number], rows)
    return Table(sheet, place, names, below, mapping, _default_type(sheet, mapping, options))


def _with_options(mapping: Mapping, options: LedgerOptions) -> Mapping:
    said = {"organisation": options.organisation, "site": options.site}
    constants = mapping.constants | {name: text for name, text in said.items() if text}
    currency = options.currency or mapping.currency
    return mapping.model_copy(update={"constants": constants, "currency": currency})


def _default_type(sheet: str, mapping: Mapping, options: LedgerOptions) -> str:
    """The type of a table's rows that do not say theirs: their sheet may be called after it."""
    by_sheet = mapping.type.sheets.get(sheet) if sheet else None
    return (
        by_sheet
        or options.type
        or mapping.type.default
        or (sheet and type_of(sheet, type_table(model())))
        or ""
    )


# -- guessing -------------------------------------------------------------------------------------


def _merged(found: Sequence[Table]) -> Mapping:
    """One mapping for all tables of a document; what one has and another has not does no harm."""
    columns: dict[str, Column] = {}
    ignored: dict[str, None] = {}
    sheets: dict[str, str | None] = {}
    type_column = next((t.mapping.type.column for t in found if t.mapping.type.column), "")
    for table in found:
        columns = table.mapping.columns | columns
        ignored |= dict.fromkeys(table.mapping.ignored)
        if table.sheet and table.type:
            sheets[table.sheet] = table.type
    first = found[0].mapping
    default = first.type.default or (found[0].type if not found[0].sheet else "")
    said = {"column": type_column, "sheets": sheets, "default": default}
    rule = first.type.model_copy(update=said)
    left = tuple(name for name in ignored if name not in columns)
    return first.model_copy(update={"type": rule, "columns": columns, "ignored": left})


def _words(found: Sequence[Table], mapping: Mapping) -> dict[str, list[str]]:
    """Different words in the columns of types and states."""
    wanted = {n for n, c in mapping.columns.items() if c.to == "lifecycle_state"} | {
        mapping.type.column
    }
    seen: dict[str, dict[str, None]] = {name: {} for name in wanted if name}
    for table in found:
        places = [(i, seen[name]) for i, name in enumerate(table.names) if name in seen]
        for _, row in islice(table.rows, SAMPLE):
            for index, values in places:
                text = clean(row[index]) if row and index < len(row) else ""
                if text and len(values) < WORDS and len(text) <= 40:
                    values[text] = None
    return {name: list(values) for name, values in seen.items()}
