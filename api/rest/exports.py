"""Exports: records, the device ledger, and the graph for other programs, as of any revision.

All of an export is as of one revision, and whole or refused: what would be too much is refused before
anything is sent. Sensitive values are left out.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.background import BackgroundTask

from api.access.guarded import GuardedStore
from api.access.principals import Permission
from api.rest.asking import (
    AS_OF,
    WHERE,
    Exporting,
    attachment,
    condition,
    moment,
    services_of,
)
from api.rest.problems import RESPONSES, TooLargeError
from cmdb import queries
from cmdb.errors import StoreTimeoutError
from cmdb.graphs import graph_of, write_graph
from cmdb.records import Record
from cmdb.store import GraphStore
from lifecycle.figures import chosen as chosen_figures
from lifecycle.figures import evaluate
from lifecycle.figures import moment as figures_at
from lifecycle.figures.words import Told
from lifecycle.ledger import DEVICES, Ledger, Scope, files
from lifecycle.ledger.columns import chosen, exported
from lifecycle.sheets import csv_cell
from schema.model import Model

PAGE: Final = 1_000
MEDIA: Final = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "graphml": "application/graphml+xml",
    "gexf": "application/gexf+xml",
    "dot": "text/vnd.graphviz; charset=utf-8",
    "json": "application/json",
}

router = APIRouter(prefix="/exports", tags=["exports"], responses=RESPONSES)

Type = Annotated[
    str, Query(description="Record type; with its subtypes.", examples=["Server", "Record"])
]
Where = Annotated[str, WHERE]
At = Annotated[str, AS_OF]
Organisation = Annotated[
    str, Query(description="Id of an organisation: only records of it and of those below it.")
]
Columns = Annotated[
    str, Query(description="Names, with commas between.", examples=["name,serial_number"])
]


def _files(*formats: str) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: what comes back is a file."""
    content = {
        MEDIA[name].partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
        for name in formats
    }
    return {200: {"content": content, "headers": {"X-Revision": {"schema": {"type": "integer"}}}}}


@router.get(
    "/records",
    summary="Records, as CSV or JSON Lines",
    response_class=Response,
    responses=_files("csv", "jsonl"),
)
def records(
    request: Request,
    context: Exporting,
    type: Type = "Record",
    where: Where = "",
    organisation: Organisation = "",
    columns: Columns = "",
    format: Literal["csv", "jsonl"] = "jsonl",  # noqa: A002
    as_of: At = "",
) -> Response:
    """Streamed: of any number, one page at a time is in memory."""
    store = context.store
    query = _query(store, type, where, organisation, as_of)
    names = _columns(store.model, type, columns)
    _bounded(store, query, services_of(request).settings.export_limit)
    pages = _pages(store, query)
    begun = [next(pages)]
    everything = (page for part in (begun, pages) for page in part)
    if format == "csv":
        lines = _csv(store.model, names, everything)
    else:
        lines = _json_lines(store.model, names, everything)
    headers = _headers(f"{type}.{format}", query.as_of)
    return StreamingResponse(
        _while_there(request, lines), headers=headers, media_type=MEDIA[format]
    )


@router.get(
    "/ledger",
    summary="The device ledger, as XLSX or CSV",
    response_class=Response,
    responses=_files("xlsx", "csv"),
)
def ledger(
    request: Request,
    context: Exporting,
    type: Annotated[str, Query(description="Only devices of this type: Server.")] = "",
    where: Where = "",
    organisation: Organisation = "",
    columns: Columns = "",
    sort: Annotated[
        str, Query(description="By these, in each type.", examples=["name,-purchase_date"])
    ] = "",
    language: Literal["zh", "en"] = "zh",
    format: Literal["xlsx", "csv"] = "xlsx",  # noqa: A002
    as_of: At = "",
) -> Response:
    """What `cmdb ledger --out` writes, and the ledger importer reads back."""
    store = context.store
    types = (type,) if type else DEVICES
    order = queries.parse_sort(sort)
    scope = Scope(types, condition(where), organisation or None, order, moment(store, as_of))
    found = Ledger(store, scope)
    every = chosen(store.model, types, _names(columns)) or exported()
    _refuse_many(found.count(), services_of(request).settings.export_limit)
    return _sent(
        f"ledger.{format}",
        found.at,
        lambda path: files.write(path, every, found.rows(every), language),
    )


def _sent(name: str, at: int, write: Callable[[Path], object]) -> FileResponse:
    """A file that is written, sent, and removed."""
    folder = Path(mkdtemp(prefix="cmdb-"))
    path = folder / name
    try:
        write(path)
    except BaseException:
        rmtree(folder)
        raise
    return FileResponse(
        path,
        headers=_headers(name, at),
        media_type=MEDIA[path.suffix[1:]],
        background=BackgroundTask(rmtree, folder),
    )


