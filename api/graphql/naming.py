"""What things of the model are called in GraphQL."""

from __future__ import annotations

from schema.model import RecordType

RESERVED = frozenset(
    {
        "id",
        "type",
        "revision",
        "attributes",
        "maskedAttributes",
        "history",
        "why",
        "transitions",
        "impact",
    }
    | {"node", "cursor", "relationshipRevision", "and", "or", "not"}
    | {"clocks", "impactNow", "recentChanges", "knowledge"}
    | {"difference", "whatIf", "riskNow", "riskFactors", "collisions", "nextWindow", "verification"}
)
"""Fields that every record, edge or filter has, or some process, whatever the model says."""
INVARIABLE = ("ware", "equipment", "information")


def camel(name: str) -> str:
    """``cpu_count`` and ``RUNS_ON`` as fields: ``cpuCount``, ``runsOn``."""
    first, *rest = name.lower().split("_")
    return first + "".join(part.capitalize() for part in rest)


def attribute_field(name: str) -> str:
    """The field of an attribute; one that is called as what every record has gets another ending."""
    field = camel(name)
    return f"{field}Value" if field in RESERVED else field


def pascal(name: str) -> str:
    """``RUNS_ON`` as a part of a type's name: ``RunsOn``."""
    return "".join(part.capitalize() for part in name.lower().split("_"))


def plural(type_name: str) -> str:
    """The root field that lists the records of a type: ``servers``, ``powerSupplies``."""
    start = next((i for i, c in enumerate(type_name) if c.islower()), len(type_name))
    head = max(1, start - 1) if start < len(type_name) else len(type_name)
    name = type_name[:head].lower() + type_name[head:]
    if name.endswith(INVARIABLE):
        return name
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    if name.endswith(("s", "x", "z", "ch", "sh")):
        return name + "es"
    return name + "s"


def described(record_type: RecordType) -> str:
    """The description of a type, in both languages."""
    text = record_type.description
    label = record_type.label
    lines = [f"{label.en} · {label.zh}"]
    if text is not None:
        lines.append(f"{text.en} {text.zh}")
    return "\n".join(lines)
