"""What a model file may say about processes: state machines, their guards, effects and timers, and the
procedure that a process record follows. ``lifecycle`` carries them out; here they are only data.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from schema.basics import Declaration, Label, Needed, SnakeName, TypeName

Requirement = Annotated[
    str, StringConstraints(pattern=r"^([a-z][a-z0-9_]{0,62}|[A-Z][A-Z0-9_]{0,62})$")
]
"""What must be there: an attribute, or a relationship (or inverse) name."""
Span = Annotated[str, StringConstraints(pattern=r"^P(\d+W|(\d+D)?(T(\d+H)?(\d+M)?(\d+S)?)?)$")]
"""An ISO 8601 duration in weeks, days, hours …: ``P7D``."""

RELATIVE_ROLES: Final = ("requester", "assignee", "custodian")
"""Roles that follow from the record itself: its ``requested_by``, ``assignee``, ``custodian``."""
SAID: Final = ("reason", "serial_read", "checked")
"""Inputs of every step and transition, beside attributes and what effects take."""
SYSTEM: Final = "system"
"""In ``by``: only the product itself, as the outcome of approvals, steps and timers."""
FIRED_TIMERS: Final = "fired_timers"
"""The attribute that notes which timers fired in a record's present stay."""
ORDER: Final = "order"
"""In ``by``: only as a step of a process that concerns the record."""


class TimerDeclaration(Declaration):
    """What happens when a record stays in a state for too long: once for each stay."""

    label: Label
    after: Span | None = Field(None, description="So long after it entered the state.")
    attribute: SnakeName | None = Field(
        None, description="When this date or instant of the record has passed."
    )
    transition: SnakeName | None = None
    effects: list[SnakeName] = []


class ApprovalDeclaration(Declaration):
    """A state in which people vote: the transitions that follow from the outcome."""

    granted: SnakeName
    refused: SnakeName


class StateDeclaration(Declaration):
    label: Label
    operational: bool = Field(
        False,
        description="A CI in this state serves others, and in another it is nobody's provider; a process in it is under way.",
    )
    terminal: bool = Field(False, description="Nothing leads out of this state.")
    frozen: bool = Field(
        False, description="Attributes change by the process itself only, not by hand."
    )
    approval: ApprovalDeclaration | None = None
    timers: dict[SnakeName, TimerDeclaration] = {}
    entry: list[SnakeName] = Field([], description="Effects of entering the state.")
    exit: list[SnakeName] = Field([], description="Effects of leaving the state.")


class TransitionDeclaration(Declaration):
    """A way from one state to another. One that says who may, what it needs, guards or effects is
    *governed*: it is carried out by the process engine, never by writing the state."""

    label: Label
    source: list[SnakeName] = Field(min_length=1)
    target: SnakeName
    by: list[SnakeName] = Field(
        [], description="Who may: roles held in the record's organisation or above; all if empty."
    )
    requires: list[Requirement] = []
    guards: list[SnakeName] = []
    effects: list[SnakeName] = []


class ClockDeclaration(Declaration):
    """A promise about time that a process keeps by moving on: a service level's clock.

    It begins when the process begins, runs in some states, pauses in others, and has stopped in all the
    rest. The time is counted by the calendar of the process's organisation.
    """

    label: Label
    runs: list[SnakeName] = Field(min_length=1, description="The states in which time counts.")
    pauses: list[SnakeName] = Field([], description="The states in which time stands still.")
    resumes: bool = Field(
        False, description="It runs on in a state that it runs in, though it had stopped."
    )
    target: SnakeName = Field(
        description="The attribute of a service level agreement, and of a priority, that says how long."
    )
    due: SnakeName = Field(description="The attribute of the process that says until when.")


class StateMachineDeclaration(Declaration):
    """The states a record may be in, and the transitions between them."""

    extend: bool = False
    label: Label | None = None
    initial: SnakeName | None = None
    observed: SnakeName | None = Field(
        None, description="The state of a record that a source has found rather than planned."
    )
    vanished: SnakeName | None = Field(
        None, description="The state to go to when no source finds the record any more."
    )
    entered: Literal["any", "initial"] = Field(
        "any",
        description="The states a new record may have: any, for what existed before it was recorded, or the initial one only.",
    )
    states: dict[SnakeName, StateDeclaration] = {}
    transitions: dict[SnakeName, TransitionDeclaration] = {}
    clocks: dict[SnakeName, ClockDeclaration] = {}
    effects: list[SnakeName] = Field([], description="Effects of every transition, after its own.")


class GuardDeclaration(Declaration):
    """A rule that may refuse a transition. With ``forbids`` or ``demands`` it is a filter over the
    record that goes through it, as in a query; without either it is one of the product's own."""

    extend: bool = False
    label: Label
    types: list[TypeName] = Field([], description="Only records of these types; all if empty.")
    forbids: dict[str, Any] | None = Field(None, description="Refused where this filter matches.")
    demands: dict[str, Any] | None = Field(
        None, description="Refused where this filter does not match."
    )
    override: SnakeName | None = Field(
        None, description="The role that may set it aside, with a reason; nobody may without one."
    )


class EffectDeclaration(Declaration):
    """What a transition does beside changing the state. With ``sets`` or ``relates`` it is data: values
    named among the inputs of the process; without either it is one of the product's own."""

    extend: bool = False
    label: Label
    sets: dict[SnakeName, SnakeName] = Field(
        {}, description="Attribute -> the input it is taken from, where that is given."
    )
    relates: dict[str, SnakeName] = Field(
        {}, description="Relationship or inverse name -> the input that names the other end."
    )
    replaces: bool = Field(False, description="The others of that relationship are closed.")


class StageDeclaration(Declaration):
    """One stage of an approval: who is asked, and how many of them must agree."""

    label: Label
    role: SnakeName
    at: TypeName | None = Field(
        None,
        description="The organisation whose people are asked: the nearest of this type, from the record's own upwards. Without it, its own, or the nearest above where somebody has the role.",
    )
    of: SnakeName = Field("organisation", description="The attribute that names the organisation.")
    needed: Needed = "1"
    value_from: float | None = Field(
        None, description="Asked only where what is concerned cost so much in all, or more."
    )
    at_least: dict[SnakeName, SnakeName] = Field(
        {},
        description="Enum attribute -> value: asked only where the process has that value, or one declared after it.",
    )


class StepDeclaration(Declaration):
    """One step that a process takes with each record it concerns."""

    label: Label
    transition: SnakeName | None = Field(
        None, description="Of the state machine of the record concerned."
    )
    by: list[SnakeName] = []
    of: SnakeName = Field(
        "organisation", description="The attribute of the process: where those roles are held."
    )
    requires: list[Requirement] = Field([], description="Inputs that must be given.")
    guards: list[SnakeName] = []
    effects: list[SnakeName] = []
    confirmed_within: Span | None = Field(
        None, description="An automatic collection must see the record by then."
    )


class ProcedureDeclaration(Declaration):
    """How a process record is prepared, approved and carried out."""

    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,6}$")] = Field(
        description="What its numbers begin with."
    )
    concerns: list[TypeName] = Field(min_length=1)
    requires: list[Requirement] = Field([], description="What it needs to be submitted.")
    approval: dict[SnakeName, StageDeclaration] = {}
    steps: dict[SnakeName, StepDeclaration] = {}
