"""What does not go by a server, and what to do instead."""

from __future__ import annotations

from typing import Any, Final

from cmdb.errors import CmdbError
from cmdb.store import GraphStore

INSTEAD: Final = {
    "dependencies": "impact, impactNow of an incident, and whatIf of a change in GraphQL",
    "scan_records": "/exports/records",
    "scan_relationships": "/exports/graph",
    "feed": "recordChanges, history and compare of GraphQL",
}
"""What of a store no server gives away -> where it is told of it."""


class NotOverServerError(CmdbError):
    """A command needs the store itself."""

    code = "not_over_server"


def not_over_server(what: str, instead: str = "") -> NotOverServerError:
    """What to raise where a server is of no use, with what is."""
    told = f"; the server has {instead}" if instead else ""
    return NotOverServerError(
        f"{what} It does not go by a server.", f"Name the store by --store, where it is{told}."
    )


def refusing(name: str) -> Any:
    """A method of a store that refuses."""

    def refuse(self: GraphStore, *_: Any, **__: Any) -> Any:
        what = name.strip("_")
        raise not_over_server(f"This needs the store itself ({what}).", INSTEAD.get(what, ""))

    return refuse
