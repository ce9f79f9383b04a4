"""Asking before what cannot be undone, and saying why something is refused."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from cli import output
from lifecycle.refusals import Refusal
from schema.errors import CmdbError

Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Do not ask before what cannot be undone; for scripts.")
]
SHOWN: Final = 50
"""Refusals that are printed for people."""


class UnconfirmedError(CmdbError):
    """Nobody confirmed what cannot be undone."""

    code = "unconfirmed"


def confirm(what: str, yes: bool) -> None:
    """Ask whether to do what cannot be undone.

    Raises
    ------
    UnconfirmedError
        The answer is no, or there is nobody to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UnconfirmedError(
            f"{what} cannot be undone, and there is no terminal to ask at.", "Say --yes."
        )
    if not typer.confirm(f"{what} cannot be undone. Go on?", err=True):
        raise UnconfirmedError(f"{what} was not confirmed.", "Nothing was done.")


def print_refusals(refusals: Sequence[Refusal], *, stderr: bool = False) -> None:
    """Each with the record, what refuses it, why, and who may override it."""
    rows = [
        [r.name, r.code, r.message, f"{r.override}, with a reason" if r.override else "nobody"]
        for r in refusals[:SHOWN]
    ]
    output.print_table(["record", "refused by", "why", "may override"], rows, stderr=stderr)
    if len(refusals) > SHOWN:
        left = Text(f"… and {len(refusals) - SHOWN:,} more.")
        output.console(stderr=stderr).print(left, style="dim")


def plain_refusals(refusals: Iterable[Refusal]) -> list[dict[str, Any]]:
    return [
        {n: v for n, v in r._asdict().items() if n != "since"} | {"detail": dict(r.detail)}
        for r in refusals
    ]
