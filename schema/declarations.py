"""What a model file may say, as pydantic models: the shape of one declaration each.

Checks that need only one declaration live here; those that need the whole model are in
``schema.checks``. The JSON Schema published for editors is made from these classes.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator

from schema.basics import Declaration, Label, Needed, SnakeName, TypeName, UpperName
from schema.kinds import KINDS
from schema.processes import (
    EffectDeclaration,
    GuardDeclaration,
    ProcedureDeclaration,
    Requirement,
    StateMachineDeclaration,
)
from schema.service_management import (
    ImpactLevelDeclaration,
    PriorityDeclaration,
    RiskFactorDeclaration,
    RiskLevelDeclaration,
)

RuleElement = Annotated[
    str, StringConstraints(pattern=r"^([a-z][a-z0-9_]{0,62}|[A-Z][A-Z0-9_]{0,62})\??$")
]
"""Part of an identification rule: an attribute, one with ``?`` that must only not differ, or a
relationship (or inverse) name: of the record at its other end, with ``?`` where the source says which."""
KindName = Literal[
    "string",
    "text",
    "integer",
    "number",
    "boolean",
    "date",
    "datetime",
    "duration",
    "enum",
    "ip_address",
    "ip_network",
    "mac",
    "url",
    "email",
    "money",
    "json",
    "reference",
]


class AttributeDeclaration(Declaration):
    """One attribute of a record type or of a relationship type."""

    kind: KindName
    label: Label
    description: Label | None = None
    many: bool = Field(False, description="The value is a list of this kind.")
    required: bool = False
    unique: bool = Field(False, description="No two records of the type share a value.")
    indexed: bool = Field(False, description="Finding records by this attribute is fast.")
    managed: bool = Field(
        False, description="Written by the product itself; no door takes it from people or tools."
    )
    sensitive: bool = Field(
        False,
        description="Never in logs or events; read only with a permission, and by nobody if `managed` too.",
    )
    administered: bool = Field(
        False,
        description="Decides who somebody is: set, changed and taken away by administrators of the record's organisation only.",
    )
    volatile: bool = Field(
        False,
        description="Changes by itself in what is operated: that a source finds another value is no finding.",
    )
    telling: bool = Field(
        False,
        description="Tells of other records, whoever may see those. JSON is read only by who sees everything; others are told what they may see of it. Of a reference: the record is seen only by who sees all that it names.",
    )
    searchable: bool | None = Field(
        None,
        description="Whether full-text search looks at it; by default textual kinds that are not sensitive.",
    )
    default: Any = None
    pattern: str | None = Field(None, description="Regular expression the whole value matches.")
    format: Literal["time_zone", "week_hours", "day_hours"] | None = Field(
        None,
        description="Of a string: a time zone of the IANA database. Of JSON: hours by day of the week, or by date.",
    )
    minimum: float | None = None
    maximum: float | None = None
    unit: str | None = None
    values: dict[SnakeName, Label] | None = Field(None, description="Of an enum: its values.")
    to: TypeName | None = Field(None, description="Of a reference: the record type it names.")
    shares: bool = Field(
        False,
        description="Of a reference to an organisation: who may read there may read the record too.",
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"the pattern does not compile: {error}") from None
        return pattern


class RedundancyDeclaration(Declaration):
    """How many of a CI's providers by one relationship type are needed.

    ``group_by: group`` makes one group of those that share the relationship's ``group`` attribute;
    without it all providers of that relationship type form one group.
    """

    needed: Needed = "1"
    group_by: Literal["group"] | None = None

    @field_validator("needed", mode="before")
    @classmethod
    def _count_as_text(cls, needed: object) -> object:
        return str(needed) if isinstance(needed, int) else needed


class ImpactDeclaration(Declaration):
    """How failure travels along a relationship: from the provider's end to the other."""

    provider: Literal["source", "target"]
    strength: Literal["hard", "soft"] = "hard"
    redundancy: RedundancyDeclaration | None = None


