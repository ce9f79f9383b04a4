"""The resolved model: frozen objects with inheritance worked out, ready for use.

Made from one merged and checked `ModelDeclaration` (``schema.loading`` and ``schema.checks``).
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final, Literal, NamedTuple

from schema.attributes import Attribute, make_attribute
from schema.basics import Label
from schema.declarations import (
    AttributeDeclaration,
    ImpactDeclaration,
    InferenceDeclaration,
    ModelDeclaration,
    RecordTypeDeclaration,
    RedundancyDeclaration,
    RelationshipTypeDeclaration,
    SlotsDeclaration,
)
from schema.errors import UnknownNameError
from schema.processes import (
    ApprovalDeclaration,
    ClockDeclaration,
    EffectDeclaration,
    GuardDeclaration,
    ProcedureDeclaration,
    StateMachineDeclaration,
    TimerDeclaration,
)
from schema.service_management import (
    ImpactLevelDeclaration,
    PriorityDeclaration,
    RiskFactorDeclaration,
    RiskLevelDeclaration,
)

ROOT: Final = "Record"
STATE_ATTRIBUTE: Final = "lifecycle_state"
ORGANISATION: Final = "Organisation"
"""The record type of organisations."""
ORGANISATION_ATTRIBUTE: Final = "organisation"
PROVENANCE: Final = "provenance"
"""The managed attribute of every record and relationship: which sources reported it, and what."""
ORGANISATION_TREE: Final = "PART_OF"
"""The relationship type that makes organisations a tree: (child)-[:PART_OF]->(parent)."""

Direction = Literal["out", "in"]


class State(NamedTuple):
    name: str
    label: Label
    operational: bool
    terminal: bool
    frozen: bool
    approval: ApprovalDeclaration | None
    timers: Mapping[str, TimerDeclaration]
    entry: tuple[str, ...]
    exit: tuple[str, ...]


class Transition(NamedTuple):
    name: str
    label: Label
    source: frozenset[str]
    target: str
    by: tuple[str, ...]
    requires: tuple[str, ...]
    guards: tuple[str, ...]
    effects: tuple[str, ...]

    @property
    def governed(self) -> bool:
        """Whether it is carried out by the process engine only, never by writing the state."""
        return bool(self.by or self.requires or self.guards or self.effects)


@dataclass(frozen=True, slots=True)
class StateMachine:
    """The states a record may be in, and the declared ways between them."""

    name: str
    label: Label
    initial: str
    observed: str | None
    vanished: str | None
    entered: str
    states: Mapping[str, State]
    transitions: Mapping[str, Transition]
    clocks: Mapping[str, ClockDeclaration]

    def ways(self, source: str) -> list[Transition]:
        """The transitions that leave a state, in declared order."""
        return [way for way in self.transitions.values() if source in way.source]

    def between(self, source: str, target: str) -> Transition | None:
        """A declared transition from one state to another: one that is not governed, if there is."""
        found = [way for way in self.ways(source) if way.target == target]
        return next((way for way in found if not way.governed), found[0] if found else None)

    def observing(self, source: str, target: str) -> Transition | None:
        """The transition by which a source may say that a record is in another state: one that is not
        governed, or any to the state of what was found, or is found no more."""
        way = self.between(source, target)
        found = target in (self.observed, self.vanished)
        return way if way and (found or not way.governed) else None


class IdentificationRule(NamedTuple):
    """What tells one record from all others.

    Attributes
    ----------
    attributes
        Must all have a telling value, the same on both sides; the first is indexed.
    agreeing
        Must only not differ: where a side has no value it agrees.
    relationship
        A relationship type, or an inverse name: the rule holds among the records that have the same
        one at its other end.
    optional
        What is said to have none at that end may be any record.
    """

    attributes: tuple[str, ...]
    agreeing: tuple[str, ...] = ()
    relationship: str | None = None
    optional: bool = False

    def __str__(self) -> str:
        mark = "?" if self.optional else ""
        scope = (f"{self.relationship}{mark}",) if self.relationship else ()
        return " + ".join((*scope, *self.attributes, *(f"{name}?" for name in self.agreeing)))


class UniqueKey(NamedTuple):
    """Attributes that no two records of ``record_type`` (subtypes included) share together."""

    record_type: str
    attributes: tuple[str, ...]


@dataclass(frozen=True)
class RecordType:
    """A record type with all it inherits.

    Attributes
    ----------
    ancestors
        Names from the root down to the type itself: its labels in Neo4j.
    concrete
        Names of all types a record of this type may have: the type and its subtypes, less the
        abstract ones.
    unique, identification
        Inherited ones first for `unique`; for `identification` the type's own rules come before
        its ancestors'.
    becomes
        Of a provisional type: the types a record of it may turn out to be.
    requires
        Transition -> what a record of this type needs for it; inherited ones first.
    procedure
        Of a process: how it is prepared, approved and carried out.
    """

    name: str
    parent: str | None
    abstract: bool
    label: Label
    description: Label | None
    ancestors: tuple[str, ...]
    concrete: frozenset[str]
    attributes: Mapping[str, Attribute]
    unique: tuple[UniqueKey, ...]
    identification: tuple[IdentificationRule, ...]
    becomes: tuple[str, ...]
    state_machine: StateMachine | None
    administered: bool
    requires: Mapping[str, tuple[str, ...]]
    procedure: ProcedureDeclaration | None
    redundancy: Mapping[str, RedundancyDeclaration]

    @cached_property
    def parsers(self) -> dict[str, Callable[[object], Any]]:
        return {name: attribute.parse for name, attribute in self.attributes.items()}

    @cached_property
    def required(self) -> frozenset[str]:
        return frozenset(a.name for a in self.attributes.values() if a.required)

    def operational(self, state: str | None) -> bool:
        """Whether a record in a state serves, or is under way; what has no states always does."""
        machine = self.state_machine
        if machine is None or state is None or state not in machine.states:
            return True
        return machine.states[state].operational

    @cached_property
    def managed(self) -> frozenset[str]:
        return frozenset(a.name for a in self.attributes.values() if a.managed)

    @cached_property
    def references(self) -> tuple[Attribute, ...]:
        return tuple(a for a in self.attributes.values() if a.kind.name == "reference")

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Parsed defaults of a new record, its initial state among them."""
        return {
            a.name: a.parse(a.default) for a in self.attributes.values() if a.default is not None
        }


