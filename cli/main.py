"""The command: its subcommands, and errors turned into one line and an exit code."""

from __future__ import annotations

import io
import os
import sys
import traceback
from functools import cache
from typing import Any

import typer
from typer.exceptions import TyperException

from cli import (
    accounts,
    alerts,
    attachments,
    changes,
    changing,
    deciding,
    due,
    figures,
    impact,
    importing,
    incidents,
    ledger,
    model_commands,
    orders,
    organisations,
    problems,
    records,
    requests,
    resume,
    serving,
    sources,
    stocktaking,
    stores,
    transitions,
)
from cli.confirming import print_refusals
from cli.errors import EXIT_CODES, error_line, exit_code
from cli.options import environment_flag
from lifecycle.refusals import OutdatedError, RefusedError
from schema.errors import CmdbError, ModelError

app = typer.Typer(
    name="cmdb",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A graph configuration management database: everything that is operated, how it depends on each other, and its whole history.",
    epilog="The store is chosen by --store or CMDB_STORE. docs/commands.md lists exit codes.",
)
app.command()(stores.init)
app.command()(stores.status)
app.command()(records.find)
app.command()(records.search)
app.command()(records.show)
app.command()(records.history)
app.command()(records.diff)
app.command()(changing.create)
app.command("set")(changing.set_attributes)
app.command()(changing.relate)
app.command()(changing.apply)
app.add_typer(orders.app, name="order")
app.add_typer(problems.app, name="problem")
app.add_typer(requests.app, name="request")
app.add_typer(changes.app, name="change")
app.command()(transitions.transition)
app.add_typer(incidents.app, name="incident")
app.command()(incidents.asking.recent)
app.command()(impact.impact)
app.command()(impact.window)
app.command("dependencies")(impact.depends)
app.command()(impact.single_points)
app.command()(impact.root_cause)
app.command()(ledger.ledger)
app.command()(resume.resume)
app.command()(figures.figures)
app.command("importers")(importing.list_importers)
app.command("import")(importing.import_)
app.add_typer(sources.app, name="sources")
app.command()(sources.why)
app.command()(deciding.duplicates)
app.command()(deciding.decide)
app.command()(deciding.merge)
app.command()(deciding.unmerge)
app.command()(deciding.undo)
app.command()(stores.export)
app.command()(stores.copy)
app.command()(stores.dump)
app.command()(stores.restore)
app.command()(stores.check)
app.add_typer(model_commands.app, name="schema")
app.add_typer(stocktaking.app, name="stocktake")
app.add_typer(organisations.app, name="org")
app.command()(due.due)
app.command()(due.timers)
app.add_typer(alerts.alert_app, name="alert")
app.add_typer(alerts.desk_app, name="desk")
app.command()(attachments.attach)
app.command()(attachments.attachment)
app.add_typer(accounts.account_app, name="account")
app.add_typer(accounts.token_app, name="token")
app.command()(accounts.audit)
app.command()(serving.serve)
app.command()(serving.config)


def main() -> None:
    """Run the command and exit."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w")  # noqa: SIM115, PTH123
        setattr(sys, name, stream)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command; errors go to standard error as one line. Returns the exit code.

    ``CMDB_DEBUG=1`` shows the traceback of a defect.
    """
    try:
        result = _command()(arguments, prog_name="cmdb", standalone_mode=False)
        sys.stdout.flush()
        if result == EXIT_CODES["interrupted"][0]:
            raise KeyboardInterrupt
        return result if isinstance(result, int) else 0
    except SystemExit:
        return _closed_pipe()  # typer's only one: nobody reads what is printed
    except ModelError as error:
        for mistake in error.mistakes[1:]:
            print(f"model_invalid: {mistake}", file=sys.stderr)
        return _failed(str(error.mistakes[0]) if error.mistakes else str(error), error)
    except CmdbError as error:
        if isinstance(error, RefusedError | OutdatedError) and len(error.refusals) > 1:
            print_refusals(error.refusals, stderr=True)
        problems = getattr(error, "problems", ())
        if len(problems) < 2:
            return _failed("", error)
        for problem in problems:
            print(f"{error.code}: {problem}", file=sys.stderr)
        return _failed(error.remedy, error)
    except TyperException as error:
        if str(error):  # without one, the help was asked for and printed
            print(f"usage: {error.format_message()} `cmdb --help` helps.", file=sys.stderr)
        return EXIT_CODES["usage"][0]
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted: stopped; what was committed stays.", file=sys.stderr)
        return EXIT_CODES["interrupted"][0]
    except BrokenPipeError:
        return _closed_pipe()
    except OSError as error:
        print(
            f"output_failed: {error.strerror or error}. Make room, or print elsewhere.",
            file=sys.stderr,
        )
        _drop_output()
        return EXIT_CODES["output_failed"][0]
    except Exception as error:
        if environment_flag("CMDB_DEBUG"):
            traceback.print_exc()
        text = " ".join(str(error).split())
        print(
            f"internal: {type(error).__name__}: {text}. This is a defect; please report it with what CMDB_DEBUG=1 prints.",
            file=sys.stderr,
        )
        return EXIT_CODES["internal"][0]


@cache
def _command() -> Any:
    """The command and its subcommands, made from their signatures once in a process."""
    return typer.main.get_command(app)


def _closed_pipe() -> int:
    _drop_output()
    return 0


def _drop_output() -> None:
    """Nothing more goes to standard output, nor is it tried again when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(text: str, error: CmdbError) -> int:
    print(f"{error.code}: {text}" if text else error_line(error), file=sys.stderr)
    return exit_code(error)
