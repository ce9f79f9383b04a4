"""What the model declares of processes, printed: state machines, procedures, guards, effects; pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from cli import output
from cli.options import STORE_DEFAULT, Store, opened
from cmdb.errors import DumpError, QueryError, StoreNotFoundError
from lifecycle import pictures
from schema import process_exports as told
from schema.errors import UnknownNameError
from schema.exports import state_diagram
from schema.loading import load_model
from schema.model import Model, RecordType, StateMachine

FORMATS: Final = ("svg", "mermaid")


def model_in_use(store: str) -> Model:
    """The model of a store; without the store, that of the files."""
    try:
        with opened(store) as graph:
            return graph.model
    except StoreNotFoundError:
        return load_model()


def print_machine(model: Model, machine: StateMachine) -> None:
    """States, transitions, and the guards and effects that they name."""
    output.print_line(f"{machine.name}  {machine.label.en} {machine.label.zh}", "bold")
    _print(told.STATES, [told.state_row(s, machine.initial) for s in machine.states.values()])
    ways = machine.transitions.values()
    _print(told.TRANSITIONS, [told.transition_row(way, machine) for way in ways])
    stays = machine.states.values()
    timed = [name for s in stays for timer in s.timers.values() for name in timer.effects]
    entered = [name for s in stays for name in (*s.entry, *s.exit)]
    effects = [name for way in ways for name in way.effects]
    _print_named(model, [name for way in ways for name in way.guards], effects + entered + timed)


def print_procedure(model: Model, record_type: RecordType) -> None:
    """How records of a type are approved and carried out; nothing where it has no procedure."""
    for way, needed in record_type.requires.items():
        output.print_line(f"to {way} it needs: {', '.join(needed)}")
    procedure = record_type.procedure
    if procedure is None:
        return
    machine = record_type.state_machine
    output.print_line(
        f"numbers: {procedure.prefix}-YEAR-…; concerns: {', '.join(procedure.concerns)}; "
        f"state machine: {machine.name if machine else 'none'}"
    )
    if procedure.requires:
        output.print_line(f"to be submitted it needs: {', '.join(procedure.requires)}")
    _print(told.STAGES, [told.stage_row(n, s) for n, s in procedure.approval.items()])
    if not procedure.approval:
        output.print_line("It needs no approval.")
    steps = procedure.steps.values()
    _print(told.STEPS, [told.step_row(n, s) for n, s in procedure.steps.items()])
    taken = {step.transition for step in steps}
    concerned = (model.record_types[c] for t in procedure.concerns for c in _below(model, t))
    machines = {t.state_machine.name: t.state_machine for t in concerned if t.state_machine}
    guards = [name for step in steps for name in step.guards]
    effects = [name for step in steps for name in step.effects]
    for found in machines.values():
        ways = [way for way in found.transitions.values() if way.name in taken]
        if ways:
            output.print_line(f"transitions of {found.name}")
            _print(told.TRANSITIONS, [told.transition_row(way, found) for way in ways])
        guards += [name for way in ways for name in way.guards]
        effects += [name for way in ways for name in way.effects]
    _print_named(model, guards, effects)


def print_rule(model: Model, section: str, name: str) -> None:
    """One guard or effect, and where it is named."""
    _print_named(model, [name] * (section == "guards"), [name] * (section == "effects"))
    where = [
        f"{machine.name}: {way.name}"
        for machine in model.state_machines.values()
        for way in machine.transitions.values()
        if name in (way.guards if section == "guards" else way.effects)
    ]
    where += [
        f"{record_type.name}: {step_name}"
        for record_type in model.record_types.values()
        if record_type.procedure
        for step_name, step in record_type.procedure.steps.items()
        if name in (step.guards if section == "guards" else step.effects)
    ]
    output.print_line(f"named by: {'; '.join(where) or 'nothing'}")


def _below(model: Model, name: str) -> Iterable[str]:
    return sorted(model.record_types[name].concrete)


def _print_named(model: Model, guards: Iterable[str], effects: Iterable[str]) -> None:
    _print(told.GUARDS, [told.guard_row(n, model.guards[n]) for n in dict.fromkeys(guards)])
    _print(told.EFFECTS, [told.effect_row(n, model.effects[n]) for n in dict.fromkeys(effects)])


def _print(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table without the columns in which no row has anything."""
    kept = [n for n in range(len(columns)) if any(row[n] for row in rows)]
    if rows:
        output.print_table([columns[n] for n in kept], [[row[n] for n in kept] for row in rows])


def picture(
    machine: Annotated[
        str, typer.Argument(metavar="MACHINE", help="A state machine, or a type that has one.")
    ],
    format_: Annotated[str, typer.Option("--format", metavar="svg|mermaid")] = "svg",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Default: standard output.")
    ] = None,
    store: Store = STORE_DEFAULT,
) -> None:
    """Draw a state machine: states, the ways between them, and who may take them."""
    if format_ not in FORMATS:
        raise QueryError(f"There is no picture {format_!r}.", f"Use one of {', '.join(FORMATS)}.")
    found = _machine(model_in_use(store), machine)
    drawn = pictures.svg(found) if format_ == "svg" else "\n".join([*state_diagram(found), ""])
    if out is None:
        print(drawn, end="")
        return
    try:
        out.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise DumpError(
            f"{out} cannot be written: {error.strerror}.", "Check the folder."
        ) from None


def _machine(model: Model, name: str) -> StateMachine:
    found = model.state_machines.get(name)
    if found is None and name in model.record_types:
        found = model.record_types[name].state_machine
    if found is None:
        known = ", ".join(model.state_machines)
        raise UnknownNameError(f"There is no state machine {name!r}.", f"There are: {known}.")
    return found