@dataclass(frozen=True)
class RelationshipType:
    """A relationship type: (source)-[:NAME]->(target).

    ``sources`` and ``targets`` are the concrete record types allowed at each end. One that is
    ``by_product`` is made and closed by the product's own parts only.
    """

    name: str
    label: Label
    description: Label | None
    inverse: str
    inverse_label: Label
    source: tuple[str, ...]
    target: tuple[str, ...]
    sources: frozenset[str]
    targets: frozenset[str]
    one_target: bool
    one_source: bool
    acyclic: bool
    by_product: bool
    ends_with_service: bool
    slots: SlotsDeclaration | None
    part: Literal["source", "target"] | None
    administered: bool
    symmetric: bool
    attributes: Mapping[str, Attribute]
    impact: ImpactDeclaration | None
    inferred: Mapping[str, InferenceDeclaration]

    @cached_property
    def parsers(self) -> dict[str, Callable[[object], Any]]:
        return {name: attribute.parse for name, attribute in self.attributes.items()}

    @cached_property
    def managed(self) -> frozenset[str]:
        return frozenset(a.name for a in self.attributes.values() if a.managed)

    @cached_property
    def required(self) -> frozenset[str]:
        return frozenset(a.name for a in self.attributes.values() if a.required)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        return {
            a.name: a.parse(a.default) for a in self.attributes.values() if a.default is not None
        }


