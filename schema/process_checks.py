"""What must hold over state machines, guards, effects and procedures before a model may be used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from schema.declarations import ModelDeclaration, RecordTypeDeclaration
from schema.inheritance import Found, Path, ancestry, inherited
from schema.processes import (
    FIRED_TIMERS,
    ORDER,
    RELATIVE_ROLES,
    SAID,
    SYSTEM,
    ClockDeclaration,
    ProcedureDeclaration,
    StateDeclaration,
    StateMachineDeclaration,
    StepDeclaration,
    TimerDeclaration,
    TransitionDeclaration,
)

POLICIES: Final = {
    "impact_levels": "impact_level",
    "priorities": "priority",
    "risk_levels": "risk",
}
"""Section of a model -> the enum attribute whose values it says something about."""
ROLES: Final = ("HAS_ROLE", "roles")
"""The relationship type, and its enum, whose values are the roles that people may hold."""


def check_processes(declared: ModelDeclaration) -> Found:
    """Every mistake in them."""
    yield from _guards_and_effects(declared)
    yield from _state_machines(declared)
    yield from _policies(declared)
    for name, record_type in declared.record_types.items():
        path: Path = ("record_types", name)
        yield from _type_requirements(declared, (*path, "requires"), name, record_type)
        if record_type.procedure:
            yield from _procedure(declared, (*path, "procedure"), name, record_type.procedure)


def _state_machines(declared: ModelDeclaration) -> Found:
    for name, machine in declared.state_machines.items():
        path: Path = ("state_machines", name)
        if machine.label is None:
            yield path, f"{name} has no label", "Add `label: {en: …, zh: …}`."
        if machine.initial not in machine.states:
            yield (
                path,
                f"the initial state {machine.initial} of {name} is not one of its states",
                "Correct it.",
            )
        for what, state in (("observed", machine.observed), ("vanished", machine.vanished)):
            if state is not None and state not in machine.states:
                yield (
                    (*path, what),
                    f"the {what} state {state} of {name} is not one of its states",
                    "Correct it.",
                )
        for effect in machine.effects:
            if effect not in declared.effects:
                yield from _unknown((*path, "effects"), name, "effect", effect)
        for way, transition in machine.transitions.items():
            here = (*path, "transitions", way)
            yield from _named(declared, here, f"{way} of {name}", transition)
            yield from _roles(declared, here, transition.by)
            yield from _requirements(declared, here, f"{way} of {name}", transition.requires)
            for state in (*transition.source, transition.target):
                if state not in machine.states:
                    yield (
                        (*path, "transitions", way),
                        f"{way} of {name} names the state {state}, which is not declared",
                        "Declare it, or correct the name.",
                    )
        for state, stay in machine.states.items():
            yield from _stay(declared, (*path, "states", state), name, state, stay)
        for clock_name, clock in machine.clocks.items():
            yield from _clock(declared, (*path, "clocks", clock_name), name, clock_name, clock)
        yield from _reachability(path, name, machine)


def _clock(
    declared: ModelDeclaration, path: Path, machine: str, name: str, clock: ClockDeclaration
) -> Found:
    """What a service level's clock names."""
    states = declared.state_machines[machine].states
    for state in (*clock.runs, *clock.pauses):
        if state not in states:
            yield from _unknown(path, f"the clock {name} of {machine}", "state", state)
    for attribute in (clock.target, clock.due):
        if attribute not in _attributes(declared):
            yield from _unknown(path, f"the clock {name}", "attribute", attribute)
    for state in {*clock.runs} & {*clock.pauses}:
        yield path, f"the clock {name} both runs and pauses in {state}", "Choose one of the two."


def _reachability(path: Path, name: str, machine: StateMachineDeclaration) -> Found:
    reached, frontier = set(), [machine.initial]
    while frontier:
        state = frontier.pop()
        if state not in reached:
            reached.add(state)
            frontier += [t.target for t in machine.transitions.values() if state in t.source]
    leaving = {state for t in machine.transitions.values() for state in t.source}
    for state, declared in machine.states.items():
        where = (*path, "states", state)
        if state not in reached:
            yield (
                where,
                f"no transition of {name} leads to the state {state}",
                "Add one, or remove the state.",
            )
        if declared.terminal and state in leaving:
            yield (
                where,
                f"{state} of {name} is terminal but a transition leaves it",
                "Choose one of the two.",
            )
        if not declared.terminal and state not in leaving:
            yield (
                where,
                f"{state} of {name} is a dead end",
                "Add a transition that leaves it, or `terminal: true`.",
            )


