"""Outages as pictures in files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.text import Text

from cli import output
from cli.impact.printing import name
from cmdb import transfer
from cmdb.errors import DumpError, QueryError
from impact import pictures, reports
from impact.rules import Effect

PICTURES: Final = {
    ".mmd": pictures.mermaid,
    ".dot": pictures.dot,
    ".svg": pictures.svg,
    ".html": pictures.html,
}
DRAWN: Final = 300
"""CIs in a picture at most, unless --first says another number."""


def drawer(file: str) -> Any:
    if not file:
        return None
    suffix = Path(file).suffix.lower()
    if suffix not in PICTURES:
        raise QueryError(
            f"{file}: what kind of picture is that?", f"End it in {', '.join(PICTURES)}."
        )
    return PICTURES[suffix]


def title(told: reports.Report, roots: Mapping[str, Effect]) -> str:
    words = [f"{name(told, id)} {effect.word}" for id, effect in list(roots.items())[:3]]
    more = f" and {len(roots) - 3} more" if len(roots) > 3 else ""
    return ", ".join(words) + more


def write(file: str, text: str) -> None:
    transfer.refuse_database(Path(file))
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise DumpError(
            f"{file} cannot be written: {error.strerror}.", "Check the folder."
        ) from None
    output.console(stderr=True).print(Text(f"Drawn into {file}."), style="dim")