class Model:
    """All record types, relationship types, state machines, guards, effects and policies, by name.

    Parameters
    ----------
    declaration
        The merged declarations, already checked as a whole by ``schema.checks``.
    """

    def __init__(self, declaration: ModelDeclaration) -> None:
        self.declaration = declaration
        self.state_machines: dict[str, StateMachine] = {
            name: _state_machine(name, declared)
            for name, declared in declaration.state_machines.items()
        }
        self.guards: Mapping[str, GuardDeclaration] = declaration.guards
        self.effects: Mapping[str, EffectDeclaration] = declaration.effects
        self.impact_levels: Mapping[str, ImpactLevelDeclaration] = declaration.impact_levels
        self.priorities: Mapping[str, PriorityDeclaration] = declaration.priorities
        self.risk_factors: Mapping[str, RiskFactorDeclaration] = declaration.risk_factors
        self.risk_levels: Mapping[str, RiskLevelDeclaration] = declaration.risk_levels
        self.record_types: dict[str, RecordType] = self._record_types(declaration.record_types)
        self.relationship_types: dict[str, RelationshipType] = {
            name: self._relationship_type(name, declared)
            for name, declared in declaration.relationship_types.items()
        }
        self._directions: dict[str, tuple[RelationshipType, Direction]] = {}
        for relationship_type in self.relationship_types.values():
            self._directions[relationship_type.name] = (relationship_type, "out")
            self._directions[relationship_type.inverse] = (relationship_type, "in")

    # -- looking up -----------------------------------------------------------------------------

    def record_type(self, name: str) -> RecordType:
        """The record type of that name; raises `UnknownNameError` with near misses."""
        try:
            return self.record_types[name]
        except KeyError:
            raise _unknown("record type", name, self.record_types) from None

    def relationship_type(self, name: str) -> RelationshipType:
        """The relationship type of that name; raises `UnknownNameError` with near misses."""
        try:
            return self.relationship_types[name]
        except KeyError:
            raise _unknown("relationship type", name, self.relationship_types) from None

    def direction(self, name: str) -> tuple[RelationshipType, Direction]:
        """The relationship type that a name or an inverse name reads, and which way."""
        try:
            return self._directions[name]
        except KeyError:
            raise _unknown("relationship", name, self._directions) from None

    def attribute(self, record_type: str, name: str) -> Attribute:
        """An attribute that records of a type, or of one of its subtypes, may have.

        Raises `UnknownNameError`.
        """
        wanted = self.record_type(record_type)
        found = wanted.attributes.get(name) or self._attributes_below[record_type].get(name)
        if found is None:
            known = self._attributes_below[record_type]
            raise _unknown(f"attribute of {record_type}", name, known)
        return found

    def orders_for(self, record_type: RecordType, transition: str) -> list[str]:
        """The process types with a step that takes records of a type through a transition."""
        return [
            process.name
            for process in self.record_types.values()
            if process.procedure
            and not process.abstract
            and not {*process.procedure.concerns}.isdisjoint(record_type.ancestors)
            and any(s.transition == transition for s in process.procedure.steps.values())
        ]

    def attributes_below(self, record_type: str) -> Mapping[str, Attribute]:
        """The attributes that records of a type may have, those of its subtypes included."""
        return self._attributes_below[record_type]

    @cached_property
    def _attributes_below(self) -> dict[str, dict[str, Attribute]]:
        """For each record type, the attributes of the type and of all its subtypes."""
        below: dict[str, dict[str, Attribute]] = {name: {} for name in self.record_types}
        for record_type in self.record_types.values():
            for ancestor in record_type.ancestors:
                for name, attribute in record_type.attributes.items():
                    below[ancestor].setdefault(name, attribute)
        return below

    @cached_property
    def attributes(self) -> dict[str, Attribute]:
        """One attribute for each name anywhere in the model.

        A name means the same kind everywhere, so this is enough to read and write stored values.
        """
        everywhere: dict[str, Attribute] = {}
        owners: list[RecordType | RelationshipType] = [*self.record_types.values()]
        owners += self.relationship_types.values()
        for owner in owners:
            for name, attribute in owner.attributes.items():
                everywhere.setdefault(name, attribute)
        return everywhere

    @cached_property
    def references(self) -> frozenset[str]:
        """Names of the attributes, anywhere in the model, whose values are ids of records."""
        return frozenset(n for n, a in self.attributes.items() if a.kind.name == "reference")

    @cached_property
    def value_labels(self) -> dict[tuple[str, str], Label]:
        """(attribute, value) -> label of every enum value and state anywhere in the model."""
        return {
            (name, value): label
            for record_type in self.record_types.values()
            for name, attribute in record_type.attributes.items()
            for value, label in attribute.values.items()
        }

    @cached_property
    def indexed(self) -> frozenset[str]:
        """Names of the record attributes that are indexed: declared so, part of a unique key, the
        first, and so the most telling, of an identification rule, and all references."""
        names = {STATE_ATTRIBUTE, ORGANISATION_ATTRIBUTE}
        for record_type in self.record_types.values():
            names.update(a.name for a in record_type.attributes.values() if a.indexed)
            names.update(name for key in record_type.unique for name in key.attributes)
            names.update(a.name for a in record_type.references)
            names.update(
                rule.attributes[0]
                for rule in record_type.identification
                if rule.optional or not rule.relationship
            )
        return frozenset(names)

    @cached_property
    def searchable(self) -> tuple[str, ...]:
        """Names of the record attributes that full-text search looks at, sorted."""
        names = (
            name
            for record_type in self.record_types.values()
            for name, attribute in record_type.attributes.items()
            if attribute.searchable
        )
        return tuple(sorted(set(names)))

    @cached_property
    def managed(self) -> frozenset[str]:
        return frozenset(name for name, attribute in self.attributes.items() if attribute.managed)

    @cached_property
    def sensitive(self) -> frozenset[str]:
        return frozenset(name for name, attribute in self.attributes.items() if attribute.sensitive)

    @cached_property
    def volatile(self) -> frozenset[str]:
        """Names of the attributes that change by themselves."""
        return frozenset(name for name, attribute in self.attributes.items() if attribute.volatile)

    @cached_property
    def telling(self) -> frozenset[str]:
        """Names of the attributes whose values tell of other records, whoever may see those."""
        return frozenset(
            name for name, a in self.attributes.items() if a.telling and a.kind.name == "json"
        )

    @cached_property
    def tellers(self) -> Mapping[str, tuple[str, ...]]:
        """Concrete record types that tell of other records as a whole, with the references that name those:
        seen only by who sees all of them."""
        found = {
            name: tuple(a.name for a in record_type.references if a.telling)
            for name, record_type in self.record_types.items()
            if not record_type.abstract
        }
        return {name: references for name, references in found.items() if references}

    @cached_property
    def secret(self) -> frozenset[str]:
        """Sensitive, and written by the product itself: told to nobody, whatever they may read."""
        return self.sensitive & self.managed

    @cached_property
    def identifying(self) -> frozenset[str]:
        """Names of the attributes that decide who somebody is: they take the right to administer."""
        return frozenset(name for name, a in self.attributes.items() if a.administered)

    @cached_property
    def administered(self) -> frozenset[str]:
        """Names of the record types that decide who may do what."""
        return frozenset(t.name for t in self.record_types.values() if t.administered)

    @cached_property
    def sharing(self) -> tuple[str, ...]:
        """Names of the references to organisations that may read the record too, sorted."""
        return tuple(sorted(name for name, a in self.attributes.items() if a.shares))

    def shared_with(self, attributes: Mapping[str, Any]) -> set[str]:
        """Ids of the organisations that may read a record with these attributes, beside its own."""
        values = (attributes[name] for name in self.sharing if name in attributes)
        return {id for value in values for id in (value if isinstance(value, list) else (value,))}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the declarations: equal for equal models, whatever their order."""
        return fingerprint_of(self.document)

    @cached_property
    def document(self) -> str:
        """The declarations as one JSON text; `read_document` reads it back."""
        plain = self.declaration.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(plain, ensure_ascii=False)

    # -- values as JSON -------------------------------------------------------------------------

    @cached_property
    def _writers(self) -> dict[str, Callable[[Any], Any]]:
        return {
            name: _each(a.kind.to_json) if a.many else a.kind.to_json
            for name, a in self.attributes.items()
            if not a.kind.plain
        }

    @cached_property
    def _readers(self) -> dict[str, Callable[[Any], Any]]:
        return {
            name: _each(a.kind.from_json) if a.many else a.kind.from_json
            for name, a in self.attributes.items()
            if not a.kind.plain
        }

    def to_json(self, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Canonical attribute values as JSON values. The argument itself where nothing differs."""
        special = self._writers.keys() & attributes.keys() if attributes else ()
        if not special:
            return attributes
        return attributes | {name: self._writers[name](attributes[name]) for name in special}  # type: ignore[operator, no-any-return]

    def from_json(self, attributes: dict[str, Any]) -> dict[str, Any]:
        """The inverse of `to_json`; changes and returns its argument."""
        for name in self._readers.keys() & attributes.keys():
            attributes[name] = self._readers[name](attributes[name])
        return attributes

    # -- resolving ------------------------------------------------------------------------------

    def _record_types(self, declared: Mapping[str, RecordTypeDeclaration]) -> dict[str, RecordType]:
        children: dict[str, list[str]] = {}
        for name, declaration in declared.items():
            if declaration.parent:
                children.setdefault(declaration.parent, []).append(name)
        resolved: dict[str, RecordType] = {}

        def concrete(name: str) -> set[str]:
            below = set().union(*(concrete(child) for child in children.get(name, [])))
            return below if declared[name].abstract else below | {name}

        def resolve(name: str, parent: RecordType | None) -> None:
            declaration = declared[name]
            own = {n: make_attribute(n, a, name) for n, a in declaration.attributes.items()}
            machine = self.state_machines.get(declaration.state_machine or "")
            if machine:
                own[STATE_ATTRIBUTE] = _state_attribute(machine, name)
            elif parent:
                machine = parent.state_machine
            keys = [UniqueKey(name, (n,)) for n, a in own.items() if a.unique]
            keys += [UniqueKey(name, tuple(together)) for together in declaration.unique]
            if name == ROOT:
                own[PROVENANCE] = _provenance(name)
            rules = tuple(map(_rule, declaration.identification))
            resolved[name] = RecordType(
                name=name,
                parent=declaration.parent,
                abstract=declaration.abstract,
                label=_given(declaration.label),
                description=declaration.description,
                ancestors=(*(parent.ancestors if parent else ()), name),
                concrete=frozenset(concrete(name)),
                attributes={**(parent.attributes if parent else {}), **own},
                unique=(*(parent.unique if parent else ()), *keys),
                identification=tuple(
                    dict.fromkeys((*rules, *(parent.identification if parent else ())))
                ),
                becomes=tuple(declaration.becomes),
                state_machine=machine,
                administered=declaration.administered or bool(parent and parent.administered),
                requires=_together(parent.requires if parent else {}, declaration.requires),
                procedure=declaration.procedure or (parent.procedure if parent else None),
                redundancy={**(parent.redundancy if parent else {}), **declaration.redundancy},
            )
            for child in children.get(name, []):
                resolve(child, resolved[name])

        if ROOT in declared:
            resolve(ROOT, None)
        return {name: resolved[name] for name in declared if name in resolved}

    def _relationship_type(
        self, name: str, declared: RelationshipTypeDeclaration
    ) -> RelationshipType:
        def ends(names: Iterable[str]) -> frozenset[str]:
            return frozenset().union(*(self.record_types[n].concrete for n in names))

        return RelationshipType(
            name=name,
            label=_given(declared.label),
            description=declared.description,
            inverse=declared.inverse or "",
            inverse_label=_given(declared.inverse_label),
            source=tuple(declared.source),
            target=tuple(declared.target),
            sources=ends(declared.source),
            targets=ends(declared.target),
            one_target=declared.targets_per_source == "one",
            one_source=declared.sources_per_target == "one",
            acyclic=declared.acyclic,
            by_product=declared.managed,
            ends_with_service=declared.ends_with_service,
            slots=declared.slots,
            part=declared.part,
            administered=declared.administered,
            symmetric=declared.symmetric,
            attributes={
                **{n: make_attribute(n, a, name) for n, a in declared.attributes.items()},
                PROVENANCE: _provenance(name),
            },
            impact=declared.impact,
            inferred=declared.inferred,
        )


