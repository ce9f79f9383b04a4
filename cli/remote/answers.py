"""What a server works out: what is due, figures, résumés, and the ledger as a file."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from cli import services
from cli.remote.store import RemoteStore, plain
from client.client import RECORD
from cmdb.queries import AsOf
from lifecycle import sheets
from lifecycle.due import Due, Moment
from lifecycle.figures.declared import Figure
from lifecycle.figures.evaluators import Answer, Group
from lifecycle.figures.evaluators import Moment as Asked
from lifecycle.ledger import Ledger
from lifecycle.ledger.columns import Column
from lifecycle.resume import Entry, Resume
from schema.kinds import parse_datetime

DUE: Final = f"""query($kinds: [String!], $within: Int!, $idle: Int!, $unseen: Int!, $on: Date!,
    $organisation: ID) {{ due(kinds: $kinds, within: $within, idle: $idle, unseen: $unseen, on: $on,
    organisation: $organisation) {{ kind on days note record {{ {RECORD} }} }} }}"""


@services.due_of.register
def _(graph: RemoteStore, kinds: Collection[str], moment: Moment) -> list[Due]:
    given: dict[str, Any] = {
        "kinds": list(kinds),
        "on": moment.today.isoformat(),
        "within": moment.within,
        "idle": moment.idle,
        "unseen": moment.unseen,
        "organisation": moment.organisation,
    }
    found = graph.asked(lambda client: client.query(DUE, **given))["due"]
    return [
        Due(
            told["kind"],
            graph.read(told["record"]),
            _day(told["on"]),
            told["days"],
            told["note"] or "",
        )
        for told in found
    ]


ENTRY: Final = "at effectiveOn revision actor source reason kind text { en zh } details"
RESUME: Final = f"query($of: ID!, $at: AsOf) {{ resume(of: $of, asOf: $at) {{ {ENTRY} }} }}"


@services.resume_of.register
def _(graph: RemoteStore, id: str, at: int) -> Resume:
    found = graph.asked(lambda client: client.query(RESUME, of=id, at=at))["resume"]
    return Resume(graph.record(id, at), [entry(told) for told in found])


def entry(told: Mapping[str, Any]) -> Entry:
    """One thing that happened."""
    return Entry(
        parse_datetime(told["at"]),
        _day(told["effectiveOn"]),
        told["revision"],
        told["actor"],
        told["source"],
        told["reason"],
        told["kind"],
        told["text"]["en"],
        told["text"]["zh"],
        told["details"],
    )


MEASURED: Final = ("percent", "days", "hours")
FIGURES: Final = """query($names: [String!], $organisation: ID, $since: DateTime, $at: AsOf) {
    figures(names: $names, organisation: $organisation, since: $since, asOf: $at) {
    name value count groups { key value count } } }"""


@services.figures_of.register
def _(
    graph: RemoteStore, figures: Sequence[Figure], asked: Asked, as_of: AsOf
) -> list[tuple[Figure, Answer]]:
    given: dict[str, Any] = {
        "names": [figure.name for figure in figures],
        "organisation": asked.organisation,
        "since": plain(asked.since),
        "at": plain(as_of),
    }
    found = graph.asked(lambda client: client.query(FIGURES, **given))["figures"]
    told = {each["name"]: each for each in found}
    return [
        (
            figure,
            Answer(
                _number(figure, (each := told[figure.name])["value"]),
                each["count"],
                [Group(g["key"], _number(figure, g["value"]), g["count"]) for g in each["groups"]],
            ),
        )
        for figure in figures
    ]


@services.write_ledger.register
def _(
    graph: RemoteStore, found: Ledger, columns: Sequence[Column], path: Path, language: str
) -> int:
    scope = found.scope
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            graph.asked(
                lambda client: client.export(
                    "ledger",
                    file,
                    type=scope.types[0] if len(scope.types) == 1 else "",
                    where=json.dumps(plain(scope.where)) if scope.where else "",
                    organisation=scope.organisation or "",
                    columns=",".join(column.name for column in columns),
                    sort=",".join(f"{'-' * s.descending}{s.attribute}" for s in scope.sort),
                    language=language,
                    format=sheets.format_of(path),
                    as_of=str(found.at),
                )
            )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return found.count()


def _number(figure: Figure, value: Any) -> Any:
    """Things are counted in whole numbers, which is not seen in GraphQL's."""
    return value if value is None or figure.unit in MEASURED else round(value)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
