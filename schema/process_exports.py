"""What the model declares of processes, for readers: rows of tables, and Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from schema.model import Model, RecordType, State, StateMachine, Transition
from schema.processes import (
    ORDER,
    SYSTEM,
    ClockDeclaration,
    EffectDeclaration,
    GuardDeclaration,
    StageDeclaration,
    StepDeclaration,
    TimerDeclaration,
)
from schema.service_management import (
    ImpactLevelDeclaration,
    ImpactRule,
    PriorityDeclaration,
    RiskFactorDeclaration,
    RiskLevelDeclaration,
)

Row = list[str]
STATES: Final = ("state", "label", "标签", "")
TRANSITIONS: Final = ("transition", "变迁", "from", "to", "who may", "needs", "guards", "effects")
STAGES: Final = ("approval", "审批", "asked", "how many", "when")
STEPS: Final = ("step", "环节", "transition", "who may", "needs", "guards", "effects")
GUARDS: Final = ("guard", "what it asks for", "条件", "records", "may override")
EFFECTS: Final = ("effect", "what it does", "效果", "")
CLOCKS: Final = ("clock", "时限", "runs in", "pauses in", "how long", "until")
LEVELS: Final = ("impact level", "影响程度", "the first with one of these")
PRIORITIES: Final = ("priority", "优先级", "impact: urgency", "response", "resolution")
FACTORS: Final = ("risk factor", "what it counts", "因素", "points", "at most")
RISKS: Final = ("risk", "label", "风险", "from points")


# -- rows, as the command prints them, too -------------------------------------------------------------------


def state_row(state: State, initial: str) -> Row:
    notes = ["initial"] * (state.name == initial)
    notes += [word for word in ("operational", "terminal", "frozen") if getattr(state, word)]
    if state.approval:
        notes.append(f"votes lead to {state.approval.granted} or {state.approval.refused}")
    notes += [f"entering: {name}" for name in state.entry]
    notes += [f"leaving: {name}" for name in state.exit]
    notes += [_timer(timer) for timer in state.timers.values()]
    return [state.name, state.label.en, state.label.zh, "; ".join(notes)]


def _timer(timer: TimerDeclaration) -> str:
    when = f"after {timer.after}" if timer.after else f"once {timer.attribute} has passed"
    does = [timer.transition] if timer.transition else []
    return f"{when} {', '.join([*does, *timer.effects]) or 'it is told'} ({timer.label.en} {timer.label.zh})"


def transition_row(way: Transition, machine: StateMachine) -> Row:
    source = ", ".join(name for name in machine.states if name in way.source)
    names = (way.requires, way.guards, way.effects)
    return [
        way.name,
        way.label.zh,
        source,
        way.target,
        who(way.by, governed=way.governed),
        *map(", ".join, names),
    ]


def who(by: Sequence[str], *, governed: bool = True) -> str:
    """Who may, in words."""
    words = {SYSTEM: "the product itself", ORDER: "an order"}
    free = "anybody" if governed else "anybody, by setting the state"
    return " or ".join(words.get(role, role) for role in by) or free


def stage_row(name: str, stage: StageDeclaration) -> Row:
    at = f" of the {stage.at}" if stage.at else ""
    of = f", by {stage.of}" if stage.of != "organisation" else ""
    when = [] if stage.value_from is None else [f"worth {stage.value_from:,.0f} or more"]
    when += [f"{attribute} {value} or more" for attribute, value in stage.at_least.items()]
    asked = ", ".join(when) or "always"
    return [name, stage.label.zh, f"{stage.role}{at}{of}", str(stage.needed), asked]


def step_row(name: str, step: StepDeclaration) -> Row:
    of = f" of {step.of}" if step.of != "organisation" else ""
    effects = list(step.effects)
    if step.confirmed_within:
        effects.append(f"a collection confirms it within {step.confirmed_within}")
    return [
        name,
        step.label.zh,
        step.transition or "",
        f"{who(step.by)}{of}",
        *map(", ".join, (step.requires, step.guards, effects)),
    ]


def guard_row(name: str, guard: GuardDeclaration) -> Row:
    return [
        name,
        guard.label.en,
        guard.label.zh,
        ", ".join(guard.types) or "all",
        guard.override or "nobody",
    ]


def effect_row(name: str, effect: EffectDeclaration) -> Row:
    said = [f"{attribute} = {source}" for attribute, source in effect.sets.items()]
    said += [f"{link} {source}" for link, source in effect.relates.items()]
    return [name, effect.label.en, effect.label.zh, ", ".join(said)]


def clock_row(name: str, clock: ClockDeclaration) -> Row:
    again = ", again when it comes back" * clock.resumes
    return [
        name,
        clock.label.zh,
        f"{', '.join(clock.runs)}{again}",
        ", ".join(clock.pauses),
        clock.target,
        clock.due,
    ]


def level_row(name: str, level: ImpactLevelDeclaration) -> Row:
    return [name, level.label.zh, "; ".join(map(_condition, level.any))]


def _condition(rule: ImpactRule) -> str:
    critical = f" {' or '.join(rule.criticality)}" * bool(rule.criticality)
    counted = {"services": rule.services, "items": rule.items, "organisations": rule.organisations}
    told = [f"{number}{critical} {what}" for what, number in counted.items() if number]
    return f"{' and '.join(told)} {rule.effect} or worse" if told else "anything else"


def priority_row(name: str, priority: PriorityDeclaration) -> Row:
    when = [f"{level}: {', '.join(some)}" for level, some in priority.when.items()]
    promised = (priority.response_time or "", priority.resolution_time or "")
    return [name, priority.label.zh, "; ".join(when), *promised]


def factor_row(name: str, factor: RiskFactorDeclaration) -> Row:
    return [name, factor.label.en, factor.label.zh, f"{factor.points:g}", f"{factor.most:g}"]


def risk_row(name: str, level: RiskLevelDeclaration) -> Row:
    return [name, level.label.en, level.label.zh, f"{level.points:g}"]


# -- Markdown -------------------------------------------------------------------------------------------------


def machine_tables(machine: StateMachine) -> Iterator[str]:
    """States and transitions of a machine."""
    rows = [state_row(state, machine.initial) for state in machine.states.values()]
    yield from table(STATES, rows)
    ways = [transition_row(way, machine) for way in machine.transitions.values()]
    yield from table(TRANSITIONS, ways)
    yield from table(CLOCKS, [clock_row(n, c) for n, c in machine.clocks.items()])


def orders(model: Model) -> Iterator[str]:
    """The procedure of each type that has one, then all guards and effects."""
    yield "## Procedures"
    yield ""
    yield "How records of these types are approved and carried out; their states are those of their state machine."
    yield ""
    for record_type in model.record_types.values():
        if record_type.procedure is not None and not record_type.abstract:
            yield from _procedure(record_type)
    yield "## Guards"
    yield ""
    yield "Rules that may refuse a transition or a step. Who holds the role may override with a reason."
    yield ""
    yield from table(GUARDS, [guard_row(n, g) for n, g in model.guards.items()])
    yield "## Effects"
    yield ""
    yield "What transitions, steps, states and timers do beside changing a state."
    yield ""
    yield from table(EFFECTS, [effect_row(n, e) for n, e in model.effects.items()])
    yield from policies(model)


def policies(model: Model) -> Iterator[str]:
    """Impact levels, priorities and risks."""
    if not (model.impact_levels or model.priorities or model.risk_levels):
        return
    yield "## Impact, priority and risk"
    yield ""
    yield "How bad an impact is; which priority follows, and what it promises unless a service level agreement promises more; what makes a change risky."
    yield ""
    yield from table(LEVELS, [level_row(n, v) for n, v in model.impact_levels.items()])
    yield from table(PRIORITIES, [priority_row(n, v) for n, v in model.priorities.items()])
    yield from table(FACTORS, [factor_row(n, v) for n, v in model.risk_factors.items()])
    yield from table(RISKS, [risk_row(n, v) for n, v in model.risk_levels.items()])


def _procedure(record_type: RecordType) -> Iterator[str]:
    procedure = record_type.procedure
    assert procedure is not None
    needs = f" To be submitted it needs {', '.join(procedure.requires)}." * bool(procedure.requires)
    yield f"### Procedure of {record_type.name}"
    yield ""
    yield f"{record_type.label.en} · {record_type.label.zh}. Numbers begin with {procedure.prefix}; it concerns {', '.join(procedure.concerns)}.{needs}"
    yield ""
    if procedure.approval:
        yield from table(STAGES, [stage_row(n, s) for n, s in procedure.approval.items()])
    else:
        yield "It needs no approval."
        yield ""
    yield from table(STEPS, [step_row(n, s) for n, s in procedure.steps.items()])


def table(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """A Markdown table, without the columns in which no row has anything; the first one as code."""
    listed = list(rows)
    kept = [n for n in range(len(columns)) if any(row[n] for row in listed)]
    if not listed:
        return
    yield f"| {' | '.join(columns[n] for n in kept)} |"
    yield f"| {' | '.join('---' for _ in kept)} |"
    for row in listed:
        cells = [f"`{row[n]}`" if n == 0 else row[n].replace("|", "\\|") for n in kept]
        yield f"| {' | '.join(cells)} |"
    yield ""