@router.get(
    "/figures",
    summary="Figures about devices, orders, incidents and changes, as XLSX, CSV or JSON",
    response_class=Response,
    responses=_files("xlsx", "csv", "json"),
)
def figures(
    context: Exporting,
    names: Annotated[str, Query(description="Only these, with commas between.")] = "",
    organisation: Organisation = "",
    since: Annotated[
        str, Query(description="An instant: only incidents and changes since then.")
    ] = "",
    language: Literal["zh", "en"] = "zh",
    format: Literal["xlsx", "csv", "json"] = "xlsx",  # noqa: A002
    as_of: At = "",
) -> Response:
    """What `cmdb figures` prints, and `cmdb figures --out` writes."""
    store = context.store
    wanted = chosen_figures(store.model, _names(names))
    asked = figures_at(
        store,
        moment(store, as_of),
        organisation or None,
        since=since or None,
        beneath=store.as_product(Permission.EXPORT) if isinstance(store, GuardedStore) else None,
    )
    told = Told(store, [(figure, evaluate(figure, asked)) for figure in wanted], language)
    if format != "json":
        return _sent(f"figures.{format}", asked.at, told.write)
    plain = {"as_of": asked.at, "figures": told.plain()}
    return JSONResponse(plain, headers=_headers("figures.json", asked.at))


@router.get(
    "/graph",
    summary="Records and their relationships, for other programs",
    response_class=Response,
    responses=_files("graphml", "gexf", "dot", "json"),
)
def graph(
    request: Request,
    context: Exporting,
    type: Type = "ConfigurationItem",
    where: Where = "",
    organisation: Organisation = "",
    format: Literal["graphml", "gexf", "dot", "json"] = "graphml",  # noqa: A002
    as_of: At = "",
) -> Response:
    """The records found, and the relationships among them; made in memory, so of a bounded size."""
    store = context.store
    query = _query(store, type, where, organisation, as_of)
    _bounded(store, query, services_of(request).settings.graph_limit)
    content = write_graph(graph_of(store, query, query.as_of), format)
    headers = _headers(f"graph.{format}", query.as_of)
    return Response(content, headers=headers, media_type=MEDIA[format])


# -- questions ---------------------------------------------------------------------------------------


def _query(
    store: GraphStore, type: str, where: str, organisation: str, as_of: str
) -> queries.Query:
    return queries.Query(
        type,
        condition(where),
        organisation=organisation or None,
        first=PAGE,
        as_of=moment(store, as_of),
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _columns(model: Model, type: str, text: str) -> list[str]:
    """Names of attributes: those asked for, or all that records of a type may have.

    Raises
    ------
    UnknownNameError
    """
    concrete = model.record_type(type).concrete
    for name in (asked := _names(text)):
        model.attribute(type, name)
    every = {name for kind in concrete for name in model.record_types[kind].attributes}
    wanted = asked or sorted(every - model.managed, key=lambda name: (name != "name", name))
    return [name for name in wanted if name not in model.sensitive]


def _bounded(store: GraphStore, query: queries.Query, limit: int) -> None:
    _refuse_many(store.find(replace(query, first=1, total=True)).total or 0, limit)


def _refuse_many(count: int, limit: int) -> None:
    if count > limit:
        raise TooLargeError(
            f"{count:,} records are more than the {limit:,} of an export.",
            "Narrow it by type, where or organisation; or ask the operator for more.",
        )


def _pages(store: GraphStore, query: queries.Query) -> Iterator[Sequence[Record]]:
    while True:
        page = store.find(query)
        yield page.records
        if page.cursor is None:
            return
        query = replace(query, after=page.cursor)


def _while_there(request: Request, lines: Iterable[str]) -> Iterator[str]:
    """Lines, until nobody reads them any more."""
    try:
        yield from lines
    except StoreTimeoutError:
        if not getattr(request.state, "left", False):
            raise


def _headers(name: str, at: Any) -> dict[str, str]:
    return {"content-disposition": attachment(name), "x-revision": str(at)}


# -- answers -----------------------------------------------------------------------------------------


def _json_lines(
    model: Model, names: Sequence[str], pages: Iterable[Sequence[Record]]
) -> Iterator[str]:
    for page in pages:
        yield "".join(
            json.dumps(
                {
                    "id": record.id,
                    "type": record.type,
                    "revision": record.revision,
                    "attributes": _plain(model, record, names),
                },
                ensure_ascii=False,
            )
            + "\n"
            for record in page
        )


def _csv(model: Model, names: Sequence[str], pages: Iterable[Sequence[Record]]) -> Iterator[str]:
    yield "\ufeff" + _rows([["id", "type", "revision", *names]])
    for page in pages:
        yield _rows(_row(model, record, names) for record in page)


def _row(model: Model, record: Record, names: Sequence[str]) -> list[str]:
    plain = _plain(model, record, names)
    return [
        record.id,
        record.type,
        str(record.revision),
        *(_cell(plain.get(name)) for name in names),
    ]


def _plain(model: Model, record: Record, names: Sequence[str]) -> dict[str, Any]:
    kept = {name: record.attributes[name] for name in names if name in record.attributes}
    return dict(model.to_json(kept))


def _cell(value: Any) -> str:
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False)
    return csv_cell(value)


def _rows(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
