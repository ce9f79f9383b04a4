"""The device ledger, on the screen and as a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import output, services
from cli.options import STORE_DEFAULT, At, First, Json, Store, moment, opened
from cli.options import organisation_id as below
from cli.records import Conditions, Where
from cli.words import parse_conditions
from cmdb import transfer
from cmdb.errors import DumpError, QueryError
from cmdb.queries import parse_sort
from lifecycle.ledger import DEVICES, Ledger, Scope
from lifecycle.ledger.columns import LANGUAGES, Column, chosen, exported, shown
from lifecycle.ledger.getters import plain, text
from lifecycle.ledger.rows import Row

Language = Annotated[
    str, typer.Option("--language", metavar="zh|en", help="The language of headings and words.")
]


def ledger(
    conditions: Conditions = None,
    where: Where = "",
    record_type: Annotated[
        str, typer.Option("--type", metavar="TYPE", help="Only devices of this type: Server.")
    ] = "",
    organisation: Annotated[
        str,
        typer.Option(
            "--organisation",
            metavar="RECORD",
            help="Only devices of this organisation and those below it, or in transit to them.",
        ),
    ] = "",
    columns: Annotated[
        str, typer.Option("--columns", metavar="COLUMNS", help="number,name,state; or attributes.")
    ] = "",
    total_by: Annotated[
        str,
        typer.Option(
            "--total-by",
            metavar="COLUMNS",
            help="Counts and purchase prices by these, instead of devices: organisation,type,state",
        ),
    ] = "",
    sort: Annotated[
        str,
        typer.Option(
            "--sort",
            metavar="ATTRIBUTES",
            help="name,-purchase_date. Default: name; in a file as they were recorded, which is fastest.",
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write all of it to FILE.xlsx or FILE.csv."),
    ] = None,
    language: Language = "zh",
    first: First = 50,
    as_of: At = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """The device ledger: devices with what an asset manager asks of each, or totals of them."""
    checked(language)
    with opened(store) as graph:
        types = (record_type,) if record_type else DEVICES
        scope = Scope(
            types,
            parse_conditions(graph, types[0], conditions or (), where),
            below(graph, organisation),
            parse_sort(sort or ("" if out else "name")),
            moment(graph, as_of),
        )
        found = Ledger(graph, scope)
        wanted = chosen(graph.model, types, _names(columns))
        if out is not None:
            every = wanted or exported()
            with writing(out):
                count = services.write_ledger(graph, found, every, out, language)
            if not total_by:
                said = {"file": str(out), "devices": count, "as_of": found.at}
                output.print_json(said) if json else output.print_line(
                    f"{count} devices as of revision {found.at} written to {out}."
                )
        if total_by:
            _print_totals(found, chosen(graph.model, types, _names(total_by)), language, json)
        elif out is None:
            _print_rows(found, wanted, first, language, json)


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """A file is written, which must be no database, where files can be written."""
    transfer.refuse_database(file)
    try:
        yield
    except OSError as error:
        raise DumpError(
            f"{file} cannot be written: {error.strerror}.", "Check the folder."
        ) from None


def checked(language: str) -> None:
    if language not in LANGUAGES:
        raise QueryError(f"There is no language {language!r}.", "It is zh or en.")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _heading(column: Column, language: str) -> str:
    return column.zh if language == "zh" else column.en


def _print_rows(
    found: Ledger, wanted: Sequence[Column], first: int, language: str, json: bool
) -> None:
    columns = list(wanted) or shown()
    rows: list[Row] = []
    for page in found.rows(columns):
        rows += islice(page, first - len(rows))
        if len(rows) == first:
            break
    total = found.count()
    if json:
        plain_rows = [{column.name: plain(column.get(row)) for column in columns} for row in rows]
        output.print_json(
            {
                "as_of": found.at,
                "devices": plain_rows,
                "total": total,
                "complete": len(rows) == total,
            }
        )
        return
    if not wanted:
        columns = [c for c in columns if any(c.get(row) is not None for row in rows)]
    if rows:
        output.print_table(
            [_heading(column, language) for column in columns],
            [[text(column.get(row), language) for column in columns] for row in rows],
        )
    more = "" if len(rows) == total else " More with --first, all with --out FILE.xlsx."
    output.print_line(f"{len(rows)} of {total}, as of revision {found.at}.{more}")


def _print_totals(found: Ledger, columns: Sequence[Column], language: str, json: bool) -> None:
    totals = found.totals(columns)
    count, sums = 0, dict[str, Decimal]()
    for total in totals:
        count += total.count
        for currency, amount in total.sums.items():
            sums[currency] = sums.get(currency, Decimal(0)) + amount
    if json:
        names = [column.name for column in columns]
        groups = [
            {
                **dict(zip(names, map(plain, total.values), strict=True)),
                "count": total.count,
                "purchase_price": {c: str(a) for c, a in sorted(total.sums.items())},
            }
            for total in totals
        ]
        everything = {
            "count": count,
            "purchase_price": {c: str(a) for c, a in sorted(sums.items())},
        }
        output.print_json({"as_of": found.at, "groups": groups, "all": everything})
        return
    rows = [[*(text(v, language) for v in t.values), t.count, _money(t.sums)] for t in totals]
    rows.append(
        ["合计" if language == "zh" else "All", *[""] * (len(columns) - 1), count, _money(sums)]
    )
    last = ["数量", "购置价格"] if language == "zh" else ["Count", "Purchase price"]
    output.print_table([*(_heading(column, language) for column in columns), *last], rows)
    output.print_line(f"As of revision {found.at}.")


def _money(sums: dict[str, Decimal] | Any) -> str:
    return ", ".join(f"{currency} {amount:,.2f}" for currency, amount in sorted(sums.items()))