def _stay(
    declared: ModelDeclaration, path: Path, machine: str, name: str, state: StateDeclaration
) -> Found:
    """What a state says of timers, approvals and effects."""
    ways = declared.state_machines[machine].transitions
    for effect in (*state.entry, *state.exit):
        if effect not in declared.effects:
            yield from _unknown(path, f"{name} of {machine}", "effect", effect)
    leading = [(path, t.transition) for t in state.timers.values() if t.transition]
    if state.approval:
        leading += [
            ((*path, "approval"), way) for way in (state.approval.granted, state.approval.refused)
        ]
    for where, way in leading:
        if way not in ways or name not in ways[way].source:
            yield (
                where,
                f"{name} of {machine} names {way}, which is no transition that leaves it",
                "Correct the name, or add the transition.",
            )
    for timer_name, timer in state.timers.items():
        where = (*path, "timers", timer_name)
        if (timer.after is None) == (timer.attribute is None):
            yield where, f"the timer {timer_name} needs one of after and attribute", "Give one."
        if timer.attribute and timer.attribute not in _attributes(declared):
            yield from _unknown(where, f"the timer {timer_name}", "attribute", timer.attribute)
        for effect in timer.effects:
            if effect not in declared.effects:
                yield from _unknown(where, f"the timer {timer_name}", "effect", effect)
        for type_ in _unable_to_note(declared, machine, timer):
            yield (
                where,
                f"the timer {timer_name} stays in {name} of {machine}, and {type_} has no {FIRED_TIMERS} to note that it fired",
                f"Give {type_} the attribute {FIRED_TIMERS} that ProcessRecord has, or the timer a transition.",
            )


def _unable_to_note(
    declared: ModelDeclaration, machine: str, timer: TimerDeclaration
) -> Iterator[str]:
    """The types with a state machine for which a timer would fire for ever."""
    for name, type_ in declared.record_types.items() if not timer.transition else ():
        own = inherited(declared.record_types, name)
        concerned = timer.attribute is None or timer.attribute in own
        if _machine_of(declared, name) == machine and not type_.abstract and concerned:
            yield from () if FIRED_TIMERS in own else (name,)


def _guards_and_effects(declared: ModelDeclaration) -> Found:
    for name, guard in declared.guards.items():
        path: Path = ("guards", name)
        if guard.forbids is not None and guard.demands is not None:
            yield path, f"{name} both forbids and demands", "Make two guards of it."
        for type_ in guard.types:
            if type_ not in declared.record_types:
                yield from _unknown(path, f"the guard {name}", "record type", type_)
        yield from _roles(declared, path, [guard.override] if guard.override else [])
    directions = _directions(declared)
    for name, effect in declared.effects.items():
        for relationship in effect.relates:
            if relationship not in directions:
                yield from _unknown(
                    ("effects", name), f"the effect {name}", "relationship", relationship
                )
        for attribute in effect.sets:
            if attribute not in _attributes(declared):
                yield from _unknown(("effects", name), f"the effect {name}", "attribute", attribute)


def _policies(declared: ModelDeclaration) -> Found:
    """Impact levels, priorities and risks name values that the attributes of their names may have."""
    wanted: list[tuple[str, str, list[str], Path]] = [
        (section, attribute, [*getattr(declared, section)], (section,))
        for section, attribute in POLICIES.items()
    ]
    for name, priority in declared.priorities.items():
        path: Path = ("priorities", name, "when")
        wanted.append((f"the priority {name}", POLICIES["impact_levels"], [*priority.when], path))
        urgencies = [u for some in priority.when.values() for u in some]
        wanted.append((f"the priority {name}", "urgency", urgencies, path))
    for name, level in declared.impact_levels.items():
        critical = [c for rule in level.any for c in rule.criticality]
        path = ("impact_levels", name)
        wanted.append((f"the impact level {name}", "criticality", critical, path))
    known = {
        attribute: set(found.values or ())
        for type_ in declared.record_types.values()
        for attribute, found in type_.attributes.items()
        if found.kind == "enum"
    }
    for owner, attribute, values, path in wanted:
        for value in dict.fromkeys(values):
            if value not in known.get(attribute, ()):
                yield from _unknown(path, owner, f"value of {attribute}", value)


