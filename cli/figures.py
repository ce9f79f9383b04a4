"""Figures about the life of devices, and about incidents and changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from cli import output, services
from cli.ledger import Language, checked, writing
from cli.options import STORE_DEFAULT, At, Json, Organisation, Store, moment, opened, when
from cli.options import organisation_id as below
from cmdb.errors import QueryError
from lifecycle.figures import chosen
from lifecycle.figures import moment as moment_of
from lifecycle.figures.declared import Figure
from lifecycle.figures.evaluators import Answer, Group
from lifecycle.figures.words import Told
from schema.kinds import write_datetime


def figures(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[FIGURE]...", help="Only these. Default: all.")
    ] = None,
    organisation: Organisation = "",
    since: Annotated[
        str,
        typer.Option(
            "--since", metavar="WHEN", help="Only incidents and changes since this instant or day."
        ),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write them to FILE.xlsx or FILE.csv."),
    ] = None,
    language: Language = "zh",
    as_of: At = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Devices by state and age, reuse, orders on time; how fast incidents are answered and resolved, promises kept, changes that succeed, the backlog."""
    checked(language)
    with opened(store) as graph:
        wanted = chosen(graph.model, names or ())
        at, where = moment(graph, as_of), below(graph, organisation)
        asked = moment_of(graph, at, where, since=_instant(since))
        answers = services.figures_of(graph, wanted, asked, at)
        told, count = Told(graph, answers, language), 0
        if out is not None:
            with writing(out):
                count = told.write(out)
        if json:
            instant = write_datetime(asked.instant)
            output.print_json({"as_of": asked.at, "instant": instant, "figures": told.plain()})
            return
        for figure, answer in answers if out is None else ():
            _print(figure, answer, told)
        what = "" if out is None else f"{len(answers)} figures, {count} rows, written to {out}. "
        output.print_line(f"{what}As of revision {asked.at}, {asked.instant:%Y-%m-%d %H:%M} UTC.")


def _instant(text: str) -> datetime | None:
    at = when(text)
    if isinstance(at, int):
        raise QueryError(f"{text} is no instant.", "Write 2026-03-31, or 2026-03-31T08:00+08:00.")
    return at


def _print(figure: Figure, answer: Answer, told: Told) -> None:
    unit = told.unit(figure)
    whole = "" if answer.value is None else f": {answer.value:g} {unit}"
    output.print_line(f"{told.of(figure)}{whole} (n={answer.count})", "bold")
    for by, groups in groupby(answer.groups, told.by):
        _print_groups(figure, by, list(groups), told)


def _print_groups(figure: Figure, by: str, groups: Sequence[Group], told: Told) -> None:
    output.print_table(
        [by, "数值" if told.language == "zh" else "Value", "n"],
        [[told.group(figure, g), f"{g.value:g} {told.unit(figure)}", g.count] for g in groups],
    )
