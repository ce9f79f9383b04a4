"""docs/commands.md, made from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import typer

from cli.errors import EXIT_CODES
from cli.main import app

CONDITIONS: Final = """\
## Conditions

`ATTRIBUTE SIGN VALUE` in one word, quoted for the shell. Several must all hold.

| sign | holds where the attribute |
| --- | --- |
| `=` `!=` | is, or is not, the value; of a list: holds it. `serial_number=` has none, `serial_number!=` has one |
| `<` `<=` `>` `>=` | is before or behind it, up to it … |
| `~` | has it as a part |
| `^=` | begins with it |

`RUNS_ON.name=esx-01` asks a related record; relationship types and their inverse names may be strung
together. A reference (`custodian=`) is compared with the name or id of a record. Beside attributes
there are `id` and `revision`.

`--where` takes the same as JSON, as other programs write it: `{"name": {"prefix": "esx"}}`. Operators:
`eq`, `ne`, `lt`, `lte`, `gt`, `gte`, `in` (a list), `contains`, `prefix`, `null` (true or false);
`and` and `or` take lists of filters, `not` takes one, and a relationship type takes the filter of the
record at its other end: `{"or": [{"RUNS_ON": {"vendor": "Inspur"}}, {"not": {"tags": {"contains": "x"}}}]}`."""


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
    yield from CONDITIONS.splitlines()
    yield ""
    yield "## Exit codes"
    yield ""
    yield "| exit code | error code | meaning |"
    yield "| --- | --- | --- |"
    for code, (number, meaning) in EXIT_CODES.items():
        yield f"| {number} | `{code}` | {meaning} |"


def _command(path: str, command: Any) -> Iterator[str]:
    if hasattr(command, "list_commands"):
        for name in command.list_commands(None):
            yield from _command(f"{path} {name}", command.get_command(None, name))
        return
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    words = " ".join(_argument(p) for p in arguments)
    yield f"## `{path}{' ' + words if words else ''}`"
    yield ""
    yield " ".join((command.help or "").split())
    yield ""
    for parameter in arguments:
        if parameter.help:
            yield f"- `{_argument(parameter)}`: {parameter.help}"
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
