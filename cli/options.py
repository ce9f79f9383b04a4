"""Options shared by the subcommands, and opening the store they name."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer

from cli.words import find_record, typed_instant
from cmdb.errors import QueryError
from cmdb.queries import AsOf
from cmdb.store import GraphStore, open_store
from cmdb.store.opening import DEFAULT_URL

Store = Annotated[
    str,
    typer.Option(
        "--store",
        "--server",
        envvar="CMDB_STORE",
        metavar="URL",
        help="The store: sqlite:///path, or neo4j://user@host/database; or a server: https://host, with CMDB_TOKEN.",
        show_envvar=True,
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON for programs instead of tables for people.")
]
At = Annotated[
    str,
    typer.Option(
        "--as-of",
        metavar="WHEN",
        help="Read the past: a revision number, or an instant like 2026-03-31T08:00+08:00; without a zone it is local time.",
    ),
]
Reveal = Annotated[bool, typer.Option("--reveal", help="Show sensitive values.")]
Actor = Annotated[
    str,
    typer.Option(
        "--actor",
        envvar="CMDB_ACTOR",
        metavar="NAME",
        help="Who answers for the change. Default: you.",
    ),
]
Reason = Annotated[
    str,
    typer.Option(
        "--reason", metavar="TEXT", help="Why: an order, change or incident, or a sentence."
    ),
]
Organisation = Annotated[
    str,
    typer.Option(
        "--organisation",
        metavar="RECORD",
        help="Only records of this organisation and those below it.",
    ),
]
First = Annotated[
    int, typer.Option("--first", min=1, max=10_000, metavar="N", help="Most records to print.")
]
After = Annotated[
    str, typer.Option("--after", metavar="CURSOR", help="Go on behind the page before.")
]

ALL: Final = "This goes through all of a store."
"""Why a server will not do."""

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]

STORE_DEFAULT = DEFAULT_URL


def actor_or_me(actor: str) -> str:
    """The actor named, or the user who runs the command."""
    if actor:
        return actor
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def when(text: str) -> AsOf:
    """``--as-of`` as a revision number or an instant; an instant without a zone is local time."""
    if not text:
        return None
    if text.isdecimal() and len(text) < 16:
        return int(text)
    try:
        return typed_instant(text)
    except (ValueError, OverflowError):
        raise QueryError(
            f"{text!r} is neither a revision number nor an instant.",
            "Write 42, or 2026-03-31T08:00+08:00.",
        ) from None


def moment(graph: GraphStore, text: str) -> AsOf:
    """`when`, refusing a revision that is yet to come."""
    at = when(text)
    if isinstance(at, int) and at > (newest := graph.last_revision().number):
        raise QueryError(
            f"There is no revision {at} yet.", f"The newest is {newest}; a date is 2026-03-31."
        )
    return at


def organisation_id(graph: GraphStore, text: str) -> str | None:
    """The organisation a person means, or None for an empty text."""
    if not text:
        return None
    found = find_record(graph, text)
    if "Organisation" in graph.model.record_types[found.type].ancestors:
        return found.id
    raise QueryError(f"{found.name} is a {found.type}, not an organisation.", "Name one that is.")


@contextmanager
def opened(url: str, *, here: str = "", instead: str = "") -> Iterator[GraphStore]:
    """The store at a URL, or a server as one, closed in the end.

    Parameters
    ----------
    here
        Why a server will not do, in a sentence.
    instead
        What a server has instead.

    Raises
    ------
    NotOverServerError
    """
    if url.startswith(("http://", "https://")):
        from cli.remote import RemoteStore, not_over_server

        if here:
            raise not_over_server(here, instead)
        with RemoteStore(url) as remote:
            yield remote
        return
    with open_store(url) as store:
        yield store


def environment_flag(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0", "false", "no")
