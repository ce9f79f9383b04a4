"""What changed here and below, as a server tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cli import services
from cli.remote.questions import Questions
from cli.remote.store import REVISION, RemoteStore, plain, read_revision
from client.client import RECORD
from itsm.recent import Change, Recent, Touch
from schema.kinds import parse_datetime

TYPES: Final = {
    "of": "ID!",
    "hours": "Float!",
    "until": "DateTime!",
    "first": "Int!",
    "depth": "Int",
}
ASKED: Final = f"""since until truncated lookedAt changes {{ revision {{ {REVISION} }} points {{ name points }}
    process {{ {RECORD} }}
    touched {{ distance kind record {{ id }} changes {{ attribute before after }} }} }}"""


@dataclass(frozen=True)
class ToldRecent(Recent):
    """What changed, of so many CIs that were looked at."""

    number: int = 0

    @property
    def looked_at(self) -> int:
        return self.number


@services.recent_of.register
def _(
    graph: RemoteStore, ci: str, until: datetime, span: timedelta, first: int, depth: int | None
) -> Recent:
    given = {
        "of": ci,
        "hours": span / timedelta(hours=1),
        "until": plain(until),
        "first": first,
        "depth": depth,
    }
    told = Questions(graph, "recentChanges", TYPES, given).ask(ASKED)
    return ToldRecent(
        parse_datetime(told["since"]),
        parse_datetime(told["until"]),
        [_change(graph, each) for each in told["changes"]],
        (),
        told["truncated"] or "",
        told["lookedAt"],
    )


def _change(graph: RemoteStore, told: Mapping[str, Any]) -> Change:
    process = graph.read(told["process"]) if told["process"] else None
    points = {each["name"]: each["points"] for each in told["points"]}
    touched = tuple(_touch(graph, each) for each in told["touched"])
    return Change(read_revision(told["revision"]), touched, process, points)


def _touch(graph: RemoteStore, told: Mapping[str, Any]) -> Touch:
    """What was done to a CI; of one that may not be seen only how far below it is."""
    known = graph.model.attributes

    def value(name: str, plain: Any) -> Any:
        return plain if plain is None or name not in known else known[name].kind.from_json(plain)

    changed = {
        each["attribute"]: (
            value(each["attribute"], each["before"]),
            value(each["attribute"], each["after"]),
        )
        for each in told["changes"]
    }
    id = told["record"]["id"] if told["record"] else "(hidden)"
    return Touch(id, told["distance"], told["kind"], changed)