class RecordTypeDeclaration(Declaration):
    """One record type. ``extend: true`` adds to, or overrides parts of, a type declared elsewhere."""

    extend: bool = False
    parent: TypeName | None = None
    abstract: bool = False
    label: Label | None = None
    description: Label | None = None
    attributes: dict[SnakeName, AttributeDeclaration] = {}
    unique: list[list[SnakeName]] = Field(
        default=[],
        description="Attributes that are unique together; name `organisation` among them for unique within an organisation.",
    )
    identification: list[list[RuleElement]] = Field(
        default=[],
        description="Identification rules, in order: attributes that together tell one record from all others, the most telling first: that one is indexed. `name?` need only not differ; a relationship name tells records apart among those of one parent, with `?` where the source says which.",
    )
    becomes: list[TypeName] = Field(
        default=[],
        description="Of a provisional type: what its records may turn out to be, subtypes included.",
    )
    state_machine: SnakeName | None = None
    administered: bool = Field(
        False,
        description="Decides who may do what: read and written by administrators of its organisation only. Holds for subtypes too.",
    )
    requires: dict[SnakeName, list[Requirement]] = Field(
        default={},
        description="Transition -> attributes and relationships that records of this type need for it, beside what the transition itself requires.",
    )
    procedure: ProcedureDeclaration | None = Field(
        None, description="Of a process record: how it is prepared, approved and carried out."
    )
    redundancy: dict[UpperName, RedundancyDeclaration] = {}


class InferenceDeclaration(Declaration):
    """A rule that makes relationships from attributes: the source's says which target is meant.

    ``equal``: the target's attribute has the same value, whatever its case; ``host``: it has the host
    of the source's URL; ``within``: the target's network is the smallest that holds the source's
    address.
    """

    source: list[TypeName] = Field(min_length=1)
    attribute: SnakeName
    target: list[TypeName] = Field(min_length=1)
    by: SnakeName = Field(description="The target's attribute; it must be indexed.")
    match: Literal["equal", "host", "within"] = "equal"


class SlotsDeclaration(Declaration):
    """Targets take up room in their source, each its own: rack units."""

    position: SnakeName = Field(description="The relationship's attribute: the lowest slot taken.")
    height: SnakeName = Field(description="The target's attribute: how many; 1 without a value.")
    capacity: SnakeName = Field(description="The source's attribute: how many there are.")


class RelationshipTypeDeclaration(Declaration):
    """One relationship type, read from source to target: (app)-[:RUNS_ON]->(server)."""

    extend: bool = False
    label: Label | None = None
    description: Label | None = None
    inverse: UpperName | None = Field(None, description="The name of the other way round.")
    inverse_label: Label | None = None
    source: list[TypeName] = []
    target: list[TypeName] = []
    targets_per_source: Literal["one", "many"] = "many"
    sources_per_target: Literal["one", "many"] = "many"
    acyclic: bool = False
    managed: bool = Field(
        False, description="Made by the product itself; no door takes it from people or tools."
    )
    ends_with_service: bool = Field(
        False, description="Closed when the record at either end leaves service for good."
    )
    slots: SlotsDeclaration | None = None
    part: Literal["source", "target"] | None = Field(
        None,
        description="The end at which a part of the other end stands: a part that names no organisation belongs to that of the whole.",
    )
    administered: bool = Field(
        False, description="Decides who may do what: made and closed by administrators only."
    )
    symmetric: bool = Field(
        False, description="Either way round means the same: it is kept once, whoever reports it."
    )
    attributes: dict[SnakeName, AttributeDeclaration] = {}
    impact: ImpactDeclaration | None = None
    inferred: dict[SnakeName, InferenceDeclaration] = Field(
        default={}, description="Rules by which relationships of this type follow from attributes."
    )


class ModelDeclaration(Declaration):
    """One model file, or the whole model after its files are merged."""

    record_types: dict[TypeName, RecordTypeDeclaration] = {}
    relationship_types: dict[UpperName, RelationshipTypeDeclaration] = {}
    state_machines: dict[SnakeName, StateMachineDeclaration] = {}
    guards: dict[SnakeName, GuardDeclaration] = {}
    effects: dict[SnakeName, EffectDeclaration] = {}
    impact_levels: dict[SnakeName, ImpactLevelDeclaration] = {}
    priorities: dict[SnakeName, PriorityDeclaration] = {}
    risk_factors: dict[SnakeName, RiskFactorDeclaration] = {}
    risk_levels: dict[SnakeName, RiskLevelDeclaration] = {}


assert set(KindName.__args__) == set(KINDS)  # type: ignore[attr-defined]
