"""Options shared by the subcommands, and opening the store they name."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

import typer

from cmdb.errors import QueryError
from cmdb.queries import AsOf
from cmdb.store import GraphStore, open_store
from cmdb.store.opening import DEFAULT_URL

Store = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="CMDB_STORE",
        metavar="URL",
        help="The store: sqlite:///path, or neo4j://user@host/database.",
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
        help="Read the past: a revision number, or an instant like 2026-03-31T08:00+08:00.",
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
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise QueryError(
            f"{text!r} is neither a revision number nor an instant.",
            "Write 42, or 2026-03-31T08:00+08:00.",
        ) from None
    return instant.astimezone()


@contextmanager
def opened(url: str) -> Iterator[GraphStore]:
    """The store at a URL, closed in the end."""
    with open_store(url) as store:
        yield store


def environment_flag(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0", "false", "no")
