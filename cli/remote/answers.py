"""What a server works out: what is due, figures, and the ledger as a file."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from cli import services
from cli.remote.store import RemoteStore, plain
from client.client import RECORD
from lifecycle import sheets
from lifecycle.due import Due, Moment
from lifecycle.ledger import Ledger
from lifecycle.ledger.columns import Column

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
            date.fromisoformat(told["on"]) if told["on"] else None,
            told["days"],
            told["note"] or "",
        )
        for told in found
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
