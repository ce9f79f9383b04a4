"""Figures about the life of devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from cli import output
from cli.ledger import Language, checked
from cli.options import STORE_DEFAULT, At, Json, Organisation, Store, moment, opened
from cli.options import organisation_id as below
from lifecycle.figures import chosen, evaluate
from lifecycle.figures import moment as moment_of
from lifecycle.figures.declared import Figure
from lifecycle.figures.evaluators import Answer
from lifecycle.ledger import DEVICES
from lifecycle.resume.sentences import Words
from schema.kinds import write_datetime

UNITS = {"devices": ("", ""), "days": (" days", " 天"), "percent": (" %", " %")}


def figures(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[FIGURE]...", help="Only these. Default: all.")
    ] = None,
    organisation: Organisation = "",
    language: Language = "zh",
    as_of: At = "",
    store: Store = STORE_DEFAULT,
    json: Json = False,
) -> None:
    """Devices by state, age and organisation, mean time in each state, reuse and idle rate, orders on time."""
    checked(language)
    wanted = chosen(names or ())
    with opened(store) as graph:
        asked = moment_of(graph, moment(graph, as_of), below(graph, organisation))
        answers = [(figure, evaluate(figure, asked)) for figure in wanted]
        named = output.referred(
            graph,
            (
                pair
                for _, answer in answers
                for group in answer.groups
                for pair in group.key.items()
            ),
        )
        words = Words(graph.model, named, language)
        if json:
            plain = [_plain(figure, answer, words) for figure, answer in answers]
            output.print_json(
                {"as_of": asked.at, "instant": write_datetime(asked.instant), "figures": plain}
            )
            return
        for figure, answer in answers:
            _print(figure, answer, words)
        output.print_line(f"As of revision {asked.at}, {asked.instant:%Y-%m-%d %H:%M} UTC.")


def _plain(figure: Figure, answer: Answer, words: Words) -> dict[str, Any]:
    return {
        "figure": figure.name,
        "label": {"en": figure.en, "zh": figure.zh},
        "unit": figure.unit,
        "value": answer.value,
        "count": answer.count,
        "groups": [
            {
                **group.key,
                "label": _label(group.key, words),
                "value": group.value,
                "count": group.count,
            }
            for group in answer.groups
        ],
    }


def _label(key: Mapping[str, Any], words: Words) -> str:
    """The values of a group in words; states as devices have them."""
    told: dict[str, Callable[[Any], str]] = {
        "type": words.type,
        "lifecycle_state": lambda state: words.state(DEVICES[0], state),
    }
    return " / ".join(
        told[name](value) if name in told and value else words.value(name, value)
        for name, value in key.items()
    )


def _print(figure: Figure, answer: Answer, words: Words) -> None:
    unit = UNITS[figure.unit][words.language == "zh"]
    title = figure.zh if words.language == "zh" else figure.en
    whole = "" if answer.value is None else f": {answer.value:g}{unit}"
    output.print_line(f"{title}{whole} (n={answer.count})", "bold")
    if answer.groups:
        output.print_table(
            ["", "数值" if words.language == "zh" else "Value", "n"],
            [[_label(g.key, words), f"{g.value:g}{unit}", g.count] for g in answer.groups],
        )
