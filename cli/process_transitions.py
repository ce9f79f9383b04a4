"""The transitions of a kind of process as subcommands of its group."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup

from schema.loading import load_model
from schema.model import Model, Transition
from schema.processes import SYSTEM

Mover = Callable[[str], Callable[..., None]]
"""Gives the subcommand of a transition by its name."""


class _WithTransitions(TyperGroup):
    """A group with one more subcommand for each transition.

    The model is read only where one is asked for that nothing else is called, or where all are listed.
    """

    base: ClassVar[str]
    mover: ClassVar[Mover]
    helps: ClassVar[Mapping[str, str]]
    filled = False

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.commands:
            self._fill()
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:
        self._fill()
        return super().list_commands(ctx)

    def _fill(self) -> None:
        if self.filled:
            return
        made = typer.Typer(callback=lambda: None)
        for way in transitions(load_model(), self.base):
            name = way.name.replace("_", "-")
            if name not in self.commands:
                made.command(name, help=self.helps.get(way.name) or _help(way))(
                    type(self).mover(way.name)
                )
        self.commands.update(typer.main.get_group(made).commands)
        self.filled = True


def group_of(base: str, mover: Mover, helps: Mapping[str, str]) -> type[TyperGroup]:
    """The class of a group with the transitions of the types below a base, and what is said of them."""
    said = {"base": base, "mover": staticmethod(mover), "helps": helps}
    return type("WithTransitions", (_WithTransitions,), said)


def transitions(model: Model, base: str) -> list[Transition]:
    """The transitions of all types below a base that people may take, each name once."""
    found: dict[str, Transition] = {}
    for type_ in model.record_types.values():
        machine = type_.state_machine if base in type_.ancestors and not type_.abstract else None
        for way in machine.transitions.values() if machine else ():
            if SYSTEM not in way.by:
                found.setdefault(way.name, way)
    return list(found.values())


def _help(way: Transition) -> str:
    needs = f" It needs {', '.join(way.requires)}." if way.requires else ""
    return f"{way.label.en} ({way.label.zh}), to {way.target}.{needs}"