@lru_cache(4)
def read_document(document: str) -> Model:
    """The model that `Model.document` wrote; stores that are open together mostly have one model."""
    return Model(ModelDeclaration.model_validate_json(document))


def fingerprint_of(document: str) -> str:
    """`Model.fingerprint` of the model of a document, whichever release wrote that."""
    plain = json.dumps(json.loads(document), sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def _state_machine(name: str, declared: StateMachineDeclaration) -> StateMachine:
    return StateMachine(
        name=name,
        label=_given(declared.label),
        initial=declared.initial or "",
        observed=declared.observed,
        vanished=declared.vanished,
        entered=declared.entered,
        states={
            n: State(
                n,
                s.label,
                s.operational,
                s.terminal,
                s.frozen,
                s.approval,
                s.timers,
                tuple(s.entry),
                tuple(s.exit),
            )
            for n, s in declared.states.items()
        },
        transitions={
            n: Transition(
                n,
                t.label,
                frozenset(t.source),
                t.target,
                tuple(t.by),
                tuple(t.requires),
                tuple(t.guards),
                tuple(dict.fromkeys((*t.effects, *declared.effects))),
            )
            for n, t in declared.transitions.items()
        },
        clocks=declared.clocks,
    )


def _together(
    inherited: Mapping[str, tuple[str, ...]], own: Mapping[str, list[str]]
) -> dict[str, tuple[str, ...]]:
    """What a type requires for each transition, beside what its ancestors do."""
    return {
        name: tuple(dict.fromkeys((*inherited.get(name, ()), *own.get(name, ()))))
        for name in (*inherited, *(n for n in own if n not in inherited))
    }


def _state_attribute(machine: StateMachine, declared_by: str) -> Attribute:
    declared = AttributeDeclaration(
        kind="enum",
        label=Label(en="Lifecycle state", zh="生命周期状态"),
        indexed=True,
        default=machine.initial,
        values={name: state.label for name, state in machine.states.items()},
    )
    return make_attribute(STATE_ATTRIBUTE, declared, declared_by)


def _rule(elements: list[str]) -> IdentificationRule:
    """A declared rule: ``[COMPONENT_OF, name, slot?]``."""
    scope = next((e for e in elements if e[0].isupper()), None)
    return IdentificationRule(
        attributes=tuple(e for e in elements if e[0].islower() and not e.endswith("?")),
        agreeing=tuple(e[:-1] for e in elements if e[0].islower() and e.endswith("?")),
        relationship=scope.removesuffix("?") if scope else None,
        optional=scope is not None and scope.endswith("?"),
    )


def _provenance(owner: str) -> Attribute:
    declared = AttributeDeclaration(
        kind="json",
        label=Label(en="Provenance", zh="数据来源"),
        description=Label(
            en="Which sources reported it, and what each said last.",
            zh="由哪些来源报告，以及各来源最近一次的内容。",
        ),
        managed=True,
    )
    return make_attribute(PROVENANCE, declared, owner)


def _each(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda values: [function(value) for value in values]


def _given(label: Label | None) -> Label:
    assert label is not None, "the declarations were not checked"
    return label


def _unknown(what: str, name: str, known: Iterable[str]) -> UnknownNameError:
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    folded = [n for n in names if n.lower().replace("_", "") == name.lower().replace("_", "")]
    near = list(dict.fromkeys([*folded, *near]))
    remedy = f"Did you mean {' or '.join(near)}?" if near else "`cmdb schema show` lists the names."
    return UnknownNameError(f"There is no {what} {name!r}.", remedy)
