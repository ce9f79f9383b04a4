"""The ledger as a file: nothing in it is a formula, its headings and words are read back, memory stays small."""

from __future__ import annotations

import csv
import tracemalloc
import zipfile
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from python_calamine import load_workbook

from cmdb.errors import QueryError
from cmdb.ids import new_id
from cmdb.records import Record
from importers.ledger.guess import guess_columns, type_of, type_table
from importers.ledger.headers import plain
from importers.ledger.plan import states_of
from importers.ledger.values import clean
from lifecycle.ledger import DEVICES
from lifecycle.ledger.columns import COLUMNS, chosen, exported
from lifecycle.ledger.files import write
from lifecycle.ledger.rows import Row
from schema.kinds import Money
from schema.loading import load_model
from schema.model import Model

HOSTILE = (
    "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", '="0012"', "'quoted", " =1+1", "\t=1+1", "\n@x", "http://evil.example/x",
    "mailto:a@b", "{=1+1}", "_x003D_1", "<b>&\"'", "00123", "1E+10", "合计",
)  # fmt: skip
"""What operators may have written; each must come back as it is, and be nothing but text."""
CONTROL = "a\x1b[31mb\rc\x0bd\u2028e"


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model([])


def row(model: Model, name: str, **attributes: object) -> Row:
    return Row(Record(new_id(), "Server", 2, {"name": name, **attributes}), model)


def read(path: Path) -> list[list[object]]:
    """The cells of a file, as a program reads them."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return [list(cells) for cells in csv.reader(stream)]
    sheets = load_workbook(str(path))
    return [list(cells) for cells in sheets.get_sheet_by_index(0).to_python()]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_nothing_that_operators_wrote_becomes_a_formula(
    tmp_path: Path, model: Model, kind: str
) -> None:
    path = tmp_path / f"ledger.{kind}"
    columns = chosen(model, DEVICES, ["name", "vendor"])
    pages = [[row(model, text, vendor=text) for text in HOSTILE]]
    assert write(path, columns, pages, "en") == len(HOSTILE)
    cells = [str(name) for name, _ in read(path)[1:]]
    if kind == "csv":
        assert not [c for c in cells if c.lstrip().startswith(("=", "+", "-", "@"))]
    else:
        with zipfile.ZipFile(path) as archive:
            sheet = archive.read("xl/worksheets/sheet1.xml").decode()
            assert not [n for n in archive.namelist() if "external" in n.lower()]
        assert "<f>" not in sheet
        assert "hyperlink" not in sheet
    # Spreadsheets take a leading apostrophe as a mark of text; so does the importer.
    assert [clean(cell) for cell in cells] == [text.strip() for text in HOSTILE]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_control_characters_are_replaced(tmp_path: Path, model: Model, kind: str) -> None:
    path = tmp_path / f"ledger.{kind}"
    write(path, chosen(model, DEVICES, ["name"]), [[row(model, CONTROL)]], "zh")
    lost = "\N{REPLACEMENT CHARACTER}"
    assert read(path) == [["设备名称"], [f"a{lost}[31mb{lost}c{lost}d{lost}e"]]


def test_a_workbook_has_numbers_and_dates(tmp_path: Path, model: Model) -> None:
    path = tmp_path / "ledger.xlsx"
    names = ["purchase_price", "currency", "purchase_date", "warranty_until", "memory_mib"]
    price = Money("CNY", Decimal("12345.60"))
    values = {"purchase_price": price, "purchase_date": date(2025, 1, 2), "warranty_until": date(1899, 1, 1), "memory_mib": 10**17 + 1}  # fmt: skip
    write(path, chosen(model, DEVICES, names), [[row(model, "x", **values)]], "en")
    [heading, cells] = read(path)
    assert heading == [
        "Purchase price",
        "Currency",
        "Purchase date",
        "Warranty until",
        "Memory (MB)",
    ]
    assert cells == [12345.6, "CNY", date(2025, 1, 2), "1899-01-01", str(10**17 + 1)]


def test_an_empty_ledger_has_its_headings_and_another_kind_of_file_is_refused(
    tmp_path: Path, model: Model
) -> None:
    for kind in ("csv", "xlsx"):
        assert write(tmp_path / f"x.{kind}", exported(), [], "zh") == 0
        assert read(tmp_path / f"x.{kind}")[0][:2] == ["资产编号", "设备名称"]
    with pytest.raises(QueryError, match="neither XLSX nor CSV"):
        write(tmp_path / "x.ods", exported(), [], "zh")
    with pytest.raises(QueryError, match="no column 'colour'"):
        chosen(model, DEVICES, ["name", "colour"])
    with pytest.raises(QueryError, match="snmp_community"):
        chosen(model, DEVICES, ["snmp_community"])


def test_a_file_that_breaks_off_is_not_there(tmp_path: Path, model: Model) -> None:
    def pages() -> Iterator[list[Row]]:
        yield [row(model, "one")]
        raise OSError("the store is gone")

    for kind in ("csv", "xlsx"):
        with pytest.raises(OSError, match="the store is gone"):
            write(tmp_path / f"x.{kind}", exported(), pages(), "zh")
    assert list(tmp_path.iterdir()) == []


def test_the_importer_understands_every_heading_in_both_languages() -> None:
    """And takes none of those for something that it is not to read back."""
    meant = {
        "number": "asset_number", "type": "type", "serial": "serial_number", "state": "lifecycle_state",
        "contract": "contract_name", "contract_number": "maintenance_contract", "id": "record_id",
    }  # fmt: skip
    alone = {"place", "in_transit_to"}
    for language in ("zh", "en"):
        headings = {c.name: c.zh if language == "zh" else c.en for c in COLUMNS}
        mapping = guess_columns(headings.values())
        found = {h: column.to for h, column in mapping.columns.items()} | {
            mapping.type.column: "type"
        }
        expected = {h: meant.get(n, n) for n, h in headings.items() if n not in alone}
        assert found == expected
        assert set(mapping.ignored) == {headings[n] for n in alone} | {headings["type"]} - set(
            found
        )


def test_the_importer_understands_every_type_and_state_in_both_languages(model: Model) -> None:
    types = type_table(model)
    for name in DEVICES:
        for concrete in model.record_type(name).concrete:
            declared = model.record_types[concrete]
            assert declared.state_machine is not None
            states = states_of(declared)
            for language in ("en", "zh"):
                assert type_of(getattr(declared.label, language), types) == concrete
                for state in declared.state_machine.states.values():
                    assert states[plain(getattr(state.label, language))] == state.name


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_memory_does_not_grow_with_the_number_of_devices(
    tmp_path: Path, model: Model, kind: str
) -> None:
    columns = chosen(model, DEVICES, ["number", "name", "serial", "state"])

    def peak(pages: int) -> int:
        made = ([row(model, f"device {p} {n}", asset_number=f"A-{p}-{n}") for n in range(100)] for p in range(pages))  # fmt: skip
        tracemalloc.start()
        write(tmp_path / f"x.{kind}", columns, made, "zh")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # what is loaded once
    assert peak(40) < 1.3 * peak(4)
