"""docs/commands.md, made from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from cli.errors import EXIT_CODES
from cli.main import app


def command_reference() -> str:
    """Markdown: every subcommand with its arguments and options, and the exit codes."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Commands"
    yield ""
    yield "Generated from the program: `cmdb COMMAND --help` says the same."
    yield "`cmdb --install-completion` sets up completion for your shell."
    yield ""
    yield from _command("cmdb", typer.main.get_command(app))
    yield "## Exit codes"
    yield ""
    yield "| exit code | error code | meaning |"
    yield "| --- | --- | --- |"
    for code, (number, meaning) in EXIT_CODES.items():
        yield f"| {number} | `{code}` | {meaning} |"


def _command(path: str, command: Any) -> Iterator[str]:
    subcommands = getattr(command, "commands", None)
    if subcommands is not None:
        for name, subcommand in subcommands.items():
            yield from _command(f"{path} {name}", subcommand)
        return
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    words = " ".join(_argument(p) for p in arguments)
    yield f"## `{path}{' ' + words if words else ''}`"
    yield ""
    yield " ".join((command.help or "").split())
    yield ""
    for parameter in options:
        meta = "" if parameter.is_flag else f" {parameter.metavar or 'VALUE'}"
        envvar = f" Environment: `{parameter.envvar}`." if parameter.envvar else ""
        yield f"- `{'`, `'.join(parameter.opts)}{meta}`: {parameter.help or ''}{envvar}"
    yield ""


def _argument(parameter: Any) -> str:
    return str(
        parameter.metavar
        or (parameter.name.upper() if parameter.required else f"[{parameter.name.upper()}]")
    )