def _procedure(
    declared: ModelDeclaration, path: Path, name: str, procedure: ProcedureDeclaration
) -> Found:
    own = inherited(declared.record_types, name)
    yield from _requirements(declared, path, name, procedure.requires)
    for type_ in procedure.concerns:
        if type_ not in declared.record_types:
            yield from _unknown((*path, "concerns"), name, "record type", type_)
    for stage_name, stage in procedure.approval.items():
        where = (*path, "approval", stage_name)
        yield from _roles(declared, where, [stage.role])
        if stage.at and stage.at not in declared.record_types:
            yield from _unknown(where, f"{stage_name} of {name}", "record type", stage.at)
        if stage.of not in own:
            yield from _unknown(where, f"{stage_name} of {name}", "attribute", stage.of)
        for attribute, value in stage.at_least.items():
            if value not in (getattr(own.get(attribute), "values", None) or ()):
                yield (
                    where,
                    f"{stage_name} of {name} asks for {attribute} {value}, which it cannot have",
                    "Name an enum attribute of the type, and one of its values.",
                )
    machines = _machines_of(declared, procedure.concerns)
    for step_name, step in procedure.steps.items():
        where = (*path, "steps", step_name)
        yield from _named(declared, where, f"{step_name} of {name}", step)
        yield from _roles(declared, where, step.by)
        if step.of not in own:
            yield from _unknown(where, f"{step_name} of {name}", "attribute", step.of)
        if step.transition and not any(step.transition in m.transitions for m in machines):
            yield from _unknown(where, f"{step_name} of {name}", "transition", step.transition)


def _type_requirements(
    declared: ModelDeclaration, path: Path, name: str, record_type: RecordTypeDeclaration
) -> Found:
    if not record_type.requires:
        return
    machines = list(_machines_of(declared, [name]))
    for way, required in record_type.requires.items():
        if not any(way in machine.transitions for machine in machines):
            yield from _unknown((*path, way), name, "transition", way)
        yield from _requirements(declared, (*path, way), name, required)


def _machines_of(
    declared: ModelDeclaration, types: Iterable[str]
) -> Iterator[StateMachineDeclaration]:
    """The state machines of these types, and of all types below them."""
    wanted = {*types}
    for name in declared.record_types:
        machine = _machine_of(declared, name)
        if machine in declared.state_machines and not wanted.isdisjoint(
            ancestry(declared.record_types, name)
        ):
            yield declared.state_machines[machine]


def _machine_of(declared: ModelDeclaration, type_: str) -> str | None:
    """The name of the state machine of a type, its own or the nearest above it."""
    types = declared.record_types
    return next((m for n in ancestry(types, type_) if (m := types[n].state_machine)), None)


def _named(
    declared: ModelDeclaration,
    path: Path,
    owner: str,
    what: TransitionDeclaration | StepDeclaration,
) -> Found:
    """The guards and effects that a transition or a step names."""
    for guard in what.guards:
        if guard not in declared.guards:
            yield from _unknown(path, owner, "guard", guard)
    for effect in what.effects:
        if effect not in declared.effects:
            yield from _unknown(path, owner, "effect", effect)


def _roles(declared: ModelDeclaration, path: Path, roles: Iterable[str]) -> Found:
    relationship, attribute = ROLES
    holding = declared.relationship_types.get(relationship)
    enum = holding.attributes.get(attribute) if holding else None
    known = {*RELATIVE_ROLES, SYSTEM, ORDER, *((enum and enum.values) or ())}
    for role in roles:
        if role not in known:
            yield (
                path,
                f"{role} is no role",
                f"Add it to the values of {attribute} of {relationship}, or correct the name.",
            )


def _requirements(
    declared: ModelDeclaration, path: Path, owner: str, required: Iterable[str]
) -> Found:
    taken = {i for e in declared.effects.values() for i in (*e.sets.values(), *e.relates.values())}
    known = {*_attributes(declared), *_directions(declared), *taken, *SAID}
    for name in required:
        if name not in known:
            what = "attribute or input" if name.islower() else "relationship"
            yield from _unknown(path, owner, what, name)


def _attributes(declared: ModelDeclaration) -> set[str]:
    return {name for t in declared.record_types.values() for name in t.attributes}


def _directions(declared: ModelDeclaration) -> set[str]:
    types = declared.relationship_types
    return {*types, *(t.inverse for t in types.values() if t.inverse)}


def _unknown(path: Path, owner: str, what: str, name: str) -> Found:
    yield (
        path,
        f"{owner} names the {what} {name}, which is not declared",
        "Correct the name, or declare it.",
    )
